//! The calls that both sides accept, and the mutations of them, read from `cases.json`.

use std::collections::BTreeMap;

use a0_testkit::Algorithm;
use auth0_api::NumericDate;
use auth0_api::proof::NonceIssuer;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::draft::Draft;
use crate::tenant::{self, Failure, JWKS, Keys, METADATA, NONCE_PERIOD, NONCE_SECRET};

const DATA: &str = include_str!("../cases.json");

/// A call that both sides accept.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Base {
    pub(crate) name: String,
    pub(crate) call: String,
    /// How often random cases start from it. It follows the size of what can go wrong.
    pub(crate) weight: usize,
    /// The parts that can be changed, by the first word of a mutation's name.
    pub(crate) parts: Vec<String>,
    /// The parts of cases that are the same in every run, with one mutation each.
    #[serde(default)]
    pub(crate) fixed_parts: Vec<String>,
    #[serde(default)]
    set: Map<String, Value>,
}

/// Changes of a draft at paths such as `token/claims/exp`. A path without a parent changes nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mutation {
    /// A part of a case, then what is changed about it: `token claim exp=null`.
    pub(crate) name: String,
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    set: Map<String, Value>,
    #[serde(default)]
    push: Vec<(String, Value)>,
    /// A call on the same client before this one, by what is different about it.
    precede: Option<Value>,
}

/// The content of `cases.json`. An entry of `bases` or `mutations` is a template.
///
/// It gives one for each of its `rows`: `{0}` stands for the first column, and `{0?}` for its JSON. With
/// `each` it does so for each of these, in place of `@`. An entry with `values` sets each member `at`
/// its path to each of its values, and removes it unless `remove` is false. `$odd` stands for the rows,
/// or values, named `odd`.
#[derive(Deserialize)]
struct Data {
    rows: BTreeMap<String, Vec<Value>>,
    bases: Vec<Value>,
    mutations: Vec<Value>,
}

pub(crate) fn catalogue(keys: &Keys) -> Result<(Vec<Base>, Vec<Mutation>), Failure> {
    let data: Data = serde_json::from_str(DATA)?;
    let (mut bases, mut mutations) = (Vec::new(), Vec::new());
    for base in &data.bases {
        bases.extend(data.expanded(base, keys)?);
    }
    for entry in &data.mutations {
        let Some(members) = entry["values"].as_object() else {
            mutations.extend(data.expanded(entry, keys)?);
            continue;
        };
        let [part, at] = ["part", "at"].map(|name| entry[name].as_str());
        let (part, at) = part.zip(at).ok_or("values without `part` and `at`")?;
        for (member, values) in members {
            let values = values.as_array().ok_or("values are no list")?;
            let rows: Vec<Value> = values.iter().map(|value| json!([value])).collect();
            let (name, path) = (format!("{part} {member}"), format!("{at}/{member}"));
            let set =
                json!({"name": format!("{name}={{0?}}"), "rows": rows, "set": {&path: "{0}"}});
            mutations.extend(data.expanded(&set, keys)?);
            if entry["remove"] != false {
                let remove = json!({"name": format!("{name} absent"), "remove": [path]});
                mutations.extend(data.expanded(&remove, keys)?);
            }
        }
    }
    Ok((bases, mutations))
}

impl Data {
    /// Returns what one template gives.
    fn expanded<T: DeserializeOwned>(
        &self,
        template: &Value,
        keys: &Keys,
    ) -> Result<Vec<T>, Failure> {
        let mut template = template.clone();
        let mut list = |name, one| match template.as_object_mut().and_then(|it| it.remove(name)) {
            Some(Value::Array(list)) => list,
            Some(value) => vec![value],
            None => vec![one],
        };
        let (each, rows) = (list("each", json!("@")), list("rows", json!([])));
        let rows: Vec<_> = rows
            .iter()
            .map(|row| self.columns(row))
            .collect::<Result<_, _>>()?;
        let mut expanded = Vec::new();
        for each in each.iter().filter_map(Value::as_str) {
            let mut template = template.clone();
            let name = template["name"].as_str().unwrap_or_default();
            template["name"] = name.replace('@', &each.replace('/', " ")).into();
            let template = replaced(&template, &[("@".to_owned(), each.into())]);
            for columns in rows.iter().flatten() {
                let mut places = Vec::new();
                for (at, column) in columns.iter().enumerate() {
                    let column = resolved(column, keys)?;
                    places.push((format!("{{{at}?}}"), shown(&column).into()));
                    places.push((format!("{{{at}}}"), column));
                }
                let value = resolved(&replaced(&template, &places), keys)?;
                expanded.push(serde_json::from_value(value)?);
            }
        }
        Ok(expanded)
    }

