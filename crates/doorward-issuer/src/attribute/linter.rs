//! Known kinds of personal data and of secrets, by name and by look.
//!
//! A closed list, in this file and nowhere else: it finds what somebody called
//! by its name, not what somebody hides. Names are taken apart at `_`, `-`, `.`,
//! blanks and at capitals, so that `user_email`, `userEmail` and `E-Mail` are one
//! thing, and compared as words, so that `office_pinboard` is no `pin`. Words that
//! no other word begins or ends with are found inside a longer one, too.
//!
//! The sources: the claims of the scopes `profile`, `email`, `phone` and
//! `address` (OpenID Connect Core 1.0, sections 5.1 and 5.4), national
//! identifiers, payment (PCI DSS), the special categories of article 9 of the
//! GDPR, and what opens something.

mod look;

pub(super) use look::is_unseen;
pub use look::{Look, value};

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
    user_email work_mail home_mail private_mail personal_mail business_mail company_mail \
    user_mail mail_address telephone home_phone work_phone mobile_phone cell_phone \
    phone_no birth_date birth_place mobile_number cell_number fax msisdn address addresses street \
    postal_code postcode zip_code latitude longitude geolocation \
    ssn social_security social_insurance national_id national_identifier \
    national_insurance nino nationality citizenship identity_card id_card passport \
    driver_license drivers_license driving_licence driving_license tax_id taxpayer tin \
    nhs_number aadhaar cpf curp personnummer pesel bsn codice_fiscale steuer_id \
    iban bank_account account_number sort_code credit_card debit_card card_number \
    cardholder cvv cvc salary \
    religion ethnicity ethnic political trade_union sexual_orientation health medical medication diagnosis \
    disability biometric fingerprint genetic";

/// Secrets wherever they stand in a name.
const SECRETS: &str = "\
    password passwd passphrase passcode pwd pin pin_code secret token jwt hash bearer \
    cookie credential api_key access_key private_key signing_key encryption_key \
    master_key session_key ssh_key otp totp recovery_code security_answer \
    connection_string";

/// Also at the beginning and at the end of a longer word: `userpassword`,
/// `passwordhash`, `accesstoken`.
const SECRETS_INSIDE: &str = "\
    password passwd passphrase passcode secret token credential cookie api_key ssh_key";

/// Words that only begin like one of those.
const OTHER_WORDS: [&str; 5] = ["secretar", "secretio", "tokeniz", "tokenise", "tokenisa"];

/// Also at the end of a longer word: `homeaddress`, `dateofbirth`, `workemail`.
const PERSONAL_ENDINGS: &str = "address birth email";

/// Two words that somebody wrote as one are found inside a longer one from here
/// on: `creditcardno`, but not `taxidermy`.
const SHORTEST_COMPOUND: usize = 7;

/// What is longer is no name, and is not looked at.
const LONGEST: usize = 64;

/// What a name says that it holds, if that is on the list.
pub fn name(text: &str) -> Option<Finding> {
    if text.len() > LONGEST {
        return None;
    }
    let name = Name::read(text);
    let first = |list: &'static str, kind, is_meant: &dyn Fn(&str) -> bool| {
        let entry = list.split_whitespace().find(|entry| is_meant(entry));
        entry.map(|word| Finding { word, kind })
    };
    let (secret, personal) = (Kind::Secret, Kind::PersonalData);
    // A secret first: `password_reset_email` is worse than an address.
    first(SECRETS, secret, &|entry| name.has(entry))
        .or_else(|| first(SECRETS_INSIDE, secret, &|entry| name.has_inside(entry)))
        .or_else(|| first(PERSONAL, personal, &|entry| name.has(entry)))
        .or_else(|| first(PERSONAL_ENDINGS, personal, &|entry| name.has_ending(entry)))
        .or_else(|| first(PERSONAL_ALONE, personal, &|entry| name.is(entry)))
}

/// A name, taken apart.
struct Name {
    words: Vec<String>,
    /// Those that follow each other, written as one, and each by itself:
    /// `pass_word` is a password.
    runs: Vec<String>,
}

