//! Options from environment variables.

use std::env::VarError;
use std::time::Duration;

use a0_discovery::normalize_domain;

use crate::builder::Builder;
use crate::scheme::DpopMode;

impl Builder {
    /// Takes options from the process's environment:
    ///
    /// | variable | option |
    /// |---|---|
    /// | `AUTH0_DOMAIN` | `domain` |
    /// | `AUTH0_DOMAINS` | `domains`, separated by white space or commas |
    /// | `AUTH0_AUDIENCE` | `audience`; several are separated by white space or commas |
    /// | `AUTH0_DPOP_ENABLED`, `AUTH0_DPOP_REQUIRED` | `dpop`; each `true` or `false`, in any case |
    /// | `AUTH0_CACHE_TTL` | `cache_ttl`, in seconds |
    /// | `AUTH0_TIMEOUT` | `timeout`, in seconds |
    ///
    /// A variable takes the place of what was set before; one that is absent or empty changes
    /// nothing. One that cannot be used makes [`build`](Builder::build) fail with its name.
    pub fn from_env(self) -> Self {
        self.with_variables(|name| match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(format!("{name} is not text")),
        })
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
    pub fn from_vars(self, lookup: impl Fn(&str) -> Option<String>) -> Self {
        self.with_variables(|name| Ok(lookup(name)))
    }

    fn with_variables(mut self, lookup: impl Fn(&str) -> Result<Option<String>, String>) -> Self {
        for (name, set) in VARIABLES {
            let value = match lookup(name) {
                Ok(value) => value.unwrap_or_default(),
                Err(reason) => {
                    self.refused.get_or_insert(reason);
                    continue;
                }
            };
            if value.is_empty() {
                continue;
            }
            if let Err(reason) = set(&mut self, value.trim()) {
                self.refused.get_or_insert(format!("{name} {reason}"));
            }
        }
        self
    }
}

type Set = fn(&mut Builder, &str) -> Result<(), String>;

const VARIABLES: [(&str, Set); 7] = [
    ("AUTH0_DOMAIN", |builder, value| {
        normalize_domain(value).map_err(|error| format!("cannot be used: {error}"))?;
        builder.domain = Some(value.to_owned());
        Ok(())
    }),
    ("AUTH0_DOMAINS", |builder, value| {
        let domains = several(value)?;
        for domain in &domains {
            normalize_domain(domain).map_err(|error| format!("cannot be used: {error}"))?;
        }
        builder.domains = Some(domains);
        Ok(())
    }),
    ("AUTH0_AUDIENCE", |builder, value| {
        builder.audiences = several(value)?;
        Ok(())
    }),
    ("AUTH0_DPOP_ENABLED", |builder, value| {
        builder.dpop = match (flag(value)?, builder.dpop) {
            (false, _) => Some(DpopMode::Disabled),
            // What is required is enabled: this variable does not weaken it.
            (true, Some(DpopMode::Required)) => Some(DpopMode::Required),
            (true, _) => Some(DpopMode::Allowed),
        };
        Ok(())
    }),
    // Behind the one before, which it narrows.
    ("AUTH0_DPOP_REQUIRED", |builder, value| {
        match (flag(value)?, builder.dpop) {
            (false, _) => Ok(()),
            (true, Some(DpopMode::Disabled)) => Err("cannot be true where DPoP is disabled: \
                     see AUTH0_DPOP_ENABLED and the option dpop"
                .to_owned()),
            (true, _) => {
                builder.dpop = Some(DpopMode::Required);
                Ok(())
            }
        }
    }),
    ("AUTH0_CACHE_TTL", |builder, value| {
        builder.cache_policy.ttl = seconds(value)?;
        Ok(())
    }),
    ("AUTH0_TIMEOUT", |builder, value| {
        builder.timeout = Some(seconds(value)?);
        Ok(())
    }),
];

/// Values with white space or commas between them, one at least.
fn several(text: &str) -> Result<Vec<String>, String> {
    let separator = |character: char| character.is_ascii_whitespace() || character == ',';
    let values = text.split(separator).filter(|value| !value.is_empty());
    let values: Vec<String> = values.map(str::to_owned).collect();
    match values.is_empty() {
        true => Err("holds no value".to_owned()),
        false => Ok(values),
    }
}

fn flag(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("must be true or false".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "must be a non-negative number of seconds".to_owned())
}
