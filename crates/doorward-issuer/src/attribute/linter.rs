//! Known kinds of personal data and of secrets, by name and by look.
//!
//! A closed list, in this file and nowhere else: it finds what somebody called
//! by its name, not what somebody hides. Names are taken apart at `_`, `-`, `.`,
//! blanks and at capitals, so that `user_email`, `userEmail` and `E-Mail` are one
//! thing, and compared as words, so that `secretary` is not `secret`.
//!
//! The sources: the claims of the scopes `profile`, `email`, `phone` and
//! `address` (OpenID Connect Core 1.0, sections 5.1 and 5.4), national
//! identifiers, payment (PCI DSS), the special categories of article 9 of the
//! GDPR, and what opens something.

use doorward_verify::credential::UnverifiedCredential;

/// What a name says that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The entry of the list.
    pub word: &'static str,
    /// What it is.
    pub kind: Kind,
}

/// Why something is on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It says who somebody is, or how they are.
    PersonalData,
    /// It opens something.
    Secret,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::PersonalData => "personal data",
            Self::Secret => "a secret",
        })
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (`{}`)", self.kind, self.word)
    }
}

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

/// Personal data as the whole of a name; as a part of one these words mean much
/// else (`team_name`, `risk_profile`).
const PERSONAL_ALONE: &str = "\
    name profile website zoneinfo locale updated_at age mobile race mail contact sin pan";

/// Personal data wherever it stands in a name: OpenID Connect Core 5.1 and how
/// others call the same, national identifiers, payment, article 9 of the GDPR.
const PERSONAL: &str = "\
    given_name family_name middle_name first_name last_name full_name real_name \
    legal_name maiden_name birth_name display_name user_name preferred_username \
    login_name nickname nick_name surname forename picture photo avatar email e_mail \
    gender sex pronoun birthdate birthday birth dob phone phone_number email_address \
    user_email telephone mobile_number cell_number fax msisdn address addresses street \
    postal_code postcode zip_code latitude longitude geolocation \
    ssn social_security social_insurance national_id national_identifier \
    national_insurance nino nationality citizenship identity_card id_card passport \
    driver_license drivers_license driving_licence driving_license tax_id taxpayer tin \
    nhs_number aadhaar cpf curp personnummer pesel bsn codice_fiscale steuer_id \
    iban bank_account account_number sort_code credit_card debit_card card_number \
    cardholder cvv cvc salary \
    religion ethnicity ethnic political trade_union sexual_orientation health diagnosis \
    disability biometric fingerprint genetic";

/// Secrets wherever they stand in a name.
const SECRETS: &str = "\
    password passwd passphrase passcode pwd pin pin_code secret token jwt hash bearer \
    cookie credential api_key access_key private_key signing_key encryption_key \
    master_key session_key ssh_key otp totp recovery_code security_answer \
    connection_string";

/// What tokens, keys and hashes of passwords begin with.
const CREDENTIALS: &str = "\
    -----BEGIN $2a$ $2b$ $2y$ $argon2 $scrypt$ $pbkdf2 AKIA AIza ghp_ gho_ ghs_ \
    github_pat_ glpat- sk_live_ rk_live_ sk-ant- sk-proj- xoxb- xoxp- AGE-SECRET-KEY-";

/// Below, it is a word that begins like one.
const SHORTEST_CREDENTIAL: usize = 16;

/// What a name says that it holds, if that is on the list.
pub fn name(text: &str) -> Option<Finding> {
    let words = words_of(text);
    let found = |list: &'static str, kind| {
        let mut entries = list.split_whitespace();
        let entry = entries.find(|entry| is_part(entry, &words));
        entry.map(|word| Finding { word, kind })
    };
    let mut whole = PERSONAL_ALONE.split_whitespace();
    let alone = whole.find(|entry| is_whole(entry, &words));
    let alone = alone.map(|word| Finding {
        word,
        kind: Kind::PersonalData,
    });
    // A secret first: `password_reset_email` is worse than an address.
    found(SECRETS, Kind::Secret)
        .or_else(|| found(PERSONAL, Kind::PersonalData))
        .or(alone)
}

/// What a value looks like, if that is on the list.
pub fn value(text: &str) -> Option<Look> {
    if text.split(is_between).any(is_email_address) {
        Some(Look::EmailAddress)
    } else if is_card_number(text) {
        Some(Look::CardNumber)
    } else if is_credential(text.trim()) {
        Some(Look::Credential)
    } else {
        None
    }
}

