//! SEP-1932, the DPoP profile of MCP: which requests with proofs a server accepts, and how it refuses the others.
//!
//! The cases are those that a conformance scenario for servers checks, and a few more. A real server of `rmcp` is
//! behind the layer. Each case is sent with a fresh proof, in every mode that takes proofs, with nonces of the server
//! and without.

use std::time::Duration;

use crate::common::*;
use a0_mcp::McpAuth;
use a0_testkit::{Algorithm, LocalTenant, ProofBuilder, ProofKey, SigningKey};
use auth0_api::asynchronous::ApiClient;
use auth0_api::proof::NonceIssuer;
use auth0_api::{DpopMode, Policy};
use http::{HeaderValue, Request};

/// What a client presents, and everything it is made of.
struct Bench {
    tenant: LocalTenant,
    key: ProofKey,
    /// Bound to the key.
    token: String,
    server: Server,
    mode: DpopMode,
    nonce: Option<String>,
}

impl Bench {
    async fn new(mode: DpopMode, has_nonces: bool) -> Self {
        let tenant = tenant();
        let mut builder = builder(&tenant)
            .dpop(mode)
            .public_url("https://api.example");
        if has_nonces {
            builder = builder.dpop_nonces(NonceIssuer::new([7; 32], Duration::from_secs(300)));
        }
        let client: ApiClient = builder.build_async().unwrap();
        let layer = McpAuth::new(client.clone()).unwrap();
        let layer = layer
            .require(Policy::scope("mcp:use"))
            .tool("echo", Policy::verified());
        let server = Server::new(&client, layer);
        let key = ProofKey::generate().unwrap();
        let token = bound(&tenant, &key, RESOURCE);
        let mut bench = Bench {
            tenant,
            key,
            token,
            server,
            mode,
            nonce: None,
        };
        if has_nonces {
            let asked = bench
                .send(&bench.token, &[bench.proof().mint().unwrap()])
                .await;
            assert_eq!(asked.status, 401);
            assert_challenge(&asked, "DPoP", "use_dpop_nonce", "nonces");
            bench.nonce = Some(asked.headers["dpop-nonce"].to_str().unwrap().to_owned());
        }
        bench
    }

    /// A proof that is good for one request.
    fn proof(&self) -> ProofBuilder {
        self.proof_of(&self.token)
    }

    fn proof_of(&self, token: &str) -> ProofBuilder {
        self.with_nonce(self.key.proof("POST", RESOURCE).for_token(token))
    }

    fn with_nonce(&self, proof: ProofBuilder) -> ProofBuilder {
        let proof = proof.issued_at(NOW as i64);
        match &self.nonce {
            Some(nonce) => proof.nonce(nonce),
            None => proof,
        }
    }

    async fn send(&self, token: &str, proofs: &[String]) -> Answer {
        self.present(&format!("DPoP {token}"), proofs).await
    }

    async fn present(&self, authorization: &str, proofs: &[String]) -> Answer {
        let mut request: Request<_> = call(None, "echo");
        let fields = request.headers_mut();
        fields.insert("authorization", authorization.parse().unwrap());
        for proof in proofs {
            fields.append("dpop", HeaderValue::from_str(proof).unwrap());
        }
        self.server.send(request).await
    }
}

fn bound(tenant: &LocalTenant, key: &ProofKey, audience: &str) -> String {
    let token = tenant.access_token().audience(audience).scope("mcp:use");
    token.bound_to(key).mint().unwrap()
}

/// Whether an answer has a challenge of this scheme with this error and the metadata.
fn assert_challenge(answer: &Answer, scheme: &str, error: &str, what: &str) {
    let challenges = answer.challenges();
    let has = challenges.iter().any(|challenge| {
        challenge.starts_with(scheme)
            && challenge.contains(&format!("error=\"{error}\""))
            && challenge.contains(&format!("resource_metadata=\"{METADATA}\""))
    });
    assert!(has, "{what}: {challenges:?}");
}

const PROOF: &str = "invalid_dpop_proof";
const TOKEN: &str = "invalid_token";

