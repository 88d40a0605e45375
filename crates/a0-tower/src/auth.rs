//! The layer and its options.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use auth0_api::Policy;
use auth0_api::asynchronous::ApiClient;
use http::{Extensions, Response};
use tower_layer::Layer;

use crate::certificate::CertificateSource;
use crate::grpc::PublicServices;
use crate::hook::Refused;
use crate::proxy::Proxy;
use crate::reading::Reading;
use crate::scoped::are_scopes;
use crate::service::AuthService;
use crate::settings::{Settings, both};
use crate::source::Subprotocol;

/// Protects a tower service or an axum router: the layer verifies each request before the service sees it.
///
/// A request with acceptable credentials goes on, and handlers read its token with
/// [`Verified`](crate::Verified) or [`Scoped`](crate::Scoped). The layer answers any other request itself,
/// with the status, the challenges and the problem details (RFC 9457) of the client's
/// [`Error`](auth0_api::Error). It never reads the body of a request or a response. It marks the values of
/// `Authorization` and `DPoP` as sensitive, so that layers inside it that trace requests do not log them.
///
/// Clones share the client. An option that is set on a clone does not change the original, so one client
/// can serve routes with different rules.
///
/// ```no_run
/// # fn main() -> Result<(), auth0_api::Error> {
/// use a0_tower::{Auth, Verified};
/// use auth0_api::asynchronous::ApiClient;
/// use axum::{Router, routing::get};
///
/// let client = ApiClient::builder()
///     .domain("tenant.eu.auth0.com")
///     .audience("https://api.example/")
///     .build_async()?;
///
/// let app: Router = Router::new()
///     .route("/orders", get(|token: Verified| async move { format!("{:?}", token.scheme()) }))
///     .route_layer(Auth::new(client))
///     .route("/health", get(|| async { "ok" }));
/// # let _ = app;
/// # Ok(())
/// # }
/// ```
///
/// # URLs of DPoP proofs
///
/// A proof names the URL of its request. The layer joins the client's
/// [`public_url`](auth0_api::Builder::public_url) with the path of the request; inside a router that axum
/// nests, with the path before the router stripped its prefix. A middleware outside of the layer that
/// rewrites paths changes the URL that proofs must name. With [`behind`](Auth::behind), the fields of a
/// trusted proxy take the place of `public_url`.
///
/// # Layers inside layers
///
/// The innermost layer decides what a handler sees. If an outer layer has the same client, the inner one
/// uses its result, because a proof cannot be used twice, and adds its policy. If the layers have different
/// clients, proxies ([`behind`](Auth::behind)) or token sources, or if something between them changed the
/// credentials of the request, or they found different client certificates, the inner one discards the result
/// of the outer one and verifies the request again.
#[derive(Clone)]
pub struct Auth(pub(crate) Arc<Settings>);

impl Auth {
    /// Creates a layer that refuses every request without acceptable credentials.
    pub fn new(client: ApiClient) -> Self {
        Auth(Arc::new(Settings {
            client,
            reading: Reading::default(),
            policy: None,
            optional: false,
            allow_preflight: false,
            excluded: BTreeSet::new(),
            public_services: PublicServices::new(),
            hook: None,
            challenge_scope: None,
        }))
    }

