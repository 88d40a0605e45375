//! From options to a client, or to what is wrong with them.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use a0_discovery::{CachePolicy, FetchRules, Issuer, KeyCache, Origin, normalize_domain};
use a0_dpop::{Htu, InMemoryReplayStore, ReplayStore};
use a0_http::HttpClient;
use a0_jose::{Algorithm, ClaimRules, HeaderRules, UnsupportedAlgorithm};
use a0_token_exchange::ClientAuth;

use crate::builder::{Builder, Replay, TokenProfile};
use crate::challenger::Challenger;
use crate::client::{ApiClient, Settings};
use crate::client_flows::{ClientFlows, FlowOptions, OboCache, Proofs};
use crate::error::Error;
use crate::single_flight::Limits;
use crate::verification::Verifier;
use crate::verification::issuers::Issuers;
use crate::verification::proof::DpopSettings;
use crate::verification::token_cache::TokenCache;

const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// RFC 9449 section 11.1 speaks of seconds or minutes. Each second more is a second for a thief, and
/// proofs to remember.
const MAX_PROOF_WINDOW: Duration = Duration::from_secs(3600);

/// The most exchanges of one call on behalf of a user: metadata, the exchange, and the exchange again
/// with a nonce.
const EXCHANGES_OF_A_CALL: u32 = 3;

/// What such a call takes beyond its exchanges, on a busy machine.
const CALL_MARGIN: Duration = Duration::from_secs(5);

/// What RFC 9068 section 2.2 requires of an access token, beside what every token needs.
const RFC9068_CLAIMS: [&str; 3] = ["sub", "client_id", "jti"];

/// What both kinds of client are made of. `R` is how the domains of a request are asked for.
pub(crate) struct Parts<R> {
    pub(crate) verifier: Verifier<R>,
    pub(crate) fetch_rules: FetchRules,
    pub(crate) policy: CachePolicy,
    pub(crate) flows: ClientFlows,
}

impl Builder {
    /// Makes the client. Nothing is fetched yet.
    ///
    /// # Errors
    ///
    /// `MissingRequiredArgument` without an audience; `Configuration` for everything else that
    /// cannot be used, with what to do about it.
    pub fn build(self) -> Result<ApiClient, Error> {
        #[cfg(feature = "async")]
        self.asynchronous.refuse()?;
        let parts = self.parts(self.domains_resolver.clone())?;
        let http_client = http_client(self.http_client, self.timeout)?;
        let clock = Arc::clone(&self.clock);
        let mut keys = KeyCache::builder(parts.fetch_rules, Arc::clone(&http_client))
            .policy(parts.policy)
            .clock(move || clock());
        if let Some(adapter) = self.cache {
            keys = keys.adapter(adapter);
        }
        let replay_store: Option<Arc<dyn ReplayStore>> = match self.replay_store {
            Replay::InMemory => Some(Arc::new(InMemoryReplayStore::default())),
            Replay::In(store) => Some(store),
            Replay::Off => None,
        };
        Ok(ApiClient::from_settings(Settings {
            verifier: parts.verifier,
            keys: keys.build(),
            replay_store,
            flows: parts.flows,
            http_client,
        }))
    }

    /// Everything that is the same for both kinds of client.
    pub(crate) fn parts<R>(&self, resolver: Option<R>) -> Result<Parts<R>, Error> {
        if let Some(refused) = &self.refused {
            return Err(Error::configuration(refused.clone()));
        }
        if self.audiences.is_empty() || self.audiences.iter().any(|name| name.trim().is_empty()) {
            return Err(Error::missing_option("audience"));
        }
        let issuers = self.issuers(resolver)?;
        let mut flows = self.client_flows()?;
        if self.leeway > MAX_LEEWAY {
            return Err(Error::configuration("leeway must be at most 300 seconds"));
        }
        let algorithms = algorithms("algorithms", &self.algorithms)?;
        let dpop = self.dpop_settings()?;
        let fetch_rules = FetchRules::new(algorithms.iter().copied())
            .backend(self.backend)
            .trust(origins(&self.trusted_endpoints)?);
        let policy = self.key_policy()?;
        flows.obo_cache = self.tokens_on_behalf(&policy);
        let (header_rules, profile_claims) = profile_rules(self.token_profile, &algorithms);
        let verifier = Verifier {
            issuers,
            max_token_size: self.max_token_size,
            header_rules,
            claim_rules: ClaimRules::new(self.audiences.clone())
                .leeway(self.leeway)
                .require_strings(profile_claims)
                .require(self.required_claims.clone()),
            challenger: Challenger::new(dpop.mode, dpop.rules.allowed_algorithms()),
            dpop,
            tokens: NonZeroUsize::new(self.token_cache)
                .map(|entries| TokenCache::new(entries, policy)),
            clock: Arc::clone(&self.clock),
        };
        Ok(Parts {
            verifier,
            fetch_rules,
            policy,
            flows,
        })
    }

