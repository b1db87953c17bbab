"""Chimera's look at a pytest-playwright test before it is frozen: parsed, never imported.

Reads {"source", "criteria"} as JSON from standard input, each criterion as [text, whether an action answers it],
and writes a list of [line, rule, message] to standard output. What is not known to be harmless is refused: a test is a straight walk through the page, and needs
little of the language. The rules are described in docs/proof.md.
"""

import ast
import builtins
import io
import json
import re
import sys
import tokenize

IMPORTS = {
    "__future__": {"annotations"},
    "typing": {"Any", "Iterator", "Generator", "Callable", "Sequence"},
    "collections.abc": {"Iterator", "Generator", "Callable", "Sequence"},
    "playwright.sync_api": {
        "Page", "expect", "Browser", "BrowserContext", "Locator", "Dialog", "Download", "Response", "Request",
        "ConsoleMessage", "FilePayload", "ViewportSize", "FrameLocator", "Frame", "Keyboard", "Mouse",
    },
}
"""What may be imported by name."""

MODULES = {
    "re": {
        "compile", "escape", "search", "match", "fullmatch", "findall", "sub", "split", "Pattern", "Match",
        "I", "IGNORECASE", "M", "MULTILINE", "S", "DOTALL", "X", "VERBOSE", "A", "ASCII",
    },
    "pytest": {"mark", "fixture", "approx", "param"},
    "string": {"ascii_letters", "ascii_lowercase", "ascii_uppercase", "digits", "punctuation"},
}
"""Whole modules, and what may be used of them."""

BUILTINS = {
    "abs", "all", "any", "bool", "bytes", "dict", "enumerate", "filter", "float", "frozenset", "int", "isinstance",
    "len", "list", "map", "max", "min", "print", "range", "repr", "reversed", "round", "set", "sorted", "str", "sum",
    "tuple", "zip", "True", "False", "None",
}
FIXTURES = {"page", "context", "browser", "new_context", "base_url", "browser_name"}
"""Fixtures that a test may ask for beside its own."""

RESERVED = FIXTURES | {
    "playwright", "browser_type", "browser_type_launch_args", "browser_context_args", "connect_options",
    "launch_browser", "device", "request", "tmp_path", "monkeypatch", "expect",
}
"""Names that stand for what a test is judged with."""

SLEEPING = {
    "wait_for_timeout", "sleep", "pause", "set_default_timeout", "set_default_navigation_timeout", "set_options",
}
MOCKING = {
    "route", "route_from_har", "route_web_socket", "unroute", "unroute_all", "fulfill", "abort", "continue_", "fallback",
    "set_content", "add_init_script", "add_script_tag", "add_style_tag", "expose_function", "expose_binding",
    "register", "selectors", "set_extra_http_headers", "set_offline", "service_workers", "clock",
}
SCRIPTING = {"evaluate_handle", "evaluate_all", "eval_on_selector", "eval_on_selector_all", "wait_for_function"}
"""They run a script over elements, of which nobody knows here that it only reads."""
INDIRECT = {
    "add_locator_handler": "acts whenever it likes: dismiss what is in the way by a step of the test",
    "dispatch_event": "does what no user does: click, fill or press",
}
ESCAPING = {
    "browser_type", "chromium", "firefox", "webkit", "launch", "launch_persistent_context", "launch_server", "connect",
    "connect_over_cdp", "new_cdp_session", "new_browser_cdp_session", "storage_state", "save_as", "path", "tracing",
    "start_tracing", "stop_tracing", "video", "har", "mro", "gi_frame", "gi_code", "f_back", "f_globals", "f_locals",
    "f_builtins", "tb_frame", "tb_next", "cr_frame", "func_globals", "format_map", "getfixturevalue", "config", "session",
}
CONTEXT = {
    "locale", "color_scheme", "viewport", "timezone_id", "is_mobile", "has_touch", "reduced_motion", "forced_colors",
    "device_scale_factor", "contrast", "screen", "accept_downloads",
}
"""What new_context may be told: how the user's device looks, not where the application is."""
EVENTS = {"dialog", "popup", "page", "download", "console", "pageerror", "request", "response", "requestfailed", "requestfinished"}

