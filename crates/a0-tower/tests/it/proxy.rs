//! The URL that a client used, from what a proxy says, and from what an attacker says.

use std::net::IpAddr;

use a0_tower::proxy::{InvalidProxy, Proxy, UnknownUrl};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use UnknownUrl::*;

type Expected = Result<&'static str, UnknownUrl>;

const ORDERS: Expected = Ok("https://api.example.com/orders");
const PEER: &str = "10.1.2.3";

/// Header fields as text, one in each line.
fn fields(text: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (name, value) = line.split_once(':').unwrap();
        let name = HeaderName::from_bytes(name.trim().as_bytes()).unwrap();
        // Unlike a server, this keeps blanks around the value.
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn forwarded() -> Proxy {
    let builder = Proxy::forwarded().trusted(["10.0.0.0/8"]);
    builder.public_hosts(hosts()).build().unwrap()
}

fn x_forwarded() -> Proxy {
    let builder = Proxy::x_forwarded().trusted(["10.0.0.0/8"]);
    let builder = builder
        .public_hosts(hosts())
        .public_prefixes(["/v1", "/a/b"]);
    builder.build().unwrap()
}

fn hosts() -> [&'static str; 4] {
    [
        "api.example.com",
        "Other.Example.com:8443",
        "[2001:db8::1]",
        "192.0.2.7:80",
    ]
}

#[track_caller]
fn assert_url(proxy: &Proxy, text: &str, target: &str, expected: Expected) {
    let peer: IpAddr = PEER.parse().unwrap();
    let uri: Uri = target.parse().unwrap();
    let url = proxy.client_url(Some(peer), &fields(text), &uri);
    assert_eq!(
        url.as_deref(),
        expected.as_ref().map(|url| *url),
        "{text:?} {target:?}"
    );
}

#[test]
#[rustfmt::skip]
fn the_last_element_of_forwarded_names_the_url() {
    let proxy = forwarded();
    for (field, expected) in [
        // The proxy says all, in any order, case and spelling of the grammar.
        ("for=192.0.2.1;host=api.example.com;proto=https", ORDERS),
        ("proto=https;by=_x;host=api.example.com;for=unknown", ORDERS),
        ("PROTO=HttpS;HOST=API.Example.COM", ORDERS),
        ("proto=\"https\";host=\"api.example.com\"", ORDERS),
        ("proto=\"ht\\tps\";host=\"api\\.example.c\\om\"", ORDERS),
        ("for=\"[2001:db8::17]:4711\";proto=https;host=api.example.com", ORDERS),
        ("for=\"_gaz\\\"on,;=\";proto=https;host=api.example.com", ORDERS),
        ("proto=https ; host=api.example.com", ORDERS),
        ("  proto=https;\thost=api.example.com  ", ORDERS),
        (";;proto=https;;host=api.example.com;", ORDERS),
        ("proto=https;host=api.example.com;secret=x;host2=b", ORDERS),
        ("proto=http;host=api.example.com", Ok("http://api.example.com/orders")),
        ("proto=wss;host=api.example.com", ORDERS),
        ("proto=ws;host=api.example.com", Ok("http://api.example.com/orders")),
        // Proxies send these values although the grammar does not allow them.
        ("for=2001:db8::17;by=10.0.0.1:80;proto=https;host=api.example.com:443", ORDERS),
        ("for=[::1]:4711;proto=https;host=[2001:db8::1]", Ok("https://[2001:db8::1]/orders")),
        // Ports.
        ("proto=https;host=\"api.example.com:443\"", ORDERS),
        ("proto=https;host=\"api.example.com:0443\"", ORDERS),
        ("proto=https;host=\"api.example.com:\"", ORDERS),
        ("proto=http;host=\"api.example.com:443\"", Err(UnlistedHost)),
        ("proto=https;host=\"api.example.com:80\"", Err(UnlistedHost)),
        ("proto=https;host=\"api.example.com:8443\"", Err(UnlistedHost)),
        ("proto=https;host=\"api.example.com:+443\"", Err(UnlistedHost)),
        ("proto=https;host=\"api.example.com:65979\"", Err(UnlistedHost)),
        ("proto=https;host=\"api.example.com:443:443\"", Err(UnlistedHost)),
        ("proto=https;host=\"other.example.com:8443\"", Ok("https://other.example.com:8443/orders")),
        ("proto=http;host=\"other.example.com:8443\"", Ok("http://other.example.com:8443/orders")),
        ("proto=https;host=other.example.com", Err(UnlistedHost)),
        ("proto=http;host=192.0.2.7", Ok("http://192.0.2.7/orders")),
        ("proto=https;host=192.0.2.7", Err(UnlistedHost)),
        ("proto=https;host=\"[2001:db8::1]\"", Ok("https://[2001:db8::1]/orders")),
        ("proto=https;host=\"[2001:DB8::1]:443\"", Ok("https://[2001:db8::1]/orders")),
        ("proto=https;host=\"[2001:db8:0::1]\"", Err(UnlistedHost)),
        ("proto=https;host=\"2001:db8::1\"", Err(UnlistedHost)),
        // Elements before the last one are from anybody.
        ("host=evil.example;proto=http, host=api.example.com;proto=https", ORDERS),
        ("for=unknown,for=192.0.2.43;host=api.example.com;proto=https", ORDERS),
        (",, , proto=https;host=api.example.com", ORDERS),
        ("proto=https;host=api.example.com, proto=https;host=evil.example", Err(UnlistedHost)),
        ("proto=https;host=api.example.com, for=10.0.0.1", Err(Missing("proto"))),
        ("proto=https;host=api.example.com, for=10.0.0.1;host=api.example.com", Err(Missing("proto"))),
        ("proto=https;host=api.example.com,", Err(Missing("proto"))),
        ("proto=https;host=api.example.com, ;", Err(Missing("proto"))),
        // Two lines are one list.
        ("proto=http;host=evil.example\nForwarded: proto=https;host=api.example.com", ORDERS),
        ("proto=https;host=api.example.com\nForwarded: for=10.0.0.1", Err(Missing("proto"))),
        ("proto=https;host=api.example.com\nForwarded:", Err(Missing("proto"))),
        ("for=\"open\nForwarded: proto=https;host=api.example.com", Err(Malformed("forwarded"))),
        ("for=\"open\nForwarded: \";proto=https;host=api.example.com", Err(Malformed("forwarded"))),
        // A quotation that the client opened swallows what the proxy appends.
        ("for=\"open, proto=https;host=api.example.com", Err(Malformed("forwarded"))),
        ("for=\"open\\\", proto=https;host=api.example.com\"", Err(Missing("proto"))),
        ("for=\"a, for=\"[2001:db8::1]\";proto=https;host=api.example.com", Err(Malformed("forwarded"))),
        // Malformed in any element, and in parameters that nobody needs.
        ("for, proto=https;host=api.example.com", Err(Malformed("forwarded"))),
        ("=x;proto=https;host=api.example.com", Err(Malformed("forwarded"))),
        ("by=;proto=https;host=api.example.com", Err(Malformed("forwarded"))),
        ("proto =https;host=api.example.com", Err(Malformed("forwarded"))),
        ("proto= https;host=api.example.com", Err(Malformed("forwarded"))),
        ("proto=https host=api.example.com", Err(Malformed("forwarded"))),
        ("proto=\"https\"x;host=api.example.com", Err(Malformed("forwarded"))),
        ("proto=https;host=api.example.com\"", Err(Malformed("forwarded"))),
        ("proto=https;host=\"api.example.com\\", Err(Malformed("forwarded"))),
        ("proto=https;host=api.example.com/orders", Err(Malformed("forwarded"))),
        ("proto=https;host=api.example.com;for=é", Err(Malformed("forwarded"))),
        ("proto=https;host=a@api.example.com", Err(Malformed("forwarded"))),
        // Parameters come once (RFC 7239 section 4).
        ("proto=https;host=api.example.com;proto=https", Err(Malformed("forwarded"))),
        ("proto=https;proto=http;host=api.example.com", Err(Malformed("forwarded"))),
        ("proto=https;host=evil.example;Host=api.example.com", Err(Malformed("forwarded"))),
        ("host=a;host=b, proto=https;host=api.example.com", Err(Malformed("forwarded"))),
        // Schemes.
        ("proto=ftp;host=api.example.com", Err(Malformed("proto"))),
        ("proto=\"\";host=api.example.com", Err(Malformed("proto"))),
        ("proto=\" https\";host=api.example.com", Err(Malformed("proto"))),
        ("proto=\"https,http\";host=api.example.com", Err(Malformed("proto"))),
        ("proto=\"https://api.example.com\";host=api.example.com", Err(Malformed("proto"))),
        // Hosts that try to be a URL.
        ("proto=https;host=\"\"", Err(UnlistedHost)),
        ("proto=https;host=evil.example", Err(UnlistedHost)),
        ("proto=https;host=\"api.example.com.\"", Err(UnlistedHost)),
        ("proto=https;host=\"api.example.com.evil.example\"", Err(UnlistedHost)),
        ("proto=https;host=\"evil.example/api.example.com\"", Err(UnlistedHost)),
        ("proto=https;host=\"api.example.com/intended?\"", Err(UnlistedHost)),
        ("proto=https;host=\"api.example.com/../intended#\"", Err(UnlistedHost)),
        ("proto=https;host=\"api.example.com\\\\intended\"", Err(UnlistedHost)),
        ("proto=https;host=\"api.example.com:443@evil.example\"", Err(UnlistedHost)),
        ("proto=https;host=\"a@api.example.com\"", Err(UnlistedHost)),
        ("proto=https;host=\" api.example.com\"", Err(UnlistedHost)),
        ("proto=https;host=\"api.example.com, evil.example\"", Err(UnlistedHost)),
        ("proto=https;host=\"api%2eexample.com\"", Err(UnlistedHost)),
        ("proto=https;host=_hidden", Err(UnlistedHost)),
    ] {
        assert_url(&proxy, &format!("Forwarded: {field}"), "/orders?page=2", expected);
    }
    assert_url(&proxy, "", "/orders", Err(Missing("forwarded")));
}

#[test]
#[rustfmt::skip]
fn each_x_forwarded_field_has_one_value() {
    let proxy = x_forwarded();
    for (text, expected) in [
        ("X-Forwarded-Proto: https\nX-Forwarded-Host: api.example.com", ORDERS),
        ("X-Forwarded-Proto: HTTPS\nX-Forwarded-Host:\tAPI.example.com \nX-Forwarded-For: 192.0.2.1, unknown", ORDERS),
        ("X-Forwarded-Proto: wss\nX-Forwarded-Host: api.example.com", ORDERS),
        ("X-Forwarded-Proto: http\nX-Forwarded-Host: api.example.com", Ok("http://api.example.com/orders")),
        // Nobody knows which of several is the proxy's.
        ("X-Forwarded-Proto: https,http\nX-Forwarded-Host: api.example.com", Err(SeveralValues("x-forwarded-proto"))),
        ("X-Forwarded-Proto: https, https\nX-Forwarded-Host: api.example.com", Err(SeveralValues("x-forwarded-proto"))),
        ("X-Forwarded-Proto: https\nX-Forwarded-Proto: http\nX-Forwarded-Host: api.example.com", Err(SeveralValues("x-forwarded-proto"))),
        ("X-Forwarded-Proto: https\nX-Forwarded-Host: api.example.com, evil.example", Err(SeveralValues("x-forwarded-host"))),
        ("X-Forwarded-Proto: https\nX-Forwarded-Host: evil.example, api.example.com", Err(SeveralValues("x-forwarded-host"))),
        ("X-Forwarded-Proto: https\nX-Forwarded-Host: api.example.com,", Err(SeveralValues("x-forwarded-host"))),
        ("X-Forwarded-Proto: https\nX-Forwarded-Host: api.example.com\nX-Forwarded-Host: api.example.com", Err(SeveralValues("x-forwarded-host"))),
        // The scheme has no default.
        ("X-Forwarded-Host: api.example.com", Err(Missing("x-forwarded-proto"))),
        ("X-Forwarded-Proto:\nX-Forwarded-Host: api.example.com", Err(Malformed("x-forwarded-proto"))),
        ("X-Forwarded-Proto: on\nX-Forwarded-Host: api.example.com", Err(Malformed("x-forwarded-proto"))),
        ("X-Forwarded-Proto: https://\nX-Forwarded-Host: api.example.com", Err(Malformed("x-forwarded-proto"))),
        ("X-Forwarded-Proto: \"https\"\nX-Forwarded-Host: api.example.com", Err(Malformed("x-forwarded-proto"))),
        ("X-Forwarded-Proto: httpß\nX-Forwarded-Host: api.example.com", Err(Malformed("x-forwarded-proto"))),
        ("X-Forwarded-Scheme: https\nX-Forwarded-Ssl: on\nX-Forwarded-Host: api.example.com", Err(Missing("x-forwarded-proto"))),
        // A host that is set badly is not an absent one.
        ("X-Forwarded-Proto: https\nX-Forwarded-Host:\nHost: api.example.com", Err(UnlistedHost)),
        ("X-Forwarded-Proto: https\nX-Forwarded-Host: evil.example\nHost: api.example.com", Err(UnlistedHost)),
        ("X-Forwarded-Proto: https\nX-Forwarded-Host: api.example.com/intended?\nHost: api.example.com", Err(UnlistedHost)),
        ("X-Forwarded-Proto: https\nX-Forwarded-Host: api.example.com ?\nHost: api.example.com", Err(UnlistedHost)),
        ("X-Forwarded-Proto: https\nX-Forwarded-Host: http://api.example.com\nHost: api.example.com", Err(UnlistedHost)),
        ("X-Forwarded-Proto: https\nX-Forwarded-Host: \"api.example.com\"\nHost: api.example.com", Err(UnlistedHost)),
        ("X-Forwarded-Proto: https\nX-Forwarded-Host: ａpi.example.com\nHost: api.example.com", Err(Malformed("x-forwarded-host"))),
        ("X-Forwarded-Proto: https\nX-Forwarded-Host: api.example.com\nX-Forwarded-Port: 8443", ORDERS),
        // The host of the request itself.
        ("X-Forwarded-Proto: https\nHost: api.example.com", ORDERS),
        ("X-Forwarded-Proto: https\nHost: other.example.com:8443", Ok("https://other.example.com:8443/orders")),
        ("X-Forwarded-Proto: https\nX-Forwarded-Host: api.example.com\nHost: 10.0.0.5:3000", ORDERS),
        ("X-Forwarded-Proto: https", Err(Missing("host"))),
        ("X-Forwarded-Proto: https\nHost: 10.0.0.5:3000", Err(UnlistedHost)),
        ("X-Forwarded-Proto: https\nHost: api.example.com/intended?", Err(UnlistedHost)),
        ("X-Forwarded-Proto: https\nHost: api.example.com/intended#", Err(UnlistedHost)),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nHost: api.example.com", Err(SeveralValues("host"))),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nHost: evil.example", Err(SeveralValues("host"))),
        ("X-Forwarded-Proto: https\nHost:", Err(UnlistedHost)),
        // Prefixes.
        ("X-Forwarded-Proto: https\nHost: api.example.com\nX-Forwarded-Prefix: /v1", Ok("https://api.example.com/v1/orders")),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nX-Forwarded-Prefix: /a/b/", Ok("https://api.example.com/a/b/orders")),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nX-Forwarded-Prefix:", ORDERS),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nX-Forwarded-Prefix: /", ORDERS),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nX-Forwarded-Prefix: /V1", Err(UnlistedPrefix)),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nX-Forwarded-Prefix: v1", Err(UnlistedPrefix)),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nX-Forwarded-Prefix: /v2", Err(UnlistedPrefix)),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nX-Forwarded-Prefix: /v1/admin", Err(UnlistedPrefix)),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nX-Forwarded-Prefix: /..//x", Err(UnlistedPrefix)),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nX-Forwarded-Prefix: /v1/..", Err(UnlistedPrefix)),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nX-Forwarded-Prefix: /a%2f..", Err(UnlistedPrefix)),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nX-Forwarded-Prefix: /%761", Err(UnlistedPrefix)),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nX-Forwarded-Prefix: //", Err(UnlistedPrefix)),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nX-Forwarded-Prefix: //evil.example/v1", Err(UnlistedPrefix)),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nX-Forwarded-Prefix: /intended?", Err(UnlistedPrefix)),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nX-Forwarded-Prefix: /v1, /v1", Err(SeveralValues("x-forwarded-prefix"))),
        ("X-Forwarded-Proto: https\nHost: api.example.com\nX-Forwarded-Prefix: /x\nX-Forwarded-Prefix: /v1", Err(SeveralValues("x-forwarded-prefix"))),
    ] {
        assert_url(&proxy, text, "/orders?page=2", expected);
    }
}

