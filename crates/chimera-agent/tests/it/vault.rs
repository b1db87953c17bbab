//! Evidence: whole or not there, and never from elsewhere.

use chimera_agent::vault::{LARGEST, Label, Vault, VaultError, sha256};
use chimera_core::{EvidenceKind, Phase, UnixMillis};
use std::time::Duration;

fn label(name: &str) -> Label<'_> {
    Label { kind: EvidenceKind::Report, name, phase: Phase::E2eValidation, attempt: 2 }
}

#[test]
fn the_same_content_is_kept_once_under_its_hash() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let vault = Vault::new(&dir.path().join("evidence")).expect("a vault");
    let first = vault.keep_bytes(label("green.json"), b"{}").expect("kept");
    let second = vault.keep_bytes(label("../../etc/passwd"), b"{}").expect("kept");
    assert_eq!(first.sha256, sha256(b"{}"));
    assert_eq!((&first.sha256, first.size, second.name.as_str()), (&second.sha256, 2, ".._.._etc_passwd"));
    assert_eq!(std::fs::read(vault.path(&first.sha256)).expect("it is there"), b"{}");
    let files = |dir: &std::path::Path| std::fs::read_dir(dir).expect("readable").count();
    assert_eq!(files(&dir.path().join("evidence")), 1, "no drafts are left");
    assert_eq!(files(vault.path(&first.sha256).parent().expect("a parent")), 1);
}

#[test]
fn only_plain_files_of_a_bounded_size_are_taken() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let vault = Vault::new(&dir.path().join("evidence")).expect("a vault");
    let (secret, link, pipe, huge) = (
        dir.path().join("secret"),
        dir.path().join("link"),
        dir.path().join("pipe"),
        dir.path().join("huge"),
    );
    std::fs::write(&secret, "secret").expect("written");
    std::os::unix::fs::symlink(&secret, &link).expect("a link");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
    std::fs::File::create(&huge).and_then(|file| file.set_len(LARGEST + 1)).expect("a hole");
    let refused = |path| vault.keep_file(label("x"), path).expect_err("refused");
    assert!(matches!(refused(&link), VaultError::NotPlain(_)));
    assert!(matches!(refused(&pipe), VaultError::NotPlain(_)));
    assert!(matches!(refused(dir.path()), VaultError::NotPlain(_)));
    assert!(matches!(refused(&huge), VaultError::TooLarge { size, .. } if size == LARGEST + 1));
    assert!(matches!(refused(&dir.path().join("gone")), VaultError::Io(_)));
    assert_eq!(vault.keep_file(label("x"), &secret).expect("a plain file").sha256, sha256(b"secret"));
}

#[test]
fn a_file_is_removed_unless_it_was_kept_again_a_moment_ago() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let vault = Vault::new(&dir.path().join("evidence")).expect("a vault");
    let kept = vault.keep_bytes(label("green.json"), b"{}").expect("kept");
    let place = vault.path(&kept.sha256);
    let old = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let age = || std::fs::File::options().write(true).open(&place).and_then(|file| file.set_modified(old));
    let day = Duration::from_secs(86_400);
    let now = UnixMillis(1_000_000_000).plus(day * 2);
    age().expect("aged");
    vault.keep_bytes(label("green.json"), b"{}").expect("kept again");
    assert!(!vault.discard(&kept.sha256, now, day).expect("looked at"), "somebody is about to refer to it");
    assert!(place.exists());
    age().expect("aged");
    assert!(vault.discard(&kept.sha256, now, day).expect("removed"));
    assert_eq!(std::fs::read_dir(place.parent().expect("a parent")).expect("readable").count(), 0);
    assert!(vault.discard(&kept.sha256, now, day).expect("it is not there"));
}
