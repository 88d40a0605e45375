//! The proof of possession, and the request that it is made for.

use a0_testkit::Algorithm;
use serde_json::{Value, json};

use super::tokens::{Of, bytes, odd};
use super::{List, Members};
use crate::draft::{Draft, Keys, NOW};

pub(super) fn add(list: &mut List, keys: &Keys) {
    header(list, keys);
    claims(list);
    let proof: Of = |draft| draft.proof.as_mut();
    bytes(list, "proof", proof);
    key(list, keys);
    urls(list);
}

fn header(list: &mut List, keys: &Keys) {
    let of: Members = |draft| draft.proof.as_mut().map(|proof| &mut proof.header);
    let types = [
        "DPoP+JWT",
        "application/dpop+jwt",
        "JWT",
        "dpop+jwt ",
        "at+jwt",
    ];
    list.members(
        "proof header",
        "typ",
        types.into_iter().map(Value::from).chain(odd()),
        of,
    );
    let algorithms = ["none", "RS256", "ES384", "HS256", "es256"];
    let algorithms = algorithms.into_iter().map(Value::from).chain(odd());
    list.members("proof header", "alg", algorithms, of);
    list.members(
        "proof header",
        "crit",
        [json!([]), json!(["x"]), json!("x")],
        of,
    );
    list.members("proof header", "b64", [json!(true)], of);
    list.members("proof header", "cty", [json!("JWT")], of);
    list.members("proof header", "kid", [json!("x")], of);
    list.members(
        "proof header",
        "jwk",
        odd().chain([json!({"kty": "EC"})]),
        of,
    );
    for (name, key) in [
        ("an RSA key", &keys.stranger),
        ("a key on P-384", &keys.p384),
        ("another key", &keys.other_proof),
    ] {
        let jwk = key.public_jwk();
        list.add(format!("proof header jwk is {name}"), move |draft| {
            if let Some(proof) = &mut draft.proof {
                proof.header.insert("jwk".to_owned(), jwk.clone());
            }
        });
    }
}

fn claims(list: &mut List) {
    let of: Members = |draft| draft.proof.as_mut().map(|proof| &mut proof.claims);
    let ids = [
        json!(" "),
        json!("\t"),
        json!("x".repeat(256)),
        json!("x".repeat(257)),
    ];
    list.members("proof claim", "jti", ids.into_iter().chain(odd()), of);
    let methods = ["get", "Get", "POST", "GET ", " GET"];
    list.members(
        "proof claim",
        "htm",
        methods.into_iter().map(Value::from).chain(odd()),
        of,
    );
    let urls = [
        "https://api.example/orders?q=1",
        "https://api.example/orders#f",
        "HTTPS://api.example/orders",
        "https://API.example/orders",
        "https://api.example:443/orders",
        "https://api.example:8443/orders",
        "https://api.example/./orders",
        "https://api.example/x/../orders",
        "https://api.example/orders/",
        "https://api.example/Orders",
        "https://api.example/%6Frders",
        "https://api.example/%6frders",
        "http://api.example/orders",
        "https://u@api.example/orders",
        "/orders",
        "https://api.example",
        "https:\\\\api.example\\orders",
        " https://api.example/orders",
        "https://api.example/orders ",
        "https://api.example/or\tders",
        "https://api.example/or\u{ad}ders",
        "https://api.ex\u{ad}ample/orders",
        "https://\u{ff41}pi.example/orders",
        "ftp://api.example/orders",
        "https:api.example/orders",
        "https://api.example//orders",
        "https://api.example/orders%",
        "https://api.example/orders%2F",
        "https://api.example:/orders",
        "https://api.example./orders",
    ];
    list.members(
        "proof claim",
        "htu",
        urls.into_iter().map(Value::from).chain(odd()),
        of,
    );
    let times = [
        json!(NOW),
        json!(NOW + 30),
        json!(NOW + 31),
        json!(NOW as f64 + 30.5),
        json!(NOW - 300),
        json!(NOW - 301),
        json!(NOW as f64 - 300.5),
        json!(NOW.to_string()),
        json!(1e300),
    ];
    list.members("proof claim", "iat", times.into_iter().chain(odd()), of);
    let hashes = [
        json!("x"),
        json!("47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"),
    ];
    list.members("proof claim", "ath", hashes.into_iter().chain(odd()), of);
    list.members("proof claim", "nonce", odd(), of);
    list.add("proof claim ath left out", |draft| {
        draft.binds_token = false
    });
    list.add("proof claim iat is NaN", |draft| {
        if let Some(proof) = &mut draft.proof {
            let now = (NOW - 1).to_string();
            let edit = move |json: String| json.replacen(&format!(":{now}"), ":NaN", 1);
            proof.json_edits[1].push(Box::new(edit));
        }
    });
}

