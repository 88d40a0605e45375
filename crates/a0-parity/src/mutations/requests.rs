//! The fields of the request, and the options that say what of them is wanted.

use serde_json::json;

use super::List;
use crate::draft::{Authorization, Draft};

pub(super) fn add(list: &mut List) {
    for scheme in [
        "bearer", "BEARER", "Bearer", "DPoP", "dpop", "DPOP", "Basic", "Token", "", "B\u{e9}",
    ] {
        credentials(list, &format!("scheme {scheme:?}"), move |it| {
            it.scheme = scheme.to_owned()
        });
    }
    for space in ["  ", "\t", " \t ", "\n", "\u{a0}", "", ",", "="] {
        credentials(list, &format!("separator {space:?}"), move |it| {
            it.separator = space.to_owned()
        });
    }
    for space in [" ", "\t", "\u{a0}"] {
        credentials(list, &format!("begins with {space:?}"), move |it| {
            it.before = space.to_owned()
        });
        credentials(list, &format!("ends with {space:?}"), move |it| {
            it.after = space.to_owned()
        });
    }
    for name in ["Authorization", "AUTHORIZATION", "authorization "] {
        credentials(list, &format!("name {name:?}"), move |it| {
            it.name = name.to_owned()
        });
    }
    list.add("request no credentials", |draft| draft.authorization = None);
    for value in [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "DPoP",
        "DPoP ",
        "Basic ",
        "Bearer  x",
        "x",
    ] {
        list.add(format!("request authorization {value:?}"), move |draft| {
            draft.authorization = None;
            draft
                .more_headers
                .push(("authorization".to_owned(), value.to_owned()));
        });
    }
    for (name, value) in [
        ("authorization", "Bearer {token}"),
        ("Authorization", "Bearer {token}"),
        ("authorization", ""),
        ("dpop", "{proof}"),
        ("DPoP", "{proof}"),
        ("dpop", ""),
        ("dpop", "x"),
        ("dpop", "{proof},{proof}"),
        ("dpop", ","),
        ("dpop", "{proof}, x"),
        ("x-other", "y"),
    ] {
        list.add(format!("request with {name}: {value}"), move |draft| {
            draft.more_headers.push((name.to_owned(), value.to_owned()));
        });
    }
    list.add("request no proof", |draft| draft.proof = None);
    for name in ["DPoP", "DPOP"] {
        list.add(format!("request proof as {name}"), move |draft| {
            draft.proof_name = name.to_owned()
        });
    }
    for member in ["url", "method"] {
        list.add(format!("request no {member}"), move |draft| {
            draft.options.remove(member);
        });
    }
    options(list);
    resolver(list);
}

fn credentials(list: &mut List, name: &str, change: impl Fn(&mut Authorization) + 'static) {
    list.add(format!("request {name}"), move |draft: &mut Draft| {
        if let Some(authorization) = &mut draft.authorization {
            change(authorization);
        }
    });
}

fn options(list: &mut List) {
    for (name, value) in [
        ("mode", json!("disabled")),
        ("mode", json!("required")),
        ("mode", json!("allowed")),
        ("domain", json!("https://tenant.example/")),
        ("domain", json!("other.example")),
        ("audience", json!("another")),
        ("domains", json!(["tenant.example"])),
        ("domains", json!(["other.example"])),
        (
            "domains",
            json!(["other.example", "https://TENANT.example/"]),
        ),
        ("resolver", json!(["tenant.example"])),
        ("resolver", json!([])),
        ("resolver", json!([" "])),
        ("resolver", json!(["http://tenant.example"])),
        ("resolver", json!(["other.example"])),
        ("resolver", json!(["tenant.example/path"])),
        ("required_claims", json!(["sub"])),
        ("required_claims", json!(["email"])),
        ("required_claims", json!(["scope", "email"])),
        ("required_claims", json!([""])),
    ] {
        list.add(format!("options {name}={value}"), move |draft| {
            draft.options.insert(name.to_owned(), value.clone());
            // Two sources of domains are one mistake, and not one of these calls.
            match name {
                "domains" => draft.options.remove("resolver"),
                "resolver" => draft.options.remove("domains"),
                _ => None,
            };
        });
    }
}

/// What a resolver is given.
fn resolver(list: &mut List) {
    let mut add = |name: String, change: Box<dyn Fn(&mut Draft)>| {
        list.add(format!("resolver and {name}"), move |draft| {
            draft.options.remove("domains");
            let domains = json!(["tenant.example"]);
            draft.options.insert("resolver".to_owned(), domains);
            change(draft);
        });
    };
    for fields in [
        &[("x-tenant", "eu")][..],
        &[("X-Tenant", "eu")],
        &[("x-tenant", "eu"), ("x-tenant", "us")],
        &[("x-tenant", "eu"), ("X-TENANT", "us")],
        &[("x-tenant", "")],
    ] {
        let shown: Vec<String> = fields.iter().map(|(n, v)| format!("{n}: {v}")).collect();
        let change = move |draft: &mut Draft| {
            let fields = fields.iter();
            let fields = fields.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            draft.more_headers.extend(fields);
        };
        add(format!("fields {}", shown.join(", ")), Box::new(change));
    }
    for url in [
        "https://api.example/orders?tenant=eu",
        "https://API.example:443/orders",
        "https://api.example/x/../orders#f",
        "/orders",
    ] {
        let change = move |draft: &mut Draft| {
            draft.options.insert("url".to_owned(), url.into());
        };
        add(format!("url {url:?}"), Box::new(change));
    }
    let without = |draft: &mut Draft| {
        draft.options.remove("url");
    };
    add("no url".to_owned(), Box::new(without));
}
