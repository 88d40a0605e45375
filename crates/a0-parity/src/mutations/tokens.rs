//! The access token: its members, its bytes, its signature.

use a0_testkit::Algorithm;
use serde_json::{Value, json};

use super::{List, Members};
use crate::draft::{Draft, Jws, Keys, NOW, encode};

pub(super) fn add(list: &mut List, keys: &Keys) {
    header(list, keys);
    claims(list);
    let token: Of = |draft| Some(&mut draft.token);
    bytes(list, "token", token);
    signature(list, keys);
}

/// Which JWS of a draft is meant.
pub(super) type Of = fn(&mut Draft) -> Option<&mut Jws>;

fn header(list: &mut List, keys: &Keys) {
    let of: Members = |draft| Some(&mut draft.token.header);
    let algorithms = [
        "none", "RS384", "RS512", "PS256", "ES256", "HS256", "HS384", "HS512", "HS1", "hs256",
        "rs256", "EdDSA", "a\"b",
    ];
    let algorithms = algorithms.into_iter().map(Value::from).chain(odd());
    list.members("token header", "alg", algorithms, of);
    list.members("token header", "kid", odd().chain([json!("another")]), of);
    let types = [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "application/jwt",
        "jwt",
        "JOSE",
        "dpop+jwt",
        "id_token+jwt",
    ];
    let types = types.into_iter().map(Value::from).chain(odd());
    list.members("token header", "typ", types, of);
    let crits = [json!(["exp"]), json!(["b64"]), json!("b64")].into_iter();
    list.members("token header", "crit", crits.chain(odd()), of);
    list.members("token header", "b64", [json!(true), json!(false)], of);
    list.members("token header", "cty", [json!("JWT"), json!("json")], of);
    let jwk = keys.stranger.public_jwk();
    list.add("token header jwk is a stranger's", move |draft| {
        draft.token.header.insert("jwk".to_owned(), jwk.clone());
    });
    for member in ["jku", "x5u"] {
        list.members(
            "token header",
            member,
            [json!("https://other.example/")],
            of,
        );
    }
    list.members("token header", "x5c", [json!([]), json!(["AA"])], of);
}

/// Values that few members may have.
pub(super) fn odd() -> impl Iterator<Item = Value> {
    [
        json!(null),
        json!(""),
        json!(true),
        json!(0),
        json!(5),
        json!(1.5),
        json!([]),
        json!({}),
    ]
    .into_iter()
}

