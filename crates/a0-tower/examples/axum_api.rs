//! An API and its tenant in one process, on loopback: `cargo run -p a0-tower --example axum_api`
use a0_tower::{Auth, CORS_REQUEST_HEADERS, Scoped, Verified, proxy::Proxy};
use auth0_api::asynchronous::ApiClient;
use axum::{Json, Router, routing::get};
use tower_http::cors::CorsLayer;

a0_tower::scopes!(WriteThings: "write:things");

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tenant = a0_testkit::LocalTenant::new("local.test")?;
    let token = tenant.access_token().audience("api").mint()?;
    let client = ApiClient::builder().domain("local.test").audience("api");
    let client = client.async_http_client(move |it| std::future::ready(tenant.handle(it)));
    let proxy = Proxy::x_forwarded().only_my_proxy_reaches_me();
    let auth = Auth::new(client.build_async()?);
    let app = Router::new()
        .route("/me", get(async |t: Verified| Json(t.get("sub").cloned())))
        .route("/things", get(async |_: Scoped<WriteThings>| "written"))
        .route_layer(auth.behind(proxy.public_hosts(["api.example"]).build()?))
        .route("/", get(async || "public"))
        .layer(CorsLayer::permissive().allow_headers(CORS_REQUEST_HEADERS));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{} {token}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}
