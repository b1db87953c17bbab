//! The rules of the static check in words, for those who write tests. The scripts beside this file enforce them.

use crate::spec::E2e;

/// A rule, by the name that a finding begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    /// Such as `mock`.
    pub(crate) name: &'static str,
    python: &'static str,
    typescript: &'static str,
}

impl Rule {
    const fn both(name: &'static str, text: &'static str) -> Self {
        Self { name, python: text, typescript: text }
    }

    const fn each(name: &'static str, python: &'static str, typescript: &'static str) -> Self {
        Self { name, python, typescript }
    }

    /// What to do, in the words of a language; empty if the rule is not one of that language.
    pub(crate) fn text(&self, e2e: E2e) -> &'static str {
        match e2e {
            E2e::Pytest => self.python,
            E2e::PlaywrightTest => self.typescript,
        }
    }
}

/// The rules for the tests of a runner.
pub(crate) fn all(e2e: E2e) -> impl Iterator<Item = &'static Rule> {
    RULES.iter().filter(move |rule| !rule.text(e2e).is_empty())
}

const RULES: [Rule; 20] = [
    Rule::each(
        "syntax",
        "the file is Python that parses, in UTF-8.",
        "the file is TypeScript that parses, in UTF-8.",
    ),
    Rule::each(
        "import",
        "import only from `playwright.sync_api` (`Page`, `expect` and the other types, each by its own name), `re`, `pytest`, \
         `string`, `typing` and `collections.abc`. Nothing of the repository.",
        "import only `test`, `expect` and types from `@playwright/test`, each by its own name. Nothing of the repository.",
    ),
    Rule::each(
        "statement",
        "at the top of the file only imports, functions, constants and classes `Test...` that group tests; no nested functions, no \
         async, no `del`, `global` or `:=`.",
        "at the top of the file only imports, functions, constants, `for (const value of [constants])`, `test(title, async ({ page }) \
         => { ... })`, `test.describe`, `test.beforeEach` and `test.use`; `test.step` within a test; no classes, no exports, no \
         functions within functions.",
    ),
    Rule::each(
        "name",
        "use the language's plain functions (`len`, `str`, `sorted`, ...) and your own names; no clock, random numbers, `os` or \
         `open`; do not reuse the name of a builtin, of an import or of a fixture, nor begin a name with `_`.",
        "of the language's objects use `Buffer.from`, `JSON`, `Math` (without `random`), `Number`, `String`, `RegExp`, `URL`, `Map`, \
         `Set`, `Array` and the like; no `Date`, `process`, `require` or `globalThis`; do not reuse such a name, nor begin one with `_`.",
    ),
    Rule::each(
        "fixture",
        "fixtures are `page`, `context`, `browser`, `new_context`, `base_url`, `browser_name` and those of the file itself.",
        "fixtures are `page`, `context`, `browser`, `browserName` and `baseURL`, each by its own name.",
    ),
    Rule::each(
        "mark",
        "a test runs once, always, as it is: no skip, xfail or other marks, no `autouse` or `scope`; `@pytest.mark.parametrize` with \
         constants and `@pytest.fixture` without arguments are fine.",
        "a test runs once, always, as it is: no skip, fixme, fail, only, slow or configure.",
    ),
    Rule::each(
        "branch",
        "a test walks straight on: no `if`, no conditional expression, no `match`, no `return` in a test.",
        "a test walks straight on: no `if`, no `switch`, no `? :`, no `?.` before an action, no `return` in a test.",
    ),
    Rule::each(
        "loop",
        "loop over values only (`for title in [\"Tea\", \"Coffee\"]`): no `while`, `break`, `continue`, and no `range` without an \
         assertion in the loop.",
        "loop over values only (`for (const title of ['Tea', 'Coffee'])`): no counting loop, no `while`, `break` or `continue`.",
    ),
    Rule::each(
        "swallow",
        "a failure is never caught and never optional: no `try`, `raise`, `with` (but for `page.expect_popup()` and its like), no \
         assertion in a lambda or behind `and`/`or`.",
        "a failure is never caught and never optional: no `try`, `throw`, `.catch`, `.then`, `forEach`, `Promise.race`; an assertion is a \
         statement of its own.",
    ),
    Rule::both(
        "sleep",
        "no waiting by time and no timeouts of your own: actions and `expect` wait by themselves.",
    ),
    Rule::both(
        "mock",
        "do not change what the application shows: no routes, no scripts or content set in the page, no faked clock, no added \
         cookies or headers.",
    ),
    Rule::each(
        "script",
        "`page.evaluate` takes one expression, written out as a text, that only reads the page.",
        "`page.evaluate` takes one expression, written out, that only reads the page.",
    ),
    Rule::both(
        "patch",
        "do not assign to members of anything, and use no internals (names that begin with `_`).",
    ),
    Rule::each(
        "escape",
        "stay in the page: no browser launches, no stored state, no tracing; `new_context` may be told how the user's device looks \
         (`locale`, `viewport`, ...) and nothing else.",
        "stay in the page: no browser launches, no `storageState`, `httpCredentials` or other options in `test.use` and `newContext` but \
         how the user's device looks (`locale`, `viewport`, ...); members by name (`list[0]`, not `list[i]`); `Object` only on constants.",
    ),
    Rule::each(
        "file",
        "no files: no screenshots to a path, uploads by value: {\"name\": \"a.txt\", \"mimeType\": \"text/plain\", \"buffer\": b\"...\"}.",
        "no files: no screenshots to a path, uploads by value: { name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.from('...') }.",
    ),
    Rule::each(
        "address",
        "go to paths: `page.goto(\"/cart\")`; never a host, `localhost` or `base_url` in front.",
        "go to paths: `page.goto('/cart')`; never a host, `localhost` or `baseURL` in front.",
    ),
    Rule::each(
        "assertion",
        "every test asserts with `expect(...).to_...()` or `assert`, about something of the page; one thing an assertion, without `or`.",
        "every test asserts with `expect(...)` and a matcher of Playwright Test, about something of the page; one thing an assertion, \
         without `||`.",
    ),
    Rule::each(
        "await",
        "",
        "every action, question to the page and waiting assertion has `await` right before it, or stands in an awaited \
         `Promise.all([...])`.",
    ),
    Rule::each(
        "snapshot",
        "",
        "no screenshots or snapshots to compare with, inline templates among them: assert what you look for.",
    ),
    Rule::each(
        "criterion",
        "if the request has numbered acceptance criteria: a comment `# criterion N` stands above the lines that show criterion N, and \
         between it and the next such comment there is an assertion (or, for a criterion that asks to do something, that action).",
        "if the request has numbered acceptance criteria: a comment `// criterion N` stands above the lines that show criterion N, and \
         between it and the next such comment there is an assertion (or, for a criterion that asks to do something, that action).",
    ),
];

