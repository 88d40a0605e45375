//! The authorization request: which parameters it has, and what is wrong with it.

use super::Refusal;
use crate::LocalTenant;
use crate::tenant::options::Feature;
use crate::tenant::registration::ClientRegistration;
use crate::tenant::{client_document, form, target};

/// A request that may be shown to a user (OAuth 2.1 section 4.1.1, OpenID Connect Core section
/// 3.1.2.1).
#[derive(Clone)]
pub(super) struct AuthorizationRequest {
    pub(super) client: ClientRegistration,
    pub(super) answer: Answer,
    pub(super) audience: Option<String>,
    /// Those of the requested scopes that the tenant grants.
    pub(super) scopes: Vec<String>,
    pub(super) challenge: String,
    pub(super) dpop_jkt: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) login_hint: Option<String>,
    /// In seconds.
    pub(super) max_age: Option<i64>,
    pub(super) prompts: Vec<String>,
}

/// Where the response goes.
#[derive(Clone)]
pub(super) struct Answer {
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
}

impl AuthorizationRequest {
    pub(super) fn prompts(&self, prompt: &str) -> bool {
        self.prompts.iter().any(|other| other == prompt)
    }

    /// `encoded` is the query, or the body of a POST.
    pub(super) fn parse(tenant: &LocalTenant, encoded: &[u8]) -> Result<Self, Refusal> {
        let pairs = form::parse(encoded).ok_or_else(|| {
            Refusal::page(
                "The request cannot be read: a percent-encoding is malformed",
                "",
            )
        })?;
        let parameters = Parameters(pairs);

        // Until client and redirect URI are known to belong together, nothing may be redirected
        // (RFC 6749 section 4.1.2.1).
        let client_id = parameters.single("client_id").map_err(on_page)?;
        let client = client(tenant, client_id)?;
        let redirect_uri = parameters.single("redirect_uri").map_err(on_page)?;
        if !client.has_redirect_uri(redirect_uri) {
            return Err(Refusal::page(
                "The redirect_uri is not registered for this client",
                redirect_uri,
            ));
        }
        let answer = Answer {
            redirect_uri: redirect_uri.to_owned(),
            state: parameters
                .optional("state")
                .ok()
                .flatten()
                .map(str::to_owned),
        };
        parameters
            .validate(tenant, client, answer.clone())
            .map_err(|(error, description)| Refusal::redirect(answer, error, description))
    }
}

fn client(tenant: &LocalTenant, client_id: &str) -> Result<ClientRegistration, Refusal> {
    if client_id.starts_with("https://") && tenant.supports(Feature::ClientIdMetadataDocuments) {
        return client_document::fetch(tenant, client_id)
            .map_err(|reason| Refusal::page(&format!("No client: {reason}"), client_id));
    }
    tenant
        .find_client(client_id)
        .ok_or_else(|| Refusal::page("The client is unknown", client_id))
}

fn on_page((_, description): Invalid) -> Refusal {
    Refusal::page(&description, "")
}

/// An error code and its description.
type Invalid = (&'static str, String);

fn invalid(description: impl Into<String>) -> Invalid {
    ("invalid_request", description.into())
}

/// Parameters that this tenant does not support, each with its error (OpenID Connect Core section
/// 3.1.2.6).
const UNSUPPORTED: [(&str, &str); 3] = [
    ("request", "request_not_supported"),
    ("request_uri", "request_uri_not_supported"),
    ("registration", "registration_not_supported"),
];

struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn validate(
        &self,
        tenant: &LocalTenant,
        client: ClientRegistration,
        answer: Answer,
    ) -> Result<AuthorizationRequest, Invalid> {
        let text = |name| Ok::<_, Invalid>(self.optional(name)?.map(str::to_owned));
        self.optional("state")?;
        for (name, error) in UNSUPPORTED {
            if self.optional(name)?.is_some() {
                return Err((error, format!("The parameter {name} is not supported")));
            }
        }
        if !client.allows("authorization_code") {
            let description = "The client may not use the grant type authorization_code";
            return Err(("unauthorized_client", description.into()));
        }
        if self.single("response_type")? != "code" {
            let description = "The only response_type is code";
            return Err(("unsupported_response_type", description.into()));
        }
        if !matches!(self.optional("response_mode")?, None | Some("query")) {
            return Err(invalid("The only response_mode is query"));
        }
        let challenge = self.single("code_challenge")?.to_owned();
        if self.optional("code_challenge_method")? != Some("S256") {
            return Err(invalid("code_challenge_method has to be S256"));
        }
        if !is_sha256(&challenge) {
            return Err(invalid("code_challenge is not a SHA-256 hash in base64url"));
        }
        let dpop_jkt = text("dpop_jkt")?;
        if dpop_jkt.as_deref().is_some_and(|jkt| !is_sha256(jkt)) {
            return Err(invalid("dpop_jkt is not a thumbprint"));
        }
        let prompts = self.prompts()?;
        let max_age = match self.optional("max_age")? {
            None => None,
            Some(text) => Some(seconds(text).ok_or_else(|| invalid("max_age is not a number"))?),
        };
        let audience = self.audience(tenant)?;
        let requested = target::scopes(self.optional("scope")?.unwrap_or_default())
            .ok_or_else(|| ("invalid_scope", "scope is malformed".to_owned()))?;
        let scopes = tenant.with_state(|state| {
            let directory = &state.directory;
            directory.grantable(audience.as_deref(), &requested)
        });
        Ok(AuthorizationRequest {
            client,
            answer,
            audience,
            scopes,
            challenge,
            dpop_jkt,
            nonce: text("nonce")?,
            login_hint: text("login_hint")?,
            max_age,
            prompts,
        })
    }

    fn prompts(&self) -> Result<Vec<String>, Invalid> {
        let prompts: Vec<String> = self
            .optional("prompt")?
            .unwrap_or_default()
            .split(' ')
            .filter(|prompt| !prompt.is_empty())
            .map(str::to_owned)
            .collect();
        let known = ["none", "login", "consent", "select_account"];
        if !prompts
            .iter()
            .all(|prompt| known.contains(&prompt.as_str()))
        {
            return Err(invalid("prompt has an unknown value"));
        }
        if prompts.len() > 1 && prompts.iter().any(|prompt| prompt == "none") {
            return Err(invalid("prompt has none beside another value"));
        }
        Ok(prompts)
    }

    fn audience(&self, tenant: &LocalTenant) -> Result<Option<String>, Invalid> {
        let resources = self.values("resource");
        target::requested(tenant, self.optional("audience")?, &resources)
            .map_err(|description| ("invalid_target", description.to_owned()))
    }

    fn values(&self, name: &str) -> Vec<&str> {
        let pairs = self.0.iter().filter(|(other, _)| other == name);
        pairs
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
            .collect()
    }

    /// A parameter without a value counts as omitted, and none may be repeated (RFC 6749 section
    /// 3.1).
    fn optional(&self, name: &str) -> Result<Option<&str>, Invalid> {
        if self.0.iter().filter(|(other, _)| other == name).count() > 1 {
            return Err(invalid(format!("The parameter {name} is repeated")));
        }
        Ok(self.values(name).first().copied())
    }

    fn single(&self, name: &str) -> Result<&str, Invalid> {
        self.optional(name)?
            .ok_or_else(|| invalid(format!("The parameter {name} is missing")))
    }
}

/// 32 bytes in base64url.
fn is_sha256(text: &str) -> bool {
    text.len() == 43
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn seconds(text: &str) -> Option<i64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}