/// Proofs that are wrong in one way each, with the error of the challenge.
fn wrong_proofs(bench: &Bench) -> Vec<(&'static str, Vec<String>, &'static str)> {
    let good = || bench.proof();
    let minted = |proof: ProofBuilder| vec![proof.mint().unwrap()];
    let other = ProofKey::generate().unwrap();
    let of = |key: &ProofKey, method: &str, url: &str| {
        minted(bench.with_nonce(key.proof(method, url).for_token(&bench.token)))
    };
    let window = |seconds: i64| minted(good().issued_at(NOW as i64 + seconds));
    let private = SigningKey::generate(Algorithm::Es256).unwrap();
    let mut private_jwk = private.public_jwk();
    private_jwk["d"] = "A".repeat(43).into();
    let symmetric = {
        let secret = SigningKey::secret([7; 32]).unwrap();
        let proof = good().header("alg", "HS256").mint().unwrap();
        let (message, _) = proof.rsplit_once('.').unwrap();
        let mac = secret.sign(Algorithm::Hs256, message.as_bytes()).unwrap();
        let mac = auth0_api::jose::base64url_encode(mac);
        format!("{message}.{mac}")
    };
    let tampered = {
        let proof = good().mint().unwrap();
        let (message, signature) = proof.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { "B" } else { "A" };
        format!("{message}.{first}{}", &signature[1..])
    };
    let proofs = vec![
        ("no proof", vec![]),
        (
            "two proofs",
            vec![good().mint().unwrap(), good().mint().unwrap()],
        ),
        ("not a JWT", vec!["this-is-no-jwt".to_owned()]),
        ("a changed signature", vec![tampered]),
        ("no signature", minted(good().unsigned())),
        (
            "the signature of another key",
            minted(good().header("jwk", other.public_jwk())),
        ),
        ("the key of somebody else", of(&other, "POST", RESOURCE)),
        ("another typ", minted(good().header("typ", "JWT"))),
        ("no typ", minted(good().without_header("typ"))),
        ("alg none", minted(good().header("alg", "none").unsigned())),
        ("a symmetric alg", vec![symmetric]),
        ("no jwk", minted(good().without_header("jwk"))),
        (
            "a private key in jwk",
            minted(good().header("jwk", private_jwk)),
        ),
        ("no jti", minted(good().without_claim("jti"))),
        ("no htm", minted(good().without_claim("htm"))),
        ("no htu", minted(good().without_claim("htu"))),
        ("no iat", minted(good().without_claim("iat"))),
        ("no ath", minted(good().without_claim("ath"))),
        (
            "another ath",
            minted(good().claim("ath", "not-the-right-hash")),
        ),
        (
            "the ath of another token",
            minted(bench.proof_of("another.access.token")),
        ),
        ("another method", of(&bench.key, "GET", RESOURCE)),
        (
            "another server",
            of(&bench.key, "POST", "https://wrong.example/mcp"),
        ),
        (
            "another path",
            of(&bench.key, "POST", "https://api.example/"),
        ),
        // The window of the profile is five minutes to both sides.
        ("an iat just before the window", window(-303)),
        ("an iat just after the window", window(303)),
    ];
    let error = |what: &str| match what {
        "the key of somebody else" | "the signature of another key" => TOKEN,
        _ => PROOF,
    };
    let proofs = proofs.into_iter();
    proofs
        .map(|(what, proofs)| (what, proofs, error(what)))
        .collect()
}

/// Every mode that takes proofs, with nonces of the server and without.
async fn benches() -> Vec<Bench> {
    let mut benches = Vec::new();
    for mode in [DpopMode::Allowed, DpopMode::Required] {
        for has_nonces in [false, true] {
            benches.push(Bench::new(mode, has_nonces).await);
        }
    }
    benches
}

#[tokio::test]
async fn a_good_proof_is_accepted_and_a_wrong_one_is_401_with_a_dpop_challenge() {
    for bench in benches().await {
        let good = [bench.proof().mint().unwrap()];
        let answer = bench.send(&bench.token, &good).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(bench.server.ran(), ["echo"]);
        // Of the window of the profile, this server accepts what clocks that differ need.
        for seconds in [-299, 29] {
            let edge = bench.proof().issued_at(NOW as i64 + seconds);
            let answer = bench.send(&bench.token, &[edge.mint().unwrap()]).await;
            assert_eq!(answer.status, 200, "{seconds}");
        }
        bench.server.ran();
        for (what, proofs, error) in wrong_proofs(&bench) {
            let answer = bench.send(&bench.token, &proofs).await;
            assert_eq!(answer.status, 401, "{what}");
            assert_challenge(&answer, "DPoP", error, what);
        }
        // Only the first use of a proof counts.
        let answer = bench.send(&bench.token, &good).await;
        assert_eq!(answer.status, 401);
        assert_challenge(&answer, "DPoP", PROOF, "a proof that was used");
        assert!(bench.server.ran().is_empty());
    }
}