#[cfg(test)]
mod tests {
    use super::{E2e, all};
    use std::collections::BTreeSet;

    /// The names of rules in the calls that report findings, and in the tables of what is forbidden.
    fn reported(script: &str, call: &str) -> BTreeSet<String> {
        let quoted = |text: &str| -> Option<String> {
            let start = text.find(['"', '\''])?;
            let word: String = text[start + 1..].chars().take_while(char::is_ascii_lowercase).collect();
            text[start + 1 + word.len()..].starts_with(['"', '\'']).then_some(word)
        };
        let calls = script.split(call).skip(1).filter_map(|after| quoted(after.lines().next()?));
        let table = script.lines().filter_map(|line| {
            let (kind, rule) = line.trim().split_once(": ")?;
            let named = kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
            (named && rule.starts_with(['(', '['])).then(|| quoted(rule))?
        });
        calls.chain(table).filter(|word| !word.is_empty()).collect()
    }

    #[test]
    fn each_rule_that_a_script_reports_is_told_and_no_other() {
        for (e2e, script, call) in [
            (E2e::Pytest, super::super::PYTHON, "self.no("),
            (E2e::PlaywrightTest, super::super::TYPESCRIPT, "this.no("),
        ] {
            let mut found = reported(script, call);
            // Reported outside of the class.
            found.insert("syntax".to_owned());
            let told: BTreeSet<String> = all(e2e).map(|rule| rule.name.to_owned()).collect();
            assert_eq!(found, told, "{e2e:?}");
        }
    }

    /// The words of a set in a script.
    fn words(script: &str, begin: &str, end: &str) -> Vec<String> {
        let set = script.split_once(begin).expect(begin).1.split_once(end).expect(end).0;
        let words =
            set.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    }

    #[test]
    fn every_fixture_that_is_there_is_told() {
        let fixtures = [
            (E2e::Pytest, words(super::super::PYTHON, "\nFIXTURES = {", "}")),
            (E2e::PlaywrightTest, words(super::super::TYPESCRIPT, "const FIXTURES = words('", "'")),
        ];
        for (e2e, names) in fixtures {
            let rule = all(e2e).find(|rule| rule.name == "fixture").expect("it is a rule");
            assert!(names.len() > 3, "{names:?}");
            for name in names {
                assert!(rule.text(e2e).contains(&format!("`{name}`")), "{name}: {}", rule.text(e2e));
            }
        }
    }
}
