//! Checks the options and turns them into the parts of a client, the same for both clients.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use a0_discovery::{CachePolicy, FetchRules, Issuer, Origin, normalize_domain};
use a0_dpop::Htu;
use a0_jose::{Algorithm, ClaimRules, HeaderRules, UnsupportedAlgorithm};
use a0_token_exchange::{ClientAuth, ClientInfo};

use crate::authorization::resource_server::ResourceServer;
use crate::error::Error;
use crate::error::challenger::Challenger;
use crate::exchange::flows::{ClientFlows, DpopKey};
use crate::exchange::obo_cache::OboCache;
use crate::exchange::single_flight::Limits;
use crate::observer::telemetry::Telemetry;
use crate::options::builder::{Builder, TokenProfile};
use crate::options::exchange::FlowOptions;
use crate::verification::Verifier;
use crate::verification::issuers::{AllowedAlgorithms, Issuers};
use crate::verification::request::DpopMode;
use crate::verification::sender::DpopSettings;
use crate::verification::token::KnownHeaders;
use crate::verification::token_cache::TokenCache;

const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// RFC 9449 section 11.1 recommends seconds or minutes. A longer window gives a thief more time and the
/// replay store more proofs to record.
const MAX_PROOF_WINDOW: Duration = Duration::from_secs(3600);

/// An exchange on behalf of a user takes at most three HTTP exchanges: metadata, the token request, and
/// the token request again with a nonce.
const MAX_HTTP_EXCHANGES: u32 = 3;

/// The time that such a call may take besides its HTTP exchanges, on a busy machine.
const CALL_MARGIN: Duration = Duration::from_secs(5);

/// The claims that RFC 9068 section 2.2 requires besides those of every token.
const RFC9068_CLAIMS: [&str; 3] = ["sub", "client_id", "jti"];

/// The parts of a client. `R` resolves the allowed domains; `S` is the replay store.
pub(super) struct Parts<R, S> {
    pub(super) verifier: Verifier<R, S>,
    pub(super) fetch_rules: FetchRules,
    pub(super) policy: CachePolicy,
    pub(super) flows: ClientFlows,
}

impl Builder {
    pub(super) fn parts<R, S>(
        &self,
        resolver: Option<R>,
        replay_store: Option<S>,
    ) -> Result<Parts<R, S>, Error> {
        if let Some(refused) = &self.refused {
            return Err(Error::configuration(refused.clone()));
        }
        if self.audiences.is_empty() || self.audiences.iter().any(|name| name.trim().is_empty()) {
            return Err(Error::missing_option("audience"));
        }
        self.audiences.iter().try_for_each(|name| audience(name))?;
        let issuers = self.issuers(resolver)?;
        let mut flows = self.client_flows()?;
        if self.leeway > MAX_LEEWAY {
            return Err(Error::configuration("leeway must be at most 300 seconds"));
        }
        let common = algorithms("algorithms", &self.algorithms)?;
        let own = self.algorithms_of_issuers(&issuers)?;
        let allowed = AllowedAlgorithms::new(common.clone(), own);
        let dpop = self.dpop_settings()?;
        let fetch_rules = FetchRules::new(common)
            .backend(self.backend)
            .trust(origins(&self.trusted_endpoints)?);
        let mut fetch_rules = self.add_addresses(fetch_rules, &issuers)?;
        if let Some(info) = &self.flows.client_info {
            let value = info.header_value().clone();
            fetch_rules = fetch_rules.token_endpoint_header(ClientInfo::header_name(), value);
        }
        let fetch_rules = allowed
            .of_issuers()
            .fold(fetch_rules, |rules, (issuer, own)| {
                rules.issuer_algorithms(issuer.clone(), own.iter().copied())
            });
        let policy = self.key_policy()?;
        flows.obo_cache = self.new_obo_cache(&policy);
        let metadata = self.metadata_of(&issuers, &dpop)?;
        let (header_rules, profile_claims) = profile_rules(self.token_profile, allowed.any());
        let verifier = Verifier {
            issuers,
            allowed_algorithms: allowed,
            max_token_size: self.max_token_size,
            keep_access_tokens: self.keep_access_tokens,
            decryption: self.encryption.decryption()?,
            header_rules,
            known_headers: KnownHeaders::default(),
            claim_rules: ClaimRules::new(self.audiences.clone())
                .leeway(self.leeway)
                .require_strings(profile_claims)
                .require(self.required_claims.clone()),
            telemetry: Arc::new(Telemetry::new(
                self.observers.clone(),
                self.observed_claims.clone(),
            )),
            allow_anonymous: self.authorization.allow_anonymous,
            audiences: self.audiences.clone(),
            challenger: Challenger::new(dpop.mode, dpop.rules.allowed_algorithms()),
            resource_server: ResourceServer::new(&self.authorization, metadata, self.leeway)?,
            dpop,
            certificate_bound_tokens: self.certificate_bound_tokens,
            replay_store,
            tokens: NonZeroUsize::new(self.token_cache)
                .map(|entries| TokenCache::new(entries, policy)),
            clock: self.clock.clone(),
        };
        Ok(Parts {
            verifier,
            fetch_rules,
            policy,
            flows,
        })
    }

