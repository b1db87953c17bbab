//! The built-in reviewer: each rule has a change that it stops, and an honest change passes.

use crate::fixture::{environment, git, project, repository, write};
use chimera_agent::guardian::{PROTECTED, Review, ReviewError, Verdict, review};
use chimera_agent::spec::Project;
use chimera_agent::vault::sha256;
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const TEST: &str = "tests/e2e/test_it.py";
const FROZEN: &str = "def test_it(): ...\n";

/// A repository with a frozen test, and a project that it belongs to.
struct House {
    dir: tempfile::TempDir,
    project: Project,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let repo = dir.path().join("repo");
        repository(&repo, &[("index.html", "<h1>Shop</h1>\n"), ("keep.txt", "kept\n")]);
        write(&repo, &[(TEST, FROZEN)]);
        let project = project(&repo);
        Self { dir, project }
    }

    fn repo(&self) -> &Path {
        Path::new(&self.project.repo)
    }

    /// Reviews what is in the working tree now.
    async fn reviewed(&self) -> Result<Verdict, ReviewError> {
        git(self.repo(), &["add", "--all", "--force"]);
        let flags = ["diff", "--cached", "--no-color", "--no-renames", "--unified=0", "HEAD"];
        let diff = git(self.repo(), &flags) + "\n";
        let at_head = std::fs::read(self.repo().join(TEST)).ok();
        let asked = Review {
            diff: diff.as_bytes(),
            frozen_path: TEST,
            frozen_sha256: &sha256(FROZEN.as_bytes()),
            frozen_at_head: at_head.as_deref(),
            project: &self.project,
            snapshot: self.repo(),
            log: &self.dir.path().join("log"),
            timeout: Duration::from_secs(60),
            environment: environment(),
        };
        review(&asked, &CancellationToken::new()).await
    }

    /// The finding that stops a change of these files; none if it passes.
    async fn stopped(files: &[(&str, &str)]) -> Option<String> {
        let house = Self::new();
        write(house.repo(), &[("about.html", "<p>About</p>\n")]);
        write(house.repo(), files);
        let verdict = house.reviewed().await.expect("a verdict");
        assert_eq!(verdict.approved(), verdict.findings.is_empty(), "these rules know errors only");
        verdict.findings.first().map(|finding| {
            let place = finding.file.clone().unwrap_or_default();
            format!("{place}:{} {}", finding.line.unwrap_or(0), finding.message)
        })
    }
}

#[tokio::test]
async fn an_honest_change_is_approved() {
    assert_eq!(
        House::stopped(&[("index.html", "<h1>Shop</h1>\n<p>password: see the manual</p>\n")]).await,
        None
    );
    assert_eq!(
        House::stopped(&[("sub/ünï \"code\".html", "-- a/x\n+++ b/.ci/run\n@@ -1 +1 @@\n")]).await,
        None
    );
}

#[tokio::test]
async fn the_frozen_test_and_those_of_others_stay() {
    let stop =
        |files: &'static [(&str, &str)]| async move { House::stopped(files).await.unwrap_or_default() };
    assert!(stop(&[(TEST, "def test_it(): assert True\n")]).await.contains("the frozen test was changed"));
    assert!(stop(&[("tests/e2e/test_other.py", "x\n")]).await.starts_with("tests/e2e/test_other.py:0"));
    assert!(stop(&[("tests/e2e/conftest.py", "x\n")]).await.contains("must not touch tests/e2e/"));
    let house = House::new();
    std::fs::remove_file(house.repo().join(TEST)).expect("removed");
    write(house.repo(), &[("about.html", "x\n")]);
    assert!(!house.reviewed().await.expect("a verdict").approved(), "the test is gone");
}

#[tokio::test]
async fn a_change_of_the_test_alone_is_none() {
    let verdict = House::new().reviewed().await.expect("a verdict");
    assert_eq!(verdict.summary, "the change consists of the test alone");
}

#[tokio::test]
async fn protected_paths_are_not_touched() {
    for rule in PROTECTED.into_iter().filter(|rule| *rule != ".git/") {
        let path = if rule.ends_with('/') { format!("{rule}deep/file") } else { rule.to_owned() };
        let found = House::stopped(&[(&path, "x\n")]).await.unwrap_or_default();
        assert!(found.contains("is protected"), "{path}: {found:?}");
    }
    assert_eq!(House::stopped(&[(".cinema/page.html", "x\n"), ("Jenkinsfile.md", "x\n")]).await, None);
    let mut house = House::new();
    write(house.repo(), &[(".ci/run", "x\n"), (".ci2/run", "x\n")]);
    house.project.allow_paths = vec![".ci/".to_owned()];
    assert!(house.reviewed().await.expect("a verdict").approved(), "the project allows it");
    let mut house = House::new();
    house.project.protected = vec!["keep.txt".to_owned()];
    std::fs::remove_file(house.repo().join("keep.txt")).expect("removed");
    let verdict = house.reviewed().await.expect("a verdict");
    assert_eq!(verdict.findings[0].file.as_deref(), Some("keep.txt"), "removing is touching");
}

