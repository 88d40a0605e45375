//! The decision on a request, in its whole order, written once.
//!
//! A verification checks what it can by itself, cheap and local things first, and yields what it
//! [`Need`]s from outside: the domains of a resolver, an issuer's keys, the replay store. A driver gets
//! that and resumes it. Each state is made only by the one before, so no driver can leave out `cnf`, the
//! claims or a signature; that its answers are those to the questions is the driver's word. What a step
//! checks in detail is in the file of its concern: `credentials`, `issuers`, `confirmation`, `proof`,
//! `spend`.
//!
//! ```text
//! RequestShape ─► Parsed ─────► Trusted ──► Checked ────────► VerifiedToken
//!   scheme,         form,         claims,     signature         the proof was
//!   one proof,      header,       cnf, and    of the token,     spent for the
//!   its URL         issuer        proof       then of the       first time
//!                     │                       proof
//!                     ▼                         ▼    ▼
//!               Need::Domains         Need::Keys    Need::Spend
//! ```
//!
//! `verify_access_token` enters at [`Verifier::token`] and judges neither `cnf` nor proofs, by contract;
//! `verify_dpop_proof` enters at [`Verifier::proof`].

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use a0_discovery::{Issuer, IssuerKeys, Unavailable};
use a0_dpop::UnverifiedProof;
use a0_jose::{Algorithm, Compact, NumericDate, sha256};

use crate::error::{Error, ErrorKind, IssuerError};
use crate::refusal::Refusal;

use super::Verifier;
use super::credentials::{Credentials, ProofOfRequest};
use super::issuers::{Cause, ResolverContext, Trust, resolved};
use super::options::TokenOptions;
use super::presented::Presented;
use super::request::RequestContext;
use super::scheme::Scheme;
use super::spend::NeedSpend;
use super::token_cache::{Known, TokenDigest};
use super::verified::VerifiedToken;

/// What a verification needs next. Each kind takes the answer and goes on.
#[must_use]
#[allow(
    clippy::large_enum_variant,
    reason = "it is moved a few times in a verification; a box would be an allocation in each"
)]
pub(crate) enum Need<'v, R> {
    /// The domains that the resolver allows for this request.
    Domains(NeedDomains<'v, R>),
    /// The keys of the token's issuer.
    Keys(NeedKeys<'v, R>),
    /// The replay store's word on the proof.
    Spend(NeedSpend<'v, VerifiedToken>),
    Done(VerifiedToken),
}

/// 1. The shape of a request: its credentials, in a scheme that the API takes, and what has to come with
///    the scheme DPoP.
pub(crate) struct RequestShape<'r> {
    pub(super) context: &'r RequestContext<'r>,
    credentials: Credentials<'r>,
    pub(super) proof: Option<ProofOfRequest<'r>>,
}

impl<R> Verifier<R> {
    pub(crate) fn request<'r>(
        &self,
        context: &'r RequestContext<'r>,
    ) -> Result<RequestShape<'r>, Error> {
        let credentials = Credentials::read(context, self.dpop.mode);
        let credentials = credentials.map_err(|kind| self.challenged(kind, None))?;
        let proof = match credentials.scheme {
            Scheme::Bearer => None,
            Scheme::Dpop => {
                let proof = ProofOfRequest::read(context, self.dpop.public_url.as_ref());
                Some(proof.map_err(|refusal| self.challenged(refusal, Some(Scheme::Dpop)))?)
            }
        };
        Ok(RequestShape {
            context,
            credentials,
            proof,
        })
    }
}

impl RequestShape<'_> {
    /// The scheme that the request uses.
    pub(crate) fn scheme(&self) -> Scheme {
        self.credentials.scheme
    }
}

/// Who must have sent the token.
#[derive(Clone, Copy)]
enum Sender<'v> {
    /// The one that `cnf` says, as the request shows.
    Proven(&'v RequestShape<'v>),
    /// Anybody: `verify_access_token` judges no sender.
    Anybody(&'v TokenOptions<'v>),
}