#[test]
#[rustfmt::skip]
fn the_other_family_is_ignored() {
    const X: &str = "X-Forwarded-Proto: https\nX-Forwarded-Host: api.example.com";
    const F: &str = "Forwarded: proto=https;host=api.example.com";
    for (proxy, text, expected) in [
        (forwarded(), X, Err(Missing("forwarded"))),
        (x_forwarded(), F, Err(Missing("x-forwarded-proto"))),
        (forwarded(), "Forwarded: proto=https\nHost: api.example.com\nX-Forwarded-Host: other.example.com:8443", ORDERS),
        (forwarded(), "Forwarded: proto=https;host=api.example.com\nX-Forwarded-Prefix: /v1\nX-Forwarded-Proto: a, b", ORDERS),
        (x_forwarded(), &format!("{X}\nForwarded: proto=http;host=\"evil"), ORDERS),
        (forwarded(), &format!("{F}\nX-Forwarded-Host: a, b"), ORDERS),
    ] {
        assert_url(&proxy, text, "/orders", expected);
    }
}

#[test]
#[rustfmt::skip]
fn the_path_is_the_requests_and_stays_below_the_prefix() {
    const V1: &str = "X-Forwarded-Proto: https\nX-Forwarded-Host: api.example.com\nX-Forwarded-Prefix: /v1";
    const HOST: &str = "X-Forwarded-Proto: https\nHost: api.example.com";
    const NO_HOST: &str = "X-Forwarded-Proto: https";
    let proxy = x_forwarded();
    for (text, target, expected) in [
        (V1, "/", Ok("https://api.example.com/v1/")),
        (V1, "/orders/", Ok("https://api.example.com/v1/orders/")),
        (V1, "/../admin", Ok("https://api.example.com/v1/admin")),
        (V1, "/a/../../../admin", Ok("https://api.example.com/v1/admin")),
        (V1, "/%2e%2e/admin", Ok("https://api.example.com/v1/admin")),
        (V1, "/..%2fadmin", Ok("https://api.example.com/v1/..%2Fadmin")),
        (V1, "//evil.example/x", Ok("https://api.example.com/v1//evil.example/x")),
        (V1, "/%7ejoe?x=/../..", Ok("https://api.example.com/v1/~joe")),
        (HOST, "/a@b:80", Ok("https://api.example.com/a@b:80")),
        (HOST, "/%zz", Err(Path)),
        // Targets without a path.
        (HOST, "*", Err(Path)),
        // CONNECT has the authority alone.
        (HOST, "api.example.com:443", Err(Path)),
        // The absolute form, and the authority of HTTP/2.
        (HOST, "http://api.example.com/orders", ORDERS),
        (NO_HOST, "http://api.example.com/orders", ORDERS),
        (NO_HOST, "https://API.example.com:443/orders", ORDERS),
        (NO_HOST, "http://api.example.com?page=2", Ok("https://api.example.com/")),
        (NO_HOST, "https://evil.example/orders", Err(UnlistedHost)),
        (NO_HOST, "https://joe@api.example.com/orders", Err(UnlistedHost)),
        (HOST, "https://evil.example/orders", Err(UnlistedHost)),
        (HOST, "https://other.example.com:8443/orders", Err(HostsDiffer)),
        ("X-Forwarded-Proto: https\nHost: evil.example", "https://api.example.com/orders", Err(UnlistedHost)),
        (V1, "http://10.0.0.5:3000/orders", Ok("https://api.example.com/v1/orders")),
    ] {
        assert_url(&proxy, text, target, expected);
    }
}

