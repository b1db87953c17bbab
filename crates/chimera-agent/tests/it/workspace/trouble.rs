//! Git in a bad mood: it hangs, cannot start, was killed, lost something.

use super::{House, read};
use crate::fixture::{git, id, write};
use chimera_agent::spec::Project;
use chimera_agent::workspace::{Options, WorkspaceError};
use chimera_core::Digest;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A server that takes connections and says nothing, and a project there.
fn silent(house: &House) -> (TcpListener, Project) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let repo = format!("http://{}/shop.git", listener.local_addr().expect("an address"));
    (listener, Project { repo, ..house.project.clone() })
}

/// How many processes have this text in their command line.
fn processes(text: &str) -> usize {
    let entries = std::fs::read_dir("/proc").expect("readable").flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).contains(text)).count()
}

/// Waits until they are gone: what was killed is seen until the system has come to it.
async fn none_left(text: &str) {
    let gone = async {
        // tidy: polls: nobody tells when a process of somebody else is gone
        while processes(text) > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), gone).await.expect("its helpers are gone, too");
}

fn clone_of(house: &House) -> PathBuf {
    house.dir.path().join("data/repositories/shop.git")
}

/// The file of an object in the clone.
fn object(house: &House, name: &str) -> PathBuf {
    let (folder, rest) = name.split_at(2);
    clone_of(house).join("objects").join(folder).join(rest)
}

fn empty(path: &Path) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o644)).expect("writable");
    std::fs::write(path, "").expect("emptied");
}

/// A commit on a task's branch.
async fn committed(house: &House, number: u64, base: &Digest) -> Digest {
    let worktree = house.worktree(number, base).await;
    write(worktree.path(), &[("index.html", &format!("{number}\n"))]);
    worktree.commit("Change", &[]).await.expect("possible").expect("changed")
}

#[tokio::test]
async fn a_git_that_hangs_ends_with_the_attempt_and_leaves_nothing() {
    let house = House::new();
    let (listener, project) = silent(&house);
    let stop = CancellationToken::new();
    let workspaces = house.workspaces.until(&stop);
    let hanging = tokio::spawn({
        let project = project.clone();
        async move { workspaces.prepare(&project).await }
    });
    let connected = tokio::task::spawn_blocking(move || listener.accept().map(|held| (held, listener)));
    let _held = connected.await.expect("it ran").expect("git is connected");
    stop.cancel();
    let soon = tokio::time::timeout(Duration::from_secs(20), hanging).await.expect("it ends");
    let ended = soon.expect("it ran").expect_err("it was stopped");
    assert!(matches!(ended, WorkspaceError::Stopped), "{ended:?}");
    none_left(&project.repo).await;
}

#[tokio::test]
async fn a_git_that_hangs_ends_by_the_projects_limit() {
    let house = House::new();
    let (_listener, project) = silent(&house);
    let git = Options { timeout: Duration::from_millis(300), ..Options::default() };
    let project = Project { git, ..project };
    let ended = house.workspaces.prepare(&project).await.expect_err("it hangs");
    assert!(matches!(ended, WorkspaceError::Git { .. }), "{ended:?}");
    assert!(ended.to_string().contains("`git_timeout`"), "{ended}");
    none_left(&project.repo).await;
}

#[tokio::test]
async fn whoever_waits_for_the_clone_can_be_stopped() {
    let house = House::new();
    let base = house.base().await;
    let lock = std::fs::File::open(house.dir.path().join("data/repositories/shop.lock")).expect("a lock");
    lock.lock().expect("free");
    let stop = CancellationToken::new();
    let workspaces = house.workspaces.until(&stop);
    let task = id(1);
    let waiting = workspaces.worktree(&house.project, &task, 1, &base);
    let (ended, ()) = tokio::join!(waiting, async { stop.cancel() });
    assert!(matches!(ended, Err(WorkspaceError::Stopped)), "{ended:?}");
}

