//! The options of `rmcp` that follow from those of the layer.

use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;

use crate::layer::McpAuth;

impl McpAuth {
    /// A configuration for `rmcp`: it accepts the host of the server's resource identifier, which `rmcp` refuses by
    /// default unless it is a loopback name; it checks `Origin` as this layer does, which `rmcp` does not do by
    /// default; and its limit for bodies is that of this layer.
    ///
    /// Behind a proxy that changes `Host`, name the host that the server sees with `with_allowed_hosts`.
    ///
    /// ```no_run
    /// # #[derive(Clone)] struct Tools;
    /// # impl rmcp::ServerHandler for Tools {}
    /// # fn serve(auth: a0_mcp::McpAuth) {
    /// use std::sync::Arc;
    /// use rmcp::transport::streamable_http_server::StreamableHttpService;
    /// use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
    ///
    /// let sessions = Arc::new(LocalSessionManager::default());
    /// let service = StreamableHttpService::new(|| Ok(Tools), sessions, auth.server_config());
    /// # }
    /// ```
    pub fn server_config(&self) -> StreamableHttpServerConfig {
        let origin = self.protected_resource().origin();
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        let origins = self.checks().origins.iter();
        StreamableHttpServerConfig::default()
            .with_allowed_hosts([host])
            .with_allowed_origins(origins.map(|origin| with_port(origin.as_str())))
            .enforce_origin_validation()
            .with_max_request_body_bytes(self.checks().max_body)
    }
}

/// `rmcp` takes an origin without a port for one with any port.
fn with_port(origin: &str) -> String {
    let (scheme, host) = origin.split_once("://").unwrap_or(("https", origin));
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.ends_with(']'));
    match (has_port, scheme) {
        (true, _) => origin.to_owned(),
        (false, "http") => format!("{origin}:80"),
        (false, _) => format!("{origin}:443"),
    }
}
