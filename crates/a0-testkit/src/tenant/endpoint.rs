use http::Method;

/// The endpoints of a tenant. Each can be made to misbehave, and its requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `GET /.well-known/openid-configuration`
    Discovery,
    /// `GET /.well-known/jwks.json`
    Jwks,
    /// `POST /oauth/token`
    Token,
}

impl Endpoint {
    /// The path, with a leading slash.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Discovery => "/.well-known/openid-configuration",
            Self::Jwks => "/.well-known/jwks.json",
            Self::Token => "/oauth/token",
        }
    }

    /// The only method that the endpoint allows.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::Discovery | Self::Jwks => Method::GET,
            Self::Token => Method::POST,
        }
    }

    pub(super) fn at(path: &str) -> Option<Self> {
        [Self::Discovery, Self::Jwks, Self::Token]
            .into_iter()
            .find(|endpoint| endpoint.path() == path)
    }
}
