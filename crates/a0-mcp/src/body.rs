//! Bodies of requests.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::timeout;

pin_project! {
    /// The body of a request that passed [`McpAuth`](crate::McpAuth): the octets that the layer read, unchanged,
    /// or the stream of the client.
    pub struct McpBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Read { data: Option<Bytes>, trailers: Option<HeaderMap> },
        Stream { #[pin] body: B },
    }
}

impl<B> McpBody<B> {
    pub(crate) fn stream(body: B) -> Self {
        let kind = Kind::Stream { body };
        McpBody { kind }
    }

    pub(crate) fn read(read: Read) -> Self {
        let data = Some(read.data).filter(|data| !data.is_empty());
        let trailers = read.trailers;
        let kind = Kind::Read { data, trailers };
        McpBody { kind }
    }
}

impl<B: Body> Body for McpBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Read { data, trailers } => {
                let data = data.take().map(Frame::data);
                let frame = data.or_else(|| trailers.take().map(Frame::trailers));
                Poll::Ready(frame.map(Ok))
            }
            KindProjection::Stream { body } => {
                let frame = ready!(body.poll_frame(context));
                Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(whole))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Read { data, trailers } => data.is_none() && trailers.is_none(),
            Kind::Stream { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Read { data, .. } => {
                SizeHint::with_exact(data.as_ref().map_or(0, Bytes::len) as u64)
            }
            Kind::Stream { body } => body.size_hint(),
        }
    }
}

fn whole<D: Buf>(mut data: D) -> Bytes {
    data.copy_to_bytes(data.remaining())
}

impl<B> fmt::Debug for McpBody<B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("McpBody").finish_non_exhaustive()
    }
}

/// A whole body.
pub(crate) struct Read {
    pub(crate) data: Bytes,
    trailers: Option<HeaderMap>,
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadError {
    TooLarge,
    TooSlow,
    /// The client went away, or broke the framing.
    Broken,
}

/// Reads a body within limits on its size, in octets, and on the time for all of it.
pub(crate) async fn read<B: Body>(
    body: B,
    limit: usize,
    time: Duration,
) -> Result<Read, ReadError> {
    if body.size_hint().lower() > limit as u64 {
        return Err(ReadError::TooLarge);
    }
    let reading = collect(body, limit);
    timeout(time, reading)
        .await
        .unwrap_or(Err(ReadError::TooSlow))
}

async fn collect<B: Body>(body: B, limit: usize) -> Result<Read, ReadError> {
    let mut body = pin!(body);
    let mut read = BytesMut::new();
    let mut trailers = None;
    while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
        match frame.map_err(|_| ReadError::Broken)?.into_data() {
            Ok(data) => {
                if data.remaining() > limit.saturating_sub(read.len()) {
                    return Err(ReadError::TooLarge);
                }
                read.extend_from_slice(&whole(data));
            }
            Err(frame) => trailers = frame.into_trailers().ok().or(trailers),
        }
    }
    Ok(Read {
        data: read.freeze(),
        trailers,
    })
}
