#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use doorward_policy::role::{RoleName, RoleSpec, Roles};
use doorward_verify::clock::Timestamp;

use super::{ImportedUser, MAX_LINE};

const NOW: Timestamp = Timestamp::from_millis(1_795_219_200_000);

fn read(line: &str) -> Result<ImportedUser, Vec<String>> {
    let reader = RoleSpec {
        name: RoleName::parse("reader").unwrap(),
        inherits: Vec::new(),
        permissions: Vec::new(),
    };
    let roles = Roles::build(vec![reader]).unwrap();
    let read = ImportedUser::read(line.as_bytes(), &roles, NOW);
    read.map_err(|problems| problems.into_iter().map(|it| it.message).collect())
}

#[test]
fn a_name_is_enough() {
    let user = read(r#"{"username":"Alice@Example.org"}"#).unwrap();
    assert_eq!(user.username().as_str(), "alice@example.org");
    assert_eq!(user.home_tenant.as_str(), "default");
    assert!(user.id().is_none() && user.hash_kind().is_none() && user.grants.is_empty());
}

#[test]
fn roles_are_counted_once_and_by_tenant() {
    let user = read(
        r#"{"username":"a","tenant":"acme","roles":["reader","reader"],
            "roles_elsewhere":[{"tenant":"globex","roles":["reader"]}]}"#,
    )
    .unwrap();
    let grants = user.grants.iter();
    let grants: Vec<_> = grants
        .map(|(tenant, role)| format!("{tenant} {role}"))
        .collect();
    assert_eq!(grants, ["acme reader", "globex reader"]);
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let problems = read(
        r#"{"username":"no blanks","tenant":"ACME","id":"7","roles":["writer"],
            "roles_elsewhere":[{"tenant":"ok","roles":["raeder"]}],
            "created_at_ms":1700000000,"password_hash":"letmein"}"#,
    )
    .err()
    .unwrap();
    let wanted = [
        "user name",
        "tenant name",
        "UUID",
        "`raeder`",
        "milliseconds",
        "password_hash",
    ];
    assert_eq!(problems.len(), wanted.len(), "{problems:#?}");
    for (problem, wanted) in problems.iter().zip(wanted) {
        assert!(problem.contains(wanted), "{problem}");
        assert!(!problem.contains("letmein"), "{problem}");
    }
}

/// ISS-001: a line says what it may say, and nothing else gets in with it.
#[test]
fn iss_001_members_that_nobody_knows_are_refused() {
    for line in [
        r#"{"username":"a","rolse":["reader"]}"#,
        r#"{"username":"a","is_admin":true}"#,
        r#"{"username":"a","username":"b"}"#,
        r#"{"username":"a"}{"username":"b"}"#,
        r#"{"username":"a","roles_elsewhere":[{"tenant":"x","roles":[],"admin":true}]}"#,
        r#"{"roles":["reader"]}"#,
        r#"["a"]"#,
        "{",
        "",
    ] {
        let problems = read(line).err().unwrap();
        assert_eq!(problems.len(), 1, "{line}");
    }
}

#[test]
fn a_value_in_the_wrong_place_is_not_repeated() {
    for line in [
        r#"{"username":"a","disabled":"hunter2"}"#,
        r#"{"username":"a","created_at_ms":"hunter2"}"#,
        r#"{"username":"a","roles":"hunter2"}"#,
    ] {
        let problems = read(line).err().unwrap();
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
        assert!(problems[0].contains("expected"), "{problems:?}");
    }
}

#[test]
fn a_line_has_a_longest_length() {
    let long = format!(r#"{{"username":"{}"}}"#, "a".repeat(MAX_LINE));
    assert!(read(&long).err().unwrap()[0].contains("65536"));
}
