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

    fn hide_settings(request: Request) -> Request {
        ureq::Agent::new_with_defaults()
            .configure_request(request)
            .max_redirects(5)
            .build()
    }
}

#[cfg(feature = "reqwest")]
impl Driver for a0_http::ReqwestClient {
    fn build(options: &[Set<'_>]) -> Result<Self, ClientOptionError> {
        build!(options)
    }

    fn exchange(&self, request: Request) -> Result<Response, TransportError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let answer = a0_http::AsyncHttpClient::exchange(self, request);
        runtime.unwrap().block_on(answer)
    }

    fn hide_settings(request: Request) -> Request {
        let mut hidden = reqwest::Request::try_from(request.clone()).unwrap();
        *hidden.timeout_mut() = Some(Duration::ZERO);
        *hidden.version_mut() = http::Version::HTTP_2;
        let hidden: http::Request<reqwest::Body> = hidden.try_into().unwrap();
        http::Request::from_parts(hidden.into_parts().0, request.into_body())
    }
}
