//! The URL of a request, which the `htu` of its proof must match.

use auth0_api::{Error, RequestContext, VerifiedToken};
use http::Request;

use super::dpop::{Bound, described};
use super::{Driver, NOW, builder};

const PUBLIC_URL: &str = "https://api.example/v1";

fn with_public_url<D: Driver>(public_url: &str) -> Bound<D> {
    Bound::with(|builder| builder.public_url(public_url))
}

/// A GET request for `target`, with a proof for `htu`.
fn get<D: Driver>(bound: &Bound<D>, target: &str, htu: &str) -> Request<()> {
    let proof = bound.key.proof("GET", htu).for_token(&bound.token);
    Request::get(target)
        .header("authorization", format!("DPoP {}", bound.token))
        .header("dpop", proof.issued_at(NOW).mint().unwrap())
        .body(())
        .unwrap()
}

fn verify<D: Driver>(bound: &Bound<D>, target: &str, htu: &str) -> Result<VerifiedToken, Error> {
    let request = get(bound, target, htu);
    bound.world.client.verify_request((&request).into())
}

fn mismatch() -> Result<(), String> {
    Err("DPoP Proof htu mismatch".to_owned())
}

pub fn rfc9449_4_2_htu_matches_the_public_url<D: Driver>() {
    for (public_url, htu, accepted) in [
        (
            "https://api.example/v1",
            "https://api.example/v1/orders",
            true,
        ),
        (
            "https://API.example:443/v1//",
            "https://api.example/v1/orders",
            true,
        ),
        ("https://api.example", "https://api.example/orders", true),
        ("https://api.example", "https://evil.example/orders", false),
        ("https://api.example", "http://api.example/orders", false),
        (
            "http://localhost:3000",
            "http://localhost:3000/orders",
            true,
        ),
    ] {
        let bound = with_public_url::<D>(public_url);
        let mut request = get(&bound, "/orders?page=2", htu);
        // Fields that the client controls do not change the URL.
        for (name, value) in [
            ("host", "evil.example"),
            ("x-forwarded-host", "evil.example"),
            ("forwarded", "host=evil.example;proto=http"),
        ] {
            let value = http::HeaderValue::from_static(value);
            request.headers_mut().insert(name, value);
        }
        let outcome = bound.world.client.verify_request((&request).into());
        assert_eq!(outcome.is_ok(), accepted, "{public_url} {htu}");
    }
}

/// A proof for one API is not accepted by another, and a proof for one resource not for another.
pub fn a_path_does_not_leave_public_url<D: Driver>() {
    let bound = with_public_url::<D>(PUBLIC_URL);
    for (target, htu, expected) in [
        ("/../admin", "https://api.example/admin", mismatch()),
        ("/%2e%2e/admin", "https://api.example/admin", mismatch()),
        ("/a/../../admin", "https://api.example/admin", mismatch()),
        ("/..", "https://api.example/", mismatch()),
        // Out of the prefix and back in.
        ("/../v1/admin", "https://api.example/v1/admin", mismatch()),
        ("/a/../admin", "https://api.example/v1/admin", Ok(())),
    ] {
        let outcome = described(verify(&bound, target, htu));
        assert_eq!(outcome, expected, "{target}");
    }
}

/// Clients send such characters although a URL may not hold them.
pub fn unencoded_characters_match_their_percent_encoding<D: Driver>() {
    let bound = with_public_url::<D>(PUBLIC_URL);
    for (target, htu, expected) in [
        ("/a|b", "/a|b", Ok(())),
        ("/a|c", "/a%7Cc", Ok(())),
        ("/a%7cd", "/a|d", Ok(())),
        ("/{id}\"^", "/%7Bid%7D%22%5E", Ok(())),
        ("/[e]", "/[e]", Ok(())),
        ("/[f]", "/%5Bf%5D", mismatch()),
        ("/a|g", "/ag", mismatch()),
        ("/a|h", "/a%257Ch", mismatch()),
        ("/\u{e9}", "/%c3%a9", Ok(())),
        ("/a%C3%A9", "/a\u{e9}", Ok(())),
        ("/\u{e9}", "/e\u{301}", mismatch()),
    ] {
        let outcome = verify(&bound, target, &format!("{PUBLIC_URL}{htu}"));
        assert_eq!(described(outcome), expected, "{target} {htu}");
    }
}

pub fn an_invalid_request_target_matches_no_htu<D: Driver>() {
    let bound = with_public_url::<D>(PUBLIC_URL);
    for target in ["/a\\b", "/100%", "/a%zz", "*"] {
        let error = verify(&bound, target, &format!("{PUBLIC_URL}{target}")).unwrap_err();
        assert_eq!(
            (error.status_code().as_u16(), error.error_code()),
            (401, "invalid_dpop_proof")
        );
        assert_eq!(described(Err::<(), _>(error)), mismatch(), "{target}");
    }
}

