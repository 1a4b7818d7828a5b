//! The one reading of a path (RFC 3986 sections 2.3, 3.3 and 6.2.2).
//!
//! Gateways are broken most often by disagreement: the gateway judges one
//! path, the API behind it serves another. So a path is normalised once, in
//! [`CanonicalPath::parse`], and the bytes that were judged are the bytes that
//! are forwarded. What two servers could read in two ways is not repaired but
//! refused, with the byte or segment that is to blame.
//!
//! Normalised: escapes of unreserved octets are decoded, the other escapes get
//! upper-case digits. Nothing else. Letter case, a trailing slash and escaped
//! reserved characters stay as they are and make another path; which has no
//! route, or a route of its own.
//!
//! This is not the query: the query never takes part in a decision.

mod segments;

use std::{borrow::Cow, fmt};

use doorward_policy::{decision::Reason, route::pattern::is_look_alike};
use http::{Uri, uri::PathAndQuery};

pub(crate) use segments::Segments;

/// Longest path in bytes.
const MAX_BYTES: usize = 8 * 1024;

/// Most segments: far more than any API nests, far fewer than hurt.
const MAX_SEGMENTS: usize = 256;

/// A path with exactly one reading.
#[derive(Clone)]
pub struct CanonicalPath(Form);

impl fmt::Debug for CanonicalPath {
    /// Without the query, which carries secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CanonicalPath")
            .field(&self.as_str())
            .finish()
    }
}

#[derive(Clone)]
enum Form {
    /// It came in its canonical form, and nothing in it is escaped.
    Received(PathAndQuery),
    Written {
        text: String,
        /// Decoded path; `None` where nothing is escaped in `text`, which is its
        /// own reading then. INVARIANT: no segment holds a slash, so slashes
        /// still separate.
        decoded: Option<String>,
    },
}

impl CanonicalPath {
    /// Reads the path component of a request target.
    ///
    /// ```
    /// use doorward_gateway::path::CanonicalPath;
    ///
    /// let path = CanonicalPath::parse(b"/orders/%7ea%c3%a9").unwrap();
    /// assert_eq!(path.as_str(), "/orders/~a%C3%A9");
    /// assert_eq!(path.segments().collect::<Vec<_>>(), ["orders", "~aé"]);
    ///
    /// assert!(CanonicalPath::parse(b"/public/..%2fadmin").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// [`PathProblem`] for every path that has more than one reading.
    pub fn parse(raw: &[u8]) -> Result<Self, PathProblem> {
        if raw.len() > MAX_BYTES {
            return Err(PathProblem::TooLong);
        }
        if raw.first() != Some(&b'/') {
            return Err(PathProblem::NotAbsolute);
        }
        let path = decode_once(raw)?;
        refuse_double_encoding(path.as_str())?;
        refuse_ambiguous_segments(path.decoded())?;
        Ok(path)
    }

    /// As [`Self::parse`], of `uri`'s path. Of one that has its canonical form
    /// already, as nearly all have, nothing is copied.
    pub(crate) fn of(uri: &Uri) -> Result<Self, PathProblem> {
        match uri.path_and_query() {
            Some(received) if is_plain(received.path().as_bytes()) => {
                Ok(Self(Form::Received(received.clone())))
            }
            _ => Self::parse(uri.path().as_bytes()),
        }
    }

    /// The canonical text: exactly the bytes that are forwarded.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Form::Received(received) => received.path(),
            Form::Written { text, .. } => text,
        }
    }

    /// What stands between the slashes after the first one, decoded: one empty
    /// segment for `/`, an empty last one for a trailing slash.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.decoded()[1..].split('/')
    }

    /// As [`Self::segments`], side by side.
    pub(crate) fn split(&self) -> Segments<'_> {
        Segments::of(&self.decoded()[1..])
    }

    fn decoded(&self) -> &str {
        match &self.0 {
            Form::Written {
                decoded: Some(decoded),
                ..
            } => decoded,
            _ => self.as_str(),
        }
    }
}

