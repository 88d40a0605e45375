//! The JSON-RPC messages of a body, and the operations they ask for.

use crate::json::{JsonError, Keep, Shape, Value, read};

/// The longest identifier that an error repeats, in octets. As JSON text, a string may be six times as long.
const MAX_ID: usize = 128;

/// The revision that requires `Mcp-Method` and `Mcp-Name`. Revisions are dates, so their order is that of text.
pub(crate) const HEADERS_SINCE: &str = "2026-07-28";

/// Where a request carries its revision, within `params._meta`.
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// The members of a message that decide about it.
static MESSAGE: Shape = Shape(&[
    ("jsonrpc", Keep::Scalar),
    ("id", Keep::Scalar),
    ("method", Keep::Scalar),
    ("params", Keep::Object(&PARAMS)),
    ("result", Keep::Scalar),
    ("error", Keep::Scalar),
]);

static PARAMS: Shape = Shape(&[
    ("name", Keep::Scalar),
    ("uri", Keep::Scalar),
    ("taskId", Keep::Scalar),
    ("_meta", Keep::Object(&META)),
]);

static META: Shape = Shape(&[(VERSION, Keep::Scalar)]);

/// A JSON-RPC message, as far as it decides about a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Message {
    /// `None` for the answer to a request of the server, in versions that have such.
    pub(crate) method: Option<String>,
    /// The tool, prompt, resource or task: what `Mcp-Name` repeats.
    pub(crate) name: Option<String>,
    /// The identifier as JSON text. `None` for a notification, or if it is too long to be repeated.
    pub(crate) id: Option<String>,
    /// The revision that the body names.
    pub(crate) version: Option<String>,
}

/// Why a body is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageError {
    Json(JsonError),
    /// A JSON text that is no JSON-RPC message.
    NotAMessage,
}

impl MessageError {
    pub(crate) fn text(self) -> &'static str {
        match self {
            MessageError::Json(JsonError::Syntax) => "the body is not one JSON text in UTF-8",
            MessageError::Json(JsonError::TooDeep) => "the body is nested too deeply",
            MessageError::Json(JsonError::DuplicateName) => {
                "an object of the body has a name twice"
            }
            MessageError::Json(JsonError::PrivateName) => "the body has a name that is reserved",
            MessageError::Json(JsonError::LargeBatch) => "the batch has too many members",
            MessageError::NotAMessage => "the body is not a JSON-RPC message",
        }
    }

    pub(crate) fn code(self) -> i32 {
        match self {
            MessageError::Json(JsonError::Syntax | JsonError::TooDeep) => -32700,
            _ => -32600,
        }
    }
}

/// The messages of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Messages {
    One(Message),
    Batch(Vec<Message>),
}

impl Messages {
    pub(crate) fn read(body: &[u8]) -> Result<Self, MessageError> {
        match read(body, &MESSAGE).map_err(MessageError::Json)? {
            Value::Array(members) if members.is_empty() => Err(MessageError::NotAMessage),
            Value::Array(members) => {
                let members = members.iter().map(Message::of);
                members.collect::<Result<_, _>>().map(Messages::Batch)
            }
            value => Message::of(&value).map(Messages::One),
        }
    }

    pub(crate) fn all(&self) -> &[Message] {
        match self {
            Messages::One(message) => std::slice::from_ref(message),
            Messages::Batch(messages) => messages,
        }
    }

    /// The identifier for an error response.
    pub(crate) fn id(&self) -> Option<&str> {
        match self {
            Messages::One(message) => message.id.as_deref(),
            Messages::Batch(_) => None,
        }
    }
}

impl Message {
    fn of(value: &Value<'_>) -> Result<Self, MessageError> {
        let wrong = MessageError::NotAMessage;
        if !matches!(value, Value::Object(_))
            || value.get("jsonrpc").and_then(Value::as_str) != Some("2.0")
        {
            return Err(wrong);
        }
        let is_error = value.get("error").is_some();
        let is_answer = value.get("result").is_some() || is_error;
        let id = match value.get("id") {
            None => None,
            Some(Value::Number(number)) => is_short(number).then(|| (*number).to_owned()),
            Some(Value::String(text)) => is_short(text).then(|| quoted(text)),
            // The error of somebody who could not read the identifier (JSON-RPC 2.0 section 5).
            Some(Value::Null) if is_error => None,
            Some(_) => return Err(wrong),
        };
        let method = match (value.get("method"), is_answer) {
            (Some(Value::String(method)), false) => Some(method.clone().into_owned()),
            (None, true) => None,
            // Whatever else a server makes of both, or of none, one of them is not what was judged.
            _ => return Err(wrong),
        };
        let params = match value.get("params") {
            None => None,
            Some(params @ Value::Object(_)) if method.is_some() => Some(params),
            // Some clients send it for none, and servers take it so. A method that needs a name still needs it.
            Some(Value::Null) => None,
            // Members by position have no names to judge by.
            Some(_) => return Err(wrong),
        };
        let member = |name: &str| params.and_then(|params| params.get(name));
        let name = match name_member(method.as_deref().unwrap_or_default()) {
            Some(needed) => match member(needed) {
                Some(Value::String(name)) => Some(name.clone().into_owned()),
                _ => return Err(wrong),
            },
            None => ["name", "uri", "taskId"]
                .iter()
                .find_map(|name| member(name)?.as_str().map(str::to_owned)),
        };
        let version = match member("_meta").and_then(|meta| meta.get(VERSION)) {
            None => None,
            Some(Value::String(version)) => Some(version.clone().into_owned()),
            Some(_) => return Err(wrong),
        };
        Ok(Message {
            method,
            name,
            id,
            version,
        })
    }
}

fn is_short(id: &str) -> bool {
    id.len() <= MAX_ID
}

/// The member of `params` that names what a method is about. Requests without it are refused.
pub(crate) fn name_member(method: &str) -> Option<&'static str> {
    match method {
        "tools/call" | "prompts/get" => Some("name"),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => Some("uri"),
        "tasks/get" | "tasks/update" | "tasks/cancel" | "tasks/result" => Some("taskId"),
        _ => None,
    }
}

/// The text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\0'..='\x1f' => quoted.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
