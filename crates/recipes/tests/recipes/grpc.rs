use a0_testkit::LocalTenant;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;

use crate::common::*;

async fn list(
    channel: &Channel,
    fields: Vec<(&'static str, String)>,
) -> Result<Response<String>, Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let mut request = Request::new(());
    for (name, value) in fields {
        request.metadata_mut().append(name, value.parse().unwrap());
    }
    let path = "/recipes.v1.Orders/List".parse().unwrap();
    grpc.unary(request, path, ProstCodec::<(), String>::default())
        .await
}

fn token(tenant: &LocalTenant, scope: &str, permissions: &[&str]) -> Vec<(&'static str, String)> {
    let token = tenant
        .access_token()
        .audience(AUDIENCE)
        .subject("ada")
        .scope(scope);
    let token = token.claim("permissions", permissions).mint().unwrap();
    vec![("authorization", format!("Bearer {token}"))]
}

#[tokio::test]
async fn tonic() {
    let tenant = tenant();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(recipes::tonic::serve(listener, async_client(&tenant)));
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = channel.connect().await.unwrap();

    // Public, without a token and whatever the token.
    let mut health = HealthClient::new(channel.clone());
    assert!(health.check(HealthCheckRequest::default()).await.is_ok());
    assert!(health.watch(HealthCheckRequest::default()).await.is_ok());

    let answer = list(&channel, token(&tenant, "read:orders", &["orders:list"])).await;
    assert_eq!(answer.unwrap().into_inner(), "orders of ada");

    let forged = vec![("authorization", "Bearer a.b.c".to_owned())];
    let good = token(&tenant, "read:orders", &["orders:list"]);
    let twice = [good.clone(), good].concat();
    for (name, fields, code, challenge) in [
        (
            "no token",
            vec![],
            Code::Unauthenticated,
            "Bearer realm=\"api\"",
        ),
        (
            "forged",
            forged,
            Code::Unauthenticated,
            "error=\"invalid_token\"",
        ),
        (
            "two tokens",
            twice,
            Code::InvalidArgument,
            "error=\"invalid_request\"",
        ),
        (
            "scope, by the layer",
            token(&tenant, "", &["orders:list"]),
            Code::PermissionDenied,
            "scope=\"read:orders\"",
        ),
        (
            "permission, by the method",
            token(&tenant, "read:orders", &[]),
            Code::PermissionDenied,
            "",
        ),
    ] {
        let status = list(&channel, fields).await.unwrap_err();
        assert_eq!(status.code(), code, "{name}: {status:?}");
        let challenges = status.metadata().get_all("www-authenticate").iter();
        let challenges: Vec<_> = challenges.map(|value| value.to_str().unwrap()).collect();
        assert!(
            challenges.join("\n").contains(challenge),
            "{name}: {status:?}"
        );
    }
    server.abort();
}
