//! gRPC calls, their refusals, and the services that need no token.

use a0_tower::grpc::{PublicServices, is_grpc, refusal};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};

fn with_type(media_type: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_str(media_type).unwrap());
    headers
}

#[test]
fn the_media_type_tells_a_call() {
    for (media_type, expected) in [
        ("application/grpc", true),
        ("Application/GRPC", true),
        ("application/grpc+proto", true),
        ("application/grpc+json", true),
        ("application/grpc;charset=utf-8", true),
        ("application/grpc ; x=y", true),
        ("application/grpc-web", false),
        ("application/grpc-web+proto", false),
        ("application/grpcx", false),
        ("application/grp", false),
        ("application/json", false),
        ("text/plain; x=application/grpc", false),
        ("", false),
    ] {
        assert_eq!(is_grpc(&with_type(media_type)), expected, "{media_type}");
    }
    assert!(!is_grpc(&HeaderMap::new()));
}

#[test]
fn each_status_has_its_code_and_none_is_success() {
    for (http, grpc) in [
        (400, "3"),
        (401, "16"),
        (403, "7"),
        (404, "2"),
        (429, "14"),
        (500, "13"),
        (501, "13"),
        (502, "14"),
        (503, "14"),
        (504, "14"),
        (200, "2"),
        (302, "2"),
        (999, "2"),
    ] {
        let status = StatusCode::from_u16(http).unwrap();
        let answer = refusal(status, &HeaderMap::new(), "");
        assert_eq!(answer.status(), 200, "{http}");
        assert_eq!(answer.headers()["grpc-status"], grpc, "{http}");
        assert_eq!(answer.headers()["content-type"], "application/grpc");
    }
}

#[test]
fn every_challenge_is_metadata_of_its_own() {
    let mut headers = with_type("application/problem+json");
    for (name, value) in [
        ("www-authenticate", "DPoP algs=\"ES256\""),
        ("www-authenticate", "Bearer realm=\"api\""),
        ("dpop-nonce", "n"),
        ("retry-after", "3"),
        ("cache-control", "no-store"),
        ("content-length", "17"),
        ("content-encoding", "gzip"),
        ("transfer-encoding", "chunked"),
        ("grpc-status", "0"),
        ("grpc-message", "fine"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    let answer = refusal(StatusCode::UNAUTHORIZED, &headers, "no");
    let mut fields: Vec<_> = answer.headers().iter().collect();
    fields.sort_by_key(|(name, _)| name.as_str());
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(
        fields,
        [
            ("cache-control", "no-store"),
            ("content-type", "application/grpc"),
            ("dpop-nonce", "n"),
            ("grpc-message", "no"),
            ("grpc-status", "16"),
            ("retry-after", "3"),
            ("www-authenticate", "DPoP algs=\"ES256\""),
            ("www-authenticate", "Bearer realm=\"api\""),
        ]
    );
}

#[test]
fn a_message_is_printable_ascii() {
    for (description, expected) in [
        ("", ""),
        ("Token is expired", "Token is expired"),
        ("\"quoted\" ~ !", "\"quoted\" ~ !"),
        ("100 %", "100 %25"),
        ("%41", "%2541"),
        ("a\r\nb\tc\u{7f}\0", "a%0D%0Ab%09c%7F%00"),
        ("für", "f%C3%BCr"),
        ("\u{1f512}", "%F0%9F%94%92"),
    ] {
        let answer = refusal(StatusCode::FORBIDDEN, &HeaderMap::new(), description);
        assert_eq!(
            answer.headers()["grpc-message"],
            expected,
            "{description:?}"
        );
    }
}

#[test]
fn a_public_service_is_named_exactly() {
    let public = PublicServices::new()
        .health()
        .service("shop.v1.Catalog")
        .service("");
    for (path, expected) in [
        ("/grpc.health.v1.Health/Check", true),
        ("/grpc.health.v1.Health/Watch", true),
        ("/grpc.health.v1.Health/Some_Method2", true),
        ("/shop.v1.Catalog/List", true),
        ("/grpc.health.v1.Health/Check?x=/shop.v1.Orders/List", true),
        ("/grpc.health.v1.Health", false),
        ("/grpc.health.v1.Health/", false),
        ("/grpc.health.v1.Health/Check/", false),
        ("/grpc.health.v1.Health/Check/more", false),
        ("/grpc.health.v1.Health/../shop.v1.Orders/List", false),
        ("/grpc.health.v1.Health/..%2fshop.v1.Orders%2fList", false),
        ("/grpc.health.v1.Health/..", false),
        ("/grpc.health.v1.Health/Che%63k", false),
        ("/grpc.health.v1.Health%2fCheck", false),
        ("//grpc.health.v1.Health/Check", false),
        ("/prefix/grpc.health.v1.Health/Check", false),
        ("/grpc.health.v1.HealthX/Check", false),
        ("/grpc.health.v1.health/Check", false),
        ("/grpc.health.v1/Health/Check", false),
        ("/grpc.health.v1.Healt%68/Check", false),
        ("/shop.v1.CatalogAdmin/List", false),
        ("/shop.v1.Orders/List", false),
        (
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            false,
        ),
        ("//List", false),
        ("/", false),
        ("*", false),
    ] {
        let uri: Uri = path.parse().unwrap();
        let included = public.includes(&with_type("application/grpc"), &uri);
        assert_eq!(included, expected, "{path}");
        let as_json = public.includes(&with_type("application/json"), &uri);
        assert!(!as_json, "{path} is no call with another media type");
    }
    let reflection = PublicServices::new().reflection();
    for version in ["v1", "v1alpha"] {
        let uri = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let headers = with_type("application/grpc");
        assert!(reflection.includes(&headers, &uri.parse().unwrap()));
        assert!(!PublicServices::new().includes(&headers, &uri.parse().unwrap()));
    }
}
