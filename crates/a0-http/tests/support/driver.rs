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
    /// These exchanges at the same time.
    fn exchange_all(&self, requests: Vec<Request>) -> Vec<Result<Response, TransportError>>;
    /// Whether the client's library tells a head that was cut short from one that never came.
    const TELLS_A_CUT_HEAD: bool;
    /// Whether a feature of the client's library, switched on elsewhere, makes it decode `coding`.
    fn library_decodes(coding: &str) -> bool;
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

    fn exchange_all(&self, requests: Vec<Request>) -> Vec<Result<Response, TransportError>> {
        std::thread::scope(|scope| {
            let exchange = |request| scope.spawn(move || self.exchange(request));
            let exchanges: Vec<_> = requests.into_iter().map(exchange).collect();
            exchanges
                .into_iter()
                .map(|one| one.join().unwrap())
                .collect()
        })
    }

    const TELLS_A_CUT_HEAD: bool = true;

    fn library_decodes(coding: &str) -> bool {
        let server = super::RawServer::with("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        let root = ureq::tls::Certificate::from_pem(super::root_pem()).unwrap();
        let tls = ureq::tls::TlsConfig::builder()
            .root_certs(ureq::tls::RootCerts::new_with_certs(&[root]))
            .build();
        let agent = ureq::Agent::config_builder().tls_config(tls).build();
        agent.new_agent().get(server.url()).call().unwrap();
        // Unless it is told what to ask for, ureq asks for what it decodes.
        let request = &server.requests()[0];
        let mut fields = request
            .lines()
            .filter_map(|line| line.strip_prefix("accept-encoding: "));
        fields.any(|codings| codings.split(", ").any(|name| name == coding))
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

    fn exchange_all(&self, requests: Vec<Request>) -> Vec<Result<Response, TransportError>> {
        let exchange = |request| {
            let client = self.clone();
            let exchange =
                async move { a0_http::AsyncHttpClient::exchange(&client, request).await };
            tokio::spawn(exchange)
        };
        let all = async {
            let exchanges: Vec<_> = requests.into_iter().map(exchange).collect();
            let mut answers = Vec::new();
            for one in exchanges {
                answers.push(one.await.unwrap());
            }
            answers
        };
        RUNTIME.with(|runtime| runtime.block_on(all))
    }

    const TELLS_A_CUT_HEAD: bool = false;

    fn library_decodes(_coding: &str) -> bool {
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