fn claims(list: &mut List) {
    let of: Members = |draft| Some(&mut draft.token.claims);
    let issuers = [
        "https://tenant.example",
        "https://tenant.example//",
        "http://tenant.example/",
        "https://TENANT.example/",
        "HTTPS://tenant.example/",
        "tenant.example",
        "https://other.example/",
        "https://tenant.example.other/",
        "https://tenant.example/path",
        "https://tenant.example/?q",
        "https://tenant.example/#f",
        "https://u@tenant.example/",
        " https://tenant.example/",
        "https://tenant.example/ ",
        "https://tenant.example:443/",
        "https://tenant.example./",
        "https://",
        "https://second.example/",
        "\u{130}",
    ];
    list.members(
        "token claim",
        "iss",
        issuers.into_iter().map(Value::from).chain(odd()),
        of,
    );
    let own = "https://api.example/";
    let audiences = [
        json!("https://api.example"),
        json!("https://api.example/x"),
        json!("HTTPS://api.example/"),
        json!([own]),
        json!(["other", own]),
        json!(["other"]),
        json!([own, 5]),
        json!([[own]]),
        json!([null, own]),
        json!({own: own}),
        json!(" https://api.example/"),
    ];
    list.members("token claim", "aud", audiences.into_iter().chain(odd()), of);
    for member in ["exp", "iat", "nbf"] {
        let times = [
            json!(NOW),
            json!(NOW + 1),
            json!(NOW - 1),
            json!(NOW + 60),
            json!(NOW as f64 + 0.5),
            json!(NOW as f64 - 0.5),
            json!("1800003600"),
            json!(-1),
            json!(1e300),
            json!(-1e300),
            json!(u64::MAX),
            json!("x"),
        ];
        list.members("token claim", member, times.into_iter().chain(odd()), of);
    }
    for member in ["sub", "scope", "azp", "permissions", "org_id", "email"] {
        list.members(
            "token claim",
            member,
            odd().chain([json!("text \u{e9}\u{1f511}")]),
            of,
        );
    }
    let confirmations = [
        json!({"jkt": "x"}),
        json!({"jkt": ""}),
        json!({"jkt": null}),
        json!({"jkt": 5}),
        json!({"x5t#S256": "x"}),
        json!({"jkt": "x", "x5t#S256": "x"}),
        json!({"other": 1}),
        json!({"jkt": "x", "other": 1}),
        json!(["jkt"]),
        json!("jkt"),
        json!({"jwk": {}}),
    ];
    list.members(
        "token claim",
        "cnf",
        confirmations.into_iter().chain(odd()),
        of,
    );
    let added = [
        ("x5t#S256", json!("x")),
        ("other", json!(1)),
        ("kid", json!("x")),
    ];
    for (member, value) in added {
        list.add(format!("token cnf with {member}"), move |draft| {
            if let Some(cnf) = draft
                .token
                .claims
                .get_mut("cnf")
                .and_then(Value::as_object_mut)
            {
                cnf.insert(member.to_owned(), value.clone());
            }
        });
    }
    let actors = [
        json!({"sub": "a"}),
        json!({"sub": 5}),
        json!({"sub": "a", "act": 5}),
    ];
    list.members("token claim", "act", actors.into_iter().chain(odd()), of);
}

