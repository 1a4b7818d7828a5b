//! The TOML document, and the reader that walks it and notes every fault.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use doorward_policy::decision::SourceLine;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{ConfigProblems, Fault, Lines};
use super::{KEYS, suggest};

/// A value with its place.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// A string of the document, and the bytes it is written in, quotes included.
#[derive(Clone, Debug)]
pub(super) struct Word<'d> {
    pub(super) text: &'d str,
    pub(super) span: Range<usize>,
}

/// Walks a document and collects what is wrong with it.
pub(super) struct Reader<'t> {
    name: Arc<str>,
    text: &'t str,
    lines: Lines<'t>,
    /// What is not TOML.
    syntax: Vec<Fault>,
    /// What is TOML, but no configuration.
    faults: Vec<Fault>,
    /// What is wrong with the files that it names.
    others: Vec<ConfigProblems>,
    /// Nothing from this byte on is believed.
    believed: usize,
}

impl<'t> Reader<'t> {
    pub(super) fn new(name: &str, text: &'t str) -> Self {
        Self {
            name: name.into(),
            text,
            lines: Lines::of(text),
            syntax: Vec::new(),
            faults: Vec::new(),
            others: Vec::new(),
            believed: text.len(),
        }
    }

    /// The document as far as it is TOML.
    ///
    /// Of the errors in one line the first is told. A bracket that is left
    /// open makes nonsense of all that follows, so nothing after it is
    /// believed.
    pub(super) fn document(&mut self) -> Spanned<DeTable<'t>> {
        let (document, mut errors) = DeTable::parse_recoverable(self.text);
        let place = |error: &toml::de::Error| error.span().unwrap_or(0..0);
        errors.sort_by_key(|error| place(error).start);
        let mut last_line = 0;
        for error in &errors {
            let span = self.on_a_boundary(place(error));
            let line = self.lines.number(span.start);
            if line != last_line {
                self.syntax
                    .push(self.syntax_fault(error.message(), span.clone()));
            }
            last_line = line;
            if ["unclosed", "array"]
                .iter()
                .any(|open| error.message().contains(open))
            {
                self.believed = span.start;
                break;
            }
        }
        document
    }

    fn syntax_fault(&self, message: &str, span: Range<usize>) -> Fault {
        if message == "duplicate key" {
            let key = &self.text[span.clone()];
            return Fault::at(span, format!("`{key}` is there twice")).help("keep one of them");
        }
        let fault = Fault::at(span, format!("this is not TOML: {message}"));
        let unquoted = [
            "quoted",
            "invalid float",
            "invalid integer",
            "invalid date",
            "invalid time",
        ];
        if unquoted.iter().any(|kind| message.contains(kind)) {
            return fault.help("text stands in quotes: `key = \"value\"`");
        }
        match message.contains("array") {
            true => fault.help("is a `]` missing before this?"),
            false => fault,
        }
    }

    /// The parser's spans are trusted, but slicing by a wrong one would panic.
    fn on_a_boundary(&self, span: Range<usize>) -> Range<usize> {
        match self.text.get(span.clone()) {
            Some(_) => span,
            None => 0..0,
        }
    }

    /// Notes a fault.
    pub(super) fn fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Notes several, or none.
    pub(super) fn faults(&mut self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.extend(faults);
    }

    /// Notes what is wrong with a file that the document names.
    #[cfg_attr(
        not(feature = "cedar"),
        expect(dead_code, reason = "policies are what is in other files")
    )]
    pub(super) fn problems_of_another(&mut self, problems: ConfigProblems) {
        self.others.push(problems);
    }

    /// The file, as the operator named it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// How many faults were noted.
    pub(super) fn count(&self) -> usize {
        self.faults.len()
    }

    /// Whether statements about the document as a whole mean anything: with
    /// a syntax error in it, a role or a route may be missing.
    pub(super) fn is_whole(&self) -> bool {
        self.syntax.is_empty()
    }

    /// Everything that was found; `None` when that is nothing.
    pub(super) fn into_problems(self) -> Option<ConfigProblems> {
        let line = |fault: &Fault| fault.start().map(|start| self.lines.number(start));
        let broken: HashSet<_> = self.syntax.iter().map(line).collect();
        let mut faults = self.faults;
        if !broken.is_empty() {
            faults.retain(|fault| {
                fault.start().is_some_and(|start| start < self.believed)
                    && !broken.contains(&line(fault))
            });
        }
        faults.extend(self.syntax);
        let is_good = faults.is_empty() && self.others.is_empty();
        (!is_good).then(|| ConfigProblems::new(&self.name, self.text, faults).and(self.others))
    }

    /// The line of byte `at`, as the decision record names it.
    pub(super) fn source_line(&self, at: usize) -> SourceLine {
        SourceLine {
            file: Arc::clone(&self.name),
            line: u32::try_from(self.lines.number(at)).unwrap_or(u32::MAX),
        }
    }

    /// The bytes of the document that write the bytes `part` of `word`; the
    /// whole word when it is written with escapes.
    pub(super) fn inside(&self, word: &Word<'_>, part: Range<usize>) -> Range<usize> {
        let written = self.text.get(word.span.clone()).unwrap_or_default();
        let between_quotes = written.get(1..written.len().saturating_sub(1));
        match between_quotes == Some(word.text) {
            true => word.span.start + 1 + part.start..word.span.start + 1 + part.end,
            false => word.span.clone(),
        }
    }

    /// Notes every key of `table` that is not `known`. `place` names the
    /// table, and is empty for the top of the document.
    pub(super) fn unknown_keys(&mut self, table: &DeTable<'_>, place: &str, known: &[&str]) {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let title = match place {
                "" => format!("unknown key `{name}`"),
                _ => format!("unknown key `{name}` in {place}"),
            };
            let fault = Fault::at(key.span(), title).label("not a known key");
            self.fault(match suggest(name, known.iter().copied()) {
                Some(near) => fault.did_you_mean(Some(near), ""),
                None if !place.is_empty() && KEYS.contains(&name) => fault.help(format!(
                    "`{name}` belongs to the top of the file, before the first `[`"
                )),
                None => fault.help(format!("known keys: {}", known.join(", "))),
            });
        }
    }

    /// A string.
    pub(super) fn string<'d>(
        &mut self,
        value: &'d Value<'_>,
        key: &str,
        example: &str,
    ) -> Option<Word<'d>> {
        match value.get_ref() {
            DeValue::String(text) => Some(Word {
                text,
                span: value.span(),
            }),
            other => {
                let wrong = wrong_type(value, key, "a string", other);
                self.fault(wrong.help(format!("write `{key} = \"{example}\"`")));
                None
            }
        }
    }

    /// An array of strings, each only once.
    pub(super) fn strings<'d>(
        &mut self,
        value: &'d Value<'_>,
        key: &str,
        example: &str,
    ) -> Vec<Word<'d>> {
        let help = format!("write `{key} = [\"{example}\"]`");
        let DeValue::Array(items) = value.get_ref() else {
            let wrong = wrong_type(value, key, "an array of strings", value.get_ref());
            self.fault(wrong.help(help));
            return Vec::new();
        };
        let mut words: Vec<Word<'d>> = Vec::new();
        let mut seen = HashMap::new();
        for item in items.iter() {
            let DeValue::String(text) = item.get_ref() else {
                let wrong = wrong_type(item, key, "an array of strings", item.get_ref());
                self.fault(wrong.help(help.clone()));
                continue;
            };
            let span = item.span();
            let first = seen.entry(text.as_ref()).or_insert_with(|| span.clone());
            if *first == span {
                words.push(Word { text, span });
                continue;
            }
            let twice = Fault::at(span, format!("`{text}` is in `{key}` twice"));
            self.fault(twice.label("again").related(first.clone(), "first here"));
        }
        words
    }

    /// `true`, where nothing else makes sense.
    pub(super) fn stated(&mut self, value: &Value<'_>, key: &str) -> bool {
        match value.get_ref() {
            DeValue::Boolean(true) => true,
            DeValue::Boolean(false) => {
                self.fault(
                    Fault::at(value.span(), format!("`{key} = false` states nothing"))
                        .help(format!("leave `{key}` out, or write `{key} = true`")),
                );
                false
            }
            other => {
                let wrong = wrong_type(value, key, "`true`", other);
                self.fault(wrong.help(format!("write `{key} = true`")));
                false
            }
        }
    }

    /// A table.
    pub(super) fn table<'d, 'v>(
        &mut self,
        value: &'d Value<'v>,
        key: &str,
        help: &str,
    ) -> Option<&'d DeTable<'v>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(table),
            other => {
                let wrong = wrong_type(value, key, "a table", other);
                self.fault(wrong.help(help));
                None
            }
        }
    }
}

/// The fault of a value that is not what `key` takes.
pub(super) fn wrong_type(value: &Value<'_>, key: &str, wanted: &str, found: &DeValue<'_>) -> Fault {
    let found = match found {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    Fault::at(value.span(), format!("`{key}` must be {wanted}")).label(format!("this is {found}"))
}
