//! EdDSA, RFC 8037 section 3.1, by josekit.

use josekit::jwk::Jwk;
use josekit::jws::{EdDSA, JwsVerifier};
use serde_json::Value;

use crate::algorithm::EdwardsCurve;
use crate::base64url;

pub(super) struct Key(Box<dyn JwsVerifier>);

impl Key {
    /// `None` where OpenSSL refuses the key.
    pub(super) fn new(curve: EdwardsCurve, x: &[u8]) -> Option<Self> {
        let mut jwk = Jwk::new("OKP");
        jwk.set_curve(curve.name());
        jwk.set_parameter("x", Some(Value::String(base64url::encode(x))))
            .ok()?;
        let verifier = EdDSA.verifier_from_jwk(&jwk).ok()?;
        Some(Key(Box::new(verifier)))
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify(message, signature).is_ok()
    }
}