#[test]
#[rustfmt::skip]
fn only_a_trusted_peer_is_read() {
    for (trusted, peer, is_trusted) in [
        (&["10.0.0.0/8"][..], "10.0.0.1", true),
        (&["10.0.0.0/8"], "10.255.255.255", true),
        (&["10.0.0.0/8"], "11.0.0.0", false),
        (&["10.0.0.0/8"], "::ffff:10.0.0.1", true),
        (&["10.0.0.0/8"], "::ffff:11.0.0.1", false),
        (&["10.0.0.0/8"], "::10.0.0.1", false),
        (&["10.0.0.0/8"], "a00::1", false),
        (&["10.0.0.0/8"], "", false),
        (&["10.0.0.1"], "10.0.0.1", true),
        (&["10.0.0.1"], "10.0.0.2", false),
        (&["10.0.0.1", "fd00::/8"], "fd12::1", true),
        (&["fd00::/8"], "fe00::1", false),
        (&["::1"], "::1", true),
        (&["::1"], "127.0.0.1", false),
        (&["::1"], "", false),
        (&["0.0.0.0/0"], "203.0.113.9", true),
        (&["0.0.0.0/0"], "2001:db8::1", false),
        (&["::/0"], "2001:db8::1", true),
        (&["::/0"], "203.0.113.9", false),
        (&["::/0"], "", false),
    ] {
        let proxy = Proxy::x_forwarded().trusted(trusted.iter().copied());
        let proxy = proxy.public_hosts(hosts()).build().unwrap();
        let headers = fields("X-Forwarded-Proto: https\nHost: api.example.com");
        let peer = (!peer.is_empty()).then(|| peer.parse().unwrap());
        let url = proxy.client_url(peer, &headers, &Uri::from_static("/orders"));
        let expected = if is_trusted { ORDERS } else { Err(UntrustedPeer) };
        assert_eq!(url.as_deref(), expected.as_ref().map(|url| *url), "{trusted:?} {peer:?}");
    }
}

