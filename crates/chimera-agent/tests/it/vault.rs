//! Evidence: whole or not there, and never from elsewhere.

use chimera_agent::vault::{LARGEST, Label, Vault, VaultError, sha256};
use chimera_core::{EvidenceKind, Phase};

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
