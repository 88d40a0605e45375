//! A blocking interface to every client.

use std::fmt::Debug;
use std::time::Duration;

use a0_http::{ClientOptionError, TransportError};

pub(crate) type Request = http::Request<Vec<u8>>;
pub(crate) type Response = http::Response<Vec<u8>>;

/// An option of a client's builder.
#[derive(Clone, Copy)]
pub(crate) enum Setting<'a> {
    Timeout(Duration),
    MaxBodySize(usize),
    Roots(&'a [u8]),
    AddRoots(&'a [u8]),
    RootsFromSslCertFile,
    #[cfg(feature = "platform-verifier")]
    PlatformRoots,
    ProxyFromEnv,
}

pub(crate) trait Driver: Debug + Default {
    fn build(options: &[Setting<'_>]) -> Result<Self, ClientOptionError>;
    fn exchange(&self, request: Request) -> Result<Response, TransportError>;
    /// Runs these exchanges concurrently.
    fn exchange_all(&self, requests: Vec<Request>) -> Vec<Result<Response, TransportError>>;
    /// Whether the client's library distinguishes a head that was cut short from one that never
    /// came.
    const REPORTS_A_CUT_HEAD: bool;
    /// Puts settings into the request's extensions that the client's library would obey.
    fn hide_settings(request: Request) -> Request;
}

macro_rules! build {
    ($options:ident) => {{
        let mut builder = Self::builder();
        for option in $options {
            builder = match *option {
                Setting::Timeout(timeout) => builder.timeout(timeout),
                Setting::MaxBodySize(bytes) => builder.max_body_size(bytes),
                Setting::Roots(pem) => builder.root_certificates_pem(pem)?,
                Setting::AddRoots(pem) => builder.add_root_certificates_pem(pem)?,
                Setting::RootsFromSslCertFile => {
                    builder.trust_roots(a0_http::TrustRoots::from_ssl_cert_file()?)
                }
                #[cfg(feature = "platform-verifier")]
                Setting::PlatformRoots => builder.trust_roots(a0_http::TrustRoots::platform()),
                Setting::ProxyFromEnv => builder.proxy_from_env()?,
            };
        }
        Ok(builder.build())
    }};
}

#[cfg(feature = "ureq")]
impl Driver for a0_http::UreqClient {
    fn build(options: &[Setting<'_>]) -> Result<Self, ClientOptionError> {
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

    const REPORTS_A_CUT_HEAD: bool = true;

    fn hide_settings(request: Request) -> Request {
        ureq::Agent::new_with_defaults()
            .configure_request(request)
            .max_redirects(5)
            .build()
    }
}

#[cfg(feature = "reqwest")]
thread_local! {
    /// One runtime for all exchanges of a test, so that they can share connections.
    static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
}

#[cfg(feature = "reqwest")]
impl Driver for a0_http::ReqwestClient {
    fn build(options: &[Setting<'_>]) -> Result<Self, ClientOptionError> {
        build!(options)
    }

    fn exchange(&self, request: Request) -> Result<Response, TransportError> {
        let response = a0_http::AsyncHttpClient::exchange(self, request);
        RUNTIME.with(|runtime| runtime.block_on(response))
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
            let mut responses = Vec::new();
            for one in exchanges {
                responses.push(one.await.unwrap());
            }
            responses
        };
        RUNTIME.with(|runtime| runtime.block_on(all))
    }

    const REPORTS_A_CUT_HEAD: bool = false;

    fn hide_settings(request: Request) -> Request {
        let mut hidden = reqwest::Request::try_from(request.clone()).unwrap();
        *hidden.timeout_mut() = Some(Duration::ZERO);
        *hidden.version_mut() = http::Version::HTTP_2;
        let hidden: http::Request<reqwest::Body> = hidden.try_into().unwrap();
        http::Request::from_parts(hidden.into_parts().0, request.into_body())
    }
}
