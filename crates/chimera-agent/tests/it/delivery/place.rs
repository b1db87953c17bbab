//! Where the frozen test lives, who does not see it, and what commands find around them.

use super::*;

/// An honest coder for "Open daily", and then this.
fn opener_and(script: &str) -> (Role, Agent) {
    let opens = "sed -i 's|</main>|<p>Open daily</p></main>|' index.html";
    let script = format!("{opens}\n{script}\necho '{{\"outcome\":\"passed\"}}' > $CHIMERA_OUTCOME");
    (Role::Coder, agent("coder", &["sh", "-c", &script]))
}

/// Commits a file as whoever works on the project.
fn commit(project: &Project, (path, text): (&str, &str), message: &str) {
    let repo = Path::new(&project.repo);
    let file = repo.join(path);
    std::fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
    std::fs::write(file, text).expect("a file");
    git(repo, &["add", "--all", "--force"]);
    let ada = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"];
    git(repo, &[&ada[..], &["commit", "--quiet", "--message", message]].concat());
}

/// A site with unit tests for pytest, which knows nothing of Playwright, and with the test of an earlier delivery, whose
/// commits were squashed.
fn with_unit_tests(dir: &Path) -> Project {
    let unit = ("test_unit.py", "def test_page():\n    assert 'Shop' in open('index.html').read()\n");
    let project = shop(dir, static_site(), &[PAGE, unit]);
    let earlier = ("tests/e2e/test_earlier.py", "from playwright.sync_api import Page\n");
    commit(
        &project,
        earlier,
        "Prices (#7)\n\n* Add the test\n\nChimera-Phase: E2E_TEST_GENERATION\n\n* Prices",
    );
    let python = tools_dir().join("venv/bin/python");
    let pytest =
        "import sys; sys.modules['playwright'] = None; import pytest; sys.exit(pytest.main(sys.argv[1:]))";
    let run = format!(
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 {} -c \"{pytest}\" -q --junitxml=junit.xml",
        python.display()
    );
    Project {
        checks: vec![run.clone()],
        suite: Some(Suite { command: run, report: Some("junit.xml".to_owned()) }),
        ..project
    }
}

#[tokio::test]
async fn frozen_tests_break_neither_suite_nor_checks_of_a_project_without_playwright() {
    let bench = Bench::with(|dir| vec![with_unit_tests(dir)], [opener_and("")]);
    let ended = bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    assert_eq!(ended.task.status, Status::Completed, "{:?}", ended.task.workflow);
    let branch = format!("chimera/{}", ended.task.id);
    let files = git(&bench.dir.path().join("shop"), &["ls-tree", "-r", "--name-only", &branch, "tests"]);
    assert_eq!(files, "tests/e2e/test_earlier.py\ntests/e2e/test_visitors_see_the_hours.py");
}

#[tokio::test]
async fn a_suite_without_the_frozen_tests_still_tells_what_newly_fails() {
    let breaks = "sed -i 's|Shop|Sh0p|g' index.html; echo $CHIMERA_ATTEMPT >> notes.txt";
    let project = |dir: &Path| vec![Project { checks: Vec::new(), ..with_unit_tests(dir) }];
    let bench = Bench::with(project, [opener_and(breaks)]);
    let ended = bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    let error = ended.task.workflow.error.unwrap_or_default();
    assert!(error.starts_with("test_unit.test_page fails with the change"), "{error}");
}

#[tokio::test]
async fn a_check_can_ask_git_about_the_change() {
    let check = "test -z \"$(git status --porcelain)\" && test ! -e tests/e2e && test \"$(git rev-list --count HEAD)\" = 3 && \
        test \"$(git diff --name-only $CHIMERA_BASE_COMMIT -- index.html)\" = index.html";
    let project = |dir: &Path| {
        let project = shop(dir, static_site(), &[PAGE]);
        vec![Project { checks: vec![check.to_owned()], ..project }]
    };
    let bench = Bench::with(project, [opener_and("")]);
    let ended = bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    assert_eq!(ended.task.status, Status::Completed, "{:?}", ended.task.workflow);
}

