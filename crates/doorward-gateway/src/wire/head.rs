//! A strict reading of one request head (RFC 9112 sections 2.2, 3, 5, 6).
//!
//! Only what decides where the message ends, and what more than one reading
//! could hang on: line ends, characters, Content-Length, Transfer-Encoding.
//! Everything that hyper leaves visible is judged later, in `gate`.

use http::Uri;
use memchr::memchr;

use super::Fault;
use crate::config::Limits;

/// How the body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyLength {
    /// Content-Length; 0 without a body.
    Sized(u64),
    /// Transfer-Encoding: chunked.
    Chunked,
}

/// A head without fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// How the body is delimited.
    pub(crate) body: BodyLength,
    /// Number of field lines; hyper must find as many.
    pub(crate) fields: usize,
}

/// A head as far as it has come. Its first fault is told at its end: until then it
/// may turn out to be too large, or to have a line end that nobody waits behind.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    version: Option<Version>,
    framing: Framing,
    fields: usize,
    fault: Option<Fault>,
}

impl Reading {
    /// Reads the next line, which is not empty and without its CRLF.
    pub(crate) fn line(&mut self, line: &[u8], limits: &Limits) {
        if self.fault.is_none() {
            self.fault = self.read(line, limits).err();
        }
    }

    fn read(&mut self, line: &[u8], limits: &Limits) -> Result<(), Fault> {
        if self.version.is_none() {
            self.version = Some(request_line(line, limits)?);
            return Ok(());
        }
        self.fields += 1;
        if self.fields > limits.fields {
            return Err(Fault::HeadTooLarge);
        }
        let (name, value) = field_line(line)?;
        self.framing.note(name, value)
    }

    /// The head, after its last line.
    pub(crate) fn end(self) -> Result<Head, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let version = self.version.ok_or(NO_REQUEST_LINE)?;
        Ok(Head {
            body: self.framing.length(version)?,
            fields: self.fields,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

const NO_REQUEST_LINE: Fault = Fault::Head("a request line that is not METHOD TARGET VERSION");

fn request_line(line: &[u8], limits: &Limits) -> Result<Version, Fault> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (method, target, version) = (parts.next(), parts.next(), parts.next());
    let (Some(method), Some(target), Some(version), None) = (method, target, version, parts.next())
    else {
        return Err(NO_REQUEST_LINE);
    };
    if !is_token(method) {
        return Err(Fault::Head("a method that is not a token"));
    }
    if target.len() > limits.target_bytes {
        return Err(Fault::TargetTooLong);
    }
    if is_plain(target) {
        return version_of(version);
    }
    if target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
        return Err(Fault::Head("a target with bytes outside printable ASCII"));
    }
    // hyper cuts a fragment off without a word; others forward it.
    if target.contains(&b'#') {
        return Err(Fault::Head("a target with a fragment"));
    }
    if !is_readable(target) {
        return Err(Fault::Head("a target that is not a URI"));
    }
    version_of(version)
}

fn version_of(version: &[u8]) -> Result<Version, Fault> {
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        _ => Err(Fault::Head("a version other than HTTP/1.0 and HTTP/1.1")),
    }
}

/// An origin form that nothing can be said against.
fn is_plain(target: &[u8]) -> bool {
    target.starts_with(b"/") && target.iter().all(|byte| is_of(*byte, PLAIN))
}

/// hyper answers an unreadable target by itself, without a trace in the record;
/// so what is not plainly an origin form is read here first.
fn is_readable(target: &[u8]) -> bool {
    is_plain(target) || Uri::try_from(target).is_ok()
}

fn field_line(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err(Fault::Head("a folded header line"));
    }
    let end = line.iter().position(|byte| !is_of(*byte, TOKEN));
    let (name, value) = line.split_at(end.unwrap_or(line.len()));
    let [b':', value @ ..] = value else {
        return Err(Fault::Head(match memchr(b':', value) {
            Some(_) => "a header name that is not a token",
            None => "a header line without a colon",
        }));
    };
    if name.is_empty() {
        return Err(Fault::Head("a header name that is not a token"));
    }
    let value = trim_blanks(value);
    if has_controls(value) {
        return Err(Fault::Head("a control character in a header value"));
    }
    Ok((name, value))
}

