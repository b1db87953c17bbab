//! Git: worktrees are what a commit says, whatever agents left; the user's repository gets a branch, no more.

mod contents;
mod sources;
mod trouble;

use crate::fixture::{git, id, project, repository, write};
use chimera_agent::spec::Project;
use chimera_agent::workspace::{WorkspaceError, Workspaces, Worktree};
use chimera_core::Digest;
use std::path::{Path, PathBuf};

struct House {
    dir: tempfile::TempDir,
    workspaces: Workspaces,
    project: Project,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let repo = dir.path().join("repo");
        repository(&repo, &[("index.html", "one\n"), (".gitignore", "*.log\n"), ("bin/run", "#!/bin/sh\n")]);
        let workspaces = Workspaces::new(&dir.path().join("data")).expect("workspaces");
        let project = project(&repo);
        Self { dir, workspaces, project }
    }

    fn repo(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    async fn base(&self) -> Digest {
        self.workspaces.prepare(&self.project).await.expect("prepared")
    }

    async fn worktree(&self, number: u64, at: &Digest) -> Worktree {
        let mut worktree =
            self.workspaces.worktree(&self.project, &id(number), 1, at).await.expect("a branch");
        worktree.check_out().await.expect("checked out");
        worktree
    }

    async fn refusal(&self, project: &Project) -> String {
        let err = self.workspaces.prepare(project).await.expect_err("refused");
        assert!(matches!(err, WorkspaceError::Config(_)), "{err:?}");
        err.to_string()
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a file")
}

#[tokio::test]
async fn a_worktree_is_exactly_its_commit_again_whatever_was_left_there() {
    let house = House::new();
    let base = house.base().await;
    let worktree = house.worktree(1, &base).await;
    write(
        worktree.path(),
        &[("index.html", "changed\n"), ("new.txt", "x"), ("debug.log", "x"), ("deep/er/x", "x")],
    );
    std::fs::remove_file(worktree.path().join("bin/run")).expect("removed");
    git(worktree.path(), &["add", "--all"]);
    git(worktree.path(), &["commit", "--quiet", "--message=of the agent's own"]);
    git(worktree.path(), &["checkout", "--quiet", "-b", "elsewhere"]);
    std::fs::remove_dir_all(worktree.path().join(".git")).expect("removed");
    std::fs::write(worktree.path().join(".git"), "gitdir: /nowhere\n").expect("broken");
    let again = house.worktree(1, &base).await;
    let mut names: Vec<String> = std::fs::read_dir(again.path())
        .expect("readable")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, [".git", ".gitignore", "bin", "index.html"]);
    assert_eq!(read(&again.path().join("index.html")), "one\n");
}

#[tokio::test]
async fn what_counts_of_an_agents_work_is_the_files() {
    let house = House::new();
    write(&house.repo(), &[("tracked.log", "ignored, but tracked")]);
    git(&house.repo(), &["add", "--force", "tracked.log"]);
    git(&house.repo(), &["commit", "--quiet", "--message=Track it"]);
    let base = house.base().await;
    let worktree = house.worktree(1, &base).await;
    assert_eq!(worktree.commit("Nothing", &[]).await.expect("possible"), None);
    write(worktree.path(), &[("index.html", "two\n"), ("debug.log", "ignored")]);
    git(worktree.path(), &["commit", "--quiet", "--all", "--message=of the agent's own"]);
    git(worktree.path(), &["update-index", "--assume-unchanged", "index.html"]);
    write(worktree.path(), &[("index.html", "three\n")]);
    let commit = worktree
        .commit("Change it", &[("Chimera-Task", id(1).to_string())])
        .await
        .expect("possible")
        .expect("something changed");
    let log = git(
        &house.dir.path().join("data/repositories/shop.git"),
        &["log", "--format=%P|%s|%(trailers:key=Chimera-Task,valueonly)", "-1", commit.as_str()],
    );
    assert_eq!(log, format!("{base}|Change it|{}", id(1)), "one commit, on the base");
    let file = worktree.file_at(&commit, "index.html").await.expect("readable");
    assert_eq!(file.as_deref(), Some(&b"three\n"[..]));
    assert_eq!(worktree.file_at(&commit, "debug.log").await.expect("readable"), None);
    let changed = worktree.changed_files(&base, &commit).await.expect("readable");
    assert_eq!(changed.iter().map(|change| change.path.as_str()).collect::<Vec<_>>(), ["index.html"]);
}

#[tokio::test]
async fn an_export_holds_the_commits_files_and_nothing_of_git() {
    let house = House::new();
    let base = house.base().await;
    let worktree = house.worktree(1, &base).await;
    write(worktree.path(), &[("index.html", "dirty\n")]);
    let place = house.dir.path().join("export");
    std::fs::create_dir(&place).expect("a directory");
    worktree.export(&base, &place).await.expect("exported");
    assert_eq!(read(&place.join("index.html")), "one\n");
    assert!(!place.join(".git").exists());
}