    /// Whose tokens are taken.
    fn issuers<R>(&self, resolver: Option<R>) -> Result<Issuers<R>, Error> {
        let domain = self.domain.as_deref().filter(|domain| !domain.is_empty());
        let domain = domain.map(|domain| issuer("domain", domain)).transpose()?;
        match (domain, &self.domains, resolver) {
            (_, Some(_), Some(_)) => Err(Error::configuration(
                "domains and domains_resolver exclude each other: give one of them",
            )),
            (_, Some(domains), None) if domains.is_empty() => {
                Err(Error::configuration("domains list cannot be empty"))
            }
            (_, Some(domains), None) => {
                let issuers = domains.iter().map(|domain| issuer("domains", domain));
                Ok(Issuers::List(issuers.collect::<Result<HashSet<_>, _>>()?))
            }
            (_, None, Some(resolver)) => Ok(Issuers::Resolver(resolver)),
            (Some(issuer), None, None) => Ok(Issuers::One(issuer)),
            (None, None, None) => Err(Error::configuration(
                "Must provide either 'domain' or 'domains' parameter. Use 'domain' for \
                 single-domain mode, 'domains' for multi-domain support.",
            )),
        }
    }

    /// Credentials are for the domain alone: they go nowhere else.
    fn client_flows(&self) -> Result<ClientFlows, Error> {
        let FlowOptions {
            client_id,
            client_secret,
            client_auth,
            ..
        } = &self.flows;
        let given = |option: &Option<String>| option.clone().filter(|text| !text.is_empty());
        let auth = match (given(client_id), client_secret, client_auth) {
            (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                return Err(Error::configuration(
                    "client_id with client_secret, and client_auth, exclude each other: \
                     give one of them",
                ));
            }
            (None, _, Some(auth)) => Some(Arc::clone(auth)),
            // Without a secret the first flow says what is missing.
            (Some(id), Some(secret), None) => {
                ClientAuth::basic(id, secret.as_str()).ok().map(Arc::new)
            }
            _ => None,
        };
        let domain = given(&self.domain);
        if domain.is_none() && (auth.is_some() || given(client_id).is_some()) {
            return Err(Error::configuration(
                "The 'domain' parameter is required when 'client_id' is configured.",
            ));
        }
        let issuer = domain.map(|domain| issuer("domain", &domain)).transpose()?;
        // Sent to another server, an assertion can be used at the one that it is for.
        let meant_for = auth.as_ref().and_then(|auth| auth.assertion_issuer());
        if meant_for.is_some() && meant_for != issuer.as_ref().map(Issuer::as_str) {
            return Err(Error::configuration(
                "client_auth: the issuer of the assertions is not that of 'domain', \
                 as in https://tenant.example/",
            ));
        }
        Ok(ClientFlows {
            credentials: issuer.zip(auth),
            proofs: self.flows.dpop_key.clone().map(Proofs::new),
            obo_cache: None,
        })
    }

    fn tokens_on_behalf(&self, policy: &CachePolicy) -> Option<OboCache> {
        let limits = Limits {
            max_wait: policy.max_wait,
            call: policy
                .timeout
                .saturating_mul(EXCHANGES_OF_A_CALL)
                .saturating_add(CALL_MARGIN),
        };
        let clock = Arc::clone(&self.clock);
        NonZeroUsize::new(self.flows.obo_cache).map(|entries| OboCache::new(entries, limits, clock))
    }

