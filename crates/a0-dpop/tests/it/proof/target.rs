//! RFC 9449 section 4.3, checks 8 and 9: `htm` and `htu` match the request.

use a0_dpop::{ProofError, ProofRules, Target, UnverifiedProof};
use serde_json::{Value, json};

use super::common::{METHOD, TOKEN, URL, good, now, parse_htu, wrong_type};

#[test]
fn rfc9449_4_3_8_htm_is_the_method_exactly() {
    let outcome = |htm: Value, method: &str| {
        let proof = good().claim("htm", htm).mint().unwrap();
        let request = Target::new(method, parse_htu(URL), TOKEN);
        let unverified = ProofRules::new().validate(&proof, &request, None, now());
        unverified.and_then(UnverifiedProof::verify).map(|_| ())
    };
    let refused = || Err(ProofError::Method);
    for (htm, method, expected) in [
        ("POST", "POST", Ok(())),
        ("PROPFIND", "PROPFIND", Ok(())),
        ("post", "post", Ok(())),
        ("post", "POST", refused()),
        ("POST", "post", refused()),
        ("Post", "POST", refused()),
        ("GET", "POST", refused()),
        ("PUT", "POST", refused()),
        ("HEAD", "GET", refused()),
        ("", "POST", refused()),
        ("POST", "", refused()),
        (" POST", "POST", refused()),
        ("POST ", "POST", refused()),
        ("POST\u{0}", "POST", refused()),
        ("POSTS", "POST", refused()),
        ("*", "POST", refused()),
    ] {
        assert_eq!(outcome(htm.into(), method), expected, "{htm:?} {method:?}");
    }
    for htm in [json!(["POST"]), json!(0), Value::Null] {
        assert_eq!(outcome(htm.clone(), METHOD), wrong_type("htm"), "{htm}");
    }
}

#[test]
fn rfc9449_4_3_9_htu_is_the_url_without_query_and_fragment() {
    let outcome = |htu: Value, url: &str| {
        let proof = good().claim("htu", htu).mint().unwrap();
        let request = Target::new(METHOD, parse_htu(url), TOKEN);
        let unverified = ProofRules::new().validate(&proof, &request, None, now());
        unverified.and_then(UnverifiedProof::verify).map(|_| ())
    };
    let refused = || Err(ProofError::Url);
    for (htu, url, expected) in [
        (URL, URL, Ok(())),
        ("https://api.example/v1/orders?a=b", URL, Ok(())),
        ("https://api.example/v1/orders#a", URL, Ok(())),
        ("https://api.example/v1/orders?a=b#c", URL, Ok(())),
        (URL, "https://api.example/v1/orders?page=2", Ok(())),
        (URL, "https://api.example/v1/orders?page=2#a", Ok(())),
        (
            "https://api.example/v1/orders?page=1",
            "https://api.example/v1/orders?page=2",
            Ok(()),
        ),
        ("HTTPS://API.Example/v1/orders", URL, Ok(())),
        (URL, "HTTPS://API.Example/v1/orders", Ok(())),
        ("https://api.example:443/v1/orders", URL, Ok(())),
        (URL, "https://api.example:443/v1/orders", Ok(())),
        ("https://api.example/v1/%6frders", URL, Ok(())),
        ("https://api.example/v1/x/%2e%2E/./orders", URL, Ok(())),
        ("https://api.example", "https://api.example/", Ok(())),
        ("https://api.example/v1/Orders", URL, refused()),
        ("https://api.example/v1/orders/", URL, refused()),
        ("https://api.example/v1/orders/1", URL, refused()),
        ("https://api.example/v1", URL, refused()),
        ("https://api.example/", URL, refused()),
        ("https://api.example/v1%2Forders", URL, refused()),
        ("http://api.example/v1/orders", URL, refused()),
        ("https://api.example:8443/v1/orders", URL, refused()),
        ("https://api.example:80/v1/orders", URL, refused()),
        ("https://evil.example/v1/orders", URL, refused()),
        ("https://api.example./v1/orders", URL, refused()),
        ("https://api.example.evil.example/v1/orders", URL, refused()),
        ("https://api.example@evil.example/v1/orders", URL, refused()),
        ("https://joe@api.example/v1/orders", URL, refused()),
        ("https://@api.example/v1/orders", URL, refused()),
        ("/v1/orders", URL, refused()),
        ("//api.example/v1/orders", URL, refused()),
        ("api.example/v1/orders", URL, refused()),
        ("", URL, refused()),
        (" https://api.example/v1/orders", URL, refused()),
        ("https://api.example/v1/orders ", URL, refused()),
        ("https:\\\\api.example\\v1\\orders", URL, refused()),
        ("urn:example", URL, refused()),
    ] {
        assert_eq!(outcome(htu.into(), url), expected, "{htu:?} {url:?}");
    }
    for htu in [json!([URL]), json!(1), Value::Null, json!({"url": URL})] {
        assert_eq!(outcome(htu.clone(), URL), wrong_type("htu"), "{htu}");
    }
}