#[tokio::test]
async fn a_patch_applies_to_the_base() {
    let house = House::new();
    let base = house.base().await;
    let worktree = house.worktree(1, &base).await;
    write(worktree.path(), &[("index.html", "two\n"), ("ünï.txt", "x\n")]);
    std::fs::write(worktree.path().join("picture.png"), [0, 159, 146, 150, 0]).expect("written");
    let commit = worktree.commit("Change", &[]).await.expect("possible").expect("changed");
    let patch = house.dir.path().join("change.patch");
    std::fs::write(&patch, worktree.patch(&base, &commit).await.expect("a patch")).expect("written");
    git(&house.repo(), &["apply", &patch.to_string_lossy()]);
    assert_eq!(read(&house.repo().join("index.html")), "two\n");
    assert_eq!(std::fs::read(house.repo().join("picture.png")).expect("a file"), [0, 159, 146, 150, 0]);
}

#[tokio::test]
async fn the_users_repository_gets_the_branch_and_nothing_else() {
    let house = House::new();
    write(&house.repo(), &[("index.html", "work in progress\n")]);
    let state =
        || (git(&house.repo(), &["status", "--porcelain"]), git(&house.repo(), &["rev-parse", "HEAD"]));
    let before = state();
    let base = house.base().await;
    let worktree = house.worktree(1, &base).await;
    write(worktree.path(), &[("index.html", "two\n")]);
    let commit = worktree.commit("Change", &[]).await.expect("possible").expect("changed");
    assert_eq!(git(&house.repo(), &["branch", "--list", "chimera/*"]), "", "nothing before the push");
    let far = worktree.seen_at(&house.project.repo).await.expect("reachable");
    worktree.push(&far, &commit).await.expect("pushed");
    assert_eq!(state(), before);
    assert_eq!(git(&house.repo(), &["rev-parse", &id(1).branch()]), commit.as_str());
    house.workspaces.remove(&id(1)).expect("removed");
    assert!(!worktree.path().exists());
    house.workspaces.remove(&id(1)).expect("removing twice is fine");
}

#[tokio::test]
async fn what_a_repository_or_an_agent_sets_stays_its_own() {
    let house = House::new();
    let base = house.base().await;
    let (worktree, other) = (house.worktree(1, &base).await, house.worktree(2, &base).await);
    // What an agent may do in its own files: a filter, hooks, another branch's end.
    git(worktree.path(), &["config", "filter.evil.clean", "touch HOOKED; cat"]);
    git(worktree.path(), &["config", "core.hooksPath", "."]);
    git(worktree.path(), &["update-ref", &format!("refs/heads/{}", id(2).branch()), "HEAD"]);
    git(worktree.path(), &["gc", "--quiet", "--prune=now"]);
    let hook = worktree.path().join("reference-transaction");
    std::fs::write(&hook, "#!/bin/sh\ntouch HOOKED\n").expect("written");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&hook, executable).expect("executable");
    write(worktree.path(), &[(".gitattributes", "* filter=evil\n"), ("index.html", "two\n")]);
    let commit = worktree.commit("Change", &[]).await.expect("possible").expect("changed");
    assert!(!worktree.path().join("HOOKED").exists(), "the daemon ran something of the agent's");

    assert_eq!(git(other.path(), &["config", "--default", "none", "filter.evil.clean"]), "none");
    assert_eq!(git(other.path(), &["log", "--format=%s"]), "Begin");
    let again = house.worktree(1, &commit).await;
    assert_eq!(git(again.path(), &["config", "--default", "none", "core.hooksPath"]), "none");
    assert_eq!(git(again.path(), &["status", "--porcelain", "--branch"]), format!("## {}", id(1).branch()));
}

#[tokio::test]
async fn a_repository_that_cannot_be_worked_on_is_named_with_the_remedy() {
    let house = House::new();
    let with = |repo: &Path, branch: &str| Project { base_branch: branch.to_owned(), ..project(repo) };
    let none = house.refusal(&with(&house.dir.path().join("gone"), "main")).await;
    assert!(none.contains("there is no repository at") && none.contains("`repo`"), "{none}");
    let branch = house.refusal(&with(&house.repo(), "develop")).await;
    assert!(branch.contains("has no branch `develop` (it has main)"), "{branch}");
    let plain = house.dir.path().join("plain");
    std::fs::create_dir(&plain).expect("a directory");
    let no_git = house.refusal(&with(&plain, "main")).await;
    assert!(
        no_git.contains("git cannot read") && no_git.contains("does not appear to be a git repository"),
        "{no_git}"
    );
    git(&plain, &["init", "--quiet"]);
    let empty = house.refusal(&with(&plain, "main")).await;
    assert!(empty.contains("has no commits yet"), "{empty}");
}

