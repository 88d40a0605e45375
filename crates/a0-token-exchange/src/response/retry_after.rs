//! `Retry-After`, RFC 9110 section 10.2.3.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use http::header::RETRY_AFTER;
use http::response::Parts;

/// Returns how long a 429 or a 503 asks clients to wait. The field is a number of seconds or a
/// date; a date counts from `now` and gives zero if it is past. Returns `None` for any other
/// status, or if the field is absent or malformed.
pub(crate) fn retry_after(parts: &Parts, now: SystemTime) -> Option<Duration> {
    let is_busy = matches!(
        parts.status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let field = parts.headers.get(RETRY_AFTER).filter(|_| is_busy)?;
    let text = field.to_str().ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}
