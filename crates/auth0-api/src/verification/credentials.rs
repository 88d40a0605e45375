//! The credentials and the proof of a request (RFC 9110 section 11.6.2, RFC 6750 section 2.1, RFC 9449
//! section 7.1).

use std::borrow::Cow;

use a0_dpop::{Htu, ProofError, one_proof};
use http::HeaderName;
use http::header::AUTHORIZATION;

use crate::error::refusal::Refusal;
use crate::error::{ErrorKind, SchemeError};

use super::request::RequestContext;
use super::scheme::{DpopMode, Scheme};

/// The header field of a proof (RFC 9449 section 4.1).
static DPOP: HeaderName = HeaderName::from_static("dpop");

/// The value of the `Authorization` field, with a scheme that the mode allows.
pub(crate) struct Credentials<'c> {
    pub(crate) scheme: Scheme,
    field: Cow<'c, str>,
    token_at: usize,
}

impl<'c> Credentials<'c> {
    /// Reads the one `Authorization` field: a scheme, one or more spaces (no other white space), a token.
    /// Spaces and tabs around the value are not part of it (RFC 9110 section 5.5).
    pub(crate) fn read(context: &'c RequestContext<'_>, mode: DpopMode) -> Result<Self, ErrorKind> {
        let mut fields = context.field(&AUTHORIZATION);
        let field = fields.next().map(trimmed).unwrap_or_default();
        if fields.next().is_some() {
            return Err(ErrorKind::InvalidAuthScheme(SchemeError::SeveralFields));
        }
        if field.is_empty() && mode == DpopMode::Required {
            return Err(ErrorKind::InvalidAuthScheme(SchemeError::NoCredentials));
        }
        let name = field.split(' ').next().unwrap_or_default();
        let token = field
            .get(name.len()..)
            .unwrap_or_default()
            .trim_start_matches(' ');
        if token.is_empty() {
            return Err(ErrorKind::MissingAuthorization);
        }
        let scheme = match (Scheme::from_name(name), mode) {
            (Some(Scheme::Dpop), DpopMode::Disabled) => None,
            (Some(Scheme::Bearer) | None, DpopMode::Required) => {
                return Err(ErrorKind::InvalidAuthScheme(SchemeError::NotDpop));
            }
            (scheme, _) => scheme,
        };
        let token_at = field.len() - token.len();
        Ok(Credentials {
            scheme: scheme.ok_or(ErrorKind::MissingAuthorization)?,
            field,
            token_at,
        })
    }

    pub(crate) fn token(&self) -> &str {
        self.field.get(self.token_at..).unwrap_or_default()
    }
}

/// The proof of a request, and the method and the URL that it must name.
pub(crate) struct RequestProof<'c> {
    pub(crate) proof: Cow<'c, str>,
    pub(crate) method: &'c str,
    pub(crate) url: Htu,
}

impl<'c> RequestProof<'c> {
    pub(crate) fn read(
        context: &'c RequestContext<'_>,
        public_url: Option<&Htu>,
    ) -> Result<Self, Refusal> {
        let proof = one_proof(context.field(&DPOP).map(trimmed))?.ok_or(ProofError::Missing)?;
        let method = context.method_name()?;
        let url = context.full_url(public_url)?;
        Ok(RequestProof { proof, method, url })
    }
}

/// Refuses a proof beside a bearer token: the client meant to use the scheme DPoP.
pub(crate) fn refuse_proof(context: &RequestContext<'_>, mode: DpopMode) -> Result<(), ErrorKind> {
    if mode != DpopMode::Disabled
        && context
            .field(&DPOP)
            .map(trimmed)
            .any(|proof| !proof.is_empty())
    {
        return Err(ErrorKind::InvalidAuthScheme(SchemeError::ProofWithBearer));
    }
    Ok(())
}

/// Cuts the spaces and tabs around a field's value. There are hardly ever any.
fn trimmed(value: Cow<'_, str>) -> Cow<'_, str> {
    let is_white_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if !is_white_space(value.as_bytes().first()) && !is_white_space(value.as_bytes().last()) {
        return value;
    }
    Cow::Owned(value.trim_matches([' ', '\t']).to_owned())
}