fn key(list: &mut List, keys: &Keys) {
    let members = [
        ("d", json!("x")),
        ("d", json!(null)),
        ("d", json!("")),
        ("p", json!("x")),
        ("k", json!("x")),
        ("q", json!(null)),
        ("oth", json!([])),
        ("kty", json!("RSA")),
        ("kty", json!("ec")),
        ("kty", json!(null)),
        ("crv", json!("P-384")),
        ("crv", json!("p-256")),
        ("crv", json!(5)),
        ("x", json!("")),
        ("x", json!(5)),
        ("x", json!("AA")),
        ("y", json!(null)),
        ("y", json!("AA")),
        ("alg", json!("ES256")),
        ("alg", json!("RS256")),
        ("alg", json!(5)),
        ("use", json!("sig")),
        ("use", json!("enc")),
        ("key_ops", json!(["verify"])),
        ("key_ops", json!(["sign"])),
        ("kid", json!("x")),
    ];
    for (member, value) in members {
        let name = format!("proof jwk {member}={}", super::shown(&value));
        list.add(name, move |draft| {
            if let Some(jwk) = jwk(draft) {
                jwk.insert(member.to_owned(), value.clone());
            }
        });
    }
    for member in ["kty", "crv", "x", "y"] {
        list.add(format!("proof jwk {member} absent"), move |draft| {
            if let Some(jwk) = jwk(draft) {
                jwk.remove(member);
            }
        });
    }
    for (name, key, algorithm) in [
        ("another key", &keys.other_proof, Algorithm::Es256),
        ("another curve", &keys.p384, Algorithm::Es384),
        ("RSA", &keys.stranger, Algorithm::Rs256),
        ("nothing", &keys.proof, Algorithm::None),
    ] {
        for consistently in [true, false] {
            let key = key.clone();
            let and = if consistently { ", and says so" } else { "" };
            list.add(format!("proof signed with {name}{and}"), move |draft| {
                let Some(proof) = &mut draft.proof else {
                    return;
                };
                proof.key = key.clone();
                proof.algorithm = algorithm;
                if consistently {
                    proof.header.insert("jwk".to_owned(), key.public_jwk());
                    proof
                        .header
                        .insert("alg".to_owned(), algorithm.name().into());
                }
            });
        }
    }
}

fn jwk(draft: &mut Draft) -> Option<&mut serde_json::Map<String, Value>> {
    let proof = draft.proof.as_mut()?;
    proof.header.get_mut("jwk")?.as_object_mut()
}

/// The request's own method and URL. The proof is made for what stands in the last column, where
/// something stands there.
fn urls(list: &mut List) {
    let rows = [
        ("https://api.example/orders?q=1", ""),
        ("https://api.example/orders#f", ""),
        ("https://API.example/orders", ""),
        ("https://api.example:443/orders", ""),
        ("https://api.example", "https://api.example/"),
        ("http://api.example:80/", "http://api.example"),
        ("http://127.0.0.1/", "http://127.1/"),
        ("http://[::1]/", "http://[0:0:0:0:0:0:0:1]/"),
        ("https://api.example/a%7Eb", "https://api.example/a~b"),
        ("https://api.example/a%7cb", "https://api.example/a|b"),
        ("https://api.example/a%7cb", "https://api.example/a%7Cb"),
        ("https://api.example/a%2fb", "https://api.example/a/b"),
        ("https://api.example/\u{e9}", "https://api.example/%C3%A9"),
        ("https://api.example/a b", "https://api.example/a%20b"),
        ("https://api.example/100%", "https://api.example/100%"),
        (
            "https://b\u{fc}cher.example/",
            "https://xn--bcher-kva.example/",
        ),
        ("https://api.example/%22%3C", "https://api.example/\"<"),
        ("https://api.example/a[0]", "https://api.example/a%5B0%5D"),
        ("https://api.example/a/../b", "https://api.example/b"),
        ("https://api.example/%2e%2e/b", "https://api.example/b"),
        ("orders", ""),
        ("/orders", ""),
        ("ftp://api.example/", "ftp://api.example/"),
        ("https://u:p@api.example/orders", ""),
        ("", ""),
    ];
    for (url, htu) in rows {
        for part in ["url", "request url"] {
            let name = format!("{part} {url:?} htu {htu:?}");
            list.add(name, move |draft| {
                draft.options.insert("url".to_owned(), url.into());
                if let Some(proof) = &mut draft.proof
                    && !htu.is_empty()
                {
                    proof.claims.insert("htu".to_owned(), htu.into());
                }
            });
        }
    }
    for part in ["url", "request"] {
        list.add(format!("{part} sent twice"), |draft| {
            draft.precede(json!({}))
        });
        for seconds in [60, 290, 301] {
            // Made when it was sent first.
            list.add(format!("{part} sent {seconds} s before"), move |draft| {
                if let Some(proof) = &mut draft.proof {
                    proof
                        .claims
                        .insert("iat".to_owned(), (NOW - seconds).into());
                }
                draft.precede(json!({"now": NOW - seconds}));
            });
        }
    }
    for method in ["POST", "get", "", "M-SEARCH"] {
        for part in ["url", "request"] {
            list.add(format!("{part} method {method:?}"), move |draft| {
                draft.options.insert("method".to_owned(), method.into());
            });
        }
    }
}
