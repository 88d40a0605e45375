//! The tables of `docs/parity.md`: what the reference offers and what is here, and the deviations.

use std::collections::{BTreeMap, BTreeSet};

use crate::tenant::Failure;

const PAGE: &str = include_str!("../../../docs/parity.md");

/// The first column of a table whose rows name what the reference offers.
const REFERENCE: &str = "reference";

const DEVIATIONS: &str = "Deviations";

pub(crate) struct Page(Vec<Table>);

struct Table {
    heading: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// Id and direction of a deviation. The ledger has its rules and the cases that show it.
pub(crate) type Deviation = (String, String);

impl Page {
    pub(crate) fn load() -> Result<Self, Failure> {
        Page::read(PAGE).map_err(|error| format!("docs/parity.md: {error}").into())
    }

    /// Reads the tables. Each row needs all its cells, and something in the last one, which shows it.
    fn read(text: &str) -> Result<Self, Failure> {
        let mut tables = Vec::new();
        let mut heading = "";
        let lines: Vec<&str> = text.lines().collect();
        for block in lines.chunk_by(|a, b| a.starts_with('|') == b.starts_with('|')) {
            if let Some(line) = block.iter().rfind(|line| line.starts_with('#')) {
                heading = line.trim_start_matches('#').trim();
            }
            let [columns, _, rows @ ..] = block else {
                continue;
            };
            if !columns.starts_with('|') {
                continue;
            }
            let columns = cells(columns);
            let rows: Vec<Vec<String>> = rows.iter().map(|line| cells(line)).collect();
            let is_whole = |row: &Vec<String>| {
                row.len() == columns.len() && row.last().is_some_and(|cell| !cell.is_empty())
            };
            if let Some(row) = rows.iter().find(|row| !is_whole(row)) {
                return Err(format!("{heading}: a row is not whole: {}", row.join(" | ")).into());
            }
            let heading = heading.to_owned();
            tables.push(Table {
                heading,
                columns,
                rows,
            });
        }
        Ok(Page(tables))
    }

    /// Returns the table of deviations, each with an id of its own and every cell filled.
    pub(crate) fn deviations(&self) -> Result<Vec<Deviation>, Failure> {
        let table = self.0.iter().find(|table| table.heading == DEVIATIONS);
        let table = table.ok_or("there is no table of deviations")?;
        let place = |name| table.columns.iter().position(|column| column == name);
        let (id, direction) = (place("id"), place("direction"));
        let (id, direction) = id.zip(direction).ok_or("a column is missing")?;
        let mut seen = BTreeSet::new();
        let deviations = table.rows.iter().map(|row| {
            if row.iter().any(String::is_empty) || !seen.insert(&row[id]) {
                return Err(format!("{} is not whole, or there twice", row[id]).into());
            }
            Ok((row[id].clone(), row[direction].clone()))
        });
        deviations.collect()
    }

    /// Returns a message for each name of the reference that no row has, and for each name of a row that
    /// the reference does not have.
    pub(crate) fn unnamed(&self, offered: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
        let tables = self.0.iter().filter(|it| it.columns[0] == REFERENCE);
        let named = tables.map(|table| (table.heading.clone(), table.names()));
        let named: BTreeMap<String, BTreeSet<String>> = named.collect();
        let none = BTreeSet::new();
        let mut found = Vec::new();
        let headings: BTreeSet<&String> = named.keys().chain(offered.keys()).collect();
        for heading in headings {
            let [named, offered] = [&named, offered].map(|it| it.get(heading).unwrap_or(&none));
            found.extend(offered.difference(named).map(|name| {
                format!("{heading}: the reference has `{name}`, and no row of docs/parity.md")
            }));
            found.extend(named.difference(offered).map(|name| {
                format!("{heading}: a row names `{name}`, which the reference does not have")
            }));
        }
        found
    }
}

impl Table {
    /// Returns the names in the first column, which are its code spans. Those after a colon are members
    /// of the last name before it.
    fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for row in &self.rows {
            let mut owner = String::new();
            let mut last = String::new();
            for (at, part) in row[0].split('`').enumerate() {
                if at % 2 == 0 {
                    if part.contains(':') && owner.is_empty() {
                        owner = format!("{last}.");
                    }
                    continue;
                }
                // The package's names of headers are compared without regard to case.
                last = match self.heading.as_str() {
                    "HTTP headers" => part.to_ascii_lowercase(),
                    _ => part.to_owned(),
                };
                names.insert(format!("{owner}{last}"));
            }
        }
        names
    }
}

