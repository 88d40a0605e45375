//! Streams of events, which end when the token of their request expires.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use a0_tower::guard::{AtExpiry, Expiry, GuardError, GuardedBody, Wait};
use auth0_api::VerifiedToken;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

/// The moment from which on the token of a request would be refused.
pub(crate) fn end_of(token: &VerifiedToken) -> Expiry {
    match token.accepted_until() {
        Ok(Some(end)) => Expiry::at(end, token.verified_at()),
        // A verified token has an `exp`.
        _ => Expiry::after(Duration::ZERO),
    }
}

/// Lets a stream of events end at this moment. Another body is an answer that is complete, so it stays as it is.
pub(crate) fn until<B: Body>(
    expiry: Option<Expiry>,
    response: Response<B>,
) -> Response<AnswerBody<B>> {
    let expiry = expiry.filter(|_| is_stream(response.headers()));
    response.map(|body| {
        let kind = match expiry {
            Some(expiry) => Kind::Stream {
                body: expiry.body(body, AtExpiry::End),
            },
            None => Kind::Whole { body },
        };
        AnswerBody { kind }
    })
}

fn is_stream(fields: &HeaderMap) -> bool {
    let mut values = fields.get_all(CONTENT_TYPE).iter();
    values.any(|value| {
        let text = value.as_bytes();
        let essence = text.split(|octet| *octet == b';').next();
        let essence = essence.unwrap_or_default().trim_ascii();
        essence.eq_ignore_ascii_case(b"text/event-stream")
    })
}

pin_project! {
    /// The body of an answer of the server inside [`McpAuth`](crate::McpAuth): as it is, or a stream of events that
    /// ends when the token of the request expires.
    pub struct AnswerBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Whole { #[pin] body: B },
        Stream { #[pin] body: GuardedBody<B, Wait> },
    }
}

impl<B: Body> Body for AnswerBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Whole { body } => body.poll_frame(context),
            KindProjection::Stream { body } => body.poll_frame(context).map(|frame| match frame {
                Some(Ok(frame)) => Some(Ok(frame)),
                Some(Err(GuardError::Body(error))) => Some(Err(error)),
                // The end of the token is the end of the stream.
                Some(Err(_)) | None => None,
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole { body } => body.is_end_stream(),
            Kind::Stream { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole { body } => body.size_hint(),
            Kind::Stream { body } => body.size_hint(),
        }
    }
}

impl<B> fmt::Debug for AnswerBody<B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AnswerBody").finish_non_exhaustive()
    }
}