/// A git that fails whenever it is asked this, as long as there is a file `bad`.
fn moody(house: &House, question: &str) -> BTreeMap<String, String> {
    let dir = house.dir.path().join("bin");
    std::fs::create_dir_all(&dir).expect("a directory");
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in *{question}*) [ -e {0}/bad ] && {{ echo 'fatal: Too many open files' >&2; \
         exit 128; }} ;; esac\nexec /usr/bin/git \"$@\"\n",
        dir.display()
    );
    std::fs::write(dir.join("git"), text).expect("written");
    std::fs::write(dir.join("bad"), "").expect("written");
    std::fs::set_permissions(dir.join("git"), PermissionsExt::from_mode(0o755)).expect("executable");
    BTreeMap::from([("PATH".to_owned(), format!("{}:/usr/bin:/bin", dir.display()))])
}

#[tokio::test]
async fn that_git_could_not_find_out_is_no_answer() {
    let house = House::new();
    let base = house.base().await;
    let commit = committed(&house, 1, &base).await;
    let asked = house.workspaces.clone().with_environment(&moody(&house, "cat-file"));
    let err = asked.worktree(&house.project, &id(1), 2, &commit).await.expect_err("nothing is known");
    assert!(matches!(err, WorkspaceError::Git { .. }), "not final: {err:?}");

    let asked = house.workspaces.clone().with_environment(&moody(&house, "for-each-ref"));
    let mut worktree = asked.worktree(&house.project, &id(1), 2, &commit).await.expect("it is there");
    let err = worktree.check_out().await.expect_err("nothing is known");
    assert!(matches!(err, WorkspaceError::Git { .. }), "{err:?}");
    std::fs::remove_file(house.dir.path().join("bin/bad")).expect("removed");
    worktree.check_out().await.expect("the mood has passed");
    // Descriptors used up in git itself: it calls a commit missing whose file it cannot open.
    let file = object(&house, commit.as_str());
    std::fs::remove_file(&file).expect("removed");
    std::fs::create_dir(&file).expect("what cannot be read");
    let err = house.workspaces.worktree(&house.project, &id(1), 3, &commit).await;
    assert!(!matches!(err, Err(WorkspaceError::Config(_))), "{err:?}");
}

#[tokio::test]
async fn a_missing_git_is_named_and_one_that_cannot_start_is_not_final() {
    let house = House::new();
    let nowhere = BTreeMap::from([("PATH".to_owned(), house.dir.path().display().to_string())]);
    let workspaces = house.workspaces.clone().with_environment(&nowhere);
    let err = workspaces.prepare(&house.project).await.expect_err("no git");
    assert!(err.to_string().contains("install git"), "{err}");
    std::fs::write(house.dir.path().join("git"), "no program").expect("written");
    std::fs::set_permissions(house.dir.path().join("git"), PermissionsExt::from_mode(0o644)).expect("set");
    let err = workspaces.prepare(&house.project).await.expect_err("no program");
    assert!(matches!(err, WorkspaceError::Start(_)), "{err:?}");
}

#[tokio::test]
async fn a_commit_that_a_power_failure_emptied_is_there_again() {
    let house = House::new();
    let base = house.base().await;
    let (mine, other) = (committed(&house, 1, &base).await, committed(&house, 2, &base).await);
    empty(&object(&house, mine.as_str()));
    let worktree = house.worktree(1, &mine).await;
    assert_eq!(read(&worktree.path().join("index.html")), "1\n");
    let tree = git(&clone_of(&house), &["rev-parse", &format!("{other}^{{tree}}")]);
    empty(&object(&house, &tree));
    // Whoever comes upon it first has the trouble, and whoever comes next a clone that is whole.
    let mut worktree = house.workspaces.worktree(&house.project, &id(2), 2, &other).await.expect("a branch");
    let found = worktree.check_out().await.expect_err("a tree is missing");
    assert!(matches!(found, WorkspaceError::Damaged { .. }), "{found:?}");
    let worktree = house.worktree(2, &other).await;
    assert_eq!(read(&worktree.path().join("index.html")), "2\n");
    git(&clone_of(&house), &["fsck", "--strict", "--no-dangling"]);
    assert!(!house.dir.path().join("data/repositories/shop.damaged").exists(), "nothing was lost");
}

