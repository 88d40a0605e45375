//! EdDSA, RFC 8037 section 3.1.

use openssl::error::ErrorStack;
use openssl::pkey::{Id, PKey, Public};
use openssl::sign::Verifier;

use crate::algorithm::EdwardsCurve;

pub(super) struct Key(PKey<Public>);

impl Key {
    /// Returns `None` where OpenSSL refuses the key.
    pub(super) fn new(curve: EdwardsCurve, x: &[u8]) -> Option<Self> {
        let id = match curve {
            EdwardsCurve::Ed25519 => Id::ED25519,
            EdwardsCurve::Ed448 => Id::ED448,
        };
        PKey::public_key_from_raw_bytes(x, id).ok().map(Key)
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let verify = || -> Result<bool, ErrorStack> {
            Verifier::new_without_digest(&self.0)?.verify_oneshot(signature, message)
        };
        matches!(verify(), Ok(true))
    }
}
