//! The `cnf` claim (RFC 7800): whether the sender of a token is the client it was issued to.

use std::borrow::Cow;

use a0_dpop::{ProofError, Target, VerifiedProof};
use a0_jose::json::{Members, Node};
use a0_jose::{Claims, NumericDate, Thumbprint, is_digest, sha256};

use crate::error::refusal::Refusal;

use super::Verifier;
use super::detail::Detail;
use super::order::ProofPlace;
use super::request::{DpopMode, RequestShape, Scheme, refuse_proof};
use super::token::{PresentedToken, VerifiedToken};

/// What the request proved about its sender.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Proven {
    /// Possession of the key that `jkt` names.
    key: bool,
    /// Possession of the certificate that `x5t#S256` names.
    certificate: bool,
}

/// A sender that was checked, up to the signature of its proof.
pub(super) enum CheckedSender<'v> {
    /// No proof belongs to the request, or the sender was not checked.
    WithoutProof(Proven),
    /// The proof in this place must still be verified.
    Proof(&'v mut ProofPlace<'v>, KeyToProve),
}

/// What the request proves once the signature of its proof is verified.
pub(super) struct KeyToProve {
    certificate: bool,
}

impl KeyToProve {
    pub(super) fn proven_by(self, _proof: &VerifiedProof) -> Proven {
        Proven {
            key: true,
            certificate: self.certificate,
        }
    }
}

impl<R, S> Verifier<R, S> {
    /// Checks that the scheme, the proof and the certificate of the request are those that `cnf` requires.
    /// Puts the proof, whose signature is not verified yet, into its place.
    pub(super) fn check_sender<'v>(
        &self,
        token: &mut PresentedToken<'_>,
        request: &RequestShape<'v>,
        now: NumericDate,
        place: &'v mut ProofPlace<'v>,
    ) -> Result<CheckedSender<'v>, Refusal> {
        let Some(proof) = &request.proof else {
            let proven = match request.credentials.scheme {
                Scheme::Bearer => {
                    let proven = self.check_bearer(token.claims(), request)?;
                    refuse_proof(request.context, self.dpop.mode)?;
                    proven
                }
                Scheme::Dpop => self.check_certificate_alone(token.claims(), request)?,
            };
            return Ok(CheckedSender::WithoutProof(proven));
        };
        let (jkt, x5t) = dpop_binding(token.claims())?;
        let certificate = match x5t {
            Some(x5t) => self.check_certificate(x5t, request)?.certificate,
            None => false,
        };
        // No key has a thumbprint of another form.
        let bound_to: Thumbprint = jkt.parse().map_err(|_| ConfirmationError::Mismatch)?;
        let digest = token.digest();
        let target = Target::with_token_digest(proof.method, &proof.url, digest.octets());
        let header = token.proof_header();
        let unverified = self.dpop.validate(proof.proof, header, &target, now)?;
        if *unverified.thumbprint() != bound_to {
            return Err(ConfirmationError::Mismatch.into());
        }
        *place = Some(unverified);
        Ok(CheckedSender::Proof(place, KeyToProve { certificate }))
    }

    /// Checks a token of the scheme Bearer. If it is bound to a key, it is refused, because no key is proven.
    ///
    /// A token with `cnf` is of no use without proof of possession, so a `cnf` that is not understood is
    /// refused too (RFC 7800 section 3.1, RFC 9449 section 7.2). The one exception: if DPoP is disabled, a
    /// token whose only binding is `jkt` is accepted as a bearer token. Beside a certificate, unknown members
    /// are ignored (RFC 7800 section 3.1).
    fn check_bearer(&self, claims: &Claims, request: &RequestShape<'_>) -> Result<Proven, Refusal> {
        let Some(members) = members(claims)? else {
            return Ok(Proven::default());
        };
        match members.find(["jkt", "x5t#S256"]) {
            [Some(jkt), _] => {
                let is_disabled = self.dpop.mode == DpopMode::Disabled;
                if jkt.as_str().is_some() && is_disabled && members.len() == 1 {
                    Ok(Proven::default())
                } else {
                    Err(ConfirmationError::DpopBoundAsBearer.into())
                }
            }
            [None, Some(_)] if !self.certificate_bound_tokens => {
                Err(refused(ConfirmationError::BoundAsBearer))
            }
            [None, Some(x5t)] => self.check_certificate(x5t, request),
            [None, None] => Err(ConfirmationError::BoundAsBearer.into()),
        }
    }

    /// Checks a token of the scheme DPoP that came without a proof. It must be bound to a certificate and to
    /// nothing else: Auth0 tells clients to send such a token like that.
    fn check_certificate_alone(
        &self,
        claims: &Claims,
        request: &RequestShape<'_>,
    ) -> Result<Proven, Refusal> {
        let members = claims.members().get("cnf").and_then(Node::as_object);
        let only = members.filter(|cnf| cnf.len() == 1);
        match only.and_then(|cnf| cnf.get("x5t#S256")) {
            Some(x5t) if x5t.as_str().is_some() => self.check_certificate(x5t, request),
            _ => {
                if !request.can_have_proof {
                    self.telemetry.request_without_url();
                }
                Err(ProofError::Missing.into())
            }
        }
    }

    /// Checks that the request came with the certificate that the token is bound to (RFC 8705 section 3).
    fn check_certificate(
        &self,
        x5t: Node<'_>,
        request: &RequestShape<'_>,
    ) -> Result<Proven, Refusal> {
        if !self.certificate_bound_tokens {
            return Err(refused(ConfirmationError::Certificate));
        }
        let Some(certificate) = request.context.certificate() else {
            return Err(refused(ConfirmationError::MissingCertificate));
        };
        if !certificate.is_named_by(x5t) {
            return Err(ConfirmationError::CertificateMismatch.into());
        }
        Ok(Proven {
            key: false,
            certificate: true,
        })
    }
}

fn refused(error: ConfirmationError) -> Refusal {
    Refusal::from(error).with_diagnosis(Detail::of_certificate(error))
}

/// Returns the thumbprint of the key that a token of the scheme DPoP is bound to (RFC 9449 section 6.1), and
/// the thumbprint of the certificate that it is bound to as well, if it is (RFC 8705 section 3.1).
///
/// Unknown members are ignored (RFC 7800 section 3.1).
fn dpop_binding(claims: &Claims) -> Result<(&str, Option<Node<'_>>), ConfirmationError> {
    let members = claims.members().get("cnf").and_then(Node::as_object);
    let [jkt, x5t] = members.map_or([None; 2], |cnf| cnf.find(["jkt", "x5t#S256"]));
    let jkt = jkt.and_then(Node::as_str);
    Ok((jkt.ok_or(ConfirmationError::MissingThumbprint)?, x5t))
}

fn members(claims: &Claims) -> Result<Option<Members<'_>>, ConfirmationError> {
    let Some(confirmation) = claims.members().get("cnf") else {
        return Ok(None);
    };
    let members = confirmation.as_object().filter(|cnf| !cnf.is_empty());
    members.map(Some).ok_or(ConfirmationError::Format)
}

/// The certificate by which the client authenticated to the server (RFC 8705), as the API passed it.
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
        match (proven.key, proven.certificate) {
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
