//! `docs/parity.md`: the page around the ledger, and the ledger's rows in it.

use crate::ledger::Ledger;

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/page.md");
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/parity.md");

pub(crate) fn write() -> Result<(), String> {
    std::fs::write(PAGE, page()?).map_err(|error| format!("{PAGE}: {error}"))
}

fn page() -> Result<String, String> {
    let template =
        std::fs::read_to_string(TEMPLATE).map_err(|error| format!("{TEMPLATE}: {error}"))?;
    let rows = Ledger::load()?.rows.into_iter().map(|row| {
        let cells = row
            .texts
            .join("\u{0}")
            .replace('|', "\\|")
            .replace('\u{0}', " | ");
        format!("| {} | {cells} |", row.id)
    });
    let rows: Vec<String> = rows.collect();
    Ok(template.replace("{deviations}", &rows.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_that_of_the_ledger() {
        let written = std::fs::read_to_string(PAGE).unwrap();
        assert!(
            page().unwrap() == written,
            "run `cargo xtask parity --page`"
        );
    }
}
