//! The deviations that are meant, each with the cases that show it and the rules for what it explains.
//! `docs/parity.md` says what they are and why.

use std::collections::BTreeMap;

use serde::Deserialize;
use wildmatch::WildMatchPattern;

use crate::compare::{ACCEPTED, Difference, REFUSED};
use crate::generate::Case;
use crate::page::Deviation;
use crate::tenant::Failure;

const DATA: &str = include_str!("../ledger.json");

const DIRECTIONS: &[&str] = &["stricter", "looser", "different"];

/// The fields that a row may explain: not `sequence` and `option`, which are acceptances.
#[rustfmt::skip]
const FIELDS: &[&str] = &[
    "authorization", "challenge", "claims", "code", "form", "network", "resolver", "status", "text", "verdict",
];

pub(crate) struct Ledger {
    pub(crate) rows: Vec<Row>,
}

#[derive(Deserialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    /// Names of cases that show the row.
    pub(crate) pins: Vec<String>,
    /// The members of the row itself. Its conditions hold for its other rules too.
    #[serde(flatten)]
    rule: Rule,
    #[serde(default)]
    rules: Vec<Rule>,
}

/// The differences that a row explains.
#[derive(Deserialize)]
struct Rule {
    /// Patterns for the case's base or one of its mutations.
    #[serde(default)]
    when: Patterns,
    /// The same as `when`, and may match another mutation.
    #[serde(default)]
    also: Patterns,
    /// Only for cases with several mutations, in which the order of the checks can show.
    #[serde(default)]
    several: bool,
    /// Own refusals of what the reference accepts.
    #[serde(default)]
    refused: Patterns,
    /// The reference's verdicts on what this SDK accepts.
    #[serde(default)]
    accepted: Patterns,
    /// Explains a challenge that is the reference's with each first text replaced by the second.
    #[serde(default)]
    challenge_edits: Vec<(String, String)>,
    /// For each field the reference's value, then the own one.
    #[serde(flatten)]
    fields: BTreeMap<String, [Patterns; 2]>,
}

/// One pattern, or any of a list. `*` stands for any characters, and `(a|b)` for `a` or `b`.
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
        let texts = texts.iter().flat_map(|text| alternatives(text));
        Patterns(texts.map(|text| WildMatchPattern::new(&text)).collect())
    }
}

/// Returns the text with each choice in place of its first group, and so on for the groups behind.
fn alternatives(text: &str) -> Vec<String> {
    if let Some((before, rest)) = text.split_once('(')
        && let Some((choices, after)) = rest.split_once(')')
        && choices.contains('|')
    {
        let texts = choices.split('|').map(|it| format!("{before}{it}{after}"));
        return texts.flat_map(|text| alternatives(&text)).collect();
    }
    vec![text.to_owned()]
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
        if !ids.eq(deviations.iter().map(|(id, _)| id)) {
            return Err("its rows are not those of docs/parity.md, in their order".into());
        }
        for (row, (id, direction)) in rows.iter().zip(deviations) {
            let whole = row.check(direction);
            whole.map_err(|error| format!("{id} {error}"))?;
        }
        Ok(Ledger { rows })
    }

    /// Returns the first row that explains the difference. The order of the checks explains only
    /// what nothing else does.
    pub(crate) fn explanation(&self, case: &Case, difference: &Difference) -> Option<&Row> {
        let rows = self.rows.iter();
        let found = rows.filter_map(|row| Some((row.explains(case, difference)?, row)));
        let first = found.min_by_key(|(by_order, _)| *by_order);
        first.map(|(_, row)| row)
    }
}

