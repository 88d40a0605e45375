//! Verifies a token from a file with a JWK Set from another file:
//!
//! ```sh
//! cargo run -p a0-jose --example verify -- KEYS_FILE TOKEN_FILE AUDIENCE
//! ```

use std::time::SystemTime;

use a0_jose::{Algorithm, ClaimRules, Compact, HeaderRules, JwkSet};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [keys, token, audience] = arguments.as_slice() else {
        return Err(
            "expected three arguments: a file with a JWK Set, a file with a token, and the \
             audience that the token must have"
                .into(),
        );
    };
    let allowed: Vec<Algorithm> = Algorithm::all().collect();
    let keys = JwkSet::parse(&std::fs::read(keys)?, &allowed)?;
    for (position, reason) in keys.skipped() {
        println!("key {position} is skipped: {reason}");
    }
    let token = std::fs::read_to_string(token)?;

    let token = Compact::parse(token.trim(), 16 * 1024)?.decode()?;
    let token = token.validate_header(&HeaderRules::new(allowed))?;
    ClaimRules::new([audience]).validate(token.claims(), SystemTime::now().into())?;
    let verified = token.verify(&keys)?;

    println!("the token is valid; check that you trust its issuer:");
    println!(
        "{}",
        serde_json::to_string_pretty(verified.claims().as_object())?
    );
    Ok(())
}
