//! As much of Markdown as it takes to find links, code spans and headings.

use std::collections::BTreeMap;

#[derive(Debug, Default, PartialEq)]
pub(super) struct Document {
    /// Targets of links and images, each with its line.
    pub(super) links: Vec<(usize, String)>,
    /// Code spans, each with its line. Fenced blocks are not among them.
    pub(super) code: Vec<(usize, String)>,
    /// What a link into this document can name after `#`.
    pub(super) anchors: Vec<String>,
}

impl Document {
    pub(super) fn read(text: &str) -> Self {
        let mut document = Self::default();
        let mut headings = BTreeMap::new();
        let mut fence: Option<&str> = None;
        for (index, line) in text.lines().enumerate() {
            let mark = fence_mark(line.trim_start());
            match (fence, mark) {
                (Some(open), Some(mark)) if line.trim() == mark && mark.starts_with(open) => {
                    fence = None;
                }
                (Some(_), _) => {}
                (None, Some(mark)) => fence = Some(mark),
                (None, None) => document.line(index + 1, line, &mut headings),
            }
        }
        document
    }

    fn line(&mut self, number: usize, line: &str, headings: &mut BTreeMap<String, usize>) {
        if let Some(heading) = heading(line) {
            let slug = slug(heading);
            let before = headings.entry(slug.clone()).or_default();
            self.anchors.push(match *before {
                0 => slug,
                count => format!("{slug}-{count}"),
            });
            *before += 1;
        }
        let (plain, code) = split_code(line);
        self.code
            .extend(code.into_iter().map(|span| (number, span)));
        self.links
            .extend(link_targets(&plain).into_iter().map(|link| (number, link)));
        self.anchors.extend(explicit_anchors(&plain));
    }
}

/// The backticks or tildes that open or close a fenced block.
fn fence_mark(line: &str) -> Option<&str> {
    ['`', '~'].into_iter().find_map(|character| {
        let length = line.len() - line.trim_start_matches(character).len();
        let (mark, rest) = line.split_at_checked(length)?;
        // Three backticks and more in one line are a code span.
        (length >= 3 && !rest.contains('`')).then_some(mark)
    })
}

fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    if !(1..=6).contains(&level) || !(text.is_empty() || text.starts_with(' ')) {
        return None;
    }
    let text = text.trim();
    let without_closing = text.trim_end_matches('#');
    match without_closing.ends_with(' ') {
        true => Some(without_closing.trim_end()),
        false => Some(text),
    }
}

/// The anchor that forges give to a heading: letters and digits in lower case, hyphens for
/// spaces, and nothing else but hyphens and underscores.
fn slug(heading: &str) -> String {
    without_link_targets(heading)
        .chars()
        .filter_map(|character| match character {
            ' ' => Some('-'),
            '-' | '_' => Some(character),
            _ if character.is_alphanumeric() => Some(character),
            _ => None,
        })
        .flat_map(char::to_lowercase)
        .collect()
}

fn without_link_targets(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        shown.push_str(before);
        rest = after.split_once(')').map_or("", |(_, after)| after);
    }
    shown + rest
}

/// The line with blanks for its code spans, and the spans.
fn split_code(line: &str) -> (String, Vec<String>) {
    let mut plain = String::new();
    let mut spans = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.find('`') {
        let (before, from_tick) = rest.split_at(start);
        plain.push_str(before);
        let after = from_tick.trim_start_matches('`');
        let (ticks, _) = from_tick.split_at(from_tick.len() - after.len());
        match closing(after, ticks.len()) {
            Some((span, after)) => {
                plain.push(' ');
                spans.push(span.trim().to_owned());
                rest = after;
            }
            None => {
                plain.push_str(ticks);
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    (plain, spans)
}

/// Splits at the next run of exactly so many backticks.
fn closing(text: &str, ticks: usize) -> Option<(&str, &str)> {
    let mut from = 0;
    loop {
        let start = from + text.get(from..)?.find('`')?;
        let run = text.get(start..)?;
        let length = run.len() - run.trim_start_matches('`').len();
        if length == ticks {
            return Some((text.get(..start)?, text.get(start + length..)?));
        }
        from = start + length;
    }
}

fn link_targets(line: &str) -> Vec<String> {
    let mut targets = Vec::new();
    let mut rest = line;
    while let Some((_, after)) = rest.split_once("](") {
        rest = after;
        if let Some((target, _)) = after.split_once(')') {
            targets.extend(first_word(target));
        }
    }
    if let Some((label, target)) = line.split_once("]:") {
        let label = label.trim_start();
        if label.starts_with('[') && !label.starts_with("[^") {
            targets.extend(first_word(target));
        }
    }
    targets
}

/// The target without its title and without pointed brackets.
fn first_word(target: &str) -> Option<String> {
    let word = target.split_whitespace().next()?;
    let word = word.strip_prefix('<').unwrap_or(word);
    Some(word.strip_suffix('>').unwrap_or(word).to_owned())
}

fn explicit_anchors(line: &str) -> Vec<String> {
    let quoted = |attribute: &str| -> Vec<String> {
        line.split(attribute)
            .skip(1)
            .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
            .collect()
    };
    [quoted(" id=\""), quoted(" name=\"")].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(items: &[(usize, &str)]) -> Vec<(usize, String)> {
        items
            .iter()
            .map(|(line, text)| (*line, text.to_string()))
            .collect()
    }

    #[test]
    fn links_are_found_outside_code() {
        let document = Document::read(
            "[a](x.md) and ![b `c`](<y.png> \"title\"), [`d`](z.md#e)\n\
             [ref]: r.md 'title'\n\
             `[no](code)` ``[no](`code`)``\n\
             ```md\n[no](fenced)\n~~~\n``` rust\n[no](fenced)\n```\n\
             [^1]: note\n\
             ```[no](span)``` [f](after)\n\
             ~~~~\n[no](fenced)\n~~~\n~~~~~\n\
             [a [nested] text\ncontinued](n.md) [ref] [ref][]\n",
        );
        let expected = [
            (1, "x.md"),
            (1, "y.png"),
            (1, "z.md#e"),
            (2, "r.md"),
            (11, "after"),
            (17, "n.md"),
        ];
        assert_eq!(document.links, numbered(&expected));
    }

    #[test]
    fn code_spans_are_found_outside_fences() {
        let document = Document::read("`a/b` ``c `d` e`` ` open\n```\n`no`\n```\n");
        assert_eq!(document.code, numbered(&[(1, "a/b"), (1, "c `d` e")]));
    }

    #[test]
    fn anchors_are_those_of_the_headings() {
        let document = Document::read(
            "# Hello, World!\n## The `act` claim\n### A [link](x.md) & more ##\n\
             ## Hello, World!\n#no heading\n####### no heading\n## C#\n\
             ```\n# no heading\n```\n<a id=\"own\"></a>\n## snake_case – Ä\n",
        );
        let expected = [
            "hello-world",
            "the-act-claim",
            "a-link--more",
            "hello-world-1",
            "c",
            "own",
            "snake_case--ä",
        ];
        assert_eq!(document.anchors, expected);
    }
}