impl PartialEq for CanonicalPath {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for CanonicalPath {}

impl fmt::Display for CanonicalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a path has no single reading.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathProblem {
    /// Does not start with a slash.
    #[error("a path without a leading slash")]
    NotAbsolute,
    /// Longer than 8 KiB.
    #[error("a path of more than 8 KiB")]
    TooLong,
    /// More than 256 segments.
    #[error("a path of more than 256 segments")]
    TooManySegments,
    /// A byte that may not stand in a path unescaped.
    #[error("the unescaped byte {0:#04x}")]
    IllegalByte(u8),
    /// `%` without two hexadecimal digits.
    #[error("an unfinished percent escape")]
    BrokenEscape,
    /// An escape of a byte that another server may take for syntax.
    #[error("the escape %{0:02X}")]
    DangerousEscape(u8),
    /// An escaped escape.
    #[error("an escape that is itself escaped")]
    DoubleEncoding,
    /// The decoded bytes are not UTF-8.
    #[error("escapes that are not UTF-8")]
    NotUtf8,
    /// `//`.
    #[error("an empty segment")]
    EmptySegment,
    /// `.` or `..`, written in any way.
    #[error("a dot segment")]
    DotSegment,
    /// A segment that ends in a dot, or starts or ends with a blank: some
    /// servers drop these.
    #[error("a segment with a blank or dot at its edge")]
    TrimmableSegment,
    /// A character that some servers fold into a slash, backslash, dot,
    /// semicolon or percent sign, or that cannot be seen.
    #[error("the character U+{:04X}", u32::from(*.0))]
    LookAlike(char),
}

impl PathProblem {
    /// The reason under which a request with this path is turned away.
    pub const fn reason(&self) -> Reason {
        match self {
            Self::TooLong | Self::TooManySegments => Reason::TargetTooLong,
            _ => Reason::AmbiguousPath,
        }
    }

    /// What would have been accepted.
    pub fn wanted(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::TooLong | Self::TooManySegments => "at most 8 KiB and 256 segments",
            Self::NotAbsolute => "a path that starts with /",
            _ => "a path that every server reads alike",
        })
    }
}

/// Whether nothing can be said against `raw` at a glance: bytes that stand for
/// themselves, no segment that is empty or ends in a dot, not too many of them.
/// What is not so plain is read by [`CanonicalPath::parse`], which says why if it
/// refuses.
fn is_plain(raw: &[u8]) -> bool {
    let [b'/', rest @ ..] = raw else {
        return false;
    };
    let (mut before, mut segments) = (b'/', 1);
    for byte in rest {
        let is_edge = *byte == b'/';
        if !PLAIN[usize::from(*byte)] || is_edge && matches!(before, b'/' | b'.') {
            return false;
        }
        segments += usize::from(is_edge);
        before = *byte;
    }
    before != b'.' && segments <= MAX_SEGMENTS && raw.len() <= MAX_BYTES
}

/// Decodes unreserved octets and refuses every byte that is syntax elsewhere.
fn decode_once(raw: &[u8]) -> Result<CanonicalPath, PathProblem> {
    if !raw.contains(&b'%') {
        for byte in raw {
            plain(*byte)?;
        }
        // What stands for itself is ASCII.
        let text = str::from_utf8(raw).map_err(|_| PathProblem::NotUtf8)?;
        return Ok(CanonicalPath(Form::Written {
            text: text.to_owned(),
            decoded: None,
        }));
    }
    let mut text = String::with_capacity(raw.len());
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != b'%' {
            text.push(plain(byte)?);
            decoded.push(byte);
            rest = tail;
            continue;
        }
        let (value, tail) = escape(tail)?;
        if is_dangerous(value) {
            return Err(PathProblem::DangerousEscape(value));
        }
        if is_unreserved(value) {
            text.push(char::from(value));
        } else {
            push_escape(&mut text, value);
        }
        decoded.push(value);
        rest = tail;
    }
    let decoded = String::from_utf8(decoded).map_err(|_| PathProblem::NotUtf8)?;
    // Nothing stayed escaped: equal to the path that came without escapes.
    let decoded = (decoded != text).then_some(decoded);
    Ok(CanonicalPath(Form::Written { text, decoded }))
}

/// A byte that stands for itself: RFC 3986 `pchar` and the slash, without the
/// semicolon, whose parameters some servers cut off.
fn plain(byte: u8) -> Result<char, PathProblem> {
    PLAIN[usize::from(byte)]
        .then(|| char::from(byte))
        .ok_or(PathProblem::IllegalByte(byte))
}

/// Which bytes stand for themselves.
const PLAIN: [bool; 256] = {
    let mut plain = UNRESERVED;
    let mut others = b"/!$&'()*+,=:@".as_slice();
    while let [other, rest @ ..] = others {
        plain[*other as usize] = true;
        others = rest;
    }
    plain
};

/// RFC 3986 `unreserved`, byte by byte.
pub(crate) const UNRESERVED: [bool; 256] = {
    let mut unreserved = [false; 256];
    let mut byte = u8::MAX;
    while byte > 0 {
        unreserved[byte as usize] = is_unreserved(byte);
        byte -= 1;
    }
    unreserved
};

