"""Chimera's judge inside of pytest: launches the browser, counts assertions, writes the report.

It reads its instructions from standard input, where the test cannot see them, and leaves the report once at
the end of the session. A run that ends in any other way leaves no report, and without one nothing counts.
"""

import builtins
import functools
import json
import os
import re
import sys

import playwright.sync_api._generated as api
import pytest
from chimera_seen import Seen
from playwright._impl.assertions import AssertionsBase
from playwright._impl.channel_owner import ApiCallOptions
from playwright._impl.frame import Frame
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api._context_manager import PlaywrightContextManager

_instructions = json.load(sys.stdin)
_token = _instructions.pop("token")

TRIES = 3
"""How many short waits there are. A picture that has come is told as an open request for a moment longer."""

_session = {"tests": [], "error": None, "tool_error": None}
_ending = False
_in_flight = set()
_test = {"assertions": 0, "asserted_at": set(), "reached": False}
seen = Seen(_instructions)


def _wrap(owner, name, around):
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapper(*args, **kwargs):
        __tracebackhide__ = True
        return around(original, *args, **kwargs)

    setattr(owner, name, wrapper)


def _public(owner, *prefixes):
    return [name for name in vars(owner) if name.startswith(prefixes) and callable(getattr(owner, name))]


# The browser: the system's own, with no network but the loopback interface.


def _launch(original, self, **kwargs):
    __tracebackhide__ = True
    kwargs["executable_path"] = _instructions["chromium"]
    kwargs["args"] = [*(kwargs.get("args") or []), *_instructions["args"]]
    kwargs["headless"] = True
    # The one way out, for loopback, too; without the bypass list the browser would go there directly.
    kwargs["proxy"] = {"server": _instructions["proxy"], "bypass": "<-loopback>"}
    kwargs.pop("channel", None)
    try:
        browser = original(self, **kwargs)
        _check_browser(browser)
        return browser
    except Exception as err:
        _session["tool_error"] = f"the browser does not start: {err}"
        raise


def _check_browser(browser):
    """An application must not tell the judge's browser from a person's: its headless shell is refused by its own name."""
    session = browser.new_browser_cdp_session()
    product = session.send("Browser.getVersion")["product"]
    session.detach()
    name, _, version = product.partition("/")
    oldest = _instructions["oldest_browser"]
    if name.startswith("Headless"):
        raise RuntimeError(f"{_instructions['chromium']} is a headless shell; the judge needs the whole browser")
    if int(version.partition(".")[0]) < oldest:
        raise RuntimeError(f"{_instructions['chromium']} is {product}; the judge needs version {oldest} or newer")


def _new_context(original, self, **kwargs):
    __tracebackhide__ = True
    # As people's browsers call themselves, which have a window: an application must not tell a test from them.
    kwargs["user_agent"] = (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
        f"Chrome/{self.version.split('.')[0]}.0.0.0 Safari/537.36"
    )
    # As the context of the page fixture: paths are paths of the application.
    kwargs.setdefault("base_url", _instructions["origin"])
    context = original(self, **kwargs)
    context.on("request", _request_begins)
    context.on("requestfinished", _request_ends)
    context.on("requestfailed", _request_ends)
    seen.listen(context)
    context.set_default_timeout(_instructions["action_timeout_ms"])
    context.set_default_navigation_timeout(_instructions["navigation_timeout_ms"])
    return context


_wrap(api.BrowserType, "launch", _launch)
_wrap(api.BrowserType, "launch_persistent_context", lambda original, self, *a, **k: _refuse())
_wrap(api.Browser, "new_context", _new_context)
# Playwright's own would make a context of which we know nothing.
_wrap(api.Browser, "new_page", lambda original, self, **kwargs: self.new_context(**kwargs).new_page())


# The end is abrupt: the judge ends every process of the run, which is faster than closing them in order.


def _unless_ending(original, self, *args, **kwargs):
    return None if _ending else original(self, *args, **kwargs)


_wrap(api.Browser, "close", _unless_ending)
_wrap(PlaywrightContextManager, "__exit__", _unless_ending)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(nextitem):
    global _ending
    _ending = nextitem is None


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config):
    config.get_terminal_writer().flush()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _refuse():
    raise RuntimeError("launch_persistent_context is not available to tests here; use the page fixture")


# Whether the application under test was reached at all.


def _is_ours(url):
    return url == _instructions["origin"] or url.startswith(_instructions["origin"] + "/")


def _reaching(original, self, *args, **kwargs):
    __tracebackhide__ = True
    address = str(kwargs.get("url", args[0] if args else ""))
    if re.match(r"^\s*(?!https?:)[a-z][a-z0-9+.-]*:", address, re.IGNORECASE):
        raise RuntimeError(f"{address} is no page of the application")
    try:
        response = original(self, *args, **kwargs)
    except api.Error as err:
        if "net::ERR_HTTP_RESPONSE_CODE_FAILURE" not in str(err):
            raise
        # An answer with an error status and an empty body: the browser shows a page of its own instead.
        _test["reached"] = True
        return None
    if response is not None and _is_ours(response.url):
        _test["reached"] = True
    return response


