//! `METHOD /path/{parameter}/{*rest}`: reading a route's pattern.
//!
//! Strict on purpose: a pattern that could never match the canonical paths of
//! the gateway (encoded, with dot segments, with a query) is an error here and
//! not a route that silently stays closed, or worse, was meant to be closed.

use std::ops::Range;

use crate::method::MethodSet;

/// Longest pattern, in bytes.
pub const MAX_LENGTH: usize = 2_048;

/// Most segments of one pattern.
pub const MAX_SEGMENTS: usize = 64;

/// A pattern, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) methods: Methods,
    pub(crate) segments: Vec<Segment>,
}

/// The methods of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Methods {
    /// `*`: whatever no route with a named method takes.
    Any,
    /// One, or a list.
    Named(MethodSet),
}

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Itself, byte for byte.
    Literal(String),
    /// Any one segment that is not empty.
    Parameter(String),
    /// Everything that follows, even nothing.
    Rest(String),
}

impl Pattern {
    /// Reads a pattern; every fault of it is told.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<PatternError>> {
        let mut reader = Reader {
            text,
            errors: Vec::new(),
            names: Vec::new(),
        };
        let pattern = reader.pattern();
        match pattern {
            Some(pattern) if reader.errors.is_empty() => Ok(pattern),
            _ => Err(reader.errors),
        }
    }
}

/// A fault of a pattern, and where in its text it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct PatternError {
    /// What is wrong.
    pub kind: PatternErrorKind,
    /// Bytes of the pattern that are meant.
    pub span: Range<usize>,
}

/// What is wrong with a pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternErrorKind {
    /// Nothing there.
    #[error("a route is written `METHOD /path`")]
    Empty,
    /// Longer than [`MAX_LENGTH`].
    #[error("a pattern is at most {MAX_LENGTH} bytes long")]
    TooLong,
    /// It begins with the path.
    #[error("the method is missing; write `GET {0}`, or `* {0}` for every method")]
    NoMethod(String),
    /// Only a method.
    #[error("the path is missing; write `METHOD /path`")]
    NoPath,
    /// The path does not begin with `/`.
    #[error("a path begins with `/`")]
    NoSlash,
    /// Not a method that a route can open.
    #[error("`{0}` is not a method")]
    UnknownMethod(String),
    /// `CONNECT` or `TRACE`.
    #[error("no route opens `{0}`: it bypasses or reveals what the gateway adds")]
    ForbiddenMethod(String),
    /// A method twice in the list, or `*` beside others.
    #[error("`{0}` is in the list already")]
    RepeatedMethod(String),
    /// More than [`MAX_SEGMENTS`].
    #[error("a path has at most {MAX_SEGMENTS} segments")]
    TooManySegments,
    /// Two slashes in a row.
    #[error("an empty segment never matches; write one `/`")]
    EmptySegment,
    /// `.` or `..`.
    #[error("`{0}` never matches: paths are judged without dot segments")]
    DotSegment(String),
    /// A dot at its end.
    #[error("`{0}` never matches: some servers drop a dot at the end of a segment")]
    Trimmable(String),
    /// Blank, control or reserved character, or one that passes for another.
    #[error("{0:?} never matches in a path")]
    Character(char),
    /// A query.
    #[error("a route matches the path alone; leave the query out")]
    Query,
    /// Percent-encoding.
    #[error("paths are compared decoded; write the character itself instead of `%`")]
    Encoded,
    /// A star that is not `{*rest}`.
    #[error("a star stands only in `{{*rest}}`; one segment is `{{name}}`")]
    Star,
    /// `:name`, the way other routers write it.
    #[error("a parameter is written `{{{0}}}`")]
    Colon(String),
    /// Braces that are not around a whole segment.
    #[error("a parameter is a whole segment, like `/{{id}}/`")]
    Partial,
    /// Not a name between the braces.
    #[error("a parameter's name is letters, digits and `_`, and begins with a letter")]
    ParameterName,
    /// The same name twice.
    #[error("the parameter `{0}` is there twice")]
    RepeatedParameter(String),
    /// `{*rest}` before the end.
    #[error("`{{*rest}}` stands only at the end")]
    RestNotLast,
}

