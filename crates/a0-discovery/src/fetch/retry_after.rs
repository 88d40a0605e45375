//! Retry-After, RFC 9110 section 10.2.3.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{Response, StatusCode};

/// How long a server that answers 429 or 503 asks to be left alone; `None` without the field, or if it
/// is not a number of seconds.
pub(super) fn retry_after<B>(answer: &Response<B>) -> Option<Duration> {
    let is_busy = matches!(
        answer.status(),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let field = answer.headers().get(RETRY_AFTER).filter(|_| is_busy)?;
    let seconds = field.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
