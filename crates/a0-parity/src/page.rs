//! The rows of the ledger in `docs/parity.md`; the rest of that page is written by hand.

use crate::ledger::Ledger;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/parity.md");

pub(crate) fn write() -> Result<(), String> {
    let page = with_rows(&read()?, &Ledger::load()?)?;
    std::fs::write(PAGE, page).map_err(|error| format!("{PAGE}: {error}"))
}

fn read() -> Result<String, String> {
    std::fs::read_to_string(PAGE).map_err(|error| format!("{PAGE}: {error}"))
}

/// The page with the ledger's rows where it has rows of deviations.
fn with_rows(page: &str, ledger: &Ledger) -> Result<String, String> {
    let is_row = |line: &str| {
        let id = line.strip_prefix("| D");
        id.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    };
    let before: Vec<&str> = page.lines().take_while(|line| !is_row(line)).collect();
    let after: Vec<&str> = page
        .lines()
        .skip(before.len())
        .skip_while(|line| is_row(line))
        .collect();
    if after.is_empty() || after.iter().any(|line| is_row(line)) {
        return Err(format!("{PAGE} has not one table of deviations"));
    }
    let rows = ledger.rows.iter().map(|row| {
        let cells = row.texts.iter().map(|text| text.replace('|', "\\|"));
        format!("| {} | {} |", row.id, cells.collect::<Vec<_>>().join(" | "))
    });
    let rows: Vec<String> = rows.collect();
    let lines = before
        .into_iter()
        .chain(rows.iter().map(String::as_str))
        .chain(after);
    Ok(lines.map(|line| format!("{line}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_the_rows_of_the_ledger() {
        let page = read().unwrap();
        let expected = with_rows(&page, &Ledger::load().unwrap()).unwrap();
        assert!(page == expected, "run `cargo xtask parity --page`");
    }

    #[test]
    fn a_page_without_one_table_is_refused() {
        let ledger = Ledger::load().unwrap();
        for page in ["", "x\n", "| D1 | x |\n", "| D1 | x |\nx\n| D2 | x |\nx\n"] {
            assert!(with_rows(page, &ledger).is_err(), "{page}");
        }
    }
}