/// 2. A token of acceptable form with an acceptable header.
struct Parsed<'v, R> {
    verifier: &'v Verifier<R>,
    token: Presented<'v>,
    sender: Sender<'v>,
    /// The time of the verification, read once.
    now: NumericDate,
    /// The time by which the age of keys is told: the same, unless a resolver took its own.
    keys_now: NumericDate,
}

impl<R> Verifier<R> {
    /// Begins to verify a request.
    pub(crate) fn begin<'v>(
        &'v self,
        request: &'v RequestShape<'v>,
    ) -> Result<Need<'v, R>, Refusal> {
        self.parse(request.credentials.token(), Sender::Proven(request))
    }

    /// Begins to verify an access token by itself.
    pub(crate) fn token<'v>(
        &'v self,
        text: &'v str,
        options: &'v TokenOptions<'v>,
    ) -> Result<Need<'v, R>, Refusal> {
        self.parse(text, Sender::Anybody(options))
    }

    fn parse<'v>(&'v self, text: &'v str, sender: Sender<'v>) -> Result<Need<'v, R>, Refusal> {
        let now = self.now();
        if text.is_empty() {
            let argument = "access_token";
            return Err(ErrorKind::MissingRequiredArgument { argument }.into());
        }
        // Before it is hashed: garbage is not worth it.
        let compact = Compact::parse(text, self.max_token_size)?;
        // The signature of a token that is found was checked when it came first.
        let tokens = self.tokens.as_ref();
        let digest = tokens.map(|_| TokenDigest::from(sha256(text)));
        let known = tokens.zip(digest).and_then(|(tokens, digest)| {
            let known = tokens.get(&digest)?;
            Some(Presented::Known {
                known,
                compact,
                digest,
            })
        });
        let token = match known {
            Some(known) => known,
            None => Presented::Unchecked {
                verifiable: compact.decode()?.validate_header(&self.header_rules)?,
                digest,
            },
        };
        let Ok(Some(iss)) = token.claims().issuer() else {
            return Err(IssuerError::Missing.into());
        };
        let trust = self.issuers.trust(iss)?;
        let parsed = Parsed {
            verifier: self,
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

/// A token of an issuer that only the resolver can allow.
pub(crate) struct NeedDomains<'v, R> {
    parsed: Parsed<'v, R>,
    resolver: &'v R,
    issuer: Issuer,
}

impl<'v, R> NeedDomains<'v, R> {
    pub(crate) fn resolver(&self) -> &'v R {
        self.resolver
    }

    /// What the resolver gets to see.
    pub(crate) fn context(&self) -> ResolverContext<'_> {
        let request = match self.parsed.sender {
            Sender::Proven(request) => request.context,
            Sender::Anybody(options) => &options.request,
        };
        let public_url = self.parsed.verifier.dpop.public_url.as_ref();
        ResolverContext::new(request, public_url, &self.issuer)
    }

    pub(crate) fn resume(
        self,
        domains: Result<Vec<String>, Cause>,
    ) -> Result<Need<'v, R>, Refusal> {
        let issuer = resolved(self.issuer, domains)?;
        let mut parsed = self.parsed;
        parsed.keys_now = parsed.verifier.now();
        parsed.trusted(Cow::Owned(issuer)).check()
    }
}

/// 3. A token of an allowed issuer.
struct Trusted<'v, R> {
    parsed: Parsed<'v, R>,
    issuer: Cow<'v, Issuer>,
}

/// 4. A token that passed every check except its signature, from whoever must have sent it.
struct Checked<'v, R> {
    token: Presented<'v>,
    issuer: Cow<'v, Issuer>,
    request: CheckedRequest<'v, R>,
}

/// What is known of the request that carries a checked token.
struct CheckedRequest<'v, R> {
    verifier: &'v Verifier<R>,
    scheme: Scheme,
    /// The request's proof, which passed every check except its signature and replay.
    proof: Option<UnverifiedProof<'v>>,
    /// The time of the verification.
    now: NumericDate,
}

