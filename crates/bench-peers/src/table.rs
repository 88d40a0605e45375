//! The one table, and what was missed in it.

use crate::candidates::Row;
use crate::measure::Times;

/// How much less than the bare primitive two threads may gain.
const SCALING: f64 = 0.95;

pub(crate) struct Line {
    name: String,
    times: Times,
    ratio: f64,
    bar: Option<f64>,
    /// What two threads gain, in proportion to what they gain with the base.
    gain: Option<f64>,
    scales: bool,
    /// Peers that were faster, where none may be.
    ahead: Vec<String>,
}

pub(crate) struct Table {
    pub(crate) lines: Vec<Line>,
}

impl Table {
    /// `children` are names, whether they judge proofs, and seconds of one call.
    pub(crate) fn new(rows: &[Row], times: &[Times], children: &[(String, bool, f64)]) -> Self {
        let mut lines: Vec<Line> = rows
            .iter()
            .zip(times)
            .map(|(row, own)| Line::of(row, *own, times[row.base]))
            .collect();
        // The first row is the bare signature of a token; that of a request with a proof is named.
        let base_of = |dpop: bool| match dpop {
            false => times.first(),
            true => {
                let both = |row: &Row| row.candidate.name.starts_with("RS256 and ES256");
                rows.iter()
                    .position(both)
                    .and_then(|place| times.get(place))
            }
        };
        for (name, dpop, seconds) in children {
            let own = Times {
                one: *seconds,
                two: f64::NAN,
            };
            let base = base_of(*dpop).copied().unwrap_or(own);
            lines.push(Line {
                name: name.clone(),
                times: own,
                ratio: own.one / base.one,
                bar: None,
                gain: None,
                scales: false,
                ahead: Vec::new(),
            });
        }
        // Peers do what `verify_access_token` does; one that remembers tokens does something else.
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
        for line in &self.lines {
            let bar = line.bar.map_or(String::new(), |bar| format!("{bar:.2}"));
            let scaling = line.times.scaling();
            let scaling = match scaling.is_nan() {
                true => String::new(),
                false => format!("{scaling:.2}x"),
            };
            let gain = line.gain.map_or(String::new(), |gain| format!("{gain:.2}"));
            println!(
                "{:<46}{:>9.2}{:>8.3}{bar:>7}{scaling:>10}{gain:>9}{}",
                line.name,
                line.times.one * 1e6,
                line.ratio,
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
    fn of(row: &Row, own: Times, base: Times) -> Self {
        Line {
            name: row.candidate.name.clone(),
            times: own,
            ratio: own.one / base.one,
            bar: row.bar,
            gain: Some(own.scaling() / base.scaling()),
            scales: row.scales,
            ahead: Vec::new(),
        }
    }

    /// What was asked of it and is not so.
    pub(crate) fn missed(&self) -> Vec<String> {
        let mut missed = Vec::new();
        if let Some(bar) = self.bar.filter(|bar| self.ratio > *bar) {
            missed.push(format!("{}: {:.3} is over {bar:.2}", self.name, self.ratio));
        }
        if let Some(gain) = self.gain.filter(|gain| self.scales && *gain < SCALING) {
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