    fn dpop_settings(&self) -> Result<DpopSettings, Error> {
        let algorithms = algorithms("dpop_algorithms", &self.dpop_algorithms)?;
        let rules = self.proof_rules.clone().algorithms(algorithms);
        if rules.window() > MAX_PROOF_WINDOW {
            return Err(Error::configuration(
                "dpop_iat_offset and dpop_iat_leeway must be at most 3600 seconds together",
            ));
        }
        Ok(DpopSettings {
            mode: self.dpop_mode()?,
            rules: rules.max_size(self.max_token_size).backend(self.backend),
            public_url: self.public_url.as_deref().map(public_url).transpose()?,
            replay_fail_open: self.replay_fail_open,
            nonces: self.nonces.clone(),
        })
    }
}

/// A URL without the slashes at its end, for a path to be put behind.
fn public_url(url: &str) -> Result<Htu, Error> {
    let prefix = Some(url.trim_end_matches('/')).filter(|prefix| !prefix.contains(['?', '#']));
    let parsed = prefix.and_then(|prefix| Htu::parse(prefix).ok());
    parsed.ok_or_else(|| {
        Error::configuration(
            "public_url must be an http or https URL without credentials, query and fragment, \
             as in https://api.example/v1",
        )
    })
}

fn issuer(option: &str, domain: &str) -> Result<Issuer, Error> {
    normalize_domain(domain).map_err(|error| Error::configuration(format!("{option}: {error}")))
}

fn profile_rules(
    profile: TokenProfile,
    algorithms: &[Algorithm],
) -> (HeaderRules, &'static [&'static str]) {
    let rules = HeaderRules::new(algorithms.iter().copied());
    match profile {
        TokenProfile::Lenient => (rules.types(["JWT", "at+jwt"]), &[]),
        TokenProfile::Rfc9068 => (rules.types(["at+jwt"]).require_type(), &RFC9068_CLAIMS),
    }
}

fn algorithms(option: &str, names: &[String]) -> Result<Vec<Algorithm>, Error> {
    if names.is_empty() {
        return Err(Error::configuration(format!("{option} cannot be empty")));
    }
    let parse = |name: &String| {
        name.parse().map_err(|error: UnsupportedAlgorithm| {
            Error::configuration(format!("{option}: {error}"))
        })
    };
    names.iter().map(parse).collect()
}

fn origins(texts: &[String]) -> Result<Vec<Origin>, Error> {
    let parse = |text: &String| {
        text.parse::<Origin>()
            .map_err(|error| Error::configuration(format!("trusted_endpoints: {error}")))
    };
    texts.iter().map(parse).collect()
}

fn http_client(
    given: Option<Arc<dyn HttpClient>>,
    timeout: Option<Duration>,
) -> Result<Arc<dyn HttpClient>, Error> {
    match given {
        Some(client) => Ok(client),
        None => default_http_client(timeout),
    }
}

#[cfg(feature = "ureq")]
fn default_http_client(timeout: Option<Duration>) -> Result<Arc<dyn HttpClient>, Error> {
    let mut builder = a0_http::UreqClient::builder();
    if let Some(timeout) = timeout {
        builder = builder.timeout(timeout);
    }
    Ok(Arc::new(builder.build()))
}

#[cfg(not(feature = "ureq"))]
fn default_http_client(_timeout: Option<Duration>) -> Result<Arc<dyn HttpClient>, Error> {
    Err(Error::configuration(
        "no HTTP client: give one to http_client, or turn the feature `ureq` on",
    ))
}

#[cfg(all(test, feature = "aws-lc-rs"))]
mod tests {
    use a0_jose::Backend;

    use crate::builder::Builder;
    use crate::error::Error;

    /// What either backend does is the same, so that no request could show which one it is.
    #[test]
    fn the_backend_is_that_of_tokens_and_of_proofs() -> Result<(), Error> {
        for backend in [Backend::OpenSsl, Backend::AwsLcRs] {
            let builder = Builder::default().domain("tenant.example").audience("a");
            let parts = builder.backend(backend).parts::<()>(None)?;
            let named = format!("backend: {backend:?}");
            assert!(format!("{:?}", parts.fetch_rules).contains(&named));
            assert!(format!("{:?}", parts.verifier.dpop.rules).contains(&named));
        }
        Ok(())
    }
}