#[tokio::test]
async fn a_change_has_its_size() {
    let most = "x\n".repeat(99);
    assert_eq!(House::stopped(&[("long.txt", &most)]).await, None, "with about.html that makes 100");
    let found = House::stopped(&[("long.txt", &(most + "x\n"))]).await.unwrap_or_default();
    assert!(
        found.contains("101 changed lines are more than the 100 allowed: 100 in long.txt, 1 in"),
        "{found}"
    );
    let lines = "x\n".repeat(90);
    let many =
        [("web/node_modules/a/x.js", &*lines), ("web/node_modules/b.js", &*lines), ("web/page.html", "x\n")];
    let found = House::stopped(&many).await.unwrap_or_default();
    assert!(found.contains("allowed: 180 in web/node_modules, 1 in "), "{found}");
}

#[tokio::test]
async fn secrets_are_found_and_not_repeated() {
    let secrets = [
        format!("key = AKIA{}\n", "ABCDEFGHIJKLMNOP"),
        format!("token: ghp_{}\n", "a1".repeat(18)),
        "password = \"hunter2hunter2\"\n".to_owned(),
        format!("-----BEGIN {} PRIVATE KEY-----\n", "RSA"),
    ];
    for secret in secrets {
        let found =
            House::stopped(&[("config.txt", &format!("first line\n{secret}"))]).await.unwrap_or_default();
        assert!(found.starts_with("config.txt:2 "), "{secret:?}: {found:?}");
        let value = secret.trim().rsplit(['=', ':', ' ']).next().expect("a value").trim_matches('"');
        assert!(!found.contains(value) || value.starts_with('-'), "{found:?} tells the secret");
    }
}

#[tokio::test]
async fn names_that_only_begin_like_a_secret_are_none() {
    let names = [
        "x: \"Try_npm_i_save_dev_types_Slashjest_or_npm_i_save_dev_types_Slashmocha_and_then_add_jest_7035\"\n",
        "$npm_packageDevDependenciesTypescriptEslintParserVersion\n",
        "const ghp_contributorsOfTheRepositoryWithTheirNames = 1\n",
    ];
    for name in names {
        assert_eq!(House::stopped(&[("names.js", name)]).await, None, "{name}");
    }
    let token = format!("//registry.npmjs.org/:_authToken=npm_{}\n", "aB3".repeat(12));
    let found = House::stopped(&[(".npmrc", &token)]).await.unwrap_or_default();
    assert!(found.contains("looks like an npm token"), "{found}");
}

#[tokio::test]
async fn links_stay_within_the_repository() {
    for (target, stopped) in [("../../etc/passwd", true), ("/etc/passwd", true), ("index.html", false)] {
        let house = House::new();
        std::os::unix::fs::symlink(target, house.repo().join("link")).expect("a link");
        let verdict = house.reviewed().await.expect("a verdict");
        assert_eq!(!verdict.approved(), stopped, "{target}: {verdict:?}");
    }
}

#[tokio::test]
async fn unresolved_conflicts_are_found() {
    let found = House::stopped(&[("index.html", "<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n")]).await;
    assert!(found.unwrap_or_default().starts_with("index.html:1 a conflict"));
}

#[tokio::test]
async fn the_projects_own_checks_decide_too() {
    let mut house = House::new();
    write(house.repo(), &[("about.html", "x\n")]);
    house.project.checks = vec!["test -f about.html".to_owned(), "echo broken line 7; exit 4".to_owned()];
    let verdict = house.reviewed().await.expect("a verdict");
    assert!(!verdict.approved());
    let message = &verdict.findings[0].message;
    assert!(message.contains("exit code 4") && message.contains("broken line 7"), "{message}");
    house.project.checks.pop();
    let verdict = house.reviewed().await.expect("a verdict");
    assert_eq!(verdict.summary, "approved: 2 files changed, 1 checks of the project passed");
}

#[tokio::test]
async fn lock_files_stay_unless_the_project_lets_them_change() {
    let found = House::stopped(&[("web/package-lock.json", "{}\n")]).await.unwrap_or_default();
    assert!(found.contains("a lock file decides what is run"), "{found}");
    let mut house = House::new();
    write(house.repo(), &[("web/package-lock.json", "{}\n"), ("about.html", "x\n")]);
    house.project.allow_paths = vec!["web/package-lock.json".to_owned()];
    assert!(house.reviewed().await.expect("a verdict").approved());
}
