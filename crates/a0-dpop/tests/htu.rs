//! Which spellings of a request URL are one resource, which are not, and which are refused.

use std::collections::HashSet;

use a0_dpop::{Htu, InvalidHtu};
use proptest::prelude::*;

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
        // What clients send although the grammar has it percent-encoded only; and brackets, which
        // are reserved, so that their encodings are not they.
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
fn what_is_no_url_of_a_request_is_refused() {
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
fn a_path_stays_below_the_url_in_front_of_it() {
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
        // Neither out, nor out and back in.
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

/// Twenty thousand dot segments, and 200 kB of each shape that invites quadratic work.
#[test]
fn long_urls_come_to_an_end() {
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

/// Ways from one segment to itself.
const DETOURS: [&str; 6] = ["/.", "/%2e", "/x/..", "/x/%2E%2e", "//..", "/x//.%2E/%2e."];

/// What a comparison leaves out.
const TAILS: [&str; 7] = ["", "?", "?a=b/../c", "#", "#?a/b", "?a#b", "?[x]=%"];

/// The parts of a normalised URL.
#[derive(Debug, Clone)]
struct Resource {
    secure: bool,
    host: String,
    port: Option<u16>,
    segments: Vec<String>,
}

impl Resource {
    /// The spelling that needs no normalisation, built without the code under test.
    fn plain(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let port = match (self.secure, self.port) {
            (_, None) | (true, Some(443)) | (false, Some(80)) => String::new(),
            (_, Some(port)) => format!(":{port}"),
        };
        format!("{scheme}://{}{port}/{}", self.host, self.segments.join("/"))
    }

    /// Another spelling of the same.
    fn respelt(&self, dice: &mut impl FnMut(u32) -> u32) -> String {
        let mut url = any_case(if self.secure { "https" } else { "http" }, dice);
        url += "://";
        url += &any_case(&self.host, dice);
        let default = if self.secure { 443 } else { 80 };
        match self.port {
            Some(port) if port != default => url += &format!(":{}{port}", zeros(dice)),
            _ => match dice(3) {
                0 => {}
                1 => url += ":",
                _ => url += &format!(":{}{default}", zeros(dice)),
            },
        }
        let may_be_empty = self.segments.iter().all(String::is_empty) && self.segments.len() < 2;
        if !(may_be_empty && dice(2) == 0) {
            for segment in &self.segments {
                for _ in 0..dice(3) {
                    url += DETOURS[dice(DETOURS.len() as u32) as usize];
                }
                url += "/";
                url += &any_encoding(segment, dice);
            }
            if self.segments.is_empty() {
                url += "/";
            }
        }
        url + TAILS[dice(TAILS.len() as u32) as usize]
    }
}

fn zeros(dice: &mut impl FnMut(u32) -> u32) -> String {
    "0".repeat(dice(3) as usize)
}

fn any_case(text: &str, dice: &mut impl FnMut(u32) -> u32) -> String {
    text.chars()
        .map(|character| match dice(2) {
            0 => character.to_ascii_uppercase(),
            _ => character.to_ascii_lowercase(),
        })
        .collect()
}

/// Encodes some unreserved characters, changes the case of what is encoded already, and leaves out
/// some encodings that clients leave out.
fn any_encoding(segment: &str, dice: &mut impl FnMut(u32) -> u32) -> String {
    let mut text = String::new();
    let mut rest = segment.chars();
    while let Some(character) = rest.next() {
        if character == '%' && rest.as_str().starts_with("C3%A9") && dice(2) == 0 {
            text.push('\u{e9}');
            rest = rest.as_str()["C3%A9".len()..].chars();
            continue;
        }
        let unreserved = character.is_ascii_alphanumeric() || "-._~".contains(character);
        if character == '%' {
            let digits: String = rest.by_ref().take(2).collect();
            let octet = u8::from_str_radix(&digits, 16).unwrap();
            if "\"<>^`{|}".contains(char::from(octet)) && dice(2) == 0 {
                text.push(char::from(octet));
            } else {
                text.push('%');
                text += &any_case(&digits, dice);
            }
        } else if unreserved && dice(3) == 0 {
            text.push('%');
            text += &any_case(&format!("{:02x}", u32::from(character)), dice);
        } else {
            text.push(character);
        }
    }
    text
}

fn any_resource() -> impl Strategy<Value = Resource> {
    let host = prop_oneof![
        "[a-z0-9_~-]{1,8}(\\.[a-z]{1,3}){0,2}\\.?",
        Just("[2001:db8::a]".into())
    ];
    let port = prop::option::of(prop_oneof![Just(80), Just(443), Just(8443), 1..=u16::MAX]);
    // Dot segments are for the spellings to add.
    let segment =
        "([A-Za-z0-9_~!$&'()*+,;=:@\\[\\]-]|%2F|%C3|%C3%A9|%25|%00|%3A|%5B|%7C|%7B|%22|\\.){0,5}"
            .prop_filter("a dot segment", |segment| segment != "." && segment != "..");
    (
        any::<bool>(),
        host,
        port,
        prop::collection::vec(segment, 0..5),
    )
        .prop_map(|(secure, host, port, segments)| Resource {
            secure,
            host,
            port,
            segments,
        })
}

/// A source of choices: each call gives a number below its argument.
fn dice(rolls: Vec<u32>) -> impl FnMut(u32) -> u32 {
    let mut rolls = rolls.into_iter().cycle();
    move |sides| rolls.next().unwrap_or(0) % sides
}

proptest! {
    #[test]
    fn any_text_is_normalised_or_refused(
        text in any::<String>(),
        url in "(?i)https?://[a-z0-9:.@\\[\\]\\\\-]{0,9}(/|\\.|%2e|%[0-9a-g]{2}|[ -~]|.){0,20}",
        tail in "[!-~]{0,24}",
    ) {
        for url in [text, url, format!("https://h/{tail}"), format!("https://{tail}")] {
            let Ok(htu) = Htu::parse(&url) else { continue };
            prop_assert_eq!(Htu::parse(htu.as_str()), Ok(htu.clone()), "{}", &url);
            prop_assert!(htu.as_str().is_ascii());
            prop_assert!(htu.as_str().len() <= 3 * url.len() + 1);
            let path: Vec<&str> = htu.as_str().splitn(4, '/').collect();
            prop_assert_eq!(path.len(), 4);
            for segment in path[3].split('/') {
                prop_assert!(segment != "." && segment != "..", "{}", &url);
            }
        }
    }

    /// On a server that stands alone, and behind a prefix, a path is the same.
    #[test]
    fn a_prefix_changes_no_path(path in "(/(\\.|%2e|[a-z\\[{\u{e9}]|%[0-9a-f]{2}|v1){0,4}){1,6}") {
        let alone = Htu::parse("https://h").unwrap().below(&path).unwrap();
        let behind = Htu::parse("https://h/v1").unwrap().below(&path).unwrap();
        prop_assert_eq!(&alone, &Htu::parse(&format!("https://h{path}")).unwrap());
        let path = alone.as_str().strip_prefix("https://h").unwrap();
        prop_assert_eq!(behind.as_str(), format!("https://h/v1{path}"));
    }

    #[test]
    fn spellings_of_one_resource_are_equal(
        resource in any_resource(),
        rolls in prop::collection::vec(any::<u32>(), 1..80),
    ) {
        let plain = resource.plain();
        let spelling = resource.respelt(&mut dice(rolls));
        prop_assert_eq!(normal(&plain), plain.clone());
        prop_assert_eq!(normal(&spelling), plain, "{}", &spelling);
    }

    #[test]
    fn spellings_of_two_resources_differ(
        one in any_resource(),
        other in any_resource(),
        changed in 0..4_u8,
        rolls in prop::collection::vec(any::<u32>(), 1..80),
    ) {
        // Often alike but for one part.
        let mut two = one.clone();
        match changed {
            0 => two.secure = !one.secure,
            1 => two.host = other.host,
            2 => two.port = other.port,
            _ => two.segments = other.segments,
        }
        prop_assume!(one.plain() != two.plain());
        let mut dice = dice(rolls);
        prop_assert_ne!(normal(&one.respelt(&mut dice)), normal(&two.respelt(&mut dice)));
    }
}
