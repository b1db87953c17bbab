//! What a repository can hold: files that are not normalised, names of any bytes, submodules, pointers, too much.

use super::{House, read};
use crate::fixture::{git, id, project, write};
use chimera_agent::spec::Project;
use chimera_agent::workspace::{Options, Part, check};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Commits files past all conversions, as a tool that knows none does.
fn committed_raw(house: &House, files: &[(&str, &str)]) {
    let repo = house.repo();
    write(&repo, files);
    std::fs::write(repo.join(".git/info/attributes"), "* -text !eol !filter -ident !working-tree-encoding\n")
        .expect("written");
    git(&repo, &["add", "--all"]);
    git(&repo, &["commit", "--quiet", "--message=Raw"]);
}

#[tokio::test]
async fn what_is_committed_is_what_was_changed_whatever_attributes_say() {
    let house = House::new();
    let attributes = "*.txt text\n*.bat text eol=crlf\n*.auto text=auto\n*.id ident\n*.enc filter=secret\n\
                      *.u16 text working-tree-encoding=UTF-16\n";
    committed_raw(
        &house,
        &[
            (".gitattributes", attributes),
            ("crlf.txt", "one\r\ntwo\r\n"),
            ("lf.bat", "one\ntwo\n"),
            ("mixed.auto", "one\r\ntwo\n"),
            ("a.id", "$Id: 123 $\n"),
            ("a.enc", "plain\n"),
            ("a.u16", "plain\n"),
        ],
    );
    let base = house.base().await;
    let worktree = house.worktree(1, &base).await;
    assert_eq!(git(worktree.path(), &["status", "--porcelain"]), "", "the agent sees no change either");
    assert_eq!(read(&worktree.path().join("lf.bat")), "one\ntwo\n", "as it was committed");
    assert_eq!(worktree.commit("Nothing", &[]).await.expect("possible"), None);
    write(worktree.path(), &[("crlf.txt", "one\r\n2\r\n"), (".gitattributes", "* text=auto eol=lf\n")]);
    let commit = worktree.commit("Change", &[]).await.expect("possible").expect("changed");
    let changes = worktree.changed_files(&base, &commit).await.expect("readable");
    let paths: Vec<&str> = changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(paths, [".gitattributes", "crlf.txt"], "nobody else's lines");
    let kept = worktree.file_at(&commit, "crlf.txt").await.expect("readable");
    assert_eq!(kept.as_deref(), Some(&b"one\r\n2\r\n"[..]));
    let place = house.dir.path().join("export");
    std::fs::create_dir(&place).expect("a directory");
    worktree.export(&commit, &place).await.expect("exported");
    assert_eq!(read(&place.join("a.id")), "$Id: 123 $\n", "what is served is what is committed");
}

async fn refusal(house: &House, without: Part) {
    let refused = house.refusal(&house.project).await;
    let word = without.as_str();
    assert!(refused.contains(&format!("`without = [\"{word}\"]`")), "{refused}");
    let same = check(&house.project, &BTreeMap::new()).await.expect_err("refused");
    assert_eq!(same.to_string(), refused, "doctor says the same");
    let git = Options { without: vec![without], ..Options::default() };
    let willing = Project { git, ..house.project.clone() };
    let base = house.workspaces.prepare(&willing).await.expect("it can do without");
    let mut worktree = house.workspaces.worktree(&willing, &id(1), 1, &base).await.expect("a branch");
    worktree.check_out().await.expect("checked out");
    assert_eq!(worktree.commit("Nothing", &[]).await.expect("possible"), None);
}

#[tokio::test]
async fn submodules_are_refused_unless_the_project_can_do_without() {
    let house = House::new();
    let other = house.dir.path().join("theme");
    crate::fixture::repository(&other, &[("theme.css", "x\n")]);
    let from = other.to_string_lossy();
    git(
        &house.repo(),
        &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &from, "vendor/theme"],
    );
    git(&house.repo(), &["commit", "--quiet", "--message=Theme"]);
    assert!(house.refusal(&house.project).await.contains("(vendor/theme)"));
    refusal(&house, Part::Submodules).await;
}

#[tokio::test]
async fn files_in_git_lfs_are_refused_unless_the_project_can_do_without() {
    let house = House::new();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    let attributes = "*.png filter=lfs diff=lfs merge=lfs -text\n";
    committed_raw(&house, &[("assets/.gitattributes", attributes)]);
    house.base().await;
    committed_raw(&house, &[("assets/logo.png", pointer)]);
    assert!(house.refusal(&house.project).await.contains("(assets/logo.png)"));
    refusal(&house, Part::Lfs).await;
}

#[tokio::test]
async fn the_files_of_a_repository_that_a_tool_made_inside_are_taken() {
    let house = House::new();
    let base = house.base().await;
    let worktree = house.worktree(1, &base).await;
    for (name, committed) in [("app", false), ("web/site", true)] {
        let inner = worktree.path().join(name);
        write(&inner, &[("main.js", "x\n")]);
        git(&inner, &["init", "--quiet"]);
        if committed {
            git(&inner, &["add", "--all"]);
            git(&inner, &["commit", "--quiet", "--message=Of a tool"]);
        }
    }
    write(&worktree.path().join("linked"), &[("file.js", "x\n"), (".git", "gitdir: /nowhere\n")]);
    let commit = worktree.commit("Change", &[]).await.expect("possible").expect("changed");
    for path in ["app/main.js", "web/site/main.js", "linked/file.js"] {
        let kept = worktree.file_at(&commit, path).await.expect("readable");
        assert!(kept.is_some(), "{path}");
    }
    assert!(worktree.path().join(".git").exists(), "the task's own stays");
}

