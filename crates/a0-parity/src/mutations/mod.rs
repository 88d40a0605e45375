//! What is changed about a call, each change with the name that a ledger or a reader knows it by.

mod builder;
mod documents;
mod exchanges;
mod network;
mod own;
mod proofs;
mod requests;
mod sequences;
mod stores;
mod tokens;
mod values;

use serde_json::{Map, Value};

use crate::draft::{Draft, Keys};

pub(crate) struct Mutation {
    /// `part`, then what is changed: `token claim exp=null`.
    pub(crate) name: String,
    pub(crate) apply: Box<dyn Fn(&mut Draft)>,
}

/// The parts of a case that can be changed, by the first word of a mutation's name.
pub(crate) fn parts_of(call: &str) -> &'static [&'static str] {
    match call {
        "verify_request" => &[
            "token",
            "request",
            "documents",
            "options",
            "proof",
            "later",
            "builder",
            "resolver",
            "store",
            "own",
            "own-dpop",
        ],
        "verify_access_token" => &[
            "token",
            "documents",
            "options",
            "later",
            "builder",
            "resolver",
            "store",
            "own",
        ],
        "verify_dpop_proof" => &["proof", "url", "builder", "own-dpop"],
        "normalize_domain" => &["domain"],
        "calculate_jwk_thumbprint" => &["key"],
        "parse_cache_control_max_age" => &["age"],
        "get_current_actor" | "get_delegation_chain" => &["act"],
        "get_access_token_for_connection" => &[
            "connection",
            "endpoint",
            "credentials",
            "later",
            "builder",
            "store",
        ],
        "get_token_on_behalf_of" => &[
            "obo",
            "endpoint",
            "credentials",
            "later",
            "builder",
            "store",
        ],
        _ => &[
            "exchange",
            "endpoint",
            "credentials",
            "later",
            "builder",
            "store",
        ],
    }
}

/// Those of cases that are the same in every run, each by itself.
pub(crate) fn fixed_parts_of(call: &str) -> &'static [&'static str] {
    match call {
        "verify_access_token" => &["network", "network-keys"],
        "get_access_token_for_connection"
        | "get_token_on_behalf_of"
        | "get_token_by_exchange_profile" => &["network", "network-endpoint"],
        _ => &[],
    }
}

pub(crate) fn catalogue(keys: &Keys) -> Vec<Mutation> {
    let mut list = List(Vec::new());
    tokens::add(&mut list, keys);
    proofs::add(&mut list, keys);
    requests::add(&mut list);
    documents::add(&mut list, keys);
    exchanges::add(&mut list);
    builder::add(&mut list);
    sequences::add(&mut list, keys);
    values::add(&mut list, keys);
    stores::add(&mut list, keys);
    own::add(&mut list, keys);
    network::add(&mut list);
    list.0
}

/// Which members of a draft are meant.
type Members = fn(&mut Draft) -> Option<&mut Map<String, Value>>;

struct List(Vec<Mutation>);

impl List {
    fn add(&mut self, name: impl Into<String>, apply: impl Fn(&mut Draft) + 'static) {
        self.0.push(Mutation {
            name: name.into(),
            apply: Box::new(apply),
        });
    }

    /// One mutation for each value of a member, and one that takes the member away.
    fn members(
        &mut self,
        part: &str,
        member: &'static str,
        values: impl IntoIterator<Item = Value>,
        of: Members,
    ) {
        for value in values {
            let name = format!("{part} {member}={}", shown(&value));
            self.add(name, move |draft| {
                if let Some(members) = of(draft) {
                    members.insert(member.to_owned(), value.clone());
                }
            });
        }
        self.add(format!("{part} {member} absent"), move |draft| {
            if let Some(members) = of(draft) {
                members.remove(member);
            }
        });
    }
}

/// Long values by their beginning and their length.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => {
            let start = text.get(..end).unwrap_or_default();
            format!("{start}.. of {}", text.len())
        }
        None => text,
    }
}