/// A static site serves whatever is in the commit; that the test is there proves nothing.
#[tokio::test]
async fn a_test_that_looks_at_its_own_file_is_never_green() {
    let source = "from playwright.sync_api import Page, expect\ndef test_x(page: Page):\n    page.goto(\"/tests/e2e/test_x.py\")\n    \
        expect(page.get_by_text(\"playwright.sync_api\")).to_be_visible()\n";
    let idle = "echo $CHIMERA_ATTEMPT >> notes.txt; echo '{\"outcome\":\"passed\"}' > $CHIMERA_OUTCOME";
    let cast = [(Role::E2eTester, author(source)), (Role::Coder, agent("idle", &["sh", "-c", idle]))];
    let bench = Bench::with(|dir| vec![shop(dir, static_site(), &[PAGE])], cast);
    let ended = bench.deliver("shop", "Visitors see the hours", &[]).await;
    assert_eq!(ended.task.workflow.reason, Some(Reason::NotGreen), "{:?}", ended.task.workflow);
}

#[tokio::test]
async fn a_project_says_where_its_frozen_tests_live() {
    let beside = "mkdir -p frontend/tests tests/e2e; echo x > tests/e2e/notes.txt\n\
        grep -q 'must not touch' $CHIMERA_ASSIGNMENT && rm -f frontend/tests/notes.txt || echo x > frontend/tests/notes.txt";
    let project = |dir: &Path| {
        let project = shop(dir, static_site(), &[PAGE]);
        vec![Project { e2e_dir: "frontend/tests".to_owned(), ..project }]
    };
    let bench = Bench::with(project, [opener_and(beside)]);
    let ended = bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    assert_eq!(ended.task.status, Status::Completed, "{:?}", ended.task.workflow);
    let have = &ended.task.workflow.artifacts;
    assert_eq!(have.test_path.as_deref(), Some("frontend/tests/test_visitors_see_the_hours.py"));
    assert_eq!(ended.task.workflow.review_rounds, 1, "only its directory is protected");
}

#[tokio::test]
async fn an_author_who_wrote_elsewhere_is_told_where() {
    let project = |dir: &Path| {
        let project = shop(dir, static_site(), &[PAGE]);
        vec![Project { e2e_dir: "frontend/tests".to_owned(), ..project }]
    };
    let source = "from playwright.sync_api import Page\n";
    let bench = Bench::with(project, [opener_and(""), (Role::E2eTester, author(source))]);
    let ended = bench.deliver("shop", "Visitors see the hours", &[]).await;
    let error = ended.task.workflow.error.unwrap_or_default();
    assert!(
        error.contains("`tests/e2e/test_x.py` is no place for the test: it must be frontend/tests/test_*.py"),
        "{error}"
    );
}

/// What a tool expects wherever it runs: to commit without being told who it is, a place for temporary files that is not its
/// home, and no trace of having run in the sources.
const EXPECTS: &str = "set -e; test -d \"$TMPDIR\"; test \"$TMPDIR\" != \"$HOME\"; touch \"$TMPDIR/x\" \"$HOME/y\"\n\
    git init -q \"$TMPDIR/repo\"; git -C \"$TMPDIR/repo\" commit -q --allow-empty -m x\n\
    echo 'x = 1' > module.py; python3 -c 'import module'; test ! -e __pycache__; rm module.py";

#[tokio::test]
async fn agents_and_commands_of_the_project_find_what_tools_expect() {
    let project = |dir: &Path| {
        let project = shop(dir, static_site(), &[PAGE]);
        let suite = Some(Suite { command: EXPECTS.to_owned(), report: None });
        vec![Project { checks: vec![EXPECTS.to_owned()], suite, ..project }]
    };
    let bench = Bench::with(project, [opener_and(EXPECTS)]);
    let ended = bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    assert_eq!(ended.task.status, Status::Completed, "{:?}", ended.task.workflow);
}

#[tokio::test]
async fn a_repository_that_ignores_the_tests_path_is_delivered() {
    let project = |dir: &Path| vec![shop(dir, static_site(), &[PAGE, (".gitignore", "tests/\n*.py\n")])];
    let bench = Bench::with(project, [opener_and("")]);
    let ended = bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    assert_eq!(ended.task.status, Status::Completed, "{:?}", ended.task.workflow);
}

