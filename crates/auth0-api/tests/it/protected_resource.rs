//! Protected resource metadata: what the document says, and where it is.

use a0_testkit::LocalTenant;
use auth0_api::{
    ApiClient, Builder, DpopMode, Policy, ProtectedResource, ProtectedResourceMetadata,
    RequestContext, ResolverContext,
};
use serde_json::{Value, json};

const RESOURCE: &str = "https://api.example/mcp";
const URL: &str = "https://api.example/.well-known/oauth-protected-resource/mcp";

fn builder() -> Builder {
    ApiClient::builder()
        .domain("tenant.example")
        .audience(RESOURCE)
}

fn resource() -> ProtectedResource {
    ProtectedResource::new(RESOURCE)
}

fn metadata(builder: Builder) -> ProtectedResourceMetadata {
    let client = builder.build().unwrap();
    client.protected_resource_metadata().unwrap().clone()
}

fn document(builder: Builder) -> Value {
    serde_json::from_str(metadata(builder).json()).unwrap()
}

#[track_caller]
fn refused(builder: Builder, expected: &str) {
    let error = builder.build().unwrap_err();
    assert_eq!(error.error_code(), "invalid_configuration");
    let description = error.error_description();
    assert!(description.contains(expected), "{description}");
}

#[test]
fn rfc9728_2_the_document_has_every_member_that_is_known() {
    let full = resource()
        .scopes_supported(["read:orders", "write:orders"])
        .resource_name("Orders")
        .resource_name_in("de", "Bestellungen")
        .resource_documentation("https://docs.example/")
        .resource_documentation_in("pt-BR", "https://docs.example/br")
        .resource_policy_uri("https://docs.example/policy")
        .resource_policy_uri_in("de", "https://docs.example/richtlinie")
        .resource_tos_uri("https://docs.example/tos")
        .resource_tos_uri_in("de", "https://docs.example/agb")
        .jwks_uri("https://api.example/jwks.json")
        .resource_signing_alg_values_supported(["ES256"])
        .authorization_details_types_supported(["payment_initiation"])
        .member("x-region", json!({"eu": true}));
    let expected = json!({
        "resource": RESOURCE,
        "authorization_servers": ["https://tenant.example/"],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": ["ES256"],
        "scopes_supported": ["read:orders", "write:orders"],
        "resource_name": "Orders",
        "resource_name#de": "Bestellungen",
        "resource_documentation": "https://docs.example/",
        "resource_documentation#pt-BR": "https://docs.example/br",
        "resource_policy_uri": "https://docs.example/policy",
        "resource_policy_uri#de": "https://docs.example/richtlinie",
        "resource_tos_uri": "https://docs.example/tos",
        "resource_tos_uri#de": "https://docs.example/agb",
        "jwks_uri": "https://api.example/jwks.json",
        "resource_signing_alg_values_supported": ["ES256"],
        "tls_client_certificate_bound_access_tokens": true,
        "authorization_details_types_supported": ["payment_initiation"],
        "x-region": {"eu": true},
    });
    assert_eq!(
        document(
            builder()
                .certificate_bound_tokens()
                .protected_resource(full)
        ),
        expected
    );
}

#[test]
fn members_follow_from_the_options_of_the_client() {
    let least = |builder: Builder| document(builder.protected_resource(resource()));
    let base = json!({
        "resource": RESOURCE,
        "authorization_servers": ["https://tenant.example/"],
        "bearer_methods_supported": ["header"],
    });
    assert_eq!(least(builder().dpop(DpopMode::Disabled)), base);
    let required = builder()
        .dpop(DpopMode::Required)
        .dpop_algorithms(["ES256", "EdDSA"])
        .public_url("https://api.example");
    let required = least(required);
    assert_eq!(required["bearer_methods_supported"], json!([]));
    assert_eq!(required["dpop_bound_access_tokens_required"], true);
    let algorithms = &required["dpop_signing_alg_values_supported"];
    assert_eq!(*algorithms, json!(["ES256", "EdDSA"]));
    // The order of the options, each server once.
    let several = builder().domains(["z.example", "a.example", "https://z.example/"]);
    let servers = &least(several)["authorization_servers"];
    assert_eq!(
        *servers,
        json!(["https://z.example/", "https://a.example/"])
    );
}

