//! Client authentication at a token endpoint.

use std::fmt;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use zeroize::Zeroizing;

#[cfg(feature = "private-key-jwt")]
use crate::assertion::Assertion;
use crate::form::{Form, encode};
use crate::secret::Secret;
use crate::{ExchangeError, RequestError};

/// How a client authenticates at a token endpoint.
///
/// `Debug` shows the client's identifier but no secret.
///
/// ```
/// use a0_token_exchange::{ClientAuth, RequestError};
///
/// let auth = ClientAuth::basic("my-client", "my-secret")?;
/// assert!(!format!("{auth:?}").contains("my-secret"));
/// assert_eq!(ClientAuth::post("my-client", "").unwrap_err(), RequestError::MissingCredentials);
/// # Ok::<(), RequestError>(())
/// ```
pub struct ClientAuth {
    client_id: String,
    method: Method,
}

enum Method {
    Basic(Secret),
    Post(Secret),
    #[cfg(feature = "private-key-jwt")]
    PrivateKeyJwt(Assertion),
}

impl ClientAuth {
    /// Sends identifier and secret in the `Authorization` header and not in the form. Both are
    /// form-encoded first (RFC 6749 section 2.3.1).
    ///
    /// # Errors
    ///
    /// Returns [`RequestError::MissingCredentials`] if one of them is empty.
    pub fn basic(
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Result<Self, RequestError> {
        ClientAuth::with_secret(client_id, client_secret, Method::Basic)
    }

    /// Sends identifier and secret in the form (RFC 6749 section 2.3.1), for servers that require
    /// it.
    ///
    /// # Errors
    ///
    /// Returns [`RequestError::MissingCredentials`] if one of them is empty.
    pub fn post(
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Result<Self, RequestError> {
        ClientAuth::with_secret(client_id, client_secret, Method::Post)
    }

    /// Sends an assertion in the form (RFC 7523 section 2.2), signed anew for each request. It has
    /// the client as `iss` and `sub`, the `issuer` as its only `aud`, and a random `jti`. It
    /// expires after [`ASSERTION_LIFETIME`](crate::ASSERTION_LIFETIME).
    ///
    /// `issuer` is the authorization server's issuer identifier, such as `https://tenant.example/`,
    /// and not the token endpoint. `key_id` is the key's `kid`, if the server needs one.
    ///
    /// Needs the feature `private-key-jwt`.
    ///
    /// # Errors
    ///
    /// - [`RequestError::MissingCredentials`] if the identifier is empty
    /// - [`RequestError::Issuer`] if the issuer is not an https URL
    /// - [`RequestError::Algorithm`] if the signer's algorithm is not RS256, PS256 or ES256
    #[cfg(feature = "private-key-jwt")]
    pub fn private_key_jwt(
        client_id: impl Into<String>,
        issuer: impl Into<String>,
        key_id: Option<&str>,
        signer: impl a0_jose::Signer + 'static,
    ) -> Result<Self, RequestError> {
        let client_id = client_id.into();
        if client_id.is_empty() {
            return Err(RequestError::MissingCredentials);
        }
        let assertion = Assertion::new(issuer.into(), key_id, Box::new(signer))?;
        Ok(ClientAuth {
            client_id,
            method: Method::PrivateKeyJwt(assertion),
        })
    }

    /// Returns the issuer that assertions are made for, or `None` without assertions.
    pub fn assertion_issuer(&self) -> Option<&str> {
        match &self.method {
            #[cfg(feature = "private-key-jwt")]
            Method::PrivateKeyJwt(assertion) => Some(assertion.issuer()),
            _ => None,
        }
    }

    fn with_secret(
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
        method: fn(Secret) -> Method,
    ) -> Result<Self, RequestError> {
        let (client_id, secret) = (client_id.into(), Secret::new(client_secret));
        if client_id.is_empty() || secret.expose().is_empty() {
            return Err(RequestError::MissingCredentials);
        }
        Ok(ClientAuth {
            client_id,
            method: method(secret),
        })
    }

    /// Authenticates one request: adds a header, or adds parameters to `form`. Returns the body.
    #[cfg_attr(
        not(feature = "private-key-jwt"),
        allow(unused_variables, reason = "only an assertion contains the time")
    )]
    pub(crate) fn apply(
        &self,
        form: &Form,
        headers: &mut HeaderMap,
        now: SystemTime,
    ) -> Result<Vec<u8>, ExchangeError> {
        let client_id = ("client_id", self.client_id.as_str());
        match &self.method {
            Method::Basic(secret) => {
                let id = encode(&self.client_id);
                let pair = Zeroizing::new([&*id, ":", &*encode(secret.expose())].concat());
                let encoded = Zeroizing::new(STANDARD.encode(&*pair));
                let credentials = Zeroizing::new(["Basic ", &encoded].concat());
                headers.insert(AUTHORIZATION, sensitive(&credentials)?);
                Ok(form.body(&[]))
            }
            Method::Post(secret) => Ok(form.body(&[client_id, ("client_secret", secret.expose())])),
            #[cfg(feature = "private-key-jwt")]
            Method::PrivateKeyJwt(assertion) => {
                let signed = assertion.sign(&self.client_id, now)?;
                Ok(form.body(&[
                    client_id,
                    ("client_assertion_type", crate::assertion::TYPE),
                    ("client_assertion", &signed),
                ]))
            }
        }
    }
}

/// Returns a header value that `Debug` of a request does not show.
fn sensitive(text: &str) -> Result<HeaderValue, ExchangeError> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|error| ExchangeError::signing("Authorization field", error))?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for ClientAuth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientAuth")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