for _owner in (api.Page, api.Frame):
    _wrap(_owner, "goto", _reaching)
for _name in ("fetch", "get", "post", "put", "patch", "delete", "head"):
    _wrap(api.APIRequestContext, _name, _reaching)


# Assertions: counted, and not waited for on a page that cannot change. Where anything can (a script, a
# request, an animation), or where the browser has not looked yet, Playwright's own patience applies.

def _request_begins(request):
    _in_flight.add(request)


def _request_ends(request):
    _in_flight.discard(request)


async def _still(page):
    """A number for the document, if nothing can change it any more; otherwise None."""
    try:
        # Internal: a question of ours is no step of the test, and has no place in its trace.
        document = await page._wrap_api_call(
            lambda _: page.main_frame.evaluate(_instructions["still"], None), ApiCallOptions(internal=True)
        )
    except api.Error:
        return None
    return document


async def _expecting(original, self, selector, expression, options, title):
    """Frame._expect: at first with the short wait, if it has no other time than the default one."""
    seen.page = self._page
    if options.pop("patience", None) != "default":
        return await original(self, selector, expression, options, title)
    for _ in range(TRIES):
        document, quiet = await _still(self._page), not _in_flight
        if document is None:
            break
        hurried = {**options, "timeout": _instructions["still_wait_ms"]}
        result = await original(self, selector, expression, hurried, title)
        if not result.get("timedOut"):
            return result
        if not _looked(result) or await _still(self._page) != document:
            break
        if quiet and not _in_flight:
            return result
    return await original(self, selector, expression, options, title)


def _looked(result):
    """Whether the browser saw what is there before the time was over."""
    return bool(result.get("received")) or "element(s) not found" in (result.get("errorMessage") or "")


async def _with_default_patience(original, self, expression, options, *args, **kwargs):
    __tracebackhide__ = True
    if options.get("timeout") is None and not self._timeout:
        options["patience"] = "default"
    return await original(self, expression, options, *args, **kwargs)


def _asserted(line):
    _test["assertions"] += 1
    if line is not None and len(_test["asserted_at"]) < _instructions["places"]:
        _test["asserted_at"].add(line)


def _line_of_the_test():
    """The line of the test file that is being executed."""
    frame = sys._getframe(1)
    while frame is not None and os.path.basename(frame.f_code.co_filename) != _instructions["test_file"]:
        frame = frame.f_back
    return frame and frame.f_lineno


def _counting(original, self, *args, **kwargs):
    __tracebackhide__ = True
    _asserted(_line_of_the_test())
    return original(self, *args, **kwargs)


def _acting(original, self, *args, **kwargs):
    __tracebackhide__ = True
    seen.page = self._impl_obj._frame._page
    if kwargs.get("timeout") is None and self._sync(_never_appears(self._impl_obj)):
        kwargs["timeout"] = _instructions["still_wait_ms"]
    return original(self, *args, **kwargs)


async def _never_appears(locator):
    """Whether the element is not there, and nothing can bring it."""
    return await locator._frame._page._wrap_api_call(
        lambda _: _is_missing(locator), ApiCallOptions(internal=True)
    )


async def _is_missing(locator):
    page = locator._frame._page
    for _ in range(TRIES):
        document, quiet = await _still(page), not _in_flight
        if document is None or not await _is_absent(locator) or await _still(page) != document:
            return False
        if quiet and not _in_flight:
            return True
    return False


async def _is_absent(locator):
    try:
        await locator.wait_for(state="attached", timeout=_instructions["still_wait_ms"])
    except PlaywrightTimeout:
        # The wait may have ended before the browser looked; the count is a look.
        return await locator.count() == 0
    except api.Error:
        pass
    return False


_wrap(Frame, "_expect", _expecting)
_wrap(AssertionsBase, "_expect_impl", _with_default_patience)
for _owner in (api.LocatorAssertions, api.PageAssertions, api.APIResponseAssertions):
    for _name in _public(_owner, "to_", "not_to_"):
        _wrap(_owner, _name, _counting)
for _name in ("click", "dblclick", "fill", "check", "uncheck", "select_option", "hover", "press", "tap", "type"):
    _wrap(api.Locator, _name, _acting)


def pytest_assertion_pass(item, lineno, orig, expl):
    _asserted(lineno)


# What every test did.

