//! The canonical form of issuers and origins.

use a0_discovery::{DomainError, Origin, normalize_domain};
use proptest::prelude::*;

#[test]
fn a_domain_gives_one_issuer() {
    use DomainError::*;
    for (domain, expected) in [
        ("tenant.example", Ok("https://tenant.example/")),
        ("TENANT.Example", Ok("https://tenant.example/")),
        ("https://tenant.example", Ok("https://tenant.example/")),
        ("HTTPS://tenant.example/", Ok("https://tenant.example/")),
        ("\t tenant.example/// \n", Ok("https://tenant.example/")),
        ("tenant.example:8443", Ok("https://tenant.example:8443/")),
        ("tenant.example:443", Ok("https://tenant.example:443/")),
        ("tenant.example:1", Ok("https://tenant.example:1/")),
        ("tenant.example:65535", Ok("https://tenant.example:65535/")),
        ("tenant.example.", Ok("https://tenant.example./")),
        ("localhost", Ok("https://localhost/")),
        ("127.0.0.1:8443", Ok("https://127.0.0.1:8443/")),
        ("[::1]", Ok("https://[::1]/")),
        (
            "https://[2001:DB8::1]:8443/",
            Ok("https://[2001:db8::1]:8443/"),
        ),
        ("a_b.example", Ok("https://a_b.example/")),
        (
            "xn--bcher-kva.example",
            Ok("https://xn--bcher-kva.example/"),
        ),
        ("", Err(Blank)),
        (" \t\n", Err(Blank)),
        ("http://tenant.example", Err(NotHttps)),
        ("HTTP://tenant.example", Err(NotHttps)),
        ("user@tenant.example", Err(Credentials)),
        ("https://user:pass@tenant.example/", Err(Credentials)),
        ("tenant.example/x", Err(Path)),
        ("tenant.example/?", Err(Path)),
        ("tenant.example?x", Err(Path)),
        ("tenant.example#x", Err(Path)),
        ("https://https://tenant.example", Err(Path)),
        ("tenant .example", Err(Host)),
        ("tenant\t.example", Err(Host)),
        ("tenant\u{0}.example", Err(Host)),
        ("tenant.example\\x", Err(Host)),
        ("tenant%2eexample", Err(Host)),
        ("bücher.example", Err(Host)),
        ("ｔenant.example", Err(Host)),
        ("tenant.exa\u{ad}mple", Err(Host)),
        ("https://", Err(Host)),
        ("/", Err(Host)),
        (".", Err(Host)),
        (".tenant.example", Err(Host)),
        ("tenant..example", Err(Host)),
        ("tenant.example..", Err(Host)),
        ("[::1", Err(Host)),
        ("[]", Err(Host)),
        ("[1.2.3.4]", Err(Host)),
        ("[::1%25eth0]", Err(Host)),
        ("[::1]x", Err(Port)),
        ("256.256.256.256", Err(Host)),
        ("1.2.3.4.5", Err(Host)),
        ("0x7f.1", Err(Host)),
        ("127.1", Err(Host)),
        ("2130706433", Err(Host)),
        ("xn--a.example", Err(Host)),
        ("::1", Err(Host)),
        (":8443", Err(Host)),
        ("tenant.example:", Err(Port)),
        ("tenant.example:0", Err(Port)),
        ("tenant.example:65536", Err(Port)),
        ("tenant.example:+1", Err(Port)),
        ("tenant.example:8x", Err(Port)),
        ("tenant.example:1:2", Err(Port)),
        ("ftp://tenant.example", Err(Path)),
    ] {
        let outcome = normalize_domain(domain);
        let outcome = outcome.as_ref().map(|issuer| issuer.as_str());
        assert_eq!(outcome, expected.as_ref().copied(), "{domain:?}");
    }
}

#[test]
fn an_origin_is_scheme_host_and_effective_port() {
    let origin = |text: &str| text.parse::<Origin>();
    assert_eq!(
        origin("https://a.example"),
        origin("HTTPS://A.example:443/")
    );
    assert_ne!(
        origin("https://a.example"),
        origin("https://a.example:8443")
    );
    assert_ne!(
        origin("https://a.example"),
        origin("https://a.example.:443")
    );
    for text in [
        "",
        "a.example",
        "http://a.example",
        "https://",
        "https://a.example/x",
        "https://a.example/?",
        "https://a.example/#",
        "https://u@a.example",
        "file:///x",
    ] {
        assert!(origin(text).is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn normalizing_never_panics_and_its_result_is_canonical(
        text in any::<String>(),
        near in "[ ]?(https?://)?[a-zA-Z0-9.@:\\[\\]%/_-]{0,24}[/]{0,2}[ ]?",
    ) {
        for domain in [text, near] {
            if let Ok(issuer) = normalize_domain(&domain) {
                prop_assert_eq!(normalize_domain(issuer.as_str()), Ok(issuer.clone()));
                let inner = issuer.as_str().strip_prefix("https://").unwrap();
                let inner = inner.strip_suffix('/').unwrap();
                prop_assert!(!inner.is_empty());
                prop_assert!(inner.bytes().all(|octet| matches!(
                    octet, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b':' | b'[' | b']'
                )), "{inner}");
            }
        }
    }

    #[test]
    fn spellings_of_one_domain_give_one_issuer(
        host in "([a-z0-9]{1,8}\\.){0,3}[a-z][a-z0-9]{0,7}",
        port in prop::option::of(1..=u16::MAX),
        upper in any::<bool>(),
        scheme in any::<bool>(),
        slashes in 0_usize..4,
    ) {
        let authority = match port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        };
        let mut spelled = format!(
            " {}{authority}{}\t",
            if scheme { "https://" } else { "" },
            "/".repeat(slashes),
        );
        if upper {
            spelled = spelled.to_uppercase();
        }
        let issuer = normalize_domain(&spelled).unwrap();
        prop_assert_eq!(issuer.as_str(), format!("https://{authority}/"));
    }
}
