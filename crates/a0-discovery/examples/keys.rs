//! Prints the keys of an issuer. Usage: `keys tenant.eu.auth0.com`.

use std::sync::Arc;
use std::time::SystemTime;

use a0_discovery::{FetchRules, KeyCache, normalize_domain};
use a0_jose::Algorithm;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let domain = std::env::args()
        .nth(1)
        .ok_or("give the domain of a tenant as the only argument")?;
    let issuer = normalize_domain(&domain)?;
    let client = Arc::new(a0_http::UreqClient::new());
    let cache = KeyCache::builder(FetchRules::new(Algorithm::all()), client).build();

    println!("fetching the metadata and the keys of {issuer}");
    let keys = cache.keys(&issuer, SystemTime::now().into())?;

    for key_id in keys.keys().key_ids() {
        println!("usable: {key_id}");
    }
    for (position, reason) in keys.keys().skipped() {
        println!("skipped: entry {position}: {reason}");
    }
    Ok(())
}
