//! The body of a response.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a response: the inner service's, as it is, or the text of an answer of the layer.
    ///
    /// It is a body for every inner body whose data can be made from a `String`, as `bytes::Bytes` can.
    pub struct AuthBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Inner { #[pin] body: B },
        Answer { text: String },
    }
}

impl<B> AuthBody<B> {
    /// The body of the inner service.
    pub fn inner(body: B) -> Self {
        let kind = Kind::Inner { body };
        AuthBody { kind }
    }

    /// The text of an answer.
    pub fn answer(text: String) -> Self {
        let kind = Kind::Answer { text };
        AuthBody { kind }
    }
}

impl<B> Body for AuthBody<B>
where
    B: Body,
    B::Data: From<String>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Inner { body } => body.poll_frame(context),
            KindProjection::Answer { text } if text.is_empty() => Poll::Ready(None),
            KindProjection::Answer { text } => {
                let data = B::Data::from(std::mem::take(text));
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Answer { text } => text.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Answer { text } => SizeHint::with_exact(text.len() as u64),
        }
    }
}

impl<B> fmt::Debug for AuthBody<B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AuthBody").finish_non_exhaustive()
    }
}
