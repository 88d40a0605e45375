//! The rows of the table: what is measured of this SDK, and the base of each row.

use std::hint::black_box;
use std::sync::Arc;

use a0_jose::{Algorithm, Compact, Jwk, JwkSet, VerifyingKey};
use auth0_api::{ApiClient, Backend};
use http::Request;
use serde_json::json;

use crate::fixture::{AUDIENCE, Failure, Fixture, TOKENS};
use crate::measure::Candidate;
use crate::peers;
use crate::raw::{Key, Signed};
use crate::scale;

/// A candidate and its bars.
pub(crate) struct Row {
    pub(crate) candidate: Candidate<'static>,
    /// The number of the row that it is compared with.
    pub(crate) base: usize,
    /// The highest ratio to the base.
    pub(crate) bar: Option<f64>,
    /// Whether it has to scale to two threads like its base.
    pub(crate) scales: bool,
    /// Whether it has to be faster than every peer.
    pub(crate) leads: bool,
}

const BACKENDS: [(&str, Backend, Bars); 2] = [
    (
        "OpenSSL",
        Backend::OpenSsl,
        Bars {
            token: 1.00,
            dpop: 1.10,
            dpop_cached: 1.10,
        },
    ),
    (
        "aws-lc-rs",
        Backend::AwsLcRs,
        Bars {
            token: 1.09,
            dpop: 1.12,
            dpop_cached: 1.15,
        },
    ),
];

/// Each backend is compared with its own bare signature checks, so that the bars hold on machines on which
/// one library is faster, compared with the other, than on the machine they were set on.
struct Bars {
    token: f64,
    dpop: f64,
    dpop_cached: f64,
}

const CACHED: f64 = 0.05;
const GARBAGE: f64 = 0.05;

/// Calls in a batch, which then takes about two milliseconds.
const TOKEN_CALLS: usize = 96;
const PROOF_CALLS: usize = 48;
const QUICK_CALLS: usize = 1024;

pub(crate) fn rows(fixture: &Arc<Fixture>) -> Result<Vec<Row>, Failure> {
    let mut rows = Rows(Vec::new());
    add_tokens(&mut rows, fixture)?;
    add_proofs(&mut rows, fixture)?;
    for (bar, family) in scale::families()? {
        let first = rows.0.len();
        for candidate in family {
            let number = rows.0.len();
            rows.push(candidate, first).bar = bar.filter(|_| first != number);
        }
    }
    Ok(rows.0)
}