#[tokio::test]
async fn a_good_proof_makes_no_bad_token_acceptable() {
    for bench in benches().await {
        let other = ProofKey::generate().unwrap();
        let plain = token(&bench.tenant, "mcp:use");
        let expired = bench.tenant.access_token().audience(RESOURCE);
        let expired = expired.bound_to(&bench.key).expires_in(-1).mint().unwrap();
        for (what, token) in [
            (
                "bound to another key",
                bound(&bench.tenant, &other, RESOURCE),
            ),
            (
                "for another server",
                bound(&bench.tenant, &bench.key, "https://other.example/mcp"),
            ),
            ("expired", expired),
            ("bound to no key", plain),
        ] {
            let proof = bench.proof_of(&token).mint().unwrap();
            let answer = bench.send(&token, &[proof]).await;
            assert_eq!(answer.status, 401, "{what}");
            assert_challenge(&answer, "DPoP", TOKEN, what);
        }
        assert!(bench.server.ran().is_empty());
    }
}

/// Without the check of the binding, a stolen token would work as a bearer token.
#[tokio::test]
async fn a_bound_token_is_no_bearer_token() {
    for bench in benches().await {
        let proof = bench.proof().mint().unwrap();
        for proofs in [vec![], vec![proof]] {
            let bearer = format!("Bearer {}", bench.token);
            let answer = bench.present(&bearer, &proofs).await;
            assert_eq!(answer.status, 401);
            let challenge = &answer.challenges()[0];
            let error = format!("error=\"{}\"", TOKEN);
            match bench.mode {
                // The scheme itself is not one of this server.
                DpopMode::Required => assert!(challenge.starts_with("DPoP "), "{challenge}"),
                _ => assert!(challenge.contains(&error), "{challenge}"),
            }
        }
        assert!(bench.server.ran().is_empty());
    }
}

#[tokio::test]
async fn the_modes_differ_about_bearer_tokens_and_their_challenges() {
    for (mode, schemes, bearer) in [
        (DpopMode::Disabled, &["Bearer"][..], 200),
        (DpopMode::Allowed, &["Bearer", "DPoP"], 200),
        (DpopMode::Required, &["DPoP"], 401),
    ] {
        let bench = Bench::new(mode, false).await;
        let stranger = bench.server.send(call(None, "echo")).await;
        assert_eq!(stranger.status, 401);
        let challenges = stranger.challenges();
        let mut offered: Vec<&str> = challenges
            .iter()
            .filter_map(|it| it.split(' ').next())
            .collect();
        offered.sort_unstable();
        assert_eq!(offered, schemes);
        let dpop = challenges.iter().find(|it| it.starts_with("DPoP"));
        assert!(dpop.is_none_or(|challenge| challenge.contains("algs=\"ES256\"")));
        let plain = token(&bench.tenant, "mcp:use");
        let answer = bench.server.send(call(Some(&plain), "echo")).await;
        assert_eq!(answer.status, bearer, "{mode:?}");
        bench.server.ran();
        if mode == DpopMode::Disabled {
            let proof = bench.proof().mint().unwrap();
            assert_eq!(bench.send(&bench.token, &[proof]).await.status, 401);
            assert!(bench.server.ran().is_empty());
        }
    }
}

#[tokio::test]
async fn a_nonce_is_asked_for_and_a_wrong_one_is_refused() {
    let bench = Bench::new(DpopMode::Allowed, true).await;
    let without = bench.key.proof("POST", RESOURCE).for_token(&bench.token);
    let without = without.issued_at(NOW as i64);
    for (what, proof) in [
        ("no nonce", without),
        ("another nonce", bench.proof().nonce("not-of-this-server")),
    ] {
        let answer = bench.send(&bench.token, &[proof.mint().unwrap()]).await;
        assert_eq!(answer.status, 401);
        assert_challenge(&answer, "DPoP", "use_dpop_nonce", what);
        assert!(answer.headers.contains_key("dpop-nonce"));
    }
    assert!(bench.server.ran().is_empty());
}

/// A client finds in the metadata that proofs are wanted, and with which algorithms.
#[tokio::test]
async fn the_metadata_says_what_the_mode_asks_for() {
    for (mode, required) in [(DpopMode::Allowed, None), (DpopMode::Required, Some(true))] {
        let bench = Bench::new(mode, false).await;
        let request = Request::get("/.well-known/oauth-protected-resource/mcp");
        let request = request.body(axum::body::Body::empty()).unwrap();
        let document = bench.server.send(request).await.json();
        assert_eq!(
            document["dpop_signing_alg_values_supported"],
            serde_json::json!(["ES256"])
        );
        let shown = document["dpop_bound_access_tokens_required"].as_bool();
        assert_eq!(shown.filter(|it| *it), required, "{document}");
    }
}
