//! `Cache-Control`, RFC 9111 section 5.2.2.1.

use std::time::Duration;

use http::HeaderMap;
use http::header::CACHE_CONTROL;

/// Returns the first `max-age` of a response's `Cache-Control`, or `None` if it is absent, negative
/// or not a number. A number above `u64::MAX` counts as `u64::MAX`.
///
/// ```
/// use std::time::Duration;
///
/// let mut headers = http::HeaderMap::new();
/// headers.insert("cache-control", http::HeaderValue::from_static("public, Max-Age=15, max-age=9"));
/// assert_eq!(a0_discovery::max_age(&headers), Some(Duration::from_secs(15)));
/// ```
pub fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let value = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .filter_map(|directive| directive.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("max-age"))
        .map(|(_, value)| value.trim())?;
    if value.is_empty() || !value.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)))
}
