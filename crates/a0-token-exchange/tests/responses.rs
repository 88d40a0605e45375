//! Reading responses.

mod support;

use std::error::Error as _;
use std::io;

use a0_http::{TransportError, TransportErrorKind};
use a0_token_exchange::{
    ConnectionToken, DEFAULT_EXPIRES_IN, ErrorResponse, ExchangeError, InvalidResponse,
    IssuedToken, MAX_BODY_SIZE, TokenRequest,
};
use http::Response;
use support::{NOW, accept, client, exchange, json, now, on_behalf_of, response};

fn connection() -> TokenRequest<IssuedToken> {
    client()
        .connection_token(&ConnectionToken::new("c", "t"))
        .unwrap()
}

fn error_response(error: ExchangeError) -> ErrorResponse {
    match error {
        ExchangeError::Refused(error_response) => error_response,
        other => panic!("{other:?}"),
    }
}

#[test]
fn rfc6749_5_1_and_rfc8693_2_2_1_a_token_has_the_members_of_its_response() {
    let all = r#"{"access_token":"a","issued_token_type":"urn:i","token_type":"bEARER",
        "expires_in":60,"scope":"s t","refresh_token":"r","id_token":"i","other":[{"x":1,"x":2}]}"#;
    let token = accept(all).unwrap();
    assert_eq!(token.access_token(), "a");
    assert_eq!((token.expires_in(), token.expires_at()), (60, NOW + 60));
    assert!(!token.is_expiry_assumed());
    assert_eq!(token.scope(), Some("s t"));
    assert_eq!(token.token_type(), Some("bEARER"));
    assert!(token.is_token_type("Bearer") && !token.is_token_type("DPoP"));
    assert_eq!(token.issued_token_type(), Some("urn:i"));
    assert_eq!(
        (token.id_token(), token.refresh_token()),
        (Some("i"), Some("r"))
    );
    assert_eq!(token.dpop_nonce(), None);

    // Optional members are absent or null.
    for minimal in [
        r#"{"access_token":"a"}"#,
        r#"{"access_token":"a","scope":null,"token_type":null,"issued_token_type":null,
            "id_token":null,"refresh_token":null}"#,
    ] {
        let token = accept(minimal).unwrap();
        assert_eq!(token.expires_in(), DEFAULT_EXPIRES_IN);
        assert_eq!(token.expires_at(), NOW + 3600);
        assert!(token.is_expiry_assumed());
        assert_eq!((token.scope(), token.token_type()), (None, None));
        assert!(!token.is_token_type("Bearer") && !token.is_token_type(""));
        assert_eq!((token.issued_token_type(), token.id_token()), (None, None));
        assert_eq!(token.refresh_token(), None);
        assert_eq!(
            on_behalf_of().accept(json(minimal), now()).unwrap().scope(),
            None
        );
        assert_eq!(
            connection().accept(json(minimal), now()).unwrap().scope(),
            Some("")
        );
    }

    let empty = r#"{"access_token":"a","scope":"","token_type":"","issued_token_type":"",
        "id_token":"","refresh_token":""}"#;
    let token = accept(empty).unwrap();
    assert_eq!((token.scope(), token.token_type()), (Some(""), Some("")));
    assert_eq!(
        (token.issued_token_type(), token.id_token()),
        (Some(""), Some(""))
    );
    assert_eq!(token.refresh_token(), Some(""));

    let token = connection().accept(json(all), now()).unwrap();
    assert_eq!((token.access_token(), token.scope()), ("a", Some("s t")));
    let token = on_behalf_of().accept(json(all), now()).unwrap();
    assert_eq!((token.access_token(), token.expires_at()), ("a", NOW + 60));
}

