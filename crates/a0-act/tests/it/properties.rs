//! Properties that hold for any JSON.

use a0_act::{ActError, MAX_ACTORS, get_current_actor, get_delegation_chain};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[ \\t]{0,2}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        6 => Just("act".to_owned()),
        6 => Just("sub".to_owned()),
        2 => Just("iss".to_owned()),
        2 => prop::sample::select(&["client_id", "sub_profile", "client_profile"]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    leaf.prop_recursive(24, 128, 4, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            8 => prop::collection::vec((name.clone(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    "[a-z]{1,8}"
}

proptest! {
    #[test]
    fn no_json_panics_and_both_calls_agree(act in any_json()) {
        let claims = Map::from_iter([("act".to_owned(), act)]);
        let current = get_current_actor(&claims);
        match get_delegation_chain(&claims) {
            Ok(chain) => {
                prop_assert!(chain.len() <= MAX_ACTORS);
                prop_assert_eq!(chain.is_empty(), chain.current().is_none());
                prop_assert_eq!(Ok(chain.current()), current);
                for actor in &chain {
                    let profiles = [actor.sub_profile(), actor.client_profile()];
                    prop_assert!(profiles.iter().all(|profile| !matches!(profile, Ok(Some(it)) if it.contains(""))));
                    let _ = actor.client_id();
                }
            }
            // If the current actor fails, the chain fails with the same error.
            Err(error) => prop_assert!(current.is_ok() || current == Err(error)),
        }
    }

    #[test]
    fn n_nested_actors_come_back_in_order(
        actors in prop::collection::vec((name(), prop::option::of(name())), 0..24)
    ) {
        let mut act = Value::Null;
        for (sub, iss) in actors.iter().rev() {
            let mut level = Map::from_iter([("sub".to_owned(), json!(sub)), ("act".to_owned(), act)]);
            if let Some(iss) = iss {
                level.insert("iss".to_owned(), json!(iss));
            }
            act = Value::Object(level);
        }
        let claims = Map::from_iter([("sub".to_owned(), json!("alice")), ("act".to_owned(), act)]);
        if actors.len() > MAX_ACTORS {
            prop_assert_eq!(get_delegation_chain(&claims), Err(ActError::TooDeep));
            return Ok(());
        }
        let chain = get_delegation_chain(&claims).unwrap();
        let read: Vec<(String, Option<String>)> = chain
            .iter()
            .map(|actor| (actor.sub().to_owned(), actor.iss().map(str::to_owned)))
            .collect();
        prop_assert_eq!(read, actors);
        prop_assert_eq!(Ok(chain.current()), get_current_actor(&claims));
    }
}
