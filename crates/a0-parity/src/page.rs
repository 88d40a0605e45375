//! The tables of `docs/parity.md`; what stands around them is written by hand.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::ledger::Ledger;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/parity.md");
const FEATURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/features.json");

pub(crate) fn write() -> Result<(), String> {
    let page = with_tables(&read(PAGE)?, &tables()?)?;
    std::fs::write(PAGE, page).map_err(|error| format!("{PAGE}: {error}"))
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

/// A table of the page, and what of the reference its rows name.
#[derive(Debug)]
pub(crate) struct Table {
    heading: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    /// `None` where the table is not about names of the reference.
    names: Option<BTreeSet<String>>,
}

pub(crate) fn tables() -> Result<Vec<Table>, String> {
    let mut tables = features(&read(FEATURES)?).map_err(|error| format!("{FEATURES}: {error}"))?;
    let columns = ["id", "what differs", "why", "standard section"];
    let columns = columns.into_iter().chain(["direction", "test"]);
    let rows = Ledger::load()?.rows.into_iter();
    tables.push(Table {
        heading: "Deviations".to_owned(),
        columns: columns.map(str::to_owned).collect(),
        rows: rows
            .map(|row| [row.id].into_iter().chain(row.texts).collect())
            .collect(),
        names: None,
    });
    Ok(tables)
}

fn features(text: &str) -> Result<Vec<Table>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let tables = value["tables"]
        .as_array()
        .ok_or("it has no list `tables`")?;
    tables.iter().map(table).collect()
}

fn table(value: &Value) -> Result<Table, String> {
    let heading = value["heading"]
        .as_str()
        .ok_or("a table has no `heading`")?;
    let columns = texts(&value["columns"]);
    let mut names = value["names"].as_bool().unwrap_or(true).then(BTreeSet::new);
    let mut rows = Vec::new();
    for row in value["rows"].as_array().into_iter().flatten() {
        let cells = texts(&row["cells"]);
        if cells.len() != columns.len() || cells.last().is_none_or(|last| last.is_empty()) {
            return Err(format!("{heading}: a row is not whole: {cells:?}"));
        }
        if let Some(names) = &mut names {
            names.extend(texts(&row["names"]));
        }
        rows.push(cells);
    }
    Ok(Table {
        heading: heading.to_owned(),
        columns,
        rows,
        names,
    })
}

