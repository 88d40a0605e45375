//! The rules for `act`.

use a0_act::{ActError, Actor, CurrentActor, MAX_ACTORS, get_current_actor, get_delegation_chain};
use serde_json::{Map, Value, json};

fn claims(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("a test's claims are an object, not {other}"),
    }
}

/// Returns claims with these actors nested, the first one outermost.
fn nested(actors: &[&str]) -> Map<String, Value> {
    let mut act = Value::Null;
    for sub in actors.iter().rev() {
        act = json!({"sub": sub, "act": act});
    }
    claims(json!({"sub": "alice", "act": act}))
}

fn subs<'a>(actors: impl IntoIterator<Item = Actor<'a>>) -> Vec<&'a str> {
    actors.into_iter().map(|actor| actor.sub()).collect()
}

#[test]
fn without_act_there_is_no_actor() {
    for value in [json!({}), json!({"sub": "alice"}), json!({"act": null})] {
        let claims = claims(value);
        assert_eq!(get_current_actor(&claims), Ok(None), "{claims:?}");
        let chain = get_delegation_chain(&claims).unwrap();
        assert!(chain.is_empty(), "{claims:?}");
        assert_eq!(chain.len(), 0);
        assert_eq!(chain.current(), None);
        assert_eq!(chain.prior(), []);
    }
}

#[test]
fn rfc8693_4_1_act_is_an_object() {
    for act in [
        json!("reports"),
        json!(1),
        json!(true),
        json!(false),
        json!([]),
        json!([{"sub": "a"}]),
    ] {
        refused_at_every_level(&act, ActError::NotAnObject);
    }
}

#[test]
fn rfc8693_4_1_an_actor_has_a_sub_and_may_have_an_iss() {
    let cases = [
        (json!({}), ActError::SubMissing),
        (
            json!({"iss": "https://issuer.example/"}),
            ActError::SubMissing,
        ),
        (json!({"Sub": "reports"}), ActError::SubMissing),
        (json!({"sub": null}), ActError::SubNotAString),
        (json!({"sub": 7}), ActError::SubNotAString),
        (json!({"sub": true}), ActError::SubNotAString),
        (json!({"sub": ["reports"]}), ActError::SubNotAString),
        (json!({"sub": {"id": "reports"}}), ActError::SubNotAString),
        (
            json!({"sub": "reports", "iss": null}),
            ActError::IssNotAString,
        ),
        (json!({"sub": "reports", "iss": 7}), ActError::IssNotAString),
        (
            json!({"sub": "reports", "iss": ["https://issuer.example/"]}),
            ActError::IssNotAString,
        ),
        (
            json!({"sub": "reports", "iss": {}}),
            ActError::IssNotAString,
        ),
    ];
    for (act, error) in cases {
        refused_at_every_level(&act, error);
    }
}

#[test]
fn a_blank_sub_is_refused() {
    let blanks = [
        "",
        " ",
        "\t\r\n",
        "\u{b}\u{c}",
        "\u{1c}",
        "\u{1d}",
        "\u{1e}",
        "\u{1f}",
        "\u{85}",
        "\u{a0}",
        "\u{1680}",
        "\u{2000}",
        "\u{200a}",
        "\u{2028}",
        "\u{2029}",
        "\u{202f}",
        "\u{205f}",
        "\u{3000}",
        " \u{3000}\u{1f}\n",
    ];
    for blank in blanks {
        refused_at_every_level(&json!({"sub": blank}), ActError::SubBlank);
    }
    // These are not white space, and nothing is trimmed.
    for sub in [
        "a", " a ", "\u{0}", "\u{1b}", "\u{180e}", "\u{200b}", "\u{2060}", "\u{feff}",
    ] {
        let claims = nested(&[sub]);
        let actor = get_current_actor(&claims).unwrap().unwrap();
        assert_eq!(actor.sub(), sub);
    }
}

/// Asserts that an outermost `act` fails both functions, and a nested one only the chain.
fn refused_at_every_level(act: &Value, error: ActError) {
    let outermost = claims(json!({"sub": "alice", "act": act}));
    assert_eq!(get_current_actor(&outermost), Err(error), "{act}");
    assert_eq!(get_delegation_chain(&outermost), Err(error), "{act}");
    let second = claims(json!({"act": {"sub": "reports", "act": act}}));
    assert_eq!(
        get_current_actor(&second).unwrap().unwrap().sub(),
        "reports",
        "{act}"
    );
    assert_eq!(get_delegation_chain(&second), Err(error), "{act}");
    let third = claims(json!({"act": {"sub": "reports", "act": {"sub": "gateway", "act": act}}}));
    assert_eq!(
        get_current_actor(&third).unwrap().unwrap().sub(),
        "reports",
        "{act}"
    );
    assert_eq!(get_delegation_chain(&third), Err(error), "{act}");
}

