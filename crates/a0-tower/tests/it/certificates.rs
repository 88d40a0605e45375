//! The certificate of a client, from what a proxy says, and from what an attacker says.

use crate::common;

use std::net::IpAddr;
use std::sync::LazyLock;

use crate::common::{Server, builder, tenant, token};
use a0_testkit::{Certificate, CertificateAuthority, LocalTenant, ProofKey};
use a0_tower::certificate::{
    CertificateSource, ClientCertificate, InvalidCertificateSource, PeerCertificate,
    UnknownCertificate,
};
use a0_tower::{Auth, Verified};
use auth0_api::asynchronous::ApiClient;
use auth0_api::jose::sha256;
use axum::extract::Request;
use axum::middleware::{map_request, map_response};
use axum::routing::get;
use axum::{Extension, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use UnknownCertificate::*;

static AUTHORITY: LazyLock<CertificateAuthority> =
    LazyLock::new(|| CertificateAuthority::generate().unwrap());
static OWN: LazyLock<Certificate> = LazyLock::new(|| AUTHORITY.client("app").unwrap());
static OTHER: LazyLock<Certificate> = LazyLock::new(|| AUTHORITY.client("other").unwrap());

const PEER: &str = "10.1.2.3";

/// nginx encodes all but these.
const KEPT_BY_NGINX: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

fn escaped(pem: &str) -> String {
    utf8_percent_encode(pem, &KEPT_BY_NGINX).to_string()
}

fn byte_sequence(der: &[u8]) -> String {
    format!(":{}:", STANDARD.encode(der))
}

fn hex(der: &[u8]) -> String {
    sha256(der)
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

fn own() -> Result<Option<ClientCertificate>, UnknownCertificate> {
    Ok(Some(ClientCertificate::Der(OWN.der().into())))
}

fn own_hash() -> Result<Option<ClientCertificate>, UnknownCertificate> {
    Ok(Some(ClientCertificate::Sha256(sha256(OWN.der()))))
}

type Expected = Result<Option<ClientCertificate>, UnknownCertificate>;

/// What a source says about a request of a trusted peer, with the field once for each value.
fn read(source: &CertificateSource, name: &str, values: &[&[u8]]) -> Expected {
    let peer: IpAddr = PEER.parse().unwrap();
    source.certificate(Some(peer), &fields(name, values), &Extensions::new())
}

fn fields(name: &str, values: &[&[u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

fn client_cert() -> CertificateSource {
    let source = CertificateSource::client_cert();
    source.trusted(["10.0.0.0/8"]).build().unwrap()
}

fn nginx() -> CertificateSource {
    let source = CertificateSource::escaped_pem("X-SSL-Client-Cert");
    source.trusted(["10.0.0.0/8"]).build().unwrap()
}

fn envoy() -> CertificateSource {
    let source = CertificateSource::x_forwarded_client_cert();
    source.trusted(["10.0.0.0/8"]).build().unwrap()
}

#[test]
fn rfc9440_2_client_cert_is_one_byte_sequence_with_one_certificate() {
    let (der, other) = (OWN.der(), OTHER.der());
    let good = byte_sequence(der);
    let base64 = STANDARD.encode(der);
    let (one_more, chain) = ([der, &[0]].concat(), [der, other].concat());
    let cases: Vec<(&str, Vec<String>, Expected)> = vec![
        ("as it should be", vec![good.clone()], own()),
        ("blanks around it", vec![format!(" {good}\t")], own()),
        ("absent", vec![], Ok(None)),
        ("empty", vec![String::new()], Ok(None)),
        ("blank", vec!["  ".into()], Ok(None)),
        ("no octets", vec!["::".into()], Err(Malformed)),
        ("one colon", vec![":".into()], Err(Malformed)),
        (
            "twice, in two fields",
            vec![good.clone(), good.clone()],
            Err(SeveralValues),
        ),
        (
            "another one after it",
            vec![good.clone(), byte_sequence(other)],
            Err(SeveralValues),
        ),
        (
            "an empty one before it",
            vec![String::new(), good.clone()],
            Err(SeveralValues),
        ),
        ("a list", vec![format!("{good}, {good}")], Err(Malformed)),
        (
            "a list without spaces",
            vec![format!("{good},{}", byte_sequence(other))],
            Err(Malformed),
        ),
        ("a parameter", vec![format!("{good};a=1")], Err(Malformed)),
        (
            "a chain in one value",
            vec![byte_sequence(&chain)],
            Err(Malformed),
        ),
        (
            "an octet more",
            vec![byte_sequence(&one_more)],
            Err(Malformed),
        ),
        (
            "an octet less",
            vec![byte_sequence(&der[..der.len() - 1])],
            Err(Malformed),
        ),
        (
            "half of it",
            vec![byte_sequence(&der[..der.len() / 2])],
            Err(Malformed),
        ),
        ("no colons", vec![base64.clone()], Err(Malformed)),
        (
            "no colon at the end",
            vec![format!(":{base64}")],
            Err(Malformed),
        ),
        (
            "no colon before it",
            vec![format!("{base64}:")],
            Err(Malformed),
        ),
        ("in quotes", vec![format!("\"{base64}\"")], Err(Malformed)),
        (
            "a space in it",
            vec![format!(":{} {}:", &base64[..64], &base64[64..])],
            Err(Malformed),
        ),
        (
            "a tab in it",
            vec![format!(":{}\t{}:", &base64[..64], &base64[64..])],
            Err(Malformed),
        ),
        (
            "a space after the colon",
            vec![format!(": {base64}:")],
            Err(Malformed),
        ),
        (
            "characters after the padding",
            vec![format!(":{base64}=:")],
            Err(Malformed),
        ),
        ("PEM", vec![escaped(OWN.pem())], Err(Malformed)),
        (
            "PEM between colons",
            vec![format!(":{}:", escaped(OWN.pem()))],
            Err(Malformed),
        ),
        ("percent-encoded", vec![escaped(&good)], Err(Malformed)),
        (
            "hexadecimal",
            vec![format!(":{}:", hex(der))],
            Err(Malformed),
        ),
        (
            "its hash",
            vec![byte_sequence(&sha256(der))],
            Err(Malformed),
        ),
        ("a structured boolean", vec!["?1".into()], Err(Malformed)),
        (
            "base64 in base64",
            vec![byte_sequence(base64.as_bytes())],
            Err(Malformed),
        ),
    ];
    for (case, values, expected) in cases {
        let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        assert_eq!(
            read(&client_cert(), "client-cert", &values),
            expected,
            "{case}"
        );
    }
    let not_ascii = [&good.as_bytes()[..9], &[0xff], &good.as_bytes()[10..]].concat();
    assert_eq!(
        read(&client_cert(), "client-cert", &[&not_ascii]),
        Err(Malformed)
    );

    // Certificates differ in what base64 makes of them, so some are searched for.
    let find = |has: &dyn Fn(&Certificate) -> bool| {
        let mut clients = (0..200).map(|_| AUTHORITY.client("any").unwrap());
        clients.find(has).unwrap()
    };
    let padded = find(&|it| STANDARD.encode(it.der()).ends_with('='));
    let unpadded = STANDARD_NO_PAD.encode(padded.der());
    let spare = {
        let mut text = unpadded.clone().into_bytes();
        *text.last_mut().unwrap() += 1; // A to B, or 8 to 9: a bit that does not count.
        String::from_utf8(text).unwrap() + &"=".repeat((4 - unpadded.len() % 4) % 4)
    };
    let both = find(&|it| {
        let text = STANDARD.encode(it.der());
        text.contains('+') && text.contains('/')
    });
    for (case, value) in [
        ("no padding", unpadded),
        ("spare bits", spare),
        ("base64url", URL_SAFE.encode(both.der())),
    ] {
        let value = format!(":{value}:");
        let outcome = read(&client_cert(), "client-cert", &[value.as_bytes()]);
        assert_eq!(outcome, Err(Malformed), "{case}");
    }
    let good = byte_sequence(padded.der());
    assert!(read(&client_cert(), "client-cert", &[good.as_bytes()]).is_ok());

    // Only this name. A list of the chain is not the client's certificate.
    for name in [
        "client_cert",
        "x-client-cert",
        "client-cert-chain",
        "x-forwarded-client-cert",
    ] {
        let value = byte_sequence(der);
        assert_eq!(
            read(&client_cert(), name, &[value.as_bytes()]),
            Ok(None),
            "{name}"
        );
    }
}

#[test]
fn an_escaped_pem_is_one_certificate() {
    let (pem, other) = (OWN.pem(), OTHER.pem());
    let good = escaped(pem);
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let base64 = STANDARD.encode(OWN.der());
    let envelope =
        |begin: &str, body: &str, end: &str| escaped(&format!("{begin}\n{body}\n{end}\n"));
    let cases: Vec<(&str, Vec<String>, Expected)> = vec![
        ("as nginx writes it", vec![good.clone()], own()),
        (
            "with CRLF",
            vec![escaped(&pem.replace('\n', "\r\n"))],
            own(),
        ),
        (
            "without a line end at the end",
            vec![escaped(pem.trim_end())],
            own(),
        ),
        ("in one line", vec![envelope(begin, &base64, end)], own()),
        (
            "lower case digits",
            vec![good.replace("%2B", "%2b").replace("%2F", "%2f")],
            own(),
        ),
        (
            "only blanks encoded",
            vec![pem.replace('\n', "%0A").replace(' ', "%20")],
            own(),
        ),
        ("absent", vec![], Ok(None)),
        (
            "empty, for a client without one",
            vec![String::new()],
            Ok(None),
        ),
        (
            "twice, in two fields",
            vec![good.clone(), good.clone()],
            Err(SeveralValues),
        ),
        (
            "a client's and the proxy's",
            vec![escaped(other), good.clone()],
            Err(SeveralValues),
        ),
        (
            "a chain",
            vec![escaped(&format!("{pem}{}", AUTHORITY.pem()))],
            Err(Malformed),
        ),
        (
            "twice in one value",
            vec![format!("{good}{good}")],
            Err(Malformed),
        ),
        ("a list", vec![format!("{good},{good}")], Err(Malformed)),
        (
            "folded by a proxy",
            vec![format!("{good}, {}", escaped(other))],
            Err(Malformed),
        ),
        ("escaped twice", vec![escaped(&good)], Err(Malformed)),
        (
            "plus for a space",
            vec![good.replace("%20", "+")],
            Err(Malformed),
        ),
        (
            "text before it",
            vec![escaped(&format!("CN=app\n{pem}"))],
            Err(Malformed),
        ),
        (
            "text after it",
            vec![escaped(&format!("{pem}CN=app"))],
            Err(Malformed),
        ),
        ("in quotes", vec![format!("\"{good}\"")], Err(Malformed)),
        (
            "no end",
            vec![escaped(&format!("{begin}\n{base64}\n"))],
            Err(Malformed),
        ),
        (
            "no begin",
            vec![escaped(&format!("{base64}\n{end}\n"))],
            Err(Malformed),
        ),
        ("no body", vec![envelope(begin, "", end)], Err(Malformed)),
        ("only a begin", vec![escaped(begin)], Err(Malformed)),
        (
            "overlapping dashes",
            vec![escaped("-----BEGIN CERTIFICATE-----END CERTIFICATE-----")],
            Err(Malformed),
        ),
        (
            "other dashes",
            vec![escaped(&pem.replace("-----", "----"))],
            Err(Malformed),
        ),
        (
            "another label",
            vec![envelope(
                "-----BEGIN TRUSTED CERTIFICATE-----",
                &base64,
                "-----END TRUSTED CERTIFICATE-----",
            )],
            Err(Malformed),
        ),
        ("a key", vec![escaped(OWN.key_pem())], Err(Malformed)),
        (
            "lower case label",
            vec![escaped(&pem.replace("CERTIFICATE", "certificate"))],
            Err(Malformed),
        ),
        (
            "headers of RFC 1421",
            vec![envelope(begin, &format!("Proc-Type: 4\n\n{base64}"), end)],
            Err(Malformed),
        ),
        (
            "a space in the body",
            vec![envelope(
                begin,
                &format!("{} {}", &base64[..64], &base64[64..]),
                end,
            )],
            Err(Malformed),
        ),
        (
            "a NUL in the body",
            vec![envelope(
                begin,
                &format!("{}\0{}", &base64[..64], &base64[64..]),
                end,
            )],
            Err(Malformed),
        ),
        (
            "truncated",
            vec![good[..good.len() / 2].to_owned()],
            Err(Malformed),
        ),
        (
            "a broken percent-encoding",
            vec![format!("{good}%")],
            Err(Malformed),
        ),
        (
            "a percent-encoding of no digits",
            vec![good.replacen("%0A", "%0G", 1)],
            Err(Malformed),
        ),
        (
            "tabs for line ends, as $ssl_client_cert",
            vec![pem.trim_end().replace('\n', "\t")],
            Err(Malformed),
        ),
        ("base64 alone", vec![escaped(&base64)], Err(Malformed)),
        (
            "RFC 9440's form",
            vec![byte_sequence(OWN.der())],
            Err(Malformed),
        ),
        ("NONE", vec!["NONE".into()], Err(Malformed)),
        ("(null)", vec!["(null)".into()], Err(Malformed)),
    ];
    for (case, values, expected) in cases {
        let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        assert_eq!(
            read(&nginx(), "x-ssl-client-cert", &values),
            expected,
            "{case}"
        );
    }
    for name in ["x_ssl_client_cert", "ssl-client-cert", "client-cert"] {
        assert_eq!(read(&nginx(), name, &[good.as_bytes()]), Ok(None), "{name}");
    }
}

#[test]
fn an_element_of_envoy_names_one_certificate() {
    let cert = format!("Cert=\"{}\"", escaped(OWN.pem()));
    let other_cert = format!("Cert=\"{}\"", escaped(OTHER.pem()));
    let hash = format!("Hash={}", hex(OWN.der()));
    let other_hash = format!("Hash={}", hex(OTHER.der()));
    let digits = hex(OWN.der());
    let subject = r#"Subject="CN=app,O=a\"b;c=d""#;
    let cases: Vec<(&str, String, Expected)> = vec![
        ("a hash", hash.clone(), own_hash()),
        (
            "a hash in upper case",
            format!("Hash={}", digits.to_uppercase()),
            own_hash(),
        ),
        ("a hash in quotes", format!("Hash=\"{digits}\""), own_hash()),
        (
            "names in other cases",
            hash.replace("Hash", "HASH"),
            own_hash(),
        ),
        ("a certificate", cert.clone(), own()),
        ("both", format!("{hash};{cert}"), own()),
        (
            "all that Envoy writes",
            format!(
                "By=spiffe://a/b;{hash};{cert};Chain=\"{}\";{subject};URI=spiffe://a/c?d=e;DNS=a.example;DNS=b.example",
                escaped(&format!("{}{}", OWN.pem(), AUTHORITY.pem()))
            ),
            own(),
        ),
        (
            "quotes, commas and semicolons in a subject",
            format!("{subject};{hash}"),
            own_hash(),
        ),
        (
            "a hash in a quoted subject",
            format!(r#"Subject="CN=x;{other_hash};";{hash}"#),
            own_hash(),
        ),
        (
            "an element in a quoted subject",
            format!(r#"Subject="CN=x,{other_hash}";{hash}"#),
            own_hash(),
        ),
        ("an empty field", String::new(), Ok(None)),
        (
            "several elements",
            format!("{hash},{hash}"),
            Err(SeveralValues),
        ),
        (
            "a client's element before the proxy's",
            format!("{other_hash},{hash}"),
            Err(SeveralValues),
        ),
        (
            "a client's element after it",
            format!("{hash}, {other_hash}"),
            Err(SeveralValues),
        ),
        (
            "an empty element after it",
            format!("{hash},"),
            Err(SeveralValues),
        ),
        (
            "an empty element before it",
            format!(",{hash}"),
            Err(Malformed),
        ),
        (
            "an element in an unquoted name",
            format!("URI=spiffe://a,{other_hash};{hash}"),
            Err(SeveralValues),
        ),
        ("two hashes", format!("{hash};{hash}"), Err(Malformed)),
        (
            "a hash in an unquoted name",
            format!("{hash};URI=spiffe://a;{other_hash}"),
            Err(Malformed),
        ),
        (
            "two hashes in two cases",
            format!("{hash};{}", other_hash.replace("Hash", "hash")),
            Err(Malformed),
        ),
        (
            "a hash with a blank before its name",
            format!("{hash}; {other_hash}"),
            Err(Malformed),
        ),
        ("two certificates", format!("{cert};{cert}"), Err(Malformed)),
        (
            "a certificate that does not have the hash",
            format!("{hash};{other_cert}"),
            Err(Malformed),
        ),
        (
            "a hash of another certificate",
            format!("{cert};{other_hash}"),
            Err(Malformed),
        ),
        (
            "a subject that closes its quotes",
            format!(r#"{hash};Subject="CN=x";{other_hash};Y="""#),
            Err(Malformed),
        ),
        (
            "an open quotation",
            format!(r#"Subject="CN=x;{hash}"#),
            Err(Malformed),
        ),
        (
            "an open quotation by a backslash",
            format!(r#"Subject="CN=x\";{hash}"#),
            Err(Malformed),
        ),
        (
            "a backslash at the end",
            format!("{hash};Subject=\"a\\"),
            Err(Malformed),
        ),
        (
            "text after a quotation",
            format!("{hash};Subject=\"a\"b"),
            Err(Malformed),
        ),
        (
            "a quote in the middle",
            format!("{hash};Subject=a\"b\""),
            Err(Malformed),
        ),
        ("no value", format!("{hash};Subject"), Err(Malformed)),
        ("no name", format!("{hash};=x"), Err(Malformed)),
        (
            "an empty pair",
            format!("{hash};;Subject=\"\""),
            Err(Malformed),
        ),
        ("a semicolon at the end", format!("{hash};"), Err(Malformed)),
        ("an empty hash", "Hash=".into(), Err(Malformed)),
        ("an empty certificate", "Cert=\"\"".into(), Err(Malformed)),
        ("neither", subject.into(), Err(Malformed)),
        (
            "a chain alone",
            format!("Chain=\"{}\"", escaped(OWN.pem())),
            Err(Malformed),
        ),
        (
            "a truncated hash",
            hash[..hash.len() - 1].into(),
            Err(Malformed),
        ),
        ("a digit more", format!("{hash}0"), Err(Malformed)),
        (
            "two hashes in one",
            format!("{hash}{digits}"),
            Err(Malformed),
        ),
        (
            "a letter that is no digit",
            format!("Hash={}g", &digits[..63]),
            Err(Malformed),
        ),
        (
            "blanks in the hash",
            format!("Hash= {digits}"),
            Err(Malformed),
        ),
        ("0x", format!("Hash=0x{}", &digits[..62]), Err(Malformed)),
        ("a sign", format!("Hash=+{}", &digits[..63]), Err(Malformed)),
        (
            "colons",
            format!("Hash={}:{}", &digits[..2], &digits[2..63]),
            Err(Malformed),
        ),
        (
            "base64url",
            format!("Hash={}", OWN.thumbprint()),
            Err(Malformed),
        ),
        (
            "the thumbprint's name",
            format!("x5t#S256={}", OWN.thumbprint()),
            Err(Malformed),
        ),
        (
            "a chain in the certificate",
            format!(
                "Cert=\"{}\"",
                escaped(&format!("{}{}", OWN.pem(), AUTHORITY.pem()))
            ),
            Err(Malformed),
        ),
        (
            "a certificate in base64",
            format!("Cert=\"{}\"", STANDARD.encode(OWN.der())),
            Err(Malformed),
        ),
    ];
    for (case, value, expected) in cases {
        let outcome = read(&envoy(), "x-forwarded-client-cert", &[value.as_bytes()]);
        assert_eq!(outcome, expected, "{case}: {value}");
    }
    let two: [&[u8]; 2] = [other_hash.as_bytes(), hash.as_bytes()];
    assert_eq!(
        read(&envoy(), "x-forwarded-client-cert", &two),
        Err(SeveralValues)
    );
    let subject = [b"Subject=\"CN=\xc3\xa9\";", hash.as_bytes()].concat();
    assert_eq!(
        read(&envoy(), "x-forwarded-client-cert", &[&subject]),
        own_hash()
    );
}

#[test]
fn a_field_counts_in_requests_of_trusted_peers_alone() {
    let pem = escaped(OWN.pem());
    let headers = fields("x-ssl-client-cert", &[pem.as_bytes()]);
    let source = |trusted: &[&str]| {
        let source = CertificateSource::escaped_pem("x-ssl-client-cert");
        source.trusted(trusted.iter().copied()).build().unwrap()
    };
    let none = Extensions::new();
    for (networks, peer, expected) in [
        (&["10.0.0.0/8"][..], Some("10.1.2.3"), own()),
        (&["10.0.0.0/8"], Some("::ffff:10.1.2.3"), own()),
        (&["10.1.2.3", "::1"], Some("::1"), own()),
        (&["10.0.0.0/8"], Some("11.0.0.1"), Err(UntrustedPeer)),
        (&["10.1.2.3"], Some("10.1.2.4"), Err(UntrustedPeer)),
        (&["10.0.0.0/8"], Some("127.0.0.1"), Err(UntrustedPeer)),
        (&["10.0.0.0/8"], Some("::1"), Err(UntrustedPeer)),
        (&["10.0.0.0/8"], None, Err(UntrustedPeer)),
    ] {
        let peer: Option<IpAddr> = peer.map(|peer| peer.parse().unwrap());
        let outcome = source(networks).certificate(peer, &headers, &none);
        assert_eq!(outcome, expected, "{networks:?} {peer:?}");
        // Without the field, nothing is wrong with a stranger.
        let without = source(networks).certificate(peer, &HeaderMap::new(), &none);
        assert_eq!(without, Ok(None));
    }
    let all = CertificateSource::escaped_pem("x-ssl-client-cert");
    let all = all.only_my_proxy_reaches_me().build().unwrap();
    assert_eq!(all.certificate(None, &headers, &none), own());

    use InvalidCertificateSource as Invalid;
    let build = |field: &str| CertificateSource::escaped_pem(field);
    for (builder, expected) in [
        (build("x"), Invalid::TrustsNobody),
        (
            build("x").trusted(["::1"]).only_my_proxy_reaches_me(),
            Invalid::TrustsTwice,
        ),
        (
            build("x").trusted(["10.0.0.1/8"]),
            Invalid::Network("10.0.0.1/8".into()),
        ),
        (build("x y").trusted(["::1"]), Invalid::Field("x y".into())),
        (build("").trusted(["::1"]), Invalid::Field("".into())),
        // The fields of credentials.
        (
            build("Authorization").trusted(["::1"]),
            Invalid::Field("Authorization".into()),
        ),
        (
            build("dpop").trusted(["::1"]),
            Invalid::Field("dpop".into()),
        ),
        (
            build("sec-websocket-protocol").trusted(["::1"]),
            Invalid::Field("sec-websocket-protocol".into()),
        ),
    ] {
        assert_eq!(builder.build().unwrap_err(), expected);
    }
}

#[test]
fn the_tls_of_the_server_is_asked_in_place_of_every_field() {
    let source = CertificateSource::tls();
    let mut headers = fields("client-cert", &[byte_sequence(OTHER.der()).as_bytes()]);
    let with = |peer: PeerCertificate| {
        let mut extensions = Extensions::new();
        extensions.insert(peer);
        extensions
    };
    let chain = [OWN.der(), AUTHORITY.der()];
    for (extensions, expected) in [
        (Extensions::new(), Ok(None)),
        (with(PeerCertificate::of_chain(Some(&chain))), own()),
        (with(PeerCertificate::from_der(OWN.der())), own()),
        (with(PeerCertificate::of_chain::<Vec<u8>>(None)), Ok(None)),
        (
            with(PeerCertificate::of_chain::<Vec<u8>>(Some(&[]))),
            Ok(None),
        ),
        (with(PeerCertificate::from_der(&[][..])), Ok(None)),
    ] {
        for peer in [None, Some(PEER.parse().unwrap())] {
            assert_eq!(source.certificate(peer, &headers, &extensions), expected);
        }
    }
    source.remove_untrusted_fields(None, &mut headers);
    assert!(headers.is_empty());
    // The server's own connection is the proxy's, if there is one.
    let extensions = with(PeerCertificate::from_der(OWN.der()));
    let outcome = client_cert().certificate(None, &HeaderMap::new(), &extensions);
    assert_eq!(outcome, Ok(None));
}

#[test]
fn debug_output_shows_no_certificate() {
    let shown = format!(
        "{:?} {:?} {:?} {:?} {:?}",
        own(),
        own_hash(),
        PeerCertificate::from_der(OWN.der()),
        nginx(),
        CertificateSource::tls(),
    );
    assert!(
        !shown.contains("48, 130") && !shown.contains("[48"),
        "{shown}"
    );
    assert!(shown.contains("x-ssl-client-cert"), "{shown}");
}

proptest! {
    /// Whatever octets come, the answer is a certificate or an error.
    #[test]
    fn no_value_panics(value in proptest::collection::vec(any::<u8>(), 0..200), around in 0..4usize) {
        let value = match around {
            0 => value,
            1 => byte_sequence(&value).into_bytes(),
            2 => [b"Hash=\"", &value[..], b"\""].concat(),
            _ => [b"-----BEGIN CERTIFICATE-----", &value[..], b"-----END CERTIFICATE-----"].concat(),
        };
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            for (source, name) in [
                (client_cert(), "client-cert"),
                (nginx(), "x-ssl-client-cert"),
                (envoy(), "x-forwarded-client-cert"),
            ] {
                let _ = read(&source, name, &[value.as_bytes()]);
            }
        }
    }

    /// A certificate with any bit changed is another certificate, or none.
    #[test]
    fn a_changed_certificate_is_another_one(at in 0..300usize, bit in 0..8u8) {
        let mut der = OWN.der().to_vec();
        der[at] ^= 1 << bit;
        let value = byte_sequence(&der);
        prop_assert_ne!(read(&client_cert(), "client-cert", &[value.as_bytes()]), own());
    }
}

fn api(tenant: &LocalTenant) -> ApiClient {
    let builder = builder(tenant).certificate_bound_tokens();
    builder.build_async().unwrap()
}

/// Says which fields with certificates reach the handler.
async fn seen(request: Request) -> String {
    let names = [
        "client-cert",
        "client-cert-chain",
        "x-forwarded-client-cert",
        "x-ssl-client-cert",
    ];
    let present = names
        .into_iter()
        .filter(|name| request.headers().contains_key(*name));
    present.collect::<Vec<_>>().join(" ")
}

fn server(auth: Auth) -> Server {
    let log = map_response(async |mut response: axum::response::Response| {
        if let Some(reason) = response.extensions().get::<UnknownCertificate>() {
            let reason = reason.to_string().parse().unwrap();
            response.headers_mut().insert("x-log", reason);
        }
        response
    });
    let app = Router::new()
        .route(
            "/orders",
            get(async |_: Verified, request: Request| seen(request).await),
        )
        .route("/open", get(seen))
        .layer(auth.exclude("/open"))
        .layer(log);
    Server::start(app)
}

/// A request with a token and with these fields.
fn request(
    scheme: &str,
    token: &str,
    fields: &[(&'static str, String)],
) -> Vec<(&'static str, String)> {
    let mut all = vec![("authorization", format!("{scheme} {token}"))];
    all.extend(fields.iter().cloned());
    all
}

#[test]
fn rfc8705_3_the_certificate_of_a_trusted_proxy_is_that_of_the_token() {
    let tenant = tenant();
    let bound = token(&tenant)
        .bound_to_certificate(OWN.der())
        .mint()
        .unwrap();
    let free = token(&tenant).mint().unwrap();
    let sources = |trusted: &str| {
        [
            CertificateSource::client_cert(),
            CertificateSource::escaped_pem("x-ssl-client-cert"),
            CertificateSource::x_forwarded_client_cert(),
        ]
        .map(|source| source.trusted([trusted]).build().unwrap())
    };
    let values = |certificate: &Certificate| {
        [
            ("client-cert", byte_sequence(certificate.der())),
            ("x-ssl-client-cert", escaped(certificate.pem())),
            (
                "x-forwarded-client-cert",
                format!("Hash={}", hex(certificate.der())),
            ),
        ]
    };
    for (index, source) in sources("127.0.0.1").into_iter().enumerate() {
        let server = server(Auth::new(api(&tenant)).client_certificate(source));
        for (position, own) in values(&OWN).into_iter().enumerate() {
            for scheme in ["Bearer", "DPoP"] {
                let answer = server.get(
                    "/orders",
                    &request(scheme, &bound, std::slice::from_ref(&own)),
                );
                // Another field than that of the source is no certificate, and does not reach a handler.
                let is_right = position == index;
                let status = if is_right { 200 } else { 401 };
                assert_eq!(answer.status(), status, "{index} {position}");
                if is_right {
                    assert_eq!(answer.text(), own.0);
                } else {
                    let told = "Certificate-bound token requires the client certificate";
                    assert!(
                        answer.challenges()[0].contains(told),
                        "{:?}",
                        answer.challenges()
                    );
                    assert_eq!(answer.field("x-log"), None);
                }
            }
        }
        let own = values(&OWN)[index].clone();
        let other = values(&OTHER)[index].clone();
        let broken = (own.0, own.1[..own.1.len() - 1].to_owned());
        let malformed = "the request has a malformed client certificate";
        let several = "the request has several client certificates";
        for (fields, told, reason) in [
            (vec![other.clone()], "mismatch", None),
            (vec![], "requires the client certificate", None),
            (
                vec![broken.clone()],
                "requires the client certificate",
                Some(malformed),
            ),
            (
                vec![own.clone(), own.clone()],
                "requires the client certificate",
                Some(several),
            ),
            (
                vec![other, own.clone()],
                "requires the client certificate",
                Some(several),
            ),
        ] {
            let answer = server.get("/orders", &request("Bearer", &bound, &fields));
            assert_eq!(answer.status(), 401);
            let challenge = answer.challenges()[0];
            assert!(
                challenge.contains(told) && challenge.contains("invalid_token"),
                "{challenge}"
            );
            assert_eq!(answer.field("x-log"), reason);
        }
        // A token that is bound to nothing needs no certificate.
        for fields in [vec![own.clone()], vec![], vec![broken]] {
            let answer = server.get("/orders", &request("Bearer", &free, &fields));
            assert_eq!(answer.status(), 200);
        }
    }
    // The same fields from a stranger are no certificate.
    for (index, source) in sources("10.0.0.0/8").into_iter().enumerate() {
        let server = server(Auth::new(api(&tenant)).client_certificate(source));
        let own = values(&OWN)[index].clone();
        let answer = server.get(
            "/orders",
            &request("Bearer", &bound, std::slice::from_ref(&own)),
        );
        assert_eq!(answer.status(), 401);
        let untrusted = "the certificate is not from a trusted proxy";
        assert_eq!(answer.field("x-log"), Some(untrusted));
        let answer = server.get("/orders", &request("Bearer", &free, &[own]));
        assert_eq!((answer.status().as_u16(), answer.text()), (200, ""));
    }
    // Without a source, no field is a certificate.
    let server = server(Auth::new(api(&tenant)));
    for own in values(&OWN) {
        let answer = server.get("/orders", &request("Bearer", &bound, &[own]));
        assert_eq!(answer.status(), 401);
    }
}

#[test]
fn fields_that_nobody_vouches_for_reach_no_handler() {
    let tenant = tenant();
    let free = token(&tenant).mint().unwrap();
    let all = [
        ("client-cert", byte_sequence(OWN.der())),
        ("client-cert-chain", byte_sequence(AUTHORITY.der())),
        (
            "x-forwarded-client-cert",
            format!("Hash={}", hex(OWN.der())),
        ),
        ("x-ssl-client-cert", escaped(OWN.pem())),
        ("x-ssl-client-cert", escaped(OTHER.pem())),
    ];
    let trusted = |source: a0_tower::certificate::CertificateSourceBuilder, peer: &str| {
        Some(source.trusted([peer]).build().unwrap())
    };
    let pem = || CertificateSource::escaped_pem("x-ssl-client-cert");
    let (own, strange) = ("127.0.0.1", "10.0.0.0/8");
    for (source, stay) in [
        (
            trusted(CertificateSource::client_cert(), own),
            "client-cert client-cert-chain x-ssl-client-cert",
        ),
        (
            trusted(CertificateSource::x_forwarded_client_cert(), own),
            "x-forwarded-client-cert x-ssl-client-cert",
        ),
        (trusted(pem(), own), "x-ssl-client-cert"),
        (
            trusted(CertificateSource::client_cert(), strange),
            "x-ssl-client-cert",
        ),
        (
            trusted(CertificateSource::x_forwarded_client_cert(), strange),
            "x-ssl-client-cert",
        ),
        (trusted(pem(), strange), ""),
        (Some(CertificateSource::tls()), "x-ssl-client-cert"),
        // Without a source, the layer changes no field.
        (
            None,
            "client-cert client-cert-chain x-forwarded-client-cert x-ssl-client-cert",
        ),
    ] {
        let shown = format!("{source:?}");
        let auth = Auth::new(api(&tenant));
        let auth = match source {
            Some(source) => auth.client_certificate(source),
            None => auth,
        };
        let server = server(auth);
        for path in ["/orders", "/open"] {
            let answer = server.get(path, &request("Bearer", &free, &all));
            assert_eq!(
                (answer.status().as_u16(), answer.text()),
                (200, stay),
                "{shown} {path}"
            );
        }
    }
}

/// What an outer layer found holds for the certificate that it saw.
#[test]
fn an_inner_layer_verifies_again_if_the_certificate_changed() {
    let tenant = tenant();
    let bound = token(&tenant)
        .bound_to_certificate(OWN.der())
        .mint()
        .unwrap();
    let auth = Auth::new(api(&tenant)).client_certificate(CertificateSource::tls());
    let handler = || get(async |_: Verified| "called");
    let put = |certificate: &Certificate| {
        let peer = PeerCertificate::from_der(certificate.der());
        map_request(move |mut request: Request| {
            let peer = peer.clone();
            async move {
                request.extensions_mut().insert(peer);
                request
            }
        })
    };
    let inner = |path: &str| Router::new().route(path, handler()).layer(auth.clone());
    let app = Router::new()
        .merge(inner("/same"))
        .merge(inner("/changed").layer(put(&OTHER)))
        .layer(auth.clone())
        .layer(Extension(PeerCertificate::from_der(OWN.der())));
    let server = Server::start(app);
    for (path, status) in [("/same", 200), ("/changed", 401)] {
        let answer = server.get(path, &request("Bearer", &bound, &[]));
        assert_eq!(answer.status(), status, "{path}");
    }
    // A layer without the source does not use what the other one found either.
    let other = Auth::new(api(&tenant));
    let app = Router::new()
        .route("/", handler())
        .layer(other)
        .layer(auth)
        .layer(Extension(PeerCertificate::from_der(OWN.der())));
    let answer = Server::start(app).get("/", &request("Bearer", &bound, &[]));
    assert_eq!(answer.status(), 401);
}

/// A proof can be used once, so a certificate that had no part in the result does not force a second
/// verification.
#[test]
fn an_inner_layer_uses_a_result_that_no_certificate_confirmed() {
    let tenant = tenant();
    let client = api(&tenant);
    let app = Router::new()
        .route("/orders", get(async |_: Verified| "called"))
        .layer(Auth::new(client.clone()))
        .layer(Auth::new(client).client_certificate(CertificateSource::tls()))
        .layer(Extension(PeerCertificate::from_der(OWN.der())));
    let key = ProofKey::generate().unwrap();
    let fields = common::dpop(&tenant, &key, &format!("{}/orders", common::PUBLIC_URL));
    let answer = Server::start(app).get("/orders", &fields);
    assert_eq!(answer.status(), 200);
}

/// RFC 9449 section 8.2: a nonce is for the client's next proof.
#[test]
fn a_response_without_a_proof_brings_no_nonce() {
    let tenant = tenant();
    let client = builder(&tenant)
        .certificate_bound_tokens()
        .dpop_nonces(common::nonces());
    let auth =
        Auth::new(client.build_async().unwrap()).client_certificate(CertificateSource::tls());
    let app = Router::new()
        .route("/", get(async |_: Verified| "called"))
        .layer(auth)
        .layer(Extension(PeerCertificate::from_der(OWN.der())));
    let bound = token(&tenant)
        .bound_to_certificate(OWN.der())
        .mint()
        .unwrap();
    let answer = Server::start(app).get("/", &request("DPoP", &bound, &[]));
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.field("dpop-nonce"), None);
}
