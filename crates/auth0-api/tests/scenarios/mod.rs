//! Scenarios: tests that are written once and run with every driver. A driver is a kind of client.
//!
//! A test file implements [`Driver`] and passes it to `all_scenarios!`. A scenario that is missing from
//! the list there is dead code, and clippy refuses it.

#![allow(
    unreachable_pub,
    reason = "nothing uses a test binary from outside, but its modules share items"
)]

pub mod anonymous;
pub mod authorization;
pub mod authorization_challenges;
pub mod authorization_details;
pub mod certificates;
pub mod client_info;
pub mod confirmation;
pub mod dpop;
pub mod dpop_nonces;
pub mod dpop_replay;
pub mod dpop_url;
pub mod encrypted;
pub mod errors;
pub mod exchange;
pub mod exchange_dpop;
pub mod fapi2;
pub mod issuers;
pub mod key_sources;
pub mod keys;
pub mod local_tenant;
pub mod obo_cache;
pub mod observer;
pub mod request;
pub mod roots;
pub mod token;
pub mod token_cache;
pub mod token_endpoint;
pub mod verified;
pub mod worker;

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
    TokenResponse, VerifiedToken, WorkerToken,
};

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A closure that answers HTTP requests.
pub trait Handle:
    Fn(http::Request<Vec<u8>>) -> io::Result<http::Response<Vec<u8>>> + Send + Sync + 'static
{
}

impl<F> Handle for F where
    F: Fn(http::Request<Vec<u8>>) -> io::Result<http::Response<Vec<u8>>> + Send + Sync + 'static
{
}

pub trait Driver: Sized + Send + Sync + 'static {
    /// Whether a call that finds stale keys uses them while they are refreshed.
    const SERVES_STALE: bool = false;

    fn build(builder: Builder) -> Result<Self, Error>;

    // Options that the kinds of clients take in different types.
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
    fn authorize(&self, token: &VerifiedToken, policy: &auth0_api::Policy) -> Result<(), Error>;
    fn is_dpop_required(&self) -> bool;
    fn dpop_nonce(&self) -> Option<String>;
    fn warm_up(&self) -> Result<(), Error>;
    fn reload(&self, domain: &str) -> Result<(), Error>;
    fn key_status(&self) -> Vec<IssuerStatus>;
    fn is_ready(&self) -> bool;
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
    fn get_access_token_for_connection_as_worker(
        &self,
        request: &WorkerToken<'_>,
    ) -> Result<IssuedToken, Error>;
}