#[tokio::test]
async fn a_branch_that_is_lost_holds_up_no_other_task() {
    let house = House::new();
    let base = house.base().await;
    let (lost, other) = (committed(&house, 1, &base).await, committed(&house, 2, &base).await);
    std::fs::remove_dir_all(house.dir.path().join("data/repositories/shop.saved")).expect("removed");
    empty(&object(&house, lost.as_str()));
    write(&house.repo(), &[("index.html", "newer\n")]);
    git(&house.repo(), &["commit", "--quiet", "--all", "--message=Newer"]);
    let newer = house.base().await;
    house.worktree(3, &newer).await;
    house.worktree(2, &other).await;
    let err = house.workspaces.worktree(&house.project, &id(1), 2, &lost).await.expect_err("it is lost");
    assert!(matches!(err, WorkspaceError::Config(_)), "{err:?}");
    assert!(err.to_string().contains("retry the task from E2E_TEST_GENERATION"), "{err}");
    assert!(house.dir.path().join("data/repositories/shop.damaged").exists(), "for people to look at");
    committed(&house, 1, &newer).await;
}

#[tokio::test]
async fn a_clone_without_its_head_is_made_anew() {
    let house = House::new();
    let base = house.base().await;
    let mine = committed(&house, 1, &base).await;
    std::fs::write(clone_of(&house).join("HEAD"), "").expect("emptied");
    std::fs::write(clone_of(&house).join("config"), "").expect("emptied");
    assert_eq!(house.base().await, base);
    house.worktree(1, &mine).await;
}

#[tokio::test]
async fn locks_of_killed_runs_are_removed() {
    let house = House::new();
    let base = house.base().await;
    let mine = committed(&house, 1, &base).await;
    let branch = format!("refs/heads/{}.lock", id(1).branch());
    for lock in [
        "HEAD.lock",
        "config.lock",
        "packed-refs.lock",
        "shallow.lock",
        "refs/chimera/base/main.lock",
        &branch,
    ] {
        std::fs::write(clone_of(&house).join(lock), "").expect("written");
    }
    write(&house.repo(), &[("index.html", "newer\n")]);
    git(&house.repo(), &["commit", "--quiet", "--all", "--message=Newer"]);
    house.base().await;
    let worktree = house.worktree(1, &mine).await;
    write(worktree.path(), &[("index.html", "again\n")]);
    worktree.commit("Again", &[]).await.expect("possible").expect("changed");
    house.workspaces.forget("shop", &id(1)).await.expect("forgotten");
    assert!(!house.dir.path().join("data/repositories/shop.saved").join(id(1).as_str()).exists());
}

#[tokio::test]
async fn a_branch_is_forgotten_after_garbage_was_collected_too() {
    let house = House::new();
    let base = house.base().await;
    committed(&house, 1, &base).await;
    git(&clone_of(&house), &["pack-refs", "--all"]);
    house.workspaces.forget("shop", &id(1)).await.expect("forgotten");
    assert_eq!(git(&clone_of(&house), &["branch", "--list", "chimera/*"]), "");
}

#[tokio::test]
async fn what_the_daemon_relies_on_is_synced() {
    let house = House::new();
    let dir = house.dir.path().join("bin");
    std::fs::create_dir_all(&dir).expect("a directory");
    let said = dir.join("said");
    let text = format!("#!/bin/sh\necho \"$*\" >> {}\nexec /usr/bin/git \"$@\"\n", said.display());
    std::fs::write(dir.join("git"), text).expect("written");
    std::fs::set_permissions(dir.join("git"), PermissionsExt::from_mode(0o755)).expect("executable");
    let path = format!("{}:/usr/bin:/bin", dir.display());
    let workspaces = house.workspaces.clone().with_environment(&BTreeMap::from([("PATH".to_owned(), path)]));
    workspaces.prepare(&house.project).await.expect("prepared");
    let said = read(&said);
    let synced = "core.fsync=objects,derived-metadata,reference -c core.fsyncMethod=fsync";
    assert!(!said.is_empty() && said.lines().all(|line| line.contains(synced)), "{said}");
}
