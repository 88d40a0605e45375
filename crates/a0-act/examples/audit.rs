//! An access decision and an audit record: `cargo run -p a0-act --example audit`.

use a0_act::{CurrentActor, get_current_actor, get_delegation_chain};
use serde_json::json;

/// The access decision sees only the current actor.
fn may_export(actor: Option<CurrentActor<'_>>) -> bool {
    actor.is_some_and(|actor| actor.sub() == "reports")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The claims of a verified token.
    let claims = json!({
        "sub": "alice",
        "act": {
            "sub": "reports",
            "client_id": "reports-client",
            "sub_profile": "ai_agent",
            "act": {"sub": "gateway", "iss": "https://issuer.example/"},
        },
    });
    let claims = claims.as_object().ok_or("claims are an object")?;

    println!("export allowed: {}", may_export(get_current_actor(claims)?));

    for (age, actor) in get_delegation_chain(claims)?.iter().enumerate() {
        println!(
            "{age}: {} ({}), {}",
            actor.sub(),
            actor.iss().unwrap_or("the token's issuer"),
            actor
                .sub_profile()?
                .map_or("unknown", |profile| profile.as_str()),
        );
    }
    Ok(())
}
