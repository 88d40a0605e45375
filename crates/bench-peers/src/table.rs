//! The table of results, and the bars that were missed.

use crate::candidates::Row;
use crate::measure::Times;

/// The lowest gain of two threads, compared with that of the bare primitive.
const SCALING: f64 = 0.95;

pub(crate) struct Line {
    name: String,
    times: Times,
    bar: Option<f64>,
    scales: bool,
    /// Peers that were faster than a row that has to lead.
    ahead: Vec<String>,
}

pub(crate) struct Table {
    pub(crate) lines: Vec<Line>,
}

impl Table {
    /// `children` have a name, whether they verify proofs, and the seconds of one call.
    pub(crate) fn new(rows: &[Row], times: &[Times], children: &[(String, bool, f64)]) -> Self {
        let mut lines: Vec<Line> = rows
            .iter()
            .zip(times)
            .map(|(row, own)| Line::of(row, *own))
            .collect();
        // The first row is the bare signature of a token. The one for a request with a proof is found
        // by its name.
        let with_proof = |row: &Row| row.candidate.name.starts_with("RS256 and ES256");
        let with_proof = rows.iter().position(with_proof).unwrap_or(0);
        for (name, dpop, seconds) in children {
            let base = if *dpop { with_proof } else { 0 };
            let base = times.get(base).map_or(f64::NAN, |base| base.one);
            lines.push(Line {
                name: name.clone(),
                times: Times {
                    one: *seconds,
                    ratio: seconds / base,
                    scaling: f64::NAN,
                    gain: f64::NAN,
                },
                bar: None,
                scales: false,
                ahead: Vec::new(),
            });
        }
        // Only peers that do what `verify_access_token` does. One that caches tokens does not.
        let is_peer = |line: &Line| {
            ["jsonwebtoken", "jwt-simple"]
                .iter()
                .any(|name| line.name.starts_with(name))
        };
        let peers: Vec<(String, f64)> = lines
            .iter()
            .filter(|line| is_peer(line))
            .map(|line| (line.name.clone(), line.times.one))
            .collect();
        for (line, row) in lines.iter_mut().zip(rows).filter(|(_, row)| row.leads) {
            let own = line.times.one;
            let ahead = peers.iter().filter(|(_, peer)| *peer <= own);
            line.ahead = ahead.map(|(name, _)| name.clone()).collect();
            debug_assert_eq!(line.name, row.candidate.name);
        }
        Table { lines }
    }

    pub(crate) fn print(&self) {
        println!("microseconds are medians; ratios are to the row that each is compared with");
        println!(
            "{:<46}{:>9}{:>8}{:>7}{:>10}{:>9}",
            "", "us", "ratio", "bar", "2 threads", "of base"
        );
        let shown = |number: f64, unit| {
            if number.is_nan() {
                String::new()
            } else {
                format!("{number:.2}{unit}")
            }
        };
        for line in &self.lines {
            let Times {
                one,
                ratio,
                scaling,
                gain,
            } = line.times;
            println!(
                "{:<46}{:>9.2}{ratio:>8.3}{:>7}{:>10}{:>9}{}",
                line.name,
                one * 1e6,
                shown(line.bar.unwrap_or(f64::NAN), ""),
                shown(scaling, "x"),
                shown(gain, ""),
                if line.missed().is_empty() {
                    ""
                } else {
                    "  missed"
                },
            );
        }
    }
}

impl Line {
    fn of(row: &Row, times: Times) -> Self {
        Line {
            name: row.candidate.name.clone(),
            times,
            bar: row.bar,
            scales: row.scales,
            ahead: Vec::new(),
        }
    }

    /// Returns a message for each bar that was missed.
    pub(crate) fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        if let Some(bar) = self.bar.filter(|bar| self.times.ratio > *bar) {
            missed.push(format!(
                "{}: {:.3} is over {bar:.2}",
                self.name, self.times.ratio
            ));
        }
        let gain = self.times.gain;
        if self.scales && gain < SCALING {
            missed.push(format!(
                "{}: two threads gain {gain:.2} of what the base gains, under {SCALING}",
                self.name
            ));
        }
        for peer in &self.ahead {
            missed.push(format!("{}: {peer} is faster", self.name));
        }
        missed
    }
}
