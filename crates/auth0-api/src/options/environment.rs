//! Options from environment variables.

use std::env::VarError;
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use a0_discovery::normalize_domain;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::verification::request::DpopMode;

use super::builder::Builder;

impl Builder {
    /// Reads options from the environment variables of the process:
    ///
    /// | variable | option |
    /// |---|---|
    /// | `AUTH0_DOMAIN` | `domain` |
    /// | `AUTH0_DOMAINS` | `domains`, separated by white space or commas |
    /// | `AUTH0_AUDIENCE` | `audience`, one or several, separated by white space or commas |
    /// | `AUTH0_DPOP_ENABLED`, `AUTH0_DPOP_REQUIRED` | `dpop`; each `true` or `false`, in upper or lower case |
    /// | `AUTH0_CLIENT_ID`, `AUTH0_CLIENT_SECRET` | `client_id`, `client_secret` |
    /// | `AUTH0_CLIENT_SECRET_FILE` | `client_secret`: the path of a file that holds it, for secrets that containers mount. It replaces `AUTH0_CLIENT_SECRET` |
    /// | `AUTH0_CACHE_TTL` | `cache_ttl`, in seconds, at most 86400 |
    /// | `AUTH0_TIMEOUT` | `timeout`, in seconds |
    ///
    /// A variable replaces the option set before. A variable that is absent or empty changes nothing. If
    /// a variable has an unusable value, [`build`](Builder::build) fails and names the first such variable.
    ///
    /// The two variables for DPoP are different: they combine with [`dpop`](Builder::dpop), whichever is
    /// called first. They can make the mode of the code stricter, and never weaken `Required`:
    ///
    /// | `AUTH0_DPOP_ENABLED` | `AUTH0_DPOP_REQUIRED` | code sets nothing, `Allowed` or `Disabled` | code sets `Required` |
    /// |---|---|---|---|
    /// | | | the code's mode | `Required` |
    /// | `true` | | `Allowed` | `Required` |
    /// | `false` | | `Disabled` | error |
    /// | | `true` | `Required` | `Required` |
    /// | `true` | `true` | `Required` | `Required` |
    /// | `false` | `true` | error | error |
    /// | | `false` | the code's mode | error |
    /// | `true` | `false` | `Allowed` | error |
    /// | `false` | `false` | `Disabled` | error |
    pub fn from_env(self) -> Self {
        self.with_variables(|name| match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(format!("{name} is not text")),
        })
    }

    /// Like [`from_env`](Builder::from_env), with a function that looks up each variable.
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
            let outcome = lookup(name).and_then(|value| match value.unwrap_or_default() {
                nothing if nothing.is_empty() => Ok(()),
                value => {
                    // The value may be a secret.
                    let value = Zeroizing::new(value);
                    set(&mut self, value.trim()).map_err(|reason| format!("{name} {reason}"))
                }
            });
            if let Err(reason) = outcome {
                self.refused.get_or_insert(reason);
            }
        }
        self
    }

    /// Combines the mode of the code with the variables, as the table of [`Builder::from_env`] says.
    pub(crate) fn dpop_mode(&self) -> Result<DpopMode, Error> {
        let weaker = |name| {
            let reason = format!("{name} cannot be false where the option dpop is Required");
            Err(Error::configuration(reason))
        };
        match (self.dpop_enabled, self.dpop_required, self.dpop) {
            (Some(false), Some(true), _) => Err(Error::configuration(format!(
                "{DPOP_REQUIRED} cannot be true where {DPOP_ENABLED} is false"
            ))),
            (Some(false), _, DpopMode::Required) => weaker(DPOP_ENABLED),
            (_, Some(false), DpopMode::Required) => weaker(DPOP_REQUIRED),
            (_, Some(true), _) | (_, _, DpopMode::Required) => Ok(DpopMode::Required),
            (Some(true), ..) => Ok(DpopMode::Allowed),
            (Some(false), ..) => Ok(DpopMode::Disabled),
            (None, .., code) => Ok(code),
        }
    }
}

type Set = fn(&mut Builder, &str) -> Result<(), String>;

const VARIABLES: [(&str, Set); 10] = [
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
    ("AUTH0_CLIENT_ID", |builder, value| {
        builder.flows.client_id = Some(not_blank(value)?);
        Ok(())
    }),
    ("AUTH0_CLIENT_SECRET", |builder, value| {
        builder.flows.client_secret = Some(Arc::new(Zeroizing::new(not_blank(value)?)));
        Ok(())
    }),
    ("AUTH0_CLIENT_SECRET_FILE", |builder, path| {
        let secret = not_blank(contents(path)?.trim())?;
        builder.flows.client_secret = Some(Arc::new(Zeroizing::new(secret)));
        Ok(())
    }),
    (CACHE_TTL, |builder, value| {
        builder.cache_policy.ttl = seconds(value)?;
        builder.cache_ttl_variable = Some(CACHE_TTL);
        Ok(())
    }),
    ("AUTH0_TIMEOUT", |builder, value| {
        builder.timeout = Some(seconds(value)?);
        Ok(())
    }),
    (DPOP_ENABLED, |builder, value| {
        builder.dpop_enabled = Some(flag(value)?);
        Ok(())
    }),
    (DPOP_REQUIRED, |builder, value| {
        builder.dpop_required = Some(flag(value)?);
        Ok(())
    }),
];

/// The largest file that is read, in bytes. A path can name something without an end.
const MAX_FILE: u64 = 64 * 1024;

/// Reads a small text file. The error leaves out the path, in case the variable holds the secret itself.
fn contents(path: &str) -> Result<Zeroizing<String>, String> {
    let mut text = Zeroizing::new(String::new());
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text));
    match read {
        Ok(length) if length as u64 > MAX_FILE => {
            Err("names a file that is larger than 64 KiB".to_owned())
        }
        Ok(_) => Ok(text),
        Err(error) => Err(format!(
            "names a file that cannot be read: {}",
            error.kind()
        )),
    }
}

fn not_blank(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("is blank".to_owned());
    }
    Ok(text.to_owned())
}

/// Splits at white space and commas. At least one value is required.
fn several(text: &str) -> Result<Vec<String>, String> {
    let separator = |character: char| character.is_ascii_whitespace() || character == ',';
    let values = text.split(separator).filter(|value| !value.is_empty());
    let values: Vec<String> = values.map(str::to_owned).collect();
    if values.is_empty() {
        return Err("holds no value".to_owned());
    }
    Ok(values)
}

const CACHE_TTL: &str = "AUTH0_CACHE_TTL";
const DPOP_ENABLED: &str = "AUTH0_DPOP_ENABLED";
const DPOP_REQUIRED: &str = "AUTH0_DPOP_REQUIRED";

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
