//! Why an extractor refuses a request.

use std::fmt;
use std::sync::Arc;

use auth0_api::Error;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

use crate::answer::default_answer;
use crate::auth::Settings;

/// Why an extractor, or a handler, refuses a request; with axum it is the response too.
///
/// A handler that returns `Result<_, Refusal>` can use `?` on the errors of a
/// [`VerifiedToken`](auth0_api::VerifiedToken). Such an answer does not go through
/// [`on_refusal`](crate::Auth::on_refusal), because an error does not know the layer.
///
/// ```
/// use a0_tower::{Refusal, Verified};
///
/// async fn handler(token: Verified) -> Result<String, Refusal> {
///     let subject = token.subject()?.unwrap_or_default();
///     Ok(format!("Hello, {subject}"))
/// }
/// ```
#[derive(Clone)]
pub struct Refusal {
    reason: Reason,
    /// The layer whose hook shapes the answer.
    settings: Option<Arc<Settings>>,
    is_grpc: bool,
}

#[derive(Clone)]
enum Reason {
    Error(Error),
    NoLayer,
}

impl Refusal {
    pub(crate) fn new(error: Error, settings: Arc<Settings>, is_grpc: bool) -> Self {
        Refusal {
            reason: Reason::Error(error),
            settings: Some(settings),
            is_grpc,
        }
    }

    /// A handler asks for a token on a route that is not behind the layer. Credentials would not help the
    /// client, so the answer is not 401.
    pub(crate) fn no_layer() -> Self {
        Refusal {
            reason: Reason::NoLayer,
            settings: None,
            is_grpc: false,
        }
    }

    /// The error that the answer stands for; `None` if the route is not behind [`Auth`](crate::Auth).
    pub fn error(&self) -> Option<&Error> {
        match &self.reason {
            Reason::Error(error) => Some(error),
            Reason::NoLayer => None,
        }
    }

    /// The status of the answer, before a hook changes it.
    pub fn status_code(&self) -> StatusCode {
        self.error()
            .map_or(StatusCode::INTERNAL_SERVER_ERROR, Error::status_code)
    }

    /// The answer, with its challenges and problem details (RFC 9457), or in the form of gRPC if the request
    /// is a call of gRPC. Its extensions hold the [`Error`], or this refusal if there is none, for a log.
    pub fn response(&self) -> Response<String> {
        match (&self.reason, &self.settings) {
            (Reason::Error(error), Some(settings)) => settings.answer(error, self.is_grpc),
            (Reason::Error(error), None) => default_answer(error),
            (Reason::NoLayer, _) => {
                let mut answer = no_layer_answer();
                answer.extensions_mut().insert(self.clone());
                answer
            }
        }
    }
}

fn no_layer_answer() -> Response<String> {
    let body = concat!(
        r#"{"type":"about:blank","title":"Internal Server Error","#,
        r#""status":500,"error":"invalid_configuration"}"#
    );
    let mut answer = Response::new(body.to_owned());
    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    let problem = HeaderValue::from_static("application/problem+json");
    answer.headers_mut().insert(CONTENT_TYPE, problem);
    answer
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal {
            reason: Reason::Error(error),
            settings: None,
            is_grpc: false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Error(error) => error.fmt(formatter),
            Reason::NoLayer => {
                formatter.write_str("a handler asks for a token, but no layer protects its route")
            }
        }
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = formatter.debug_tuple("Refusal");
        match &self.reason {
            Reason::Error(error) => tuple.field(error),
            Reason::NoLayer => tuple.field(&"NoLayer"),
        }
        .finish()
    }
}

impl std::error::Error for Refusal {
    /// The [`Error`].
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error().map(|error| error as _)
    }
}
