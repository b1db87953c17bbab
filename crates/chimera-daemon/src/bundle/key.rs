//! The daemon's key: Ed25519, one per data directory.
//!
//! The secret half lies in the data directory and leaves it never; the public half is in every bundle. A key is
//! named by its id: the SHA-256 of its DER form, which `openssl` computes just as well.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The name of the file in the data directory.
pub const FILE: &str = "signing-key.pem";
/// DER of an Ed25519 public key, before its 32 bytes (RFC 8410).
const PUBLIC: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// DER of an Ed25519 secret key in PKCS #8, before the 32 bytes of its seed (RFC 8410).
const SECRET: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// Longest text that is looked at for a key.
const TEXT_BYTES: usize = 4096;

/// Signs.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// Checks signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl SigningKey {
    /// The key of a data directory; it is made if there is none yet.
    ///
    /// # Errors
    /// If the file cannot be read or written, or holds no key.
    pub fn of(data_dir: &Path, seed: impl FnOnce() -> io::Result<[u8; 32]>) -> io::Result<Self> {
        let path = data_dir.join(FILE);
        match std::fs::read_to_string(&path) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                make(data_dir, &path, &seed()?)?;
                // Read again: another process may have been quicker.
                Self::parse(&std::fs::read_to_string(&path)?, &path)
            }
            text => Self::parse(&text?, &path),
        }
    }

    /// The key that grows from this seed.
    ///
    /// # Errors
    /// Never for 32 bytes; the type of the library says otherwise.
    pub fn from_seed(seed: &[u8; 32]) -> io::Result<Self> {
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed).map_err(|err| io::Error::other(err.to_string()))?;
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Ok(Self { pair, public: PublicKey(public) })
    }

    fn parse(text: &str, path: &Path) -> io::Result<Self> {
        let seed: Option<[u8; 32]> = unpem("PRIVATE KEY", text)
            .and_then(|der| der.strip_prefix(&SECRET).and_then(|seed| seed.try_into().ok()));
        let seed = seed.ok_or_else(|| {
            io::Error::other(format!("{} holds no Ed25519 key: put it back from a backup", path.display()))
        })?;
        Self::from_seed(&seed)
    }

    /// The half that everybody may know.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The signature of a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// Puts a new key there, whole or not at all, unless one is there by now.
fn make(data_dir: &Path, path: &Path, seed: &[u8; 32]) -> io::Result<()> {
    let mut draft =
        tempfile::Builder::new().permissions(Permissions::from_mode(0o600)).tempfile_in(data_dir)?;
    draft.write_all(pem("PRIVATE KEY", &[&SECRET[..], seed].concat()).as_bytes())?;
    draft.as_file().sync_all()?;
    match draft.persist_noclobber(path) {
        Err(err) if err.error.kind() != io::ErrorKind::AlreadyExists => return Err(err.error),
        _ => {}
    }
    std::fs::File::open(data_dir)?.sync_all()
}

impl PublicKey {
    /// Reads a key as `chimera-daemon key` shows it: PEM, or the base64 within.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > TEXT_BYTES {
            return None;
        }
        let der = unpem("PUBLIC KEY", text).or_else(|| STANDARD.decode(text.trim()).ok())?;
        Some(Self(der.strip_prefix(&PUBLIC)?.try_into().ok()?))
    }

    /// The key as other programs read it.
    pub fn pem(&self) -> String {
        pem("PUBLIC KEY", &self.der())
    }

    /// The name of the key: 64 hexadecimal digits.
    pub fn id(&self) -> String {
        chimera_agent::vault::sha256(&self.der()).to_string()
    }

    /// Whether the holder of this key has signed this message.
    pub fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }

    fn der(&self) -> Vec<u8> {
        [&PUBLIC[..], &self.0].concat()
    }
}

fn pem(what: &str, der: &[u8]) -> String {
    // Both keys are short: one line of at most 64 characters.
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", STANDARD.encode(der))
}

fn unpem(what: &str, text: &str) -> Option<Vec<u8>> {
    let within = text.trim().strip_prefix(&format!("-----BEGIN {what}-----"))?;
    let within = within.strip_suffix(&format!("-----END {what}-----"))?;
    STANDARD.decode(within.trim()).ok()
}

#[cfg(test)]
mod tests {
    use super::{FILE, PublicKey, SigningKey};
    use std::os::unix::fs::PermissionsExt as _;

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let bytes = |hex: &str| -> Vec<u8> {
            (0..hex.len() / 2).map(|n| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).expect("hex")).collect()
        };
        let seed = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let key = SigningKey::from_seed(&seed.try_into().expect("32 bytes")).expect("a key");
        let expected = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(key.sign(&[0x72]), bytes(expected));
        assert!(key.public().has_signed(&[0x72], &bytes(expected)));
        assert!(!key.public().has_signed(&[0x73], &bytes(expected)));
        assert_eq!(PublicKey::parse(&key.public().pem()).as_ref(), Some(key.public()));
        let line = key.public().pem().lines().nth(1).expect("a line").to_owned();
        assert_eq!(PublicKey::parse(&line).as_ref(), Some(key.public()));
    }

    #[test]
    fn a_data_directory_has_one_key_that_nobody_else_can_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let made = SigningKey::of(dir.path(), || Ok([7; 32])).expect("a key");
        let again = SigningKey::of(dir.path(), || panic!("there is one")).expect("the same");
        assert_eq!(made.public().id(), again.public().id());
        let file = std::fs::metadata(dir.path().join(FILE)).expect("a file");
        assert_eq!(file.permissions().mode() & 0o777, 0o600);
        std::fs::write(dir.path().join(FILE), "nothing").expect("written");
        assert!(SigningKey::of(dir.path(), || Ok([7; 32])).is_err(), "a broken key is not replaced");
    }
}
