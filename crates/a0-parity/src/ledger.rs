//! The deviations that are meant, each with the cases that show it and the rules for what it explains.
//! `docs/parity.md` says what they are and why.

use serde::Deserialize;
use wildmatch::WildMatchPattern;

use crate::compare::Difference;
use crate::draft::Failure;
use crate::generate::Case;
use crate::page::Deviation;

const DATA: &str = include_str!("../ledger.json");

const DIRECTIONS: &[&str] = &["stricter", "looser", "different"];

/// Fields of acceptances that no row may explain.
const NEVER_MEANT: &[&str] = &["sequence", "option"];

pub(crate) struct Ledger {
    pub(crate) rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) id: String,
    /// An additional condition of each rule.
    #[serde(default)]
    when: Patterns,
    /// Names of cases that show the row.
    pub(crate) pins: Vec<String>,
    rules: Vec<Rule>,
}

/// The differences that a row explains.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    field: Patterns,
    /// Patterns for the case's base or one of its mutations.
    #[serde(default)]
    when: Patterns,
    /// The same as `when`, and may match another mutation.
    #[serde(default)]
    also: Patterns,
    /// Only for cases with several mutations, in which the order of the checks can show.
    #[serde(default)]
    several: bool,
    reference: Patterns,
    own: Patterns,
}

/// One pattern, or any of a list. `*` stands for any characters.
#[derive(Default, Deserialize)]
#[serde(from = "Texts")]
struct Patterns(Vec<WildMatchPattern<'*', '\0'>>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Many(Vec<String>),
}

impl From<Texts> for Patterns {
    fn from(texts: Texts) -> Self {
        let texts = match texts {
            Texts::One(text) => vec![text],
            Texts::Many(texts) => texts,
        };
        Patterns(texts.iter().map(|it| WildMatchPattern::new(it)).collect())
    }
}

impl Patterns {
    fn matches(&self, text: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(text))
    }

    /// Returns whether one of them matches the base or a mutation, or there are none.
    fn meet(&self, case: &Case) -> bool {
        let mut names = case.mutations.iter().chain([&case.base]);
        self.0.is_empty() || names.any(|name| self.matches(name))
    }
}

impl Ledger {
    /// Reads the ledger, which has the rows of the page in their order.
    pub(crate) fn load(deviations: &[Deviation]) -> Result<Self, Failure> {
        Ledger::read(DATA, deviations).map_err(|error| format!("ledger.json: {error}").into())
    }

    fn read(text: &str, deviations: &[Deviation]) -> Result<Self, Failure> {
        let rows: Vec<Row> = serde_json::from_str(text)?;
        let ids = rows.iter().map(|row| &row.id);
        if !ids.eq(deviations.iter().map(|deviation| &deviation.id)) {
            return Err("its rows are not those of docs/parity.md, in their order".into());
        }
        for (row, deviation) in rows.iter().zip(deviations) {
            row.check(&deviation.direction)
                .map_err(|error| format!("{} {error}", row.id))?;
        }
        Ok(Ledger { rows })
    }

    /// Returns the first row that explains the difference. The order of the checks explains only
    /// what nothing else does.
    pub(crate) fn explanation(&self, case: &Case, difference: &Difference) -> Option<&Row> {
        let explains = |row: &&Row, several| {
            let mut rules = row.rules_for(case, difference);
            rules.any(|rule| rule.several == several)
        };
        let by_itself = self.rows.iter().find(|row| explains(row, false));
        by_itself.or_else(|| self.rows.iter().find(|row| explains(row, true)))
    }
}

impl Row {
    fn check(&self, direction: &str) -> Result<(), &'static str> {
        if !DIRECTIONS.iter().any(|known| direction.starts_with(known)) {
            return Err("has no known direction");
        }
        if self.rules.is_empty() || self.pins.is_empty() {
            return Err("has no `rules`, or no `pins` that show it");
        }
        for rule in &self.rules {
            let [reference, own] = [&rule.reference, &rule.own].map(|it| it.matches("accepted"));
            let verdict = rule.field.matches("verdict");
            if verdict && own && !direction.contains("looser") {
                return Err("lets this accept more and does not say `looser`");
            }
            if NEVER_MEANT.iter().any(|field| rule.field.matches(field)) {
                return Err("explains what no row may");
            }
            if verdict && rule.several && (reference || own) {
                return Err("explains an acceptance by an order of checks");
            }
        }
        Ok(())
    }

    pub(crate) fn explains(&self, case: &Case, difference: &Difference) -> bool {
        self.rules_for(case, difference).next().is_some()
    }

    fn rules_for(&self, case: &Case, difference: &Difference) -> impl Iterator<Item = &Rule> {
        let rules = self.rules.iter().filter(|_| self.when.meet(case));
        rules.filter(move |rule| rule.fits(case, difference))
    }
}

