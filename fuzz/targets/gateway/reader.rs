//! A reader of requests that forgives what old servers forgive: lines that end
//! in a line feed alone, folded lines, blanks before a colon, a coding among
//! others, chunk extensions. Where it and the gateway agree about everything
//! that the gateway lets pass, there is nothing to smuggle.

/// Which of two lengths counts.
#[derive(Clone, Copy)]
pub(crate) enum Prefers {
    Chunked,
    ContentLength,
}

/// A request, as far as it came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) version: String,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    /// None if it did not come whole.
    pub(crate) body: Option<Vec<u8>>,
    /// Where it ends.
    pub(crate) end: Option<usize>,
}

/// Reads the request that begins at `start`; none if its head has no end.
pub(crate) fn read(stream: &[u8], start: usize, prefers: Prefers) -> Option<Read> {
    let mut lines = Lines { stream, at: start };
    let mut first = lines.next()?;
    while first.is_empty() {
        first = lines.next()?;
    }
    let first = String::from_utf8_lossy(first).into_owned();
    let mut parts = first.split_whitespace().map(str::to_owned);
    let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
    loop {
        let line = lines.next()?;
        if line.is_empty() {
            break;
        }
        match (line[0], fields.last_mut()) {
            (b' ' | b'\t', Some((_, value))) => value.extend(line),
            _ => {
                let colon = line.iter().position(|byte| *byte == b':');
                let (name, value) = line.split_at(colon.unwrap_or(line.len()));
                let name = String::from_utf8_lossy(name).trim().to_ascii_lowercase();
                fields.push((name, value.get(1..).unwrap_or_default().to_vec()));
            }
        }
    }
    for (_, value) in &mut fields {
        *value = trimmed(value).to_vec();
    }
    let body = body(&mut lines, &fields, prefers);
    Some(Read {
        method: parts.next().unwrap_or_default(),
        target: parts.next().unwrap_or_default(),
        version: parts.next().unwrap_or_default(),
        fields,
        end: body.is_some().then_some(lines.at),
        body,
    })
}

fn body(lines: &mut Lines<'_>, fields: &[(String, Vec<u8>)], prefers: Prefers) -> Option<Vec<u8>> {
    let text = |name: &str| {
        let (_, value) = fields.iter().rev().find(|(known, _)| known == name)?;
        Some(String::from_utf8_lossy(value).to_ascii_lowercase())
    };
    let is_chunked = text("transfer-encoding").is_some_and(|it| it.contains("chunked"));
    let length = text("content-length").and_then(|it| it.parse::<usize>().ok());
    match (is_chunked, length, prefers) {
        (true, None, _) | (true, _, Prefers::Chunked) => chunks(lines),
        (_, length, _) => lines.take(length.unwrap_or(0)),
    }
}

fn chunks(lines: &mut Lines<'_>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = String::from_utf8_lossy(lines.next()?).into_owned();
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            while !lines.next()?.is_empty() {}
            return Some(body);
        }
        body.extend(lines.take(size)?);
        lines.next()?;
    }
}

fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

struct Lines<'s> {
    stream: &'s [u8],
    at: usize,
}

impl<'s> Lines<'s> {
    fn next(&mut self) -> Option<&'s [u8]> {
        let rest = self.stream.get(self.at..)?;
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        self.at += end + 1;
        let line = &rest[..end];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let bytes = self.stream.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(bytes.to_vec())
    }
}
