"""Chimera's judge inside of pytest: where a test failed, and what its page was like then.

It is told to people and agents; no verdict rests on it.
"""

import os

from playwright._impl.channel_owner import ApiCallOptions


class Seen:
    """What could be seen during the test that runs."""

    def __init__(self, told):
        self.told = told
        self.begin()

    def begin(self):
        """A test begins."""
        self.page = None
        self.statuses = {}
        self.notes = {"console": [], "requests": []}

    def listen(self, context):
        context.on("console", self.console)
        context.on("weberror", lambda found: self.note("console", f"uncaught {found.error.stack or found.error.message}"))
        context.on("requestfailed", lambda request: self.note("requests", f"{request.method} {request.url}: {request.failure}"))
        context.on("response", self.response)

    def console(self, message):
        # What could not be loaded is among the requests; the browser's own look for an icon is nobody's trouble.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            where = message.location
            self.note("console", f"{message.type}: {message.text} ({where.get('url')}:{where.get('lineNumber', 0) + 1})")

    def response(self, response):
        self.statuses[response.url.split("#")[0]] = response.status
        if response.status >= 400:
            self.note("requests", f"{response.request.method} {response.url}: {response.status}")

    def note(self, kind, text):
        if len(self.notes[kind]) < self.told["notes"]:
            self.notes[kind].append(text[: self.told["note_chars"]])

    def failed(self, item, excinfo):
        """The lines of the test file, from the test to the one that failed, and the page."""
        lines = [
            entry.lineno + 1
            for entry in excinfo.traceback
            if os.path.basename(str(entry.path)) == self.told["test_file"]
        ]
        seen = {"lines": lines, **self.notes}
        fixture = getattr(item, "funcargs", {}).get("page")
        page = self.page or (fixture and fixture._impl_obj)
        if page is None or page.url == "about:blank":
            return seen
        try:
            snapshot = fixture._sync(self.snapshot(page))
        except Exception:
            snapshot = None  # A page that has gone or hangs shows nothing.
        return {**seen, "url": page.url, "status": self.statuses.get(page.url.split("#")[0]), "snapshot": snapshot}

    async def snapshot(self, page):
        async def ask(_):
            return await page.aria_snapshot(
                timeout=self.told["snapshot_timeout_ms"], depth=None, mode=None, boxes=None
            )

        # Internal: a question of ours is no step of the test, and has no place in its trace.
        text = await page._wrap_api_call(ask, ApiCallOptions(internal=True))
        return text[: self.told["snapshot_chars"]]
