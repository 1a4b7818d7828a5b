//! The lines of a file, one at a time, however long they are.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader},
};

use aws_lc_rs::digest::{Context, SHA256};
use doorward_issuer::{hexadecimal::hex, user_record::MAX_LINE};

/// Reads a file line by line and digests it on the way. Of a line that is too
/// long no more is kept than shows that it is.
pub(super) struct Lines {
    reader: BufReader<File>,
    digest: Context,
    number: u64,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn of(file: File) -> Self {
        Self {
            reader: BufReader::with_capacity(256 * 1024, file),
            digest: Context::new(&SHA256),
            number: 0,
            line: Vec::new(),
        }
    }

    /// The next line that is not blank, and its number.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        while self.read()? {
            self.number += 1;
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some((self.number, &self.line)));
            }
        }
        Ok(None)
    }

    /// SHA-256 of what was read, in hexadecimal.
    pub(super) fn sha256(self) -> String {
        hex(self.digest.finish().as_ref())
    }

    /// `false` at the end of the file.
    fn read(&mut self) -> io::Result<bool> {
        self.line.clear();
        let mut is_there = false;
        loop {
            let part = self.reader.fill_buf()?;
            if part.is_empty() {
                return Ok(is_there);
            }
            is_there = true;
            let end = part.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(part.len(), |end| end + 1);
            let room = (MAX_LINE + 1).saturating_sub(self.line.len());
            let kept = end.unwrap_or(part.len()).min(room);
            self.line.extend_from_slice(&part[..kept]);
            self.digest.update(&part[..taken]);
            self.reader.consume(taken);
            if end.is_some() {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::{fs::File, io::Write as _};

    use super::{Lines, MAX_LINE};

    fn lines(content: &[u8]) -> (Vec<(u64, usize)>, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        File::create(&path).unwrap().write_all(content).unwrap();
        let mut lines = Lines::of(File::open(path).unwrap());
        let mut found = Vec::new();
        while let Some((number, line)) = lines.next().unwrap() {
            found.push((number, line.len()));
        }
        (found, lines.sha256())
    }

    #[test]
    fn lines_are_counted_as_editors_count_them() {
        let (found, digest) = lines(b"abc\n\n \t\r\nde\r\nf");
        assert_eq!(found, [(1, 3), (4, 3), (5, 1)]);
        let of_it = "ab4f245619b6046a449d971f1218ebfe7739c4e778967a661a6f877e89d32a11";
        assert_eq!(digest, of_it);
        assert_eq!(lines(b"").0, []);
        assert_eq!(lines(b"\n").0, []);
    }

    #[test]
    fn dos_001_of_a_line_without_end_little_is_kept() {
        let mut content = vec![b'x'; 5 * MAX_LINE];
        content.extend_from_slice(b"\nshort\n");
        assert_eq!(lines(&content).0, [(1, MAX_LINE + 1), (2, 5)]);
    }
}
