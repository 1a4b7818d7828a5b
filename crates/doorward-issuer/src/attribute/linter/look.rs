//! Personal data and secrets by the look of a value.

use doorward_verify::credential::UnverifiedCredential;

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// `somebody@example.org`, alone or in a text.
    EmailAddress,
    /// 13 to 19 digits whose check digit is right (ISO/IEC 7812).
    CardNumber,
    /// A token, a key, or the hash of a password.
    Credential,
}

impl std::fmt::Display for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::EmailAddress => "an e-mail address",
            Self::CardNumber => "a card number",
            Self::Credential => "a token, a key or a password hash",
        })
    }
}

/// What tokens, keys and hashes of passwords begin with.
const CREDENTIALS: &str = "\
    $2a$ $2b$ $2y$ $argon2 $scrypt$ $pbkdf2 AKIA AIza ghp_ gho_ ghs_ \
    github_pat_ glpat- sk_live_ rk_live_ sk-ant- sk-proj- xoxb- xoxp- AGE-SECRET-KEY-";

/// Below, it is a word that begins like one.
const SHORTEST_CREDENTIAL: usize = 16;

/// Most groups that the number of a card is written in.
const CARD_GROUPS: usize = 5;

/// What a value looks like, if that is on the list.
pub fn value(text: &str) -> Option<Look> {
    let text: String = text.chars().map(usual).collect();
    if has_email_address(&text) {
        Some(Look::EmailAddress)
    } else if has_card_number(&text) {
        Some(Look::CardNumber)
    } else if has_credential(&text) {
        Some(Look::Credential)
    } else {
        None
    }
}

/// Whether it is a control character, or one that is not seen and changes how
/// others are: Unicode's classes Cc, Cf, Zl and Zp.
pub(in super::super) fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0001}'
                | '\u{e0020}'..='\u{e007f}'
        )
}

/// Full-width forms as the ASCII that they look like, every blank as a blank and
/// every dash as a hyphen.
fn usual(letter: char) -> char {
    match letter {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(letter) - 0xfee0).unwrap_or(letter),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        letter if letter.is_whitespace() => ' ',
        letter => letter,
    }
}

fn has_email_address(text: &str) -> bool {
    let sides: Vec<&str> = text.split('@').collect();
    let is_address = |sides: &[&str]| match sides {
        [before, after] => {
            let is_local = |last: char| last != ' ' && !",;<>()[]".contains(last);
            before.chars().next_back().is_some_and(is_local) && begins_with_domain(after)
        }
        _ => false,
    };
    sides.windows(2).any(is_address)
}

/// A domain, and behind it whatever cannot be of one.
fn begins_with_domain(text: &str) -> bool {
    let is_beyond = |letter: char| !letter.is_alphanumeric() && letter != '-' && letter != '.';
    let domain = text.split(is_beyond).next().unwrap_or_default();
    let is_top = |(before, top): (&str, &str)| {
        let is_word = top.len() > 1 && top.chars().all(char::is_alphabetic);
        !before.is_empty() && (is_word || top.starts_with("xn--"))
    };
    let domain = domain.trim_matches(['.', '-']);
    domain.rsplit_once('.').is_some_and(is_top)
}

/// Alone in any groups, and in a text as cards show it.
fn has_card_number(text: &str) -> bool {
    let is_beyond = |letter: char| !letter.is_ascii_digit() && !" -.".contains(letter);
    let has = |run: &str| {
        let groups: Vec<&str> = run
            .split([' ', '-', '.'])
            .filter(|group| !group.is_empty())
            .collect();
        let several = (1..=CARD_GROUPS).flat_map(|count| groups.windows(count));
        is_card_number(&groups) && run.len() == text.len()
            || several.filter(|it| are_of_card(it)).any(is_card_number)
    };
    text.split(is_beyond).any(has)
}

/// Four to six digits each, and the last may be short; or all in one. So the
/// days and hours of a text are not taken for one.
fn are_of_card(groups: &[&str]) -> bool {
    match groups {
        [_] => true,
        [first @ .., last] => {
            let is_full = |group: &&str| (4..=6).contains(&group.len());
            first.iter().all(is_full) && last.len() <= 6
        }
        [] => false,
    }
}