#[tokio::test]
async fn an_author_or_a_coder_whose_files_are_ignored_is_told_which() {
    let source = "from playwright.sync_api import Page\n";
    let script = format!(
        "mkdir -p tests/e2e out; printf '%s' '{source}' > out/test_x.py\n\
         echo '{{\"outcome\":\"passed\",\"test_path\":\"tests/e2e/test_x.py\"}}' > $CHIMERA_OUTCOME"
    );
    let astray = (Role::E2eTester, agent("author", &["sh", "-c", &script]));
    let lost = "mkdir -p out node_modules; touch out/app.py node_modules/x; echo '{\"outcome\":\"passed\"}' > $CHIMERA_OUTCOME";
    let lost = (Role::Coder, agent("coder", &["sh", "-c", lost]));
    for (cast, outputs) in [(vec![astray], false), (vec![lost], true)] {
        let project = |dir: &Path| vec![shop(dir, static_site(), &[PAGE, (".gitignore", "out/\n")])];
        let [party] = <[_; 1]>::try_from(cast).expect("one");
        let bench = Bench::with(project, [party]);
        let ended = bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
        let error = ended.task.workflow.error.unwrap_or_default();
        assert!(error.contains("ignored by a .gitignore and not part of the change: out/"), "{error}");
        assert_eq!(
            error.contains("build outputs or caches and not part of the change: node_modules/"),
            outputs
        );
    }
}

#[tokio::test]
async fn a_test_author_that_compiles_its_test_is_not_refused_for_that() {
    let script = "mkdir -p tests/e2e; cd tests/e2e; printf '%s' '$SOURCE' > test_x.py; mkdir __pycache__; touch __pycache__/test_x.pyc\n\
         echo '{\"outcome\":\"passed\",\"test_path\":\"tests/e2e/test_x.py\"}' > $CHIMERA_OUTCOME";
    let source = "from playwright.sync_api import Page, expect\ndef test_x(page: Page):\n    page.goto(\"/\")\n    \
        expect(page.get_by_text(\"Open daily\")).to_be_visible()\n";
    let author = agent("author", &["sh", "-c", &script.replace("$SOURCE", source)]);
    let leaves = "npm_config_x=1; mkdir -p node_modules/prettier __pycache__; touch __pycache__/app.cpython-311.pyc\n\
        seq 5000 > node_modules/prettier/index.js";
    let cast = [(Role::E2eTester, author), opener_and(leaves)];
    let bench = Bench::with(|dir| vec![shop(dir, static_site(), &[PAGE])], cast);
    let ended = bench.deliver("shop", "Visitors see the hours", &[]).await;
    assert_eq!(ended.task.status, Status::Completed, "{:?}", ended.task.workflow);
    let branch = format!("chimera/{}", ended.task.id);
    let files = git(&bench.dir.path().join("shop"), &["diff", "--name-only", "main", &branch]);
    assert_eq!(files, "index.html\ntests/e2e/test_x.py");
    assert!(ended.evidence.iter().any(|file| file.name == "left-out.txt"), "it is said what was left out");
}

#[tokio::test]
async fn a_coder_whose_file_was_ignored_learns_so_in_its_next_round() {
    // The page needs the picture of hours in an ignored folder; the second round reads why it is missing.
    let script = r#"
        if grep -q 'not part of the change: out/' "$CHIMERA_ASSIGNMENT"; then sed -i 's|</main>|<p>Open daily</p></main>|' index.html
        else mkdir -p out; echo 'Open daily' > out/hours.html; sed -i 's|</main>|<iframe src="out/hours.html"></iframe></main>|' index.html; fi
        echo '{"outcome":"passed"}' > $CHIMERA_OUTCOME"#;
    let project = |dir: &Path| vec![shop(dir, static_site(), &[PAGE, (".gitignore", "out/\n")])];
    let bench = Bench::with(project, [(Role::Coder, agent("coder", &["sh", "-c", script]))]);
    let ended = bench.deliver("shop", "Visitors see the hours", &["see text \"Open daily\""]).await;
    assert_eq!(ended.task.status, Status::Completed, "{:?}", ended.task.workflow);
    assert_eq!(ended.task.workflow.validation_rounds, 1);
}
