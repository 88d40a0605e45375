//! Options of the client that are missing, at their bounds, or that cannot be.

use serde_json::{Value, json};

use super::List;

pub(super) fn add(list: &mut List) {
    // `null` stands for an option that is not given.
    let values = |list: &mut List, name: &'static str, values: &[Value]| {
        for value in values {
            let value = value.clone();
            let label = format!("builder {name}={value}");
            list.add(label, move |draft| {
                match &value {
                    Value::Null => draft.options.remove(name),
                    value => draft.options.insert(name.to_owned(), value.clone()),
                };
                if name == "domains" {
                    draft.options.remove("resolver");
                }
            });
        }
    };
    values(list, "audience", &[json!(null), json!(""), json!(" ")]);
    let domains = [
        "",
        " ",
        "http://tenant.example",
        "tenant.example/x",
        "tenant.example?q",
        "u@tenant.example",
        "a b",
    ];
    let domain = [json!(null)].into_iter().chain(domains.map(Value::from));
    values(list, "domain", &domain.collect::<Vec<_>>());
    let one = domains.map(|domain| json!(["tenant.example", domain]));
    let one = one.into_iter().chain([json!([])]);
    values(list, "domains", &one.collect::<Vec<_>>());
    values(
        list,
        "cache_ttl_seconds",
        &[json!(0), json!(10), json!(600), json!(86_401)],
    );
    values(list, "cache_max_entries", &[json!(0), json!(1), json!(2)]);
    // Only here, and it may change no outcome.
    values(list, "token_cache", &[json!(100)]);
    for name in ["dpop_iat_leeway", "dpop_iat_offset"] {
        values(list, name, &[json!(0), json!(60), json!(3000), json!(3600)]);
    }
    for (enabled, required) in [(true, true), (true, false), (false, true), (false, false)] {
        list.add(
            format!("builder dpop_enabled={enabled} dpop_required={required}"),
            move |draft| {
                let options = [("dpop_enabled", enabled), ("dpop_required", required)];
                let options = options.map(|(name, value)| (name.to_owned(), value.into()));
                draft.options.extend(options);
            },
        );
    }
    for (name, removed) in [
        ("domains alone", &["domain", "client_id"][..]),
        ("domains and client_id without domain", &["domain"]),
    ] {
        list.add(format!("builder {name}"), move |draft| {
            for option in removed {
                draft.options.remove(*option);
            }
            draft.options.remove("resolver");
            let domains = json!(["tenant.example"]);
            draft.options.insert("domains".to_owned(), domains);
        });
    }
    list.add("builder neither domain nor client_id", |draft| {
        for option in ["domain", "client_id"] {
            draft.options.remove(option);
        }
    });
}