    /// Returns the columns of a row; a row that is not a list has one. A name stands for several rows.
    fn columns(&self, row: &Value) -> Result<Vec<Vec<Value>>, Failure> {
        let one = row.as_array().cloned().unwrap_or_else(|| vec![row.clone()]);
        let name = match one.as_slice() {
            [Value::String(text)] => text.strip_prefix('$'),
            _ => None,
        };
        let Some(name) = name else {
            return Ok(vec![one]);
        };
        let rows = self
            .rows
            .get(name)
            .ok_or_else(|| format!("there are no rows `{name}`"))?;
        let rows: Result<Vec<_>, _> = rows.iter().map(|row| self.columns(row)).collect();
        Ok(rows?.concat())
    }
}

/// Puts values into a template. A place is a whole text, or part of a text or name.
fn replaced(value: &Value, places: &[(String, Value)]) -> Value {
    let in_text = |text: &str| {
        places.iter().fold(text.to_owned(), |text, (place, value)| {
            match value.as_str() {
                Some(value) => text.replace(place, value),
                None => text.replace(place, &value.to_string()),
            }
        })
    };
    match value {
        Value::String(text) => match places.iter().find(|(place, _)| place == text) {
            Some((_, value)) => value.clone(),
            None => in_text(text).into(),
        },
        Value::Array(values) => values.iter().map(|it| replaced(it, places)).collect(),
        Value::Object(members) => {
            let members = members.iter();
            members
                .map(|(name, it)| (in_text(name), replaced(it, places)))
                .collect()
        }
        value => value.clone(),
    }
}

/// Replaces objects such as `{"$jwk": "tenant"}` by what depends on the keys of the run. Their other
/// members are added to the replacement, or removed from it if they are null.
fn resolved(value: &Value, keys: &Keys) -> Result<Value, Failure> {
    let members = match value {
        Value::Array(values) => return values.iter().map(|it| resolved(it, keys)).collect(),
        Value::Object(members) => members,
        value => return Ok(value.clone()),
    };
    let good = || Draft::new("verify_access_token", keys)?.finish(keys);
    let mut object = json!({});
    for (name, it) in members {
        let key = || keys.get(it.as_str().unwrap_or_default());
        match name.as_str() {
            "$jwk" => object = key()?.public_jwk(),
            "$entry" => object = key()?.jwks_entry(Algorithm::Rs256),
            "$metadata" => object = tenant::metadata(),
            "$documents" => {
                object = good()?["documents"].take();
                for url in [METADATA, JWKS].iter().filter(|_| !it.is_null()) {
                    object[url]["cache"] = format!("public, max-age={it}").into();
                }
            }
            "$answer" => return Ok(tenant::answer(it)),
            "$token" => return Ok(good()?["token"].take()),
            "$kid" => return Ok(key()?.kid().into()),
            "$jkt" => return Ok(a0_testkit::thumbprint(&key()?.public_jwk())?.into()),
            // A member of a public key, with a prefix and a suffix.
            "$member" => {
                let [key, member, before, after]: [String; 4] = serde_json::from_value(it.clone())?;
                let jwk = keys.get(&key)?.public_jwk();
                let member = jwk[member].as_str().ok_or("no such member")?;
                return Ok(format!("{before}{member}{after}").into());
            }
            "$nonce_of" => {
                let made_at = NumericDate::from_unix_seconds(it.as_i64().unwrap_or_default());
                let nonces = NonceIssuer::new(NONCE_SECRET, NONCE_PERIOD);
                return Ok(nonces.issue(made_at).into());
            }
            "$x" => {
                let count = usize::try_from(it.as_u64().unwrap_or_default())?;
                return Ok("x".repeat(count).into());
            }
            "$actors" => {
                let levels = 0..it.as_u64().unwrap_or_default();
                let actor = |act, level: u64| json!({"sub": level.to_string(), "act": act});
                return Ok(levels.fold(Value::Null, actor));
            }
            name if name.starts_with('$') => return Err(format!("what is {name}?").into()),
            _ => match resolved(it, keys)? {
                Value::Null if members.keys().any(|name| name.starts_with('$')) => {
                    object.as_object_mut().map(|object| object.remove(name));
                }
                it => object[name] = it,
            },
        }
    }
    Ok(object)
}

