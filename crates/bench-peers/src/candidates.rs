//! What is measured of this SDK, and what each is measured against.

use std::hint::black_box;
use std::sync::Arc;

use a0_jose::{Algorithm, Compact, Jwk, JwkSet, VerifyingKey};
use auth0_api::{ApiClient, Backend};
use http::Request;
use serde_json::json;

use crate::fixture::{AUDIENCE, Failure, Fixture, TOKENS};
use crate::measure::{Batch, Candidate};
use crate::peers;
use crate::raw::{Key, Signed};
use crate::scale;

/// A candidate, and what is asked of it.
pub(crate) struct Row {
    pub(crate) candidate: Candidate<'static>,
    /// Number of the row that it is compared with.
    pub(crate) base: usize,
    /// The highest ratio to that row.
    pub(crate) bar: Option<f64>,
    /// Whether two threads are to do as much more as with the base.
    pub(crate) scales: bool,
    /// Whether no peer may be faster.
    pub(crate) leads: bool,
}

const BACKENDS: [(&str, Backend, Bars); 2] = [
    (
        "OpenSSL",
        Backend::OpenSsl,
        Bars {
            token: 1.00,
            dpop: 1.10,
            dpop_known: 1.10,
        },
    ),
    (
        "aws-lc-rs",
        Backend::AwsLcRs,
        Bars {
            token: 0.92,
            dpop: 0.88,
            dpop_known: 0.92,
        },
    ),
];

struct Bars {
    token: f64,
    dpop: f64,
    dpop_known: f64,
}

const KNOWN: f64 = 0.05;
const GARBAGE: f64 = 0.05;

/// Calls in a batch: about two milliseconds.
const TOKEN_CALLS: usize = 96;
const PROOF_CALLS: usize = 48;
const QUICK_CALLS: usize = 1024;