impl Row {
    fn check(&self, direction: &str) -> Result<(), &'static str> {
        if !DIRECTIONS.iter().any(|known| direction.starts_with(known)) {
            return Err("has no known direction");
        }
        if self.all_rules().all(Rule::is_empty) || self.pins.is_empty() {
            return Err("explains nothing, or has no `pins` that show it");
        }
        for rule in self.all_rules() {
            if rule.fields.keys().any(|it| !FIELDS.contains(&it.as_str())) {
                return Err("has a member that no row may have");
            }
            let verdicts = rule.fields.get("verdict");
            let accepts = |side: usize| verdicts.is_some_and(|it| it[side].matches(ACCEPTED));
            let reference = !rule.refused.0.is_empty() || accepts(0);
            let own = !rule.accepted.0.is_empty() || accepts(1);
            if own && !direction.contains("looser") {
                return Err("lets this accept more and does not say `looser`");
            }
            if (self.rule.several || rule.several) && (reference || own) {
                return Err("explains an acceptance by an order of checks");
            }
        }
        Ok(())
    }

    fn all_rules(&self) -> impl Iterator<Item = &Rule> {
        std::iter::once(&self.rule).chain(&self.rules)
    }

    /// Returns whether only the order of the checks explains the difference, or `None` if nothing does.
    pub(crate) fn explains(&self, case: &Case, difference: &Difference) -> Option<bool> {
        let rules = self.all_rules().filter(|_| self.rule.is_for(case));
        let rules = rules.filter(|it| it.is_for(case) && it.explains(difference));
        rules.map(|rule| rule.several).min()
    }
}

impl Rule {
    fn is_empty(&self) -> bool {
        let no_verdict = self.refused.0.is_empty() && self.accepted.0.is_empty();
        no_verdict && self.fields.is_empty() && self.challenge_edits.is_empty()
    }

    fn is_for(&self, case: &Case) -> bool {
        (!self.several || case.mutations.len() > 1) && self.when.meet(case) && self.also.meet(case)
    }

    fn explains(&self, it: &Difference) -> bool {
        let fits = |[a, b]: &[Patterns; 2]| a.matches(&it.reference) && b.matches(&it.own);
        let edits = self.challenge_edits.iter();
        let edited = |text: &String| edits.fold(text.clone(), |text, (a, b)| text.replace(a, b));
        let by_itself = match (it.field, it.own.strip_prefix(REFUSED)) {
            ("verdict", Some(refusal)) => it.reference == ACCEPTED && self.refused.matches(refusal),
            ("verdict", None) => it.own == ACCEPTED && self.accepted.matches(&it.reference),
            ("challenge", _) => edited(&it.reference) == it.own,
            _ => false,
        };
        by_itself || self.fields.get(it.field).is_some_and(fits)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn stars_stand_for_any_characters_and_groups_for_their_choices() {
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
            ("(a|b*)(|c)", "a", true),
            ("(a|b*)(|c)", "bxc", true),
            ("(a|b*)(|c)", "ab", false),
            ("a(b)c", "a(b)c", true),
        ] {
            let patterns = Patterns::from(Texts::One(pattern.to_owned()));
            assert_eq!(patterns.matches(text), expected, "{pattern} {text}");
        }
    }

    fn row_of(direction: &str, change: impl FnOnce(&mut Value)) -> Result<Ledger, Failure> {
        let deviation = ("D0".to_owned(), direction.to_owned());
        let rules = json!([{"when": "x*", "refused": "X: *"}]);
        let mut row = json!({"id": "D0", "pins": ["token: x"], "rules": rules});
        change(&mut row);
        Ledger::read(&json!([row]).to_string(), &[deviation])
    }

    /// A row with this member in place of what it has.
    fn row(member: &str, value: Value) -> Result<Ledger, Failure> {
        row_of("stricter", |row| row[member] = value)
    }

