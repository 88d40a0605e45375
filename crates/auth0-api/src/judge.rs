//! The decision itself, in its order. It waits for nothing: in between come the domains of a resolver,
//! the issuer's keys, and the replay store, which are a client's to ask.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use a0_discovery::{Issuer, IssuerKeys};
use a0_dpop::{JudgedProof, Target};
use a0_jose::{
    Admitted, Algorithm, ClaimRules, Compact, HeaderError, HeaderRules, NumericDate, RuleError,
};

use crate::authorization::{Credentials, ProofOfRequest, refuse_proof};
use crate::challenger::Challenger;
use crate::confirmation::{self, ConfirmationError};
use crate::dpop::DpopSettings;
use crate::error::{Error, ErrorKind, IssuerError};
use crate::issuers::{Issuers, ResolverContext, Trust};
use crate::options::TokenOptions;
use crate::refusal::Refusal;
use crate::request::RequestContext;
use crate::scheme::Scheme;
use crate::verified::VerifiedToken;

/// What a decision goes by. `R` is how the domains of a request are asked for.
pub(crate) struct Judge<R> {
    pub(crate) issuers: Issuers<R>,
    pub(crate) max_token_size: usize,
    pub(crate) header_rules: HeaderRules,
    pub(crate) claim_rules: ClaimRules,
    pub(crate) dpop: DpopSettings,
    pub(crate) challenger: Challenger,
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
        token: &'t str,
    ) -> Result<(Admitted<'t>, Trust<'_, R>), Refusal> {
        if token.is_empty() {
            let argument = "access_token";
            return Err(ErrorKind::MissingRequiredArgument { argument }.into());
        }
        let unverified = Compact::parse(token, self.max_token_size)?.decode()?;
        let admitted = unverified.admit(&self.header_rules)?;
        let Ok(Some(iss)) = admitted.claims().issuer() else {
            return Err(IssuerError::Missing.into());
        };
        let trust = self.issuers.judge(iss)?;
        Ok((admitted, trust))
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
        admitted: Admitted<'t>,
        issuer: Cow<'i, Issuer>,
        now: NumericDate,
    ) -> Result<JudgedToken<'t, 'i>, Refusal> {
        self.claim_rules.judge(admitted.claims(), now)?;
        Ok(JudgedToken { admitted, issuer })
    }

    /// `cnf`, and whether the scheme and the proof of the request are those that it asks for.
    pub(crate) fn bind<'p>(
        &self,
        token: &JudgedToken<'_, '_>,
        context: &RequestContext<'_>,
        credentials: &Credentials<'_>,
        proof: Option<&'p ProofOfRequest<'_>>,
        now: NumericDate,
    ) -> Result<Option<JudgedProof<'p>>, Refusal> {
        let claims = token.admitted.claims();
        let Some(proof) = proof else {
            confirmation::judge_bearer(claims, self.dpop.mode)?;
            refuse_proof(context, self.dpop.mode)?;
            return Ok(None);
        };
        let bound_to = confirmation::dpop_key(claims)?;
        let target = Target::new(proof.method, proof.url.clone(), credentials.token());
        let judged = self.dpop.judge(&proof.proof, &target, now)?;
        match *judged.thumbprint() == bound_to {
            true => Ok(Some(judged)),
            false => Err(ConfirmationError::Mismatch.into()),
        }
    }

    /// The signature, by a key of the token's issuer.
    pub(crate) fn verify(
        &self,
        token: JudgedToken<'_, '_>,
        keys: &IssuerKeys,
        scheme: Scheme,
    ) -> Result<VerifiedToken, Refusal> {
        let verified = token.admitted.verify(keys.keys())?;
        let challenger = self.challenger.clone();
        Ok(VerifiedToken::new(
            verified.into_claims(),
            challenger,
            scheme,
        ))
    }

    pub(crate) fn challenged(&self, refusal: impl Into<Refusal>, scheme: Option<Scheme>) -> Error {
        self.challenger.challenged(refusal.into(), scheme)
    }

    pub(crate) fn nonce(&self) -> Option<String> {
        let nonces = self.dpop.nonces.as_ref()?;
        Some(nonces.issue(self.now()))
    }

    pub(crate) fn now(&self) -> NumericDate {
        (self.clock)().into()
    }
}

/// A token that needs nothing but a key of its issuer.
pub(crate) struct JudgedToken<'t, 'i> {
    admitted: Admitted<'t>,
    issuer: Cow<'i, Issuer>,
}

impl JudgedToken<'_, '_> {
    pub(crate) fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    pub(crate) fn key_id(&self) -> Result<&str, HeaderError> {
        self.admitted.header().key_id()
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.admitted.algorithm()
    }

    pub(crate) fn require(&self, options: &TokenOptions<'_>) -> Result<(), RuleError> {
        self.admitted.claims().require(&options.required_claims)
    }
}
