//! The differences that are meant, each with its rules and the cases that show it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::compare::Difference;
use crate::generate::Case;

const DIRECTIONS: &[&str] = &["stricter", "looser", "different"];

/// Acceptances that go beyond what a row lets in.
const NEVER_MEANT: &[&str] = &["sequence", "option"];

pub(crate) struct Ledger {
    pub(crate) rows: Vec<Row>,
}

pub(crate) struct Row {
    pub(crate) id: String,
    /// `what`, `why`, `section`, `direction`, `test`.
    pub(crate) texts: Vec<String>,
    rules: Vec<Rule>,
    pub(crate) pins: Vec<String>,
}

/// Which differences a row explains. Texts are patterns: `*` stands for any characters.
struct Rule {
    fields: Vec<String>,
    /// Of the case's base or one of its mutations.
    when: Vec<String>,
    /// Of another one of its mutations, or the same.
    also: Vec<String>,
    /// At least two mutations, so that the order of the checks can show.
    several: bool,
    reference: Vec<String>,
    own: Vec<String>,
}

impl Ledger {
    pub(crate) fn load() -> Result<Self, String> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ledger.json");
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        Ledger::read(&text).map_err(|error| format!("ledger.json: {error}"))
    }

    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let rows = value["rows"].as_array().ok_or("it has no list `rows`")?;
        let mut seen = BTreeMap::new();
        let rows = rows.iter().map(|row| {
            let id = row["id"].as_str().ok_or("a row has no `id`")?.to_owned();
            let cells = ["what", "why", "section", "direction", "test"].map(|member| {
                let text = row[member].as_str().filter(|text| !text.is_empty());
                text.map(str::to_owned)
                    .ok_or_else(|| format!("{id} has no `{member}`"))
            });
            let cells: Vec<String> = cells.into_iter().collect::<Result<_, _>>()?;
            let direction = row["direction"].as_str().unwrap_or_default();
            if !DIRECTIONS.iter().any(|known| direction.starts_with(known)) {
                return Err(format!("{id} has no known direction"));
            }
            if seen.insert(id.clone(), ()).is_some() {
                return Err(format!("{id} is there twice"));
            }
            let rules = row["rules"]
                .as_array()
                .ok_or(format!("{id} has no `rules`"))?;
            let rules: Vec<Rule> = rules.iter().map(rule).collect();
            for rule in &rules {
                let [reference, own] = [&rule.reference, &rule.own]
                    .map(|patterns| patterns.iter().any(|it| matches(it, "accepted")));
                let verdict = rule.fields.iter().any(|field| field == "verdict");
                if verdict && own && !direction.contains("looser") {
                    return Err(format!(
                        "{id} lets this accept more and does not say `looser`"
                    ));
                }
                if rule.fields.iter().any(|it| NEVER_MEANT.contains(&&**it)) {
                    return Err(format!("{id} explains what no row may"));
                }
                if verdict && rule.several && (reference || own) {
                    return Err(format!("{id} explains an acceptance by an order of checks"));
                }
            }
            let pins = texts(&row["pins"]);
            if rules.is_empty() || pins.is_empty() {
                return Err(format!("{id} has no `rules`, or no `pins` that show it"));
            }
            Ok(Row {
                texts: cells,
                rules,
                id,
                pins,
            })
        });
        let rows = rows.collect::<Result<_, String>>()?;
        Ok(Ledger { rows })
    }

    /// The first row that explains the difference; the order of the checks only where nothing
    /// else does.
    pub(crate) fn explanation(&self, case: &Case, difference: &Difference) -> Option<&Row> {
        let explains = |row: &&Row, several| {
            row.rules
                .iter()
                .any(|rule| rule.several == several && rule.fits(case, difference))
        };
        let mut rows = self.rows.iter();
        let by_itself = rows.find(|row| explains(row, false));
        by_itself.or_else(|| self.rows.iter().find(|row| explains(row, true)))
    }
}

impl Row {
    pub(crate) fn explains(&self, case: &Case, difference: &Difference) -> bool {
        self.rules.iter().any(|rule| rule.fits(case, difference))
    }
}