/// If it is invalid, the URL is not built from `public_url` instead.
pub fn an_explicit_url_is_used_instead_of_public_url<D: Driver>() {
    let bound = with_public_url::<D>(PUBLIC_URL);
    let verify = |url: &'static str| {
        let request = get(&bound, "/orders", "https://api.example/v1/orders");
        let context = RequestContext::from(&request).url(url);
        bound.world.client.verify_request(context)
    };
    for url in [
        "/v1/orders",
        "",
        "https://",
        "https://u@api.example/v1/orders",
    ] {
        let error = verify(url).unwrap_err();
        assert_eq!(error.argument(), Some("http_url"), "{url}");
    }
    // The client controls the path alone, so a path that no URL can have is the client's fault.
    let counted = bound.world.client.counts().requests_without_url;
    for url in ["https://api.example/v1/100%", "https://api.example/a\\b"] {
        let error = verify(url).unwrap_err();
        assert_eq!(error.status_code(), 401, "{url}");
        assert_eq!(error.error_code(), "invalid_dpop_proof", "{url}");
    }
    assert_eq!(bound.world.client.counts().requests_without_url, counted);
    assert!(verify("https://api.example/v1/orders").is_ok());
}

/// A nested router strips its prefix from the path. The caller passes the path that the client sent.
pub fn an_explicit_path_is_appended_to_public_url<D: Driver>() {
    let bound = with_public_url::<D>(PUBLIC_URL);
    let verify = |prefix: &str, htu: &str| {
        let request = get(&bound, "/orders", htu);
        let context = RequestContext::from(&request).path(format!("{prefix}/orders?page=2"));
        described(bound.world.client.verify_request(context))
    };
    let htu = "https://api.example/v1/admin/orders";
    assert_eq!(verify("/admin", htu), Ok(()));
    assert_eq!(verify("", htu), mismatch());
    assert_eq!(
        verify("/admin", "https://api.example/v1/orders"),
        mismatch()
    );
    // No path changes the host or leaves the prefix.
    for path in [".evil.example", "@evil.example", "//evil.example", "/../.."] {
        let htu = format!("https://api.example/v1{path}/orders");
        let other_host = format!("https://evil.example/{path}/orders");
        assert!(verify(path, &other_host).is_err(), "{path}");
        assert!(
            path.starts_with("//") || verify(path, &htu).is_err(),
            "{path}"
        );
    }
}

pub fn an_absolute_request_target_does_not_replace_public_url<D: Driver>() {
    let bound = Bound::<D>::new();
    for target in ["/orders?page=2", "https://api.example/orders", "*"] {
        let request = get(&bound, target, "https://api.example/orders");
        let (parts, ()) = request.into_parts();
        let outcome = bound.world.client.verify_request((&parts).into());
        let error = outcome.unwrap_err();
        assert_eq!(error.argument(), Some("http_url"), "{target}");
        assert_eq!(error.status_code(), 401);
    }
}

pub fn an_invalid_public_url_is_refused<D: Driver>() {
    for invalid in [
        "",
        "api.example",
        "ftp://x",
        "https://u@x",
        "https://x?y",
        "https://x/#y",
        "https:///",
    ] {
        let tenant = a0_testkit::LocalTenant::new("tenant.example").unwrap();
        let builder = builder::<D>(&tenant).public_url(invalid);
        let error = D::build(builder).err().unwrap();
        let description = error.error_description();
        assert!(description.starts_with("public_url must be"), "{invalid}");
    }
}

/// The API made this mistake, so the error does not blame the client's proof.
pub fn a_missing_method_or_url_is_reported_as_a_missing_argument<D: Driver>() {
    let bound = Bound::<D>::new();
    let proof = bound.proof().mint().unwrap();
    let request = || bound.request(&bound.token, &proof);
    for (request, argument) in [
        (request().method(""), "http_method"),
        (request().url(""), "http_url"),
        (request().url("/v1/orders"), "http_url"),
        (request().url("api.example/v1/orders"), "http_url"),
        (request().url("//api.example/v1/orders"), "http_url"),
        (request().url("ftp://api.example/v1/orders"), "http_url"),
        (request().url("https://u@api.example/v1/orders"), "http_url"),
    ] {
        let error = bound.world.client.verify_request(request).unwrap_err();
        assert_eq!(error.argument(), Some(argument));
        assert_eq!(error.status_code(), 401);
        assert_eq!(
            error.www_authenticate().as_deref(),
            Some(r#"Bearer realm="api""#)
        );
        // The source tells the operator which method to call.
        let hint = std::error::Error::source(&error).unwrap().to_string();
        assert!(hint.contains("RequestContext::"), "{hint}");
    }
    assert_eq!(bound.world.client.counts().requests_without_url, 7);
    assert_eq!(bound.world.fetches(), (0, 0));
    assert!(bound.send(&proof).is_ok());
}
