//! Tokens that are bound to a certificate of the client (RFC 8705 section 3).

use std::borrow::Cow;

use a0_dpop::ProofError;
use a0_jose::json::Node;
use a0_jose::{Claims, is_digest, sha256};

use crate::error::refusal::Refusal;

use super::Verifier;
use super::confirmation::ConfirmationError;
use super::detail::Detail;
use super::request::RequestShape;

/// The request came with the certificate that its token is bound to. Only the check below makes one.
pub(super) struct CertificateShown(());

impl<R, S> Verifier<R, S> {
    /// Checks a token of the scheme DPoP that came without a proof. It must be bound to a certificate and to
    /// nothing else: Auth0 tells clients to send such a token like that.
    pub(super) fn check_certificate_alone(
        &self,
        claims: &Claims,
        request: &RequestShape<'_>,
    ) -> Result<CertificateShown, Refusal> {
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
    pub(super) fn check_certificate(
        &self,
        x5t: Node<'_>,
        request: &RequestShape<'_>,
    ) -> Result<CertificateShown, Refusal> {
        if !self.certificate_bound_tokens {
            return Err(refused(ConfirmationError::Certificate));
        }
        let Some(certificate) = request.context.certificate() else {
            return Err(refused(ConfirmationError::MissingCertificate));
        };
        if !certificate.is_named_by(x5t) {
            return Err(ConfirmationError::CertificateMismatch.into());
        }
        Ok(CertificateShown(()))
    }
}

pub(super) fn refused(error: ConfirmationError) -> Refusal {
    Refusal::from(error).with_diagnosis(Detail::of_certificate(error))
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
