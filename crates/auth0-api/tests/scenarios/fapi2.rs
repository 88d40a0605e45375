//! The resource-server cases of the OpenID Foundation's conformance suite for FAPI 2 with DPoP, restated
//! in this project's words. All of them run against one client, one after the other, as in the suite.

use a0_testkit::{Algorithm, ProofBuilder, ProofKey, SigningKey};
use auth0_api::{Error, RequestContext, VerifiedToken};
use serde_json::{Value, json};

use super::dpop::Bound;
use super::{Driver, NOW};

const URL: &str = "https://api.example/v1/orders";

/// The request of a case.
enum Sent {
    /// A valid request with this proof.
    Proof(ProofBuilder),
    /// A valid request with this text in its `DPoP` field.
    Text(String),
    Request(RequestContext<'static>),
}

pub fn every_case_of_the_certification_suite_has_the_expected_outcome<D: Driver>() {
    let bound = Bound::<D>::new();
    let valid = || {
        bound
            .key
            .proof("GET", URL)
            .for_token(&bound.token)
            .issued_at(NOW)
    };
    let mint = |proof: ProofBuilder| proof.mint().unwrap();
    let other = ProofKey::generate().unwrap();
    let rsa = ProofKey::new(SigningKey::cached_rsa("fapi2").unwrap(), Algorithm::Rs256).unwrap();
    let authorization = |scheme: &str| format!("{scheme} {}", bound.token);
    let to = |url: &'static str| RequestContext::new().method("GET").url(url);
    let request = || to(URL).header("Authorization", authorization("DPoP"));
    let mut private = bound.key.public_jwk();
    private["d"] = "AAAA".into();
    let used_twice = mint(valid().jti("used twice"));
    let signed = mint(valid());
    let (input, _) = signed.rsplit_once('.').unwrap();

    use Sent::{Proof, Request, Text};
    let cases: [(&str, bool, Sent); 35] = [
        (
            "header name DPOP upper case",
            true,
            Request(request().header("DPOP", mint(valid()))),
        ),
        (
            "two DPoP headers",
            false,
            Request(
                request()
                    .header("DPoP", mint(valid()))
                    .header("DPoP", mint(valid())),
            ),
        ),
        (
            "proof with only two segments",
            false,
            Text(input.to_owned()),
        ),
        ("typ missing", false, Proof(valid().without_header("typ"))),
        (
            "alg renamed to alg2 after signing",
            false,
            Proof(valid().without_header("alg").header("alg2", "ES256")),
        ),
        ("jwk missing", false, Proof(valid().without_header("jwk"))),
        ("jti missing", false, Proof(valid().without_claim("jti"))),
        ("htm missing", false, Proof(valid().without_claim("htm"))),
        ("htu missing", false, Proof(valid().without_claim("htu"))),
        ("iat missing", false, Proof(valid().without_claim("iat"))),
        ("ath missing", false, Proof(valid().without_claim("ath"))),
        (
            "typ is dpop+jwt+wrongyousee",
            false,
            Proof(valid().header("typ", "dpop+jwt+wrongyousee")),
        ),
        (
            "RS256 proof with RSA key (FAPI2 profile only)",
            false,
            Proof(rsa.proof("GET", URL).for_token(&bound.token).issued_at(NOW)),
        ),
        (
            "alg none, no jwk",
            false,
            Proof(
                valid()
                    .header("alg", "none")
                    .without_header("jwk")
                    .unsigned(),
            ),
        ),
        (
            "signature altered",
            false,
            Proof(valid().with_signature([1; 64])),
        ),
        (
            "jwk carries the private key",
            false,
            Proof(valid().header("jwk", private)),
        ),
        (
            "htm PUT on another method",
            false,
            Proof(valid().claim("htm", "PUT")),
        ),
        (
            "htu with added query and fragment",
            true,
            Proof(valid().claim("htu", format!("{URL}?a=b#c"))),
        ),
        (
            "request with query, htu without",
            true,
            Request(
                to("https://api.example/v1/orders?page=2")
                    .header("Authorization", authorization("DPoP"))
                    .header("DPoP", mint(valid())),
            ),
        ),
        (
            "htu of another URL",
            false,
            Proof(valid().claim("htu", "https://api.example/v1/other")),
        ),
        (
            "iat one hour ahead, no nonce in use",
            false,
            Proof(valid().issued_at(NOW + 3600)),
        ),
        (
            "iat one hour ago, no nonce in use",
            false,
            Proof(valid().issued_at(NOW - 3600)),
        ),
        ("iat 10 s ahead", true, Proof(valid().issued_at(NOW + 10))),
        ("iat 10 s ago", true, Proof(valid().issued_at(NOW - 10))),
        ("jti first use", true, Text(used_twice.clone())),
        ("jti second use", false, Text(used_twice)),
        (
            "ath of another value",
            false,
            Proof(valid().for_token("another token")),
        ),
        (
            "proof by another key",
            false,
            Proof(
                other
                    .proof("GET", URL)
                    .for_token(&bound.token)
                    .issued_at(NOW),
            ),
        ),
        (
            "extra header and claim members",
            true,
            Proof(valid().header("x", json!({"y": 1})).claim("z", Value::Null)),
        ),
        (
            "htu scheme and host in upper case",
            true,
            Proof(valid().claim("htu", "HTTPS://API.EXAMPLE/v1/orders")),
        ),
        (
            "htu with :443",
            true,
            Proof(valid().claim("htu", "https://api.example:443/v1/orders")),
        ),
        ("DPoP scheme without proof", false, Request(request())),
        (
            "bound token as Bearer without proof",
            false,
            Request(to(URL).header("Authorization", authorization("Bearer"))),
        ),
        (
            "nbf now and exp +5 min inside the proof",
            true,
            Proof(valid().claim("nbf", NOW).claim("exp", NOW + 300)),
        ),
        ("valid proof after all of the above", true, Proof(valid())),
    ];
    for (case, accepted, sent) in cases {
        let request = match sent {
            Proof(proof) => request().header("DPoP", mint(proof)),
            Text(text) => request().header("DPoP", text),
            Request(request) => request,
        };
        let outcome: Result<VerifiedToken, Error> = bound.world.client.verify_request(request);
        match outcome {
            Ok(_) => assert!(accepted, "{case}"),
            Err(error) => {
                assert!(!accepted, "{case}: {error}");
                assert!([400, 401].contains(&error.status_code().as_u16()), "{case}");
            }
        }
    }
}