SCRIPT_CALLS = {
    "getComputedStyle", "getPropertyValue", "matchMedia", "getBoundingClientRect", "querySelector", "querySelectorAll",
    "getAttribute", "hasAttribute", "getItem", "toString", "trim", "getElementById", "contains", "matches", "closest",
    "String", "Number", "Boolean", "toLowerCase", "toUpperCase", "includes", "startsWith", "endsWith", "checkValidity",
}
ACTIONS = {
    "goto", "click", "dblclick", "fill", "check", "uncheck", "select_option", "press", "hover", "tap", "type", "focus",
    "set_input_files", "press_sequentially", "clear", "drag_to", "reload", "go_back", "go_forward", "scroll_into_view_if_needed",
}
GENERATING = {"uuid", "random", "datetime", "time", "secrets"}
FIXED = "; write a fixed text: a test that makes up its values is not the same test twice"
CRITERION = re.compile(r"^#\s*criterion\s+(\d+)\b", re.IGNORECASE)


class Check:
    def __init__(self, source, tree, criteria):
        self.source, self.tree, self.criteria, self.found = source, tree, criteria, []
        self.bound, self.asserting, self.imported = set(), set(), set()
        nodes = list(ast.walk(tree))
        self.module_uses = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
        self.calls = {id(node.func) for node in nodes if isinstance(node, ast.Call)}

    def no(self, node, rule, message):
        self.found.append([getattr(node, "lineno", node if isinstance(node, int) else 1), rule, message])

    def run(self):
        tree = self.tree
        self.bind(tree)
        for statement in tree.body:
            self.top(statement)
        for node in ast.walk(tree):
            self.node(node)
        tests = list(self.tests(tree))
        if not tests:
            self.no(1, "assertion", "there is no test: define a function test_...")
        for test in tests:
            if not self.asserts(test):
                self.no(test, "assertion", f"{test.name} asserts nothing: use expect(...) or assert")
        self.mapping(tests)
        return sorted(self.found, key=lambda found: found[0])

    # Names

    def bind(self, tree):
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.bound.add(node.id)
            elif isinstance(node, ast.arg):
                self.bound.add(node.arg)
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                self.bound.add(node.name)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                self.imported |= {name.name for name in node.names}
        # A function that asserts makes its callers assert.
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        for _ in functions:
            self.asserting |= {function.name for function in functions if self.asserts(function)}

    def top(self, node):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef)):
            return
        if isinstance(node, ast.ClassDef):
            if node.bases or node.keywords or node.decorator_list or not node.name.startswith("Test"):
                self.no(node, "statement", "a class may only group tests: class TestName, without bases and decorators")
            for inner in node.body:
                plain = isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant)
                if not plain and not isinstance(inner, ast.FunctionDef):
                    self.no(inner, "statement", "a class may hold test functions only")
            return
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and self.literal(node.value):
            return
        self.no(node, "statement", "outside of functions only imports, functions and constants are possible")

    def literal(self, node):
        if node is None or isinstance(node, ast.Constant):
            return True
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            return all(self.literal(item) for item in node.elts)
        if isinstance(node, ast.Dict):
            return all(self.literal(item) for item in [*node.keys, *node.values])
        if isinstance(node, ast.UnaryOp):
            return self.literal(node.operand)
        if isinstance(node, ast.BinOp):
            return self.literal(node.left) and self.literal(node.right)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            return node.func.value.id == "re" and all(self.literal(item) for item in node.args)
        return isinstance(node, ast.Name) or (
            isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("re", "string"))

    # Every node of the tree

    FORBIDDEN = {
        ast.While: ("loop", "a loop that waits or retries: expect(...) waits by itself"),
        ast.If: ("branch", "a test walks straight on: no if"),
        ast.IfExp: ("branch", "a test walks straight on: no conditional expression"),
        ast.Match: ("branch", "a test walks straight on: no match"),
        ast.Try: ("swallow", "no try: a test must not catch its own failure"),
        ast.Raise: ("swallow", "no raise: fail by an assertion"),
        ast.Delete: ("statement", "no del"),
        ast.Global: ("statement", "no global"),
        ast.Nonlocal: ("statement", "no nonlocal"),
        ast.NamedExpr: ("statement", "no := in a test"),
        ast.AsyncFunctionDef: ("statement", "no async: use playwright.sync_api"),
        ast.AsyncFor: ("statement", "no async: use playwright.sync_api"),
        ast.AsyncWith: ("statement", "no async: use playwright.sync_api"),
        ast.Await: ("statement", "no async: use playwright.sync_api"),
        ast.YieldFrom: ("statement", "no yield from"),
        ast.Break: ("loop", "no break: a loop goes through all of its values"),
        ast.Continue: ("loop", "no continue: a loop goes through all of its values"),
    }

    def node(self, node):
        for kind, (rule, message) in self.FORBIDDEN.items():
            if isinstance(node, kind):
                self.no(node, rule, message)
        if type(node).__name__ in ("TryStar", "TypeAlias", "TemplateStr"):
            self.no(node, "statement", f"no {type(node).__name__} in a test")
        method = getattr(self, "on_" + type(node).__name__.lower(), None)
        if method:
            method(node)

    def on_import(self, node):
        for name in node.names:
            if name.name not in MODULES or name.asname:
                known = ", ".join(sorted([*MODULES, *IMPORTS]))
                hint = FIXED if name.name.split(".")[0] in GENERATING else ""
                self.no(node, "import", f"`import {name.name}` is not possible in a test; {known} are{hint}")

    def on_importfrom(self, node):
        allowed = IMPORTS.get(node.module or "", set()) | (MODULES.get(node.module or "", set()) if not node.level else set())
        for name in node.names:
            if node.level or name.name not in allowed or name.asname:
                hint = FIXED if (node.module or "") in GENERATING else ""
                self.no(node, "import", f"`from {'.' * node.level}{node.module or ''} import {name.name}` is not possible in a test{hint}")

    def on_functiondef(self, node):
        if node.name in set(dir(builtins)) | RESERVED or node.name.startswith(("pytest_", "_")):
            self.no(node, "name", f"`{node.name}` is not free: a test must not replace what it is judged with")
        for decorator in node.decorator_list:
            self.decorator(node, decorator)
        fixture = any("fixture" in ast.unparse(decorator) for decorator in node.decorator_list)
        if node.name.startswith("test"):
            for inner in ast.walk(node):
                if isinstance(inner, (ast.Return, ast.Yield)):
                    self.no(inner, "branch", "a test runs to its end: no return, no yield")
        if node.name.startswith("test") or fixture:
            own = {item.name for item in ast.walk(self.tree) if isinstance(item, ast.FunctionDef)}
            parameters = self.parameters(node)
            for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]:
                if argument.arg not in FIXTURES | own | parameters | {"self"}:
                    self.no(argument, "fixture", f"the fixture `{argument.arg}` is not there; {', '.join(sorted(FIXTURES))} are")
        for inner in ast.walk(node):
            if inner is not node and isinstance(inner, (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
                self.no(inner, "statement", "functions, classes and imports belong at the top of the file")

    def decorator(self, node, decorator):
        text = ast.unparse(decorator)
        if text in ("pytest.fixture", "pytest.fixture()"):
            return
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.parametrize":
            plain = all(self.literal(item) or self.parametrized(item) for item in decorator.args)
            if not decorator.keywords or all(item.arg == "ids" and self.literal(item.value) for item in decorator.keywords):
                if plain:
                    return
        self.no(decorator, "mark", f"`@{text}` is not possible: a test runs once, always, as it is (allowed: "
                "@pytest.mark.parametrize with constants, @pytest.fixture without arguments; call a helper function at the "
                "beginning of each test instead of `autouse` or `scope`)")

    def parametrized(self, node):
        items = node.elts if isinstance(node, (ast.List, ast.Tuple)) else []
        return bool(items) and all(
            self.literal(item) or (isinstance(item, ast.Call) and ast.unparse(item.func) == "pytest.param"
                and all(self.literal(value) for value in item.args)
                and all(word.arg == "id" for word in item.keywords)) for item in items)

    def parameters(self, node):
        names = set()
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and decorator.args:
                first = decorator.args[0]
                values = first.elts if isinstance(first, (ast.List, ast.Tuple)) else [first]
                for value in values:
                    if isinstance(value, ast.Constant) and isinstance(value.value, str):
                        names |= {name.strip() for name in value.value.split(",")}
        return names

    def on_arg(self, node):
        self.free(node, node.arg, FIXTURES | {"request"})

    def free(self, node, name, but):
        # Every builtin, not only those that may be called: a name that is bound anywhere counts as bound everywhere.
        taken = self.imported | set(dir(builtins)) | MODULES.keys() | (RESERVED - but)
        if name in taken or (name.startswith("_") and name != "_"):
            self.no(node, "name", f"`{name}` is not free: a test must not replace what it is judged with")

    def on_name(self, node):
        name = node.id
        if isinstance(node.ctx, ast.Store):
            self.free(node, name, {"page", "context", "request"})
        elif name not in BUILTINS | self.bound | self.imported:
            self.no(node, "name", f"`{name}` is not available to tests")
        elif name in MODULES.keys() & self.imported and id(node) not in self.module_uses:
            self.no(node, "name", f"`{name}` may only be used as {name}.something")

    def on_attribute(self, node):
        name = node.attr
        if isinstance(node.value, ast.Name) and node.value.id in MODULES.keys() & self.imported:
            if name not in MODULES[node.value.id]:
                self.no(node, "import", f"`{node.value.id}.{name}` is not possible in a test")
        if not isinstance(node.ctx, ast.Load):
            self.no(node, "patch", f"`.{name} = ` changes what a test is judged with")
        if name.startswith("_"):
            self.no(node, "patch", f"`.{name}` is internal")
        elif name in SLEEPING:
            self.no(node, "sleep", f"`{name}`: expect(...) and actions wait by themselves")
        elif name in MOCKING:
            self.no(node, "mock", f"`{name}` changes what the application shows")
        elif name in INDIRECT:
            self.no(node, "mock", f"`{name}` {INDIRECT[name]}")
        elif name in SCRIPTING:
            self.no(node, "script", f"`{name}` runs a script over elements: read them by count(), inner_text() or "
                    "all_inner_texts() of a locator, and wait by expect(...)")
        elif name in ESCAPING:
            self.no(node, "escape", f"`{name}` leads out of the page")
        elif name in ("evaluate", "skip", "xfail", "skipif", "usefixtures", "fail", "exit", "importorskip", "flaky") and id(node) not in self.calls:
            self.no(node, "escape", f"`{name}` can only be called")
        if isinstance(node.value, ast.Attribute) and node.value.attr == "mark" and name != "parametrize":
            self.no(node, "mark", f"pytest.mark.{name}: a test runs once, always, as it is")

    def on_call(self, node):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        words = {word.arg: word.value for word in node.keywords}
        if None in words and name in ("new_context", "new_page", "goto", "set_input_files"):
            self.no(node, "escape", f"`{name}(**...)`: write the arguments out")
        if words.keys() & {"path", "har_path", "record_har_path", "record_video_dir", "downloads_path"}:
            self.no(node, "file", "a test neither reads nor writes files: no `path`; the judge takes pictures by itself")
        if name in ("evaluate",):
            self.script(node, node.args[0] if node.args else words.get("expression"))
        elif name in ("new_context", "new_page"):
            odd = sorted(words.keys() - CONTEXT - {None})
            if odd or node.args:
                self.no(node, "escape", f"`{name}` may be told {', '.join(sorted(CONTEXT))}, not {', '.join(odd) or 'that'}")
        elif name == "goto":
            self.address(node, node.args[0] if node.args else words.get("url"))
        elif name == "set_input_files":
            given = node.args[0 if len(node.args) == 1 else -1] if node.args else words.get("files")
            if not self.payload(given):
                self.no(node, "file", 'give uploads by value: {"name": "a.txt", "mimeType": "text/plain", "buffer": b"..."}')
        elif name in ("on", "once"):
            first = node.args[0] if node.args else words.get("event")
            if not (isinstance(first, ast.Constant) and first.value in EVENTS):
                self.no(node, "escape", f"`{name}` listens to {', '.join(sorted(EVENTS))} only")
        for inner in node.args:
            if isinstance(inner, ast.Starred) and name in ("goto", "set_input_files", "evaluate", "new_context", "on"):
                self.no(node, "escape", f"`{name}(*...)`: write the arguments out")

    def address(self, node, given):
        if isinstance(given, ast.JoinedStr) and given.values:
            given = given.values[0]
        if isinstance(given, ast.BinOp):
            given = given.left
        if isinstance(given, ast.FormattedValue):
            self.no(node, "address", f'goto takes a path: write goto("/...") without `{ast.unparse(given.value)}` in front, the '
                    "address of the application is added")
            return
        if isinstance(given, ast.Constant) and isinstance(given.value, str):
            if not given.value.startswith("/") or given.value.startswith("//"):
                self.no(node, "address", "goto takes a path of the application, such as \"/\", without scheme and host")
        elif not isinstance(given, ast.Name):
            self.no(node, "address", "goto takes a path of the application, such as \"/\"")

    def payload(self, node):
        if isinstance(node, (ast.List, ast.Tuple)):
            return all(self.payload(item) for item in node.elts)
        keys = {key.value for key in node.keys if isinstance(key, ast.Constant)} if isinstance(node, ast.Dict) else set()
        return keys == {"name", "mimeType", "buffer"}

    def script(self, node, given):
        if not (isinstance(given, ast.Constant) and isinstance(given.value, str)):
            self.no(node, "script", "evaluate takes a script written out as a text, and reads only")
            return
        why = writes(given.value)
        if why:
            self.no(node, "script", f"evaluate may only read the page: {why}")

    def on_for(self, node):
        if node.orelse:
            self.no(node, "loop", "no else of a loop")
        if isinstance(node.iter, ast.Call) and ast.unparse(node.iter.func) == "range" and not self.asserts(node):
            self.no(node, "loop", "a loop over range() asserts in each turn; to do a thing several times loop over its values: "
                    'for title in ["Tea", "Coffee"]')

    def on_with(self, node):
        for item in node.items:
            call = item.context_expr
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr.startswith("expect_")):
                self.no(node, "swallow", "`with` is for page.expect_popup() and its like only")

    def on_assert(self, node):
        if any(isinstance(inner, ast.BoolOp) and isinstance(inner.op, ast.Or) for inner in ast.walk(node.test)):
            self.no(node, "assertion", "an assertion with `or` has a way out: assert one thing")
        if self.constant(node.test):
            self.no(node, "assertion", "this assertion holds whatever the page shows")

    def constant(self, node):
        return not any(isinstance(inner, (ast.Name, ast.Call)) for inner in ast.walk(node))

    def on_expr(self, node):
        if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) in ("expect", "expect.soft"):
            self.no(node, "assertion", "expect(...) without a matcher asserts nothing")

    def on_boolop(self, node):
        if any(self.asserts(value) for value in node.values):
            self.no(node, "swallow", "an assertion must not depend on something else")

    def on_lambda(self, node):
        if self.asserts(node.body):
            self.no(node, "swallow", "an assertion in a lambda may never run")

    # Assertions and criteria

    def tests(self, tree):
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
                yield node
            elif isinstance(node, ast.ClassDef):
                yield from (item for item in node.body if isinstance(item, ast.FunctionDef) and item.name.startswith("test"))

    def asserts(self, node):
        return any(self.is_assertion(inner) for inner in ast.walk(node))

    def is_assertion(self, node):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return node.func.attr.startswith(("to_", "not_to_")) and isinstance(node.func.value, ast.Call) and (
                ast.unparse(node.func.value.func) in ("expect", "expect.soft"))
        return isinstance(node, ast.Call) and getattr(node.func, "id", None) in self.asserting

    def mapping(self, tests):
        if not self.criteria:
            return
        marks = []
        for token in tokenize.generate_tokens(io.StringIO(self.source).readline):
            match = CRITERION.match(token.string) if token.type == tokenize.COMMENT else None
            if match:
                marks.append((token.start[0], int(match.group(1))))
        for number, (text, by_action) in enumerate(self.criteria, 1):
            places = [line for line, marked in marks if marked == number]
            if not places:
                self.no(1, "criterion", f"criterion {number} is not mapped: put `# criterion {number}` above its assertion ({text})")
            elif not any(self.answers(tests, line, marks, by_action) for line in places):
                self.no(places[0], "criterion", f"criterion {number} has no assertion between its comment and the next one ({text})")

    def answers(self, tests, line, marks, by_action):
        for test in tests:
            last = test.end_lineno
            if test.lineno <= line <= last:
                end = min([other for other, _ in marks if other > line] + [last + 1])
                # Two comments one above the other share what follows.
                while end == line + 1 and any(other == end for other, _ in marks):
                    line, end = end, min([other for other, _ in marks if other > end] + [last + 1])
                block = [node for node in ast.walk(test) if line <= getattr(node, "lineno", 0) < end]
                return any(self.is_assertion(node) for node in block) or (
                    by_action and any(is_action(node) for node in block))
        return False


def is_action(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ACTIONS


def writes(script):
    """Why a script is not known to read only; None if it is."""
    code = re.sub(r"'[^'\\\n]*'|\"[^\"\\\n]*\"", "''", script)
    if re.search(r"[`\\;{}]|\+\+|--|\b(new|delete|import|await|async|function|while|for|this|void|throw)\b", code):
        return "one expression without blocks, templates, escapes and keywords"
    bare = re.sub(r"===|!==|==|!=|<=|>=|=>", " ", code)
    if "=" in bare:
        return "no assignment"
    if re.search(r"[\])]\s*\(", code):
        return "no computed call"
    for name in re.findall(r"([A-Za-z_$][\w$]*)\s*\(", code):
        if name not in SCRIPT_CALLS:
            return f"`{name}(...)` is not among what reads only"
    return None


def main():
    asked = json.load(sys.stdin)
    try:
        tree = ast.parse(asked["source"])
    except (SyntaxError, ValueError, RecursionError, MemoryError) as err:
        found = [[getattr(err, "lineno", None) or 1, "syntax", f"this is no Python: {err}"]]
    else:
        found = Check(asked["source"], tree, asked["criteria"]).run()
    json.dump(found, sys.stdout)


main()
