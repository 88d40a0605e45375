//! The resource-server cases of the OpenID Foundation's conformance suite for FAPI 2 with DPoP, in
//! this project's words and under the suite's idea of each case. All of them run against one client,
//! one after the other, as the suite does it.

use a0_testkit::{Algorithm, ProofBuilder, ProofKey, SigningKey};
use auth0_api::{Error, RequestContext, VerifiedToken};
use serde_json::{Value, json};

use super::dpop::Bound;
use super::{Driver, NOW};

const URL: &str = "https://api.example/v1/orders";

/// What is sent instead of a good request.
enum Sent {
    /// A good request with this proof.
    Proof(ProofBuilder),
    /// A good request with this text in its `DPoP` field.
    Text(String),
    Whole(RequestContext<'static>),
}

pub fn every_case_of_the_certification_suite<D: Driver>() {
    let bound = Bound::<D>::new();
    let good = || {
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
    let one = mint(good().jti("used twice"));
    let signed = mint(good());
    let (input, _) = signed.rsplit_once('.').unwrap();

    use Sent::{Proof, Text, Whole};
    let cases: [(&str, bool, Sent); 35] = [
        (
            "header name DPOP upper case",
            true,
            Whole(request().header("DPOP", mint(good()))),
        ),
        (
            "two DPoP headers",
            false,
            Whole(
                request()
                    .header("DPoP", mint(good()))
                    .header("DPoP", mint(good())),
            ),
        ),
        (
            "proof with only two segments",
            false,
            Text(input.to_owned()),
        ),
        ("typ missing", false, Proof(good().without_header("typ"))),
        (
            "alg renamed to alg2 after signing",
            false,
            Proof(good().without_header("alg").header("alg2", "ES256")),
        ),
        ("jwk missing", false, Proof(good().without_header("jwk"))),
        ("jti missing", false, Proof(good().without_claim("jti"))),
        ("htm missing", false, Proof(good().without_claim("htm"))),
        ("htu missing", false, Proof(good().without_claim("htu"))),
        ("iat missing", false, Proof(good().without_claim("iat"))),
        ("ath missing", false, Proof(good().without_claim("ath"))),
        (
            "typ is dpop+jwt+wrongyousee",
            false,
            Proof(good().header("typ", "dpop+jwt+wrongyousee")),
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
                good()
                    .header("alg", "none")
                    .without_header("jwk")
                    .unsigned(),
            ),
        ),
        (
            "signature altered",
            false,
            Proof(good().with_signature([1; 64])),
        ),
        (
            "jwk carries the private key",
            false,
            Proof(good().header("jwk", private)),
        ),
        (
            "htm PUT on another method",
            false,
            Proof(good().claim("htm", "PUT")),
        ),
        (
            "htu with added query and fragment",
            true,
            Proof(good().claim("htu", format!("{URL}?a=b#c"))),
        ),
        (
            "request with query, htu without",
            true,
            Whole(
                to("https://api.example/v1/orders?page=2")
                    .header("Authorization", authorization("DPoP"))
                    .header("DPoP", mint(good())),
            ),
        ),
        (
            "htu of another URL",
            false,
            Proof(good().claim("htu", "https://api.example/v1/other")),
        ),
        (
            "iat one hour ahead, no nonce in use",
            false,
            Proof(good().issued_at(NOW + 3600)),
        ),
        (
            "iat one hour ago, no nonce in use",
            false,
            Proof(good().issued_at(NOW - 3600)),
        ),
        ("iat 10 s ahead", true, Proof(good().issued_at(NOW + 10))),
        ("iat 10 s ago", true, Proof(good().issued_at(NOW - 10))),
        ("jti first use", true, Text(one.clone())),
        ("jti second use", false, Text(one)),
        (
            "ath of another value",
            false,
            Proof(good().for_token("another token")),
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
            Proof(good().header("x", json!({"y": 1})).claim("z", Value::Null)),
        ),
        (
            "htu scheme and host in upper case",
            true,
            Proof(good().claim("htu", "HTTPS://API.EXAMPLE/v1/orders")),
        ),
        (
            "htu with :443",
            true,
            Proof(good().claim("htu", "https://api.example:443/v1/orders")),
        ),
        ("DPoP scheme without proof", false, Whole(request())),
        (
            "bound token as Bearer without proof",
            false,
            Whole(to(URL).header("Authorization", authorization("Bearer"))),
        ),
        (
            "nbf now and exp +5 min inside the proof",
            true,
            Proof(good().claim("nbf", NOW).claim("exp", NOW + 300)),
        ),
        ("valid proof after all of the above", true, Proof(good())),
    ];
    for (case, accepted, sent) in cases {
        let request = match sent {
            Proof(proof) => request().header("DPoP", mint(proof)),
            Text(text) => request().header("DPoP", text),
            Whole(request) => request,
        };
        let outcome: Result<VerifiedToken, Error> = bound.world.client.verify_request(request);
        match outcome {
            Ok(_) => assert!(accepted, "accepted: {case}"),
            Err(error) => {
                assert!(!accepted, "refused: {case}: {error}");
                assert!([400, 401].contains(&error.status_code().as_u16()), "{case}");
            }
        }
    }
}