    /// A row with this member of its rule in place of what the rule has.
    fn rule(member: &str, value: Value) -> Result<Ledger, Failure> {
        row_of("stricter", |row| row["rules"][0][member] = value)
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
        let difference = |field, reference, own| Difference::new(field, reference, own);
        let stricter = difference("verdict", "accepted", "refused: X: y");
        let other_refusal = difference("verdict", "accepted", "refused: Y: z");
        let looser = difference("verdict", "refused: X: y", "accepted");
        let failed = difference("verdict", "refused: X: y", "failed: Z");
        let other_field = difference("status", "accepted", "refused: X: y");
        let another = difference("verdict", "refused: Y: z", "refused: X: y");
        let edited = difference("challenge", "A a, B", "A x, B");
        let edited_further = difference("challenge", "A a, B", "A x, C");
        let one = rule("when", "x*".into()).unwrap();
        let also = rule("also", "a*".into()).unwrap();
        let of_row = row("when", "a*".into()).unwrap();
        let in_row = row("status", json!(["accepted", "refused: *"])).unwrap();
        let pair = rule("verdict", json!(["refused: Y*", "refused: X*"])).unwrap();
        let accepted = row_of("looser", |row| row["accepted"] = "refused: X*".into()).unwrap();
        let edits = rule("challenge_edits", json!([["a", "b"], ["b", "x"]])).unwrap();
        let several =
            json!({"when": "x*", "several": true, "verdict": ["refused: *", "refused: *"]});
        let several = row("rules", json!([several])).unwrap();
        for (ledger, mutations, difference, explained) in [
            (&one, &["x1"][..], &stricter, true),
            (&one, &["a", "x1"], &stricter, true),
            (&one, &["a"], &stricter, false),
            (&one, &["x1"], &other_refusal, false),
            (&one, &["x1"], &another, false),
            (&one, &["x1"], &looser, false),
            (&one, &["x1"], &other_field, false),
            (&also, &["x1"], &stricter, false),
            (&also, &["x1", "a"], &stricter, true),
            (&of_row, &["x1"], &stricter, false),
            (&of_row, &["a"], &stricter, false),
            (&of_row, &["x1", "a"], &stricter, true),
            (&in_row, &["a"], &other_field, true),
            (&in_row, &["a"], &stricter, false),
            (&pair, &["x1"], &another, true),
            (&pair, &["x1"], &other_refusal, false),
            (&accepted, &["a"], &looser, true),
            (&accepted, &["a"], &other_refusal, false),
            (&accepted, &["a"], &failed, false),
            (&edits, &["x1"], &edited, true),
            (&edits, &["x1"], &edited_further, false),
            (&edits, &["a"], &edited, false),
            (&several, &["x1"], &another, false),
            (&several, &["x1", "x2"], &another, true),
        ] {
            let found = ledger.explanation(&case(mutations), difference).is_some();
            assert_eq!(found, explained, "{mutations:?} {difference:?}");
        }
    }

    #[test]
    fn a_row_is_whole() {
        assert!(row_of("stricter", |_| ()).is_ok());
        assert!(row_of("sideways", |_| ()).is_err());
        for member in ["id", "rules", "pins"] {
            let removed = row_of("stricter", |row| {
                row.as_object_mut().unwrap().remove(member);
            });
            assert!(removed.is_err(), "{member}");
        }
        let pair = |own: &str| json!(["accepted", own]);
        assert!(row("id", "D1".into()).is_err());
        assert!(row("rules", json!([])).is_err());
        assert!(row("pins", json!([])).is_err());
        assert!(row("verdict", pair("*")).is_err());
        assert!(rule("verdict", pair("accepted")).is_err());
        assert!(rule("verdict", pair("*")).is_err());
        assert!(rule("several", true.into()).is_err());
        assert!(rule("accepted", pair("*")).is_err());
        for member in ["verdict", "accepted"] {
            let looser = row_of("looser", |row| row["rules"][0][member] = pair("*"));
            assert!(looser.is_ok(), "{member}");
        }
        for field in ["sequence", "option", "verdcit"] {
            assert!(rule(field, pair("*")).is_err(), "{field}");
        }
        assert!(row("several", true.into()).is_err());
    }
}
