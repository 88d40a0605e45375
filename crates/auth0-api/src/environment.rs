//! Options from environment variables.

use std::time::Duration;

use crate::builder::Builder;

impl Builder {
    /// Takes options from the process's environment:
    ///
    /// | variable | option |
    /// |---|---|
    /// | `AUTH0_DOMAIN` | `domain` |
    /// | `AUTH0_AUDIENCE` | `audience`; several are separated by spaces or commas |
    /// | `AUTH0_CACHE_TTL` | `cache_ttl`, in seconds |
    /// | `AUTH0_TIMEOUT` | `timeout`, in seconds |
    ///
    /// A variable that is absent or empty changes nothing. One that cannot be used makes
    /// [`build`](Builder::build) fail with its name.
    pub fn from_env(self) -> Self {
        self.from_vars(|name| std::env::var(name).ok())
    }

    /// As [`from_env`](Builder::from_env), from any source of variables.
    ///
    /// ```
    /// use auth0_api::ApiClient;
    ///
    /// let lookup = |name: &str| match name {
    ///     "AUTH0_DOMAIN" => Some("tenant.example".to_owned()),
    ///     "AUTH0_AUDIENCE" => Some("https://a.example https://b.example".to_owned()),
    ///     _ => None,
    /// };
    /// ApiClient::builder().from_vars(lookup).build()?;
    /// # Ok::<(), auth0_api::Error>(())
    /// ```
    pub fn from_vars(mut self, lookup: impl Fn(&str) -> Option<String>) -> Self {
        let value = |name: &str| lookup(name).filter(|value| !value.is_empty());
        if let Some(domain) = value("AUTH0_DOMAIN") {
            self = self.domain(domain);
        }
        if let Some(audiences) = value("AUTH0_AUDIENCE") {
            for audience in audiences.split([' ', ',']).filter(|part| !part.is_empty()) {
                self = self.audience(audience);
            }
        }
        self = self.with_seconds(value, "AUTH0_CACHE_TTL", Builder::cache_ttl);
        self.with_seconds(value, "AUTH0_TIMEOUT", Builder::timeout)
    }

    fn with_seconds(
        mut self,
        value: impl Fn(&str) -> Option<String>,
        name: &str,
        set: impl FnOnce(Builder, Duration) -> Builder,
    ) -> Self {
        let Some(text) = value(name) else {
            return self;
        };
        let seconds = text.trim().parse::<f64>().ok();
        match seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
            Some(duration) => set(self, duration),
            None => {
                self.refused.get_or_insert_with(|| {
                    format!("{name} must be a non-negative number of seconds")
                });
                self
            }
        }
    }
}
