//! The normalisation of request URLs: which spellings are equal, which differ, and which are
//! refused.

mod spellings;

use std::collections::HashSet;

use a0_dpop::{Htu, InvalidHtu};

fn normal(url: &str) -> String {
    match Htu::parse(url) {
        Ok(htu) => htu.as_str().to_owned(),
        Err(error) => panic!("{url:?}: {error}"),
    }
}

#[test]
fn one_resource_has_one_normal_form() {
    for (url, expected) in [
        // Scheme, host and port.
        ("https://example.com", "https://example.com/"),
        ("https://example.com/", "https://example.com/"),
        ("HtTpS://eXaMpLe.CoM/", "https://example.com/"),
        ("https://example.com:", "https://example.com/"),
        ("https://example.com:/", "https://example.com/"),
        ("https://example.com:443/", "https://example.com/"),
        ("https://example.com:0443/", "https://example.com/"),
        ("https://example.com:00000000000443", "https://example.com/"),
        ("http://example.com:80/", "http://example.com/"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("http://example.com:443/", "http://example.com:443/"),
        ("https://example.com:08443/", "https://example.com:8443/"),
        ("https://example.com:65535/", "https://example.com:65535/"),
        ("https://example.com:1/", "https://example.com:1/"),
        ("https://example.com./", "https://example.com./"),
        ("https://a-b_c~d.example/", "https://a-b_c~d.example/"),
        ("https://a!$&'()*+,;=b/", "https://a!$&'()*+,;=b/"),
        ("https://127.0.0.1:3000/a", "https://127.0.0.1:3000/a"),
        ("https://[::1]/", "https://[::1]/"),
        ("https://[::1]:443", "https://[::1]/"),
        ("https://[::1]:/", "https://[::1]/"),
        ("https://[2001:DB8::A]:8443/", "https://[2001:db8::a]:8443/"),
        ("https://[::ffff:192.0.2.1]/", "https://[::ffff:192.0.2.1]/"),
        // Query and fragment.
        ("https://h?", "https://h/"),
        ("https://h#", "https://h/"),
        ("https://h?a=/../b", "https://h/"),
        ("https://h#@evil/", "https://h/"),
        ("https://h?@evil/", "https://h/"),
        ("https://h/a?b#c", "https://h/a"),
        ("https://h/a#b?c", "https://h/a"),
        ("https://h/a??b##c", "https://h/a"),
        ("https://h/a?filter[b]=c|d e\\f\u{e9}%zz\t", "https://h/a"),
        // Percent-encodings.
        ("https://h/%7Ejoe", "https://h/~joe"),
        ("https://h/%7ejoe", "https://h/~joe"),
        (
            "https://h/%41%5a%61%7A%30%39%2d%2E%5F",
            "https://h/AZaz09-._",
        ),
        ("https://h/%c3%a9%FF%00", "https://h/%C3%A9%FF%00"),
        ("https://h/a%2fb", "https://h/a%2Fb"),
        ("https://h/%3f%23%5b%5c%20", "https://h/%3F%23%5B%5C%20"),
        ("https://h/%2541", "https://h/%2541"),
        ("https://h/%25%34%31", "https://h/%2541"),
        (
            "https://h/%21%24%26%27%28%29",
            "https://h/%21%24%26%27%28%29",
        ),
        ("https://h/a!$&'()*+,;=:@b", "https://h/a!$&'()*+,;=:@b"),
        // Characters that clients send although the grammar requires their percent-encoding.
        // Brackets are reserved, so they differ from their encodings.
        ("https://h/\"<>^`{|}", "https://h/%22%3C%3E%5E%60%7B%7C%7D"),
        (
            "https://h/%22%3c%3e%5e%60%7b%7c%7d",
            "https://h/%22%3C%3E%5E%60%7B%7C%7D",
        ),
        ("https://h/\u{e9}", "https://h/%C3%A9"),
        ("https://h/e\u{301}", "https://h/e%CC%81"),
        ("https://h/\u{ff41}a\u{ad}b", "https://h/%EF%BD%81a%C2%ADb"),
        (
            "https://h/\u{3000}\u{2025}/",
            "https://h/%E3%80%80%E2%80%A5/",
        ),
        ("https://h/\u{1F511}/..", "https://h/"),
        ("https://h/[a]", "https://h/[a]"),
        ("https://h/%5ba%5D", "https://h/%5Ba%5D"),
        ("https://h/a|b/../{c}", "https://h/%7Bc%7D"),
        ("https://h/.|/..", "https://h/"),
        // Dot segments, the examples of RFC 3986 section 5.4 among them.
        ("https://h/.", "https://h/"),
        ("https://h/..", "https://h/"),
        ("https://h/./", "https://h/"),
        ("https://h/../", "https://h/"),
        ("https://h/../../..", "https://h/"),
        ("https://h/a/b/c/./../../g", "https://h/a/g"),
        ("https://h/mid/content=5/../6", "https://h/mid/6"),
        ("https://h/b/c/d;p/..", "https://h/b/c/"),
        ("https://h/b/c/d;p/../", "https://h/b/c/"),
        ("https://h/b/c/../../../g", "https://h/g"),
        ("https://h/b/c/g.", "https://h/b/c/g."),
        ("https://h/b/c/.g", "https://h/b/c/.g"),
        ("https://h/b/c/g..", "https://h/b/c/g.."),
        ("https://h/b/c/..g", "https://h/b/c/..g"),
        ("https://h/b/c/./g/.", "https://h/b/c/g/"),
        ("https://h/b/c/g/./h", "https://h/b/c/g/h"),
        ("https://h/b/c/g/../h", "https://h/b/c/h"),
        ("https://h/b/c/g;x=1/./y", "https://h/b/c/g;x=1/y"),
        ("https://h/b/c/g;x=1/../y", "https://h/b/c/y"),
        ("https://h/...", "https://h/..."),
        ("https://h/a/%2e/b", "https://h/a/b"),
        ("https://h/a/%2e%2E/b", "https://h/b"),
        ("https://h/a/.%2e", "https://h/"),
        ("https://h/a/%2e./b", "https://h/b"),
        ("https://h/a/..%2fb", "https://h/a/..%2Fb"),
        ("https://h/a/%252e%252e/b", "https://h/a/%252e%252e/b"),
        // An empty segment is a segment.
        ("https://h//", "https://h//"),
        ("https://h//a//b/", "https://h//a//b/"),
        ("https://h//..", "https://h/"),
        ("https://h/a//../b", "https://h/a/b"),
        ("https://h/a///..", "https://h/a//"),
        ("https://h/..//a", "https://h//a"),
        ("https://h/.//evil/", "https://h//evil/"),
    ] {
        assert_eq!(normal(url), expected, "{url}");
        assert_eq!(normal(expected), expected, "{url}: not stable");
    }
}

#[test]
fn different_resources_stay_different() {
    let urls = [
        "https://example.com/",
        "http://example.com/",
        "https://example.com./",
        "https://example.com:80/",
        "http://example.com:443/",
        "https://example.com:8443/",
        "https://example.com:4430/",
        "https://www.example.com/",
        "https://example.co/",
        "https://example.com/a",
        "https://example.com/A",
        "https://example.com/a/",
        "https://example.com//a",
        "https://example.com/a//",
        "https://example.com/a;b",
        "https://example.com/a%3Bb",
        "https://example.com/a/b",
        "https://example.com/a%2Fb",
        "https://example.com/a%252Fb",
        "https://example.com/a%5Cb",
        "https://example.com/a%3Fb",
        "https://example.com/a%23b",
        "https://example.com/a|b",
        "https://example.com/a%257Cb",
        "https://example.com/a[b",
        "https://example.com/a%5Bb",
        "https://example.com/a]b",
        "https://example.com/a%5Db",
        "https://example.com/a+b",
        "https://example.com/a%20b",
        "https://example.com/a%2Bb",
        "https://example.com/...",
        "https://example.com/\u{e9}",
        "https://example.com/e\u{301}",
        "https://example.com/%E9",
        "https://example.com/%25C3%25A9",
        "https://example.com/%00",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://[::1]/",
        "https://[0:0:0:0:0:0:0:1]/",
        "https://[::ffff:127.0.0.1]/",
    ];
    let distinct: HashSet<Htu> = urls.iter().map(|url| Htu::parse(url).unwrap()).collect();
    assert_eq!(distinct.len(), urls.len());
}

#[test]
fn urls_that_no_request_can_have_are_refused() {
    use InvalidHtu::{Authority, Host, Path, PercentEncoding, Port, Scheme, Userinfo};
    for (url, expected) in [
        ("", Scheme),
        ("/path", Scheme),
        ("//host", Scheme),
        ("//host/path", Scheme),
        ("host/path", Scheme),
        ("host:443/path", Scheme),
        ("*", Scheme),
        ("://host/", Scheme),
        ("https", Scheme),
        ("ftp://host/", Scheme),
        ("wss://host/", Scheme),
        ("httpss://host/", Scheme),
        ("file:///etc/passwd", Scheme),
        ("https ://host/", Scheme),
        (" https://host/", Scheme),
        ("\u{feff}https://host/", Scheme),
        ("\u{17f}https://host/", Scheme),
        ("http\u{17f}://host/", Scheme),
        ("ht\ttps://host/", Scheme),
        ("%68ttps://host/", Scheme),
        ("https:", Authority),
        ("https:x", Authority),
        ("https:/x", Authority),
        ("https:host/path", Authority),
        ("https:\\\\host\\path", Authority),
        ("https:/\t/host/", Authority),
        ("https://", Host),
        ("https:///", Host),
        ("https:///x", Host),
        ("https://?x", Host),
        ("https://#x", Host),
        ("https://:443", Host),
        ("https://:/x", Host),
        ("https://user@host/", Userinfo),
        ("https://user:password@host/", Userinfo),
        ("https://@host/", Userinfo),
        ("https://:@host/", Userinfo),
        ("https://a@b@host/", Userinfo),
        ("https://good\\@evil/", Userinfo),
        ("https://host\\path", Host),
        ("https://host\\/path", Host),
        ("https://ho st/", Host),
        ("https://host /", Host),
        ("https:// host/", Host),
        ("https://ho\tst/", Host),
        ("https://ho\nst/", Host),
        ("https://ho\rst/", Host),
        ("https://ho\0st/", Host),
        ("https://host\u{7f}/", Host),
        ("https://\u{ff28}\u{ff4f}\u{ff53}\u{ff54}/", Host),
        ("https://ho\u{ad}st/", Host),
        ("https://ho\u{200d}st/", Host),
        ("https://\u{212a}elvin/", Host),
        ("https://b\u{fc}cher.example/", Host),
        ("https://host\u{3002}example/", Host),
        ("https://ho%73t/", Host),
        ("https://host%2e/", Host),
        ("https://ho%/", Host),
        ("https://ho|st/", Host),
        ("https://ho<st/", Host),
        ("https://ho\"st/", Host),
        ("https://ho^st/", Host),
        ("https://{host}/", Host),
        ("https://ho]st/", Host),
        ("https://ho[st/", Host),
        ("https://[/", Host),
        ("https://[]/", Host),
        ("https://[::1/", Host),
        ("https://[::1]x/", Host),
        ("https://[::1]443/", Host),
        ("https://[::1]]/", Host),
        ("https://[[::1]]/", Host),
        ("https://x[::1]/", Host),
        ("https://[127.0.0.1]/", Host),
        ("https://[example]/", Host),
        ("https://[fe80::1%25eth0]/", Host),
        ("https://[fe80::1%eth0]/", Host),
        ("https://[v1.a]/", Host),
        ("https://[::1:2:3:4:5:6:7:8]/", Host),
        ("https://[12345::]/", Host),
        ("https://[::1 ]/", Host),
        ("https://host:port/", Port),
        ("https://host:port", Port),
        ("https://::1/", Host),
        ("https://host:80:80/", Port),
        ("https://host:+80/", Port),
        ("https://host:-80/", Port),
        ("https://host:8 0/", Port),
        ("https://host: 80/", Port),
        ("https://host:0x50/", Port),
        ("https://host:\u{ff18}\u{ff10}/", Port),
        ("https://host:0/", Port),
        ("https://host:00000/", Port),
        ("https://host:65536/", Port),
        ("https://host:99999999999999999999999/", Port),
        ("https://[::1]:x/", Port),
        ("https://host/\\", Path),
        ("https://host/a\\b", Path),
        ("https://host/a b", Path),
        ("https://host/a ", Path),
        ("https://host/a\t", Path),
        ("https://host/a\n", Path),
        ("https://host/\r\n\r\n", Path),
        ("https://host/\0", Path),
        ("https://host/\u{7f}", Path),
        ("https://host/\\../a", Path),
        ("https://host/%", PercentEncoding),
        ("https://host/%2", PercentEncoding),
        ("https://host/%2/", PercentEncoding),
        ("https://host/%2?f", PercentEncoding),
        ("https://host/%zz", PercentEncoding),
        ("https://host/%2g", PercentEncoding),
        ("https://host/%g2", PercentEncoding),
        ("https://host/%%41", PercentEncoding),
        ("https://host/%+1", PercentEncoding),
        ("https://host/% 1", PercentEncoding),
        ("https://host/%\u{e9}1", PercentEncoding),
        ("https://host/%1\u{e9}", PercentEncoding),
        ("https://host/%u0041", PercentEncoding),
        ("https://host/%2/../a", PercentEncoding),
    ] {
        assert_eq!(Htu::parse(url), Err(expected), "{url:?}");
    }
}

#[test]
fn every_octet_of_a_path_is_kept_encoded_or_refused() {
    let kept = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@/[]";
    for octet in 0..=127_u8 {
        let character = char::from(octet);
        let url = format!("https://h/x{character}x");
        let expected = match character {
            '?' | '#' => Ok("https://h/x".to_owned()),
            '%' => Err(InvalidHtu::PercentEncoding),
            _ if kept.contains(character) => Ok(url.clone()),
            _ if "\"<>^`{|}".contains(character) => Ok(format!("https://h/x%{octet:02X}x")),
            _ => Err(InvalidHtu::Path),
        };
        let found = Htu::parse(&url).map(|htu| htu.as_str().to_owned());
        assert_eq!(found, expected, "{octet:#x}");
    }
}

#[test]
fn a_path_stays_below_its_base_url() {
    let below = |url: &str, path: &str| {
        let below = Htu::parse(url).unwrap().below(path);
        below.map(|url| url.as_str().to_owned())
    };
    for (url, path, expected) in [
        ("https://h", "/", "https://h/"),
        ("https://h", "/a", "https://h/a"),
        ("https://h/", "/a", "https://h/a"),
        ("https://h/v1", "/", "https://h/v1/"),
        ("https://h/v1", "/a/./b/../c", "https://h/v1/a/c"),
        ("https://h/v1/", "/a", "https://h/v1/a"),
        ("https://h/v1", "/a?b/../../c", "https://h/v1/a"),
        ("https://h/v1", "/a#b", "https://h/v1/a"),
        ("https://h/v1", "/%7e|%2f", "https://h/v1/~%7C%2F"),
        ("https://h/v1", "//evil", "https://h/v1//evil"),
        // Dot segments leave the base URL neither for good nor for a moment.
        ("https://h/v1", "/..", "https://h/v1/"),
        ("https://h/v1", "/../admin", "https://h/v1/admin"),
        ("https://h/v1", "/%2e%2E/admin", "https://h/v1/admin"),
        ("https://h/v1", "/a/../../admin", "https://h/v1/admin"),
        ("https://h/v1", "/../v1/orders", "https://h/v1/v1/orders"),
    ] {
        assert_eq!(below(url, path), Ok(expected.to_owned()), "{url} {path}");
    }
    for path in ["", "*", "a", "?a", "../a", "https://h/a", "/a\\b", "/a b"] {
        assert_eq!(below("https://h/v1", path), Err(InvalidHtu::Path), "{path}");
    }
    let percent = Err(InvalidHtu::PercentEncoding);
    assert_eq!(below("https://h/v1", "/%zz"), percent);
}

#[test]
fn debug_and_errors_show_nothing_of_the_path() {
    let secret = "s3cr3t";
    for url in [
        "https://H:8443/",
        "https://H:8443/s3cr3t",
        "https://H:8443/a/s3cr3t/b?s3cr3t",
    ] {
        let shown = format!("{:?}", Htu::parse(url).unwrap());
        assert_eq!(shown, "Htu(https://h:8443/..)", "{url}");
    }
    for url in [
        "s3cr3t",
        "https://s3cr3t@h/",
        "https://h:s3cr3t/",
        "https://h/s3cr3t\\",
    ] {
        let error = Htu::parse(url).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(secret), "{url}");
    }
}