    /// The issuers whose tokens the API accepts.
    fn issuers<R>(&self, resolver: Option<R>) -> Result<Issuers<R>, Error> {
        let domain = self.domain.as_deref().filter(|domain| !domain.is_empty());
        let domain = domain.map(|domain| issuer("domain", domain)).transpose()?;
        match (domain, &self.domains, resolver) {
            (_, Some(_), Some(_)) => Err(Error::configuration(
                "set either domains or domains_resolver, not both",
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
                 single-domain mode, 'domains' for multi-domain support. The variables are \
                 AUTH0_DOMAIN and AUTH0_DOMAINS, with from_env.",
            )),
        }
    }

    /// Client credentials belong to `domain` and are sent to no other.
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
                    "set either client_id with client_secret or client_auth, not both",
                ));
            }
            (None, _, Some(auth)) => Some(Arc::clone(auth)),
            // If the secret is missing, the first client flow reports it.
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
        // Another server that received an assertion could use it at the server it is meant for.
        let intended = auth.as_ref().and_then(|auth| auth.assertion_issuer());
        if intended.is_some() && intended != issuer.as_ref().map(Issuer::as_str) {
            return Err(Error::configuration(
                "client_auth: the assertions must be for the issuer of 'domain', \
                 such as https://tenant.example/",
            ));
        }
        Ok(ClientFlows {
            credentials: issuer.zip(auth),
            dpop_key: self.flows.dpop_key.clone().map(DpopKey::new),
            same_tenant: self.same_tenant_issuers()?,
            client_info: self.flows.client_info.clone(),
            obo_cache: None,
        })
    }

    fn algorithms_of_issuers<R>(
        &self,
        issuers: &Issuers<R>,
    ) -> Result<HashMap<Issuer, Vec<Algorithm>>, Error> {
        let option = "issuer_algorithms";
        let entries = self.issuer_algorithms.iter().map(|(domain, names)| {
            let issuer = issuer(option, domain)?;
            if issuers.exclude(&issuer) {
                let reason = "this API does not accept tokens of this domain";
                return Err(Error::configuration(format!(
                    "{option}: {domain}: {reason}"
                )));
            }
            Ok((issuer, algorithms(option, names)?))
        });
        entries.collect()
    }

    fn same_tenant_issuers(&self) -> Result<HashSet<Issuer>, Error> {
        let is_domain_missing = self.domain.as_deref().is_none_or(str::is_empty);
        if is_domain_missing && !self.flows.same_tenant.is_empty() {
            return Err(Error::configuration(
                "same_tenant names further domains of the tenant of 'domain': set domain (AUTH0_DOMAIN)",
            ));
        }
        let domains = self.flows.same_tenant.iter();
        domains
            .map(|domain| issuer("same_tenant", domain))
            .collect()
    }

    fn new_obo_cache(&self, policy: &CachePolicy) -> Option<OboCache> {
        let limits = Limits {
            max_wait: policy.max_wait,
            call: policy
                .timeout
                .saturating_mul(MAX_HTTP_EXCHANGES)
                .saturating_add(CALL_MARGIN),
        };
        let clock = self.clock.clone();
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
        let mode = self.dpop_mode()?;
        if mode == DpopMode::Required && self.public_url.is_none() && !self.url_in_requests {
            return Err(Error::configuration(
                "with DPoP required, set public_url to the URL by which clients know this API, such as \
                 https://api.example/v1; or url_in_requests, if every request brings its URL",
            ));
        }
        Ok(DpopSettings {
            mode,
            rules: rules.max_size(self.max_token_size).backend(self.backend),
            public_url: self.public_url.as_deref().map(public_url).transpose()?,
            replay_fail_open: self.replay_fail_open,
            nonces: self.nonces.clone(),
        })
    }
}

