//! The certificate by which a client authenticated to the server (RFC 8705).

use std::borrow::Cow;

use a0_jose::json::Node;
use a0_jose::{is_digest, sha256};

/// The certificate of the client, as the API passed it.
#[derive(Clone)]
pub(super) enum ClientCertificate<'r> {
    Der(Cow<'r, [u8]>),
    /// The hash of its DER.
    Sha256([u8; 32]),
}

impl<'r> ClientCertificate<'r> {
    /// A proxy may pass on an empty value for a client without a certificate.
    pub(super) fn from_der(der: Cow<'r, [u8]>) -> Option<Self> {
        (!der.is_empty()).then_some(ClientCertificate::Der(der))
    }

    /// Whether a member `x5t#S256` names this certificate: the base64url form, without padding, of the
    /// SHA-256 of its DER (RFC 8705 section 3.1). It is compared in constant time.
    pub(super) fn is_named_by(&self, x5t: Node<'_>) -> bool {
        let digest = match self {
            ClientCertificate::Der(der) => sha256(der),
            ClientCertificate::Sha256(digest) => *digest,
        };
        x5t.as_str().is_some_and(|text| is_digest(text, &digest))
    }
}
