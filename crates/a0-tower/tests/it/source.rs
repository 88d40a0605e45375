//! Tokens in the subprotocols of a WebSocket handshake.

use a0_tower::source::{Subprotocol, SubprotocolError};
use http::{HeaderMap, HeaderValue};

use SubprotocolError::*;

#[test]
#[rustfmt::skip]
fn a_token_is_taken_and_never_left() {
    let source = Subprotocol::new("access_token").unwrap();
    type Taken = Result<Option<&'static str>, SubprotocolError>;
    let cases: &[(&[&str], Taken, &[&str])] = &[
        (&["chat, access_token.a.b.c"], Ok(Some("Bearer a.b.c")), &["chat"]),
        (&["access_token.a.b.c, chat, superchat"], Ok(Some("Bearer a.b.c")), &["chat, superchat"]),
        (&["chat,access_token.a.b.c ,\tsuperchat"], Ok(Some("Bearer a.b.c")), &["chat, superchat"]),
        (&["chat", "access_token.a.b.c", "superchat"], Ok(Some("Bearer a.b.c")), &["chat, superchat"]),
        (&["access_token.a.b.c"], Ok(Some("Bearer a.b.c")), &[]),
        // An offer that holds no token of this source stays as it is.
        (&["chat, superchat", "third"], Ok(None), &["chat, superchat", "third"]),
        (&["access_token"], Ok(None), &["access_token"]),
        (&["access_token, a.b.c"], Ok(None), &["access_token, a.b.c"]),
        (&["Access_Token.a.b.c"], Ok(None), &["Access_Token.a.b.c"]),
        (&["my.access_token.a.b.c"], Ok(None), &["my.access_token.a.b.c"]),
        (&["access_token_a.b.c"], Ok(None), &["access_token_a.b.c"]),
        (&[""], Ok(None), &[""]),
        (&[], Ok(None), &[]),
        // Ambiguous or empty, and still not left.
        (&["access_token.a.b.c, access_token.d.e.f"], Err(SeveralTokens), &[]),
        (&["access_token.a.b.c, access_token.a.b.c"], Err(SeveralTokens), &[]),
        (&["access_token.a.b.c", "chat", "access_token.a.b.c"], Err(SeveralTokens), &["chat"]),
        (&["access_token."], Err(NoToken), &[]),
        (&["chat, access_token. "], Err(NoToken), &["chat"]),
        (&["access_token., access_token.a.b.c"], Err(SeveralTokens), &[]),
    ];
    for (offers, expected, left) in cases {
        for has_authorization in [false, true] {
            let mut headers = HeaderMap::new();
            for offer in *offers {
                headers.append("sec-websocket-protocol", HeaderValue::from_str(offer).unwrap());
            }
            if has_authorization {
                headers.insert("authorization", HeaderValue::from_static(""));
            }
            let expected = match expected {
                Ok(None) => Ok(None),
                // Even an empty field is one of two ways.
                _ if has_authorization => Err(BesideAuthorization),
                other => *other,
            };
            let taken = source.take(&mut headers);
            let text = taken.as_ref().map(|value| value.as_ref().map(|value| value.to_str().unwrap()));
            assert_eq!(text, expected.as_ref().map(|value| *value), "{offers:?}");
            if let Ok(Some(value)) = &taken {
                assert!(value.is_sensitive());
                assert_eq!(format!("{value:?}"), "Sensitive");
            }
            let remaining: Vec<_> = headers.get_all("sec-websocket-protocol").iter().collect();
            assert_eq!(remaining, *left, "{offers:?}");
        }
    }
}

#[test]
fn octets_beyond_ascii_are_a_bad_token_and_no_panic() {
    let source = Subprotocol::new("t").unwrap();
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_bytes(b"ch\xe4t, t.\xff\xfe").unwrap();
    headers.insert("sec-websocket-protocol", value);
    let taken = source.take(&mut headers).unwrap().unwrap();
    assert_eq!(taken.as_bytes(), b"Bearer \xff\xfe");
    assert_eq!(headers["sec-websocket-protocol"].as_bytes(), b"ch\xe4t");
}

#[test]
fn a_name_is_a_token() {
    for (name, is_valid) in [
        ("access_token", true),
        ("base64url.bearer", true),
        ("", false),
        ("a b", false),
        ("a,b", false),
        ("a;b", false),
        ("a/b", false),
        ("\u{e4}", false),
        ("a\n", false),
    ] {
        assert_eq!(Subprotocol::new(name).is_ok(), is_valid, "{name:?}");
    }
}
