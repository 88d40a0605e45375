//! The first step of [`order`](super::order): what a request says before its token is read (RFC 9110 section
//! 11.6.2, RFC 6750 section 2.1, RFC 9449 section 7.1).

use std::borrow::Cow;

use a0_dpop::{Htu, InvalidHtu, ProofError, one_proof};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Request, Uri};

use crate::authorization::resource_server::ResourceServer;
use crate::error::challenger::Challenger;
use crate::error::refusal::Refusal;
use crate::error::{ArgumentSource, Error, ErrorKind, SchemeError};

use super::Verifier;
use super::context::RequestContext;
use super::detail::Detail;
use super::token::Decrypted;

/// 1. A request with credentials in a scheme that the API accepts and, with the scheme DPoP, one proof and
///    the URL it must name. With the scheme DPoP there is no proof if a certificate may take its place.
pub(crate) struct RequestShape<'r> {
    pub(super) context: &'r RequestContext<'r>,
    pub(super) credentials: Credentials<'r>,
    pub(super) proof: Option<RequestProof<'r>>,
    pub(super) challenger: Challenger,
    pub(super) decrypted: Decrypted,
    /// Whether the API passed what a proof must name.
    pub(super) can_have_proof: bool,
    resource_server: Option<&'r ResourceServer>,
}

impl<R, S> Verifier<R, S> {
    /// Reads the credentials and the proof of a request.
    pub(crate) fn read_request<'r>(
        &'r self,
        context: &'r RequestContext<'r>,
    ) -> Result<RequestShape<'r>, Error> {
        let public_url = self.dpop.public_url.as_ref();
        let can_have_proof = context.can_have_proof(public_url);
        let mut challenger = self.challenger;
        challenger.can_have_proof = can_have_proof;
        let credentials = Credentials::read(context, self.dpop.mode);
        let server = self.resource_server.as_deref();
        let credentials =
            credentials.map_err(|kind| challenger.error(kind.into(), None, server))?;
        let proof = match credentials.scheme {
            Scheme::Bearer => None,
            Scheme::Dpop => {
                let proof = RequestProof::read(context, public_url);
                let proof = proof.and_then(|proof| self.proof_or_certificate(proof));
                proof.map_err(|refusal| {
                    if refusal.is_omission_of_the_api() || !can_have_proof {
                        self.telemetry.request_without_url();
                    }
                    challenger.error(refusal, Some(Scheme::Dpop), server)
                })?
            }
        };
        Ok(RequestShape {
            context,
            credentials,
            proof,
            challenger,
            decrypted: Decrypted::default(),
            can_have_proof,
            resource_server: server,
        })
    }

    /// Refuses a request of the scheme DPoP without a proof, unless its token may be bound to a certificate
    /// alone.
    fn proof_or_certificate<'r>(
        &self,
        proof: Option<RequestProof<'r>>,
    ) -> Result<Option<RequestProof<'r>>, Refusal> {
        let is_needed = self.dpop.mode == DpopMode::Required || !self.certificate_bound_tokens;
        if proof.is_none() && is_needed {
            let may_help = self.dpop.mode != DpopMode::Required;
            let hint = may_help.then(Detail::of_missing_proof);
            return Err(Refusal::from(ProofError::Missing).with_diagnosis(hint));
        }
        Ok(proof)
    }
}

impl RequestShape<'_> {
    /// Adds the challenges of this request to a refusal.
    pub(crate) fn error(&self, refusal: Refusal) -> Error {
        let scheme = Some(self.credentials.scheme);
        self.challenger.error(refusal, scheme, self.resource_server)
    }
}

/// Whether requests may or must prove possession of the key that their token is bound to (RFC 9449).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DpopMode {
    /// The API accepts bearer tokens only. A token that is bound to a DPoP key is accepted as a bearer token.
    Disabled,
    /// The API accepts both schemes. A token that is bound to a key needs a proof.
    #[default]
    Allowed,
    /// The API accepts the scheme DPoP only.
    Required,
}

/// A supported authentication scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// `Bearer` (RFC 6750 section 2.1).
    Bearer,
    /// `DPoP` (RFC 9449 section 7.1).
    Dpop,
}

impl Scheme {
    /// The label of the scheme in logs and metrics: `bearer` or `dpop`.
    pub fn label(self) -> &'static str {
        match self {
            Scheme::Bearer => "bearer",
            Scheme::Dpop => "dpop",
        }
    }

    /// Finds the scheme of a name. The case does not matter (RFC 9110 section 11.1).
    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"dpop") {
            Some(Scheme::Dpop)
        } else if name.eq_ignore_ascii_case(b"bearer") {
            Some(Scheme::Bearer)
        } else {
            None
        }
    }
}

/// The header field of a proof (RFC 9449 section 4.1).
static DPOP: HeaderName = HeaderName::from_static("dpop");

