//! The parts of a Markdown page that the rules look at.

use std::collections::BTreeMap;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

#[derive(Debug, Default)]
pub(super) struct Document {
    /// Targets of links and images, each with its line.
    pub(super) links: Vec<(usize, String)>,
    /// Code spans, each with its line. Fenced blocks are not among them.
    pub(super) code: Vec<(usize, String)>,
    pub(super) anchors: Vec<String>,
    /// Blocks of Rust code: the line, the words after the fence, and the code.
    pub(super) rust: Vec<(usize, String, String)>,
    /// The last cell of each row in a table: the line, the cell above in the head, and the cell.
    pub(super) last_cells: Vec<(usize, String, String)>,
    /// Lines of paragraphs that begin like a table.
    pub(super) broken_tables: Vec<usize>,
}

impl Document {
    pub(super) fn read(text: &str) -> Self {
        let line = |at: usize| text.bytes().take(at).filter(|it| *it == b'\n').count() + 1;
        let mut document = Self::default();
        let mut heading: Option<String> = None;
        let mut is_in_rust = false;
        let (mut head, mut cell) = ("", "");
        let mut events = Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter();
        for (event, range) in events.by_ref() {
            if let (Event::Text(part) | Event::Code(part), Some(heading)) = (&event, &mut heading) {
                heading.push_str(part);
            }
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    document
                        .links
                        .push((line(range.start), dest_url.into_string()));
                }
                Event::Start(Tag::Paragraph) if text[range.clone()].starts_with('|') => {
                    document.broken_tables.push(line(range.start));
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => document.anchors.extend(heading.take()),
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(words))) => {
                    is_in_rust = words.starts_with("rust");
                    let block = (line(range.start), words.into_string(), String::new());
                    document.rust.extend(is_in_rust.then_some(block));
                }
                Event::End(TagEnd::CodeBlock) => is_in_rust = false,
                Event::Text(part) if is_in_rust => {
                    let block = document.rust.last_mut().into_iter();
                    block.for_each(|(_, _, code)| code.push_str(&part));
                }
                Event::End(TagEnd::TableCell) => cell = text[range].trim(),
                Event::End(TagEnd::TableHead) => head = cell,
                Event::End(TagEnd::TableRow) => {
                    let row = (line(range.start), head.to_owned(), cell.to_owned());
                    document.last_cells.push(row);
                }
                Event::Code(span) => document.code.push((line(range.start), span.into_string())),
                _ => {}
            }
        }
        // A definition that no link uses may still name a missing file.
        for (_, definition) in events.reference_definitions().iter() {
            let target = definition.dest.to_string();
            if !document.links.iter().any(|(_, used)| *used == target) {
                document.links.push((line(definition.span.start), target));
            }
        }
        let mut seen = BTreeMap::new();
        for anchor in &mut document.anchors {
            *anchor = slug(anchor);
            let count = seen.entry(anchor.clone()).or_insert(0);
            if *count > 0 {
                *anchor += &format!("-{count}");
            }
            *count += 1;
        }
        document
    }

    /// The comments of a source as a document, each on its own line. rustdoc checks their links.
    pub(super) fn of_comments(source: &str) -> Self {
        let comment = |line: &str| {
            let text = line.trim_start().strip_prefix("//").unwrap_or_default();
            text.trim_start_matches(['/', '!']).trim_start().to_owned() + "\n"
        };
        Self {
            links: Vec::new(),
            ..Self::read(&source.lines().map(comment).collect::<String>())
        }
    }
}

/// The anchor that GitHub gives to a heading.
fn slug(heading: &str) -> String {
    let lower = heading.to_lowercase().replace(' ', "-");
    lower
        .chars()
        .filter(|it| it.is_alphanumeric() || matches!(it, '-' | '_'))
        .collect()
}
