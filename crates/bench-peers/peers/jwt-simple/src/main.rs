//! jwt-simple over BoringSSL, with its key in memory.

use std::collections::HashSet;
use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::*;
use serde_json::Value;

#[derive(Serialize, Deserialize)]
struct Own {
    scope: String,
    azp: String,
    permissions: Vec<String>,
}

fn main() {
    let mut lines = std::io::stdin().lines();
    let work = lines.next().expect("work").expect("work");
    let work: Value = serde_json::from_str(&work).expect("JSON");
    let jwk = &work["jwks"]["keys"][0];
    let number = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().expect("a member"));
    let (n, e) = (number("n").expect("n"), number("e").expect("e"));
    let key = RS256PublicKey::from_components(&n, &e).expect("a key");
    let text = |name: &str| work[name].as_str().expect("a text").to_owned();
    let rules = VerificationOptions {
        allowed_issuers: Some(HashSet::from([text("issuer")])),
        allowed_audiences: Some(HashSet::from([text("audience")])),
        ..Default::default()
    };
    let tokens = work["tokens"].as_array().expect("tokens");
    let tokens: Vec<&str> = tokens.iter().filter_map(Value::as_str).collect();
    let verify = || {
        for token in &tokens {
            let claims = key.verify_token::<Own>(black_box(token), Some(rules.clone()));
            black_box(claims.expect("a good token"));
        }
    };
    (0..20).for_each(|_| verify());
    println!("ready");
    for _ in lines {
        let start = Instant::now();
        verify();
        println!("{}", start.elapsed().as_secs_f64() / tokens.len() as f64);
        std::io::stdout().flush().expect("output");
    }
}
