//! Whether the sender of a token is the client that it was issued to: the claim `cnf` (RFC 7800) and the DPoP
//! proof of the request (RFC 9449 section 7).

use std::time::Duration;

use a0_dpop::{
    Htu, NonceIssuer, ProofError, ProofRules, ReplayKey, ReplayStoreError, Seen, Target,
    UnverifiedProof, VerifiedHeader, VerifiedProof,
};
use a0_jose::json::{Members, Node};
use a0_jose::{Claims, NumericDate, Thumbprint};

use crate::error::refusal::Refusal;
use crate::error::{ErrorKind, Outage};
use crate::observer::event::Replay;
use crate::observer::telemetry::Telemetry;

use super::Verifier;
use super::certificate::{self, CertificateShown};
use super::confirmation::ConfirmationError;
use super::order::ProofPlace;
use super::request::{DpopMode, RequestShape, Scheme, refuse_proof};
use super::token::PresentedToken;

/// The possession that the request proved.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Proven {
    /// Possession of the key that `jkt` names.
    key: bool,
    /// Possession of the certificate that `x5t#S256` names.
    certificate: bool,
}

impl Proven {
    fn by_certificate(_: CertificateShown) -> Self {
        Proven {
            key: false,
            certificate: true,
        }
    }

    pub(super) fn key(self) -> bool {
        self.key
    }

    pub(super) fn certificate(self) -> bool {
        self.certificate
    }
}

/// A sender that was checked, up to the signature of its proof.
pub(super) enum CheckedSender<'v> {
    /// No proof belongs to the request, or the sender was not checked.
    WithoutProof(Proven),
    /// The proof in this place must still be verified.
    Proof(&'v mut ProofPlace<'v>, KeyToProve),
}

/// The possession that is proved once the signature of the proof is verified.
pub(super) struct KeyToProve {
    certificate: Option<CertificateShown>,
}

impl KeyToProve {
    pub(super) fn proven_by(self, _proof: &VerifiedProof) -> Proven {
        Proven {
            key: true,
            certificate: self.certificate.is_some(),
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
                Scheme::Dpop => {
                    let shown = self.check_certificate_alone(token.claims(), request)?;
                    Proven::by_certificate(shown)
                }
            };
            return Ok(CheckedSender::WithoutProof(proven));
        };
        let (jkt, x5t) = dpop_binding(token.claims())?;
        let certificate = x5t.map(|x5t| self.check_certificate(x5t, request));
        let certificate = certificate.transpose()?;
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
                Err(certificate::refused(ConfirmationError::BoundAsBearer))
            }
            [None, Some(x5t)] => {
                let shown = self.check_certificate(x5t, request)?;
                Ok(Proven::by_certificate(shown))
            }
            [None, None] => Err(ConfirmationError::BoundAsBearer.into()),
        }
    }
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

/// The configuration of DPoP.
#[derive(Clone)]
pub(crate) struct DpopSettings {
    pub(crate) mode: DpopMode,
    pub(crate) rules: ProofRules,
    pub(crate) public_url: Option<Htu>,
    pub(crate) replay_fail_open: bool,
    pub(crate) nonces: Option<NonceIssuer>,
}

impl DpopSettings {
    /// Makes every check of a proof except its signature and replay. `header` is a header that was verified
    /// before.
    pub(crate) fn validate<'p>(
        &self,
        proof: &'p [u8],
        header: Option<&VerifiedHeader>,
        target: &Target<'_>,
        now: NumericDate,
    ) -> Result<UnverifiedProof<'p>, Refusal> {
        let nonces = self.nonces.as_ref();
        let unverified = self
            .rules
            .validate_with_header(proof, header, target, nonces, now);
        unverified.map_err(|error| match (error, &self.nonces) {
            (ProofError::Nonce, Some(nonces)) => ErrorKind::UseDpopNonce {
                nonce: nonces.issue(now).into(),
            }
            .into(),
            (error, _) => error.into(),
        })
    }

    /// Returns until when a store must record a proof whose replay check takes place at the time `now`. A
    /// proof that was validated so long ago that a store may have dropped it is refused as too old.
    pub(crate) fn remember_until(
        &self,
        proof: &VerifiedProof,
        now: NumericDate,
    ) -> Result<NumericDate, ProofError> {
        let until = proof.replay_until();
        if now > until.plus(LATEST_REPLAY_CHECK) {
            return Err(ProofError::TooOld);
        }
        Ok(until.plus(REPLAY_MARGIN))
    }

    /// Accepts a proof only on its first use.
    pub(crate) fn check_first_use(
        &self,
        answer: Result<Seen, ReplayStoreError>,
        telemetry: &Telemetry,
    ) -> Result<(), Refusal> {
        let (result, checked) = match answer {
            Ok(Seen::First) => (Replay::First, Ok(())),
            Ok(_) => (Replay::Replayed, Err(ProofError::Replayed.into())),
            Err(_) if self.replay_fail_open => (Replay::FailedOpen, Ok(())),
            Err(error) => {
                let outage = Outage::ReplayStore(error);
                (Replay::Failed, Err(ErrorKind::Unavailable(outage).into()))
            }
        };
        telemetry.replay(result);
        checked
    }
}

/// How much longer than its window a proof is recorded. Keys may be fetched between the validation of the
/// proof and the replay check, and a store has its own clock.
const REPLAY_MARGIN: Duration = Duration::from_secs(60);

/// How long after the end of its window the replay check of a proof may take place. The store must still
/// hold the proof then, so this is one second less than the margin: for the way to the store, and because
/// stores may round.
const LATEST_REPLAY_CHECK: Duration = REPLAY_MARGIN.saturating_sub(Duration::from_secs(1));

/// The last check of a proof, after which the verification returns its output of type `T`.
pub(crate) enum ReplayCheck<'v, S, T> {
    /// No replay store is configured.
    Off(VerifiedProof, T),
    /// The replay store `S` decides.
    Ask(NeedReplay<'v, S, T>),
}

/// A proof that passed every check except replay.
pub(crate) struct NeedReplay<'v, S, T> {
    store: &'v S,
    dpop: &'v DpopSettings,
    telemetry: &'v Telemetry,
    proof: VerifiedProof,
    validated_at: NumericDate,
    output: T,
}

impl<R, S> Verifier<R, S> {
    pub(super) fn replay_check<T>(
        &self,
        proof: VerifiedProof,
        validated_at: NumericDate,
        output: T,
    ) -> ReplayCheck<'_, S, T> {
        match &self.replay_store {
            None => ReplayCheck::Off(proof, output),
            Some(store) => ReplayCheck::Ask(NeedReplay {
                store,
                dpop: &self.dpop,
                telemetry: &self.telemetry,
                proof,
                validated_at,
                output,
            }),
        }
    }
}

impl<S, T> NeedReplay<'_, S, T> {
    pub(crate) fn store(&self) -> &S {
        self.store
    }

    /// How long the store must record the proof, if the store is asked at the time `now`.
    pub(crate) fn remember_until(&self, now: NumericDate) -> Result<NumericDate, Refusal> {
        Ok(self.dpop.remember_until(&self.proof, now)?)
    }

    pub(crate) fn replay_key(&self) -> &ReplayKey {
        self.proof.replay_key()
    }

    pub(crate) fn validated_at(&self) -> NumericDate {
        self.validated_at
    }

    pub(crate) fn resume(
        self,
        answer: Result<Seen, ReplayStoreError>,
    ) -> Result<(VerifiedProof, T), Refusal> {
        self.dpop.check_first_use(answer, self.telemetry)?;
        Ok((self.proof, self.output))
    }
}
