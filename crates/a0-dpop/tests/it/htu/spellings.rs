//! Generated URLs: every spelling of a URL has the same normal form.

use a0_dpop::Htu;
use proptest::prelude::*;

use super::normal;

/// Dot segments that lead from one segment back to itself.
const DETOURS: [&str; 6] = ["/.", "/%2e", "/x/..", "/x/%2E%2e", "//..", "/x//.%2E/%2e."];

/// Queries and fragments, which are ignored.
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
    /// The normalised spelling, built without the code under test.
    fn plain(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        let port = match (self.secure, self.port) {
            (_, None) | (true, Some(443)) | (false, Some(80)) => String::new(),
            (_, Some(port)) => format!(":{port}"),
        };
        format!("{scheme}://{}{port}/{}", self.host, self.segments.join("/"))
    }

    /// Another spelling of the same URL.
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

/// Encodes some unreserved characters, changes the case of some encodings, and decodes some
/// characters that clients send without encoding.
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
    // The spellings add dot segments.
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

/// A source of choices: each call returns a number below its argument.
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

    /// A base URL does not change how a path is normalised.
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
        // Often they differ in one part only.
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
