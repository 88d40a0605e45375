//! The order in which a request is verified. It is written here once, for both clients.
//!
//! A verification does what it can by itself, cheap checks first. If it needs something from outside (the
//! domains of a resolver, an issuer's keys, the replay store), it returns a [`Need`]. The driver of a client
//! gets what is needed and resumes the verification with it. Each state can only be made from the one
//! before, so a driver cannot skip `cnf`, the claims or a signature. A driver is trusted only to pass on
//! the answers as it got them. The details of each check are in the file of its concern:
//! `request`, `token`, `issuers`, `resolver`, `sender`, `certificate`.
//!
//! ```text
//! RequestShape ─► Parsed ─────► Trusted ──────► Checked ────────► VerifiedToken
//!   scheme,         form,         claims, cnf,    signature         the proof was
//!   one proof,      decryption,   certificate,    of the token,     used for the
//!   its URL         header, iss   and proof       then of the       first time
//!                     │                           proof
//!                     ▼                             ▼    ▼
//!               Need::Domains             Need::Keys    Need::Replay
//! ```
//!
//! `verify_access_token` enters at [`Verifier::verify_token`]. By contract it checks neither `cnf` nor
//! proofs. `verify_dpop_proof` enters at [`Verifier::verify_proof`].

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use a0_discovery::{Issuer, IssuerKeys, Unavailable};
use a0_dpop::{ProofError, UnverifiedProof};
use a0_jose::{Algorithm, NumericDate, sha256};
use zeroize::Zeroizing;

use crate::error::challenger::Challenger;
use crate::error::refusal::Refusal;
use crate::error::{ArgumentSource, ErrorKind, IssuerError, Outage};

use super::Verifier;
use super::context::TokenOptions;
use super::detail::Detail;
use super::issuers::Trust;
use super::request::{RequestShape, Scheme};
use super::resolver::{Cause, ResolverContext, check_resolved};
use super::sender::{CheckedSender, Proven, ReplayCheck};
use super::token::{Decrypted, PresentedToken, SignedToken, TokenDigest, VerifiedToken};

/// What a verification needs next. Each variant is resumed with the answer.
#[must_use]
pub(crate) enum Need<'v, R, S> {
    /// The domains that the resolver allows for this request.
    Domains(NeedDomains<'v, R, S>),
    /// The keys of the token's issuer.
    Keys(NeedKeys<'v, R, S>),
    /// The check whether the proof was used before. It is the last one.
    Replay(ReplayCheck<'v, S, VerifiedToken>),
    Done(VerifiedToken),
}

/// The place of a request's proof, once everything but its signature and replay was checked. A proof is large
/// and the states move often, so they only point to it.
pub(crate) type ProofPlace<'v> = Option<UnverifiedProof<'v>>;

/// Who may have sent the token.
enum Sender<'v> {
    /// The client that `cnf` names. The request must prove it.
    Bound(&'v RequestShape<'v>, &'v mut ProofPlace<'v>),
    /// Any client, because `verify_access_token` does not check the sender.
    Any(&'v TokenOptions<'v>),
}

/// 2. A token with an acceptable form and header.
struct Parsed<'v, R, S> {
    verifier: &'v Verifier<R, S>,
    text: &'v [u8],
    token: PresentedToken<'v>,
    sender: Sender<'v>,
    /// The time of the verification. The clock is read once.
    now: NumericDate,
    /// The time that decides whether keys are fresh. It is read again after a resolver, which may be slow.
    keys_now: NumericDate,
}

