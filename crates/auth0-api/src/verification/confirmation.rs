//! The `cnf` claim, RFC 7800: whether whoever sends a token is the one it was issued to.

use a0_dpop::{Target, UnverifiedProof};
use a0_jose::json::{Members, Node};
use a0_jose::{Claims, NumericDate, Thumbprint};

use super::Verifier;
use super::credentials::refuse_proof;
use super::order::RequestShape;
use super::presented::Presented;
use super::scheme::DpopMode;
use crate::refusal::Refusal;

impl<R> Verifier<R> {
    /// `cnf`, and whether the scheme and the proof of the request are those that it asks for.
    pub(super) fn sender_of<'v>(
        &self,
        token: &mut Presented<'_>,
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
        let known = token.proof_header();
        let judged = self.dpop.validate(&proof.proof, known, &target, now)?;
        match *judged.thumbprint() == bound_to {
            true => Ok(Some(judged)),
            false => Err(ConfirmationError::Mismatch.into()),
        }
    }
}

/// Refuses a token that is bound to a key when it comes as a bearer token, which proves no key.
///
/// Whatever `cnf` holds, its presence says that the token is of no use without a proof, so what
/// cannot be understood fails closed (RFC 7800 section 3.1, RFC 9449 section 7.2). Only where DPoP
/// is disabled may a token that is bound by it, and by nothing else, still serve as a bearer token.
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

/// The thumbprint of the key that a token of the scheme DPoP is bound to (RFC 9449 section 6.1).
///
/// A binding to a certificate beside it (RFC 8705 section 3.1) cannot be checked here, so it refuses
/// the token. Members that nobody here knows are ignored (RFC 7800 section 3.1).
fn dpop_key(claims: &Claims) -> Result<Thumbprint, ConfirmationError> {
    let members = claims.members().get("cnf").and_then(Node::as_object);
    let [jkt, x5t] = members.map_or([None; 2], |cnf| cnf.find(["jkt", "x5t#S256"]));
    let thumbprint = jkt.and_then(Node::as_str);
    let thumbprint = thumbprint.ok_or(ConfirmationError::MissingThumbprint)?;
    if x5t.is_some() {
        return Err(ConfirmationError::Certificate);
    }
    // A text that is no thumbprint is that of no key.
    thumbprint.parse().map_err(|_| ConfirmationError::Mismatch)
}

fn members(claims: &Claims) -> Result<Option<Members<'_>>, ConfirmationError> {
    let Some(confirmation) = claims.members().get("cnf") else {
        return Ok(None);
    };
    let members = confirmation.as_object().filter(|cnf| !cnf.is_empty());
    members.map(Some).ok_or(ConfirmationError::Format)
}

/// Why `cnf` was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfirmationError {
    /// Not an object, or an empty one.
    #[error("JWT Access Token has invalid confirmation claim format")]
    Format,
    /// The token is bound to a DPoP key and came as a bearer token.
    #[error("DPoP-bound token requires the DPoP authentication scheme, not Bearer")]
    DpopBoundAsBearer,
    /// The token is bound by a means that is not supported and came as a bearer token.
    #[error("Sender-constrained token cannot be used as a Bearer token")]
    BoundAsBearer,
    /// The token came in the scheme DPoP and is not bound to a DPoP key.
    #[error("JWT Access Token has no jkt confirmation claim")]
    MissingThumbprint,
    /// The token is bound to a certificate too, which is not supported.
    #[error("Certificate-bound tokens are not supported")]
    Certificate,
    /// The token is bound to another key than the proof's.
    #[error("JWT Access Token confirmation mismatch")]
    Mismatch,
}
