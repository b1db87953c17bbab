//! The envelope around a signed statement: DSSE 1.0.
//!
//! What is signed is not the JSON of the envelope but the pre-authentication encoding of type and payload, so
//! that no two payloads are ever signed as the same bytes.

use super::key::{PublicKey, SigningKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// What in-toto statements are called in an envelope.
pub(super) const IN_TOTO: &str = "application/vnd.in-toto+json";

/// An envelope with one signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Envelope {
    payload: String,
    payload_type: String,
    signatures: [Signature; 1],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
}

/// The envelope does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsealed {
    /// It is not written as this program writes it.
    #[error("the envelope is not as it is written")]
    Form,
    /// It names another key than the one that it is opened with.
    #[error("the envelope names another key")]
    Key,
    /// The signature is not of this key over this payload.
    #[error("the signature does not fit")]
    Signature,
}

impl Envelope {
    /// Signs an in-toto statement.
    pub(super) fn seal(key: &SigningKey, statement: &[u8]) -> Self {
        let sig = key.sign(&pae(IN_TOTO.as_bytes(), statement));
        Self {
            payload: STANDARD.encode(statement),
            payload_type: IN_TOTO.to_owned(),
            signatures: [Signature { keyid: key.public().id(), sig: STANDARD.encode(sig) }],
        }
    }

    /// The envelope as it is written.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads an envelope and gives its payload, if the key has signed it and every byte is as it is written.
    ///
    /// # Errors
    /// [`Unsealed`] with what does not hold.
    pub(super) fn open(bytes: &[u8], key: &PublicKey) -> Result<Vec<u8>, Unsealed> {
        let envelope: Self = serde_json::from_slice(bytes).map_err(|_| Unsealed::Form)?;
        let [Signature { keyid, sig }] = &envelope.signatures;
        let payload = STANDARD.decode(&envelope.payload).map_err(|_| Unsealed::Form)?;
        let signature = STANDARD.decode(sig).map_err(|_| Unsealed::Form)?;
        if envelope.to_bytes() != bytes || envelope.payload_type != IN_TOTO {
            return Err(Unsealed::Form);
        }
        if *keyid != key.id() {
            return Err(Unsealed::Key);
        }
        if !key.has_signed(&pae(envelope.payload_type.as_bytes(), &payload), &signature) {
            return Err(Unsealed::Signature);
        }
        Ok(payload)
    }
}

/// The pre-authentication encoding: what is signed.
fn pae(kind: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} ", kind.len()).into_bytes();
    out.extend_from_slice(kind);
    out.extend_from_slice(format!(" {} ", body.len()).as_bytes());
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
mod tests {
    use super::{Envelope, Unsealed, pae};
    use crate::bundle::key::SigningKey;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    /// The example of the specification, section "Test Vectors".
    #[test]
    fn the_encoding_is_that_of_the_specification() {
        let encoded = pae(b"http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
        assert_eq!(pae(b"", b""), b"DSSEv1 0  0 ");
    }

    /// The same example: its ECDSA signature holds over our encoding, and over nothing else.
    #[test]
    fn the_signature_of_the_specification_holds_over_our_encoding() {
        let x = "46950820868899156662930047687818585632848591499744589407958293238635476079160";
        let y = "5640078356564379163099075877009565129882514886557779369047442380624545832820";
        let point = [vec![4], big_endian(x), big_endian(y)].concat();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        let sig = "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==";
        let sig = STANDARD.decode(sig).expect("base64");
        key.verify(&pae(b"http://example.com/HelloWorld", b"hello world"), &sig).expect("it holds");
        key.verify(b"hello world", &sig).expect_err("it is not over the bare payload");
    }

    /// A decimal number as 32 bytes.
    fn big_endian(decimal: &str) -> Vec<u8> {
        let mut bytes = vec![0_u8; 32];
        for digit in decimal.bytes() {
            let mut carry = u32::from(digit - b'0');
            for byte in bytes.iter_mut().rev() {
                let value = u32::from(*byte) * 10 + carry;
                (*byte, carry) = (value.to_le_bytes()[0], value >> 8);
            }
        }
        bytes
    }

    #[test]
    fn an_envelope_opens_with_its_own_key_only() {
        let key = SigningKey::from_seed(&[1; 32]).expect("a key");
        let other = SigningKey::from_seed(&[2; 32]).expect("a key");
        let bytes = Envelope::seal(&key, b"{}").to_bytes();
        assert_eq!(Envelope::open(&bytes, key.public()), Ok(b"{}".to_vec()));
        assert_eq!(Envelope::open(&bytes, other.public()), Err(Unsealed::Key));
        let renamed =
            String::from_utf8(bytes).expect("text").replace(&key.public().id(), &other.public().id());
        assert_eq!(Envelope::open(renamed.as_bytes(), other.public()), Err(Unsealed::Signature));
    }
}