fn texts(value: &Value) -> Vec<String> {
    let values = value.as_array().into_iter().flatten();
    let texts = values.filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

impl Table {
    fn lines(&self) -> Vec<String> {
        let line = |cells: &[String]| {
            let cells = cells.iter().map(|text| text.replace('|', "\\|"));
            let cells = cells.map(|text| format!(" {text} ")).collect::<Vec<_>>();
            // An empty cell is one space, as everywhere in these documents.
            format!("|{}|", cells.join("|").replace("  ", " "))
        };
        let mut lines = vec![line(&self.columns), "|---".repeat(self.columns.len()) + "|"];
        lines.extend(self.rows.iter().map(|row| line(row)));
        lines
    }
}

/// The page with each table in place of the first one below its heading.
fn with_tables(page: &str, tables: &[Table]) -> Result<String, String> {
    let mut lines: Vec<String> = page.lines().map(str::to_owned).collect();
    for table in tables {
        let missing = || format!("{PAGE} has no table below the heading `{}`", table.heading);
        let is_heading = |line: &String| {
            line.starts_with('#') && line.trim_start_matches('#').trim() == table.heading
        };
        let heading = lines.iter().position(is_heading).ok_or_else(missing)?;
        let below = lines.iter().skip(heading + 1);
        let before = below
            .take_while(|line| !line.starts_with(['|', '#']))
            .count();
        let start = heading + 1 + before;
        let rest = lines.split_off(start);
        let after = rest.iter().skip_while(|line| line.starts_with('|'));
        let after: Vec<String> = after.cloned().collect();
        if after.len() == rest.len() {
            return Err(missing());
        }
        lines.extend(table.lines());
        lines.extend(after);
    }
    Ok(lines.into_iter().map(|line| line + "\n").collect())
}

/// What the reference offers and no row names, and what rows name and it does not offer.
pub(crate) fn unnamed(
    tables: &[Table],
    offered: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<String> {
    let mut found = Vec::new();
    let none = BTreeSet::new();
    let of = |heading: &str| {
        let table = tables.iter().find(|table| table.heading == heading);
        table.and_then(|table| table.names.as_ref())
    };
    for (heading, offered) in offered {
        let named = of(heading).unwrap_or(&none);
        found.extend(offered.difference(named).map(|name| {
            format!("{heading}: the reference has `{name}`, and no row of features.json names it")
        }));
    }
    for table in tables {
        let Some(named) = &table.names else { continue };
        let offered = offered.get(&table.heading).unwrap_or(&none);
        found.extend(named.difference(offered).map(|name| {
            format!(
                "{}: a row of features.json names `{name}`, which the reference has not",
                table.heading
            )
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_page_has_the_rows_of_the_ledger_and_the_features() {
        let page = read(PAGE).unwrap();
        let expected = with_tables(&page, &tables().unwrap()).unwrap();
        assert!(page == expected, "run `cargo xtask parity --page`");
    }

    #[test]
    fn the_page_names_the_version_that_is_installed() {
        let pins = include_str!("../requirements.txt");
        let version = pins
            .lines()
            .find_map(|line| line.strip_prefix("auth0-api-python=="));
        let named = format!("`auth0-api-python` {}.", version.unwrap());
        assert!(read(PAGE).unwrap().contains(&named), "{named}");
    }

    fn table_of(rows: Value) -> Result<Table, String> {
        table(&json!({"heading": "H", "columns": ["a", "b"], "rows": rows}))
    }

    #[test]
    fn a_table_replaces_the_one_below_its_heading() {
        let row = json!({"names": ["x"], "cells": ["", "y|z"]});
        let tables = [table_of(json!([row])).unwrap()];
        let rest = "\nend\n\n## I\n\n| a |\n|---|\n";
        let page = format!("# P\n\n## H\n\ntext\n\n| old |\n|---|\n| old |\n{rest}");
        let new = "| a | b |\n|---|---|\n| | y\\|z |\n";
        let expected = format!("# P\n\n## H\n\ntext\n\n{new}{rest}");
        assert_eq!(with_tables(&page, &tables).unwrap(), expected);
        for page in ["", "## H\n", "## H\n\n## I\n\n| a |\n", "| a |\n\n## H\n"] {
            assert!(with_tables(page, &tables).is_err(), "{page}");
        }
    }

    #[test]
    fn a_row_has_every_cell_and_something_that_shows_it() {
        for (cells, whole) in [
            (json!(["x", "y"]), true),
            (json!(["", "y"]), true),
            (json!(["x", ""]), false),
            (json!(["x"]), false),
            (json!(["x", "y", "z"]), false),
        ] {
            assert_eq!(
                table_of(json!([{"cells": cells}])).is_ok(),
                whole,
                "{cells}"
            );
        }
    }

    #[test]
    fn what_the_reference_offers_is_named_and_nothing_else() {
        let row = |names: &[&str]| json!({"names": names, "cells": ["x", "y"]});
        let table = table_of(json!([row(&["one", "two"]), row(&["one"])])).unwrap();
        let offered = |heading: &str, names: &[&str]| {
            let names = names.iter().map(|name| name.to_string()).collect();
            BTreeMap::from([(heading.to_owned(), names)])
        };
        let tables = [table];
        assert_eq!(unnamed(&tables, &offered("H", &["one", "two"])), [""; 0]);
        assert_eq!(
            unnamed(&tables, &offered("H", &["one", "two", "new"])).len(),
            1
        );
        assert_eq!(unnamed(&tables, &offered("H", &["one"])).len(), 1);
        assert_eq!(unnamed(&tables, &offered("I", &["one"])).len(), 3);
    }
}
