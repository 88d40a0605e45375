//! Thumbprints, and the canonical text of each parameter of a key.

use a0_jose::{Algorithm, Compact, Jwk, JwkError, base64url_encode, json, sha256_base64url};
use josekit::jwk::alg::ed::EdCurve;
use serde_json::{Map, Value, json as value};

use super::common::{MAX_SIZE, SigningKey, with};

#[test]
fn rfc7638_3_2_only_the_required_members_are_hashed() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es384, Algorithm::EdDsa] {
        let key = SigningKey::new(algorithm).public_jwk("k");
        let thumbprint = |jwk: &Map<String, Value>| Jwk::from_object(jwk).unwrap().thumbprint();
        let plain = thumbprint(&key);
        for (name, value) in [
            ("kid", value!("other")),
            ("alg", value!("RSA-OAEP")),
            ("use", value!("enc")),
            ("x5t", value!(1)),
        ] {
            assert_eq!(thumbprint(&with(key.clone(), name, value)), plain, "{name}");
        }
        let other = json::parse_object(
            br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
        );
        assert_ne!(thumbprint(&other.unwrap()), plain);
    }
}

#[test]
fn rfc7638_3_a_key_of_every_kind_has_the_thumbprint_of_its_members_however_they_are_written() {
    for (key, required) in keys_of_every_kind() {
        let members = required
            .iter()
            .map(|name| format!("\"{name}\":{}", key[*name]));
        let members: Vec<String> = members.collect();
        let expected = sha256_base64url(format!("{{{}}}", members.join(",")));
        let thumbprint = Jwk::from_object(&key).unwrap().thumbprint();
        assert_eq!(thumbprint.to_string(), expected, "{key:?}");

        let escaped = required.iter().map(|name| {
            let text = key[*name].as_str().unwrap();
            let escaped = text.bytes().map(|octet| format!("\\u{octet:04x}"));
            format!("\"{name}\":\"{}\"", escaped.collect::<String>())
        });
        let escaped: Vec<String> = escaped.collect();
        let payload = base64url_encode(format!("{{\"jwk\":{{{}}}}}", escaped.join(",")));
        let token = format!("e30.{payload}.");
        let claims = Compact::parse(&token, MAX_SIZE).unwrap();
        let claims = claims.decode_payload().unwrap();
        let key = claims.members().get("jwk").and_then(json::Node::as_object);
        let thumbprint = Jwk::from_members(key.unwrap()).unwrap().thumbprint();
        assert_eq!(thumbprint.to_string(), expected);
    }
}

/// A thumbprint hashes the texts of a key's parameters, so each parameter must have only one text.
#[test]
fn rfc7515_2_a_number_of_a_key_has_one_text() {
    for (key, required) in keys_of_every_kind() {
        for name in required.iter().filter(|name| name.len() == 1) {
            let text = key[*name].as_str().unwrap();
            let (start, last) = text.split_at(text.len() - 1);
            // The next letter differs only in spare bits, if there are any.
            let next = char::from(last.as_bytes()[0] + 1);
            let spare = (text.len() % 4 != 0).then(|| format!("{start}{next}"));
            let others = [format!("{text}="), format!("{text}\n"), format!(" {text}")];
            for other in others.into_iter().chain(spare) {
                let key = with(key.clone(), name, other.clone().into());
                let error = Jwk::from_object(&key).unwrap_err();
                assert_eq!(error, JwkError::Member(name), "{other}");
            }
        }
    }
}

/// A public key of each kind, and the members that RFC 7638 requires, in its order.
fn keys_of_every_kind() -> Vec<(Map<String, Value>, &'static [&'static str])> {
    let made = |algorithm, jwk| SigningKey { algorithm, jwk }.public_jwk("k");
    let edwards = |curve| josekit::jwk::Jwk::generate_ed_key(curve).unwrap();
    let rsa = SigningKey::new(Algorithm::Rs256).public_jwk("k");
    let ec = [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512];
    let ec = ec.map(|algorithm| SigningKey::new(algorithm).public_jwk("k"));
    let okp = [
        made(Algorithm::EdDsa, edwards(EdCurve::Ed25519)),
        made(Algorithm::EdDsa, edwards(EdCurve::Ed448)),
    ];
    let rsa = [with(rsa.clone(), "e", value!("Aw")), rsa];
    let ec = ec.map(|key| (key, &["crv", "kty", "x", "y"][..]));
    let okp = okp.map(|key| (key, &["crv", "kty", "x"][..]));
    let rsa = rsa.map(|key| (key, &["e", "kty", "n"][..]));
    ec.into_iter().chain(okp).chain(rsa).collect()
}

#[test]
fn a_thumbprint_is_parsed_from_exactly_one_text() {
    let text = |length: usize| base64url_encode(vec![7; length]);
    assert!(text(32).parse::<a0_jose::Thumbprint>().is_ok());
    for wrong in [
        text(31),
        text(33),
        text(34),
        text(64),
        text(0),
        format!("{}=", text(32)),
    ] {
        assert!(wrong.parse::<a0_jose::Thumbprint>().is_err(), "{wrong}");
    }
    let spare = text(32).replace(char::is_alphanumeric, "_");
    assert!(spare.parse::<a0_jose::Thumbprint>().is_err(), "spare bits");
}