#[test]
fn a_server_that_only_the_proxy_reaches_needs_no_address() {
    let proxy = Proxy::forwarded().only_my_proxy_reaches_me();
    let proxy = proxy.public_hosts(hosts()).build().unwrap();
    let headers = fields("Forwarded: proto=https;host=api.example.com");
    for peer in [None, Some([203, 0, 113, 9].into())] {
        let url = proxy.client_url(peer, &headers, &Uri::from_static("/orders"));
        assert_eq!(url.as_deref(), Ok("https://api.example.com/orders"));
    }
}

#[test]
#[rustfmt::skip]
fn an_option_that_is_missing_or_invalid_is_an_error() {
    let x = || Proxy::x_forwarded().only_my_proxy_reaches_me().public_hosts(["api.example.com"]);
    assert!(x().build().is_ok());
    let trusts = |network: &str| Proxy::x_forwarded().public_hosts(["a"]).trusted([network]);
    for (builder, expected) in [
        (Proxy::forwarded().public_hosts(["a"]), InvalidProxy::TrustsNobody),
        (Proxy::forwarded().trusted([""; 0]).public_hosts(["a"]), InvalidProxy::TrustsNobody),
        (x().trusted(["10.0.0.0/8"]), InvalidProxy::TrustsTwice),
        (Proxy::forwarded().only_my_proxy_reaches_me(), InvalidProxy::NoPublicHost),
        (Proxy::forwarded().trusted(["::1"]).public_hosts([""; 0]), InvalidProxy::NoPublicHost),
        (Proxy::forwarded().trusted(["::1"]).public_hosts(["a"]).public_prefixes(["/v1"]), InvalidProxy::PrefixOfForwarded),
    ] {
        assert_eq!(builder.build().unwrap_err(), expected);
    }
    for network in [
        "", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/", "10.0/8", "010.0.0.0/8", "fd00::1/8", "::/129", "localhost",
        "10.0.0.0-10.0.0.9", " 10.0.0.0/8", "::ffff:10.0.0.0/104", "::ffff:10.0.0.1", "10.0.0.0/255.0.0.0", "10.0.0.0/+8",
        "10.0.0.0/08", "::/0/0", "10.0.0.0/8x", "fe80::1%eth0",
    ] {
        assert_eq!(trusts(network).build().unwrap_err(), InvalidProxy::Network(network.to_owned()));
    }
    for host in [
        "", "https://api.example.com", "api.example.com/", "api.example.com/v1", "a@api.example.com", "*.example.com",
        "api.example.com:0", "api.example.com:65536", "api.example.com:x", "2001:db8::1", "[2001:db8::1", "[::1]x",
        "bücher.example", "api.example.com?", "api.example.com#", "a b", "a,b:1:2", "api.example.com\\",
    ] {
        let result = x().public_hosts([host]).build();
        assert_eq!(result.unwrap_err(), InvalidProxy::PublicHost(host.to_owned()));
    }
    for prefix in ["", "/", "//", "v1", "/v1/..", "/./v1", "/v1//", "/a//b", "/%76", "/a%2Fb", "/v1?", "/v1#", "/a b", "/ä"] {
        let result = x().public_prefixes([prefix]).build();
        assert_eq!(result.unwrap_err(), InvalidProxy::PublicPrefix(prefix.to_owned()));
    }
}

