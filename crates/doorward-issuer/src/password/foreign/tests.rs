//! Hashes that others made (`tests/foreign_hashes`, where it is said how), and
//! hashes that are refused.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use argon2::Block;
use serde_json::Value;

use super::super::{Password, PasswordHash, PasswordHashError};

const HASHES: &str = include_str!("../../../tests/foreign_hashes/hashes.jsonl");
const PASSWORD: &str = "grüne Wiese, blauer Himmel";

fn matches(hash: &PasswordHash, text: &str) -> bool {
    let password = Password::new(text.to_owned()).unwrap();
    let mut arena = vec![Block::default(); 32 * 1024];
    hash.matches(&password, &mut arena).unwrap()
}

#[test]
fn what_others_made_is_checked_as_they_check_it() {
    for line in HASHES.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let text = line["password_hash"].as_str().unwrap();
        let name = line["username"].as_str().unwrap();
        let hash = PasswordHash::import(text).unwrap();
        assert!(
            name.starts_with(hash.kind().trim_end_matches("id")),
            "{name}"
        );
        assert!(matches(&hash, PASSWORD), "{name}");
        assert!(!matches(&hash, &PASSWORD.replace('ü', "u")), "{name}");
        assert!(!matches(&hash, ""), "{name}");
        let again = PasswordHash::parse(&hash.to_text()).unwrap();
        assert_eq!(again.to_text(), hash.to_text(), "{name}");
    }
    assert_eq!(HASHES.lines().count(), 19);
}

