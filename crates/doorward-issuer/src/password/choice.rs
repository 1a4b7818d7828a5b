//! Which passwords may be chosen (NIST SP 800-63B-4 section 3.1.1.2).
//!
//! At least 15 characters, because the password is the only factor; no rule
//! about kinds of characters. The whole password is held against a block list
//! of common passwords, context words (the user's own name, "doorward") and
//! patterns (repeats, sequences, rows of keys). Because the list's entries are
//! shorter than 15, what is refused is a password that is *made of nothing but*
//! such pieces: "passwordpassword1", "qwertyuiop123456". A word of the list
//! inside an otherwise new password is fine, as NIST asks.
//!
//! The refusal names its reason and never the password.

use super::Password;

/// Shortest password that may be chosen, in characters.
pub const MIN_CHARACTERS: usize = 15;

/// What must be left after everything that anybody would guess is taken out.
const MIN_UNGUESSED: usize = 6;

/// Characters that make a piece of a row or a repeat.
const PIECE: usize = 4;

/// Common passwords, lower case, one a line.
const COMMON: &str = include_str!("common.txt");

const CONTEXT: &[&str] = &["doorward"];

const KEY_ROWS: &[&str] = &[
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qazwsxedcrfvtgbyhnujm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
];

/// A password that was accepted for one account; the only kind that can be
/// hashed.
pub struct NewPassword(Password);

/// Why the password was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeakPassword {
    /// Fewer than [`MIN_CHARACTERS`].
    #[error(
        "too short: a password has at least {MIN_CHARACTERS} characters; a few unrelated words do well"
    )]
    TooShort,
    /// Made of passwords that everybody uses.
    #[error("too common: it is made of passwords that attackers try first")]
    Common,
    /// Made of the user's name or of Doorward's.
    #[error("too close to the account: it is made of the user name or of this service's name")]
    Context,
    /// Made of repeats, sequences or rows of keys.
    #[error("too regular: it is made of repeats, sequences or rows of keys")]
    Pattern,
}

impl NewPassword {
    /// Accepts `password` for the account `username`, or says why not.
    ///
    /// # Errors
    ///
    /// [`WeakPassword`], to be shown to whoever chose it.
    pub fn choose(password: Password, username: &str) -> Result<Self, WeakPassword> {
        if password.as_str().chars().count() < MIN_CHARACTERS {
            return Err(WeakPassword::TooShort);
        }
        let mut text = Guessed::new(password.as_str());
        text.mark_patterns();
        text.enough_left(WeakPassword::Pattern)?;
        let names = username
            .split(|c: char| !c.is_alphanumeric())
            .chain([username]);
        for word in names.chain(CONTEXT.iter().copied()) {
            text.mark_word(word, 3);
        }
        text.enough_left(WeakPassword::Context)?;
        for word in COMMON.lines() {
            text.mark_word(word, 4);
        }
        text.enough_left(WeakPassword::Common)?;
        Ok(Self(password))
    }

    pub(super) fn as_password(&self) -> &Password {
        &self.0
    }
}

/// A password folded as guessers fold it, and which of its characters belong
/// to a piece that anybody would guess.
///
/// The folded copy is wiped when dropped.
struct Guessed {
    /// Lower case, for patterns of digits and keys.
    plain: zeroize::Zeroizing<Vec<char>>,
    /// Also without the usual substitutions, for words.
    folded: zeroize::Zeroizing<Vec<char>>,
    guessed: Vec<bool>,
    /// Whether one of the pieces is a word.
    has_word: bool,
}

impl Guessed {
    fn new(text: &str) -> Self {
        let lower = |c: char| c.to_lowercase().next().unwrap_or(c);
        let plain: Vec<char> = text.chars().map(lower).collect();
        let folded = plain.iter().copied().map(without_substitution).collect();
        let guessed = vec![false; plain.len()];
        Self {
            plain: plain.into(),
            folded: zeroize::Zeroizing::new(folded),
            guessed,
            has_word: false,
        }
    }

    /// Whether enough is left that nobody would guess.
    ///
    /// Around words people pad with digits and punctuation ("password2026!!"),
    /// so beside a word such a character counts for a quarter of a letter.
    fn enough_left(&self, reason: WeakPassword) -> Result<(), WeakPassword> {
        let left = self
            .plain
            .iter()
            .zip(&self.guessed)
            .filter(|(_, guessed)| !**guessed);
        let (letters, others) = left.fold((0, 0), |(letters, others), (c, _)| {
            if c.is_alphabetic() {
                (letters + 1, others)
            } else {
                (letters, others + 1)
            }
        });
        let weight = if self.has_word { 4 } else { 1 };
        if letters + others / weight < MIN_UNGUESSED {
            Err(reason)
        } else {
            Ok(())
        }
    }