impl<R, S> Verifier<R, S> {
    /// Starts to verify a request. The place is empty.
    pub(crate) fn verify_request<'v>(
        &'v self,
        request: &'v RequestShape<'v>,
        place: &'v mut ProofPlace<'v>,
    ) -> Result<Need<'v, R, S>, Refusal> {
        let sender = Sender::Bound(request, place);
        self.parse(request.credentials.token, &request.decrypted, sender)
    }

    /// Starts to verify an access token by itself.
    pub(crate) fn verify_token<'v>(
        &'v self,
        text: &'v str,
        options: &'v TokenOptions<'v>,
        decrypted: &'v Decrypted,
    ) -> Result<Need<'v, R, S>, Refusal> {
        self.parse(text.as_bytes(), decrypted, Sender::Any(options))
    }

    fn parse<'v>(
        &'v self,
        text: &'v [u8],
        decrypted: &'v Decrypted,
        sender: Sender<'v>,
    ) -> Result<Need<'v, R, S>, Refusal> {
        let now = self.clock.now();
        if text.is_empty() {
            let argument = "access_token";
            return Err(ErrorKind::MissingRequiredArgument {
                argument,
                source: ArgumentSource::Call,
            }
            .into());
        }
        // Checking the form first saves the hash of a text that is no token.
        let outer = self.outer_token(text, decrypted)?;
        // The signature of a cached token was verified when the token came first.
        let tokens = self.tokens.as_ref();
        let digest = tokens.map(|_| TokenDigest::from(sha256(text)));
        let cached = tokens.zip(digest).and_then(|(tokens, digest)| {
            let signed = tokens.get(&digest);
            self.telemetry.token_cache(signed.is_some());
            Some((signed?, digest))
        });
        let token = match cached {
            Some((signed, digest)) => PresentedToken::Cached {
                signed,
                outer,
                digest,
            },
            // An encrypted token is decrypted before anything in it is read.
            None => PresentedToken::New(outer.open(self, digest)?),
        };
        let Ok(Some(iss)) = token.claims().issuer() else {
            return Err(IssuerError::Missing.into());
        };
        let trust = self.issuers.trust(iss).map_err(|error| {
            let expected = self.issuers.configured().map(Issuer::as_str);
            Refusal::from(error).with_diagnosis(Detail::of_issuer(expected, iss))
        })?;
        let parsed = Parsed {
            verifier: self,
            text,
            token,
            sender,
            now,
            keys_now: now,
        };
        match trust {
            Trust::Yes(issuer) => parsed.trusted(issuer).check(),
            Trust::Ask(resolver, issuer) => Ok(Need::Domains(NeedDomains {
                parsed,
                resolver,
                issuer,
            })),
        }
    }
}

/// A token whose issuer only the resolver can allow.
pub(crate) struct NeedDomains<'v, R, S> {
    parsed: Parsed<'v, R, S>,
    resolver: &'v R,
    issuer: Issuer,
}

impl<'v, R, S> NeedDomains<'v, R, S> {
    pub(crate) fn resolver(&self) -> &'v R {
        self.resolver
    }

    /// What the resolver sees.
    pub(crate) fn context(&self) -> ResolverContext<'_> {
        let request = match &self.parsed.sender {
            Sender::Bound(request, _) => request.context,
            Sender::Any(options) => &options.request,
        };
        let public_url = self.parsed.verifier.dpop.public_url.as_ref();
        ResolverContext::new(request, public_url, &self.issuer)
    }

    pub(crate) fn resume(
        self,
        domains: Result<Vec<String>, Cause>,
    ) -> Result<Need<'v, R, S>, Refusal> {
        let issuer = check_resolved(&self.issuer, domains)
            .map_err(|refusal| {
                let detail = Detail::of_issuer([].into_iter(), self.issuer.as_str());
                refusal.with_diagnosis(detail)
            })
            .map(|()| self.issuer)?;
        let mut parsed = self.parsed;
        parsed.keys_now = parsed.verifier.clock.now();
        parsed.trusted(Cow::Owned(issuer)).check()
    }
}

/// 3. A token of an allowed issuer.
struct Trusted<'v, R, S> {
    parsed: Parsed<'v, R, S>,
    issuer: Cow<'v, Issuer>,
}

/// 4, 5. A token that passed every check except its signature, in a request whose sender was checked.
struct Checked<'v, R, S> {
    token: PresentedToken<'v>,
    issuer: Cow<'v, Issuer>,
    request: CheckedRequest<'v, R, S>,
}

/// The request of a checked token.
struct CheckedRequest<'v, R, S> {
    verifier: &'v Verifier<R, S>,
    /// The text that the client sent, if it is kept.
    access_token: Option<&'v str>,
    challenger: Challenger,
    scheme: Scheme,
    sender: CheckedSender<'v>,
    /// The time of the verification.
    now: NumericDate,
}