#[tokio::test]
async fn names_of_any_bytes_are_committed_and_exported() {
    let house = House::new();
    let base = house.base().await;
    let worktree = house.worktree(1, &base).await;
    let names =
        [&b"\xff\xfe"[..], b"a\nb", b"-rf", b"\"quoted\"", "\u{202e}abc".as_bytes()].map(OsStr::from_bytes);
    for name in names {
        std::fs::write(worktree.path().join(name), "x\n").expect("written");
    }
    let commit = worktree.commit("Change", &[]).await.expect("possible").expect("changed");
    assert_eq!(worktree.changed_files(&base, &commit).await.expect("readable").len(), names.len());
    assert_eq!(worktree.size(&base, &commit).await.expect("readable").files, names.len());
    let place = house.dir.path().join("export");
    std::fs::create_dir(&place).expect("a directory");
    worktree.export(&commit, &place).await.expect("exported");
    assert!(names.iter().all(|name| place.join(name).exists()));
}

#[tokio::test]
async fn the_size_of_a_change_names_the_folders_that_make_it() {
    let house = House::new();
    let base = house.base().await;
    let worktree = house.worktree(1, &base).await;
    let large = "x".repeat(5000);
    write(
        worktree.path(),
        &[("lib/a/b", &large), ("lib/c", &large), ("index.html", "12345"), ("new", "123")],
    );
    std::fs::remove_file(worktree.path().join("bin/run")).expect("removed");
    let commit = worktree.commit("Change", &[]).await.expect("possible").expect("changed");
    let size = worktree.size(&base, &commit).await.expect("readable");
    assert_eq!((size.files, size.bytes), (5, 10_000 + 4 + 5 + 3 + 10));
    let largest: Vec<&str> = size.largest.iter().map(|(top, _)| top.as_str()).collect();
    assert_eq!(largest, ["lib/", "bin/", "index.html", "new"]);
}

#[tokio::test]
async fn a_partial_clone_has_what_a_task_needs() {
    let house = House::new();
    git(&house.repo(), &["config", "uploadpack.allowFilter", "true"]);
    git(&house.repo(), &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let old = git(&house.repo(), &["rev-parse", "HEAD:index.html"]);
    committed_raw(&house, &[("index.html", "newer\n"), ("more.html", "more\n")]);
    let git_options = Options { filter: Some("blob:none".to_owned()), ..Options::default() };
    let repo = format!("file://{}", house.repo().display());
    let partial = Project { git: git_options, repo, ..project(&house.repo()) };
    let base = house.workspaces.prepare(&partial).await.expect("prepared");
    let mut worktree = house.workspaces.worktree(&partial, &id(1), 1, &base).await.expect("a branch");
    worktree.check_out().await.expect("checked out");
    assert_eq!(read(&worktree.path().join("index.html")), "newer\n");
    let clone = house.dir.path().join("data/repositories/shop.git");
    let missing = git(&clone, &["rev-list", "--objects", "--all", "--missing=print"]);
    assert!(missing.contains(&format!("?{old}")), "the older content is not here: {missing}");
    assert_eq!(missing.matches('?').count(), 1, "and everything else is: {missing}");
    git(worktree.path(), &["status"]);
    write(worktree.path(), &[("more.html", "changed\n")]);
    let commit = worktree.commit("Change", &[]).await.expect("possible").expect("changed");
    assert!(!worktree.patch(&base, &commit).await.expect("a patch").is_empty());
    let far = worktree.seen_at(&partial.repo).await.expect("reachable");
    worktree.push(&far, &commit).await.expect("pushed");
}

/// Read-only directories, as Go's module cache is made of; root may do anything, so somebody else tries.
#[test]
fn what_an_agent_made_read_only_is_removed_by_ordinary_users_too() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (root, ordinary) = (rustix::process::geteuid().is_root(), 65534);
    let place = if let Some(place) = std::env::var_os("CHIMERA_TEST_PLACE") {
        place.into()
    } else {
        dir.path().to_owned()
    };
    if root {
        std::os::unix::fs::chown(dir.path(), Some(ordinary), Some(ordinary)).expect("given away");
        let mut again = std::process::Command::new(std::env::current_exe().expect("this test"));
        again.args([
            "--exact",
            "workspace::contents::what_an_agent_made_read_only_is_removed_by_ordinary_users_too",
        ]);
        again.env("CHIMERA_TEST_PLACE", dir.path());
        std::os::unix::process::CommandExt::uid(&mut again, ordinary);
        assert!(again.status().expect("it starts").success());
        return;
    }
    left_read_only(&place);
}

fn left_read_only(place: &Path) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let workspaces = chimera_agent::workspace::Workspaces::new(&place.join("data")).expect("workspaces");
    let repo = place.join("repo");
    crate::fixture::repository(&repo, &[("index.html", "one\n")]);
    runtime.block_on(async {
        let project = project(&repo);
        let base = workspaces.prepare(&project).await.expect("prepared");
        for epoch in 1..4 {
            let mut worktree = workspaces.worktree(&project, &id(1), epoch, &base).await.expect("a branch");
            worktree.check_out().await.expect("what was left there is gone");
            let held = worktree.path().join("pkg/mod");
            write(&held, &[("a/b", "x\n")]);
            for dir in [held.join("a"), held] {
                std::fs::set_permissions(dir, PermissionsExt::from_mode(0o555)).expect("read-only");
            }
        }
        workspaces.remove(&id(1)).expect("removed");
    });
    assert!(!place.join("data/worktrees").join(id(1).as_str()).exists());
}
