//! Reading responses.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use crate::support::{NOW, accept, client, exchange, json, now, on_behalf_of, response};
use a0_http::{TransportError, TransportErrorKind};
use a0_token_exchange::{
    ConnectionToken, DEFAULT_EXPIRES_IN, ErrorResponse, ExchangeError, InvalidResponse,
    IssuedToken, MAX_BODY_SIZE, MAX_MEMBERS_SIZE, TokenRequest,
};
use http::Response;

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
            "id_token":null,"refresh_token":null,"expires_in":null}"#,
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
        ("null", Ok(DEFAULT_EXPIRES_IN)),
        ("\"null\"", Err(other)),
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
        assert_eq!(expected.endpoint_status(), 502);
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
        // An error with a success status would look like a success.
        let expected = if status < 400 { 502 } else { status };
        assert_eq!(
            (error.endpoint_status(), error.error_code()),
            (expected, "e")
        );
        assert_eq!(error_response(error).status_code(), status);
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
            (error.endpoint_status(), error.error_code()),
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
        "text/plain",
        "text/html; charset=utf-8",
        "application/octet-stream",
        "",
    ] {
        let error = exchange()
            .accept(response(400, content_type, body), now())
            .unwrap_err();
        assert_eq!(
            (error.endpoint_status(), error.error_code()),
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
            Some("e"),
            Some("d"),
        ),
        ("", br#"{"error":"e"}"#, Some("e"), None),
        ("text/html", b"<html>error</html>", None, None),
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
fn an_error_response_needs_no_content_type() {
    let mut response = response(401, "text/plain", r#"{"error":"invalid_client"}"#);
    response.headers_mut().clear();
    let error = exchange().accept(response, now()).unwrap_err();
    assert_eq!(
        (error.endpoint_status(), error.error_code()),
        (401, "invalid_client")
    );
}

/// Some servers, and proxies in front of them, send every response with status 200.
#[test]
fn a_200_with_an_error_and_no_token_is_that_error() {
    for token in ["", r#""access_token":"","#, r#""access_token":null,"#] {
        for content_type in ["application/json", "text/html", ""] {
            let body = format!(
                r#"{{{token}"error":"invalid_target","error_description":"No such API","x":"y"}}"#
            );
            let error = exchange()
                .accept(response(200, content_type, &body), now())
                .unwrap_err();
            assert_eq!(
                (error.endpoint_status(), error.error_code()),
                (502, "invalid_target")
            );
            let refused = error_response(error);
            assert_eq!(refused.status_code(), 200);
            assert_eq!(refused.error_description(), Some("No such API"));
            assert_eq!(refused.member("x"), Some("y"));
        }
    }
    let token = accept(r#"{"access_token":"a","error":"e"}"#).unwrap();
    assert_eq!(token.access_token(), "a");
    for nameless in [r#"{"error":""}"#, r#"{"error":5}"#, r#"{"error":null}"#] {
        let expected = InvalidResponse::AccessToken.into();
        assert_eq!(accept(nameless).unwrap_err(), expected, "{nameless}");
    }
}

#[test]
fn further_members_of_an_error_response_are_data() {
    let body = r#"{"error":"mfa_required","error_description":"Multifactor is required",
        "mfa_token":"Fe26.2*\u0022\n\u00e9","mfa_requirements":{"challenge":[{"type":"otp"}]},
        "error_uri":"https://tenant.example/e","empty":"","nothing":null,"number":1e3}"#;
    let error = exchange().accept(response(403, "application/json", body), now());
    let error = error_response(error.unwrap_err());
    assert_eq!(error.error(), Some("mfa_required"));
    assert_eq!(error.member("mfa_token"), Some("Fe26.2*\"\n\u{e9}"));
    assert_eq!(error.member("error_uri"), Some("https://tenant.example/e"));
    assert_eq!(error.member("empty"), Some(""));
    for (name, json) in [
        ("mfa_requirements", r#"{"challenge":[{"type":"otp"}]}"#),
        ("nothing", "null"),
        ("number", "1e3"),
    ] {
        assert_eq!(error.member(name), None, "{name}");
        assert_eq!(error.member_json(name), Some(json), "{name}");
    }
    // These two have filtered accessors of their own.
    for name in ["error", "error_description", "absent", ""] {
        assert_eq!((error.member(name), error.member_json(name)), (None, None));
    }
    let other = exchange().accept(response(403, "json", r#"{"error":"mfa_required"}"#), now());
    assert_ne!(error, error_response(other.unwrap_err()));
}

#[test]
fn the_members_of_an_error_response_are_bounded() {
    let refused = |body: String| {
        let error = exchange().accept(response(403, "application/json", body), now());
        error_response(error.unwrap_err())
    };
    let large = "x".repeat(MAX_MEMBERS_SIZE);
    let error = refused(format!(r#"{{"error":"e","a":"{large}","mfa_token":"m"}}"#));
    assert_eq!(
        (error.member("a"), error.member("mfa_token")),
        (None, Some("m"))
    );

    let name = |number: usize| format!("{number:010}");
    let value = "x".repeat(1000);
    let members: Vec<_> = (0..500)
        .map(|number| format!(r#""{}":"{value}""#, name(number)))
        .collect();
    let error = refused(format!("{{{}}}", members.join(",")));
    let kept = (0..500).filter(|number| error.member(&name(*number)).is_some());
    assert_eq!(kept.count(), MAX_MEMBERS_SIZE / 1012);
}

#[test]
fn rfc9110_10_2_3_retry_after_of_a_busy_endpoint_is_data() {
    let date = |seconds: u64| httpdate::fmt_http_date(now() + Duration::from_secs(seconds));
    let past = httpdate::fmt_http_date(now() - Duration::from_secs(60));
    for (field, expected) in [
        ("0", Some(0)),
        ("120", Some(120)),
        ("18446744073709551615", Some(u64::MAX)),
        (&date(90), Some(90)),
        (&past, Some(0)),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("18446744073709551616", None),
    ] {
        for status in [200, 400, 403, 429, 500, 503] {
            let mut response = response(status, "application/json", r#"{"error":"e"}"#);
            let headers = response.headers_mut();
            headers.insert("retry-after", field.parse().unwrap());
            let error = error_response(exchange().accept(response, now()).unwrap_err());
            let expected = expected.filter(|_| matches!(status, 429 | 503));
            assert_eq!(
                error.retry_after(),
                expected.map(Duration::from_secs),
                "{status} {field}"
            );
        }
    }
    let error = exchange().accept(response(429, "json", "{}"), now());
    assert_eq!(error_response(error.unwrap_err()).retry_after(), None);
}

#[test]
fn no_error_text_contains_the_servers_text() {
    let responses = [
        response(
            400,
            "json",
            r#"{"error":"SERVER","error_description":"SERVER","SERVER":"SERVER","x":"SERVER"}"#,
        ),
        response(200, "json", r#"{"error":"SERVER","mfa_token":"SERVER"}"#),
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
        let mut shown = format!("{error} {error:?} {error:#?}");
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
            (error.endpoint_status(), error.error_code()),
            (502, "network_error")
        );
        assert_eq!(error.to_string(), "Network error occurred");
    }
    let cause = TransportError::from(io::Error::from(io::ErrorKind::TimedOut));
    let error = ExchangeError::from(cause);
    assert_eq!(
        (error.endpoint_status(), error.error_code()),
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