struct Reader<'t> {
    text: &'t str,
    errors: Vec<PatternError>,
    names: Vec<&'t str>,
}

impl<'t> Reader<'t> {
    fn fault(&mut self, kind: PatternErrorKind, span: Range<usize>) {
        self.errors.push(PatternError { kind, span });
    }

    fn pattern(&mut self) -> Option<Pattern> {
        let text = self.text;
        let whole = 0..text.len();
        if text.trim().is_empty() {
            self.fault(PatternErrorKind::Empty, whole);
            return None;
        }
        if text.len() > MAX_LENGTH {
            self.fault(PatternErrorKind::TooLong, whole);
            return None;
        }
        if text.starts_with('/') {
            self.fault(PatternErrorKind::NoMethod(text.to_owned()), whole);
            return None;
        }
        let Some((methods, path)) = text.split_once(' ') else {
            self.fault(PatternErrorKind::NoPath, whole);
            return None;
        };
        let methods = self.methods(methods);
        let segments = self.path(text.len() - path.len());
        Some(Pattern { methods, segments })
    }

    fn methods(&mut self, list: &str) -> Methods {
        if list == "*" {
            return Methods::Any;
        }
        let mut set = MethodSet::EMPTY;
        let mut start = 0;
        for name in list.split(',') {
            let span = start..start + name.len();
            start = span.end + 1;
            match MethodSet::of(name) {
                Some(method) if set.intersection(method).is_empty() => set = set.union(method),
                Some(_) => self.fault(PatternErrorKind::RepeatedMethod(name.to_owned()), span),
                None if matches!(name, "CONNECT" | "TRACE") => {
                    self.fault(PatternErrorKind::ForbiddenMethod(name.to_owned()), span);
                }
                None => self.fault(PatternErrorKind::UnknownMethod(name.to_owned()), span),
            }
        }
        Methods::Named(set)
    }

    /// The path begins at byte `start` of the text.
    fn path(&mut self, start: usize) -> Vec<Segment> {
        let Some(path) = self.text[start..].strip_prefix('/') else {
            self.fault(PatternErrorKind::NoSlash, start..self.text.len());
            return Vec::new();
        };
        let count = path.split('/').count();
        if count > MAX_SEGMENTS {
            self.fault(PatternErrorKind::TooManySegments, start..self.text.len());
            return Vec::new();
        }
        let mut segments = Vec::with_capacity(count);
        let mut at = start + 1;
        for (position, text) in path.split('/').enumerate() {
            let span = at..at + text.len();
            at = span.end + 1;
            segments.extend(self.segment(text, span, position + 1 == count));
        }
        segments
    }