impl Name {
    fn read(text: &str) -> Self {
        let words = words_of(text);
        let runs = (1..=words.len()).flat_map(|length| words.windows(length));
        let runs = runs.map(<[String]>::concat).collect();
        Self { words, runs }
    }

    /// Whether the words of `entry` follow each other in it, or are written as one
    /// of its words or inside one.
    fn has(&self, entry: &str) -> bool {
        let parts: Vec<&str> = entry.split('_').collect();
        let in_order = |window: &[String]| {
            let mut pairs = window.iter().zip(&parts);
            pairs.all(|(word, part)| is_word(word, part))
        };
        let joined = parts.concat();
        let is_compound = parts.len() > 1 && joined.len() >= SHORTEST_COMPOUND;
        self.words.windows(parts.len()).any(in_order)
            || self.runs.iter().any(|run| is_word(run, &joined))
            || is_compound && self.has_inside(&joined)
    }

    /// Whether one of its words begins or ends with `entry`.
    fn has_inside(&self, entry: &str) -> bool {
        let entry = entry.replace('_', "");
        let is_other = |word: &str| OTHER_WORDS.iter().any(|other| word.starts_with(other));
        let begins = |word: &String| word.starts_with(&entry) && !is_other(word);
        self.words.iter().any(begins) || self.has_ending(&entry)
    }

    /// Whether one of its words ends with `entry`, or with more than one of it.
    fn has_ending(&self, entry: &str) -> bool {
        let ends = |word: &String| singulars(word).any(|word| word.ends_with(entry));
        self.words.iter().any(ends)
    }

    /// Whether it is `entry` and nothing else.
    fn is(&self, entry: &str) -> bool {
        self.words.concat() == entry.replace('_', "")
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

/// Whether it is this word, or more than one of it, or one with a number.
fn is_word(word: &str, entry: &str) -> bool {
    singulars(word).any(|word| word == entry)
}

/// A word without a number behind it, as it is and as it could be one of many.
fn singulars(word: &str) -> impl Iterator<Item = &str> {
    let word = word.trim_end_matches(|last: char| last.is_ascii_digit());
    let hissing = |word: &&str| word.ends_with(['s', 'h', 'x']);
    let of_es = word.strip_suffix("es").filter(hissing);
    [Some(word), word.strip_suffix('s'), of_es]
        .into_iter()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::{
        Kind, LONGEST, PERSONAL, PERSONAL_ALONE, PERSONAL_ENDINGS, SECRETS, SECRETS_INSIDE, name,
    };

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
            "creditcardno",
            "dateofbirth",
            "birthplace",
            "homeaddress",
            "homeaddresses",
            "homephone",
            "workmail",
            "work_mail",
            "workemail",
            "sur_name",
            "medical",
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
            "hashes",
            "userpassword",
            "userpasswords2",
            "pass_word",
            "passwordhash",
            "accesstoken",
            "refreshtoken",
            "apitoken",
            "tokenid",
            "clientsecret",
            "secretkey",
            "sessioncookie",
            "myapikey",
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
            "secretariat",
            "pinboard",
            "taxidermy",
            "headphone",
            "mail_room",
            "mailbox",
            "compass",
            "sec_retention",
            "to_kensington",
            "grades",
        ];
        for text in harmless {
            assert_eq!(name(text), None, "{text}");
        }
    }

    #[test]
    fn every_entry_of_the_list_finds_itself() {
        for entry in [
            PERSONAL,
            PERSONAL_ALONE,
            PERSONAL_ENDINGS,
            SECRETS,
            SECRETS_INSIDE,
        ]
        .iter()
        .flat_map(|list| list.split_whitespace())
        {
            assert!(name(entry).is_some(), "{entry}");
            assert!(name(&entry.to_uppercase()).is_some(), "{entry}");
            assert!(name(&entry.replace('_', "")).is_some(), "{entry}");
        }
    }

    #[test]
    fn what_is_too_long_for_a_name_is_not_looked_at() {
        let long = |length: usize| format!("email_{}", "x".repeat(length - 6));
        assert!(name(&long(LONGEST)).is_some());
        assert_eq!(name(&long(LONGEST + 1)), None);
    }
}
