//! The outcome of the check of the sender, for the API: how the sender of a token was confirmed, or why not.

use super::token::VerifiedToken;

/// How the sender of a token was confirmed: the method of `cnf` (RFC 7800 section 3.1) that the request
/// proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Confirmation<'t> {
    /// The client proved possession of a DPoP key. It has this thumbprint, `jkt` (RFC 9449 section 6.1).
    DpopKey(&'t str),
    /// The client authenticated by TLS with a certificate. It has this thumbprint, `x5t#S256` (RFC 8705
    /// section 3.1).
    Certificate(&'t str),
    /// Both.
    DpopKeyAndCertificate {
        /// The thumbprint of the key.
        jkt: &'t str,
        /// The thumbprint of the certificate.
        x5t: &'t str,
    },
}

impl VerifiedToken {
    /// How the sender of the token was confirmed. `None` for a bearer token, whose sender may be anybody, and
    /// for a token that was verified by itself.
    pub fn confirmed_by(&self) -> Option<Confirmation<'_>> {
        let proven = self.proven();
        let thumbprint = |name| self.get("cnf")?.get(name)?.as_str();
        match (proven.key(), proven.certificate()) {
            (false, false) => None,
            (true, false) => thumbprint("jkt").map(Confirmation::DpopKey),
            (false, true) => thumbprint("x5t#S256").map(Confirmation::Certificate),
            (true, true) => Some(Confirmation::DpopKeyAndCertificate {
                jkt: thumbprint("jkt")?,
                x5t: thumbprint("x5t#S256")?,
            }),
        }
    }
}

/// Why `cnf` was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfirmationError {
    /// `cnf` is not an object, or is empty.
    #[error("JWT Access Token has invalid confirmation claim format")]
    Format,
    /// The token is bound to a DPoP key and came as a bearer token.
    #[error("DPoP-bound token requires the DPoP authentication scheme, not Bearer")]
    DpopBoundAsBearer,
    /// The token is bound in an unsupported way and came as a bearer token.
    #[error("Sender-constrained token cannot be used as a Bearer token")]
    BoundAsBearer,
    /// The scheme is DPoP, and the token is not bound to a DPoP key.
    #[error("JWT Access Token has no jkt confirmation claim")]
    MissingThumbprint,
    /// The token is also bound to a certificate, and the API does not accept that
    /// ([`certificate_bound_tokens`](crate::Builder::certificate_bound_tokens)).
    #[error("Certificate-bound tokens are not supported")]
    Certificate,
    /// The token is bound to a certificate, and the request came without one.
    #[error("Certificate-bound token requires the client certificate")]
    MissingCertificate,
    /// The request came with another certificate than the one the token is bound to.
    #[error("JWT Access Token client certificate mismatch")]
    CertificateMismatch,
    /// The proof is signed by another key than the one the token is bound to.
    #[error("JWT Access Token confirmation mismatch")]
    Mismatch,
}