fn cells(line: &str) -> Vec<String> {
    let line = line.trim_matches('|').replace("\\|", "\0");
    let cells = line.split('|');
    cells.map(|cell| cell.trim().replace('\0', "|")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_the_version_that_is_installed() {
        let pins = include_str!("../requirements.txt");
        let mut lines = pins.lines();
        let version = lines.find_map(|line| line.strip_prefix("auth0-api-python=="));
        let named = format!("`auth0-api-python` {}.", version.unwrap());
        assert!(PAGE.contains(&named), "{named}");
    }

    #[test]
    fn the_ledger_has_the_rows_of_the_page() {
        let deviations = Page::load().unwrap().deviations().unwrap();
        assert!(crate::ledger::Ledger::load(&deviations).is_ok());
    }

    fn page_of(heading: &str, columns: &str, rows: &[&str]) -> Result<Page, Failure> {
        let rows: String = rows.iter().map(|row| format!("{row}\n")).collect();
        let columns = format!("{columns}\n|---|---|---|\n");
        Page::read(&format!(
            "# P\n\n## {heading}\n\ntext\n\n{columns}{rows}\nend\n"
        ))
    }

    #[test]
    fn a_row_has_every_cell_and_something_that_shows_it() {
        for (row, whole) in [
            ("| x | y | z |", true),
            ("| | y\\|y | z |", true),
            ("| x | y | |", false),
            ("| x | y |", false),
            ("| x | y | z | a |", false),
        ] {
            let page = page_of("H", "| a | b | c |", &[row]);
            assert_eq!(page.is_ok(), whole, "{row}");
        }
    }

    #[test]
    fn a_deviation_is_whole_and_there_once() {
        let ids = |rows: &[&str]| {
            let page = page_of(DEVIATIONS, "| id | direction | test |", rows).unwrap();
            let ids = page.deviations().ok()?.into_iter();
            let ids = ids.map(|(id, direction)| format!("{id} {direction}"));
            Some(ids.collect::<Vec<_>>())
        };
        let two = ["| D1 | looser | t |", "| D2 | stricter | t |"];
        assert_eq!(ids(&two).unwrap(), ["D1 looser", "D2 stricter"]);
        assert!(ids(&[two[0], two[0]]).is_none());
        assert!(ids(&["| D1 | | t |"]).is_none());
        let no_such_table = page_of("H", "| a | b | c |", &[]).unwrap();
        assert!(no_such_table.deviations().is_err());
    }

    #[test]
    fn what_the_reference_offers_is_named_and_nothing_else() {
        let rows = [
            "| `one`, 5, `Two`: `a`, `b`; `c` | x | y |",
            "| `one` | x | y |",
        ];
        let page = page_of("H", "| reference | here | test |", &rows).unwrap();
        let unnamed = |heading: &str, names: &[&str]| {
            let names = names.iter().map(|name| name.to_string()).collect();
            let offered = BTreeMap::from([(heading.to_owned(), names)]);
            page.unnamed(&offered).len()
        };
        let all = ["one", "Two", "Two.a", "Two.b", "Two.c"];
        assert_eq!(unnamed("H", &all), 0);
        assert_eq!(unnamed("H", &[&all[..], &["new"]].concat()), 1);
        assert_eq!(unnamed("H", &all[..4]), 1);
        assert_eq!(unnamed("I", &all[..1]), 6);
    }
}
