//! Edits of the text of a JWS, by the names that `cases.json` has for them.

use crate::tenant::{NOW, encode};

/// Edits the JSON of a header or a payload, before it is encoded.
pub(crate) fn json(edit: &str, json: &str) -> Option<String> {
    let first = |to: &str| json.replacen('{', to, 1);
    Some(match edit {
        "has a member twice" => first(r#"{"twice":1,"twice":2,"#),
        "has a member twice within" => first(r#"{"deep":[{"twice":1,"twice":1}],"#),
        "has its own first member twice" => match json.split_once(',') {
            Some((member, _)) => first(&format!("{member},")),
            None => json.to_owned(),
        },
        "has white space" => json.replace(':', " :\n "),
        "has a byte order mark" => format!("\u{feff}{json}"),
        "has more after its end" => format!("{json}x"),
        "is cut" => json.chars().take(json.chars().count() / 2).collect(),
        "is a list" => format!("[{json}]"),
        "is a string" => "\"x\"".to_owned(),
        "is null" => "null".to_owned(),
        "has NaN" => first("{\"nan\":NaN,"),
        "has NaN for iat" => json.replacen(&format!(":{}", NOW - 1), ":NaN", 1),
        "has an escaped name" => json.replacen("\"i", "\"\\u0069", 1),
        _ => return None,
    })
}

/// Edits an encoded header or payload, before it is signed.
pub(crate) fn segment(edit: &str, segment: &str) -> Option<String> {
    Some(match edit {
        "is padded" => format!("{segment}{}", "=".repeat((4 - segment.len() % 4) % 4)),
        "is padded too much" => format!("{segment}===="),
        "has spare bits" => with_spare_bits(segment),
        "is empty" => String::new(),
        "is not UTF-8" => encode(b"{\"a\":\"\xff\"}"),
        "has a line break" => format!("{segment}\n"),
        "begins like bytes of Python" => format!("b'{segment}"),
        _ => return None,
    })
}

pub(crate) fn signature(edit: &str, signature: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = signature.to_vec();
    match edit {
        "has another bit" => bytes.iter_mut().take(9).for_each(|byte| *byte ^= 1),
        "is cut" => bytes.truncate(bytes.len().saturating_sub(1)),
        "is longer" => bytes.push(0),
        "is zero" => bytes.fill(0),
        _ => return None,
    }
    Some(bytes)
}

/// Edits the whole token, after it is signed.
pub(crate) fn token(edit: &str, token: &str) -> Option<String> {
    let unsigned = token.rsplit_once('.').map_or("", |(unsigned, _)| unsigned);
    Some(match edit {
        "is empty" => String::new(),
        "is opaque" => "opaque".to_owned(),
        "has two segments" => unsigned.to_owned(),
        "has four segments" => format!("{token}.x"),
        "has five segments" => format!("{token}.x.y"),
        "ends in a dot" => format!("{token}."),
        "begins with a dot" => format!(".{token}"),
        "is padded at its end" => format!("{token}=="),
        "has a space at its end" => format!("{token} "),
        "has a space within" => token.replacen('.', " .", 1),
        "has a line break within" => token.replacen('.', "\n.", 1),
        "begins like bytes of Python" => format!("b'{token}'"),
        "has letters of other scripts" => format!("{token}\u{e9}"),
        "has no signature" if unsigned.is_empty() => String::new(),
        "has no signature" => format!("{unsigned}."),
        _ => return None,
    })
}

/// Encodes the same bytes differently, if the last character has bits to spare.
fn with_spare_bits(segment: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = segment.to_owned();
    if !text.len().is_multiple_of(4)
        && let Some(last) = text.pop()
        && let Some(at) = ALPHABET.find(last)
    {
        text.push(ALPHABET.chars().nth(at | 1).unwrap_or(last));
    }
    text
}