/// The value of the `Authorization` field, with a scheme that the mode allows.
pub(crate) struct Credentials<'c> {
    pub(crate) scheme: Scheme,
    pub(crate) token: &'c [u8],
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
        let end_of_name = field.iter().position(|octet| *octet == b' ');
        let (name, mut token) = field.split_at(end_of_name.unwrap_or(field.len()));
        while let [b' ', rest @ ..] = token {
            token = rest;
        }
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
        Ok(Credentials {
            scheme: scheme.ok_or(ErrorKind::MissingAuthorization)?,
            token,
        })
    }
}

/// The proof of a request, and the method and the URL that it must name.
pub(crate) struct RequestProof<'c> {
    pub(crate) proof: &'c [u8],
    pub(crate) method: &'c str,
    pub(crate) url: Htu,
}

impl<'c> RequestProof<'c> {
    /// Reads the proof. `None` if the request has none.
    pub(crate) fn read(
        context: &'c RequestContext<'_>,
        public_url: Option<&Htu>,
    ) -> Result<Option<Self>, Refusal> {
        let Some(proof) = one_proof(context.field(&DPOP).map(trimmed))? else {
            return Ok(None);
        };
        let method = context.method_name()?;
        let url = context.full_url(public_url)?;
        Ok(Some(RequestProof { proof, method, url }))
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

/// Cuts the spaces and tabs around a field's value.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

impl<'r> RequestContext<'r> {
    /// Made at once and not by the setters, which move the context each time.
    fn of(method: &'r Method, target: &'r Uri, headers: &'r HeaderMap) -> Self {
        RequestContext {
            map: Some(headers),
            method: Some(Cow::Borrowed(method.as_str())),
            path: Some(Cow::Borrowed(target.path())),
            further_maps: Vec::new(),
            fields: Vec::new(),
            url: None,
            certificate: None,
        }
    }

    /// The maps that [`headers`](Self::headers) added. There is nearly always one, which needs no
    /// allocation.
    pub(super) fn maps(&self) -> impl Iterator<Item = &'r HeaderMap> + use<'_, 'r> {
        self.further_maps.iter().copied().chain(self.map)
    }

    pub(crate) fn method_name(&self) -> Result<&str, ErrorKind> {
        let method = self.method.as_deref().filter(|method| !method.is_empty());
        method.ok_or(missing("http_method"))
    }

    /// Whether the API passed the method and the URL that a DPoP proof must name.
    pub(crate) fn can_have_proof(&self, public_url: Option<&Htu>) -> bool {
        let is_absolute = |url: &str| url.contains("://") && !url.ends_with("://");
        let has_url = self.url.as_deref().is_some_and(is_absolute)
            || (public_url.is_some() && self.url.is_none() && self.path.is_some());
        has_url && self.method_name().is_ok()
    }

    /// The URL that the client used: the given URL, or `public_url` with the request's path. The client
    /// controls the path alone, so a path that no URL can have is the client's fault, and everything else
    /// that is wrong is the API's.
    pub(crate) fn full_url(&self, public_url: Option<&Htu>) -> Result<Htu, ErrorKind> {
        match (self.url.as_deref(), public_url, self.path.as_deref()) {
            (Some(url), ..) => Htu::parse(url).map_err(|error| match error {
                InvalidHtu::Path | InvalidHtu::PercentEncoding => unusable_path(),
                _ => missing("http_url"),
            }),
            (None, Some(prefix), Some(path)) => prefix.below(path).map_err(|_| unusable_path()),
            _ => Err(missing("http_url")),
        }
    }

    /// The values of a field, in order.
    pub(crate) fn field<'c>(&'c self, name: &'c HeaderName) -> impl Iterator<Item = &'c [u8]> {
        let in_map = self
            .maps()
            .flat_map(move |headers| headers.get_all(name))
            .map(|value| value.as_bytes());
        let by_hand = self
            .fields
            .iter()
            .filter(move |(present, _)| present.eq_ignore_ascii_case(name.as_str()))
            .map(|(_, value)| value.as_ref());
        in_map.chain(by_hand)
    }
}

impl<'r, T> From<&'r Request<T>> for RequestContext<'r> {
    fn from(request: &'r Request<T>) -> Self {
        RequestContext::of(request.method(), request.uri(), request.headers())
    }
}

impl<'r> From<&'r Parts> for RequestContext<'r> {
    fn from(parts: &'r Parts) -> Self {
        RequestContext::of(&parts.method, &parts.uri, &parts.headers)
    }
}

/// No proof can name such a path.
fn unusable_path() -> ErrorKind {
    ErrorKind::InvalidDpopProof(ProofError::Url)
}

fn missing(argument: &'static str) -> ErrorKind {
    let source = ArgumentSource::Request;
    ErrorKind::MissingRequiredArgument { argument, source }
}