    fn segment(&mut self, text: &'t str, span: Range<usize>, last: bool) -> Option<Segment> {
        if text.is_empty() && !last {
            // The slash after it is the one too many.
            self.fault(PatternErrorKind::EmptySegment, span.start..span.end + 1);
            return None;
        }
        if let Some(inner) = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            return self.parameter(inner, span, last);
        }
        match literal_fault(text) {
            Some(kind) => {
                self.fault(kind, span);
                None
            }
            None => Some(Segment::Literal(text.to_owned())),
        }
    }

    fn parameter(&mut self, inner: &'t str, span: Range<usize>, last: bool) -> Option<Segment> {
        let name = inner.strip_prefix('*').unwrap_or(inner);
        let fault = if name.contains(['{', '}']) {
            PatternErrorKind::Partial
        } else if !is_name(name) {
            PatternErrorKind::ParameterName
        } else if self.names.contains(&name) {
            PatternErrorKind::RepeatedParameter(name.to_owned())
        } else {
            self.names.push(name);
            return match inner.starts_with('*') {
                false => Some(Segment::Parameter(name.to_owned())),
                true if last => Some(Segment::Rest(name.to_owned())),
                true => {
                    self.fault(PatternErrorKind::RestNotLast, span);
                    None
                }
            };
        };
        self.fault(fault, span);
        None
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn literal_fault(text: &str) -> Option<PatternErrorKind> {
    if text == "." || text == ".." {
        return Some(PatternErrorKind::DotSegment(text.to_owned()));
    }
    if text.ends_with('.') {
        return Some(PatternErrorKind::Trimmable(text.to_owned()));
    }
    if let Some(name) = text.strip_prefix(':').filter(|name| is_name(name)) {
        return Some(PatternErrorKind::Colon(name.to_owned()));
    }
    text.chars().find_map(|c| match c {
        '{' | '}' => Some(PatternErrorKind::Partial),
        '*' => Some(PatternErrorKind::Star),
        '%' => Some(PatternErrorKind::Encoded),
        '?' => Some(PatternErrorKind::Query),
        '#' | ';' | '\\' => Some(PatternErrorKind::Character(c)),
        c if c.is_whitespace() || is_look_alike(c) => Some(PatternErrorKind::Character(c)),
        _ => None,
    })
}

/// Characters that no canonical path holds: compatibility folding (NFKC) or
/// best-fit conversion turns them into `/`, `\`, `.`, `;` or `%`, or they are
/// controls, or cannot be seen.
pub fn is_look_alike(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{2044}' | '\u{2215}' | '\u{29F8}' | '\u{FF0F}' // slashes
            | '\u{2216}' | '\u{29F5}' | '\u{29F9}' | '\u{FE68}' | '\u{FF3C}' // backslashes
            | '\u{2024}'..='\u{2026}' | '\u{FE52}' | '\u{FF0E}' // dots
            | '\u{037E}' | '\u{FE54}' | '\u{FF1B}' // semicolons
            | '\u{FE6A}' | '\u{FF05}' // percent signs
            | '\u{00AD}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{2064}' | '\u{FEFF}' // invisible, line ends, direction
        )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use proptest::prelude::{prop_assert, proptest};

    use super::{Methods, Pattern, Segment};
    use crate::method::MethodSet;

    #[test]
    fn reads_methods_and_segments() {
        let pattern = Pattern::parse("GET,POST /tenants/{tenant}/files/{*path}").unwrap();
        let get = MethodSet::of("GET").unwrap();
        let post = MethodSet::of("POST").unwrap();
        assert_eq!(pattern.methods, Methods::Named(get.union(post)));
        assert_eq!(
            pattern.segments,
            [
                Segment::Literal("tenants".to_owned()),
                Segment::Parameter("tenant".to_owned()),
                Segment::Literal("files".to_owned()),
                Segment::Rest("path".to_owned()),
            ]
        );
        assert_eq!(Pattern::parse("* /").unwrap().methods, Methods::Any);
        assert_eq!(
            Pattern::parse("GET /orders/").unwrap().segments,
            [
                Segment::Literal("orders".to_owned()),
                Segment::Literal(String::new())
            ]
        );
    }

    /// Each pattern with the text that its fault points at and its message.
    const FAULTY: &[(&str, &str, &str)] = &[
        ("", "", "a route is written `METHOD /path`"),
        (
            "/orders",
            "/orders",
            "the method is missing; write `GET /orders`, or `* /orders` for every method",
        ),
        ("GET", "GET", "the path is missing; write `METHOD /path`"),
        ("GET orders", "orders", "a path begins with `/`"),
        ("GET  /orders", " /orders", "a path begins with `/`"),
        ("get /orders", "get", "`get` is not a method"),
        ("GET,GTE /orders", "GTE", "`GTE` is not a method"),
        ("GET, POST /orders", "", "`` is not a method"),
        ("GET,GET /orders", "GET", "`GET` is in the list already"),
        (
            "TRACE /x",
            "TRACE",
            "no route opens `TRACE`: it bypasses or reveals what the gateway adds",
        ),
        (
            "GET /a//b",
            "/",
            "an empty segment never matches; write one `/`",
        ),
        (
            "GET /a/../b",
            "..",
            "`..` never matches: paths are judged without dot segments",
        ),
        ("GET /a b", "a b", "' ' never matches in a path"),
        ("GET /a;v=1", "a;v=1", "';' never matches in a path"),
        (
            "GET /a?x=1",
            "a?x=1",
            "a route matches the path alone; leave the query out",
        ),
        (
            "GET /caf%C3%A9",
            "caf%C3%A9",
            "paths are compared decoded; write the character itself instead of `%`",
        ),
        (
            "GET /orders/*",
            "*",
            "a star stands only in `{*rest}`; one segment is `{name}`",
        ),
        ("GET /orders/:id", ":id", "a parameter is written `{id}`"),
        (
            "GET /v{major}/x",
            "v{major}",
            "a parameter is a whole segment, like `/{id}/`",
        ),
        (
            "GET /{a}{b}",
            "{a}{b}",
            "a parameter is a whole segment, like `/{id}/`",
        ),
        (
            "GET /{}",
            "{}",
            "a parameter's name is letters, digits and `_`, and begins with a letter",
        ),
        (
            "GET /{*}",
            "{*}",
            "a parameter's name is letters, digits and `_`, and begins with a letter",
        ),
        ("GET /{a}/{a}", "{a}", "the parameter `a` is there twice"),
        (
            "GET /{*rest}/x",
            "{*rest}",
            "`{*rest}` stands only at the end",
        ),
    ];

    #[test]
    fn faults_say_where_and_what() {
        for (text, meant, message) in FAULTY {
            let errors = Pattern::parse(text).unwrap_err();
            let error = errors.first().unwrap();
            assert_eq!(&text[error.span.clone()], *meant, "{text}");
            assert_eq!(error.to_string(), *message, "{text}");
        }
    }

    /// RFC 3986, 3.3: what a canonical path cannot hold opens nothing.
    #[test]
    fn what_no_path_holds_is_in_no_pattern() {
        for never in [
            ".", "..", "a#b", "a;b", "a\\b", "a\u{7f}b", "a\tb", "a\u{a0}b", "a%b", "a?b", "a*b",
            "a{b", "a}b", ":id", ":_1", "{1a}", "{a-b}", "{a}}",
        ] {
            assert!(Pattern::parse(&format!("GET /{never}")).is_err(), "{never}");
        }
        for literal in [":", ":1", "a:b", "..a", "a.b", "caf\u{e9}", "~a"] {
            assert_eq!(
                Pattern::parse(&format!("GET /{literal}")).unwrap().segments,
                [Segment::Literal(literal.to_owned())]
            );
        }
        for name in ["_", "_a", "a1", "A_b"] {
            assert_eq!(
                Pattern::parse(&format!("GET /{{{name}}}"))
                    .unwrap()
                    .segments,
                [Segment::Parameter(name.to_owned())]
            );
        }
    }

    #[test]
    fn every_fault_of_one_pattern_is_told() {
        let errors = Pattern::parse("gte,TRACE /a//{1}/:id/../b?c").unwrap_err();
        assert_eq!(errors.len(), 7, "{errors:#?}");
    }

    #[test]
    fn sizes_are_bounded() {
        assert!(Pattern::parse(&format!("GET /{}", "a".repeat(2_044))).is_err());
        assert!(Pattern::parse(&format!("GET /{}", "a".repeat(2_043))).is_ok());
        assert!(Pattern::parse(&format!("GET {}", "/a".repeat(65))).is_err());
        assert!(Pattern::parse(&format!("GET {}", "/a".repeat(64))).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_with_spans_inside_it(text in "\\PC{0,40}") {
            if let Err(errors) = Pattern::parse(&text) {
                prop_assert!(!errors.is_empty());
                for error in errors {
                    prop_assert!(text.get(error.span).is_some());
                }
            }
        }

        #[test]
        fn text_of_the_right_shape_is_read_or_refused(text in "[GETPOSH,*]{0,6} [/{}*a.%:]{0,20}") {
            if let Err(errors) = Pattern::parse(&text) {
                prop_assert!(errors.iter().all(|error| text.get(error.span.clone()).is_some()));
            }
        }
    }
}
