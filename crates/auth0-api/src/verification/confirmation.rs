//! The `cnf` claim (RFC 7800): whether the sender of a token is the client it was issued to.

use a0_dpop::{Target, UnverifiedProof};
use a0_jose::json::{Members, Node};
use a0_jose::{Claims, NumericDate, Thumbprint};

use crate::error::refusal::Refusal;

use super::Verifier;
use super::credentials::refuse_proof;
use super::credentials::{DpopMode, RequestShape, Scheme};
use super::token_cache::PresentedToken;
use super::verified::VerifiedToken;

impl<R, S> Verifier<R, S> {
    /// Checks that the scheme and the proof of the request are those that `cnf` requires. Returns the
    /// proof, whose signature is not verified yet.
    pub(super) fn check_sender<'v>(
        &self,
        token: &mut PresentedToken<'_>,
        request: &'v RequestShape<'_>,
        now: NumericDate,
    ) -> Result<Option<UnverifiedProof<'v>>, Refusal> {
        let Some(proof) = &request.proof else {
            check_not_bound(token.claims(), self.dpop.mode)?;
            refuse_proof(request.context, self.dpop.mode)?;
            return Ok(None);
        };
        let bound_to = dpop_key(token.claims())?;
        let digest = token.digest();
        let target = Target::with_token_digest(proof.method, &proof.url, digest.octets());
        let header = token.proof_header();
        let unverified = self.dpop.validate(&proof.proof, header, &target, now)?;
        if *unverified.thumbprint() != bound_to {
            return Err(ConfirmationError::Mismatch.into());
        }
        Ok(Some(unverified))
    }
}

/// Refuses a token that is bound to a key and comes as a bearer token, because no key is proven.
///
/// A token with `cnf` is of no use without proof of possession, so a `cnf` that is not understood is
/// refused too (RFC 7800 section 3.1, RFC 9449 section 7.2). The one exception: if DPoP is disabled, a
/// token whose only binding is `jkt` is accepted as a bearer token.
fn check_not_bound(claims: &Claims, mode: DpopMode) -> Result<(), ConfirmationError> {
    let Some(members) = members(claims)? else {
        return Ok(());
    };
    match members.get("jkt") {
        Some(jkt) if jkt.as_str().is_some() && mode == DpopMode::Disabled && members.len() == 1 => {
            Ok(())
        }
        Some(_) => Err(ConfirmationError::DpopBoundAsBearer),
        None => Err(ConfirmationError::BoundAsBearer),
    }
}

/// Returns the thumbprint of the key that a token of the scheme DPoP is bound to (RFC 9449 section 6.1).
///
/// If the token is also bound to a certificate (RFC 8705 section 3.1), it is refused, because
/// certificates are not supported. Unknown members are ignored (RFC 7800 section 3.1).
fn dpop_key(claims: &Claims) -> Result<Thumbprint, ConfirmationError> {
    let members = claims.members().get("cnf").and_then(Node::as_object);
    let [jkt, x5t] = members.map_or([None; 2], |cnf| cnf.find(["jkt", "x5t#S256"]));
    let thumbprint = jkt.and_then(Node::as_str);
    let thumbprint = thumbprint.ok_or(ConfirmationError::MissingThumbprint)?;
    if x5t.is_some() {
        return Err(ConfirmationError::Certificate);
    }
    // No key has a thumbprint of another form.
    thumbprint.parse().map_err(|_| ConfirmationError::Mismatch)
}

fn members(claims: &Claims) -> Result<Option<Members<'_>>, ConfirmationError> {
    let Some(confirmation) = claims.members().get("cnf") else {
        return Ok(None);
    };
    let members = confirmation.as_object().filter(|cnf| !cnf.is_empty());
    members.map(Some).ok_or(ConfirmationError::Format)
}

/// How the sender of a token was confirmed: the method of `cnf` (RFC 7800 section 3.1) that the request
/// proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Confirmation<'t> {
    /// The client proved possession of a DPoP key. It has this thumbprint, `jkt` (RFC 9449 section 6.1).
    DpopKey(&'t str),
}

impl VerifiedToken {
    /// How the sender of the token was confirmed. `None` for a bearer token, whose sender may be anybody, and
    /// for a token that was verified by itself.
    pub fn confirmed_by(&self) -> Option<Confirmation<'_>> {
        match self.scheme() {
            Scheme::Bearer => None,
            Scheme::Dpop => {
                let jkt = self.get("cnf")?.get("jkt")?.as_str();
                jkt.map(Confirmation::DpopKey)
            }
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
    /// The token is also bound to a certificate, which is not supported.
    #[error("Certificate-bound tokens are not supported")]
    Certificate,
    /// The proof is signed by another key than the one the token is bound to.
    #[error("JWT Access Token confirmation mismatch")]
    Mismatch,
}
