//! The secrets to try, each by its number, so that threads can share them
//! without holding them.

/// Words that people use as secrets.
const WORDS: &str = include_str!("words.txt");

/// What people put behind a word.
const TAILS: [&str; 26] = [
    "", "1", "12", "123", "1234", "12345", "123456", "!", "1!", "123!", "@123", "key", "-key",
    "_key", "Key", "secret", "-secret", "_secret", "Secret", "jwt", "-jwt", "_jwt", "2024", "2025",
    "2026", "\n",
];

/// How people write a word.
const STYLES: u64 = 3;

const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const DIGITS: &[u8] = b"0123456789";
const BOTH: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// Every string over an alphabet, up to a length.
struct Range {
    alphabet: &'static [u8],
    longest: u32,
    name: &'static str,
}

const RANGES: [Range; 3] = [
    Range {
        alphabet: DIGITS,
        longest: 6,
        name: "digits, at most six",
    },
    Range {
        alphabet: BOTH,
        longest: 4,
        name: "letters and digits, at most four",
    },
    Range {
        alphabet: LETTERS,
        longest: 5,
        name: "lower-case letters, at most five",
    },
];

/// Words first, then short strings.
pub(super) struct Candidates {
    words: Vec<String>,
    given: usize,
}

impl Candidates {
    pub(super) fn new<'t>(given: &[String], told: impl Iterator<Item = &'t str>) -> Self {
        let mut words = given.to_vec();
        let given = words.len();
        for text in told {
            words.extend(parts(text));
        }
        words.push(String::new());
        words.extend(
            WORDS
                .lines()
                .filter(|line| !line.is_empty())
                .map(str::to_owned),
        );
        Self { words, given }
    }

    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.of_words() + RANGES.iter().map(Range::count).sum::<u64>()
    }

    fn of_words(&self) -> u64 {
        self.words.len() as u64 * STYLES * TAILS.len() as u64
    }

    /// Writes the one of this number.
    pub(super) fn write(&self, index: u64, secret: &mut Vec<u8>) {
        secret.clear();
        let Some(mut rest) = index.checked_sub(self.of_words()) else {
            self.write_word(index, secret);
            return;
        };
        for range in &RANGES {
            match rest.checked_sub(range.count()) {
                None => return range.write(rest, secret),
                Some(next) => rest = next,
            }
        }
    }

    /// The plain words come first, then their variations.
    fn write_word(&self, index: u64, secret: &mut Vec<u8>) {
        let words = self.words.len() as u64;
        let (word, form) = (index % words, index / words);
        let word = &self.words[usize::try_from(word).unwrap_or_default()];
        match form % STYLES {
            0 => secret.extend(word.bytes()),
            1 => {
                secret.extend(word.bytes());
                if let Some(first) = secret.first_mut() {
                    first.make_ascii_uppercase();
                }
            }
            _ => secret.extend(word.bytes().map(|byte| byte.to_ascii_uppercase())),
        }
        let tail = usize::try_from(form / STYLES).unwrap_or_default();
        secret.extend(TAILS[tail % TAILS.len()].bytes());
    }

    /// Where the one of this number comes from.
    pub(super) fn described(&self, index: u64) -> String {
        let Some(mut rest) = index.checked_sub(self.of_words()) else {
            let word = index % self.words.len() as u64;
            return match (word as usize) < self.given {
                true => "it is in the word list that was given".to_owned(),
                false => {
                    "it is a common word, or one that the token tells, or a variation".to_owned()
                }
            };
        };
        for range in &RANGES {
            match rest.checked_sub(range.count()) {
                None => return format!("it is a short string ({})", range.name),
                Some(next) => rest = next,
            }
        }
        String::new()
    }
}

impl Range {
    fn count(&self) -> u64 {
        let size = self.alphabet.len() as u64;
        (1..=self.longest).map(|length| size.pow(length)).sum()
    }

    fn write(&self, mut index: u64, secret: &mut Vec<u8>) {
        let size = self.alphabet.len() as u64;
        let mut length = 1;
        while index >= size.pow(length) {
            index -= size.pow(length);
            length += 1;
        }
        for _ in 0..length {
            secret.push(self.alphabet[usize::try_from(index % size).unwrap_or_default()]);
            index /= size;
        }
    }
}

/// A text, and what is left of it when it is an address.
fn parts(text: &str) -> Vec<String> {
    let host = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    let mut parts = vec![text.to_owned(), host.to_owned()];
    parts.extend(host.split(['.', '-', '_', '@']).map(str::to_owned));
    parts.retain(|part| !part.is_empty());
    parts.dedup();
    parts
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Candidates, RANGES, WORDS};

    #[test]
    fn every_number_is_another_short_string() {
        for range in &RANGES[..2] {
            let mut seen = HashSet::new();
            for index in 0..range.count().min(50_000) {
                let mut secret = Vec::new();
                range.write(index, &mut secret);
                assert!(seen.insert(secret));
            }
        }
    }

    #[test]
    fn the_words_are_there_once_each() {
        let mut seen = HashSet::new();
        for word in WORDS.lines() {
            assert!(seen.insert(word), "{word}");
        }
        assert!(seen.len() > 700, "{}", seen.len());
        let candidates = Candidates::new(&[], ["https://shop.example/x"].into_iter());
        assert!(candidates.count() > 13_000_000);
    }
}