impl Rule {
    fn fits(&self, case: &Case, difference: &Difference) -> bool {
        self.field.matches(difference.field)
            && (!self.several || case.mutations.len() > 1)
            && self.when.meet(case)
            && self.also.meet(case)
            && self.reference.matches(&difference.reference)
            && self.own.matches(&difference.own)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "ab", false),
            ("a*b*c", "a-b-b-c", true),
            ("*\u{e9}", "x\u{e9}", true),
            ("abc", "abcd", false),
            ("a?c", "abc", false),
            ("", "x", false),
        ] {
            let patterns = Patterns::from(Texts::One(pattern.to_owned()));
            assert_eq!(patterns.matches(text), expected, "{pattern} {text}");
        }
    }

    fn row_of(direction: &str, change: impl FnOnce(&mut Value)) -> Result<Ledger, Failure> {
        let deviation = Deviation {
            id: "D0".to_owned(),
            direction: direction.to_owned(),
        };
        let mut row = json!({"id": "D0", "pins": ["token: x"], "rules": [
            {"field": "verdict", "when": ["x*"], "reference": "accepted", "own": "refused: *"},
        ]});
        change(&mut row);
        Ledger::read(&json!([row]).to_string(), &[deviation])
    }

    fn row(change: impl FnOnce(&mut Value)) -> Result<Ledger, Failure> {
        row_of("stricter", change)
    }

    #[test]
    fn a_row_explains_what_its_rules_say_and_nothing_else() {
        let case = |mutations: &[&str]| Case {
            name: String::new(),
            base: "token".to_owned(),
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
        let another = difference("verdict", "refused: Y: z", "refused: X: y");
        let one = row(|_| ()).unwrap();
        let also = row(|row| row["rules"][0]["also"] = "a*".into()).unwrap();
        let several = row(|row| {
            row["rules"][0]["several"] = true.into();
            row["rules"][0]["reference"] = "refused: *".into();
        });
        let several = several.unwrap();
        let of_row = row(|row| row["when"] = "a*".into()).unwrap();
        for (ledger, mutations, difference, explained) in [
            (&one, &["x1"][..], &stricter, true),
            (&one, &["a", "x1"], &stricter, true),
            (&one, &["a"], &stricter, false),
            (&one, &["x1"], &looser, false),
            (&one, &["x1"], &other_field, false),
            (&also, &["x1"], &stricter, false),
            (&also, &["x1", "a"], &stricter, true),
            (&of_row, &["x1"], &stricter, false),
            (&of_row, &["a"], &stricter, false),
            (&of_row, &["x1", "a"], &stricter, true),
            (&several, &["x1"], &another, false),
            (&several, &["x1", "x2"], &another, true),
        ] {
            let found = ledger.explanation(&case(mutations), difference).is_some();
            assert_eq!(found, explained, "{mutations:?} {difference:?}");
        }
    }

    #[test]
    fn a_row_is_whole() {
        assert!(row(|_| ()).is_ok());
        assert!(row_of("sideways", |_| ()).is_err());
        for member in ["id", "rules", "pins"] {
            let removed = row(|row| {
                row.as_object_mut().unwrap().remove(member);
            });
            assert!(removed.is_err(), "{member}");
        }
        assert!(row(|row| row["id"] = "D1".into()).is_err());
        let rule = |member: &'static str, value: &'static str| {
            move |row: &mut Value| row["rules"][0][member] = value.into()
        };
        assert!(row(rule("own", "accepted")).is_err());
        assert!(row(rule("own", "*")).is_err());
        assert!(row_of("looser", rule("own", "*")).is_ok());
        assert!(row(|row| row["rules"][0]["several"] = true.into()).is_err());
        assert!(row(rule("else", "x")).is_err());
        for member in ["rules", "pins"] {
            assert!(row(|row| row[member] = json!([])).is_err(), "{member}");
        }
        for field in NEVER_MEANT.iter().chain(&["*"]) {
            assert!(row(rule("field", field)).is_err(), "{field}");
        }
    }
}
