//! Repositories as people have them: each is worked on, or refused at once with what to do.

use super::{House, read};
use crate::fixture::{git, id, project, write};
use chimera_agent::spec::Project;
use chimera_agent::workspace::{Credentials, Options, WorkspaceError, Workspaces, check};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Everything that a delivery does with a repository.
async fn delivered(workspaces: &Workspaces, project: &Project) {
    let base = workspaces.prepare(project).await.expect("prepared");
    let mut worktree = workspaces.worktree(project, &id(1), 1, &base).await.expect("a branch");
    worktree.check_out().await.expect("checked out");
    assert_eq!(git(worktree.path(), &["status", "--porcelain"]), "");
    write(worktree.path(), &[("index.html", "two\n")]);
    let commit = worktree.commit("Change", &[]).await.expect("possible").expect("changed");
    let far = worktree.seen_at(&project.repo).await.expect("reachable");
    worktree.push(&far, &commit).await.expect("pushed");
    let again = workspaces.worktree(project, &id(1), 2, &commit).await.expect("it goes on");
    assert!(again.file_at(&commit, "index.html").await.expect("readable").is_some());
}

fn script(path: &Path, text: &str) {
    std::fs::write(path, text).expect("written");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("executable");
}

#[tokio::test]
async fn a_shallow_repository_is_worked_on() {
    let house = House::new();
    write(&house.repo(), &[("more.html", "more\n")]);
    git(&house.repo(), &["add", "--all"]);
    git(&house.repo(), &["commit", "--quiet", "--message=More"]);
    let url = format!("file://{}", house.repo().display());
    git(house.dir.path(), &["clone", "--quiet", "--depth=1", &url, "shallow"]);
    let shared = house.dir.path().join("shared/{project}.git").to_string_lossy().into_owned();
    let shallow = project(&house.dir.path().join("shallow"));
    delivered(&house.workspaces.clone().sharing(Some(shared)), &shallow).await;
    check(&shallow, &BTreeMap::new()).await.expect("nothing is in the way");
}

#[tokio::test]
async fn a_repository_with_sha256_is_worked_on() {
    let house = House::new();
    let repo = house.dir.path().join("sha256");
    std::fs::create_dir(&repo).expect("a directory");
    write(&repo, &[("index.html", "one\n")]);
    git(&repo, &["init", "--quiet", "--initial-branch=main", "--object-format=sha256"]);
    git(&repo, &["add", "--all"]);
    git(&repo, &["commit", "--quiet", "--message=Begin"]);
    let shared = house.dir.path().join("shared/{project}.git").to_string_lossy().into_owned();
    delivered(&house.workspaces.clone().sharing(Some(shared)), &project(&repo)).await;
}

#[tokio::test]
async fn a_repository_of_another_user_is_worked_on() {
    let house = House::new();
    if rustix::process::geteuid().is_root() {
        let all = std::process::Command::new("chown").args(["-R", "65534"]).arg(house.repo()).status();
        assert!(all.expect("chown starts").success());
    }
    delivered(&house.workspaces, &house.project).await;
}

#[tokio::test]
async fn a_branch_that_leaves_no_room_for_those_of_tasks_is_found_at_the_start() {
    let house = House::new();
    git(&house.repo(), &["branch", "chimera"]);
    let refused = house.refusal(&house.project).await;
    assert!(refused.contains("branch `chimera`") && refused.contains("`push = false`"), "{refused}");
    let same = check(&house.project, &BTreeMap::new()).await.expect_err("refused");
    assert_eq!(same.to_string(), refused, "doctor says the same");
    let kept = Project { push: false, ..house.project.clone() };
    house.workspaces.prepare(&kept).await.expect("nothing is pushed");
}

/// An `ssh` that runs what is asked of the host here, but takes pushes only if there is a file `writable`.
const SSH: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "$@" >> "$here/asked"
for last; do :; done
case "$last" in
  git-receive-pack*) [ -e "$here/writable" ] || { echo "ERROR: Permission to shop denied to deploy key" >&2; exit 128; } ;;
esac
exec sh -c "$last"
"#;

#[tokio::test]
async fn a_host_is_asked_by_ssh_which_asks_nobody_and_a_read_only_key_is_found_at_the_start() {
    let house = House::new();
    script(&house.dir.path().join("ssh"), SSH);
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", house.dir.path().display());
    let environment = BTreeMap::from([("PATH".to_owned(), path)]);
    let workspaces = house.workspaces.clone().with_environment(&environment);
    let repo = format!("host.example:{}", house.repo().display());
    let far = Project { repo, ..house.project.clone() };
    let refused = workspaces.prepare(&far).await.expect_err("no right to push");
    assert!(matches!(refused, WorkspaceError::Config(_)), "{refused:?}");
    assert!(refused.to_string().contains("denied to deploy key"), "{refused}");
    let asked = read(&house.dir.path().join("asked"));
    assert!(asked.lines().all(|line| line.contains("BatchMode=yes")), "{asked}");
    std::fs::write(house.dir.path().join("writable"), "").expect("written");
    delivered(&workspaces, &far).await;
}

/// A server that asks for a name and password, and takes none; gives what it was sent.
async fn refusing(listener: TcpListener) -> String {
    loop {
        let (mut stream, _) = listener.accept().await.expect("accepted");
        let mut request = vec![0; 8192];
        let length = stream.read(&mut request).await.expect("readable");
        let head = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n";
        stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).await.expect("written");
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        if let Some(line) = request.lines().find(|line| line.starts_with("Authorization:")) {
            return line.to_owned();
        }
    }
}

#[tokio::test]
async fn passwords_come_from_a_file_or_a_program_and_are_never_shown() {
    let house = House::new();
    let file = house.dir.path().join("it's a file");
    for kind in ["file", "helper", "url"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = listener.local_addr().expect("an address");
        let kept = format!("http://ada:secret@{host}\n");
        std::fs::write(&file, &kept).expect("written");
        let credentials = match kind {
            "file" => Some(Credentials::File(file.clone())),
            "helper" => Some(Credentials::Helper("!echo username=ada; echo password=secret; :".to_owned())),
            _ => None,
        };
        let user = if credentials.is_none() { "ada:secret@" } else { "" };
        let git = Options { credentials, ..Options::default() };
        let far = Project { repo: format!("http://{user}{host}/shop.git"), git, ..house.project.clone() };
        let (sent, refused) = tokio::join!(refusing(listener), house.workspaces.prepare(&far));
        assert_eq!(sent, "Authorization: Basic YWRhOnNlY3JldA==", "{kind}");
        let refused = refused.expect_err("nothing is taken there").to_string();
        assert!(!refused.contains("secret"), "{refused}");
        assert_eq!(read(&file), kept, "what was refused is not forgotten for somebody else");
    }
}