/// What can be done to the text of any JWS.
pub(super) fn bytes(list: &mut List, part: &str, of: Of) {
    type Json = fn(String) -> String;
    let json_edits: [(&str, Json); 12] = [
        ("has a member twice", |json| {
            json.replacen('{', r#"{"twice":1,"twice":2,"#, 1)
        }),
        ("has a member twice within", |json| {
            json.replacen('{', r#"{"deep":[{"twice":1,"twice":1}],"#, 1)
        }),
        ("has its own first member twice", |json| {
            match json.split_once(',') {
                Some((first, _)) => json.replacen('{', &format!("{first},"), 1),
                None => json,
            }
        }),
        ("has white space", |json| json.replace(':', " :\n ")),
        ("has a byte order mark", |json| format!("\u{feff}{json}")),
        ("has more after its end", |json| format!("{json}x")),
        ("is cut", |json| {
            json.chars().take(json.chars().count() / 2).collect()
        }),
        ("is a list", |json| format!("[{json}]")),
        ("is a string", |_| "\"x\"".to_owned()),
        ("is null", |_| "null".to_owned()),
        ("has NaN", |json| json.replacen('{', "{\"nan\":NaN,", 1)),
        ("has an escaped name", |json| {
            json.replacen("\"i", "\"\\u0069", 1)
        }),
    ];
    for (at, segment) in ["header", "payload"].into_iter().enumerate() {
        for (name, edit) in json_edits {
            list.add(format!("{part} {segment} {name}"), move |draft| {
                if let Some(jws) = of(draft) {
                    jws.json_edits[at].push(Box::new(edit));
                }
            });
        }
        let segment_edits: [(&str, Json); 7] = [
            ("is padded", |segment| match segment.len() % 4 {
                0 => segment,
                more => format!("{segment}{}", "=".repeat(4 - more)),
            }),
            ("is padded too much", |segment| format!("{segment}====")),
            ("has spare bits", spare_bits),
            ("is empty", |_| String::new()),
            ("is not UTF-8", |_| encode(b"{\"a\":\"\xff\"}")),
            ("has a line break", |segment| format!("{segment}\n")),
            ("begins like bytes of Python", |segment| {
                format!("b'{segment}")
            }),
        ];
        for (name, edit) in segment_edits {
            list.add(format!("{part} {segment} {name}"), move |draft| {
                if let Some(jws) = of(draft) {
                    jws.segment_edits[at].push(Box::new(edit));
                }
            });
        }
    }
    let text_edits: [(&str, Json); 14] = [
        ("is empty", |_| String::new()),
        ("is opaque", |_| "opaque".to_owned()),
        ("has two segments", |text| {
            text.rsplit_once('.')
                .map_or_else(String::new, |it| it.0.into())
        }),
        ("has four segments", |text| format!("{text}.x")),
        ("has five segments", |text| format!("{text}.x.y")),
        ("ends in a dot", |text| format!("{text}.")),
        ("begins with a dot", |text| format!(".{text}")),
        ("is padded at its end", |text| format!("{text}==")),
        ("has a space at its end", |text| format!("{text} ")),
        ("has a space within", |text| text.replacen('.', " .", 1)),
        ("has a line break within", |text| {
            text.replacen('.', "\n.", 1)
        }),
        ("begins like bytes of Python", |text| format!("b'{text}'")),
        ("has letters of other scripts", |text| {
            format!("{text}\u{e9}")
        }),
        ("has no signature", |text| {
            text.rsplit_once('.')
                .map_or_else(String::new, |it| format!("{}.", it.0))
        }),
    ];
    for (name, edit) in text_edits {
        list.add(format!("{part} text {name}"), move |draft| {
            if let Some(jws) = of(draft) {
                jws.text_edits.push(Box::new(edit));
            }
        });
    }
    list.add(format!("{part} is large"), move |draft| {
        if let Some(jws) = of(draft) {
            jws.claims
                .insert("large".to_owned(), "x".repeat(20_000).into());
        }
    });
    type Bytes = fn(Vec<u8>) -> Vec<u8>;
    let signature_edits: [(&str, Bytes); 4] = [
        ("has another bit", |mut bytes| {
            bytes.iter_mut().take(9).for_each(|byte| *byte ^= 1);
            bytes
        }),
        ("is cut", |mut bytes| {
            bytes.pop();
            bytes
        }),
        ("is longer", |mut bytes| {
            bytes.push(0);
            bytes
        }),
        ("is zero", |bytes| vec![0; bytes.len()]),
    ];
    for (name, edit) in signature_edits {
        list.add(format!("{part} signature {name}"), move |draft| {
            if let Some(jws) = of(draft) {
                jws.signature_edits.push(edit);
            }
        });
    }
}

/// The same octets in another text, where the last character has bits to spare.
fn spare_bits(segment: String) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = segment;
    if !text.len().is_multiple_of(4)
        && let Some(last) = text.pop()
        && let Some(at) = ALPHABET.find(last)
    {
        text.push(ALPHABET.chars().nth(at | 1).unwrap_or(last));
    }
    text
}

fn signature(list: &mut List, keys: &Keys) {
    for (name, key, algorithm) in [
        ("a stranger's key", &keys.stranger, Algorithm::Rs256),
        ("RS512 of the tenant's key", &keys.tenant, Algorithm::Rs512),
        ("PS256 of the tenant's key", &keys.tenant, Algorithm::Ps256),
        (
            "the tenant's public key as a secret",
            &keys.secret,
            Algorithm::Hs256,
        ),
        ("a proof's key", &keys.proof, Algorithm::Es256),
        ("nothing", &keys.tenant, Algorithm::None),
    ] {
        for says_so in [true, false] {
            let key = key.clone();
            let and = if says_so { ", and says so" } else { "" };
            list.add(format!("token signed with {name}{and}"), move |draft| {
                draft.token.key = key.clone();
                draft.token.algorithm = algorithm;
                if says_so {
                    let name = algorithm.name();
                    draft.token.header.insert("alg".to_owned(), name.into());
                }
            });
        }
    }
}