#[test]
fn rfc8693_4_1_the_outermost_act_is_the_current_actor() {
    let claims = nested(&["newest", "middle", "oldest"]);
    let current = get_current_actor(&claims).unwrap().unwrap();
    assert_eq!(current.sub(), "newest");
    let chain = get_delegation_chain(&claims).unwrap();
    assert_eq!(chain.len(), 3);
    assert!(!chain.is_empty());
    assert_eq!(chain.current(), Some(current));
    assert_eq!(subs(chain.prior().iter().copied()), ["middle", "oldest"]);
    assert_eq!(subs(chain.iter().copied()), ["newest", "middle", "oldest"]);
    assert_eq!(
        subs((&chain).into_iter().copied()),
        ["newest", "middle", "oldest"]
    );
    assert_eq!(chain.iter().next().copied(), Some(Actor::from(current)));
    assert_eq!(subs(chain), ["newest", "middle", "oldest"]);
}

#[test]
fn rfc8693_4_1_validity_claims_inside_act_are_ignored() {
    let act = json!({"sub": "reports", "exp": 1, "nbf": 1e300, "aud": "other", "iat": "never", "jti": null});
    let claims = claims(json!({"sub": "alice", "act": act}));
    assert_eq!(
        get_current_actor(&claims).unwrap().unwrap().sub(),
        "reports"
    );
    assert_eq!(get_delegation_chain(&claims).unwrap().len(), 1);
}

#[test]
fn actors_with_different_issuers_differ() {
    let claims = claims(json!({"act": {
        "sub": "reports", "iss": "https://one.example/",
        "act": {"sub": "reports", "iss": "https://two.example/", "act": {"sub": "reports", "iss": ""}},
    }}));
    let chain = get_delegation_chain(&claims).unwrap();
    let issuers: Vec<Option<&str>> = chain.iter().map(|actor| actor.iss()).collect();
    assert_eq!(
        issuers,
        [
            Some("https://one.example/"),
            Some("https://two.example/"),
            Some("")
        ]
    );
    assert_eq!(chain.current().unwrap().iss(), Some("https://one.example/"));
    let [second, third] = chain.prior() else {
        panic!("not two prior actors")
    };
    assert_ne!(second, third);
    assert_eq!(
        get_current_actor(&nested(&["reports"]))
            .unwrap()
            .unwrap()
            .iss(),
        None
    );
}

#[test]
fn a_chain_has_at_most_sixteen_actors() {
    assert_eq!(MAX_ACTORS, 16);
    let names: Vec<String> = (0..40).map(|n| format!("actor-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (length, expected) in [
        (15, Ok(15)),
        (16, Ok(16)),
        (17, Err(ActError::TooDeep)),
        (40, Err(ActError::TooDeep)),
    ] {
        let claims = nested(&names[..length]);
        assert_eq!(
            get_delegation_chain(&claims).map(|chain| chain.len()),
            expected,
            "{length}"
        );
        assert_eq!(
            get_current_actor(&claims).unwrap().unwrap().sub(),
            "actor-0",
            "{length}"
        );
    }
}

#[test]
fn a_very_deep_chain_is_refused_without_recursion() {
    let mut act = json!({"sub": "reports"});
    for _ in 0..100_000 {
        act = Value::Object(Map::from_iter([
            ("sub".to_owned(), json!("reports")),
            ("act".to_owned(), act),
        ]));
    }
    let claims = Map::from_iter([("act".to_owned(), act)]);
    assert_eq!(get_delegation_chain(&claims), Err(ActError::TooDeep));
    assert_eq!(
        get_current_actor(&claims).unwrap().unwrap().sub(),
        "reports"
    );
    // Dropping such a value recurses inside serde_json and would overflow the stack.
    std::mem::forget(claims);
}

#[test]
fn every_error_begins_with_the_same_words_and_quotes_nothing() {
    let secret = "s3cr3t";
    let cases = [
        json!(secret),
        json!({secret: secret}),
        json!({"sub": {secret: secret}}),
        json!({"sub": "\u{a0}", "iss": secret}),
        json!({"sub": secret, "iss": [secret]}),
    ];
    let mut errors: Vec<ActError> = cases
        .into_iter()
        .map(|act| get_current_actor(&claims(json!({"act": act}))).unwrap_err())
        .collect();
    errors.push(get_delegation_chain(&nested(&[secret; 20])).unwrap_err());
    for (i, error) in errors.iter().enumerate() {
        let text = error.to_string();
        assert!(text.starts_with("Invalid act claim"), "{text}");
        assert!(
            !text.contains(secret) && !format!("{error:?}").contains(secret),
            "{text}"
        );
        assert!(
            errors.iter().skip(i + 1).all(|other| other != error),
            "{error:?} occurs twice"
        );
    }
}

#[test]
fn actors_outlive_the_chain() {
    let claims = nested(&["reports", "gateway"]);
    let (current, oldest): (CurrentActor<'_>, &str) = {
        let chain = get_delegation_chain(&claims).unwrap();
        (chain.current().unwrap(), chain.prior()[0].sub())
    };
    assert_eq!((current.sub(), oldest), ("reports", "gateway"));
}
