//! The policies of operations.

use std::collections::{BTreeMap, HashSet};
use std::ptr;

use auth0_api::Policy;

use crate::message::{Message, Messages};

/// The methods of the revisions from 2024-11-05 to 2026-07-28 that need no more than the base, unless there is a
/// policy for them. Tasks are not among them: a task gives the result of a tool, and does not say which.
const KNOWN: [&str; 23] = [
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "notifications/cancelled",
    "notifications/elicitation/response",
    "notifications/initialized",
    "notifications/progress",
    "notifications/roots/list_changed",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/directory/read",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "skills/get",
    "skills/list",
    "subscriptions/listen",
    "tools/call",
    "tools/list",
];

/// Further methods, which a policy may be about.
const TASKS: [&str; 5] = [
    "tasks/cancel",
    "tasks/get",
    "tasks/list",
    "tasks/result",
    "tasks/update",
];

/// The methods by which a client learns about a server before its user logs in.
const DISCOVERY: [&str; 8] = [
    "initialize",
    "notifications/initialized",
    "ping",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "server/discover",
    "tools/list",
];

/// The policies of a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Operations {
    /// The policy that every operation needs.
    pub(crate) base: Option<Policy>,
    pub(crate) methods: BTreeMap<String, Policy>,
    pub(crate) tools: BTreeMap<String, Policy>,
    /// For tools without a policy. If `None`, they need all policies, if there is one for a tool.
    pub(crate) other_tools: Option<Policy>,
    pub(crate) anonymous_discovery: bool,
}

impl Operations {
    /// Whether a decision depends on the body.
    pub(crate) fn need_the_body(&self) -> bool {
        let has_policies =
            !self.methods.is_empty() || !self.tools.is_empty() || self.other_tools.is_some();
        has_policies || self.anonymous_discovery
    }

    /// Whether strangers may send these messages.
    pub(crate) fn are_open(&self, messages: &Messages) -> bool {
        let is_open = |message: &Message| {
            let method = message.method.as_deref();
            method.is_some_and(|it| DISCOVERY.contains(&it) && !self.methods.contains_key(it))
        };
        self.anonymous_discovery && messages.all().iter().all(is_open)
    }

    /// The policy for the messages of one body: what the members of a batch need together.
    pub(crate) fn policy(&self, messages: &Messages) -> Policy {
        let needed = messages.all().iter().map(|message| {
            let tool = message.name.as_deref().unwrap_or_default();
            match message.method.as_deref() {
                // The answer to a question of the server.
                None => Some(vec![]),
                Some("tools/call") => self.of_tool(tool),
                Some(method) => self.of_method(method),
            }
        });
        let needed: Option<Vec<_>> = needed.collect();
        self.with_base(needed.map(|each| each.concat()))
    }

    /// A method with a policy that looks like another spelling of one of MCP, with that one. Its policy would
    /// never apply.
    pub(crate) fn misspelt(&self) -> Option<(&str, &'static str)> {
        self.methods.keys().find_map(|method| {
            let meant = KNOWN.iter().chain(&TASKS);
            let mut meant = meant.filter(|known| letters(known).eq(letters(method)));
            let meant = meant.next().filter(|known| *known != method)?;
            Some((&**method, *meant))
        })
    }

    /// The policy for a call of a tool.
    pub(crate) fn tool_policy(&self, tool: &str) -> Policy {
        self.with_base(self.of_tool(tool))
    }

    /// The policy for a method; of `tools/call`, without that of the tool.
    pub(crate) fn method_policy(&self, method: &str) -> Policy {
        self.with_base(self.of_method(method))
    }

    /// The policies for a call of a tool; `None` for all.
    fn of_tool(&self, tool: &str) -> Option<Vec<&Policy>> {
        let of_tool = self.tools.get(tool).or(self.other_tools.as_ref())?;
        let of_method = self.methods.get("tools/call");
        Some(of_method.into_iter().chain([of_tool]).collect())
    }

    /// The policies for a method; `None` for all.
    fn of_method(&self, method: &str) -> Option<Vec<&Policy>> {
        match self.methods.get(method) {
            Some(policy) => Some(vec![policy]),
            None => KNOWN.contains(&method).then(Vec::new),
        }
    }

    /// Every policy: what an operation needs that cannot be told from one that needs it.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Policy> {
        let tools = self.tools.values().chain(&self.other_tools);
        self.methods.values().chain(tools)
    }

    /// With `None`, all policies.
    fn with_base(&self, needed: Option<Vec<&Policy>>) -> Policy {
        let needed = needed.unwrap_or_else(|| self.all().collect());
        let mut seen = HashSet::new();
        let all = self.base.iter().chain(needed);
        // A batch may need one policy many times.
        let all = all.filter(|policy| seen.insert(ptr::from_ref::<Policy>(policy)));
        let all: Vec<Policy> = all.cloned().collect();
        match all.is_empty() {
            true => Policy::verified(),
            false => Policy::all(all),
        }
    }

    /// For requests without a message: the streams and the end of a session.
    pub(crate) fn base_policy(&self) -> Policy {
        self.with_base(Some(vec![]))
    }
}

/// The letters and digits of a method, which remain whatever separates its words.
fn letters(method: &str) -> impl Iterator<Item = char> {
    let letters = method.chars().filter(|it| it.is_alphanumeric());
    letters.flat_map(char::to_lowercase)
}
