//! An API that needs another API, and a provider, in the name of its user:
//! `cargo run -p a0-token-exchange --example exchange`.

use a0_http::drive;
use a0_testkit::{Endpoint, LocalTenant, ProofKey};
use a0_token_exchange::{ClientAuth, ConnectionToken, OnBehalfOf, TokenClient};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A tenant in memory: its closure is the HTTP client. In production, `a0_http::UreqClient`.
    let tenant = LocalTenant::new("tenant.example")?;
    tenant.register_client("orders-api", "a secret");
    let http = tenant.client();
    let of_the_user = tenant.access_token().subject("auth0|ada").mint()?;

    let auth = ClientAuth::basic("orders-api", "a secret")?;
    let client = TokenClient::new(&tenant.url(Endpoint::Token), auth)?;

    let request = OnBehalfOf::new(&of_the_user, "https://stock.example/").scope("read:stock");
    let token = drive(&http, client.on_behalf_of(&request)?.start(tenant.now())?)?;
    let scope = token.scope().unwrap_or("what was asked for");
    println!(
        "for the API downstream: {scope}, for {} s",
        token.expires_in()
    );

    // The same, bound to a key of this API's own.
    let key = ProofKey::generate()?;
    let call = client
        .on_behalf_of(&request)?
        .with_proof(move |proof| key.proof(proof.method, proof.url).at(proof.now).mint());
    let token = drive(&http, call.start(tenant.now())?)?;
    println!("bound to a key: {}", token.is_token_type("DPoP"));

    let request = ConnectionToken::new("google-oauth2", &of_the_user);
    let token = drive(
        &http,
        client.connection_token(&request)?.start(tenant.now())?,
    )?;
    println!(
        "for the provider: {} characters",
        token.access_token().len()
    );

    let stranger = ClientAuth::basic("orders-api", "a guess")?;
    let stranger = TokenClient::new(&tenant.url(Endpoint::Token), stranger)?;
    let error = drive(
        &http,
        stranger.connection_token(&request)?.start(tenant.now())?,
    )
    .unwrap_err();
    println!("refused: {error} ({})", error.error_code());
    Ok(())
}