/// DOS-001: an import must not plant hashes that stop the machine.
#[test]
fn dos_001_what_costs_too_much_to_check_is_refused() {
    let (salt, result) = (
        "c2FsdHNhbHRzYWx0c2FsdA",
        "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    );
    let bcrypt = "XQzaJdbqv1RsoFplE5DwVuu16olnF6huqpHzplW1NSgUxVlT3ub62";
    let too_dear = [
        format!("$2b$15${bcrypt}"),
        format!("$2b$31${bcrypt}"),
        format!("$2b$03${bcrypt}"),
        format!("$scrypt$ln=18,r=8,p=1${salt}${result}"),
        format!("$scrypt$ln=17,r=8,p=2${salt}${result}"),
        format!("$scrypt$ln=4294967295,r=8,p=1${salt}${result}"),
        format!("$scrypt$ln=14,r=4294967295,p=4294967295${salt}${result}"),
        format!("$scrypt$ln=14,r=0,p=1${salt}${result}"),
        format!("$scrypt$ln=0,r=8,p=1${salt}${result}"),
        format!("scrypt:1048576:8:1$saltsalt${}", "ab".repeat(32)),
        format!("scrypt$262144$saltsalt$8$1${result}="),
        format!("$pbkdf2-sha256$i=2000001${salt}${result}"),
        format!("$pbkdf2-sha256$4294967295${salt}${result}"),
        format!("$pbkdf2-sha256$0${salt}${result}"),
        format!("pbkdf2:sha1:9000000$saltsalt${}", "ab".repeat(20)),
        format!("$argon2i$v=19$m=131073,t=1,p=1${salt}${result}"),
    ];
    for text in too_dear {
        let refused = PasswordHash::parse(&text).err();
        assert!(
            matches!(refused, Some(PasswordHashError::OutOfBounds(_))),
            "{text}: {refused:?}"
        );
    }
}

#[test]
fn what_is_too_weak_is_refused_where_it_comes_from() {
    let (salt, result) = (
        "c2FsdHNhbHRzYWx0c2FsdA",
        "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    );
    let bcrypt = "XQzaJdbqv1RsoFplE5DwVuu16olnF6huqpHzplW1NSgUxVlT3ub62";
    let too_weak = [
        format!("$2b$07${bcrypt}"),
        format!("$scrypt$ln=12,r=8,p=4${salt}${result}"),
        format!("$pbkdf2-sha256$i=9999${salt}${result}"),
        format!("$argon2id$v=19$m=4096,t=1,p=1${salt}${result}"),
    ];
    for text in too_weak {
        let refused = PasswordHash::import(&text).err();
        assert!(
            matches!(refused, Some(PasswordHashError::TooWeak(_))),
            "{text}"
        );
        assert!(PasswordHash::parse(&text).is_ok(), "{text}");
    }
}

#[test]
fn what_is_no_hash_is_refused() {
    let (salt, result) = (
        "c2FsdHNhbHRzYWx0c2FsdA",
        "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
    );
    let bcrypt = "XQzaJdbqv1RsoFplE5DwVuu16olnF6huqpHzplW1NSgUxVlT3ub62";
    let good = format!("$2b$08${bcrypt}");
    let bad = [
        String::new(),
        "$".to_owned(),
        "a password in clear".to_owned(),
        "$1$salt$qJH7.N4xYta3aEG/dfqo/0".to_owned(),
        "5f4dcc3b5aa765d61d8327deb882cf99".to_owned(),
        "{SSHA}nU0ZP3wG4yqH0cWb2vR4Sg==".to_owned(),
        good.replace("$2b", "$2x"),
        good.replace("$08", "$+8"),
        good.replace("$08", "$ 8"),
        good.replace('Q', "é"),
        format!("{good}x"),
        good[..59].to_owned(),
        // The last character carries bits that are not of the result.
        format!("{}3", &good[..59]),
        format!("$scrypt$ln=14,p=1,r=8${salt}${result}"),
        format!("$scrypt$ln=14,r=8${salt}${result}"),
        format!("$scrypt$ln=14,r=8,p=1${salt}"),
        format!("$scrypt$ln=14,r=8,p=1${salt}${}", &result[..10]),
        format!("scrypt:16383:8:1$saltsalt${}", "ab".repeat(32)),
        format!("scrypt:16384:8:1$saltsalt${}", "aB".repeat(32)),
        format!("scrypt:16384:8:1$saltsalt${}a", "ab".repeat(32)),
        format!("scrypt:16384:8:1$salt${}", "ab".repeat(32)),
        // More than the digest gives would cost twice.
        format!("pbkdf2:sha1:20000$saltsalt${}", "ab".repeat(32)),
        format!("pbkdf2:md5:20000$saltsalt${}", "ab".repeat(16)),
        format!("$pbkdf2-sha256$i=20000,l=16${salt}${result}"),
        format!("$pbkdf2-sha256$i=020000${salt}${result}"),
        format!("$pbkdf2-sha256$i=20000${salt}${result}$"),
        format!("$pbkdf2-sha256$i=20000${salt}${}", "A".repeat(600)),
    ];
    for text in bad {
        let refused = PasswordHash::import(&text).err();
        assert_eq!(refused, Some(PasswordHashError::Malformed), "{text}");
    }
}

/// bcrypt reads 72 bytes: so it was where the hash comes from. No other hash is
/// made of a longer password, since nobody looked at its end.
#[test]
fn bru_012_bcrypt_reads_the_first_72_bytes() {
    let text = bcrypt::hash_with_salt("x".repeat(80), 4, [7; 16])
        .unwrap()
        .to_string();
    let hash = PasswordHash::parse(&text).unwrap();
    assert!(matches(&hash, &"x".repeat(72)));
    assert!(!matches(&hash, &"x".repeat(71)));
    let covers = |password: &str| hash.covers(&Password::new(password.to_owned()).unwrap());
    assert!(covers(&"x".repeat(72)));
    assert!(!covers(&"x".repeat(73)) && !covers("x\0x"));
}

/// A salt that is text may not be every text: PostgreSQL stores no NUL.
#[test]
fn what_is_no_visible_text_is_refused() {
    let (hex, base64) = (
        "ab".repeat(32),
        "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4=",
    );
    let forms = |salt: &str| {
        [
            format!("scrypt:32768:8:1${salt}${hex}"),
            format!("scrypt$16384${salt}$8$1${base64}"),
            format!("pbkdf2:sha256:600000${salt}${hex}"),
            format!("pbkdf2_sha256$600000${salt}${base64}"),
        ]
    };
    for text in forms("saltsalt") {
        assert!(PasswordHash::import(&text).is_ok(), "{text}");
    }
    for wrong in [
        "salt\0salt",
        "salt\nsalt",
        "salt salt",
        "salt\u{7f}salt",
        "salt\u{1b}[0m",
    ] {
        for text in forms(wrong) {
            let refused = PasswordHash::import(&text).err();
            assert!(
                matches!(refused, Some(PasswordHashError::Malformed)),
                "{text:?}"
            );
        }
    }
}