#[test]
fn authorization_servers_can_be_named_and_must_be_trusted() {
    let named = |domain: &str| resource().authorization_servers([domain]);
    let servers = |builder: Builder| document(builder)["authorization_servers"].clone();
    let list = || builder().domains(["a.example", "b.example"]);
    let resolver = || {
        builder()
            .domains_resolver(|_: &ResolverContext<'_>| Ok::<_, String>(vec!["c.example".into()]))
    };
    assert_eq!(
        servers(list().protected_resource(named("B.example"))),
        json!(["https://b.example/"])
    );
    assert_eq!(
        servers(resolver().protected_resource(named("c.example"))),
        json!(["https://c.example/"])
    );
    for (builder, expected) in [
        (
            list().protected_resource(named("c.example")),
            "c.example: this API does not accept tokens of this domain",
        ),
        (
            builder().protected_resource(named("a b")),
            "authorization_servers",
        ),
        (
            resolver().protected_resource(resource()),
            "name the authorization_servers",
        ),
        (
            builder().protected_resource(resource().authorization_servers([""; 0])),
            "name the authorization_servers",
        ),
    ] {
        refused(builder, expected);
    }
}

#[test]
#[rustfmt::skip]
fn rfc9728_2_an_unusable_value_is_a_configuration_error() {
    for (resource, expected) in [
        (resource().scopes_supported(["read", "offline_access"]), "offline_access"),
        (resource().scopes_supported(["read write"]), "scopes_supported"),
        (resource().scopes_supported([""]), "scopes_supported"),
        (resource().resource_signing_alg_values_supported(["none"]), "none"),
        (resource().resource_signing_alg_values_supported(["NONE"]), "none"),
        (resource().resource_signing_alg_values_supported([" "]), "algorithms"),
        (resource().jwks_uri("http://api.example/jwks.json"), "jwks_uri"),
        (resource().jwks_uri("/jwks.json"), "jwks_uri"),
        (resource().resource_documentation("docs"), "resource_documentation"),
        (resource().resource_documentation("https://docs.example/#top"), "resource_documentation"),
        (resource().resource_policy_uri("javascript:alert(1)"), "resource_policy_uri"),
        (resource().resource_tos_uri_in("de", "ftp://docs.example"), "resource_tos_uri"),
        (resource().resource_name(" "), "resource_name"),
        (resource().resource_name_in("", "x"), "not a language tag"),
        (resource().resource_name_in("de_DE", "x"), "not a language tag"),
        (resource().resource_name_in("de#x", "x"), "not a language tag"),
        (resource().resource_name_in("9de", "x"), "not a language tag"),
        (resource().resource_name_in("ninechars", "x"), "not a language tag"),
        (resource().resource_name_in("de--CH", "x"), "not a language tag"),
        (resource().resource_name_in("de-12345678-12345678-12345678-1234567", "x"), "not a language tag"),
        (resource().authorization_details_types_supported([""]), "authorization_details_types_supported"),
        (resource().member("signed_metadata", "a.b.c"), "signed_metadata"),
        (resource().member("resource", "https://other.example"), "cannot be set"),
        (resource().member("resource_name#de", "x"), "cannot be set"),
        (resource().member("authorization_servers", json!(["https://other.example"])), "cannot be set"),
        (resource().member("", 1), "cannot be set"),
        (resource().member("x", Value::Null), "null"),
        (ProtectedResource::new("http://api.example/mcp"), "the resource must be an https URL"),
        (ProtectedResource::new("https://api.example/mcp#x"), "the resource must be an https URL"),
        (ProtectedResource::new("https://api.example/mcp/"), "one of the audiences"),
        (ProtectedResource::new("https://other.example/mcp"), "one of the audiences"),
    ] {
        refused(builder().protected_resource(resource), expected);
    }
    let both = builder().protected_resource(resource()).resource_metadata(URL);
    refused(both, "either resource_metadata or protected_resource");
}

/// The local tenant takes the place of the servers of production.
#[test]
fn a_local_tenant_is_the_only_authorization_server() {
    let tenant = LocalTenant::new("local.example").unwrap();
    let named = resource().authorization_servers(["a.example"]);
    let options = builder()
        .domains(["a.example", "b.example"])
        .protected_resource(named);
    let local = options.local_tenant(tenant.domain(), tenant.client(), tenant.clock());
    let servers = &document(local)["authorization_servers"];
    assert_eq!(*servers, json!([tenant.issuer()]));
}

#[test]
fn empty_lists_are_left_out() {
    let document = document(builder().protected_resource(resource().scopes_supported([""; 0])));
    assert_eq!(document.get("scopes_supported"), None);
}

#[test]
fn rfc9728_3_1_the_url_is_derived_from_the_resource() {
    let found = metadata(builder().protected_resource(resource()));
    assert_eq!(found.resource(), RESOURCE);
    assert_eq!(found.url(), URL);
    assert_eq!(found.path(), "/.well-known/oauth-protected-resource/mcp");
    assert_eq!(found.root_path(), "/.well-known/oauth-protected-resource");
    assert_eq!(found.origin(), "https://api.example");
    let root = "https://api.example";
    let at_root = builder()
        .audience(root)
        .protected_resource(ProtectedResource::new(root));
    assert_eq!(
        metadata(at_root).path(),
        "/.well-known/oauth-protected-resource"
    );
}

/// Other 403s would send clients in circles.
#[test]
fn rfc9728_5_1_a_401_and_insufficient_scope_name_the_derived_url_and_no_other_answer_does() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let client = builder()
        .protected_resource(resource())
        .local_tenant(tenant.domain(), tenant.client(), tenant.clock())
        .build()
        .unwrap();
    let minted = tenant.access_token().audience(RESOURCE).mint().unwrap();
    let token = client.verify_access_token(&minted).unwrap();
    let named = |error: auth0_api::Error| {
        let mut challenges = error.challenges().iter();
        let url = challenges
            .next()
            .unwrap()
            .get("resource_metadata")
            .map(str::to_owned);
        assert!(challenges.all(|other| other.get("resource_metadata") == url.as_deref()));
        (error.status_code().as_u16(), url)
    };
    let url = Some(URL.to_owned());
    let missing = client.verify_request(RequestContext::new()).unwrap_err();
    assert_eq!(named(missing), (401, url.clone()));
    let bad = RequestContext::new().header("authorization", "Bearer opaque");
    assert_eq!(
        named(client.verify_request(bad).unwrap_err()),
        (401, url.clone())
    );
    let scope = token.authorize(&Policy::scope("read:orders")).unwrap_err();
    assert_eq!(named(scope), (403, url));
    for policy in [
        Policy::permission("x"),
        Policy::organization("org_1"),
        Policy::clients(["x"]),
    ] {
        assert_eq!(named(token.authorize(&policy).unwrap_err()), (403, None));
    }
}

/// Some clients add a slash to the resource, and the tenant then issues a token for that audience.
#[test]
fn an_audience_with_a_further_slash_is_accepted_only_if_it_is_configured() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let slash = format!("{RESOURCE}/");
    let token = tenant.access_token().audience(&slash).mint().unwrap();
    let client = |builder: Builder| {
        let builder = builder.protected_resource(resource());
        builder
            .local_tenant(tenant.domain(), tenant.client(), tenant.clock())
            .build()
            .unwrap()
    };
    let error = client(builder()).verify_access_token(&token).unwrap_err();
    assert_eq!(error.reason(), "audience_mismatch");
    assert!(
        client(builder().audience(&*slash))
            .verify_access_token(&token)
            .is_ok()
    );
}
