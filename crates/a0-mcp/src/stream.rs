//! Streams of events, which end when the token of their request expires.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use a0_tower::Verified;
use a0_tower::guard::{AtExpiry, Expiry, GuardError, GuardedBody, Wait};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::answer;

/// How the streams of an answer end.
pub(crate) struct Ending {
    expiry: Expiry,
    /// The event that comes last.
    last: Option<Bytes>,
}

impl Ending {
    /// At the moment from which on the token of the request would be refused.
    pub(crate) fn of(caller: &Verified) -> Self {
        let expiry = match caller.accepted_until() {
            Ok(Some(end)) => caller.expiry_at(end),
            // A verified token has an `exp`.
            _ => Expiry::after(Duration::ZERO),
        };
        Ending { expiry, last: None }
    }

    /// The client is told that this request has no result. The identifier is JSON text.
    pub(crate) fn with_error_for(mut self, id: Option<String>) -> Self {
        self.last = id.map(|id| answer::expired_event(&id).into());
        self
    }
}

/// Lets a stream of events end so. Another body is an answer that is complete, so it stays as it is.
pub(crate) fn until<B: Body<Data = Bytes>>(
    ending: Option<Ending>,
    response: Response<B>,
) -> Response<AnswerBody<B>> {
    let fields = response.headers();
    let ending = ending.filter(|_| is_stream(fields));
    // An event more would not be in that coding, or exceed that length.
    let is_closed = fields.contains_key(CONTENT_ENCODING) || fields.contains_key(CONTENT_LENGTH);
    response.map(|body| {
        let kind = match ending {
            Some(Ending { expiry, last }) => Kind::Stream {
                body: expiry.body(body, AtExpiry::Abort),
                last: last.filter(|_| !is_closed),
                is_in_event: false,
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
    /// ends when the token of the request expires. Then it may have one event more, with a JSON-RPC error.
    pub struct AnswerBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Whole { #[pin] body: B },
        Stream { #[pin] body: GuardedBody<B, Wait>, last: Option<Bytes>, is_in_event: bool },
    }
}

impl<B: Body<Data = Bytes>> Body for AnswerBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Whole { body } => body.poll_frame(context),
            KindProjection::Stream {
                body,
                last,
                is_in_event,
            } => Poll::Ready(match ready!(body.poll_frame(context)) {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref().filter(|data| !data.is_empty()) {
                        *is_in_event = !data.ends_with(b"\n\n");
                    }
                    Some(Ok(frame))
                }
                Some(Err(GuardError::Body(error))) => Some(Err(error)),
                // The end of the token is the end of the stream.
                Some(Err(_)) => {
                    let last = last.take().filter(|_| !*is_in_event);
                    last.map(|event| Ok(Frame::data(event)))
                }
                None => None,
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole { body } => body.is_end_stream(),
            Kind::Stream { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole { body } => body.size_hint(),
            Kind::Stream { .. } => SizeHint::new(),
        }
    }
}

impl<B> fmt::Debug for AnswerBody<B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AnswerBody").finish_non_exhaustive()
    }
}
