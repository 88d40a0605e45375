//! The HTML pages of a tenant. They load nothing, run no script and cannot be framed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, Response};
use openssl::sha::sha256;

use crate::reply;

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:44rem;\
padding:0 1rem;color:#1b1b1f;background:#fff}h1{font-size:1.4rem}fieldset{border:1px solid #8a8a94;\
margin:1rem 0;padding:.5rem 1rem}label{display:block;padding:.2rem 0}code{overflow-wrap:anywhere}\
button{font:inherit;padding:.4rem 1.2rem;margin:.5rem .5rem 0 0}.error{color:#9b1c1c}\
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f3f3f6;padding:.7rem}\
input[type=text],textarea,select{font:inherit;width:100%;box-sizing:border-box}";

/// Escapes text for the content of an element and for a quoted attribute. Control characters and
/// those that change the direction of text become U+FFFD: a client chooses its own name, and must
/// not be able to disguise the words around it.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' | '\t' => escaped.push(character),
            '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}' => {
                escaped.push('\u{fffd}');
            }
            other if other.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A page. `title` is text, `body` is HTML.
///
/// The policy has no `form-action`: browsers apply it to the redirect that follows a form too, and
/// that one leads to the client.
pub(crate) fn page(status: u16, title: &str, body: &str) -> Response<Vec<u8>> {
    let title = escape(title);
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}\n</main>\n\
         </body>\n</html>\n"
    );
    let style = STANDARD.encode(sha256(STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; frame-ancestors 'none'"
    );
    let mut response = reply::response(status, html.into_bytes());
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    let fixed: [(HeaderName, &'static str); 5] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (X_FRAME_OPTIONS, "DENY"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // With `no-referrer`, a form would be sent with the origin `null`.
        (REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_for_content_and_attributes() {
        let cases = [
            ("a&b", "a&amp;b"),
            (
                "<script>alert('x')</script>",
                "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;",
            ),
            ("\" onfocus=\"x", "&quot; onfocus=&quot;x"),
            (
                "a\u{202e}b\u{0}c\r\nd\u{61c}",
                "a\u{fffd}b\u{fffd}c\u{fffd}\nd\u{fffd}",
            ),
            ("Ådä", "Ådä"),
        ];
        for (text, expected) in cases {
            assert_eq!(escape(text), expected);
        }
        let page = page(400, "</title><b>", "");
        assert!(!String::from_utf8_lossy(page.body()).contains("</title><b>"));
    }
}
