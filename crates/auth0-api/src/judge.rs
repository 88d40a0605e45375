//! The decision itself, in its order. It waits for nothing: in between come the domains of a resolver,
//! the issuer's keys, and the replay store, which are a client's to ask.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use a0_discovery::{Issuer, IssuerKeys};
use a0_dpop::{JudgedProof, ProofError, Target, VerifiedProof};
use a0_jose::{Admitted, ClaimRules, Compact, HeaderRules, NumericDate, sha256};

use crate::authorization::{Credentials, ProofOfRequest, refuse_proof};
use crate::challenger::Challenger;
use crate::confirmation::{self, ConfirmationError};
use crate::dpop::DpopSettings;
use crate::error::{Error, ErrorKind, IssuerError};
use crate::evidence::{JudgedToken, Presented};
use crate::issuers::{Issuers, ResolverContext, Trust};
use crate::refusal::Refusal;
use crate::request::RequestContext;
use crate::scheme::Scheme;
use crate::token_cache::{Known, TokenCache, TokenCacheStatus, TokenDigest};
use crate::verified::VerifiedToken;

/// What a decision goes by. `R` is how the domains of a request are asked for.
pub(crate) struct Judge<R> {
    pub(crate) issuers: Issuers<R>,
    pub(crate) max_token_size: usize,
    pub(crate) header_rules: HeaderRules,
    pub(crate) claim_rules: ClaimRules,
    pub(crate) dpop: DpopSettings,
    pub(crate) challenger: Challenger,
    /// Tokens that were verified, where they are kept.
    pub(crate) tokens: Option<TokenCache>,
    pub(crate) clock: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl<R> Judge<R> {
    /// The request's credentials, in a scheme that is taken.
    pub(crate) fn credentials<'c>(
        &self,
        context: &'c RequestContext<'_>,
    ) -> Result<Credentials<'c>, Error> {
        Credentials::read(context, self.dpop.mode).map_err(|kind| self.challenged(kind, None))
    }

    /// What has to come with an access token of the scheme DPoP.
    pub(crate) fn proof_of<'c>(
        &self,
        context: &'c RequestContext<'_>,
        scheme: Scheme,
    ) -> Result<Option<ProofOfRequest<'c>>, Refusal> {
        match scheme {
            Scheme::Bearer => Ok(None),
            Scheme::Dpop => ProofOfRequest::read(context, self.dpop.public_url.as_ref()).map(Some),
        }
    }

    /// A token's form, its header, and the issuer that it names.
    pub(crate) fn admit<'t>(
        &self,
        text: &'t str,
    ) -> Result<(Presented<'t>, Trust<'_, R>), Refusal> {
        if text.is_empty() {
            let argument = "access_token";
            return Err(ErrorKind::MissingRequiredArgument { argument }.into());
        }
        // Before it is hashed: garbage is not worth it.
        let compact = Compact::parse(text, self.max_token_size)?;
        let tokens = self.tokens.as_ref();
        // Of a token that is found, no signature is checked: what that would need is not kept.
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
                admitted: self.read(compact)?,
                digest,
            },
        };
        let Ok(Some(iss)) = token.claims().issuer() else {
            return Err(IssuerError::Missing.into());
        };
        let trust = self.issuers.judge(iss)?;
        Ok((token, trust))
    }

    fn read<'t>(&self, compact: Compact<'t>) -> Result<Admitted<'t>, Refusal> {
        Ok(compact.decode()?.admit(&self.header_rules)?)
    }

    /// What a resolver gets to see of a request whose token names `issuer`.
    pub(crate) fn resolver_context<'c>(
        &self,
        request: &'c RequestContext<'c>,
        issuer: &'c Issuer,
    ) -> ResolverContext<'c> {
        ResolverContext::new(request, self.dpop.public_url.as_ref(), issuer)
    }

    /// The claims of a token of an issuer that is trusted.
    pub(crate) fn judge<'t, 'i>(
        &self,
        token: Presented<'t>,
        issuer: Cow<'i, Issuer>,
        now: NumericDate,
    ) -> Result<JudgedToken<'t, 'i>, Refusal> {
        self.claim_rules.judge(token.claims(), now)?;
        Ok(JudgedToken { token, issuer })
    }

    /// `cnf`, and whether the scheme and the proof of the request are those that it asks for.
    pub(crate) fn bind<'p>(
        &self,
        token: &mut JudgedToken<'_, '_>,
        context: &RequestContext<'_>,
        proof: Option<&'p ProofOfRequest<'_>>,
        now: NumericDate,
    ) -> Result<Option<JudgedProof<'p>>, Refusal> {
        let token = &mut token.token;
        let Some(proof) = proof else {
            confirmation::judge_bearer(token.claims(), self.dpop.mode)?;
            refuse_proof(context, self.dpop.mode)?;
            return Ok(None);
        };
        let bound_to = confirmation::dpop_key(token.claims())?;
        let digest = token.digest();
        let target = Target::of_token_digest(proof.method, &proof.url, digest.octets());
        let known = token.proof_header();
        let judged = self.dpop.judge(&proof.proof, known, &target, now)?;
        match *judged.thumbprint() == bound_to {
            true => Ok(Some(judged)),
            false => Err(ConfirmationError::Mismatch.into()),
        }
    }

    /// A token that came before, while the keys that vouched for it are what a look for them would
    /// give.
    pub(crate) fn settled(
        &self,
        token: &JudgedToken<'_, '_>,
        scheme: Scheme,
        now: NumericDate,
    ) -> Option<VerifiedToken> {
        match (&token.token, &self.tokens) {
            (Presented::Known { known, .. }, Some(tokens)) if tokens.is_settled(known, now) => {
                Some(self.verified(Arc::clone(known), scheme))
            }
            _ => None,
        }
    }

    /// The signature, by a key of the token's issuer.
    pub(crate) fn verify(
        &self,
        token: JudgedToken<'_, '_>,
        keys: &IssuerKeys,
        scheme: Scheme,
    ) -> Result<VerifiedToken, Refusal> {
        let (admitted, digest) = match token.token {
            Presented::Known { known, .. } if known.lease == *keys.lease() => {
                return Ok(self.verified(known, scheme));
            }
            // Other keys have come meanwhile.
            Presented::Known {
                compact, digest, ..
            } => (self.read(compact)?, Some(digest)),
            Presented::Unchecked { admitted, digest } => (admitted, digest),
        };
        let known = Arc::new(Known {
            token: admitted.verify(keys.keys())?,
            lease: keys.lease().clone(),
            proof_header: OnceLock::new(),
        });
        if let (Some(tokens), Some(digest)) = (&self.tokens, digest) {
            tokens.insert(digest, Arc::clone(&known));
        }
        Ok(self.verified(known, scheme))
    }

    /// The signature of a proof that came with a token, whose key is remembered where the token is.
    pub(crate) fn verify_proof(
        &self,
        proof: JudgedProof<'_>,
        token: &VerifiedToken,
    ) -> Result<VerifiedProof, ProofError> {
        if self.tokens.is_none() {
            return proof.verify();
        }
        let (verified, header) = proof.verify_and_know()?;
        if let Some(header) = header {
            token.known().proof_header.get_or_init(|| header);
        }
        Ok(verified)
    }

    fn verified(&self, token: Arc<Known>, scheme: Scheme) -> VerifiedToken {
        VerifiedToken::new(token, self.challenger, scheme)
    }

    pub(crate) fn challenged(&self, refusal: impl Into<Refusal>, scheme: Option<Scheme>) -> Error {
        self.challenger.challenged(refusal.into(), scheme)
    }

    pub(crate) fn token_cache_status(&self) -> Option<TokenCacheStatus> {
        self.tokens.as_ref().map(TokenCache::status)
    }

    pub(crate) fn nonce(&self) -> Option<String> {
        let nonces = self.dpop.nonces.as_ref()?;
        Some(nonces.issue(self.now()))
    }

    pub(crate) fn now(&self) -> NumericDate {
        (self.clock)().into()
    }
}
