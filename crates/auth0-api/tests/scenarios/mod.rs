//! Scenarios, each written once and run by every driver: a driver is a kind of client.
//!
//! A test file implements [`Driver`] and names it in `all_scenarios!`. A scenario that stands in no
//! list is dead code, which does not pass clippy.

#![allow(
    unreachable_pub,
    reason = "a test binary has no outside, but its modules share items"
)]

pub mod confirmation;
pub mod dpop;
pub mod errors;
pub mod exchange;
pub mod fapi2;
pub mod issuers;
pub mod keys;
pub mod request;
pub mod token;
pub mod token_cache;
pub mod verified;

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use a0_testkit::{AccessTokenBuilder, Endpoint, LocalTenant};
use auth0_api::discovery::InMemoryCache;
use auth0_api::jose::Claims;
use auth0_api::proof::ReplayStore;
use auth0_api::{
    ApiClient, Builder, ConnectionToken, DpopProof, Error, IssuedToken, IssuerStatus, OnBehalfOf,
    Refresh, RequestContext, ResolverContext, TokenCacheStatus, TokenExchange, TokenOptions,
    TokenResponse, VerifiedToken,
};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What answers requests.
pub trait Handle:
    Fn(http::Request<Vec<u8>>) -> io::Result<http::Response<Vec<u8>>> + Send + Sync + 'static
{
}

impl<F> Handle for F where
    F: Fn(http::Request<Vec<u8>>) -> io::Result<http::Response<Vec<u8>>> + Send + Sync + 'static
{
}

