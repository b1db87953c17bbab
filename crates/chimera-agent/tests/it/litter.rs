//! What is no part of a change, although an agent left it.

use crate::fixture::{id, project, repository, write};
use chimera_agent::workspace::{LeftOut, Workspaces, Worktree};

/// What becomes of files that an agent leaves in a repository with these files.
struct Left {
    committed: Vec<String>,
    left_out: LeftOut,
}

async fn left(tracked: &[(&str, &str)], files: &[&str], shape: impl FnOnce(Worktree) -> Worktree) -> Left {
    let dir = tempfile::tempdir().expect("a temporary directory");
    repository(&dir.path().join("repo"), &[&[("README", "x\n")], tracked].concat());
    let project = project(&dir.path().join("repo"));
    let workspaces = Workspaces::new(&dir.path().join("data")).expect("workspaces");
    let base = workspaces.prepare(&project).await.expect("prepared");
    let mut worktree = workspaces.worktree(&project, &id(7), 1, &base).await.expect("a branch");
    worktree.check_out().await.expect("checked out");
    let worktree = shape(worktree);
    let files: Vec<(&str, &str)> = files.iter().map(|path| (*path, "new\n")).collect();
    write(worktree.path(), &files);
    let committed = match worktree.commit("Change", &[]).await.expect("committed") {
        Some(commit) => {
            let changed = worktree.changed_files(&base, &commit).await.expect("a diff");
            changed.into_iter().map(|change| change.path).collect()
        }
        None => Vec::new(),
    };
    Left { committed, left_out: worktree.left_out().await.expect("a list") }
}

#[tokio::test]
async fn build_outputs_and_caches_are_no_part_of_a_change() {
    let outputs = [
        ".aider.chat.history.md",
        ".coverage",
        ".pytest_cache/README.md",
        "__pycache__/app.cpython-311.pyc",
        "dist/app.js",
        "rust/target/CACHEDIR.TAG",
        "web/coverage/lcov.info",
        "web/node_modules/prettier/index.js",
    ];
    let sources = [
        ".aider.conf.yml",
        ".coveragerc",
        "docs/coverage/index.md",
        "rust/dist/notes.txt",
        "src/app.py",
        "target/page.html",
    ];
    let here =
        [("package.json", "{}"), ("rust/Cargo.toml", ""), ("web/x", ""), ("src/x", ""), ("docs/x", "")];
    let left = left(&here, &[&outputs[..], &sources].concat(), |worktree| worktree).await;
    assert_eq!(left.committed, sources);
    let told = [
        ".aider.chat.history.md",
        ".coverage",
        ".pytest_cache/",
        "__pycache__/",
        "dist/",
        "rust/target/",
        "web/coverage/",
        "web/node_modules/",
    ];
    assert_eq!(left.left_out, LeftOut { outputs: told.map(str::to_owned).to_vec(), ignored: Vec::new() });
}

#[tokio::test]
async fn what_looks_like_a_build_output_is_part_of_a_change_where_somebody_wants_it() {
    let vendored = [
        ("package.json", "{}"),
        ("dist/[old].js", "old\n"),
        ("third party/node_modules/lib/index.js", "old\n"),
        (".gitignore", "!.venv/\n"),
    ];
    let files = [
        ".tox/allowed",
        ".venv/bin/x",
        "dist/[old].js",
        "dist/new.js",
        "third party/node_modules/lib/new.js",
    ];
    let all = [&files[..], &["node_modules/x.js"]].concat();
    let left = left(&vendored, &all, |worktree| worktree.allowing(&[".tox/".to_owned()])).await;
    assert_eq!(left.committed, files, "tracked there, un-ignored, allowed");
    assert_eq!(left.left_out.outputs, ["node_modules/"]);
}

#[tokio::test]
async fn what_the_repository_ignores_is_named_and_only_the_daemons_own_file_is_added_all_the_same() {
    let ignoring = [(".gitignore", "/lib/\n*.log\nnode_modules/\ntests/\n")];
    let files = ["lib/app.py", "web/x.log", "node_modules/x.js", "tests/e2e/test_x.py", "tests/e2e/other.py"];
    let nothing = left(&ignoring, &files, |worktree| worktree).await;
    assert_eq!(nothing.committed, [""; 0]);
    assert_eq!(nothing.left_out.ignored, ["lib/", "tests/", "web/x.log"]);
    assert_eq!(nothing.left_out.outputs, [""; 0], "node_modules is what everybody ignores");
    let test = left(&ignoring, &files, |worktree| worktree.forcing("tests/e2e/test_x.py")).await;
    assert_eq!(test.committed, ["tests/e2e/test_x.py"]);
    let missing = left(&ignoring, &files, |worktree| worktree.forcing("tests/e2e/test_y.py")).await;
    assert_eq!(missing.committed, [""; 0], "a file that is not there is no trouble of git's");
}

#[tokio::test]
async fn a_file_behind_a_link_is_not_forced_into_a_commit() {
    let dir = tempfile::tempdir().expect("a directory");
    write(dir.path(), &[("test_x.py", "outside\n")]);
    let outside = dir.path().to_owned();
    let linked = left(&[(".gitignore", "x\n")], &[], |worktree| {
        std::os::unix::fs::symlink(&outside, worktree.path().join("tests")).expect("a link");
        worktree.forcing("tests/test_x.py")
    })
    .await;
    assert_eq!(linked.committed, ["tests"], "the link itself, for the rules to see");
}