/// Every byte is looked at, without an early end: many at a time.
fn has_controls(value: &[u8]) -> bool {
    const DELETE: u8 = 0x7f;
    let (least, nearest) = value
        .iter()
        .fold((u8::MAX, u8::MAX), |(least, nearest), byte| {
            (least.min(*byte), nearest.min(*byte ^ DELETE))
        });
    // Of those below the blank, the tab is none.
    let is_hidden = |byte: &u8| *byte < b' ' && *byte != b'\t';
    nearest == 0 || least < b' ' && value.iter().any(is_hidden)
}

/// Only space and tab are optional white space; `trim_ascii` would also hide
/// carriage returns and form feeds.
fn trim_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// RFC 9110 section 5.6.2 `token`.
fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_of(*byte, TOKEN))
}

/// A character of a token.
const TOKEN: u8 = 1;
/// A character of a target that is plainly an origin form.
const PLAIN: u8 = 2;

/// What each byte may be.
const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0_u8;
    loop {
        if byte.is_ascii_alphanumeric() {
            kinds[byte as usize] = TOKEN | PLAIN;
        }
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    let (tokens, plain) = (b"!#$%&'*+-.^_`|~", b"/-._~%?&=+:@!$'()*,");
    let mut at = 0;
    while at < tokens.len() {
        kinds[tokens[at] as usize] |= TOKEN;
        at += 1;
    }
    at = 0;
    while at < plain.len() {
        kinds[plain[at] as usize] |= PLAIN;
        at += 1;
    }
    kinds
};

const fn is_of(byte: u8, kind: u8) -> bool {
    KINDS[byte as usize] & kind != 0
}

#[derive(Debug, Default)]
struct Framing {
    content_length: Option<u64>,
    chunked: bool,
}

impl Framing {
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.content_length.is_some() {
                return Err(Fault::Framing("more than one Content-Length"));
            }
            self.content_length = Some(content_length(value)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked {
                return Err(Fault::Framing("more than one Transfer-Encoding"));
            }
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::Framing("a Transfer-Encoding other than chunked"));
            }
            self.chunked = true;
        }
        Ok(())
    }

    fn length(self, version: Version) -> Result<BodyLength, Fault> {
        match (self.content_length, self.chunked) {
            (Some(_), true) => Err(Fault::Framing(
                "Content-Length together with Transfer-Encoding",
            )),
            (None, true) if version == Version::Http10 => {
                Err(Fault::Framing("Transfer-Encoding in HTTP/1.0"))
            }
            (None, true) => Ok(BodyLength::Chunked),
            (length, false) => Ok(BodyLength::Sized(length.unwrap_or(0))),
        }
    }
}

