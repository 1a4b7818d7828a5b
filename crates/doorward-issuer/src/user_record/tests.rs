//! Records that are read, refused and written, and what is never repeated.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use doorward_policy::role::{RoleName, RoleSpec, Roles};
use doorward_verify::clock::Timestamp;

use super::{ImportedUser, MAX_LINE, UserRecord};

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
    assert!(user.id().is_none() && user.hash_kind().is_none() && user.role_count() == 0);
}

#[test]
fn roles_are_counted_once_and_by_tenant() {
    let user = read(
        r#"{"username":"a","tenant":"acme","roles":["reader","reader"],
            "roles_elsewhere":[{"tenant":"globex","roles":["reader"]}]}"#,
    )
    .unwrap();
    let grants = user.grants(&user.home_tenant).into_iter();
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
        "`writer`",
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

/// A column that slipped: whatever is refused, a hash in it is not said.
#[test]
fn a_secret_is_nowhere_repeated() {
    const SECRET: &str = "$2b$12$hunter2/x, expected a `y`, expected z at line 1";
    let user = r#"{"username":"a","tenant":"b","id":"c","disabled":D,"created_at_ms":1700000000000,
        "roles":["d"],"roles_elsewhere":[{"tenant":"e","roles":["f"]}],"password_hash":"g"}"#;
    let user = user.replace('D', "true");
    let secret = format!("\"{SECRET}\"");
    let mut lines = Vec::new();
    for value in [
        "\"a\"",
        "\"b\"",
        "\"c\"",
        "true",
        "1700000000000",
        "\"d\"",
        "[\"d\"]",
        "\"e\"",
        "\"f\"",
        "[\"f\"]",
        "{\"tenant\":\"e\",\"roles\":[\"f\"]}",
        "\"g\"",
        "\"username\"",
        "\"tenant\"",
        "\"roles\"",
    ] {
        assert!(user.contains(value), "{value}");
        lines.push(user.replacen(value, &secret, 1));
    }
    lines.push(secret.clone());
    lines.push(format!("{{{secret}:{secret}}}"));
    lines.push(format!("{{\"username\":{secret}"));
    lines.push(format!("{{\"username\":[{secret}]}}"));
    lines.push(format!(
        "{{\"username\":\"a\",\"roles\":[],\"roles\":{secret}}}"
    ));
    lines.push(format!("{{\"username\":\"a\"}}{secret}"));
    lines.push(format!("{{\"username\":\"a\",\"disabled\":{SECRET}}}"));
    for line in lines {
        let problems = read(&line).err().unwrap();
        assert!(!problems.is_empty(), "{line}");
        for problem in problems {
            assert!(
                !problem.contains("hunter2") && !problem.contains("$2b"),
                "{line}: {problem}"
            );
        }
    }
    let role = read(r#"{"username":"a","roles":["$2b$12$hunter2"]}"#)
        .err()
        .unwrap();
    assert_eq!(role, ["a role name is not valid"]);
    let kind = read(r#"{"username":"a","disabled":"hunter2, expected a string"}"#)
        .err()
        .unwrap();
    assert_eq!(
        kind,
        ["a member has a value of the wrong kind; expected true or false"]
    );
}

#[test]
fn a_member_that_looks_like_one_is_named() {
    let said = |line| read(line).err().unwrap().remove(0);
    assert!(
        said(r#"{"username":"a","rolse":[]}"#).contains("unknown member `rolse`; expected one")
    );
    assert!(said(r#"{"roles":[]}"#).contains("missing member `username`"));
    assert!(said(r#"{"username":"a","username":"b"}"#).contains("duplicate member `username`"));
    assert!(said(r#"{"username":"a","hunter2":1}"#).contains("unknown member; expected one"));
}

#[test]
fn a_line_has_a_longest_length() {
    let long = format!(r#"{{"username":"{}"}}"#, "a".repeat(MAX_LINE));
    assert!(read(&long).err().unwrap()[0].contains("65536"));
}

#[test]
fn a_hash_is_not_in_the_debug_form_and_is_in_the_written_one() {
    let line = r#"{"username":"a","password_hash":"$2b$12$hunter2"}"#;
    let record: UserRecord = serde_json::from_str(line).unwrap();
    let page = crate::admin::ExportPage {
        users: vec![record.clone()],
        last: "a".to_owned(),
    };
    for shown in [
        format!("{record:?}"),
        format!("{record:#?}"),
        format!("{page:?}"),
    ] {
        assert!(
            shown.contains("HashText") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
    assert_eq!(serde_json::to_string(&record).unwrap(), line);
}
