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

/// WHATWG URL section 3.5: a host that ends in a number is an IPv4 address for every URL parser.
#[test]
fn a_host_that_ends_in_a_number_is_an_ipv4_address_in_its_usual_form() {
    for host in [
        "0.0.0.0x0",
        "10.0.0.0x0",
        "1.2.3.000",
        "127.0.0.1.",
        "127.0.0.01",
        "0127.0.0.1",
        "127.0.0.0x1",
        "127.0.0.0X1",
        "0x7f.0.0.1",
        "0x7f.0.0.0x1",
        "0x7f000001",
        "0x7f000001.",
        "0x",
        "0x.",
        "0",
        "00",
        "0.",
        "1",
        "1.",
        "2130706433",
        "2130706433.",
        "017700000001",
        "127.1",
        "127.0.1",
        "127.1.",
        "1.2.3.4.5",
        "1.2.3.4.5.",
        "1.2.3.08",
        "1.2.3.09",
        "1.2.3.4.",
        "1.2.3.0x",
        "1.2.3.0x.",
        "1.2.3.256",
        "256.256.256.256",
        "999999999999999999999.1",
        "tenant.0x1",
        "tenant.example.0x7f",
        "tenant.example.0xffffffffffffffffffff",
        "tenant.example.1",
        "tenant.example.1.",
        "tenant.example.0x",
        "tenant.1e1.7",
        "169.254.169.0xfe",
        "169.254.43518",
        "169.254.0xa9fe",
        "1..2",
        "-1.0x2",
        "a_b.0",
        "xn--bcher-kva.0",
    ] {
        for domain in [
            host.to_owned(),
            format!("{host}:8443"),
            format!("https://{host}/"),
            format!(" HTTPS://{}// ", host.to_uppercase()),
        ] {
            assert_eq!(
                normalize_domain(&domain),
                Err(DomainError::Host),
                "{domain:?}"
            );
        }
    }
    // Not in brackets, or not an IPv6 address.
    for host in [
        "[]",
        "[:]",
        "[1.2.3.4]",
        "[0x7f.1]",
        "[::1.2.3]",
        "[::1.2.3.4.5]",
        "[::1.2.3.04]",
        "[::1.2.3.0x4]",
        "[::1.2.3.256]",
        "[::1.]",
        "[::1%eth0]",
        "[::1%25eth0]",
        "[1::2::3]",
        "[:::1]",
        "[::12345]",
        "[1:2:3:4:5:6:7]",
        "[1:2:3:4:5:6:7:8:9]",
        "[::g]",
        "[v1.a]",
        "[[::1]]",
        "[::1",
        "[::1 ]",
        "tenant[::1]",
    ] {
        assert_eq!(normalize_domain(host), Err(DomainError::Host), "{host:?}");
    }
    for host in [
        "0.0.0.0",
        "127.0.0.1",
        "10.20.30.40",
        "255.255.255.255",
        "[::]",
        "[::1.2.3.4]",
        "[::ffff:127.0.0.1]",
        "[1:2:3:4:5:6:7:8]",
        // Names.
        "0x7f.example",
        "1.2.3.4a",
        "1.2.3.0xg",
        "1.2.3.x",
        "1.2.3.1e1",
        "1.example",
        "1.2.3.4.example.",
        "tenant.0x1g",
        "tenant.x0",
        "tenant.1-1",
        "0-0",
        "1_1",
    ] {
        let issuer = normalize_domain(host).map(|issuer| issuer.to_string());
        assert_eq!(issuer, Ok(format!("https://{host}/")));
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