/// Adds the verification of bearer tokens, compared with the bare RS256 signature.
fn add_tokens(rows: &mut Rows, fixture: &Arc<Fixture>) -> Result<(), Failure> {
    let jwk = fixture.jwk();
    let key = Key::rs256(&jwk)?;
    let signed = fixture.bearer.iter().map(|token| Signed::rs256(token));
    let signed = signed.collect::<Result<Vec<_>, _>>()?;
    let rs256 = rows.base(Candidate::repeated(
        "RS256: OpenSSL, fresh Verifier",
        TOKEN_CALLS,
        move |n| key.verify(&signed[n % TOKENS]),
    ));
    let keys = JwkSet::parse_with_backend(
        fixture.tenant.jwks().to_string().as_bytes(),
        &[Algorithm::Rs256],
        Backend::AwsLcRs,
    )?;
    let tokens = Arc::clone(fixture);
    let key_id = jwk["kid"].as_str().unwrap_or_default().to_owned();
    let bare = Candidate::repeated("RS256: aws-lc-rs, key built", TOKEN_CALLS, move |n| {
        let key = keys.candidates(&key_id, Algorithm::Rs256).next();
        verify_bare(key.expect("the key"), &tokens.bearer[n % TOKENS]);
    });
    let rs256_aws_lc = rows.base(bare);
    for ((name, backend, bars), base) in BACKENDS.iter().zip([rs256, rs256_aws_lc]) {
        let api = client(fixture, *backend, 0)?;
        let tokens = Arc::clone(fixture);
        let title = format!("verify_access_token, {name}");
        let candidate = Candidate::repeated(&title, TOKEN_CALLS, move |n| {
            let verified = api.verify_access_token(black_box(&tokens.bearer[n % TOKENS]));
            black_box(verified.expect("a good token"));
        });
        rows.own(candidate, base, bars.token).leads = true;
    }
    for (name, check) in peers::all(fixture)? {
        let tokens = Arc::clone(fixture);
        let candidate = Candidate::repeated(name, TOKEN_CALLS, move |n| {
            check(&tokens.bearer[n % TOKENS])
        });
        rows.peer(candidate, rs256);
    }
    let api = client(fixture, Backend::OpenSsl, 10_000)?;
    let requests: Vec<Request<()>> = (0..TOKENS).map(|n| fixture.bearer_request(n)).collect();
    let candidate = Candidate::repeated(
        "verify_request Bearer, seen before",
        QUICK_CALLS,
        move |n| {
            let verified = api.verify_request(black_box(&requests[n % TOKENS]));
            black_box(verified.expect("a good request"));
        },
    );
    rows.own(candidate, rs256, CACHED);
    for (name, token, bar) in [
        ("garbage", "garbage".repeat(124), Some(GARBAGE)),
        ("an expired token", fixture.spoilt("exp", json!(1))?, None),
        (
            "an unlisted issuer",
            fixture.spoilt("iss", json!("https://other.example/"))?,
            None,
        ),
        (
            "a wrong audience",
            fixture.spoilt("aud", json!("other"))?,
            None,
        ),
    ] {
        let api = client(fixture, Backend::OpenSsl, 0)?;
        let candidate = Candidate::repeated(&format!("refused: {name}"), QUICK_CALLS, move |_| {
            let refused = api.verify_access_token(black_box(&token));
            black_box(refused.expect_err("a refusal"));
        });
        rows.own(candidate, rs256, bar.unwrap_or(1.0));
    }
    Ok(())
}

/// Adds the verification of requests with a proof, compared with the bare signatures of token and proof,
/// or of the proof alone if the token is in the cache.
fn add_proofs(rows: &mut Rows, fixture: &Arc<Fixture>) -> Result<(), Failure> {
    let key = Key::rs256(&fixture.jwk())?;
    let proof_keys = fixture.bound.iter();
    let proof_keys = proof_keys.map(|bound| Key::es256(&bound.key.public_jwk()));
    let proof_keys = Arc::new(proof_keys.collect::<Result<Vec<_>, _>>()?);
    let (tokens, ec) = (Arc::clone(fixture), Arc::clone(&proof_keys));
    let both = rows.base(Candidate::with_new_inputs(
        "RS256 and ES256: OpenSSL",
        PROOF_CALLS,
        move |n| {
            let token = Signed::rs256(&tokens.bound[n % TOKENS].token)?;
            Ok((token, Signed::es256(&tokens.proof(n)?)?))
        },
        move |n, (token, proof)| {
            key.verify(token);
            ec[n % TOKENS].verify(proof);
        },
    ));
    let bare = fixture.bound.iter().map(|bound| -> Result<_, Failure> {
        let jwk = a0_jose::json::parse_object(bound.key.public_jwk().to_string().as_bytes())?;
        let jwk = Jwk::from_object(&jwk)?;
        let allowed = [Algorithm::Es256];
        Ok(VerifyingKey::with_backend(
            &jwk,
            &allowed,
            Backend::AwsLcRs,
        )?)
    });
    let aws_lc_keys = Arc::new(bare.collect::<Result<Vec<_>, _>>()?);
    let token_key = aws_lc_token_key(fixture)?;
    let (proofs, ec) = (Arc::clone(fixture), Arc::clone(&aws_lc_keys));
    let tokens = Arc::clone(fixture);
    let both_aws_lc = rows.base(Candidate::with_new_inputs(
        "RS256 and ES256: aws-lc-rs",
        PROOF_CALLS,
        move |n| proofs.proof(n),
        move |n, proof| {
            verify_bare(&token_key, &tokens.bound[n % TOKENS].token);
            verify_bare(&ec[n % TOKENS], proof);
        },
    ));
    for ((name, backend, bars), base) in BACKENDS.iter().zip([both, both_aws_lc]) {
        let title = format!("verify_request DPoP, {name}");
        let candidate = dpop(&title, fixture, client(fixture, *backend, 0)?);
        rows.own(candidate, base, bars.dpop);
    }
    let proofs = Arc::clone(fixture);
    let es256 = rows.base(Candidate::with_new_inputs(
        "ES256: OpenSSL",
        PROOF_CALLS,
        move |n| Signed::es256(&proofs.proof(n)?),
        move |n, proof| proof_keys[n % TOKENS].verify(proof),
    ));
    let proofs = Arc::clone(fixture);
    let bare = Candidate::with_new_inputs(
        "ES256: aws-lc-rs, key built",
        PROOF_CALLS,
        move |n| proofs.proof(n),
        move |n, proof| verify_bare(&aws_lc_keys[n % TOKENS], proof),
    );
    let es256_aws_lc = rows.base(bare);
    for ((name, backend, bars), base) in BACKENDS.iter().zip([es256, es256_aws_lc]) {
        let title = format!("verify_request DPoP, seen before, {name}");
        let candidate = dpop(&title, fixture, client(fixture, *backend, 10_000)?);
        rows.own(candidate, base, bars.dpop_cached);
    }
    Ok(())
}