#[test]
fn rfc8693_2_2_1_every_token_type_is_returned_unchanged() {
    for name in ["N_A", "n_a", "DPoP", "mac"] {
        let token = accept(format!(r#"{{"access_token":"a","token_type":"{name}"}}"#)).unwrap();
        assert_eq!(token.token_type(), Some(name));
        assert!(token.is_token_type(&name.to_lowercase()));
        assert!(!token.is_token_type("Bearer"));
    }
}

#[test]
fn expires_in_is_a_number_or_a_string_of_digits() {
    let negative = InvalidResponse::NegativeExpiresIn;
    let other = InvalidResponse::ExpiresIn;
    for (text, expected) in [
        ("0", Ok(0)),
        ("-0", Ok(0)),
        ("60", Ok(60)),
        ("1.9", Ok(1)),
        ("1e3", Ok(1000)),
        ("-0.5", Ok(0)),
        ("9007199254740993", Ok(9_007_199_254_740_993)),
        ("18446744073709551615", Ok(u64::MAX)),
        ("18446744073709551616", Ok(u64::MAX)),
        ("1000000000000000000000000000000", Ok(u64::MAX)),
        ("1e300", Ok(u64::MAX)),
        ("1e400", Ok(u64::MAX)),
        ("\"3600\"", Ok(3600)),
        ("\"\\u0036\"", Ok(6)),
        ("\"-0\"", Ok(0)),
        ("\"99999999999999999999\"", Ok(u64::MAX)),
        ("-1", Err(negative)),
        ("-1.5", Err(negative)),
        ("-1e400", Err(negative)),
        ("\"-5\"", Err(negative)),
        ("null", Err(other)),
        ("true", Err(other)),
        ("[]", Err(other)),
        ("{}", Err(other)),
        ("\"\"", Err(other)),
        ("\"-\"", Err(other)),
        ("\" 60\"", Err(other)),
        ("\"+60\"", Err(other)),
        ("\"6_0\"", Err(other)),
        ("\"1.5\"", Err(other)),
        ("\"1e3\"", Err(other)),
        ("\"inf\"", Err(other)),
        ("\"NaN\"", Err(other)),
        ("\"\u{663}\"", Err(other)),
    ] {
        let body = format!(r#"{{"access_token":"a","expires_in":{text}}}"#);
        let expected = expected.map_err(ExchangeError::InvalidResponse);
        let times = |token: &IssuedToken| (token.expires_in(), token.expires_at());
        let expected = expected.map(|seconds: u64| (seconds, NOW.saturating_add(seconds)));
        assert_eq!(accept(&body).map(|it| times(&it)), expected, "{text}");
        // The same for a connection's token, for which the reference accepts a negative lifetime.
        let response = connection().accept(json(&body), now());
        assert_eq!(response.map(|it| times(&it)), expected, "{text}");
    }
    for error in [negative, other] {
        assert_eq!(ExchangeError::from(error).error_code(), "invalid_response");
    }
    assert_eq!(negative.to_string(), "expires_in cannot be negative.");
    assert_eq!(other.to_string(), "expires_in is not an integer.");
    // A clock before 1970 counts as 1970.
    let before = std::time::UNIX_EPOCH - std::time::Duration::from_secs(9);
    let token = exchange().accept(json(r#"{"access_token":"a","expires_in":5}"#), before);
    assert_eq!(token.unwrap().expires_at(), 5);
}

#[test]
fn a_malformed_response_is_an_error() {
    let invalid = ExchangeError::InvalidResponse;
    let many = format!(
        r#"{{"access_token":"a","x":"{}"}}"#,
        "x".repeat(MAX_BODY_SIZE)
    );
    let deep = "[".repeat(100_000);
    let cases: Vec<(&[u8], ExchangeError)> = vec![
        (b"", ExchangeError::InvalidJson),
        (b"<html>", ExchangeError::InvalidJson),
        (b"nul", ExchangeError::InvalidJson),
        (b"null", ExchangeError::InvalidJson),
        (b"[]", ExchangeError::InvalidJson),
        (b"\"x\"", ExchangeError::InvalidJson),
        (b"5", ExchangeError::InvalidJson),
        (deep.as_bytes(), ExchangeError::InvalidJson),
        (br#"{"access_token":"a"} {}"#, ExchangeError::InvalidJson),
        (
            br#"{"access_token":"a","x":NaN}"#,
            ExchangeError::InvalidJson,
        ),
        (
            b"\xef\xbb\xbf{\"access_token\":\"a\"}",
            ExchangeError::InvalidJson,
        ),
        (b"{\"access_token\":\"\xff\"}", ExchangeError::InvalidJson),
        (
            b"{\"access_token\":\"a\",\"x\":\"\xff\"}",
            ExchangeError::InvalidJson,
        ),
        (
            br#"{"access_token":"a","access_token":"a"}"#,
            ExchangeError::InvalidJson,
        ),
        (
            br#"{"access_token":"a","\u0061ccess_token":"b"}"#,
            ExchangeError::InvalidJson,
        ),
        (
            br#"{"access_token":"a","x":1,"x":1}"#,
            ExchangeError::InvalidJson,
        ),
        (b"{}", invalid(InvalidResponse::AccessToken)),
        (
            br#"{"access_token":""}"#,
            invalid(InvalidResponse::AccessToken),
        ),
        (
            br#"{"access_token":null}"#,
            invalid(InvalidResponse::AccessToken),
        ),
        (
            br#"{"access_token":1}"#,
            invalid(InvalidResponse::AccessToken),
        ),
        (
            br#"{"access_token":["a"]}"#,
            invalid(InvalidResponse::AccessToken),
        ),
        (
            br#"{"access_token":"\ud800"}"#,
            invalid(InvalidResponse::AccessToken),
        ),
        (
            br#"{"Access_token":"a"}"#,
            invalid(InvalidResponse::AccessToken),
        ),
        (many.as_bytes(), invalid(InvalidResponse::TooLarge)),
    ];
    for (body, expected) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]);
        assert_eq!(accept(body).unwrap_err(), expected, "{shown}");
        assert_eq!(expected.status_code(), 502);
        // The media type of a 200 is ignored.
        let response = response(200, "text/html", body);
        assert_eq!(
            exchange().accept(response, now()).unwrap_err(),
            expected,
            "{shown}"
        );
    }
    assert_eq!(ExchangeError::InvalidJson.error_code(), "invalid_json");
    for name in [
        "scope",
        "token_type",
        "issued_token_type",
        "id_token",
        "refresh_token",
    ] {
        for value in ["1", "true", "[]", "{}"] {
            let body = format!(r#"{{"access_token":"a","{name}":{value}}}"#);
            let expected = invalid(InvalidResponse::Member(name));
            assert_eq!(accept(body).unwrap_err(), expected);
        }
    }
    assert_eq!(MAX_BODY_SIZE, 1024 * 1024);
    let fits = format!(
        r#"{{"access_token":"a"{}}}"#,
        " ".repeat(MAX_BODY_SIZE - 20)
    );
    assert_eq!(fits.len(), MAX_BODY_SIZE);
    assert!(accept(&fits).is_ok());
    assert_eq!(
        accept(fits + " ").unwrap_err(),
        invalid(InvalidResponse::TooLarge)
    );
}

#[test]
fn only_status_200_gives_a_token() {
    let body = r#"{"access_token":"a","error":"e"}"#;
    for status in [201, 202, 204, 206, 400, 401, 403, 404, 429, 500, 502, 503] {
        let error = exchange()
            .accept(response(status, "application/json", body), now())
            .unwrap_err();
        assert_eq!((error.status_code(), error.error_code()), (status, "e"));
    }
    let cached = Response::builder().header("cache-control", "public, max-age=9");
    assert!(
        exchange()
            .accept(cached.body(body.into()).unwrap(), now())
            .is_ok()
    );
}

#[test]
fn rfc6749_3_2_a_redirect_is_an_error() {
    for status in [300, 301, 302, 303, 304, 307, 308] {
        let response = response(
            status,
            "application/json",
            r#"{"access_token":"a","error":"e"}"#,
        );
        let error = exchange().accept(response, now()).unwrap_err();
        assert_eq!(error, InvalidResponse::Redirect(status).into());
        assert_eq!(
            (error.status_code(), error.error_code()),
            (502, "invalid_response")
        );
    }
}

#[test]
fn rfc6749_5_2_and_rfc8693_2_2_2_an_error_response_keeps_status_error_and_description() {
    let body = r#"{"error":"invalid_target","error_description":"No such API"}"#;
    for content_type in [
        "application/json",
        "text/json",
        "application/problem+json; charset=utf-8",
        "APPLICATION/JSON",
    ] {
        let error = exchange()
            .accept(response(400, content_type, body), now())
            .unwrap_err();
        assert_eq!(
            (error.status_code(), error.error_code()),
            (400, "invalid_target")
        );
        let error_response = error_response(error);
        assert_eq!(error_response.status_code(), 400);
        assert_eq!(error_response.error(), Some("invalid_target"));
        assert_eq!(error_response.error_description(), Some("No such API"));
        assert_eq!(error_response.dpop_nonce(), None);
        assert_eq!(error_response.to_string(), "Failed to exchange token: 400");
    }

    let long = format!(
        r#"{{"error":"{0}","error_description":"{0}"}}"#,
        "x".repeat(5000)
    );
    let (cut, cut_description) = ("x".repeat(128), "x".repeat(1024));
    let huge = format!(r#"{{"error":"e","x":"{}"}}"#, "x".repeat(MAX_BODY_SIZE));
    type Case<'a> = (&'a str, &'a [u8], Option<&'a str>, Option<&'a str>);
    let cases: Vec<Case<'_>> = vec![
        ("json", br#"{"error":"e"}"#, Some("e"), None),
        ("json", br#"{"error_description":"d"}"#, None, Some("d")),
        (
            "json",
            br#"{"error":"","error_description":""}"#,
            None,
            None,
        ),
        (
            "json",
            br#"{"error":5,"error_description":{"a":1}}"#,
            None,
            None,
        ),
        (
            "json",
            "{\"error\":\"a\\\"\\\\\\r\\n\u{e9}b\",\"error_description\":\"\\u0001c <d>\"}"
                .as_bytes(),
            Some("ab"),
            Some("c <d>"),
        ),
        ("json", long.as_bytes(), Some(&cut), Some(&cut_description)),
        ("json", b"nope", None, None),
        ("json", b"", None, None),
        ("json", br#"["error"]"#, None, None),
        ("json", br#"{"error":"a","error":"b"}"#, None, None),
        ("json", b"{\"error\":\"e\",\"x\":\"\xff\"}", None, None),
        ("json", huge.as_bytes(), None, None),
        (
            "text/html",
            br#"{"error":"e","error_description":"d"}"#,
            None,
            None,
        ),
        ("", br#"{"error":"e"}"#, None, None),
    ];
    for (content_type, body, error, description) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]);
        let responses = [
            (
                exchange()
                    .accept(response(403, content_type, body), now())
                    .err(),
                "token_exchange_error",
            ),
            (
                on_behalf_of()
                    .accept(response(403, content_type, body), now())
                    .err(),
                "token_exchange_error",
            ),
            (
                connection()
                    .accept(response(403, content_type, body), now())
                    .err(),
                "connection_token_error",
            ),
        ];
        for (found, fallback) in responses {
            let found = found.unwrap();
            assert_eq!(found.error_code(), error.unwrap_or(fallback), "{shown}");
            let error_response = error_response(found);
            assert_eq!(error_response.error(), error, "{shown}");
            assert_eq!(error_response.error_description(), description, "{shown}");
        }
    }
    let error = connection()
        .accept(response(429, "json", ""), now())
        .unwrap_err();
    assert_eq!(error.to_string(), "Failed to get token for connection: 429");
}

#[test]
fn no_error_text_contains_the_servers_text() {
    let responses = [
        response(
            400,
            "json",
            r#"{"error":"SERVER","error_description":"SERVER"}"#,
        ),
        response(
            200,
            "json",
            r#"{"access_token":"a","SERVER":"SERVER","expires_in":"SERVER"}"#,
        ),
        response(200, "json", "SERVER"),
        response(200, "json", r#"{"access_token":"a","scope":["SERVER"]}"#),
    ];
    for response in responses {
        let error = exchange().accept(response, now()).unwrap_err();
        let mut shown = format!("{error} {error:?}");
        let mut source = error.source();
        while let Some(cause) = source {
            shown += &format!("{cause} {cause:?}");
            source = cause.source();
        }
        assert!(!shown.contains("SERVER"), "{shown}");
    }
}

#[test]
fn a_transport_failure_has_its_code() {
    for kind in [
        TransportErrorKind::Refused,
        TransportErrorKind::Connect,
        TransportErrorKind::Tls,
        TransportErrorKind::Io,
        TransportErrorKind::Protocol,
        TransportErrorKind::HeaderTooLarge,
        TransportErrorKind::TooManyExchanges,
        TransportErrorKind::Other,
    ] {
        let error = ExchangeError::from(TransportError::from(kind));
        assert_eq!(
            (error.status_code(), error.error_code()),
            (502, "network_error")
        );
        assert_eq!(error.to_string(), "Network error occurred");
    }
    let cause = TransportError::from(io::Error::from(io::ErrorKind::TimedOut));
    let error = ExchangeError::from(cause);
    assert_eq!(
        (error.status_code(), error.error_code()),
        (504, "timeout_error")
    );
    assert_eq!(error.to_string(), "Request to token endpoint timed out");
    let source = error
        .source()
        .and_then(|it| it.downcast_ref::<TransportError>());
    assert_eq!(
        source.map(TransportError::kind),
        Some(TransportErrorKind::Timeout)
    );
    let error = ExchangeError::from(TransportError::from(TransportErrorKind::BodyTooLarge));
    assert_eq!(error, InvalidResponse::TooLarge.into());
}