/// Digits and nothing else: no sign, no blank, no list.
fn content_length(value: &[u8]) -> Result<u64, Fault> {
    const FAULT: Fault = Fault::Framing("a Content-Length that is not a number");
    if value.is_empty() || value.len() > 18 || !value.iter().all(u8::is_ascii_digit) {
        return Err(FAULT);
    }
    Ok(value
        .iter()
        .fold(0, |length, digit| length * 10 + u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::{BodyLength, Head, field_line};
    use crate::{
        config::Limits,
        wire::{
            Fault,
            framing::{Framing, Scan},
        },
    };

    fn read(text: &[u8]) -> Result<Head, Fault> {
        let mut found = None;
        match Framing::default().scan(text, &Limits::default(), &mut found) {
            Scan::Faulty(_, fault) => Err(fault),
            _ => Ok(found.expect("all of it is there")),
        }
    }

    fn head(lines: &str) -> Result<BodyLength, Fault> {
        let text = format!("GET / HTTP/1.1\r\n{lines}\r\n");
        read(text.as_bytes()).map(|head| head.body)
    }

    #[test]
    fn one_length_is_one_reading() {
        assert_eq!(head("Host: a\r\n"), Ok(BodyLength::Sized(0)));
        assert_eq!(head("Content-Length: 12\r\n"), Ok(BodyLength::Sized(12)));
        assert_eq!(
            head("transfer-ENCODING:chunked\r\n"),
            Ok(BodyLength::Chunked)
        );
    }

    #[test]
    fn gwy_020_content_length_beside_transfer_encoding_is_refused() {
        let both = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n";
        assert!(matches!(head(both), Err(Fault::Framing(_))));
        let turned = "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n";
        assert!(matches!(head(turned), Err(Fault::Framing(_))));
    }

    #[test]
    fn gwy_020_transfer_encoding_has_one_spelling() {
        let odd = [
            "chunked, chunked",
            "gzip, chunked",
            "chunked, identity",
            "identity",
            "xchunked",
            "chunked;q=1",
            "\"chunked\"",
            "'chunked'",
            ",chunked",
            "chunked,",
            "",
            "chunk",
            "chunked\x0b",
            "chunked\0",
            "chunked x",
            "chunked\r",
            "\x0cchunked",
        ];
        for value in odd {
            assert!(
                head(&format!("Transfer-Encoding: {value}\r\n")).is_err(),
                "{value:?}"
            );
        }
        for line in [
            "Transfer-Encoding : chunked",
            " Transfer-Encoding: chunked",
            "Transfer-Encoding\t: chunked",
            "X: y\rTransfer-Encoding: chunked",
            "X: y\nTransfer-Encoding: chunked",
            "Transfer-Encoding:\n chunked",
        ] {
            assert!(head(&format!("{line}\r\n")).is_err(), "{line:?}");
        }
    }

    #[test]
    fn gwy_022_content_length_is_digits_once() {
        for value in [
            "+1",
            "-1",
            "1, 1",
            "1 1",
            "0x1",
            "1e1",
            "",
            "１",
            "99999999999999999999",
        ] {
            assert!(
                head(&format!("Content-Length: {value}\r\n")).is_err(),
                "{value:?}"
            );
        }
        assert!(head("Content-Length: 1\r\ncontent-length: 1\r\n").is_err());
        let old = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(matches!(read(old), Err(Fault::Framing(_))));
    }

    #[test]
    fn par_019_folded_lines_are_refused() {
        let folded = head("Authorization: Bearer\r\n a.b.c\r\n");
        assert_eq!(folded, Err(Fault::Head("a folded header line")));
    }

    #[test]
    fn a_line_has_a_token_a_colon_and_a_value_without_controls() {
        for byte in 0..=u8::MAX {
            for length in [1, 40] {
                let mut line = b"X: ".to_vec();
                line.extend(vec![b'a'; length]);
                line.extend([byte, b'z']);
                let is_allowed = !byte.is_ascii_control() || byte == b'\t';
                assert_eq!(field_line(&line).is_ok(), is_allowed, "{byte:#x}");
            }
            let is_token = byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            let line = [b"X", &[byte][..], b": a"].concat();
            let (is_name, is_end) = (is_token, byte == b':');
            assert_eq!(field_line(&line).is_ok(), is_name || is_end, "{byte:#x}");
        }
        let colon = Err(Fault::Head("a header line without a colon"));
        assert_eq!(field_line(b"X"), colon);
        assert_eq!(field_line(b"X y"), colon);
        let token = Err(Fault::Head("a header name that is not a token"));
        assert_eq!(field_line(b": y"), token);
        assert_eq!(field_line(b"X : y"), token);
    }

    #[test]
    fn request_lines_have_one_form() {
        let odd = [
            "GET  / HTTP/1.1",
            "GET / HTTP/1.1 ",
            " GET / HTTP/1.1",
            "GET\t/ HTTP/1.1",
            "GET /",
            "GET / HTTP/2.0",
            "GET / http/1.1",
            "GET / HTTP/1.10",
            "GET /a b HTTP/1.1",
            "GET /a#b HTTP/1.1",
            "GET /\u{e9} HTTP/1.1",
            "G(T / HTTP/1.1",
            "PRI * HTTP/2.0",
            "",
        ];
        for line in odd {
            let text = format!("{line}\r\nHost: a\r\n\r\n");
            assert!(read(text.as_bytes()).is_err(), "{line:?}");
        }
    }

    #[test]
    fn gwy_035_field_count_and_target_length_are_bounded() {
        assert!(head(&"A: b\r\n".repeat(100)).is_ok());
        assert_eq!(head(&"A: b\r\n".repeat(101)), Err(Fault::HeadTooLarge));
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(8192));
        assert_eq!(read(long.as_bytes()), Err(Fault::TargetTooLong));
    }
}
