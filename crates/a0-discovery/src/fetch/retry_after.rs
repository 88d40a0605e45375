//! `Retry-After`, RFC 9110 section 10.2.3.

use std::time::Duration;

use a0_jose::NumericDate;
use http::header::RETRY_AFTER;
use http::{Response, StatusCode};

/// How long a 429 or a 503 asks clients to wait. The field is a number of seconds or a date; a date
/// counts from `now` and gives zero if it is past. Returns `None` for any other status, or if the
/// field is absent or malformed.
pub(super) fn retry_after<B>(response: &Response<B>, now: NumericDate) -> Option<Duration> {
    let is_busy = matches!(
        response.status(),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let field = response.headers().get(RETRY_AFTER).filter(|_| is_busy)?;
    let text = field.to_str().ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = NumericDate::from(httpdate::parse_http_date(text).ok()?);
    let seconds = date.as_seconds() - now.as_seconds();
    Duration::try_from_secs_f64(seconds.max(0.0)).ok()
}