#[test]
fn no_error_holds_a_part_of_the_request() {
    let text =
        "X-Forwarded-Proto: canary\nX-Forwarded-Host: canary\nForwarded: host=canary;proto=https";
    for proxy in [forwarded(), x_forwarded()] {
        let uri = Uri::from_static("/canary");
        let error = proxy.client_url(PEER.parse().ok(), &fields(text), &uri);
        let error = error.unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("canary"),
            "{error:?}"
        );
    }
}

/// Pieces of the grammars involved, in any order.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "proto", "host", "for", "=", ";", ",", "\"", "\\", " ", "https", "http", "api.example.com", "evil", "@", "/", "..",
    "?", "#", ":", "443", "[", "]", "%2f", "\t", "é",
];

fn pieces(most: usize) -> impl Strategy<Value = String> {
    vec(select(PIECES), 0..=most).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn no_field_widens_the_url(
        forwarded_end in pieces(6), proto_end in pieces(1), host_end in pieces(3), prefix in pieces(2),
        host in pieces(3), anything in pieces(12),
    ) {
        let ends = format!(
            "Forwarded: proto=https;host=api.example.com{forwarded_end}\nX-Forwarded-Proto: http{proto_end}\n\
             X-Forwarded-Host: api.example.com{host_end}\nX-Forwarded-Prefix: {prefix}\nHost: {host}"
        );
        let whole = format!("Forwarded: {anything}\nX-Forwarded-Proto: https\nHost: {anything}");
        let uri = Uri::from_static("/orders");
        for headers in [fields(&ends), fields(&whole)] {
            for proxy in [forwarded(), x_forwarded()] {
                if let Ok(url) = proxy.client_url(PEER.parse().ok(), &headers, &uri) {
                    let path = url.strip_prefix("https:").or(url.strip_prefix("http:"));
                    prop_assert_eq!(path, Some("//api.example.com/orders"));
                }
            }
        }
    }
}
