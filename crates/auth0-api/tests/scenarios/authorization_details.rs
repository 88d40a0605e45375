//! `authorization_details`, RFC 9396.

use auth0_api::{DeniedBy, ErrorKind, Policy, Step, TokenError, VerifiedToken};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Driver, World};

#[derive(Debug, PartialEq, Deserialize)]
struct Payment {
    amount: u64,
    currency: String,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Detail {
    Payment { amount: u64, currency: String },
    Accounts { actions: Vec<String> },
}

fn verified<D: Driver>(world: &World<D>, details: Value) -> VerifiedToken {
    let token = world.token().claim("authorization_details", details);
    world.verify(&token.mint().unwrap()).unwrap()
}

/// The kinds by every reader; `None` for a refusal as a malformed claim.
fn read(token: &VerifiedToken) -> Option<usize> {
    let all = token.authorization_details::<Value>();
    let of_type = token.authorization_details_of_type::<Value>("payment");
    let policy = Policy::authorization_detail("payment", |_: &Value| true);
    let decided = token.authorize(&policy);
    match all {
        Ok(all) => {
            let payments = all.iter().filter(|detail| detail["type"] == "payment");
            assert_eq!(of_type.unwrap().len(), payments.count());
            Some(all.len())
        }
        Err(error) => {
            for error in [error, of_type.unwrap_err(), decided.unwrap_err()] {
                assert_eq!(error.status_code(), 401);
                assert_eq!(error.error_code(), "invalid_token");
                assert_eq!(error.reason(), "claim_type");
                assert_eq!(error.diagnosis().claim(), Some("authorization_details"));
                assert_eq!(error.diagnosis().step(), Some(Step::Authorization));
                assert!(!format!("{error:?} {error}").contains("s3cr3t"));
            }
            None
        }
    }
}

pub fn rfc9396_2_the_claim_is_an_array_of_objects_with_a_type<D: Driver>() {
    let world = World::<D>::new();
    for (details, expected) in [
        (json!([]), Some(0)),
        (json!([{"type": "payment"}]), Some(1)),
        (
            json!([{"type": "payment", "any": {"thing": [1, null]}}]),
            Some(1),
        ),
        (
            json!([{"type": "https://scheme.example/files"}, {"type": "payment"}]),
            Some(2),
        ),
        (json!([{"type": " payment "}]), Some(1)),
        // Not an array.
        (json!(null), None),
        (json!(""), None),
        (json!("[{\"type\":\"payment\"}]"), None),
        (json!(7), None),
        (json!(true), None),
        (json!({}), None),
        (json!({"type": "payment"}), None),
        (json!({"0": {"type": "payment"}}), None),
        // Not of objects.
        (json!([null]), None),
        (json!(["payment"]), None),
        (json!([[]]), None),
        (json!([[{"type": "payment"}]]), None),
        (json!([{"type": "payment"}, "s3cr3t"]), None),
        (json!([{"type": "payment"}, 1, {"type": "payment"}]), None),
        // Not with a type.
        (json!([{}]), None),
        (json!([{"type": null}]), None),
        (json!([{"type": ""}]), None),
        (json!([{"type": " \t\u{a0}"}]), None),
        (json!([{"type": 1}]), None),
        (json!([{"type": true}]), None),
        (json!([{"type": ["payment"]}]), None),
        (json!([{"type": {"payment": 1}}]), None),
        (json!([{"Type": "payment"}]), None),
        (json!([{"kind": "payment", "amount": "s3cr3t"}]), None),
        // One malformed object spoils all of them, wherever it stands.
        (json!([{"type": "payment"}, {"amount": 1}]), None),
        (json!([{"amount": 1}, {"type": "payment"}]), None),
    ] {
        let token = verified(&world, details.clone());
        assert_eq!(read(&token), expected, "{details}");
    }
    let none = world.verify(&world.token().mint().unwrap()).unwrap();
    assert_eq!(read(&none), Some(0));
}

/// Only the top-level claim counts: not one of a client, an actor or a scope.
pub fn rfc9396_9_1_the_claim_is_a_member_of_the_token_itself<D: Driver>() {
    let world = World::<D>::new();
    let details = json!([{"type": "payment"}]);
    let token = world
        .token()
        .claim("act", json!({"sub": "a", "authorization_details": details}))
        .claim("https://api.example/authorization_details", details.clone())
        .claim("Authorization_Details", details.clone())
        .claim("authorization_details_types", json!(["payment"]))
        .scope("payment");
    let token = world.verify(&token.mint().unwrap()).unwrap();
    assert_eq!(read(&token), Some(0));
    let policy = Policy::authorization_detail("payment", |_: &Value| true);
    assert_eq!(token.authorize(&policy).unwrap_err().status_code(), 403);
}

pub fn rfc9396_2_several_objects_may_have_one_type<D: Driver>() {
    let world = World::<D>::new();
    let token = world.token().authorization_details([
        json!({"type": "payment", "amount": 1, "currency": "EUR"}),
        json!({"type": "accounts", "actions": ["read"]}),
        json!({"type": "payment", "amount": 2, "currency": "USD"}),
    ]);
    let token = world.verify(&token.mint().unwrap()).unwrap();
    let payment = |amount, currency: &str| Payment {
        amount,
        currency: currency.to_owned(),
    };
    let payments = token.authorization_details_of_type::<Payment>("payment");
    assert_eq!(payments.unwrap(), [payment(1, "EUR"), payment(2, "USD")]);
    let all = token.authorization_details::<Detail>().unwrap();
    let [
        Detail::Payment { amount: 1, .. },
        Detail::Accounts { actions },
        Detail::Payment { .. },
    ] = &all[..]
    else {
        panic!("{all:?}")
    };
    assert_eq!(actions, &["read"]);
}

pub fn rfc9396_12_types_are_compared_octet_for_octet<D: Driver>() {
    let world = World::<D>::new();
    for (kind, expected) in [
        ("caf\u{e9}", true),
        ("cafe\u{301}", false),
        ("CAF\u{c9}", false),
        ("Caf\u{e9}", false),
        ("cafe", false),
        (" caf\u{e9}", false),
        ("caf\u{e9} ", false),
        ("caf\u{e9}\u{0}", false),
        ("caf", false),
        ("caf\u{e9}s", false),
        ("*", false),
        ("c\u{430}f\u{e9}", false),
    ] {
        let token = verified(&world, json!([{ "type": kind }]));
        let found = token.authorization_details_of_type::<Value>("caf\u{e9}");
        assert_eq!(!found.unwrap().is_empty(), expected, "{kind:?}");
        let policy = Policy::authorization_detail("caf\u{e9}", |_: &Value| true);
        assert_eq!(token.authorize(&policy).is_ok(), expected, "{kind:?}");
    }
}

/// The form of an object is the affair of the caller's type. A misfit names the place to the operator alone.
pub fn an_object_that_does_not_fit_the_callers_type_is_an_error<D: Driver>() {
    let world = World::<D>::new();
    let payment = json!({"type": "payment", "amount": 1, "currency": "EUR"});
    for (object, place) in [
        (
            json!({"type": "payment", "amount": "s3cr3t", "currency": "EUR"}),
            "[1].amount",
        ),
        (
            json!({"type": "payment", "amount": -1, "currency": "EUR"}),
            "[1].amount",
        ),
        (
            json!({"type": "payment", "amount": 1.5, "currency": "EUR"}),
            "[1].amount",
        ),
        (
            json!({"type": "payment", "amount": null, "currency": "EUR"}),
            "[1].amount",
        ),
        (json!({"type": "payment", "amount": 1}), "[1]"),
        (json!({"type": "payment"}), "[1]"),
    ] {
        let token = verified(&world, json!([payment, object]));
        let error = token
            .authorization_details_of_type::<Payment>("payment")
            .unwrap_err();
        assert_eq!(error.status_code(), 401);
        assert_eq!(
            error.kind(),
            &ErrorKind::VerifyAccessToken(TokenError::ClaimsForm)
        );
        let details = error.diagnosis().details().unwrap();
        let place = format!("at \"authorization_details{place}\"");
        assert!(details.starts_with(&place), "{details}");
        assert!(!format!("{error:?} {error} {details}").contains("s3cr3t"));
        // A policy is not satisfied by the object that fits.
        let policy = Policy::authorization_detail("payment", |_: &Payment| true);
        let error = token.authorize(&policy).unwrap_err();
        assert_eq!(error.reason(), "claims_form", "{object}");
    }
    // An object of another type need not fit, unless all are read.
    let other = json!({"type": "other", "amount": "much"});
    let token = verified(&world, json!([other, payment]));
    let payments = token.authorization_details_of_type::<Payment>("payment");
    assert_eq!(payments.unwrap().len(), 1);
    assert!(token.authorization_details::<Detail>().is_err());
    let extended = json!([{"type": "payment", "amount": 1, "currency": "EUR", "recurring": true}]);
    let token = verified(&world, extended);
    assert!(token.authorization_details::<Detail>().is_err());
    assert!(
        token
            .authorization_details_of_type::<Payment>("payment")
            .is_ok()
    );
}

pub fn a_policy_is_satisfied_by_an_object_of_its_type<D: Driver>() {
    let world = World::<D>::new();
    let policy = Policy::authorization_detail("payment", |payment: &Payment| {
        payment.currency == "EUR" && payment.amount >= 45
    });
    policy.validate().unwrap();
    let payment = |amount: u64, currency: &str| json!({"type": "payment", "amount": amount, "currency": currency});
    for (details, expected) in [
        (json!([payment(45, "EUR")]), true),
        (json!([payment(1, "EUR"), payment(50, "EUR")]), true),
        (json!([payment(50, "EUR"), payment(1, "USD")]), true),
        // One object must have it all.
        (json!([payment(1, "EUR"), payment(50, "USD")]), false),
        (json!([payment(44, "EUR")]), false),
        (json!([]), false),
        (
            json!([{"type": "refund", "amount": 45, "currency": "EUR"}]),
            false,
        ),
    ] {
        let token = verified(&world, details.clone());
        let outcome = world.client.authorize(&token, &policy);
        assert_eq!(outcome.is_ok(), expected, "{details}");
        if let Err(error) = outcome {
            assert_eq!(error.status_code(), 403);
            assert_eq!(error.error_code(), "forbidden");
            assert_eq!(error.reason(), "policy_authorization_detail");
            let denied = DeniedBy::AuthorizationDetail("payment".to_owned());
            assert_eq!(error.kind(), &ErrorKind::Forbidden(denied));
            assert_eq!(error.diagnosis().claim(), Some("authorization_details"));
        }
    }
    let panics = Policy::authorization_detail("payment", |_: &Value| panic!("a test"));
    let token = verified(&world, json!([payment(1, "EUR")]));
    assert_eq!(token.authorize(&panics).unwrap_err().status_code(), 500);
    for blank in ["", " "] {
        let unusable = Policy::authorization_detail(blank, |_: &Value| true);
        assert!(unusable.validate().is_err());
        assert_eq!(token.authorize(&unusable).unwrap_err().status_code(), 500);
    }
    assert_eq!(format!("{policy:?}"), "authorization_detail(\"payment\")");
}
