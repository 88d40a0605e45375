//! An API that calls another API, and an external provider, on behalf of its user:
//! `cargo run -p a0-token-exchange --example exchange`.

use a0_http::drive;
use a0_testkit::{Endpoint, LocalTenant, ProofKey};
use a0_token_exchange::{ClientAuth, ConnectionToken, OnBehalfOf, TokenClient};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The HTTP client is a closure of an in-memory tenant. In production, use
    // `a0_http::UreqClient`.
    let tenant = LocalTenant::new("tenant.example")?;
    tenant.register_client("orders-api", "a secret");
    let http = tenant.client();
    let user_token = tenant.access_token().subject("auth0|ada").mint()?;

    let auth = ClientAuth::basic("orders-api", "a secret")?;
    let client = TokenClient::new(&tenant.url(Endpoint::Token), auth)?;

    let request = OnBehalfOf::new(&user_token, "https://stock.example/").scope("read:stock");
    let token = drive(&http, client.on_behalf_of(&request)?.start(tenant.now())?)?;
    let scope = token.scope().unwrap_or("as requested");
    println!(
        "for the downstream API: scope {scope}, expires in {} s",
        token.expires_in()
    );

    // The same exchange, with a token that is bound to this API's own key.
    let key = ProofKey::generate()?;
    let token_request = client
        .on_behalf_of(&request)?
        .with_proof(move |proof| key.proof(proof.method, proof.url).at(proof.now).mint());
    let token = drive(&http, token_request.start(tenant.now())?)?;
    println!("bound to a key: {}", token.is_token_type("DPoP"));

    let request = ConnectionToken::new("google-oauth2", &user_token);
    let token = drive(
        &http,
        client.connection_token(&request)?.start(tenant.now())?,
    )?;
    println!(
        "for the provider: {} characters",
        token.access_token().len()
    );

    let impostor = ClientAuth::basic("orders-api", "a guess")?;
    let impostor = TokenClient::new(&tenant.url(Endpoint::Token), impostor)?;
    let error = drive(
        &http,
        impostor.connection_token(&request)?.start(tenant.now())?,
    )
    .unwrap_err();
    println!("refused: {error} ({})", error.error_code());
    Ok(())
}
