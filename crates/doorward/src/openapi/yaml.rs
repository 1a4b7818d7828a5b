//! YAML 1.2, as far as JSON can say the same.
//!
//! One document, with keys that are text and there once. Aliases are copied, as
//! long as the whole stays within bounds that no honest description meets; tags
//! other than those of JSON's own types are refused, and so are merge keys,
//! which YAML 1.2 no longer has.

use std::{borrow::Cow, collections::HashMap};

use doorward_verify::jose::json::Object;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Value};

use super::{Fault, document::MAX_DEPTH};

/// Values in all, with those that aliases repeat and anchors keep.
const MAX_VALUES: usize = 1_000_000;

/// Bytes of text in all, keys too, counted likewise: twice the largest file.
const MAX_TEXT: usize = 32 * 1024 * 1024;

pub(super) fn read(text: &str) -> Result<Object, Fault> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let place = format!(
                "line {}, column {}",
                error.marker().line(),
                error.marker().col() + 1
            );
            Fault::new(place, format!("this is not YAML: {}", error.info()))
        })?;
        builder.take(event, span)?;
    }
    match builder.whole {
        Some(Value::Object(object)) => Ok(object),
        _ => Err(Fault::new("the file", "is no object")),
    }
}

/// Builds the value while the parser goes on.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, (Value, Size)>,
    /// Everything that was built or copied.
    spent: Size,
    whole: Option<Value>,
}

/// What a value takes.
#[derive(Clone, Copy, Default)]
struct Size {
    values: usize,
    text: usize,
    /// Mappings and sequences inside one another.
    depth: usize,
}

impl Size {
    fn of_text(text: &str) -> Self {
        Self {
            values: 1,
            text: text.len(),
            depth: 0,
        }
    }

    fn of_collection() -> Self {
        Self {
            values: 1,
            text: 0,
            depth: 1,
        }
    }

    /// Takes in a value beside those before it.
    fn add(&mut self, other: Self) {
        self.values = self.values.saturating_add(other.values);
        self.text = self.text.saturating_add(other.text);
    }

    /// Takes in a value as a part of this collection.
    fn contain(&mut self, part: Self) {
        self.add(part);
        self.depth = self.depth.max(part.depth + 1);
    }
}

/// A mapping or sequence that is not at its end.
struct Open {
    content: Content,
    anchor: usize,
    /// Its size so far.
    size: Size,
}

enum Content {
    Sequence(Vec<Value>),
    Mapping(Map<String, Value>, Option<String>),
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref(), line)?;
                let size = Size::of_text(&text);
                self.spend(size, line)?;
                self.keep(anchor, &value, size, line)?;
                let is_plain = matches!(style, ScalarStyle::Plain);
                self.put((value, size), Some((text, is_plain)), line)
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(Content::Sequence(Vec::new()), (anchor, tag), line)
            }
            Event::MappingStart(anchor, tag) => {
                self.begin(Content::Mapping(Map::new(), None), (anchor, tag), line)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(line),
            Event::Alias(anchor) => {
                let Some(&(_, size)) = self.anchors.get(&anchor) else {
                    return Err(fault(line, "an alias of something that is not whole yet"));
                };
                // Before it is copied.
                self.spend(size, line)?;
                if self.open.len() + size.depth > MAX_DEPTH {
                    return Err(fault(line, "is nested too deep"));
                }
                let value = self.anchors[&anchor].0.clone();
                self.put((value, size), None, line)
            }
            Event::DocumentStart(_) if self.whole.is_some() => {
                Err(fault(line, "a second document"))
            }
            _ => Ok(()),
        }
    }

    fn spend(&mut self, more: Size, line: usize) -> Result<(), Fault> {
        self.spent.add(more);
        if self.spent.values > MAX_VALUES {
            return Err(fault(line, "more than a million values"));
        }
        if self.spent.text > MAX_TEXT {
            return Err(fault(line, "more than 32 MiB of text"));
        }
        Ok(())
    }

    fn begin(
        &mut self,
        content: Content,
        (anchor, tag): (usize, Option<Cow<'_, Tag>>),
        line: usize,
    ) -> Result<(), Fault> {
        if let Some(tag) = tag.filter(|tag| !["map", "seq"].contains(&tag.suffix.as_str())) {
            return Err(fault(
                line,
                &format!("the tag {}{}", tag.handle, tag.suffix),
            ));
        }
        if self.open.len() == MAX_DEPTH {
            return Err(fault(line, "is nested too deep"));
        }
        let size = Size::of_collection();
        self.spend(size, line)?;
        self.open.push(Open {
            content,
            anchor,
            size,
        });
        Ok(())
    }

    fn end(&mut self, line: usize) -> Result<(), Fault> {
        let Some(open) = self.open.pop() else {
            return Err(fault(line, "an end without a beginning"));
        };
        let value = match open.content {
            Content::Sequence(items) => Value::Array(items),
            Content::Mapping(members, _) => Value::Object(members),
        };
        self.keep(open.anchor, &value, open.size, line)?;
        self.put((value, open.size), None, line)
    }

    /// Keeps a copy for aliases. Anchors are numbered from 1.
    fn keep(&mut self, anchor: usize, value: &Value, size: Size, line: usize) -> Result<(), Fault> {
        if anchor > 0 {
            self.spend(size, line)?;
            self.anchors.insert(anchor, (value.clone(), size));
        }
        Ok(())
    }

    /// Puts a value where it belongs; `written` is its text, if it is a scalar.
    fn put(
        &mut self,
        (value, size): (Value, Size),
        written: Option<(Cow<'_, str>, bool)>,
        line: usize,
    ) -> Result<(), Fault> {
        if let Some(open) = self.open.last_mut() {
            open.size.contain(size);
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.whole = Some(value),
            Some(Content::Sequence(items)) => items.push(value),
            Some(Content::Mapping(members, key)) => match key.take() {
                Some(key) => {
                    members.insert(key, value);
                }
                None => {
                    let name = name(value, written, line)?;
                    if members.contains_key(&name) {
                        return Err(fault(line, &format!("`{name}` is there twice")));
                    }
                    *key = Some(name);
                }
            },
        }
        Ok(())
    }
}

/// A key: its text as it is written, so that `200` and `on` are themselves.
fn name(value: Value, written: Option<(Cow<'_, str>, bool)>, line: usize) -> Result<String, Fault> {
    match (value, written) {
        (_, Some((text, true))) if text == "<<" => {
            Err(fault(line, "a merge key, which is no part of YAML 1.2"))
        }
        (_, Some((text, _))) => Ok(text.into_owned()),
        (Value::String(text), None) => Ok(text),
        _ => Err(fault(line, "a key that is no text")),
    }
}

/// The core schema of YAML 1.2: what is not null, true, false or a number is
/// text, and so is everything in quotes.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, line: usize) -> Result<Value, Fault> {
    let is_text = match tag.map(|tag| tag.suffix.as_str()) {
        Some("str") => true,
        Some("int" | "float" | "bool" | "null") | None => !matches!(style, ScalarStyle::Plain),
        Some(other) => return Err(fault(line, &format!("the tag {other}"))),
    };
    if is_text {
        return Ok(Value::String(text.to_owned()));
    }
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        // Nothing that is read of a description is a number; they only must
        // not pass for text.
        _ => match text.parse::<serde_json::Number>() {
            Ok(number) => Value::Number(number),
            Err(_) => Value::String(text.to_owned()),
        },
    })
}

fn fault(line: usize, what: &str) -> Fault {
    Fault::new(format!("line {line}"), what)
}