/// Parses `public_url`, without trailing slashes, so that a path can be appended.
fn public_url(url: &str) -> Result<Htu, Error> {
    let prefix = Some(url.trim_end_matches('/')).filter(|prefix| !prefix.contains(['?', '#']));
    let parsed = prefix.and_then(|prefix| Htu::parse(prefix).ok());
    parsed.ok_or_else(|| {
        Error::configuration(
            "public_url must be an http or https URL without credentials, query and fragment, \
             such as https://api.example/v1",
        )
    })
}

/// A token's `aud` is compared octet for octet, so a copied quote or line end would refuse every token.
fn audience(name: &str) -> Result<(), Error> {
    const QUOTES: [char; 2] = ['"', '\''];
    if name.trim() != name || name.contains(char::is_control) {
        let reason = "audience (AUTH0_AUDIENCE) must have no white space around it and no control characters";
        return Err(Error::configuration(reason));
    }
    if name.starts_with(QUOTES) || name.ends_with(QUOTES) {
        let reason =
            "audience (AUTH0_AUDIENCE) must not be quoted: an API identifier has no quotes";
        return Err(Error::configuration(reason));
    }
    Ok(())
}

fn issuer(option: &str, domain: &str) -> Result<Issuer, Error> {
    normalize_domain(domain).map_err(|error| Error::configuration(format!("{option}: {error}")))
}

fn profile_rules(
    profile: TokenProfile,
    algorithms: impl Iterator<Item = Algorithm>,
) -> (HeaderRules, &'static [&'static str]) {
    let rules = HeaderRules::new(algorithms);
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
        name.parse().map_err(|error| {
            let known: Vec<&str> = Algorithm::all().map(Algorithm::name).collect();
            Error::configuration(match error {
                UnsupportedAlgorithm::Symmetric(_) => format!("{option}: {error}"),
                _ => format!(
                    "{option}: '{name}' is not supported; use one of {}",
                    known.join(", ")
                ),
            })
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

#[cfg(all(test, feature = "aws-lc-rs"))]
mod tests {
    use a0_jose::Backend;

    use crate::error::Error;
    use crate::options::builder::Builder;

    /// Both backends behave alike, so a request cannot show which one is in use.
    #[test]
    fn the_backend_verifies_tokens_and_proofs() -> Result<(), Error> {
        for backend in [Backend::OpenSsl, Backend::AwsLcRs] {
            let builder = Builder::default().domain("tenant.example").audience("a");
            let parts = builder.backend(backend).parts::<(), ()>(None, None)?;
            let named = format!("backend: {backend:?}");
            assert!(format!("{:?}", parts.fetch_rules).contains(&named));
            assert!(format!("{:?}", parts.verifier.dpop.rules).contains(&named));
        }
        Ok(())
    }
}