#[tokio::test]
async fn worktrees_of_one_project_are_made_side_by_side() {
    let house = House::new();
    let base = house.base().await;
    let make = |number| house.worktree(number, &base);
    let made = tokio::join!(make(1), make(2), make(3), make(4), make(5));
    let paths = [made.0.path(), made.1.path(), made.2.path(), made.3.path(), made.4.path()];
    for path in paths {
        write(path, &[("mine.txt", &path.display().to_string())]);
    }
    assert_eq!(read(&paths[3].join("mine.txt")), paths[3].display().to_string());
}

#[tokio::test]
async fn a_branch_is_only_moved_from_where_it_was_when_its_files_were_checked_out() {
    let house = House::new();
    let base = house.base().await;
    let zombie = house.worktree(1, &base).await;
    write(zombie.path(), &[("index.html", "of a zombie\n")]);
    // Somebody else takes over, who does not wait for the zombie's end.
    let mut heir = house.workspaces.worktree(&house.project, &id(1), 2, &base).await.expect("a branch");
    heir.check_out().await.expect("checked out");
    assert!(!zombie.path().exists(), "the zombie's files are gone, the heir's are elsewhere");
    write(heir.path(), &[("index.html", "of the heir\n")]);
    let commit = heir.commit("Change", &[]).await.expect("possible").expect("changed");
    write(zombie.path(), &[("index.html", "of a zombie again\n")]);
    let refused = zombie.commit("Late", &[]).await.expect_err("refused");
    assert!(matches!(refused, WorkspaceError::Git { .. }), "{refused}");
    let clone = house.dir.path().join("data/repositories/shop.git");
    assert_eq!(git(&clone, &["rev-parse", &id(1).branch()]), commit.as_str());
}

#[tokio::test]
async fn a_push_replaces_only_what_was_seen_there() {
    let house = House::new();
    let base = house.base().await;
    let worktree = house.worktree(1, &base).await;
    let unseen = worktree.seen_at(&house.project.repo).await.expect("reachable");
    write(worktree.path(), &[("index.html", "two\n")]);
    let commit = worktree.commit("Change", &[]).await.expect("possible").expect("changed");
    worktree.push(&unseen, &commit).await.expect("pushed");
    let refused = worktree.push(&unseen, &base).await.expect_err("it has moved");
    assert!(refused.to_string().contains("stale"), "{refused}");
    let seen = worktree.seen_at(&house.project.repo).await.expect("reachable");
    worktree.push(&seen, &base).await.expect("even backwards, for a task that was retried");
    assert_eq!(git(&house.repo(), &["rev-parse", &id(1).branch()]), base.as_str());
}

#[tokio::test]
async fn a_task_goes_on_from_the_shared_repository_on_another_machine() {
    let house = House::new();
    let shared = house.dir.path().join("shared/{project}.git").to_string_lossy().into_owned();
    let machine = |name: &str| {
        let data = house.dir.path().join(name);
        Workspaces::new(&data).expect("workspaces").sharing(Some(shared.clone()))
    };
    let (one, other) = (machine("one"), machine("other"));
    let base = one.prepare(&house.project).await.expect("prepared");
    let mut first = one.worktree(&house.project, &id(1), 1, &base).await.expect("a branch");
    first.check_out().await.expect("checked out");
    write(first.path(), &[("index.html", "two\n")]);
    let commit = first.commit("Change", &[]).await.expect("possible").expect("changed");
    let early = other.worktree(&house.project, &id(1), 2, &commit).await.expect_err("not shared yet");
    assert!(early.to_string().contains("nor in the repository of `git.remote`"), "{early}");
    first.share(&commit).await.expect("shared");

    let mut next = other.worktree(&house.project, &id(1), 2, &commit).await.expect("fetched");
    next.check_out().await.expect("checked out");
    assert_eq!(read(&next.path().join("index.html")), "two\n");
    write(next.path(), &[("index.html", "three\n")]);
    let further = next.commit("Change again", &[]).await.expect("possible").expect("changed");
    next.share(&further).await.expect("shared");
    // The first machine wakes up.
    write(first.path(), &[("index.html", "late\n")]);
    let late = first.commit("Late", &[]).await.expect_err("its own branch has moved by its own commit");
    assert!(matches!(late, WorkspaceError::Git { .. }), "{late}");
    first.share(&commit).await.expect_err("the shared branch has moved");
    let place = house.dir.path().join("shared/shop.git");
    assert_eq!(git(&place, &["rev-parse", &id(1).branch()]), further.as_str());
}

#[tokio::test]
async fn without_a_shared_repository_a_branch_of_another_machine_is_named_as_missing() {
    let house = House::new();
    house.base().await;
    let nowhere = Digest::parse(&"7".repeat(40)).expect("40 digits");
    let err = house.workspaces.worktree(&house.project, &id(1), 1, &nowhere).await.expect_err("refused");
    assert!(matches!(err, WorkspaceError::Config(_)), "{err:?}");
    assert!(err.to_string().contains("`git.remote` is not set"), "{err}");
}