    fn mark_word(&mut self, word: &str, shortest: usize) {
        let word: Vec<char> = word
            .to_lowercase()
            .chars()
            .map(without_substitution)
            .collect();
        if word.len() < shortest || word.len() > self.folded.len() {
            return;
        }
        for start in 0..=self.folded.len() - word.len() {
            if self.folded[start..start + word.len()] == word[..] {
                self.guessed[start..start + word.len()].fill(true);
                self.has_word = true;
            }
        }
    }

    /// Repeats of one piece, runs of one character, sequences, rows of keys.
    fn mark_patterns(&mut self) {
        self.mark_repeats();
        self.mark_runs(|a, b| a == b);
        self.mark_runs(|a, b| u32::from(a) + 1 == u32::from(b));
        self.mark_runs(|a, b| u32::from(a) == u32::from(b) + 1);
        for row in KEY_ROWS {
            let forward: Vec<char> = row.chars().collect();
            let backward: Vec<char> = row.chars().rev().collect();
            self.mark_pieces_of(&forward);
            self.mark_pieces_of(&backward);
        }
    }

    /// "abcabcabcabc": what stood there before adds nothing.
    fn mark_repeats(&mut self) {
        for start in 1..self.plain.len().saturating_sub(PIECE - 1) {
            let piece = &self.plain[start..start + PIECE];
            let mut before = self.plain[..start + PIECE - 1].windows(PIECE);
            if before.any(|earlier| earlier == piece) {
                self.guessed[start..start + PIECE].fill(true);
            }
        }
    }

    fn mark_runs(&mut self, follows: impl Fn(char, char) -> bool) {
        let mut start = 0;
        for end in 1..=self.plain.len() {
            let goes_on = end < self.plain.len() && follows(self.plain[end - 1], self.plain[end]);
            if goes_on {
                continue;
            }
            if end - start >= 3 {
                self.guessed[start..end].fill(true);
            }
            start = end;
        }
    }

    fn mark_pieces_of(&mut self, row: &[char]) {
        for start in 0..self.plain.len().saturating_sub(PIECE - 1) {
            let piece = &self.plain[start..start + PIECE];
            if row.windows(PIECE).any(|window| window == piece) {
                self.guessed[start..start + PIECE].fill(true);
            }
        }
    }
}

/// The letter that a substitution stands for.
fn without_substitution(c: char) -> char {
    match c {
        '0' => 'o',
        '1' | '!' | '|' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::{COMMON, NewPassword, Password, WeakPassword};

    fn verdict(text: &str) -> Option<WeakPassword> {
        NewPassword::choose(Password::new(text.to_owned()).unwrap(), "alice.miller").err()
    }

    #[test]
    fn bru_013_weak_choices_are_refused_with_their_reason() {
        let rows = [
            ("", WeakPassword::TooShort),
            ("Tr0ub4dor&3!xy", WeakPassword::TooShort),
            ("passwordpassword", WeakPassword::Common),
            ("password12345678", WeakPassword::Common),
            ("P@ssw0rd!letmein", WeakPassword::Common),
            ("monkeydragon2026!!", WeakPassword::Common),
            ("alicemiller12345", WeakPassword::Context),
            ("Doorward-Doorward1", WeakPassword::Context),
            ("d00rward2026!!!!", WeakPassword::Context),
            ("123456789012345", WeakPassword::Pattern),
            ("aaaaaaaaaaaaaaaa", WeakPassword::Pattern),
            ("qwertyuiopasdfghjkl", WeakPassword::Pattern),
            ("abcdefghijklmnop", WeakPassword::Pattern),
            ("xk9mxk9mxk9mxk9m!", WeakPassword::Pattern),
            ("xk9xk9xk9xk9xk9xk9", WeakPassword::Pattern),
        ];
        for (text, reason) in rows {
            assert_eq!(verdict(text), Some(reason), "{text}");
        }
    }

    #[test]
    fn bru_013_every_common_password_is_refused_alone_and_padded() {
        for word in COMMON.lines() {
            assert!(verdict(word).is_some(), "{word}");
            assert!(
                verdict(&format!("{word}{word}{word}{word}")).is_some(),
                "{word} four times"
            );
            assert!(
                verdict(&format!("{word}!2026!2026!20")).is_some(),
                "{word} padded"
            );
        }
    }

    #[test]
    fn good_choices_pass_whatever_their_characters() {
        let good = [
            "correct horse battery staple",
            "my password is a secret poem",
            "pelican-umbrella-7-voltage",
            "Zw9#kq2!Lm4^Rt8",
            "8317402965518273",
            "дождь идёт весь день",
            "雨の日は家で本を読むのが好きです",
        ];
        for text in good {
            assert_eq!(verdict(text), None, "{text}");
        }
    }

    #[test]
    fn the_list_is_in_its_form() {
        for word in COMMON.lines() {
            assert!(
                word.len() >= 4 && word == word.trim() && word == word.to_lowercase(),
                "{word:?}"
            );
        }
    }
}
