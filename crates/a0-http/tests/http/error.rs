//! `TransportError` as data.

use std::error::Error;
use std::io;

use a0_http::{HttpClient, TransportError, TransportErrorKind as Kind};

#[test]
fn io_errors_are_classified() {
    let cases = [
        (io::ErrorKind::TimedOut, Kind::Timeout),
        (io::ErrorKind::WouldBlock, Kind::Timeout),
        (io::ErrorKind::ConnectionRefused, Kind::Connect),
        (io::ErrorKind::HostUnreachable, Kind::Connect),
        (io::ErrorKind::NetworkUnreachable, Kind::Connect),
        (io::ErrorKind::NetworkDown, Kind::Connect),
        (io::ErrorKind::AddrNotAvailable, Kind::Connect),
        (io::ErrorKind::ConnectionReset, Kind::Io),
        (io::ErrorKind::UnexpectedEof, Kind::Io),
        (io::ErrorKind::Other, Kind::Io),
    ];
    for (io_kind, kind) in cases {
        let error = TransportError::from(io::Error::new(io_kind, "the cause"));
        assert_eq!(error.kind(), kind, "{io_kind:?}");
        assert_eq!(error.source().unwrap().to_string(), "the cause");
    }
}

#[cfg(unix)]
#[test]
fn a_shortage_of_descriptors_has_its_own_kind() {
    for code in [23, 24] {
        let error = TransportError::from(io::Error::from_raw_os_error(code));
        assert_eq!(error.kind(), Kind::Exhausted, "{error}");
    }
}

#[test]
fn an_io_error_gives_back_the_transport_error_that_it_wraps() {
    let inner = TransportError::new(Kind::BodyTooLarge, "the cause");
    let error = TransportError::from(io::Error::other(inner));
    assert_eq!(error.kind(), Kind::BodyTooLarge);
    assert_eq!(error.source().unwrap().to_string(), "the cause");
}

#[test]
fn errors_are_equal_by_kind_and_clones_share_the_cause() {
    let error = TransportError::new(Kind::Tls, "one");
    assert_eq!(error, TransportError::new(Kind::Tls, "two"));
    assert_eq!(error, Kind::Tls.into());
    assert_ne!(error, Kind::Io.into());
    assert!(TransportError::from(Kind::Tls).source().is_none());
    let error = TransportError::from(io::Error::other("shared"));
    let clone = error.clone();
    let cause = |error: &TransportError| {
        let cause = error
            .source()
            .and_then(|cause| cause.downcast_ref::<io::Error>());
        std::ptr::from_ref(cause.unwrap())
    };
    assert_eq!(cause(&error), cause(&clone));
}

#[test]
fn the_text_comes_from_the_kind_and_never_from_the_cause() {
    let kinds = [
        Kind::Refused,
        Kind::Connect,
        Kind::Exhausted,
        Kind::Tls,
        Kind::Timeout,
        Kind::Io,
        Kind::Protocol,
        Kind::HeaderTooLarge,
        Kind::BodyTooLarge,
        Kind::ContentCoding,
        Kind::TooManyExchanges,
        Kind::Other,
    ];
    let texts: Vec<String> = kinds
        .into_iter()
        .map(|kind| {
            let text = TransportError::new(kind, "s3cr3t").to_string();
            assert_eq!(text, kind.to_string());
            assert!(!text.contains("s3cr3t"));
            text
        })
        .collect();
    for (i, text) in texts.iter().enumerate() {
        assert!(!texts[i + 1..].contains(text), "{text}");
    }
}

#[test]
fn a_closure_may_return_its_own_error_type() {
    fn assert_client(client: impl HttpClient, kind: Kind) {
        let error = client.exchange(http::Request::new(Vec::new())).unwrap_err();
        assert_eq!(error.kind(), kind);
    }
    type Request = http::Request<Vec<u8>>;
    type Response = http::Response<Vec<u8>>;
    assert_client(
        |_: Request| Err::<Response, _>(io::Error::from(io::ErrorKind::TimedOut)),
        Kind::Timeout,
    );
    assert_client(|_: Request| Err::<Response, _>(Kind::Tls), Kind::Tls);
    assert_client(
        |_: Request| Err::<Response, _>(TransportError::from(Kind::Io)),
        Kind::Io,
    );
}
