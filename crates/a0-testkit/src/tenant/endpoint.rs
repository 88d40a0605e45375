use http::Method;

/// The endpoints of a tenant. Each can be made to misbehave, and its requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `GET /.well-known/openid-configuration`
    Discovery,
    /// `GET /.well-known/oauth-authorization-server`, the same document by RFC 8414
    AuthorizationServer,
    /// `GET /.well-known/jwks.json`
    Jwks,
    /// `POST /oauth/token`
    Token,
    /// `GET /authorize`, or `POST` with a form
    Authorize,
    /// `POST /u/login`: the form of the login page
    Login,
    /// `POST /oidc/register`
    Registration,
}

/// Every endpoint.
pub(crate) const ALL: [Endpoint; 7] = [
    Endpoint::Discovery,
    Endpoint::AuthorizationServer,
    Endpoint::Jwks,
    Endpoint::Token,
    Endpoint::Authorize,
    Endpoint::Login,
    Endpoint::Registration,
];

impl Endpoint {
    /// The path, with a leading slash.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Discovery => "/.well-known/openid-configuration",
            Self::AuthorizationServer => "/.well-known/oauth-authorization-server",
            Self::Jwks => "/.well-known/jwks.json",
            Self::Token => "/oauth/token",
            Self::Authorize => "/authorize",
            Self::Login => "/u/login",
            Self::Registration => "/oidc/register",
        }
    }

    /// The method of the endpoint. It allows no other, except that [`Authorize`](Self::Authorize)
    /// takes POST too (OpenID Connect Core section 3.1.2.1), and that endpoints which a page of
    /// another origin may call answer a preflight with OPTIONS.
    #[must_use]
    pub fn method(self) -> Method {
        match self {
            Self::Discovery | Self::AuthorizationServer | Self::Jwks | Self::Authorize => {
                Method::GET
            }
            Self::Token | Self::Login | Self::Registration => Method::POST,
        }
    }

    pub(super) fn allows(self, method: &Method) -> bool {
        *method == self.method() || (self == Self::Authorize && *method == Method::POST)
    }

    pub(crate) fn at(path: &str) -> Option<Self> {
        ALL.into_iter().find(|endpoint| endpoint.path() == path)
    }
}