    fn settings(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.0)
    }

    /// Requires that every token satisfies this policy; several calls require all of them. A token that does
    /// not is refused with the policy's own error: 403 `insufficient_scope`, for example.
    ///
    /// A clone with a further policy can protect some routes inside a layer for all of them. Check policies
    /// from a configuration with [`Policy::validate`]: an unusable one answers every request with 500.
    ///
    /// ```no_run
    /// # fn protect(auth: a0_tower::Auth) -> axum::Router {
    /// use auth0_api::Policy;
    /// use axum::{Router, routing::{get, post}};
    ///
    /// Router::new()
    ///     .route("/orders/refund", post(|| async { "refunded" }))
    ///     .route_layer(auth.clone().require(Policy::permission("orders:refund")))
    ///     .route("/orders", get(|| async { "all orders" }))
    ///     .route_layer(auth.require(Policy::scope("read:orders")))
    /// # }
    /// ```
    #[must_use]
    pub fn require(mut self, policy: Policy) -> Self {
        let settings = self.settings();
        settings.policy = Some(both(settings.policy.take(), policy));
        self
    }

    /// Names these scopes in the challenges of each 401, so that a client without a token knows what to ask for
    /// (RFC 6750 section 3). It requires nothing: [`require`](Auth::require) does. A challenge that names
    /// scopes already, that of a step-up for one, keeps them.
    ///
    /// Values that are no scopes (RFC 6749 section 3.3) are left out. `offline_access` is, too: a refresh token
    /// is not the API's business.
    #[must_use]
    pub fn challenge_scopes<'a>(mut self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        let is_scope = |scope: &&str| are_scopes(&[scope]) && *scope != "offline_access";
        let scopes: Vec<&str> = scopes.into_iter().filter(is_scope).collect();
        self.settings().challenge_scope = (!scopes.is_empty()).then(|| scopes.join(" "));
        self
    }

    /// Takes the URL of a request from the fields of a trusted proxy, instead of from the client's
    /// `public_url`. If the URL is unknown, proofs are refused and bearer tokens work: see
    /// [`Proxy::client_url`]. Build the client with
    /// [`url_in_requests`](auth0_api::Builder::url_in_requests) if it has no `public_url`.
    ///
    /// The address of the peer is the one of axum's `into_make_service_with_connect_info::<SocketAddr>()`;
    /// see [`peer_address`](Auth::peer_address) for other servers. A request without an address is not from
    /// the proxy.
    ///
    /// ```
    /// # fn protect(auth: a0_tower::Auth) -> Result<a0_tower::Auth, a0_tower::proxy::InvalidProxy> {
    /// use a0_tower::proxy::Proxy;
    ///
    /// let proxy = Proxy::x_forwarded()
    ///     .trusted(["10.0.0.0/8"])
    ///     .public_hosts(["api.example", "eu.api.example"])
    ///     .build()?;
    /// Ok(auth.behind(proxy))
    /// # }
    /// ```
    #[must_use]
    pub fn behind(mut self, proxy: Proxy) -> Self {
        self.settings().reading.proxy = Some(Arc::new(proxy));
        self
    }

    /// Says how to find the address of the peer in the extensions of a request, for
    /// [`behind`](Auth::behind) and [`client_certificate`](Auth::client_certificate) with a server other than
    /// axum's. It must be the address of the connection, and never one that a header field names.
    #[must_use]
    pub fn peer_address<F>(mut self, address: F) -> Self
    where
        F: Fn(&Extensions) -> Option<IpAddr> + Send + Sync + 'static,
    {
        self.settings().reading.peer_address = Some(Arc::new(address));
        self
    }

    /// Says where the certificate of a client comes from, for tokens that are bound to one (RFC 8705 section
    /// 3). Build the client with
    /// [`certificate_bound_tokens`](auth0_api::Builder::certificate_bound_tokens).
    ///
    /// The layer removes the fields with certificates that nobody vouches for from every request, one for an
    /// excluded path too: see [`CertificateSource::remove_untrusted_fields`]. Without this option, it leaves
    /// them as they are, and takes no field for a certificate.
    ///
    /// The address of a peer is found as for [`behind`](Auth::behind).
    ///
    /// ```
    /// # fn protect(auth: a0_tower::Auth) -> Result<a0_tower::Auth, a0_tower::certificate::InvalidCertificateSource> {
    /// use a0_tower::certificate::CertificateSource;
    ///
    /// let nginx = CertificateSource::escaped_pem("x-ssl-client-cert").trusted(["10.0.0.7"]);
    /// Ok(auth.client_certificate(nginx.build()?))
    /// # }
    /// ```
    #[must_use]
    pub fn client_certificate(mut self, source: CertificateSource) -> Self {
        self.settings().reading.certificates = Some(Arc::new(source));
        self
    }

    /// Lets requests without credentials pass. Handlers take [`Option<Verified>`](crate::Verified), which is
    /// `None` for them.
    ///
    /// Credentials that are present must be acceptable: a request with a bad token, an unsupported scheme,
    /// or a DPoP proof without a token is refused, and never treated as one without credentials. An
    /// `Authorization` field with an empty value counts as absent (RFC 9110 section 11.6.2 has no empty
    /// credentials).
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.settings().optional = true;
        self
    }

    /// Lets every request for this path pass, whatever its credentials. They are not verified. Call it once
    /// for each path.
    ///
    /// The path must be equal, octet for octet, to the path that the inner service receives, without the
    /// query. There are no patterns and no prefixes, and nothing is decoded: `/health` is neither
    /// `/health/` nor `/Health` nor `/%68ealth`. Inside a router that axum nests, the inner service receives
    /// the path without the prefix of the nest. Handlers of such a path cannot use the extractors of this
    /// crate: they answer 500, as on a route without the layer.
    ///
    /// With axum it is simpler to add public routes after `route_layer`.
    #[must_use]
    pub fn exclude(mut self, path: impl Into<String>) -> Self {
        self.settings().excluded.insert(path.into());
        self
    }

    /// Lets calls of these gRPC services pass, as [`exclude`](Auth::exclude) does for paths.
    ///
    /// Calls of gRPC that are refused are answered with `grpc-status` and with the challenges as metadata;
    /// that needs no option. See [`grpc`](crate::grpc).
    ///
    /// ```
    /// # fn protect(auth: a0_tower::Auth) -> a0_tower::Auth {
    /// use a0_tower::grpc::PublicServices;
    ///
    /// auth.exclude_services(PublicServices::new().health())
    /// # }
    /// ```
    #[must_use]
    pub fn exclude_services(mut self, services: PublicServices) -> Self {
        self.settings().public_services = services;
        self
    }

    /// Also takes tokens from a subprotocol of a WebSocket handshake, where browsers cannot set
    /// `Authorization`. The request then needs no such field, and must not have one. The layer removes the
    /// token from the request, so a handler cannot echo it.
    ///
    /// ```
    /// # fn protect(auth: a0_tower::Auth) -> Result<a0_tower::Auth, a0_tower::source::InvalidSubprotocol> {
    /// use a0_tower::source::Subprotocol;
    ///
    /// Ok(auth.token_source(Subprotocol::new("access_token")?))
    /// # }
    /// ```
    #[must_use]
    pub fn token_source(mut self, source: Subprotocol) -> Self {
        self.settings().reading.source = Some(Arc::new(source));
        self
    }

    /// Lets CORS preflight requests pass: `OPTIONS` with the fields `Origin` and
    /// `Access-Control-Request-Method`, and without credentials.
    ///
    /// Prefer tower-http's `CorsLayer` outside of this layer. It answers preflights itself, and no client
    /// reaches a handler without a token. With this option anybody can send such a request, and a handler
    /// that takes every method, such as one of axum's `any`, is called without a token. Handlers with an
    /// extractor of this crate still refuse it with 401, unless the layer is
    /// [`optional`](Auth::optional) and they take an `Option`.
    #[must_use]
    pub fn allow_preflight(mut self) -> Self {
        self.settings().allow_preflight = true;
        self
    }

    /// Changes the answers to refused requests: those of the layer and those of its extractors. The hook
    /// receives the error with a part of the request, and the answer. It returns the answer to send.
    ///
    /// It may change the body, add fields, and choose another status of the same class. Challenges,
    /// `DPoP-Nonce`, `no-store` and `Retry-After` are restored if the hook removed them, and so is a status
    /// of another class. An answer whose status the hook chose has `no-store`. If the hook panics, the
    /// original answer is sent. gRPC answers do not go through it.
    ///
    /// ```no_run
    /// # fn protect(auth: a0_tower::Auth) -> a0_tower::Auth {
    /// use http::HeaderValue;
    ///
    /// auth.on_refusal(|refused, mut answer| {
    ///     if refused.path().starts_with("/api/") || !refused.accept().contains("text/html") {
    ///         return answer;
    ///     }
    ///     let html = HeaderValue::from_static("text/html");
    ///     answer.headers_mut().insert("content-type", html);
    ///     answer.map(|_| "<a href=\"/login\">Log in</a>".to_owned())
    /// })
    /// # }
    /// ```
    #[must_use]
    pub fn on_refusal<F>(mut self, hook: F) -> Self
    where
        F: Fn(&Refused<'_>, Response<String>) -> Response<String> + Send + Sync + 'static,
    {
        self.settings().hook = Some(Arc::new(hook));
        self
    }
}

impl<S> Layer<S> for Auth {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService::new(inner, Arc::clone(&self.0))
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
