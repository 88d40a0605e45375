//! Compares the whole check of a proof with the bare signature check. Every proof has a new key.
//! The candidates are interleaved in one run. The results are medians of many rounds, on one thread
//! and on two.
//!
//! `cargo bench -p a0-dpop --bench proof`

use std::hint::black_box;
use std::time::Instant;

use a0_dpop::{Htu, NewProof, ProofRules, Target};
use a0_jose::{NumericDate, Signer, SigningKey, base64url_decode};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Public};
use openssl::sign::Verifier;

const KEYS: usize = 64;
const ROUNDS: usize = 300;
const METHOD: &str = "GET";
const URL: &str = "https://api.example/v1/orders";

struct Case {
    proof: String,
    token: String,
    /// For the bare signature check: a key that is built already, and the signature in DER.
    key: PKey<Public>,
    input: Vec<u8>,
    der: Vec<u8>,
}

fn main() {
    let now = NumericDate::from_unix_seconds(1_700_000_000);
    let token = "x".repeat(900);
    let cases: Vec<Case> = (0..KEYS).map(|_| case(&token, now)).collect();
    println!("{KEYS} proofs, each with its own key, {ROUNDS} rounds; microseconds are medians");

    let one = measure(1, &cases, now);
    let two = measure(2, &cases, now);
    println!("{:<44}{:>10}{:>8}{:>12}", "", "us", "ratio", "2 threads");
    let raw = one[0];
    for (candidate, (one, two)) in CANDIDATES.iter().zip(one.iter().zip(&two)) {
        let (microseconds, ratio, scaling) = (one * 1e6, one / raw, 2.0 * one / two);
        println!(
            "{:<44}{microseconds:>10.2}{ratio:>8.3}{scaling:>11.2}x",
            candidate.name
        );
    }
}

fn case(token: &str, now: NumericDate) -> Case {
    let key = SigningKey::generate_es256().unwrap();
    let proof = NewProof::new(METHOD, URL).access_token(token);
    let proof = proof.sign(&key, now).unwrap();
    let (input, signature) = proof.rsplit_once('.').unwrap();
    let number = |bytes: &[u8]| BigNum::from_slice(bytes).unwrap();
    let signature = base64url_decode(signature).unwrap();
    let (r, s) = signature.split_at(32);
    let der = EcdsaSig::from_private_components(number(r), number(s)).unwrap();
    let coordinate = |name: &str| base64url_decode(key.public_jwk()[name].as_str().unwrap());
    let point = [
        &[4][..],
        &coordinate("x").unwrap(),
        &coordinate("y").unwrap(),
    ]
    .concat();
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let mut context = BigNumContext::new().unwrap();
    let point = EcPoint::from_bytes(&group, &point, &mut context).unwrap();
    let public = EcKey::from_public_key(&group, &point).unwrap();
    Case {
        input: input.as_bytes().to_vec(),
        der: der.to_der().unwrap(),
        key: PKey::from_ec_key(public).unwrap(),
        token: token.to_owned(),
        proof,
    }
}

struct Candidate {
    name: &'static str,
    run: fn(&Case, NumericDate),
}

const CANDIDATES: [Candidate; 2] = [
    Candidate {
        name: "OpenSSL ES256, key built, fresh Verifier",
        run: |case, _| {
            let mut verifier = Verifier::new(MessageDigest::sha256(), &case.key).unwrap();
            assert!(verifier.verify_oneshot(&case.der, &case.input).unwrap());
        },
    },
    Candidate {
        name: "whole proof check, new key",
        run: |case, now| {
            let target = Target::new(METHOD, Htu::parse(URL).unwrap(), &case.token);
            let unverified = ProofRules::new().validate(&case.proof, &target, None, now);
            black_box(unverified.unwrap().verify().unwrap());
        },
    },
];

/// Returns the seconds of one call of each candidate, with this many threads.
fn measure(threads: usize, cases: &[Case], now: NumericDate) -> Vec<f64> {
    let mut rounds = vec![Vec::with_capacity(ROUNDS); CANDIDATES.len()];
    for _ in 0..ROUNDS {
        for (candidate, times) in CANDIDATES.iter().zip(&mut rounds) {
            let start = Instant::now();
            std::thread::scope(|scope| {
                for _ in 1..threads {
                    scope.spawn(|| cases.iter().for_each(|case| (candidate.run)(case, now)));
                }
                cases.iter().for_each(|case| (candidate.run)(case, now));
            });
            times.push(start.elapsed().as_secs_f64() / cases.len() as f64);
        }
    }
    rounds
        .into_iter()
        .map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        })
        .collect()
}