/// The byte that the two digits at the front of `text` stand for.
fn escape(text: &[u8]) -> Result<(u8, &[u8]), PathProblem> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let [high, low, rest @ ..] = text else {
        return Err(PathProblem::BrokenEscape);
    };
    match (digit(*high), digit(*low)) {
        (Some(high), Some(low)) => Ok((high << 4 | low, rest)),
        _ => Err(PathProblem::BrokenEscape),
    }
}

fn push_escape(text: &mut String, value: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(char::from(DIGITS[usize::from(value >> 4)]));
    text.push(char::from(DIGITS[usize::from(value & 15)]));
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Syntax to some server if it is decoded once.
const fn is_dangerous(byte: u8) -> bool {
    byte.is_ascii_control() || matches!(byte, b'/' | b'\\' | b';')
}

/// `%25` in front of two digits, also where these are another `25`: a server
/// that decodes twice would see syntax, or another name.
fn refuse_double_encoding(text: &str) -> Result<(), PathProblem> {
    for (at, _) in text.match_indices("%25") {
        if escape(&text.as_bytes()[at + 3..]).is_ok() {
            return Err(PathProblem::DoubleEncoding);
        }
    }
    Ok(())
}

fn refuse_ambiguous_segments(decoded: &str) -> Result<(), PathProblem> {
    let mut segments = decoded[1..].split('/').peekable();
    let mut count = 0;
    while let Some(segment) = segments.next() {
        count += 1;
        if count > MAX_SEGMENTS {
            return Err(PathProblem::TooManySegments);
        }
        match segment {
            "" if segments.peek().is_some() => return Err(PathProblem::EmptySegment),
            "." | ".." => return Err(PathProblem::DotSegment),
            _ if segment.ends_with(['.', ' ']) || segment.starts_with(' ') => {
                return Err(PathProblem::TrimmableSegment);
            }
            _ => {}
        }
        if let Some(character) = segment.chars().find(|character| is_look_alike(*character)) {
            return Err(PathProblem::LookAlike(character));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use http::Uri;
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    use super::{CanonicalPath, PathProblem, is_plain};

    fn problem(raw: &str) -> PathProblem {
        match CanonicalPath::parse(raw.as_bytes()) {
            Ok(path) => panic!("{raw} was accepted as {path}"),
            Err(problem) => problem,
        }
    }

    fn segments(raw: &str) -> Vec<String> {
        let path = CanonicalPath::parse(raw.as_bytes()).unwrap();
        path.segments().map(str::to_owned).collect()
    }

    #[test]
    fn gwy_001_extra_slashes_are_refused() {
        for raw in ["//admin", "///", "//host/x", "/a//b", "/a//"] {
            assert_eq!(problem(raw), PathProblem::EmptySegment, "{raw}");
        }
    }

    #[test]
    fn gwy_002_dot_segments_and_parameters_are_refused() {
        for raw in [
            "/.",
            "/..",
            "/./a",
            "/a/../b",
            "/a/..",
            "/%2e%2e/a",
            "/a/.%2E/b",
        ] {
            assert_eq!(problem(raw), PathProblem::DotSegment, "{raw}");
        }
        for raw in ["/..;/a", "/a;x=1", "/a;"] {
            assert_eq!(problem(raw), PathProblem::IllegalByte(b';'), "{raw}");
        }
        assert_eq!(problem("/a%3bx"), PathProblem::DangerousEscape(b';'));
        assert_eq!(problem("/a/..\\b"), PathProblem::IllegalByte(b'\\'));
    }

    #[test]
    fn gwy_003_encoded_and_twice_encoded_syntax_is_refused() {
        for raw in [
            "/a%2fb", "/a%2Fb", "/a%5cb", "/..%2f", "/%00", "/a%0d%0a", "/a%7f",
        ] {
            assert!(
                matches!(problem(raw), PathProblem::DangerousEscape(_)),
                "{raw}"
            );
        }
        let twice = [
            "/%252e%252e/a",
            "/a%252fb",
            "/a%255cb",
            "/a%25252fb",
            "/%2500",
            "/a%253bb",
            "/%25c0%25af",
            "/a%25%32%66b",
            "/%2561dmin",
            "/a%2520b",
            "/a%25252/b",
            "/a%2525zz",
        ];
        for raw in twice {
            assert_eq!(problem(raw), PathProblem::DoubleEncoding, "{raw}");
        }
        for raw in ["/%c0%af", "/%ff", "/%e2%80"] {
            assert_eq!(problem(raw), PathProblem::NotUtf8, "{raw}");
        }
        for raw in ["/%", "/%2", "/%zz", "/%2", "/%+1"] {
            assert_eq!(problem(raw), PathProblem::BrokenEscape, "{raw}");
        }
    }

    #[test]
    fn gwy_004_tails_are_refused_or_another_path() {
        assert_eq!(segments("/admin"), ["admin"]);
        assert_eq!(segments("/admin/"), ["admin", ""]);
        for raw in ["/admin.", "/admin%20", "/%20admin", "/admin..", "/admin%2e"] {
            assert_eq!(problem(raw), PathProblem::TrimmableSegment, "{raw}");
        }
        assert_eq!(problem("/admin%09"), PathProblem::DangerousEscape(9));
        assert_eq!(problem("/admin#x"), PathProblem::IllegalByte(b'#'));
        assert_eq!(segments("/admin%23x"), ["admin#x"]);
    }

    #[test]
    fn gwy_005_letter_case_makes_another_path() {
        assert_eq!(segments("/Admin"), ["Admin"]);
        assert_eq!(segments("/%41dmin"), ["Admin"]);
    }

    #[test]
    fn gwy_006_unicode_slashes_are_refused() {
        for raw in [
            "/a%EF%BC%8Fb",
            "/a%e2%88%95b",
            "/%EF%BC%8E%EF%BC%8E/a",
            "/a%E2%80%8B",
        ] {
            assert!(matches!(problem(raw), PathProblem::LookAlike(_)), "{raw}");
        }
        assert_eq!(problem("/é"), PathProblem::IllegalByte(0xc3));
        assert_eq!(segments("/caf%C3%A9"), ["café"]);
    }

    #[test]
    fn only_a_path_is_a_path() {
        for raw in ["", "admin", "*", "http://h/a"] {
            assert_eq!(problem(raw), PathProblem::NotAbsolute, "{raw}");
        }
        for raw in ["/a b", "/a\tb", "/a?b", "/a\"b", "/a{b}", "/a|b"] {
            assert!(matches!(problem(raw), PathProblem::IllegalByte(_)), "{raw}");
        }
    }

    #[test]
    fn gwy_035_length_and_depth_are_bounded() {
        assert_eq!(problem(&"/a".repeat(257)), PathProblem::TooManySegments);
        assert_eq!(
            problem(&format!("/{}", "a".repeat(8192))),
            PathProblem::TooLong
        );
        assert_eq!(segments(&"/a".repeat(256)).len(), 256);
        assert!(is_plain("/a".repeat(256).as_bytes()) && !is_plain("/a".repeat(257).as_bytes()));
        let long = |length: usize| format!("/{}", "a".repeat(length - 1));
        assert!(is_plain(long(8192).as_bytes()) && !is_plain(long(8193).as_bytes()));
    }

    proptest! {
        #[test]
        fn a_glance_sees_nothing_that_the_whole_reading_does_not(raw in "/?([a-c./%;~é -]|%2[0-9e]|/[.]{1,2}|[a-z]{3}/){0,8}") {
            if let Ok(uri) = Uri::try_from(format!("http://a{raw}")) {
                let whole = CanonicalPath::parse(uri.path().as_bytes());
                match (CanonicalPath::of(&uri), whole) {
                    (Ok(seen), Ok(read)) => {
                        prop_assert_eq!(seen.as_str(), read.as_str());
                        prop_assert!(seen.split().iter().copied().eq(read.segments()));
                    }
                    (seen, read) => prop_assert_eq!(seen.err(), read.err()),
                }
            }
            let whole = CanonicalPath::parse(raw.as_bytes());
            prop_assert!(!is_plain(raw.as_bytes()) || whole.unwrap().as_str() == raw);
        }

        #[test]
        fn canonical_text_is_canonical(raw in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(path) = CanonicalPath::parse(&raw) {
                let again = CanonicalPath::parse(path.as_str().as_bytes()).unwrap();
                prop_assert_eq!(again.as_str(), path.as_str());
            }
        }

        #[test]
        fn gwy_008_judged_and_forwarded_bytes_say_the_same(raw in "/([a-c./%~+ -]|%[0-9a-fA-F]{2}){0,12}") {
            if let Ok(path) = CanonicalPath::parse(raw.as_bytes()) {
                let again = CanonicalPath::parse(path.as_str().as_bytes()).unwrap();
                prop_assert_eq!(again.as_str(), path.as_str());
                prop_assert!(again.segments().eq(path.segments()));
                prop_assert!(path.segments().all(|segment| !segment.contains(['/', '\\', ';', '\0'])));
                prop_assert!(path.segments().all(|segment| segment != "." && segment != ".."));
            }
        }
    }
}
