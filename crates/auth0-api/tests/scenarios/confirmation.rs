//! Tokens that are bound to a key.

use a0_testkit::ProofKey;
use auth0_api::DpopMode;
use serde_json::{Value, json};

use super::{Driver, World};

pub fn rfc7800_3_1_and_rfc9449_7_2_a_bound_token_is_refused_as_a_bearer_token<D: Driver>() {
    let world = World::<D>::new();
    let jkt = ProofKey::generate().unwrap().thumbprint().to_owned();
    let dpop = "DPoP-bound token requires the DPoP authentication scheme, not Bearer";
    let format = "JWT Access Token has invalid confirmation claim format";
    let other = "Sender-constrained token cannot be used as a Bearer token";
    for (cnf, description) in [
        (json!({"jkt": jkt}), dpop),
        (json!({"jkt": ""}), dpop),
        (json!({"jkt": null}), dpop),
        (json!({"jkt": jkt, "x5t#S256": "x"}), dpop),
        (json!({"x5t#S256": "x"}), other),
        (json!({"unknown": 1}), other),
        (json!({}), format),
        (Value::Null, format),
        (json!(""), format),
        (json!([]), format),
        (json!(false), format),
    ] {
        let token = world.token().claim("cnf", cnf.clone()).mint().unwrap();
        let error = world.verify_bearer(&token).unwrap_err();
        assert_eq!(error.error_description(), description, "{cnf}");
        assert_eq!(error.error_code(), "invalid_token");
        assert_eq!(world.fetches(), (0, 0), "{cnf}");
    }
    // One exception: DPoP is disabled, and `jkt` is the only member of `cnf`.
    let disabled = World::<D>::with(|builder| builder.dpop(DpopMode::Disabled));
    for (cnf, description) in [
        (json!({"jkt": jkt}), None),
        (json!({"jkt": ""}), None),
        (json!({"jkt": null}), Some(dpop)),
        (json!({"jkt": 7}), Some(dpop)),
        (json!({"jkt": jkt, "x5t#S256": "x"}), Some(dpop)),
        (json!({"jkt": jkt, "unknown": 1}), Some(dpop)),
        (json!({"x5t#S256": "x"}), Some(other)),
        (json!({}), Some(format)),
        (Value::Null, Some(format)),
    ] {
        let token = disabled.token().claim("cnf", cnf.clone()).mint().unwrap();
        let error = disabled.verify_bearer(&token).err();
        let actual = error.map(|error| error.error_description());
        assert_eq!(actual.as_deref(), description, "{cnf}");
    }
    let twice = r#"{"cnf":{"jkt":"a"},"cnf":{}}"#;
    let token = world.token().raw_payload(twice).mint().unwrap();
    assert!(world.verify_bearer(&token).is_err());

    // `verify_access_token` does not check `cnf`, as its documentation says.
    let token = world
        .token()
        .claim("cnf", json!({"jkt": jkt}))
        .mint()
        .unwrap();
    let verified = world.verify(&token).unwrap();
    assert_eq!(verified.confirmation().unwrap().unwrap()["jkt"], jkt);
}