impl<'v, R> Parsed<'v, R> {
    fn trusted(self, issuer: Cow<'v, Issuer>) -> Trusted<'v, R> {
        Trusted {
            parsed: self,
            issuer,
        }
    }
}

impl<'v, R> Trusted<'v, R> {
    /// The claims, and the sender.
    fn check(self) -> Result<Need<'v, R>, Refusal> {
        let Parsed {
            verifier,
            mut token,
            sender,
            now,
            keys_now,
        } = self.parsed;
        verifier.claim_rules.validate(token.claims(), now)?;
        let (scheme, proof) = match sender {
            Sender::Anybody(options) => {
                token.claims().require(&options.required_claims)?;
                (Scheme::Bearer, None)
            }
            Sender::Proven(request) => {
                let proof = verifier.sender_of(&mut token, request, now)?;
                (request.scheme(), proof)
            }
        };
        let checked = Checked {
            token,
            issuer: self.issuer,
            request: CheckedRequest {
                verifier,
                scheme,
                proof,
                now,
            },
        };
        checked.find_keys(keys_now)
    }
}

/// A token that needs nothing but a key of its issuer.
pub(crate) struct NeedKeys<'v, R> {
    checked: Checked<'v, R>,
    /// The time by which the age of keys is told.
    now: NumericDate,
}

impl<'v, R> Checked<'v, R> {
    fn find_keys(self, now: NumericDate) -> Result<Need<'v, R>, Refusal> {
        let verifier = self.request.verifier;
        let settled = |known: &Known| {
            let tokens = verifier.tokens.as_ref();
            tokens.is_some_and(|tokens| tokens.is_settled(known, now))
        };
        match self.token {
            Presented::Known { known, .. } if settled(&known) => self.request.signed(known),
            token => {
                // A token that names no key is refused before any is fetched.
                token.key()?;
                let checked = Checked { token, ..self };
                Ok(Need::Keys(NeedKeys { checked, now }))
            }
        }
    }
}

impl<'v, R> NeedKeys<'v, R> {
    pub(crate) fn issuer(&self) -> &Issuer {
        &self.checked.issuer
    }

    /// The key that the token names, and the algorithm that it is for.
    pub(crate) fn key(&self) -> Result<(&str, Algorithm), Refusal> {
        Ok(self.checked.token.key()?)
    }

    pub(crate) fn now(&self) -> NumericDate {
        self.now
    }

    /// 5. The signature, by a key of the token's issuer.
    pub(crate) fn resume(
        self,
        keys: Result<Arc<IssuerKeys>, Unavailable>,
    ) -> Result<Need<'v, R>, Refusal> {
        let (Checked { token, request, .. }, keys) = (self.checked, keys?);
        let verifier = request.verifier;
        let (verifiable, digest) = match token {
            Presented::Known { known, .. } if known.lease == *keys.lease() => {
                return request.signed(known);
            }
            // Other keys have come meanwhile.
            Presented::Known {
                compact, digest, ..
            } => (
                compact.decode()?.validate_header(&verifier.header_rules)?,
                Some(digest),
            ),
            Presented::Unchecked { verifiable, digest } => (verifiable, digest),
        };
        let known = Arc::new(Known {
            token: verifiable.verify(keys.keys())?,
            lease: keys.lease().clone(),
            proof_header: OnceLock::new(),
        });
        if let (Some(tokens), Some(digest)) = (&verifier.tokens, digest) {
            tokens.insert(digest, Arc::clone(&known));
        }
        request.signed(known)
    }
}

impl<'v, R> CheckedRequest<'v, R> {
    /// The token's signature was checked. 6. That of the proof, by the key in it.
    fn signed(self, known: Arc<Known>) -> Result<Need<'v, R>, Refusal> {
        let verifier = self.verifier;
        let token = VerifiedToken::new(known, verifier.challenger, self.scheme);
        let Some(proof) = self.proof else {
            return Ok(Need::Done(token));
        };
        let proof = match &verifier.tokens {
            None => proof.verify()?,
            Some(_) => {
                let (proof, header) = proof.verify_and_keep_header()?;
                if let Some(header) = header {
                    token.known().proof_header.get_or_init(|| header);
                }
                proof
            }
        };
        // 7. The replay store.
        Ok(Need::Spend(NeedSpend {
            dpop: &verifier.dpop,
            proof,
            validated_at: self.now,
            output: token,
        }))
    }
}