impl<'v, R, S> Parsed<'v, R, S> {
    fn trusted(self, issuer: Cow<'v, Issuer>) -> Trusted<'v, R, S> {
        Trusted {
            parsed: self,
            issuer,
        }
    }
}

impl<'v, R, S> Trusted<'v, R, S> {
    /// Checks the algorithm, which the issuer may restrict, then the claims, then the sender.
    fn check(self) -> Result<Need<'v, R, S>, Refusal> {
        let Trusted { parsed, issuer } = self;
        let (verifier, now, mut token) = (parsed.verifier, parsed.now, parsed.token);
        let algorithms = &verifier.allowed_algorithms;
        let allowed = algorithms.check(&issuer, token.algorithm());
        allowed.map_err(|error| verifier.diagnose_header(error))?;
        let subject = verifier
            .claim_rules
            .validate_for_subject(token.claims(), now);
        let subject = subject.map_err(|error| verifier.diagnose(error, token.claims(), now))?;
        verifier.check_subject(subject)?;
        // These octets are ASCII: they were decoded, in this call or before they came into the token cache.
        let text = || str::from_utf8(parsed.text).ok();
        let (challenger, scheme, sender) = match parsed.sender {
            Sender::Any(options) => {
                token.claims().require(&options.required_claims)?;
                let sender = CheckedSender::WithoutProof(Proven::default());
                (verifier.challenger, Scheme::Bearer, sender)
            }
            Sender::Bound(sent, place) => {
                let sender = verifier.check_sender(&mut token, sent, now, place)?;
                (sent.challenger, sent.credentials.scheme, sender)
            }
        };
        let request = CheckedRequest {
            verifier,
            access_token: verifier.keep_access_tokens.then(text).flatten(),
            challenger,
            scheme,
            sender,
            now,
        };
        let keys_now = parsed.keys_now;
        // The signature of a cached token needs no key, while the keys that verified it are current.
        match token {
            PresentedToken::Cached { signed, .. } if verifier.is_current(&signed, keys_now) => {
                request.verify_proof(signed)
            }
            token => Ok(Need::Keys(NeedKeys {
                checked: Checked {
                    token,
                    issuer,
                    request,
                },
                now: keys_now,
            })),
        }
    }
}

/// A token that passed every check except its signature.
pub(crate) struct NeedKeys<'v, R, S> {
    checked: Checked<'v, R, S>,
    /// The time that decides whether keys are fresh.
    now: NumericDate,
}

impl<'v, R, S> NeedKeys<'v, R, S> {
    pub(crate) fn issuer(&self) -> &Issuer {
        &self.checked.issuer
    }

    /// The `kid` and the algorithm of the token.
    pub(crate) fn key(&self) -> Result<(&str, Algorithm), Refusal> {
        Ok(self.checked.token.key()?)
    }

    pub(crate) fn now(&self) -> NumericDate {
        self.now
    }

    /// 6. Verifies the signature by a key of the token's issuer.
    pub(crate) fn resume(
        self,
        keys: Result<Arc<IssuerKeys>, Unavailable>,
    ) -> Result<Need<'v, R, S>, Refusal> {
        let Checked {
            token,
            issuer,
            request,
        } = self.checked;
        let keys = keys.map_err(|error| Outage::keys(&issuer, error))?;
        let verifier = request.verifier;
        let new = match token {
            PresentedToken::Cached { signed, .. } if signed.lease == *keys.lease() => {
                return request.verify_proof(signed);
            }
            // The keys were replaced since the token was verified.
            PresentedToken::Cached { outer, digest, .. } => outer.open(verifier, Some(digest))?,
            PresentedToken::New(new) => new,
        };
        let kept = new.decrypted.filter(|_| verifier.keep_access_tokens);
        let digest = new.digest;
        let token = new.verify(&verifier.known_headers, keys.keys())?;
        let signed = Arc::new(SignedToken {
            token,
            decrypted: kept.map(|text| Arc::new(Zeroizing::new(text.to_owned()))),
            lease: keys.lease().clone(),
            resource_server: verifier.resource_server.clone(),
            proof_header: OnceLock::new(),
        });
        if let (Some(tokens), Some(digest)) = (&verifier.tokens, digest) {
            tokens.insert(digest, Arc::clone(&signed));
        }
        request.verify_proof(signed)
    }
}

impl<'v, R, S> CheckedRequest<'v, R, S> {
    /// 7. Verifies the signature of the proof, by the key in the proof.
    fn verify_proof(self, signed: Arc<SignedToken>) -> Result<Need<'v, R, S>, Refusal> {
        let verifier = self.verifier;
        let verified = |signed, proven| {
            let sent = (self.challenger, self.scheme, proven);
            VerifiedToken::new(signed, self.access_token, sent, self.now)
        };
        let (place, key) = match self.sender {
            CheckedSender::WithoutProof(proven) => {
                return Ok(Need::Done(verified(signed, proven)));
            }
            CheckedSender::Proof(place, key) => (place, key),
        };
        let proof = place.take().ok_or(ProofError::Missing)?;
        let proof = match &verifier.tokens {
            None => proof.verify()?,
            Some(_) => {
                let (proof, header) = proof.verify_and_keep_header()?;
                if let Some(header) = header {
                    signed.proof_header.get_or_init(|| header);
                }
                proof
            }
        };
        let token = verified(signed, key.proven_by(&proof));
        // 8. Whether the proof was used before.
        Ok(Need::Replay(verifier.replay_check(proof, self.now, token)))
    }
}