fn aws_lc_token_key(fixture: &Fixture) -> Result<VerifyingKey, Failure> {
    let jwk = a0_jose::json::parse_object(fixture.jwk().to_string().as_bytes())?;
    let jwk = Jwk::from_object(&jwk)?;
    let allowed = [Algorithm::Rs256];
    Ok(VerifyingKey::with_backend(
        &jwk,
        &allowed,
        Backend::AwsLcRs,
    )?)
}

fn verify_bare(key: &VerifyingKey, token: &str) {
    let token = Compact::parse(black_box(token), usize::MAX).expect("a token");
    key.verify(&token).expect("a good signature");
}

struct Rows(Vec<Row>);

impl Rows {
    /// Adds a row that others are compared with, and returns its number.
    fn base(&mut self, candidate: Candidate<'static>) -> usize {
        let base = self.0.len();
        self.push(candidate, base);
        base
    }

    fn peer(&mut self, candidate: Candidate<'static>, base: usize) {
        self.push(candidate, base);
    }

    fn own(&mut self, candidate: Candidate<'static>, base: usize, bar: f64) -> &mut Row {
        let row = self.push(candidate, base);
        row.bar = Some(bar);
        row.scales = true;
        row
    }

    fn push(&mut self, candidate: Candidate<'static>, base: usize) -> &mut Row {
        self.0.push(Row {
            candidate,
            base,
            bar: None,
            scales: false,
            leads: false,
        });
        self.0.last_mut().expect("the row")
    }
}

fn client(fixture: &Fixture, backend: Backend, cached_tokens: usize) -> Result<ApiClient, Failure> {
    let client = ApiClient::builder()
        .domain(fixture.tenant.domain())
        .audience(AUDIENCE)
        .public_url("https://api.example")
        .backend(backend)
        .token_cache(cached_tokens)
        .http_client(fixture.tenant.client())
        .build()?;
    client.warm_up()?;
    Ok(client)
}

/// A request with a new proof by one of the fixture's keys. A client without a token cache does not
/// cache the key of the proof either.
fn dpop(name: &str, fixture: &Arc<Fixture>, api: ApiClient) -> Candidate<'static> {
    let fixture = Arc::clone(fixture);
    Candidate::with_new_inputs(
        name,
        PROOF_CALLS,
        move |n| fixture.dpop_request(n),
        move |_, request| {
            let verified = api.verify_request(black_box(request));
            black_box(verified.expect("a good request"));
        },
    )
}
