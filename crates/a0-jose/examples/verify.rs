//! Judges one token by one JWK Set, both read from files: `judge KEYS TOKEN AUDIENCE`.

use std::time::SystemTime;

use a0_jose::{Algorithm, ClaimRules, Compact, HeaderRules, JwkSet};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [keys, token, audience] = arguments.as_slice() else {
        return Err(
            "give three arguments: a file with a JWK Set, a file with a token, and the \
             audience that the token must name"
                .into(),
        );
    };
    let allowed: Vec<Algorithm> = Algorithm::all().collect();
    let keys = JwkSet::parse(&std::fs::read(keys)?, &allowed)?;
    for (position, reason) in keys.skipped() {
        println!("key {position} is not usable: {reason}");
    }
    let token = std::fs::read_to_string(token)?;

    let token = Compact::parse(token.trim(), 16 * 1024)?.decode()?;
    let token = token.validate_header(&HeaderRules::new(allowed))?;
    ClaimRules::new([audience]).validate(token.claims(), SystemTime::now().into())?;
    let verified = token.verify(&keys)?;

    println!("the token is genuine; its issuer is for you to judge:");
    println!(
        "{}",
        serde_json::to_string_pretty(verified.claims().as_object())?
    );
    Ok(())
}