_NAVIGATION = re.compile(r"^(Page|Frame)\.(goto|reload|go_back|go_forward|wait_for_load_state)\b")
_LOCATOR = re.compile(
    r"^(Locator|FrameLocator|ElementHandle)\.|^(Page|Frame)\."
    r"(click|dblclick|tap|fill|focus|hover|press|type|check|uncheck|set_checked|select_option|drag_and_drop|"
    r"wait_for_selector|wait_for_url|wait_for_function|get_attribute|inner_text|inner_html|text_content|"
    r"input_value|is_\w+)\b"
)


def _classified(excinfo):
    """assertion_failed, unreachable or errored."""
    err = excinfo.value
    if isinstance(err, getattr(builtins, "BaseExceptionGroup", ())):
        return "assertion_failed" if _all_assertions(err) and _test["reached"] else "errored"
    text = str(err)
    own = any(os.path.basename(str(entry.path)) == _instructions["test_file"] for entry in excinfo.traceback)
    if isinstance(err, api.Error):
        if "net::ERR_" in text or (isinstance(err, PlaywrightTimeout) and _NAVIGATION.match(text)):
            return "unreachable"
        held_not = isinstance(err, PlaywrightTimeout) or "strict mode violation" in text
        return "assertion_failed" if own and held_not and _LOCATOR.match(text) and _test["reached"] else "errored"
    failed = isinstance(err, AssertionError) and _raised_by_the_test(excinfo, own)
    return "assertion_failed" if failed and _test["reached"] else "errored"


def _all_assertions(group):
    return all(
        _all_assertions(err) if hasattr(err, "exceptions") else isinstance(err, AssertionError)
        for err in group.exceptions
    )


def _raised_by_the_test(excinfo, own):
    """By an assert of the test file or by Playwright's expect, soft or not; not by some library."""
    where = str(excinfo.traceback[-1].path)
    if f"{os.sep}pytest_playwright{os.sep}" in where:
        return True  # It collects soft assertions and raises them at the end.
    return own and (os.path.basename(where) == _instructions["test_file"] or f"{os.sep}playwright{os.sep}" in where)


def _id(nodeid):
    """The id without the file, and without the browser that pytest-playwright adds."""
    return re.sub(r"\[chromium-(.*)\]$", r"[\1]", nodeid.split("::", 1)[-1]).removesuffix("[chromium]")


def _message(excinfo):
    """Without Playwright's picture of the page, which has a place of its own."""
    text = f"{excinfo.typename}: {excinfo.value}" if excinfo.type is not AssertionError else str(excinfo.value)
    return text.split("\nAria snapshot:\n")[0]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    _in_flight.clear()
    seen.begin()
    _test.update(assertions=0, asserted_at=set(), reached=False)
    _session["tests"].append({"id": _id(item.nodeid), "status": None, "assertions": 0, "duration_ms": 0})


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    entry = _session["tests"][-1]
    entry["duration_ms"] += int(call.duration * 1000)
    entry["assertions"] = _test["assertions"]
    entry["asserted_at"] = sorted(_test["asserted_at"])
    marked = hasattr(report, "wasxfail") or item.get_closest_marker("xfail") is not None
    if report.skipped or marked:
        status, message = "skipped", str(getattr(report, "wasxfail", "") or _reason(report))
    elif report.failed and call.excinfo is not None:
        status = "errored" if report.when == "teardown" else _classified(call.excinfo)
        message = _message(call.excinfo)
        entry.setdefault("failed", seen.failed(item, call.excinfo))
    elif report.failed:
        status, message = "errored", str(report.longrepr)
    else:
        status, message = ("passed" if report.when == "call" else None), None
    if entry["status"] in (None, "passed") and status is not None:
        entry["status"] = status
        entry["message"] = message and message[: _instructions["message_chars"]]


def _reason(report):
    return report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr


def pytest_configure(config):
    with open(_instructions["report"] + ".started", "w", encoding="utf-8"):
        pass


def pytest_collectreport(report):
    if not report.passed:
        text = str(report.longrepr)
        _session["error"] = f"{report.nodeid}: {text[-_instructions['message_chars'] :]}"


def pytest_internalerror(excrepr):
    _session["error"] = str(excrepr)[-_instructions["message_chars"] :]


def pytest_keyboard_interrupt(excinfo):
    _session["error"] = _session["error"] or f"the run was interrupted: {excinfo.value}"


def pytest_deselected(items):
    _session["error"] = f"{len(items)} tests were deselected"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    for entry in _session["tests"]:
        if entry["status"] is None:
            entry.update(status="errored", message="it did not run to its end")
    if session.testscollected != len(_session["tests"]) and _session["error"] is None:
        _session["error"] = f"{session.testscollected} tests were collected, {len(_session['tests'])} ran"
    path = _instructions["report"]
    with open(path + ".part", "w", encoding="utf-8") as file:
        json.dump({"token": _token, **_session}, file)
    os.replace(path + ".part", path)
