//! The decision about a request whose credentials are verified, or which has none.

use std::sync::Arc;

use a0_tower::{Refusal, Untyped, Verified};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use http_body::Body;

use crate::answer;
use crate::body::{McpBody, read};
use crate::headers;
use crate::message::{Message, Messages};
use crate::session::{LAST_EVENT, Owner, SESSION};
use crate::settings::Settings;
use crate::stream::Ending;

/// A response, boxed because it is large.
type Refused = Box<Response<String>>;

/// A request that may go on.
pub(crate) struct Passed<B> {
    pub(crate) parts: Parts,
    pub(crate) body: McpBody<B>,
    /// Whom a session belongs to that the server opens now.
    pub(crate) owner: Owner,
    /// How the streams of the answer end; `None` for a stranger.
    pub(crate) ending: Option<Ending>,
}

/// Decides about a request. Everything that needs no body comes first.
pub(crate) async fn decide<B: Body>(
    settings: Arc<Settings>,
    parts: Parts,
    body: B,
) -> Result<Passed<B>, Refused> {
    match Verified::optional_from_extensions(&parts.extensions).map_err(refused)? {
        Some(caller) => of_caller(&settings, &caller, parts, body).await,
        None => {
            // The same answer as without the option, whatever is wrong.
            let refusal = match Verified::<Untyped>::from_extensions(&parts.extensions) {
                Err(refusal) => refused(refusal),
                // There is no token, so this is never the case.
                Ok(_) => Box::new(answer::session()),
            };
            of_stranger(&settings, parts, body).await.ok_or(refusal)
        }
    }
}

fn refused(refusal: Refusal) -> Refused {
    Box::new(refusal.response())
}

async fn of_caller<B: Body>(
    settings: &Settings,
    caller: &Verified,
    mut parts: Parts,
    body: B,
) -> Result<Passed<B>, Refused> {
    let operations = &settings.operations;
    let require = |policy| caller.require(&policy).map_err(refused);
    let owner = Owner::of(caller.token()).map_err(|error| refused(error.into()))?;
    let ending = Ending::of(caller);
    let passed = |parts, body, ending| Passed {
        parts,
        body,
        owner: owner.clone(),
        ending: Some(ending),
    };
    open_session(settings, &mut parts.headers, &owner)?;
    if parts.method != Method::POST {
        if ![Method::GET, Method::DELETE].contains(&parts.method) {
            return Err(answer::method().into());
        }
        require(operations.base_policy())?;
        return Ok(passed(parts, McpBody::stream(body), ending));
    }
    check_content(&parts.headers)?;
    if !operations.need_the_body() {
        require(operations.base_policy())?;
        return Ok(passed(parts, McpBody::stream(body), ending));
    }
    let read = read(body, settings.max_body, settings.body_timeout).await;
    let read = read.map_err(|error| Box::new(answer::unread(error)))?;
    let messages = Messages::read(&read.data);
    let messages = messages.map_err(|error| Box::new(answer::malformed(error)))?;
    headers::compare(&parts.headers, &messages)
        .map_err(|mismatch| Box::new(answer::mismatch(mismatch, messages.id())))?;
    if !operations.are_open(&messages) {
        require(operations.policy(&messages))?;
    }
    // The client of a session that resumes streams gets the result later.
    let resumes = settings.resumes_streams && parts.headers.contains_key(SESSION);
    let ending = match messages {
        Messages::One(message) if !resumes && is_answered_once(&message) => {
            ending.with_error_for(message.id)
        }
        _ => ending,
    };
    Ok(passed(parts, McpBody::read(read), ending))
}

/// A subscription has no result. Its client opens another one when the stream ends.
fn is_answered_once(message: &Message) -> bool {
    let method = message.method.as_deref();
    method.is_some_and(|method| method != "subscriptions/listen")
}

/// Returns `None` if a token is needed.
async fn of_stranger<B: Body>(settings: &Settings, mut parts: Parts, body: B) -> Option<Passed<B>> {
    if !settings.operations.anonymous_discovery || parts.method != Method::POST {
        return None;
    }
    let owner = Owner::stranger();
    open_session(settings, &mut parts.headers, &owner).ok()?;
    check_content(&parts.headers).ok()?;
    let read = read(body, settings.max_body, settings.body_timeout).await;
    let read = read.ok()?;
    let messages = Messages::read(&read.data).ok()?;
    headers::compare(&parts.headers, &messages).ok()?;
    let is_open = settings.operations.are_open(&messages);
    is_open.then(|| Passed {
        parts,
        body: McpBody::read(read),
        owner,
        ending: None,
    })
}

fn open_session(settings: &Settings, fields: &mut HeaderMap, owner: &Owner) -> Result<(), Refused> {
    if !settings.resumes_streams {
        // An event's identifier is no credential.
        fields.remove(LAST_EVENT);
    }
    let is_modern = headers::is_modern(fields);
    if is_modern.map_err(|mismatch| Box::new(answer::mismatch(mismatch, None)))? {
        // Revisions since 2026-07-28 have neither. A server must ignore them.
        fields.remove(SESSION);
        fields.remove(LAST_EVENT);
        return Ok(());
    }
    let opened = settings.binding.open(fields, owner);
    opened.map_err(|_| Box::new(answer::session()))
}

/// A body of another type or coding would be read in one way here and in another one inside.
fn check_content(fields: &HeaderMap) -> Result<(), Refused> {
    if fields.contains_key(CONTENT_ENCODING) {
        return Err(answer::content_encoding().into());
    }
    let mut values = fields.get_all(CONTENT_TYPE).iter();
    let value = values.next().and_then(|value| value.to_str().ok());
    let is_json = value.is_some_and(is_json) && values.next().is_none();
    match is_json {
        true => Ok(()),
        false => Err(answer::content_type().into()),
    }
}

/// `application/json`, with no parameter but a charset of UTF-8. A parameter may be empty (RFC 9110 section
/// 5.6.6).
fn is_json(value: &str) -> bool {
    let mut parts = value.split(';').map(str::trim);
    let is_type = parts
        .next()
        .is_some_and(|it| it.eq_ignore_ascii_case("application/json"));
    let is_utf8 = |parameter: &str| {
        let pair = parameter.split_once('=');
        pair.is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("charset")
                && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
    };
    is_type && parts.all(|parameter| parameter.is_empty() || is_utf8(parameter))
}