pub trait Driver: Sized + Send + Sync + 'static {
    /// Whether a call that finds stale keys is served by them, while they are refreshed.
    const SERVES_STALE: bool = false;

    fn build(builder: Builder) -> Result<Self, Error>;

    // The options that differ in kind.
    fn http_client(builder: Builder, handle: impl Handle) -> Builder;
    fn domains_resolver<E: Into<Cause> + 'static>(
        builder: Builder,
        resolver: impl Fn(&ResolverContext<'_>) -> Result<Vec<String>, E> + Send + Sync + 'static,
    ) -> Builder;
    fn cache(builder: Builder, adapter: Arc<InMemoryCache>) -> Builder;
    fn replay_store(builder: Builder, store: impl ReplayStore + 'static) -> Builder;

    fn verify_request(&self, request: RequestContext<'_>) -> Result<VerifiedToken, Error>;
    fn verify_access_token(
        &self,
        token: &str,
        options: &TokenOptions<'_>,
    ) -> Result<VerifiedToken, Error>;
    fn verify_dpop_proof(&self, proof: &DpopProof<'_>) -> Result<Claims, Error>;
    fn is_dpop_required(&self) -> bool;
    fn dpop_nonce(&self) -> Option<String>;
    fn warm_up(&self) -> Result<(), Error>;
    fn reload(&self, domain: &str) -> Result<(), Error>;
    fn key_status(&self) -> Vec<IssuerStatus>;
    fn cache_failures(&self) -> u64;
    fn counts(&self) -> auth0_api::Counts;
    fn token_cache_status(&self) -> Option<TokenCacheStatus>;
    fn get_token_by_exchange_profile(
        &self,
        request: &TokenExchange<'_>,
    ) -> Result<TokenResponse, Error>;
    fn get_token_on_behalf_of(&self, request: &OnBehalfOf<'_>) -> Result<IssuedToken, Error>;
    fn get_access_token_for_connection(
        &self,
        request: &ConnectionToken<'_>,
    ) -> Result<IssuedToken, Error>;
}

/// The list of all scenarios, as tests of one driver.
macro_rules! all_scenarios {
    ($driver:ident) => {
        scenarios! { $driver:
            confirmation {
                rfc7800_3_1_and_rfc9449_7_2_a_bound_token_is_refused_as_a_bearer_token,
            }
            dpop {
                a_nonce_is_asked_for_where_the_api_wants_one,
                a_proof_alone_can_be_verified,
                a_proof_alone_is_verified_where_dpop_is_disabled_too,
                a_proof_beside_a_bearer_token,
                a_proof_is_remembered_for_longer_than_it_is_accepted,
                a_replay_store_that_fails_is_an_outage_unless_said_otherwise,
                a_request_without_a_method_or_an_absolute_url_is_refused_as_such,
                nothing_is_spent_or_fetched_for_a_request_that_is_refused,
                rfc7800_3_1_and_rfc9449_6_the_token_names_the_key_of_the_proof,
                rfc9449_11_1_a_proof_serves_once,
                rfc9449_4_2_the_url_is_the_one_that_clients_know,
                rfc9449_4_3_1_there_is_one_proof,
                rfc9449_7_1_the_first_failure_in_order_is_the_one_reported,
                the_size_limit_is_for_proofs_too,
                the_window_and_the_algorithms_of_proofs_are_options,
            }
            fapi2 {
                every_case_of_the_certification_suite,
            }
            errors {
                errors_are_equal_by_what_they_say,
                a_diagnosis_says_what_was_expected_and_what_was_there,
                rfc6750_3_a_parameter_holds_the_allowed_characters_only,
                no_error_holds_a_part_of_a_token_or_of_an_answer,
                rfc6750_3_every_error_is_an_http_answer,
            }
            exchange {
                a_waiter_leaves_while_the_exchange_hangs,
                an_exchange_that_is_overdue_is_nobodys_to_join,
                an_exchange_that_panics_strands_nobody,
                a_kept_token_outlives_neither_itself_nor_its_subject,
                callers_with_one_token_make_one_exchange,
                credentials_go_to_the_domains_own_endpoint,
                exchanges_that_panic_end_their_waiters,
                each_flow_sends_its_form_and_the_credentials,
                no_credential_is_in_an_error_or_a_debug_output,
                nothing_is_sent_for_what_cannot_be_asked,
                other_ways_to_authenticate_are_an_option,
                rfc9449_5_a_key_binds_the_tokens_of_exchanges,
                the_endpoint_comes_through_the_same_cache,
                tokens_on_behalf_of_a_user_are_kept_where_that_is_asked_for,
                what_the_endpoint_or_the_way_to_it_does_is_an_api_error,
            }
            issuers {
                a_resolver_names_the_domains_of_each_request,
                a_resolver_that_gives_no_domains_is_an_error_of_the_api,
                a_token_of_any_listed_domain_is_taken_and_of_no_other,
                rfc8725_3_1_the_algorithms_of_an_issuer_are_its_own,
                rfc8725_3_8_issuers_that_name_their_keys_alike_do_not_share_them,
                the_domain_alone_is_not_trusted_where_domains_are_given,
            }
            keys {
                a_cold_client_makes_two_requests_and_a_warm_one_none,
                a_document_that_cannot_be_had_is_an_outage_and_no_verdict,
                a_failure_is_not_kept,
                a_rotation_refuses_nobody,
                an_outage_is_outlived,
                clients_share_keys_through_an_adapter,
                keys_are_used_for_their_time_to_live,
                keys_come_only_from_the_issuer_or_a_trusted_endpoint,
                rfc8414_3_3_metadata_of_another_issuer_is_of_no_use,
                rfc8725_3_8_only_keys_of_the_issuer_verify,
                ten_thousand_forged_tokens_make_one_request,
                the_client_tells_the_state_of_its_keys,
            }
            request {
                an_http_request_is_a_request,
                only_the_field_authorization_counts,
                rfc6750_2_1_and_rfc9110_11_1_the_field_is_scheme_spaces_token,
                rfc9110_5_3_two_authorization_fields_are_refused,
            }
            token {
                a_token_is_judged_before_anything_is_fetched,
                rfc7519_4_1_4_leeway_is_for_expiry_and_not_before,
                rfc8725_3_8_and_rfc9068_4_the_issuer_is_the_configured_one,
                rfc9068_2_2_and_4_the_strict_profile,
                required_claims_of_client_and_call_are_asked_for,
                several_audiences_and_algorithms_are_alternatives,
                the_algorithms_of_the_client_bind_the_keys,
                the_first_failure_in_order_is_the_one_reported,
                the_size_limit_is_an_option,
            }
            token_cache {
                a_bound_token_needs_its_proof_each_time,
                a_proof_whose_header_is_known_has_to_be_signed_too,
                a_resolver_is_asked_each_time,
                a_token_that_comes_again_says_what_it_said,
                all_but_the_signature_is_judged_each_time,
                an_issuer_that_is_dropped_takes_its_tokens_along,
                an_outage_is_outlived_as_long_as_by_the_keys,
                it_is_off_by_default,
                its_bound_holds,
                keys_that_are_replaced_empty_it,
                nothing_is_kept_of_what_was_refused,
            }
            verified {
                a_machine_is_told_from_a_user,
                a_token_says_how_it_came_and_keeps_its_text_only_if_asked,
                a_wrong_type_is_an_error_and_never_absent,
                claims_come_typed_by_name_and_as_a_type_of_the_callers,
                rfc8693_4_1_the_actors_are_read_from_the_token,
                rfc8693_4_2_scopes_are_whole_values,
            }
        }
    };
}

macro_rules! scenarios {
    ($driver:ident: $($module:ident { $($name:ident),* $(,)? })*) => {
        $(mod $module {
            $(#[test] fn $name() { crate::scenarios::$module::$name::<super::$driver>() })*
        })*
    };
}

pub const AUDIENCE: &str = "https://api.example/";

/// Seconds since 1970 at which every scenario begins.
pub const NOW: i64 = 1_700_000_000;

/// A tenant, and an API that trusts it.
pub struct World<D> {
    pub tenant: LocalTenant,
    pub client: D,
}

impl<D: Driver> World<D> {
    pub fn new() -> Self {
        World::with(|builder| builder)
    }

    /// With other options than `domain` and `audience`.
    pub fn with(options: impl FnOnce(Builder) -> Builder) -> Self {
        let tenant = LocalTenant::new("tenant.example").unwrap();
        tenant.set_now(at(NOW));
        let builder = options(builder::<D>(&tenant));
        let client = D::build(builder).unwrap();
        World { tenant, client }
    }

    pub fn token(&self) -> AccessTokenBuilder {
        self.tenant.access_token().audience(AUDIENCE)
    }

    pub fn verify(&self, token: &str) -> Result<VerifiedToken, Error> {
        let options = TokenOptions::new();
        self.client.verify_access_token(token, &options)
    }

    pub fn verify_bearer(&self, token: &str) -> Result<VerifiedToken, Error> {
        let field = format!("Bearer {token}");
        self.client
            .verify_request(RequestContext::new().header("Authorization", field))
    }

    /// Requests for metadata and for keys so far.
    pub fn fetches(&self) -> (usize, usize) {
        (
            self.tenant.request_count(Endpoint::Discovery),
            self.tenant.request_count(Endpoint::Jwks),
        )
    }

    pub fn advance(&self, seconds: u64) {
        self.tenant
            .set_now(self.tenant.now() + Duration::from_secs(seconds));
    }
}

/// An API of `tenant`, without a socket and on the tenant's clock; nothing happens behind a test.
pub fn builder<D: Driver>(tenant: &LocalTenant) -> Builder {
    let clock = tenant.clone();
    let builder = ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .cache_refresh(Refresh::Inline)
        .clock(move || clock.now());
    D::http_client(builder, tenant.client())
}

pub fn at(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())
}