impl Rule {
    fn fits(&self, case: &Case, difference: &Difference) -> bool {
        let any = |patterns: &[String], text: &str| patterns.iter().any(|it| matches(it, text));
        let names = case.mutations.iter().map(String::as_str);
        let places: Vec<&str> = names.chain([case.base]).collect();
        let meets = |patterns: &[String]| {
            patterns.is_empty() || places.iter().any(|name| any(patterns, name))
        };
        self.fields.iter().any(|field| field == difference.field)
            && (!self.several || case.mutations.len() > 1)
            && meets(&self.when)
            && meets(&self.also)
            && any(&self.reference, &difference.reference)
            && any(&self.own, &difference.own)
    }
}

fn rule(value: &Value) -> Rule {
    Rule {
        fields: texts(&value["field"]),
        when: texts(&value["when"]),
        also: texts(&value["also"]),
        several: value["several"] == true,
        reference: texts(&value["reference"]),
        own: texts(&value["own"]),
    }
}

/// One text, or a list of them.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        value => {
            let values = value.as_array().into_iter().flatten();
            values
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        }
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| matches(after, rest.get(at..).unwrap_or_default()))
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "x", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "ab", false),
            ("a*b*c", "a-b-b-c", true),
            ("*\u{e9}", "x\u{e9}", true),
            ("abc", "abcd", false),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    fn row(change: impl FnOnce(&mut Value)) -> Result<Ledger, String> {
        let mut row = json!({
            "id": "D0", "what": "w", "why": "w", "section": "s", "direction": "stricter",
            "test": "t", "pins": ["token: x"],
            "rules": [{
                "field": "verdict", "when": ["x*"], "reference": "accepted", "own": "refused: *",
            }],
        });
        change(&mut row);
        Ledger::read(&json!({ "rows": [row] }).to_string())
    }

    #[test]
    fn a_row_explains_what_its_rules_say_and_nothing_else() {
        let case = |mutations: &[&str]| Case {
            name: String::new(),
            base: "token",
            mutations: mutations.iter().map(|name| name.to_string()).collect(),
            input: Value::Null,
            plain: None,
        };
        let difference = |field, reference: &str, own: &str| Difference {
            field,
            reference: reference.to_owned(),
            own: own.to_owned(),
        };
        let stricter = difference("verdict", "accepted", "refused: X: y");
        let looser = difference("verdict", "refused: X: y", "accepted");
        let other_field = difference("status", "accepted", "refused: X: y");
        let one = row(|_| ()).unwrap();
        assert!(one.explanation(&case(&["x1"]), &stricter).is_some());
        assert!(one.explanation(&case(&["a", "x1"]), &stricter).is_some());
        for (mutations, difference) in [
            (["a"], &stricter),
            (["x1"], &looser),
            (["x1"], &other_field),
        ] {
            assert!(
                one.explanation(&case(&mutations), difference).is_none(),
                "{difference:?}"
            );
        }
        let also = row(|row| row["rules"][0]["also"] = "a*".into()).unwrap();
        assert!(also.explanation(&case(&["x1"]), &stricter).is_none());
        assert!(also.explanation(&case(&["x1", "a"]), &stricter).is_some());
        let several = row(|row| {
            row["rules"][0]["several"] = true.into();
            row["rules"][0]["reference"] = "refused: *".into();
        });
        let several = several.unwrap();
        let another = difference("verdict", "refused: Y: z", "refused: X: y");
        assert!(several.explanation(&case(&["x1"]), &another).is_none());
        assert!(
            several
                .explanation(&case(&["x1", "x2"]), &another)
                .is_some()
        );
    }

    #[test]
    fn a_row_is_whole() {
        assert!(row(|_| ()).is_ok());
        for member in [
            "id",
            "what",
            "why",
            "section",
            "direction",
            "test",
            "rules",
            "pins",
        ] {
            let removed = row(|row| {
                row.as_object_mut().unwrap().remove(member);
            });
            assert!(removed.is_err(), "{member}");
        }
        assert!(row(|row| row["direction"] = "sideways".into()).is_err());
        let rule = |member: &'static str, value: &'static str| {
            move |row: &mut Value| row["rules"][0][member] = value.into()
        };
        assert!(row(rule("own", "accepted")).is_err());
        assert!(row(rule("own", "*")).is_err());
        assert!(row(|row| row["rules"][0]["several"] = true.into()).is_err());
        for member in ["rules", "pins"] {
            assert!(row(|row| row[member] = json!([])).is_err(), "{member}");
        }
        for field in NEVER_MEANT {
            assert!(row(rule("field", field)).is_err(), "{field}");
        }
    }
}