pub(crate) fn rows(fixture: &Arc<Fixture>) -> Result<Vec<Row>, Failure> {
    let mut rows = Rows(Vec::new());
    let jwk = fixture.jwk();
    let key = Arc::new(Key::rs256(&jwk)?);
    let signed = fixture.bearer.iter().map(|token| Signed::rs256(token));
    let signed = signed.collect::<Result<Vec<_>, _>>()?;
    let rsa = Arc::clone(&key);
    let rs256 = rows.base(simple(
        "RS256: OpenSSL, fresh Verifier",
        TOKEN_CALLS,
        move |n| rsa.verify(&signed[n % TOKENS]),
    ));
    for (name, backend, bars) in &BACKENDS {
        let api = client(fixture, *backend, 0)?;
        let tokens = Arc::clone(fixture);
        let title = format!("verify_access_token, {name}");
        let candidate = simple(&title, TOKEN_CALLS, move |n| {
            let verified = api.verify_access_token(black_box(&tokens.bearer[n % TOKENS]));
            black_box(verified.expect("a good token"));
        });
        rows.own(candidate, rs256, bars.token).leads = true;
    }
    let keys = JwkSet::parse_with_backend(
        fixture.tenant.jwks().to_string().as_bytes(),
        &[Algorithm::Rs256],
        Backend::AwsLcRs,
    )?;
    let tokens = Arc::clone(fixture);
    let key_id = jwk["kid"].as_str().unwrap_or_default().to_owned();
    let bare = simple("RS256: aws-lc-rs, key built", TOKEN_CALLS, move |n| {
        let key = keys.candidates(&key_id, Algorithm::Rs256).next();
        verify_bare(key.expect("the key"), &tokens.bearer[n % TOKENS]);
    });
    rows.peer(bare, rs256);
    for (name, check) in peers::all(fixture)? {
        let tokens = Arc::clone(fixture);
        let candidate = simple(name, TOKEN_CALLS, move |n| {
            check(&tokens.bearer[n % TOKENS])
        });
        rows.peer(candidate, rs256);
    }
    let api = client(fixture, Backend::OpenSsl, 10_000)?;
    let requests: Vec<Request<()>> = (0..TOKENS).map(|n| fixture.bearer_request(n)).collect();
    let candidate = simple(
        "verify_request Bearer, seen before",
        QUICK_CALLS,
        move |n| {
            let verified = api.verify_request(black_box(&requests[n % TOKENS]));
            black_box(verified.expect("a good request"));
        },
    );
    rows.own(candidate, rs256, KNOWN);
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
        let candidate = simple(&format!("refused: {name}"), QUICK_CALLS, move |_| {
            let refused = api.verify_access_token(black_box(&token));
            black_box(refused.expect_err("a refusal"));
        });
        rows.own(candidate, rs256, bar.unwrap_or(1.0));
    }

    let proof_keys = fixture.bound.iter();
    let proof_keys = proof_keys.map(|bound| Key::es256(&bound.key.public_jwk()));
    let proof_keys = Arc::new(proof_keys.collect::<Result<Vec<_>, _>>()?);
    let (tokens, ec) = (Arc::clone(fixture), Arc::clone(&proof_keys));
    let both = rows.base(fresh(
        "RS256 and ES256: OpenSSL",
        move |n| {
            let token = Signed::rs256(&tokens.bound[n % TOKENS].token)?;
            Ok((token, Signed::es256(&tokens.proof(n)?)?))
        },
        move |n, (token, proof)| {
            key.verify(token);
            ec[n % TOKENS].verify(proof);
        },
    ));
    for (name, backend, bars) in &BACKENDS {
        let title = format!("verify_request DPoP, {name}");
        let candidate = dpop(&title, fixture, client(fixture, *backend, 0)?);
        rows.own(candidate, both, bars.dpop);
    }
    let proofs = Arc::clone(fixture);
    let es256 = rows.base(fresh(
        "ES256: OpenSSL",
        move |n| Signed::es256(&proofs.proof(n)?),
        move |n, proof| proof_keys[n % TOKENS].verify(proof),
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
    let bare = bare.collect::<Result<Vec<_>, _>>()?;
    let proofs = Arc::clone(fixture);
    let bare = fresh(
        "ES256: aws-lc-rs, key built",
        move |n| proofs.proof(n),
        move |n, proof| verify_bare(&bare[n % TOKENS], proof),
    );
    rows.peer(bare, es256);
    for (name, backend, bars) in &BACKENDS {
        let title = format!("verify_request DPoP, seen before, {name}");
        let candidate = dpop(&title, fixture, client(fixture, *backend, 10_000)?);
        rows.own(candidate, es256, bars.dpop_known);
    }

    for (bar, family) in scale::families()? {
        let mut first = None;
        for candidate in family {
            let number = rows.0.len();
            let base = *first.get_or_insert(number);
            rows.push(candidate, base).bar = bar.filter(|_| base != number);
        }
    }
    Ok(rows.0)
}

fn verify_bare(key: &VerifyingKey, token: &str) {
    let token = Compact::parse(black_box(token), usize::MAX).expect("a token");
    key.verify(&token).expect("a good signature");
}

struct Rows(Vec<Row>);

impl Rows {
    /// What others are compared with; gives its number.
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

pub(crate) fn client(
    fixture: &Fixture,
    backend: Backend,
    known_tokens: usize,
) -> Result<ApiClient, Failure> {
    let client = ApiClient::builder()
        .domain(fixture.tenant.domain())
        .audience(AUDIENCE)
        .public_url("https://api.example")
        .backend(backend)
        .token_cache(known_tokens)
        .http_client(fixture.tenant.client())
        .build()?;
    client.warm_up()?;
    Ok(client)
}

/// A candidate whose calls need nothing made ready.
pub(crate) fn simple(
    name: &str,
    calls: usize,
    call: impl Fn(usize) + Send + Sync + 'static,
) -> Candidate<'static> {
    let call = Arc::new(call);
    Candidate {
        name: name.to_owned(),
        calls,
        prepare: Box::new(move |thread| {
            let call = Arc::clone(&call);
            Box::new(move || (0..calls).for_each(|n| call(n + thread * TOKENS / 2)))
        }),
    }
}

/// Each proof is new, and of one of the fixture's keys. Where the client keeps no tokens, it keeps nothing
/// of a proof's key either.
fn dpop(name: &str, fixture: &Arc<Fixture>, api: ApiClient) -> Candidate<'static> {
    let fixture = Arc::clone(fixture);
    fresh(
        name,
        move |n| fixture.dpop_request(n),
        move |_, request| {
            let verified = api.verify_request(black_box(request));
            black_box(verified.expect("a good request"));
        },
    )
}

/// A candidate each of whose calls gets something that was made for it, and that nobody has read: a
/// proof can be given only once, and whoever else checks proofs must not know them either.
fn fresh<T: Send + 'static>(
    name: &str,
    make: impl Fn(usize) -> Result<T, Failure> + 'static,
    call: impl Fn(usize, &T) + Send + Sync + 'static,
) -> Candidate<'static> {
    let call = Arc::new(call);
    Candidate {
        name: name.to_owned(),
        calls: PROOF_CALLS,
        prepare: Box::new(move |thread| -> Batch<'static> {
            let first = thread * TOKENS / 2;
            let made = (first..first + PROOF_CALLS).map(|n| Ok((n, make(n)?)));
            let made: Result<Vec<_>, Failure> = made.collect();
            let (made, call) = (made.expect("what a call needs"), Arc::clone(&call));
            Box::new(move || made.iter().for_each(|(n, made)| call(*n, made)))
        }),
    }
}
