//! The rules for `act`.

use a0_act::{
    ActError, Actor, CurrentActor, EntityProfile, MAX_ACTORS, get_current_actor,
    get_delegation_chain,
};
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

/// The other members of an actor, each read by its accessor.
#[test]
fn client_and_profiles_of_an_actor_are_strings_at_every_level() {
    type Read = fn(Actor<'_>) -> Result<Option<String>, ActError>;
    let members: [(&str, Read, ActError); 3] = [
        (
            "client_id",
            |actor| Ok(actor.client_id()?.map(str::to_owned)),
            ActError::ClientIdNotAString,
        ),
        (
            "sub_profile",
            |actor| {
                Ok(actor
                    .sub_profile()?
                    .map(|profile| profile.as_str().to_owned()))
            },
            ActError::SubProfileNotAString,
        ),
        (
            "client_profile",
            |actor| {
                Ok(actor
                    .client_profile()?
                    .map(|profile| profile.as_str().to_owned()))
            },
            ActError::ClientProfileNotAString,
        ),
    ];
    for (name, read, error) in members {
        for (value, expected) in [
            (None, Ok(None)),
            (Some(json!("")), Ok(Some(""))),
            (
                Some(json!(" service  ai_agent ")),
                Ok(Some(" service  ai_agent ")),
            ),
            (Some(json!(null)), Err(error)),
            (Some(json!(false)), Err(error)),
            (Some(json!(7)), Err(error)),
            (Some(json!(["ai_agent"])), Err(error)),
            (Some(json!({"ai_agent": true})), Err(error)),
        ] {
            let mut act = claims(json!({"sub": "reports"}));
            if let Some(value) = value {
                act.insert(name.to_owned(), value);
            }
            let claims = claims(json!({"act": {
                "sub": "one", "act": {"sub": "two", "act": act.clone()},
            }}));
            let chain = get_delegation_chain(&claims).unwrap();
            let expected = expected.map(|text: Option<&str>| text.map(str::to_owned));
            assert_eq!(read(chain.prior()[1]), expected, "{act:?}");
            // The wrong type of one member spoils no other, and no other actor.
            assert_eq!(chain.len(), 3);
            for (other, read, _) in members.iter().filter(|(other, ..)| *other != name) {
                assert_eq!(read(chain.prior()[1]), Ok(None), "{other}");
            }
            assert_eq!(read(chain.prior()[0]), Ok(None));

            let claims = Map::from_iter([("act".to_owned(), Value::Object(act.clone()))]);
            let current = get_current_actor(&claims).unwrap().unwrap();
            assert_eq!(read(Actor::from(current)), expected, "{act:?}");
        }
    }
    let claims = claims(json!({"act": {
        "sub": "a", "client_id": "b", "sub_profile": "ai_agent", "client_profile": "service ai_agent",
    }}));
    let current = get_current_actor(&claims).unwrap().unwrap();
    assert_eq!(current.client_id(), Ok(Some("b")));
    assert_eq!(current.sub_profile().unwrap().unwrap().as_str(), "ai_agent");
    let profile = current.client_profile().unwrap().unwrap();
    assert_eq!(profile.as_str(), "service ai_agent");
}

#[test]
fn an_entity_profile_is_a_list_in_any_case() {
    for (text, values, is_agent) in [
        ("", vec![], false),
        ("  ", vec![], false),
        ("ai_agent", vec!["ai_agent"], true),
        ("AI_Agent", vec!["AI_Agent"], true),
        (" user  ai_agent ", vec!["user", "ai_agent"], true),
        ("ai_agents", vec!["ai_agents"], false),
        ("my_ai_agent", vec!["my_ai_agent"], false),
        ("ai agent", vec!["ai", "agent"], false),
        // Only the space separates.
        ("user\tai_agent", vec!["user\tai_agent"], false),
        ("user,ai_agent", vec!["user,ai_agent"], false),
        ("user\u{a0}ai_agent", vec!["user\u{a0}ai_agent"], false),
        // Another letter that only looks alike, and one that folds to an ASCII letter.
        ("\u{430}i_agent", vec!["\u{430}i_agent"], false),
        ("a\u{130}_agent", vec!["a\u{130}_agent"], false),
    ] {
        let profile = EntityProfile::new(text);
        assert_eq!(profile.iter().collect::<Vec<_>>(), values, "{text:?}");
        assert_eq!(profile.contains("ai_agent"), is_agent, "{text:?}");
        assert_eq!(profile.as_str(), text);
    }
    assert!(!EntityProfile::new("  ").contains(""));
}

/// `sub` and `iss` are an actor's identity, and all that `Debug` shows.
#[test]
fn an_actor_is_its_subject_and_issuer() {
    let one = claims(json!({"act": {"sub": "a", "client_id": "s3cr3t", "act": {"sub": "b"}}}));
    let two = claims(json!({"act": {"sub": "a", "client_id": [7]}}));
    let actors = [&one, &two].map(|claims| get_current_actor(claims).unwrap().unwrap());
    assert_eq!(actors[0], actors[1]);
    let distinct: std::collections::HashSet<_> = actors.into_iter().collect();
    assert_eq!(distinct.len(), 1);
    let text = format!("{:?}", actors[0]);
    assert!(text.contains("\"a\"") && !text.contains("s3cr3t"), "{text}");
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
    let members = [secret].map(|text| json!({secret: text}));
    let claims = claims(json!({"act": {
        "sub": "a", "client_id": members, "sub_profile": members, "client_profile": members,
    }}));
    let actor = get_current_actor(&claims).unwrap().unwrap();
    errors.push(actor.client_id().unwrap_err());
    errors.push(actor.sub_profile().unwrap_err());
    errors.push(actor.client_profile().unwrap_err());
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