/// The words of a name, in lower case.
fn words_of(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for letter in text.chars() {
        let begins = letter.is_uppercase() && was_lower;
        if begins || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        was_lower = letter.is_lowercase() || letter.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether the words of `entry` follow each other in `words`, or are written as
/// one of them.
fn is_part(entry: &str, words: &[String]) -> bool {
    let parts: Vec<&str> = entry.split('_').collect();
    let in_order = |window: &[String]| {
        let mut pairs = window.iter().zip(&parts);
        pairs.all(|(word, part)| is_word(word, part))
    };
    let joined = parts.concat();
    words.windows(parts.len()).any(in_order) || words.iter().any(|word| is_word(word, &joined))
}

fn is_whole(entry: &str, words: &[String]) -> bool {
    words.concat() == entry.replace('_', "")
}

/// Whether it is this word, or more than one of it, or one with a number.
fn is_word(word: &str, entry: &str) -> bool {
    let word = word.trim_end_matches(|last: char| last.is_ascii_digit());
    word == entry || word.strip_suffix('s') == Some(entry)
}

fn is_between(letter: char) -> bool {
    letter.is_whitespace() || ",;<>()[]\"'".contains(letter)
}

fn is_email_address(text: &str) -> bool {
    let text = text.strip_prefix("mailto:").unwrap_or(text);
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let top = domain.rsplit_once('.');
    let is_top = |(before, top): (&str, &str)| {
        !before.is_empty() && top.len() > 1 && top.chars().all(char::is_alphabetic)
    };
    !local.is_empty() && top.is_some_and(is_top)
}

/// The check digit of ISO/IEC 7812 (Luhn), over digits that may be in groups.
fn is_card_number(text: &str) -> bool {
    let grouped = |letter: char| letter.is_ascii_digit() || letter == ' ' || letter == '-';
    if !text.chars().all(grouped) {
        return false;
    }
    let digits: Vec<u32> = text
        .chars()
        .filter_map(|digit| digit.to_digit(10))
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

fn is_credential(text: &str) -> bool {
    let is_long = text.len() >= SHORTEST_CREDENTIAL;
    let parts = text.split('.').count();
    let is_jose = text.starts_with("eyJ") && (parts == 3 || parts == 5);
    is_jose
        || is_long
            && CREDENTIALS
                .split_whitespace()
                .any(|it| text.starts_with(it))
        || UnverifiedCredential::parse(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::{Kind, Look, PERSONAL, PERSONAL_ALONE, SECRETS, name, value};

    /// Section 5.1 of OpenID Connect Core, but for `sub`, which is an id.
    const OPENID: [&str; 19] = [
        "name",
        "given_name",
        "family_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "profile",
        "picture",
        "website",
        "email",
        "email_verified",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
        "phone_number",
        "phone_number_verified",
        "address",
        "updated_at",
    ];

    #[test]
    fn lnt_004_personal_data_is_found_by_name_however_it_is_written() {
        let spellings = [
            "user_email",
            "userEmail",
            "user-email",
            "UserEmail",
            "E-Mail",
            "emails",
            "email2",
            "work.email",
            "phone",
            "phoneNumber",
            "phonenumber",
            "firstName",
            "firstname",
            "SSN",
            "home_address",
            "dateOfBirth",
            "iban",
            "creditCard",
            "creditcard_no",
        ];
        for text in OPENID.iter().chain(&spellings) {
            let found = name(text);
            assert!(
                found.is_some_and(|it| it.kind == Kind::PersonalData),
                "{text}: {found:?}"
            );
        }
    }

    #[test]
    fn lnt_004_secrets_are_found_by_name_however_they_are_written() {
        let spellings = [
            "password",
            "userPassword",
            "password_hash",
            "apiKey",
            "apikey",
            "api-keys",
            "API_KEY",
            "privateKey",
            "client_secret",
            "token",
            "refreshToken",
            "pin",
        ];
        for text in spellings {
            let found = name(text);
            assert!(
                found.is_some_and(|it| it.kind == Kind::Secret),
                "{text}: {found:?}"
            );
        }
    }

    #[test]
    fn what_only_looks_like_one_is_no_finding() {
        let harmless = [
            "department",
            "team_name",
            "tenant_name",
            "secretary",
            "level",
            "cost_center",
            "risk_profile",
            "office",
            "shift",
            "pinned",
            "clearance",
            "mobile_app",
            "plan",
            "region",
            "keyboard",
            "tokenizer",
            "addressable",
            "female_only",
            "age_group",
            "",
            "race_id",
            "emailing",
        ];
        for text in harmless {
            assert_eq!(name(text), None, "{text}");
        }
    }

    #[test]
    fn every_entry_of_the_list_finds_itself() {
        for entry in [PERSONAL, PERSONAL_ALONE, SECRETS]
            .iter()
            .flat_map(|list| list.split_whitespace())
        {
            assert!(name(entry).is_some(), "{entry}");
            assert!(name(&entry.to_uppercase()).is_some(), "{entry}");
            assert!(name(&entry.replace('_', "")).is_some(), "{entry}");
        }
    }

    #[test]
    fn lnt_004_values_are_known_by_their_look() {
        let seen = [
            ("alice@example.org", Look::EmailAddress),
            ("Alice <alice@mail.example.org>, Bob", Look::EmailAddress),
            ("mailto:a@b.io", Look::EmailAddress),
            ("4111111111111111", Look::CardNumber),
            ("4111 1111 1111 1111", Look::CardNumber),
            ("3782-822463-10005", Look::CardNumber),
            ("eyJhbGciOiJub25lIn0.e30.", Look::Credential),
            ("-----BEGIN PRIVATE KEY-----", Look::Credential),
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
            "@.x",
        ];
        for text in harmless {
            assert_eq!(value(text), None, "{text}");
        }
    }
}
