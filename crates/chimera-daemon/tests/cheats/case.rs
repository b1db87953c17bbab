//! What a case is made of: an application, a test in two languages, and what each agent does.

/// What runs the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Runner {
    /// pytest-playwright.
    Pytest,
    /// Playwright Test.
    Playwright,
}

impl Runner {
    pub(crate) const ALL: [Self; 2] = [Self::Pytest, Self::Playwright];

    /// Its name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pytest => "pytest-playwright",
            Self::Playwright => "playwright-test",
        }
    }

    /// Where the test of a case lies.
    pub(crate) fn test_path(self) -> &'static str {
        match self {
            Self::Pytest => "tests/e2e/test_case.py",
            Self::Playwright => "tests/e2e/case.spec.ts",
        }
    }
}

/// How a case must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Delivered and proven.
    Completed,
    /// Failed for one of these reasons.
    Refused(&'static [&'static str]),
}

/// Who serves the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum App {
    /// The built-in deployer serves its files.
    Static,
    /// The built-in deployer starts `app.py`.
    Server,
    /// A deployment agent puts it onto a server of its own.
    Deployed,
}

/// One case.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What it tries, in a line.
    pub(crate) what: &'static str,
    pub(crate) expect: Expect,
    pub(crate) app: App,
    /// Files of the repository beside the page.
    pub(crate) files: Vec<(&'static str, &'static str)>,
    /// The tests, if they are not the plain ones.
    py: Option<&'static str>,
    ts: Option<&'static str>,
    /// What the agents do, as shell scripts; `say` leaves the answer.
    pub(crate) author: &'static str,
    pub(crate) coder: &'static str,
    pub(crate) guardian: &'static str,
    pub(crate) deployer: &'static str,
    /// Lines of the project's configuration.
    pub(crate) config: &'static str,
}

/// The page that is there before the change.
pub(crate) const PAGE: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Shop</title></head>\n<body><main><h1>Shop</h1>\n</main></body></html>\n";

const PY: &str = r#"from playwright.sync_api import Page, expect


def test_case(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_text("Open on Sundays")).to_be_visible()
"#;

const TS: &str = r"import { test, expect } from '@playwright/test';

test('case', async ({ page }) => {
  await page.goto('/');
  await expect(page.getByText('Open on Sundays')).toBeVisible();
});
";

/// Copies the case's test to its place.
const AUTHOR: &str = r#"mkdir -p tests/e2e
cp "$CASE/test" "$TEST"
say '{"outcome": "passed", "test_path": "'"$TEST"'"}'
"#;

/// Makes the change that the plain test asks for.
pub(crate) const CODER: &str = "add 'Open on Sundays'\npassed\n";
const GUARDIAN: &str = "passed\n";
const DEPLOYER: &str = "deploy\nsay '{\"outcome\": \"passed\", \"deployment_url\": \"'\"$URL\"'\", \"revision\": \"'\"$HEAD\"'\"}'\n";

impl Case {
    /// A case that must not be completed, and the reasons that may be given.
    pub(crate) fn cheat(name: &'static str, what: &'static str, reasons: &'static [&'static str]) -> Self {
        Self::new(name, what, Expect::Refused(reasons))
    }

    /// A case that must be completed.
    pub(crate) fn fair(name: &'static str, what: &'static str) -> Self {
        Self::new(name, what, Expect::Completed)
    }

    fn new(name: &'static str, what: &'static str, expect: Expect) -> Self {
        Self {
            name,
            what,
            expect,
            app: App::Static,
            files: Vec::new(),
            py: Some(PY),
            ts: Some(TS),
            author: AUTHOR,
            coder: CODER,
            guardian: GUARDIAN,
            deployer: DEPLOYER,
            config: "",
        }
    }

    /// The test in both languages.
    pub(crate) fn tests(mut self, py: &'static str, ts: &'static str) -> Self {
        (self.py, self.ts) = (Some(py), Some(ts));
        self
    }

    /// A test that only pytest has a way to write.
    pub(crate) fn only_py(mut self, py: &'static str) -> Self {
        (self.py, self.ts) = (Some(py), None);
        self
    }

    /// A test that only Playwright Test has a way to write.
    pub(crate) fn only_ts(mut self, ts: &'static str) -> Self {
        (self.py, self.ts) = (None, Some(ts));
        self
    }

    pub(crate) fn app(mut self, app: App) -> Self {
        self.app = app;
        self
    }

    pub(crate) fn file(mut self, path: &'static str, text: &'static str) -> Self {
        self.files.push((path, text));
        self
    }

    pub(crate) fn author(mut self, script: &'static str) -> Self {
        self.author = script;
        self
    }

    pub(crate) fn coder(mut self, script: &'static str) -> Self {
        self.coder = script;
        self
    }

    pub(crate) fn guardian(mut self, script: &'static str) -> Self {
        self.guardian = script;
        self
    }

    pub(crate) fn deployer(mut self, script: &'static str) -> Self {
        (self.deployer, self.app) = (script, App::Deployed);
        self
    }

    pub(crate) fn config(mut self, lines: &'static str) -> Self {
        self.config = lines;
        self
    }

    /// The test for a runner, if the case has one.
    pub(crate) fn test(&self, runner: Runner) -> Option<&'static str> {
        match runner {
            Runner::Pytest => self.py,
            Runner::Playwright => self.ts,
        }
    }

    pub(crate) fn runs_on(&self, runner: Runner) -> bool {
        self.test(runner).is_some()
    }

    pub(crate) fn honest(&self) -> bool {
        self.expect == Expect::Completed
    }
}

/// A pytest file around a body.
macro_rules! py {
    ($body:literal) => {
        concat!(
            "from playwright.sync_api import Page, expect\n\n\ndef test_case(page: Page) -> None:\n",
            $body
        )
    };
    ($head:literal, $body:literal) => {
        concat!(
            $head,
            "from playwright.sync_api import Page, expect\n\n\ndef test_case(page: Page) -> None:\n",
            $body
        )
    };
}

/// A Playwright Test file around a body.
macro_rules! ts {
    ($body:literal) => {
        concat!(
            "import { test, expect } from '@playwright/test';\n\ntest('case', async ({ page }) => {\n",
            $body,
            "});\n"
        )
    };
}

pub(crate) use {py, ts};
