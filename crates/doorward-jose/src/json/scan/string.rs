//! Strings: eight bytes at a time while they are printable ASCII, one
//! character at a time from the first that is not.

use super::{Refused, Scanner, Span, Text};

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGH_BITS: u64 = ONES << 7;

impl Scanner<'_> {
    /// Reads the string that is next.
    #[inline]
    pub(crate) fn string(&mut self) -> Result<Text, Refused> {
        self.take(b'"')?;
        let start = self.at;
        self.skip_printable();
        if self.peek() != b'"' {
            return self.unusual_string(start);
        }
        let span = Span::new(start, self.at)?;
        self.at += 1;
        Ok(Text {
            span,
            is_plain: true,
        })
    }

    /// Moves to the first byte that is not printable ASCII, or is a quote or
    /// a backslash.
    #[inline]
    fn skip_printable(&mut self) {
        while let Some(eight) = self.bytes.get(self.at..self.at + 8) {
            let mut word = [0; 8];
            word.copy_from_slice(eight);
            let stops = stops(u64::from_le_bytes(word));
            if stops != 0 {
                self.at += (stops.trailing_zeros() / 8) as usize;
                return;
            }
            self.at += 8;
        }
    }

    /// The rest of a string with other than printable ASCII in it.
    #[cold]
    fn unusual_string(&mut self, start: usize) -> Result<Text, Refused> {
        let kept = self.buffers.unescaped.len();
        let mut copied = start;
        loop {
            match self.peek() {
                b'"' => break,
                b'\\' => {
                    let plain = self.text.get(copied..self.at).ok_or(Refused)?;
                    self.buffers.unescaped.push_str(plain);
                    let character = self.escape()?;
                    self.buffers.unescaped.push(character);
                    copied = self.at;
                }
                // Controls must be escaped; zero is also the end of the text.
                0..0x20 => return Err(Refused),
                _ => self.at += 1,
            }
        }
        let span = if copied == start {
            Span::new(start, self.at)?
        } else {
            let plain = self.text.get(copied..self.at).ok_or(Refused)?;
            self.buffers.unescaped.push_str(plain);
            Span::unescaped(kept, self.buffers.unescaped.len())?
        };
        self.at += 1;
        Ok(Text {
            span,
            is_plain: false,
        })
    }

    /// Reads an escape, backslash included (RFC 8259 section 7).
    fn escape(&mut self) -> Result<char, Refused> {
        self.at += 1;
        let letter = self.peek();
        self.at += 1;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.code_point(),
            _ => return Err(Refused),
        })
    }

    /// A surrogate without its other half is refused.
    fn code_point(&mut self) -> Result<char, Refused> {
        let first = self.four_digits()?;
        let code = match first {
            0xd800..0xdc00 => {
                if !self.rest().starts_with(b"\\u") {
                    return Err(Refused);
                }
                self.at += 2;
                let second @ 0xdc00..0xe000 = self.four_digits()? else {
                    return Err(Refused);
                };
                0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            _ => first,
        };
        char::from_u32(code).ok_or(Refused)
    }

    fn four_digits(&mut self) -> Result<u32, Refused> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = char::from(self.peek()).to_digit(16).ok_or(Refused)?;
            value = value << 4 | digit;
            self.at += 1;
        }
        Ok(value)
    }
}

/// Sets the high bit of the lowest byte that is a control, `"`, `\`, DEL or not
/// ASCII; of higher bytes it may set too many. Zero if there is none.
///
/// Sums and differences carry only out of a byte that is itself a hit, so
/// nothing below the first hit is touched; and a byte that is not ASCII is a
/// hit by its own high bit, whatever the others say.
#[inline]
const fn stops(word: u64) -> u64 {
    let controls = word.wrapping_sub(ONES * 0x20);
    let quotes = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslashes = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    let deletes = word.wrapping_add(ONES);
    (controls | quotes | backslashes | deletes | word) & HIGH_BITS
}

#[cfg(test)]
mod tests {
    use super::stops;

    #[test]
    fn the_first_stop_is_found_whatever_stands_around_it() {
        for byte in 0..=u8::MAX {
            let is_stop = !matches!(byte, 0x20..0x7f) || matches!(byte, b'"' | b'\\');
            for around in [b' ', b'!', b'#', b'[', b']', b'a', b'~'] {
                for at in 0..8 {
                    let mut eight = [around; 8];
                    eight[at] = byte;
                    let found = stops(u64::from_le_bytes(eight));
                    assert_eq!(found != 0, is_stop, "{byte:#x} among {around:#x}");
                    assert!(!is_stop || found.trailing_zeros() as usize / 8 == at);
                    eight[7] = b'"';
                    let found = stops(u64::from_le_bytes(eight));
                    let first = if is_stop { at } else { 7 };
                    assert_eq!(found.trailing_zeros() as usize / 8, first);
                }
            }
        }
    }
}