/// Twenty thousand dot segments, and 200 kB of each shape that could take quadratic time.
#[test]
fn long_urls_take_bounded_time() {
    const SIZE: usize = 200_000;
    let long = |unit: &str| unit.repeat(SIZE / unit.len());
    for (path, expected) in [
        ("/..".repeat(20_000), "/".to_owned()),
        (long("/.."), "/".to_owned()),
        (long("/."), "/".to_owned()),
        (long("/a/.."), "/".to_owned()),
        (long("/%2e%2E"), "/".to_owned()),
        (long("/%61") + &"/..".repeat(SIZE / 4), "/".to_owned()),
        (long("/a") + "/b/..", long("/a") + "/"),
        (long("/") + &long("/.."), "/".repeat(SIZE - SIZE / 3 + 1)),
        (format!("/{}/..", long("a")), "/".to_owned()),
        (
            format!("/{}{}", long("a"), "/b/..".repeat(20_000)),
            format!("/{}/", long("a")),
        ),
        (long("/"), long("/")),
        (
            long("%41").replacen('%', "/%", 1),
            format!("/{}", "A".repeat(SIZE / 3)),
        ),
        (long("/%2f"), long("/%2F")),
        (format!("/?{}", long("/..")), "/".to_owned()),
        (format!("/#{}", long("?")), "/".to_owned()),
    ] {
        let shape: String = path.chars().take(12).collect();
        let htu = Htu::parse(&format!("https://h{path}")).unwrap();
        assert!(htu.as_str() == format!("https://h{expected}"), "{shape}");
    }
    for (url, expected) in [
        (format!("https://{}/", long("@")), Err(InvalidHtu::Userinfo)),
        (format!("https://h{}/", long(":")), Err(InvalidHtu::Port)),
        (format!("https://h:{}/", long("9")), Err(InvalidHtu::Port)),
        (
            format!("https://h:{}443/", long("0")),
            Ok("https://h/".to_owned()),
        ),
        (format!("https://{}/", long("[")), Err(InvalidHtu::Host)),
        (format!("https://[{}]/", long("1:")), Err(InvalidHtu::Host)),
        (
            format!("https://h/{}", long("%")),
            Err(InvalidHtu::PercentEncoding),
        ),
        (
            format!("https://{}/", long("A.")),
            Ok(format!("https://{}/", long("a."))),
        ),
        (long("https:"), Err(InvalidHtu::Authority)),
        (long("h"), Err(InvalidHtu::Scheme)),
    ] {
        let shape: String = url.chars().take(12).collect();
        let found = Htu::parse(&url).map(|htu| htu.as_str().to_owned());
        assert!(found == expected, "{shape}");
    }
}
