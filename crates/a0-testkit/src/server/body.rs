//! Response bodies, whole ones and those that never end.

use std::future;
use std::time::Duration;

use http::Response;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http_body_util::channel::{Channel, SendError, Sender};
use http_body_util::{Either, Full};
use hyper::body::Bytes;

use crate::reply::{BodyFault, Reply, json_typed, response};

pub(super) type Body = Either<Full<Bytes>, Channel<Bytes>>;

/// One chunk of an endless body, and how many of them are sent at most.
const CHUNK: &[u8] = &[b' '; 16 << 10];
const CHUNKS: usize = (256 << 20) / CHUNK.len();
/// The time between two bytes of a trickling body.
const DRIP: Duration = Duration::from_millis(50);

/// The response to send for a reply. The server sets the headers about length and connection.
pub(super) fn response_for(reply: Reply) -> Response<Body> {
    match reply {
        Reply::Whole(mut whole) => {
            for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
                whole.headers_mut().remove(name);
            }
            whole.map(|body| Either::Left(Full::from(body)))
        }
        Reply::Unfinished(fault) => {
            let (sender, body) = Channel::new(1);
            tokio::spawn(send(fault, sender));
            let mut head = json_typed(response(200, Vec::new()));
            if fault != BodyFault::Endless {
                head.headers_mut()
                    .insert(CONTENT_LENGTH, HeaderValue::from_static("65536"));
            }
            head.map(|_| Either::Right(body))
        }
    }
}

/// Ends with an error when the client hangs up.
async fn send(fault: BodyFault, mut body: Sender<Bytes>) -> Result<(), SendError> {
    body.send_data(Bytes::from_static(b"{")).await?;
    match fault {
        BodyFault::Endless => {
            for _ in 0..CHUNKS {
                body.send_data(Bytes::from_static(CHUNK)).await?;
            }
            Ok(())
        }
        // Keeps the sender, so that the body does not end, until the server stops.
        BodyFault::Stalled => future::pending().await,
        BodyFault::Trickling => loop {
            tokio::time::sleep(DRIP).await;
            body.send_data(Bytes::from_static(b" ")).await?;
        },
    }
}