/// Returns the JSON of a value for a name. A long one is cut, and its length follows.
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

impl Base {
    pub(crate) fn draft(&self, keys: &Keys) -> Result<Draft, Failure> {
        let mut draft = Draft::new(&self.call, keys)?;
        for (path, value) in &self.set {
            set(&mut draft, path, value);
        }
        Ok(draft)
    }
}

impl Mutation {
    pub(crate) fn part(&self) -> &str {
        self.name.split(' ').next().unwrap_or_default()
    }

    pub(crate) fn apply(&self, draft: &mut Draft) {
        for path in &self.remove {
            change(&mut draft.0, path, &|members, name| {
                members.remove(name);
            });
        }
        for (path, value) in &self.set {
            set(draft, path, value);
        }
        for (path, value) in &self.push {
            change(&mut draft.0, path, &|members, name| {
                if let Some(Value::Array(values)) = members.get_mut(name) {
                    values.push(value.clone());
                }
            });
        }
        if let Some(mut step) = self.precede.clone() {
            let call = draft.0["options"]["call"].as_str().unwrap_or_default();
            // The call before a client flow is the same flow. It verifies no token.
            if let Some(members) = step.as_object_mut()
                && members.contains_key("token")
                && !call.starts_with("verify_")
            {
                members.retain(|name, _| name != "call" && name != "token");
            }
            draft.precede(step);
        }
    }
}

fn set(draft: &mut Draft, path: &str, value: &Value) {
    change(&mut draft.0, path, &|members, name| {
        members.insert(name.to_owned(), value.clone());
    });
}

/// Makes a change to the parent of the last member of a path. A text on the way is read as JSON.
fn change(value: &mut Value, path: &str, make: &dyn Fn(&mut Map<String, Value>, &str)) {
    match value {
        Value::Object(members) => match path.split_once('/') {
            Some((name, rest)) => {
                if let Some(value) = members.get_mut(name) {
                    change(value, rest, make);
                }
            }
            None => make(members, path),
        },
        Value::String(text) => {
            if let Ok(mut json @ Value::Object(_)) = serde_json::from_str(text) {
                change(&mut json, path, make);
                *text = json.to_string();
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_leads_to_a_member_of_a_draft() {
        let keys = Keys::generate().unwrap();
        let (bases, mutations) = catalogue(&keys).unwrap();
        let drafts: Vec<Draft> = bases.iter().map(|it| it.draft(&keys).unwrap()).collect();
        // Any member may be added to these.
        let open = "header claims cnf jwk metadata body options own arguments extra key";
        let open: Vec<&str> = open.split(' ').collect();
        for mutation in &mutations {
            let paths = mutation.remove.iter().chain(mutation.set.keys());
            let paths = paths.chain(mutation.push.iter().map(|(path, _)| path));
            for path in paths {
                let parent = path.rsplit('/').nth(1).unwrap_or_default();
                let is_known = drafts.iter().any(|draft| {
                    let (mut draft, found) = (draft.clone(), std::cell::Cell::new(false));
                    change(&mut draft.0, path, &|members, name| {
                        found.set(open.contains(&parent) || members.contains_key(name));
                    });
                    found.get()
                });
                assert!(is_known, "{}: {path}", mutation.name);
            }
        }
    }
}
