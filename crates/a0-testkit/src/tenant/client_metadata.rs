//! Client metadata (RFC 7591 section 2), from a registration or from a document of the client's.

use serde_json::{Map, Value};

use super::redirect_uri;

/// The names that a client may give itself, in characters.
const MAX_NAME: usize = 200;
const MAX_REDIRECT_URIS: usize = 20;

/// Client metadata that the tenant accepts.
pub(super) struct ClientMetadata {
    pub(super) name: Option<String>,
    pub(super) redirect_uris: Vec<String>,
    pub(super) grant_types: Vec<String>,
    pub(super) method: String,
    /// The members that the client is told it has registered.
    pub(super) registered: Map<String, Value>,
}

/// An error code of RFC 7591 section 3.2.2, and its description.
pub(super) type Rejection = (&'static str, &'static str);

const URI_MEMBERS: [&str; 5] = [
    "client_uri",
    "logo_uri",
    "tos_uri",
    "policy_uri",
    "jwks_uri",
];
const TEXT_MEMBERS: [&str; 4] = ["client_name", "scope", "software_id", "software_version"];

fn invalid(description: &'static str) -> Rejection {
    ("invalid_client_metadata", description)
}

impl ClientMetadata {
    /// `supported` are the grant types of the tenant, `methods` the authentication methods that this
    /// client may have; the first is the default. Members that the tenant does not know are ignored
    /// (RFC 7591 section 2).
    pub(super) fn parse(
        members: &Map<String, Value>,
        supported: &[&str],
        methods: &[&str],
    ) -> Result<Self, Rejection> {
        let mut registered = Map::new();
        for name in TEXT_MEMBERS.into_iter().chain(URI_MEMBERS) {
            let Some(value) = members.get(name) else {
                continue;
            };
            let text = value
                .as_str()
                .ok_or_else(|| invalid("A member that has to be a string is not one"))?;
            let is_web = text.starts_with("https://") || text.starts_with("http://");
            if URI_MEMBERS.contains(&name) && !is_web {
                return Err(invalid(
                    "A member that has to be a URL is not one of the web",
                ));
            }
            registered.insert(name.to_owned(), value.clone());
        }
        let name = registered.get("client_name").and_then(Value::as_str);
        let name = name.map(str::to_owned);
        if name
            .as_deref()
            .is_some_and(|name| name.chars().count() > MAX_NAME)
        {
            return Err(invalid("client_name is too long"));
        }
        if members.contains_key("jwks") && members.contains_key("jwks_uri") {
            return Err(invalid("jwks and jwks_uri exclude each other"));
        }
        if !matches!(
            text(members, "application_type")?,
            None | Some("web" | "native")
        ) {
            return Err(invalid("application_type is neither web nor native"));
        }

        let method = match text(members, "token_endpoint_auth_method")? {
            Some(method) => method,
            None => methods.first().copied().unwrap_or_default(),
        };
        if !methods.contains(&method) {
            return Err(invalid("token_endpoint_auth_method is not supported"));
        }
        let grant_types =
            texts(members, "grant_types")?.unwrap_or_else(|| vec!["authorization_code".to_owned()]);
        if !grant_types
            .iter()
            .all(|grant| supported.contains(&grant.as_str()))
        {
            return Err(invalid("grant_types has one that is not supported"));
        }
        let has_code = grant_types
            .iter()
            .any(|grant| grant == "authorization_code");
        let response_types = texts(members, "response_types")?.unwrap_or_else(|| {
            if has_code {
                vec!["code".to_owned()]
            } else {
                Vec::new()
            }
        });
        if response_types.iter().any(|kind| kind != "code") || response_types.is_empty() == has_code
        {
            return Err(invalid("response_types does not belong to grant_types"));
        }
        if method == "none"
            && grant_types
                .iter()
                .any(|grant| grant == "client_credentials")
        {
            return Err(invalid("client_credentials needs a client secret"));
        }

        let redirect_uris = texts(members, "redirect_uris")?.unwrap_or_default();
        let valid = redirect_uris.iter().all(|uri| redirect_uri::is_valid(uri));
        if !valid || redirect_uris.len() > MAX_REDIRECT_URIS || redirect_uris.is_empty() == has_code
        {
            let description = "redirect_uris is missing, or has a URI that is not allowed";
            return Err(("invalid_redirect_uri", description));
        }

        registered.insert("redirect_uris".into(), redirect_uris.clone().into());
        registered.insert("grant_types".into(), grant_types.clone().into());
        registered.insert("response_types".into(), response_types.into());
        registered.insert("token_endpoint_auth_method".into(), method.into());
        Ok(Self {
            name,
            redirect_uris,
            grant_types,
            method: method.to_owned(),
            registered,
        })
    }
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Rejection> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(invalid("A member that has to be a string is not one")),
    }
}

fn texts(members: &Map<String, Value>, name: &str) -> Result<Option<Vec<String>>, Rejection> {
    let wrong = || invalid("A member that has to be an array of strings is not one");
    let Some(value) = members.get(name) else {
        return Ok(None);
    };
    let values = value.as_array().ok_or_else(wrong)?.iter();
    let texts = values.map(|value| value.as_str().map(str::to_owned));
    texts
        .collect::<Option<Vec<_>>>()
        .map(Some)
        .ok_or_else(wrong)
}
