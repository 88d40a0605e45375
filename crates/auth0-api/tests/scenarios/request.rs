//! How a request is read.

use a0_testkit::ProofKey;
use auth0_api::{ErrorKind, RequestContext};

use super::{Driver, World};

pub fn rfc6750_2_1_and_rfc9110_11_1_the_field_is_scheme_spaces_token<D: Driver>() {
    let world = World::<D>::new();
    let token = world.token().mint().unwrap();
    let missing = Some(ErrorKind::MissingAuthorization);
    for (field, refusal) in [
        (format!("Bearer {token}"), None),
        (format!("bearer {token}"), None),
        (format!("BEARER    {token}"), None),
        // White space around a field's value is not part of it (RFC 9110 section 5.5).
        (format!(" Bearer {token}"), None),
        (format!("\t Bearer {token} \t "), None),
        (String::new(), missing.clone()),
        ("   ".into(), missing.clone()),
        ("Bearer".into(), missing.clone()),
        ("Bearer ".into(), missing.clone()),
        (token.clone(), missing.clone()),
        (format!("Bearer\t{token}"), missing.clone()),
        (format!("Bearer\u{a0}{token}"), missing.clone()),
        (format!("Basic {token}"), missing.clone()),
        (format!("Bearer: {token}"), missing.clone()),
    ] {
        let request = RequestContext::new().header("Authorization", &*field);
        let outcome = world.client.verify_request(request);
        let kind = outcome.err().map(|error| error.kind().clone());
        assert_eq!(kind, refusal, "{field:?}");
    }
    let none = world.client.verify_request(RequestContext::new());
    assert_eq!(none.unwrap_err().kind(), &ErrorKind::MissingAuthorization);

    // Nothing may follow the token either.
    for suffix in [
        " x", ",", ", x", "\n", "\t\n", "=", "==", ".", " Bearer", "\u{a0}",
    ] {
        let field = format!("Bearer {token}{suffix}");
        let request = RequestContext::new().header("Authorization", field);
        let error = world.client.verify_request(request).unwrap_err();
        assert_eq!(error.error_code(), "invalid_token", "{suffix:?}");
        let description = error.error_description();
        assert!(
            description.starts_with("Failed to parse token"),
            "{suffix:?}: {description}"
        );
    }
}

pub fn rfc9110_5_3_two_authorization_fields_are_refused<D: Driver>() {
    let world = World::<D>::new();
    let valid = format!("Bearer {}", world.token().mint().unwrap());
    for (first, second) in [
        (&*valid, &*valid),
        (&valid, ""),
        ("", &valid),
        (&valid, "Bearer x"),
    ] {
        let request = RequestContext::new()
            .header("authorization", first)
            .header("AUTHORIZATION", second);
        let error = world.client.verify_request(request).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidAuthScheme(_)));
        assert_eq!(error.status_code(), 400);
    }
    // The same for fields in maps, and for both forms together.
    let mut one = http::HeaderMap::new();
    one.insert("authorization", valid.parse().unwrap());
    let mut two = one.clone();
    two.append("authorization", "Bearer x".parse().unwrap());
    let single = || RequestContext::new().header("authorization", &*valid);
    for request in [
        RequestContext::new().headers(&two),
        RequestContext::new().headers(&one).headers(&one),
        single().headers(&one),
        RequestContext::new()
            .headers(&one)
            .header("Authorization", "Bearer x"),
    ] {
        let error = world.client.verify_request(request).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::InvalidAuthScheme(_)));
    }
    assert_eq!(world.fetches(), (0, 0));
    let no_fields = http::HeaderMap::new();
    let request = single().headers(&no_fields);
    assert!(world.client.verify_request(request).is_ok());
}

pub fn only_the_authorization_header_is_read<D: Driver>() {
    let world = World::<D>::new();
    let token = world.token().mint().unwrap();
    let request = RequestContext::new()
        .url(format!("https://api.example/?access_token={token}"))
        .header("Proxy-Authorization", format!("Bearer {token}"))
        .header("Cookie", format!("access_token={token}"));
    let error = world.client.verify_request(request).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::MissingAuthorization);
}

