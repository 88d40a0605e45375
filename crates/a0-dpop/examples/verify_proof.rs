//! Verifies a proof from a file, and prints why it is refused:
//!
//! ```sh
//! cargo run -p a0-dpop --example verify_proof -- METHOD URL TOKEN_FILE PROOF_FILE [UNIX_SECONDS]
//! ```
//!
//! UNIX_SECONDS is the time of the check. The default is now, at which a proof from a log is too
//! old.

use std::error::Error;
use std::fs;
use std::time::SystemTime;

use a0_dpop::{Htu, ProofRules, Target, UnverifiedProof, one_proof};
use a0_jose::{Algorithm, NumericDate};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [method, url, token, proof, time @ ..] = arguments.as_slice() else {
        return Err(
            "expected four arguments: the method, the URL as the client used it, a file with \
             the access token, a file with the proof; and optionally a time"
                .into(),
        );
    };
    let now = match time.first() {
        Some(seconds) => NumericDate::from_unix_seconds(seconds.parse()?),
        None => SystemTime::now().into(),
    };
    let token = fs::read_to_string(token)?;
    let proof = fs::read_to_string(proof)?;
    let proof = one_proof([proof.trim()])?.ok_or("the file is empty")?;

    let request = Target::new(method, Htu::parse(url)?, token.trim());
    let rules = ProofRules::new().algorithms(Algorithm::all());
    let outcome = rules
        .validate(proof, &request, None, now)
        .and_then(UnverifiedProof::verify);
    let verified = match outcome {
        Ok(verified) => verified,
        Err(error) => {
            println!("refused: {error}");
            if let Some(cause) = error.source() {
                println!("because: {cause}");
            }
            return Err(error.into());
        }
    };

    println!("the proof is valid for this request, if the token's cnf.jkt is");
    println!("{}", verified.thumbprint());
    let until = verified.replay_until().as_unix_seconds();
    println!("a replay store holds it until {until}");
    Ok(())
}
