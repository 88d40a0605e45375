//! TLS.

use std::process::Command;

use a0_dpop::Seen;
use a0_redis::{RedisBuilder, RedisError, WhenAway};
use a0_testkit::CertificateAuthority;

use crate::servers::Server;
use crate::stores::{PATIENT, ask, stores};

#[test]
fn the_certificate_is_verified() {
    let authority = CertificateAuthority::generate().unwrap();
    let other = CertificateAuthority::generate().unwrap();
    // For `localhost`, `127.0.0.1` and `::1`.
    let certificate = authority.loopback_server().unwrap();
    let pem = format!("{}{}", certificate.pem(), certificate.chain_pem());
    let Some(server) = Server::start_tls(&pem, certificate.key_pem(), None) else {
        return;
    };
    let url = |host: &str| format!("rediss://{host}:{}", server.port);
    let builder = |url: String| RedisBuilder::new(url).time_limit(PATIENT);
    let trusting = |host: &str| builder(url(host)).root_certificates_pem(authority.pem());
    for (builder, expected) in [
        (trusting("127.0.0.1"), Ok(Seen::First)),
        // The same server by a name that is not in its certificate.
        (trusting("127.0.0.2"), Err(RedisError::NotConnected)),
        (
            builder(url("127.0.0.1")).root_certificates_pem(other.pem()),
            Err(RedisError::NotConnected),
        ),
        (builder(url("127.0.0.1")), Err(RedisError::NotConnected)),
        (
            builder(format!("redis://127.0.0.1:{}", server.port)),
            Err(RedisError::NotConnected),
        ),
    ] {
        for (kind, store) in stores(&builder, WhenAway::Refuse) {
            assert_eq!(ask(&*store, kind), expected, "{kind}");
        }
    }
}

/// A container may have no authorities at all.
#[test]
fn own_roots_need_none_of_the_system() {
    const NONE: &str = "/nonexistent/authorities.pem";
    if !crate::servers::are_available() {
        return;
    }
    let test = ["--exact", "tls::the_certificate_is_verified"];
    let run = Command::new(std::env::current_exe().unwrap())
        .args(test)
        .env("SSL_CERT_FILE", NONE)
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{output}");
    assert!(output.contains("1 passed"), "{output}");
}

#[test]
fn a_client_shows_its_certificate() {
    let authority = CertificateAuthority::generate().unwrap();
    let certificate = authority.loopback_server().unwrap();
    let pem = format!("{}{}", certificate.pem(), certificate.chain_pem());
    let key = certificate.key_pem();
    let Some(server) = Server::start_tls(&pem, key, Some(authority.pem())) else {
        return;
    };
    let own = authority.client("orders-api").unwrap();
    let without = RedisBuilder::new(format!("rediss://127.0.0.1:{}", server.port))
        .root_certificates_pem(authority.pem())
        .time_limit(PATIENT);
    let with = without
        .clone()
        .client_certificate_pem(own.pem(), own.key_pem());
    for (kind, store) in stores(&with, WhenAway::Refuse) {
        assert_eq!(ask(&*store, kind), Ok(Seen::First), "{kind}");
    }
    for (kind, store) in stores(&without, WhenAway::Refuse) {
        assert!(ask(&*store, kind).is_err(), "{kind}");
    }
}