/// Declares every scenario as a test of one driver.
macro_rules! all_scenarios {
    ($driver:ident) => {
        scenarios! { $driver:
            anonymous {
                a_session_is_refused_after_the_claims_and_before_the_sender,
                a_session_is_refused_with_every_kind_of_client,
                a_session_with_a_proof_is_refused_too,
                an_anonymous_session_is_refused_unless_it_is_allowed,
                only_the_beginning_of_sub_makes_a_session_anonymous,
                policies_tell_anonymous_sessions_from_users,
            }
            authorization {
                a_cached_token_is_judged_like_a_new_one,
                a_panicking_function_is_a_500_and_never_a_pass,
                a_refusal_by_a_rule_names_it_to_the_operator_alone,
                a_rule_about_a_claim_is_satisfied_by_the_exact_value_alone,
                ages_are_measured_from_the_verification,
                all_and_any_combine_policies,
                an_unusable_policy_refuses_every_token,
                declared_scopes_imply_others_transitively,
                rfc6749_3_3_a_required_scope_is_one_whole_value_of_the_token,
                rfc8693_4_1_only_the_outermost_actor_satisfies_a_policy,
                the_failure_that_is_reported_does_not_depend_on_the_order_of_rules,
                the_principal_of_a_token_is_a_user_only_if_no_claim_says_otherwise,
            }
            authorization_challenges {
                rfc6750_3_1_insufficient_scope_names_every_required_scope,
                rfc6750_3_1_no_code_is_sent_if_no_other_token_helps,
                rfc9457_3_an_error_is_a_whole_http_response,
                rfc9470_3_a_step_up_challenge_has_acr_values_and_max_age,
                rfc9470_6_1_acr_and_auth_time_satisfy_only_if_present_with_their_type,
                rfc9728_5_1_challenges_have_the_realm_and_the_resource_metadata,
            }
            authorization_details {
                a_policy_is_satisfied_by_an_object_of_its_type,
                an_object_that_does_not_fit_the_callers_type_is_an_error,
                rfc9396_12_types_are_compared_octet_for_octet,
                rfc9396_2_several_objects_may_have_one_type,
                rfc9396_2_the_claim_is_an_array_of_objects_with_a_type,
                rfc9396_9_1_the_claim_is_a_member_of_the_token_itself,
            }
            certificates {
                a_certificate_needs_no_url_of_the_request,
                debug_output_and_errors_hold_nothing_of_a_certificate,
                rfc8705_3_1_x5t_s256_is_the_base64url_sha256_of_the_certificate,
                rfc8705_3_a_bound_token_needs_its_certificate,
                rfc8705_3_and_rfc9449_7_a_token_with_two_bindings_needs_both,
                the_certificate_of_a_cached_token_is_checked_each_time,
                without_a_proof_the_scheme_dpop_is_for_certificates_alone,
                without_the_option_bound_tokens_are_refused_and_the_option_named,
            }
            client_info {
                an_invalid_client_info_is_a_configuration_error,
                client_flows_name_the_software_only_if_asked_to,
            }
            confirmation {
                rfc7800_3_1_and_rfc9449_7_2_a_bound_token_is_refused_as_a_bearer_token,
            }
            dpop {
                a_proof_with_a_bearer_token_is_refused,
                a_refused_request_fetches_nothing_and_does_not_use_up_its_proof,
                max_token_size_limits_proofs_too,
                rfc7800_3_1_and_rfc9449_6_cnf_jkt_is_the_thumbprint_of_the_proof_key,
                rfc9449_4_3_1_a_request_has_exactly_one_proof,
                rfc9449_7_1_the_first_failed_check_is_reported,
                the_error_of_an_accessor_is_on_the_dpop_challenge,
                the_iat_window_and_the_algorithms_of_proofs_are_configurable,
                verify_dpop_proof_verifies_only_the_proof,
                verify_dpop_proof_works_with_dpop_disabled,
            }
            dpop_nonces {
                a_proof_needs_a_current_nonce_if_nonces_are_enabled,
            }
            dpop_replay {
                the_last_call_decides_about_replay_protection,
                a_failing_replay_store_is_an_outage_unless_replay_fail_open_is_set,
                a_proof_is_remembered_for_longer_than_it_is_accepted,
                clients_share_only_a_replay_store_that_is_given_to_both,
                rfc9449_11_1_a_proof_is_accepted_once,
                without_replay_protection_a_proof_is_accepted_again,
            }
            dpop_url {
                a_missing_method_or_url_is_reported_as_a_missing_argument,
                a_path_does_not_leave_public_url,
                an_absolute_request_target_does_not_replace_public_url,
                an_explicit_path_is_appended_to_public_url,
                an_explicit_url_is_used_instead_of_public_url,
                an_invalid_public_url_is_refused,
                an_invalid_request_target_matches_no_htu,
                rfc9449_4_2_htu_matches_the_public_url,
                unencoded_characters_match_their_percent_encoding,
            }
            encrypted {
                a_cached_encrypted_token_is_opened_again_when_its_keys_are_replaced,
                decryption_keys_are_chosen_by_kid_and_bound_to_their_alg,
                encrypted_only_refuses_a_token_that_is_only_signed,
                every_check_runs_on_the_decrypted_token,
                max_token_size_is_checked_before_decryption,
                on_behalf_of_sends_the_signed_token,
                rfc7519_5_2_an_encrypted_token_is_decrypted_and_then_verified,
                rfc9449_4_2_ath_is_the_hash_of_the_encrypted_text,
                the_token_cache_is_keyed_by_the_encrypted_text,
                what_is_not_one_signed_token_is_refused_before_anything_is_fetched,
                without_decryption_keys_an_encrypted_token_is_refused_and_the_option_named,
            }
            errors {
                a_large_token_of_another_issuer_is_refused_without_a_fetch_and_without_its_text,
                a_challenge_can_be_extended_and_each_parameter_occurs_once,
                a_diagnosis_of_typed_claims_is_cut_and_escaped,
                a_diagnosis_without_token_values_names_step_rule_claim_and_what_is_expected,
                a_diagnosis_shows_the_expected_and_the_actual_value,
                errors_with_the_same_content_are_equal,
                no_error_contains_a_part_of_a_token_or_a_response,
                rfc6750_3_a_challenge_parameter_holds_only_allowed_characters,
                rfc6750_3_every_error_is_an_http_response,
            }
            exchange {
                an_invalid_token_request_is_not_sent,
                client_auth_selects_the_authentication_method,
                each_flow_sends_its_form_and_the_credentials,
                no_error_or_debug_output_contains_a_credential,
                token_endpoint_and_discovery_failures_are_api_errors,
            }
            exchange_dpop {
                rfc9449_5_exchanged_tokens_are_bound_to_the_dpop_key,
            }
            fapi2 {
                every_case_of_the_certification_suite_has_the_expected_outcome,
            }
            issuers {
                a_resolver_chooses_the_domains_of_each_request,
                a_resolver_without_usable_domains_is_a_server_error,
                only_tokens_of_listed_domains_are_accepted,
                reload_fetches_the_keys_of_any_domain_if_there_is_a_resolver,
                rfc8725_3_1_the_algorithms_of_an_issuer_are_its_own,
                rfc8725_3_1_the_algorithms_of_an_issuer_hold_for_a_known_header,
                rfc8725_3_8_issuers_with_the_same_kid_do_not_share_keys,
                the_domain_is_not_trusted_unless_domains_lists_it,
                warm_up_and_reload_fetch_the_keys_of_listed_domains,
            }
            key_sources {
                a_shared_cache_keeps_documents_of_different_addresses_apart,
                client_flows_read_metadata_from_the_configured_address,
                documents_come_from_the_configured_addresses,
                metadata_from_a_configured_address_passes_every_check,
                no_error_shows_the_query_of_an_address,
                static_keys_are_never_fetched_and_never_age,
                static_keys_are_those_of_one_issuer,
                unusable_key_sources_are_a_configuration_error,
            }
            keys {
                a_cold_client_makes_two_requests_and_a_warm_one_none,
                a_failed_fetch_is_retried_after_one_second,
                a_new_key_set_replaces_the_old_one,
                an_operator_is_told_why_the_key_of_a_token_is_not_used,
                initial_keys_serve_while_the_tenant_is_away,
                an_unusable_document_is_an_outage_and_not_an_invalid_token,
                clients_share_keys_through_an_adapter,
                a_client_stays_ready_once_it_has_fetched_keys,
                key_status_reports_the_state_of_the_keys,
                keys_are_fresh_for_their_time_to_live,
                keys_come_only_from_the_issuer_or_a_trusted_endpoint,
                rfc8414_3_3_metadata_of_another_issuer_is_not_used,
                rfc8725_3_8_only_keys_of_the_issuer_verify,
                rfc9110_10_2_3_retry_after_is_in_whole_seconds_and_never_zero,
                stale_keys_are_used_during_an_outage,
                ten_thousand_forged_tokens_cause_one_request,
                tokens_stay_valid_during_a_key_rotation,
            }
            local_tenant {
                a_client_flow_gets_its_token_from_the_local_tenant,
                a_later_option_replaces_a_part_of_the_local_tenant,
                the_local_tenant_replaces_issuers_http_client_and_clock,
            }
            obo_cache {
                a_cached_token_is_not_returned_after_it_or_its_subject_token_expires,
                a_waiter_gives_up_after_max_wait,
                a_waiter_takes_over_if_the_exchange_panics,
                callers_do_not_join_an_overdue_exchange,
                concurrent_callers_with_the_same_token_share_one_exchange,
                on_behalf_of_tokens_are_cached_if_obo_cache_is_set,
                the_least_recently_used_on_behalf_of_token_is_evicted,
                waiters_give_up_after_two_exchanges_panic,
            }
            observer {
                a_look_into_the_shared_cache_that_finds_nothing_is_no_refresh,
                a_panicking_http_client_is_an_abandoned_refresh,
                a_panicking_observer_changes_no_decision,
                a_replay_check_that_failed_open_is_told,
                each_client_flow_is_an_event,
                each_outcome_of_a_verification_is_one_event,
                each_refresh_of_keys_is_an_event,
                lookups_in_the_token_cache_are_events,
                a_policy_that_does_not_allow_a_token_is_an_event,
                no_event_contains_a_part_of_a_token,
                observers_see_only_the_claims_that_are_named,
                outages_and_misconfiguration_are_told_apart_from_refusals,
                spans_of_several_observers_are_nested,
                spans_surround_the_work,
                the_operator_is_told_once_that_requests_come_without_a_url,
            }
            request {
                a_diagnosis_says_why_a_text_is_no_token,
                a_field_of_octets_that_are_no_text_is_refused,
                an_http_request_converts_to_a_request_context,
                only_the_authorization_header_is_read,
                rfc6750_2_1_and_rfc9110_11_1_the_field_is_scheme_spaces_token,
                rfc9110_5_3_two_authorization_fields_are_refused,
            }
            roots {
                added_and_replaced_roots_hold_for_keys_and_the_token_endpoint,
                an_unknown_root_is_an_outage_whose_source_names_the_option,
                roots_that_cannot_be_used_are_a_configuration_error,
            }
            token {
                a_clock_before_1970_is_a_clock,
                a_genuine_token_of_another_algorithm_is_refused,
                a_key_without_alg_is_used_for_the_first_configured_rsa_algorithm,
                a_token_is_validated_before_anything_is_fetched,
                any_configured_audience_or_algorithm_is_accepted,
                max_token_size_limits_tokens,
                required_claims_of_the_client_and_the_call_are_checked,
                rfc7519_4_1_4_leeway_applies_to_exp_and_nbf,
                rfc8725_3_8_and_rfc9068_4_iss_equals_the_configured_issuer,
                rfc9068_2_2_and_4_the_strict_profile_requires_typ_and_all_claims,
                the_first_failed_check_is_reported,
            }
            token_cache {
                a_cached_bound_token_still_needs_a_proof,
                a_cached_token_has_the_same_claims,
                cached_tokens_are_accepted_during_an_outage_as_long_as_the_keys,
                every_check_except_the_signature_runs_for_cached_tokens,
                evicting_an_issuer_evicts_its_cached_tokens,
                refused_tokens_are_not_cached,
                replaced_keys_invalidate_cached_tokens,
                the_resolver_is_called_for_cached_tokens_too,
                the_signature_of_a_proof_with_a_cached_header_is_checked,
                the_token_cache_is_off_by_default,
                the_token_cache_keeps_to_its_capacity,
            }
            token_endpoint {
                a_token_of_another_issuer_is_sent_only_if_same_tenant_names_it,
                a_trusted_token_endpoint_may_have_another_origin,
                credentials_go_only_to_the_token_endpoint_of_the_domain,
                the_token_endpoint_comes_from_cached_metadata,
            }
            verified {
                a_claim_of_a_wrong_type_is_an_error_and_never_absent,
                a_verified_token_has_its_scheme_and_keeps_its_text_only_on_request,
                claims_are_read_by_accessor_by_name_or_as_a_type,
                is_machine_distinguishes_clients_from_users,
                rfc8693_4_1_the_actors_are_read_from_the_token,
                rfc8693_4_2_scopes_are_whole_values,
                the_profiles_of_subject_client_and_actor_are_read_by_their_types,
                the_errors_of_a_bearer_request_without_a_url_have_the_challenge_of_bearer_alone,
            }
            worker {
                a_token_that_is_no_workers_token_for_this_tenant_is_not_sent,
                a_worker_names_the_user_by_a_signed_jwt,
                rfc8707_2_resources_are_sent_one_by_one,
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

/// Authenticates the entries of shared caches.
pub const ENTRY_SECRET: [u8; 32] = [7; 32];

pub const AUDIENCE: &str = "https://api.example/";

/// The time at which every scenario begins, in seconds since 1970.
pub const NOW: i64 = 1_700_000_000;

/// A tenant and the client of an API that trusts it.
pub struct World<D> {
    pub tenant: LocalTenant,
    pub client: D,
}

impl<D: Driver> World<D> {
    pub fn new() -> Self {
        World::with(|builder| builder)
    }

    /// Adds `options` to `domain` and `audience`.
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

    /// The number of requests for metadata and for keys so far.
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

/// Options for a client of `tenant`. It opens no socket, uses the tenant's clock, and refreshes keys
/// inline.
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