/// The check digit of ISO/IEC 7812 (Luhn).
fn is_card_number(groups: &[&str]) -> bool {
    let digits: Vec<u32> = groups
        .iter()
        .flat_map(|group| group.chars().filter_map(|digit| digit.to_digit(10)))
        .collect();
    let weighed = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(n, digit)| match n % 2 {
            0 => *digit,
            _ => digit * 2 / 10 + digit * 2 % 10,
        });
    (13..=19).contains(&digits.len()) && weighed.sum::<u32>() % 10 == 0
}

/// Alone, or as one of the pieces of a text.
fn has_credential(text: &str) -> bool {
    let is_between = |letter: char| " ,;<>()[]\"'=:|".contains(letter);
    text.contains("-----BEGIN ")
        || is_credential(text.trim())
        || text.split(is_between).any(is_credential)
}

fn is_credential(text: &str) -> bool {
    let is_long = text.len() >= SHORTEST_CREDENTIAL;
    let mut beginnings = CREDENTIALS.split_whitespace();
    let is_jose = text.starts_with("eyJ") && text.split('.').count() >= 3;
    is_jose
        || is_long && beginnings.any(|it| text.starts_with(it))
        || UnverifiedCredential::parse(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::{Look, is_unseen, value};

    #[test]
    fn lnt_004_values_are_known_by_their_look() {
        let seen = [
            ("alice@example.org", Look::EmailAddress),
            ("Alice <alice@mail.example.org>, Bob", Look::EmailAddress),
            ("mailto:a@b.io", Look::EmailAddress),
            ("alice@example.org.", Look::EmailAddress),
            ("alice@example.org!", Look::EmailAddress),
            ("ask alice@example.org: she knows", Look::EmailAddress),
            ("a@b.org|c", Look::EmailAddress),
            ("a@b@example.org", Look::EmailAddress),
            ("alice@example.xn--p1ai", Look::EmailAddress),
            ("alice＠example．org", Look::EmailAddress),
            ("4111111111111111", Look::CardNumber),
            ("4111 1111 1111 1111", Look::CardNumber),
            ("3782-822463-10005", Look::CardNumber),
            ("card 4111111111111111", Look::CardNumber),
            ("card: 4111 1111 1111 1111, 12/27", Look::CardNumber),
            ("4111.1111.1111.1111", Look::CardNumber),
            ("4111\u{a0}1111\u{202f}1111\u{2011}1111", Look::CardNumber),
            ("４１１１１１１１１１１１１１１１", Look::CardNumber),
            ("41 11 11 11 11 11 11 11", Look::CardNumber),
            ("eyJhbGciOiJub25lIn0.e30.", Look::Credential),
            ("Bearer eyJhbGciOiJub25lIn0.e30.sig", Look::Credential),
            (
                "authorization=eyJhbGciOiJub25lIn0.e30.sig.",
                Look::Credential,
            ),
            ("-----BEGIN PRIVATE KEY-----", Look::Credential),
            ("key: -----BEGIN PRIVATE KEY-----", Look::Credential),
            ("$2b$12$abcdefghijk", Look::Credential),
            ("AKIAIOSFODNN7EXAMPLE", Look::Credential),
        ];
        for (text, look) in seen {
            assert_eq!(value(text), Some(look), "{text}");
        }
        let harmless = [
            "sales",
            "4111111111111112",
            "411111111111",
            "@home",
            "a@b",
            "user@localhost",
            "eyJ",
            "2026-11-22",
            "room 12.4",
            "a.b.c",
            "",
            "100%",
            "from 2026-11-22 to 2026-12-24",
            "+49 30 1234567, extension 12",
            "550e8400-e29b-41d4-a716-446655440000",
            "see you @ example.org",
            "@.x",
        ];
        for text in harmless {
            assert_eq!(value(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_seen_is_known() {
        for letter in [
            '\0', '\n', '\u{7f}', '\u{200b}', '\u{202e}', '\u{2066}', '\u{feff}',
        ] {
            assert!(is_unseen(letter), "{letter:?}");
        }
        for letter in [' ', 'a', '\u{a0}', '\u{301}', 'é', '字', '🙂'] {
            assert!(!is_unseen(letter), "{letter:?}");
        }
    }
}