pub fn a_field_of_octets_that_are_no_text_is_refused<D: Driver>() {
    let world = World::<D>::new();
    let url = "https://api.example/things";
    let key = ProofKey::generate().unwrap();
    let bearer = format!("Bearer {}", world.token().mint().unwrap()).into_bytes();
    let token = world.token().bound_to(&key).mint().unwrap();
    let dpop = format!("DPoP {token}").into_bytes();
    let proof = key
        .proof("GET", url)
        .for_token(&token)
        .at(world.tenant.now());
    let proof = proof.mint().unwrap().into_bytes();
    let code = |authorization: &[u8], proof: Option<&[u8]>| {
        let request = http::Request::get(url).header("authorization", authorization);
        let request = match proof {
            Some(proof) => request.header("dpop", proof),
            None => request,
        };
        let request = request.body(()).unwrap();
        let context = RequestContext::from(&request).url(url);
        let result = world.client.verify_request(context);
        result.map_or_else(
            |error| error.error_code().to_owned(),
            |_| "accepted".to_owned(),
        )
    };
    let with = |value: &[u8], at: usize, octets: &[u8]| {
        let at = at.min(value.len());
        [&value[..at], octets, &value[at..]].concat()
    };
    assert_eq!(code(&bearer, None), "accepted");
    for octets in [
        &b"\xff"[..],
        b"\xc3\x28",
        b"\xc2\xa0",
        b"\xed\xa0\x80",
        b"\xe2\x80\x8b",
    ] {
        for (at, expected) in [
            (0, "invalid_request"),
            (3, "invalid_request"),
            (6, "invalid_request"),
            (7, "invalid_token"),
            (20, "invalid_token"),
            (400, "invalid_token"),
            (usize::MAX, "invalid_token"),
        ] {
            assert_eq!(
                code(&with(&bearer, at, octets), None),
                expected,
                "{octets:?} at {at}"
            );
        }
        for at in [0, 20, 400, usize::MAX] {
            let damaged = with(&proof, at, octets);
            assert_eq!(
                code(&dpop, Some(&damaged)),
                "invalid_dpop_proof",
                "{octets:?} at {at}"
            );
        }
    }
    assert_eq!(code(&dpop, Some(&proof)), "accepted");

    // The size is that of the octets that were sent.
    let size = bearer.len() - "Bearer ".len();
    let world = World::<D>::with(|builder| builder.max_token_size(size));
    let damaged = with(&bearer[..bearer.len() - 1], 20, b"\xff");
    let request = http::Request::get(url).header("authorization", damaged);
    let request = request.body(()).unwrap();
    let error = world.client.verify_request((&request).into()).unwrap_err();
    assert_eq!(
        error.error_description(),
        "Failed to parse token: the header is not base64url"
    );
}

/// The diagnosis is for the operator, who knows what the client should have sent.
pub fn a_diagnosis_says_why_a_text_is_no_token<D: Driver>() {
    let world = World::<D>::new();
    let token = world.token().mint().unwrap();
    for (text, expected) in [
        (format!("\"{token}\"").into_bytes(), "in quotes"),
        (format!("'{token}").into_bytes(), "in quotes"),
        (format!("Bearer {token}").into_bytes(), "contains a space"),
        (format!("{token}.e30.e30").into_bytes(), "is encrypted"),
        (b"opaque".to_vec(), "is opaque"),
        (b"opaque \xff".to_vec(), "are not UTF-8"),
    ] {
        let field = [b"Bearer ", &text[..]].concat();
        let request = http::Request::get("/").header("authorization", field);
        let request = request.body(()).unwrap();
        let error = world.client.verify_request((&request).into()).unwrap_err();
        let diagnosis = error.diagnosis();
        let details = diagnosis.details().unwrap_or_default();
        assert!(details.contains(expected), "{expected}: {details}");
    }
}

pub fn an_http_request_converts_to_a_request_context<D: Driver>() {
    let world = World::<D>::new();
    let field = format!("Bearer {}", world.token().mint().unwrap());
    let request = http::Request::get("/things?page=2")
        .header("authorization", &field)
        .body("a body")
        .unwrap();
    assert!(world.client.verify_request((&request).into()).is_ok());
    let (parts, _) = request.into_parts();
    assert!(world.client.verify_request((&parts).into()).is_ok());
    let context = RequestContext::new().header("authorization", &*field);
    assert!(world.client.verify_request((&context).into()).is_ok());

    let context = RequestContext::new()
        .headers(&parts.headers)
        .header("dpop", "canary");
    assert!(!format!("{context:?}").contains("canary"));
    assert!(format!("{context:?}").contains("authorization"));
}
