//! The clients, behind one blocking face.

use std::fmt::Debug;
use std::time::Duration;

use a0_http::{ClientOptionError, TransportError};

pub(crate) type Request = http::Request<Vec<u8>>;
pub(crate) type Response = http::Response<Vec<u8>>;

/// An option of a client's builder.
#[derive(Clone, Copy)]
pub(crate) enum Set<'a> {
    Timeout(Duration),
    MaxBodySize(usize),
    Roots(&'a [u8]),
    ProxyFromEnv,
}

pub(crate) trait Driver: Debug + Default {
    fn build(options: &[Set<'_>]) -> Result<Self, ClientOptionError>;
    fn exchange(&self, request: Request) -> Result<Response, TransportError>;
    /// Two exchanges at the same time.
    fn exchange_both(&self, requests: [Request; 2]) -> [Result<Response, TransportError>; 2];
    /// Whether the client's library tells a head that was cut short from one that never came.
    const TELLS_A_CUT_HEAD: bool;
    /// Whether a feature of the client's library, switched on elsewhere, makes it decode gzip.
    fn library_decodes_gzip() -> bool;
    /// Puts settings into the request that the client's library would heed.
    fn hide_settings(request: Request) -> Request;
}

macro_rules! build {
    ($options:ident) => {{
        let mut builder = Self::builder();
        for option in $options {
            builder = match *option {
                Set::Timeout(timeout) => builder.timeout(timeout),
                Set::MaxBodySize(bytes) => builder.max_body_size(bytes),
                Set::Roots(pem) => builder.root_certificates_pem(pem)?,
                Set::ProxyFromEnv => builder.proxy_from_env()?,
            };
        }
        Ok(builder.build())
    }};
}

#[cfg(feature = "ureq")]
impl Driver for a0_http::UreqClient {
    fn build(options: &[Set<'_>]) -> Result<Self, ClientOptionError> {
        build!(options)
    }

    fn exchange(&self, request: Request) -> Result<Response, TransportError> {
        a0_http::HttpClient::exchange(self, request)
    }

    fn exchange_both(&self, [one, two]: [Request; 2]) -> [Result<Response, TransportError>; 2] {
        std::thread::scope(|scope| {
            let two = scope.spawn(|| self.exchange(two));
            [self.exchange(one), two.join().unwrap()]
        })
    }

    const TELLS_A_CUT_HEAD: bool = true;

    /// With the feature ureq also asks for gzip, unless it is told what to ask for.
    fn library_decodes_gzip() -> bool {
        let server = super::RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        let root = ureq::tls::Certificate::from_pem(super::root_pem()).unwrap();
        let tls = ureq::tls::TlsConfig::builder()
            .root_certs(ureq::tls::RootCerts::new_with_certs(&[root]))
            .build();
        let agent = ureq::Agent::config_builder().tls_config(tls).build();
        agent.new_agent().get(server.url()).call().unwrap();
        server.requests()[0].contains("gzip")
    }

    fn hide_settings(request: Request) -> Request {
        ureq::Agent::new_with_defaults()
            .configure_request(request)
            .max_redirects(5)
            .build()
    }
}

#[cfg(feature = "reqwest")]
thread_local! {
    /// One for all exchanges of a test, so that connections can be kept between them.
    static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
}

#[cfg(feature = "reqwest")]
impl Driver for a0_http::ReqwestClient {
    fn build(options: &[Set<'_>]) -> Result<Self, ClientOptionError> {
        build!(options)
    }

    fn exchange(&self, request: Request) -> Result<Response, TransportError> {
        let answer = a0_http::AsyncHttpClient::exchange(self, request);
        RUNTIME.with(|runtime| runtime.block_on(answer))
    }

    fn exchange_both(&self, [one, two]: [Request; 2]) -> [Result<Response, TransportError>; 2] {
        let one = a0_http::AsyncHttpClient::exchange(self, one);
        let two = a0_http::AsyncHttpClient::exchange(self, two);
        let both = async { tokio::join!(one, two).into() };
        RUNTIME.with(|runtime| runtime.block_on(both))
    }

    const TELLS_A_CUT_HEAD: bool = false;

    fn library_decodes_gzip() -> bool {
        false
    }

    fn hide_settings(request: Request) -> Request {
        let mut hidden = reqwest::Request::try_from(request.clone()).unwrap();
        *hidden.timeout_mut() = Some(Duration::ZERO);
        *hidden.version_mut() = http::Version::HTTP_2;
        let hidden: http::Request<reqwest::Body> = hidden.try_into().unwrap();
        http::Request::from_parts(hidden.into_parts().0, request.into_body())
    }
}
