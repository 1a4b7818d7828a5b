//! `import` and `export`: users from elsewhere, with no server running and with
//! one.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::json;

use super::{Place, each_is_refused};
use crate::harness::{Server, doorward};

/// "grüne Wiese, blauer Himmel", by Python's bcrypt.
const BCRYPT: &str = "$2b$08$XQzaJdbqv1RsoFplE5DwVuu16olnF6huqpHzplW1NSgUxVlT3ub62";

fn place(lines: &str) -> Place {
    let place = Place::after_demo();
    place.write("users.jsonl", lines);
    place.make_private("users.jsonl");
    place
}

impl Place {
    fn make_private(&self, name: &str) {
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(self.path().join(name), mode).unwrap();
    }
}

fn two_users() -> String {
    format!(
        "{{\"username\":\"bob\",\"tenant\":\"initech\",\"roles\":[\"reader\"],\"password_hash\":\"{BCRYPT}\"}}\n\
         \n{{\"username\":\"Reader\"}}\n"
    )
}

#[test]
fn users_are_taken_over_and_read_out() {
    let place = place(&two_users());
    let before = place.files();
    place
        .run(&["import", "users.jsonl", "--dry-run"])
        .shows(
            "
            line 3: reader is there already
            users.jsonl can be imported: 1 new user; 1 there already, left as they are; nothing was changed
            password hashes in it: 1 bcrypt, 1 without one
            => 0
            ",
        );
    place.unchanged_since(&before, &["import", "--dry-run"]);
    place.run(&["import", "users.jsonl"]).shows(
        "
        line 3: reader is there already
        imported users.jsonl: 1 new user; 1 there already, left as they are
        password hashes in it: 1 bcrypt, 1 without one
        => 0
        ",
    );
    let again = place
        .run(&["import", "users.jsonl", "--update", "--json"])
        .json();
    assert_eq!(again["added"], 0);
    assert_eq!(
        (&again["existing"], &again["updated"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(
        again["existing_users"][0],
        json!({ "line": 1, "username": "bob" })
    );
    assert_eq!(again["password_hashes"], json!({ "bcrypt": 1, "none": 1 }));

    let plain = place.run(&["export"]);
    assert_eq!(plain.out.lines().count(), 4, "{}", plain.text());
    assert!(!plain.out.contains("password_hash"));
    assert!(
        plain.out.contains("\"username\":\"bob\"") && plain.out.contains("\"roles\":[\"reader\"]")
    );
    let listed = place.run(&["export", "--json"]).json();
    assert_eq!(listed["users"].as_array().unwrap().len(), 4);
    place
        .run(&["export", "all.jsonl", "--with-password-hashes"])
        .shows("wrote all.jsonl: 4 users; it holds password hashes: keep it as you keep the database\n=> 0");
    let file = place.path().join("all.jsonl");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let all = fs::read_to_string(&file).unwrap();
    assert_eq!(all.matches("$argon2id$").count(), 3);
    assert!(all.contains(BCRYPT));
    let back = place.run(&["import", "all.jsonl", "--json"]).json();
    assert_eq!((&back["existing"], &back["users"]), (&json!(4), &json!(4)));
}

/// Whatever is wrong, nothing is changed.
#[test]
fn everything_that_is_wrong_is_said_with_its_line() {
    let weak = BCRYPT.replace("$08", "$04");
    let place = place(&format!(
        "{{\"username\":\"bob\"}}\n{{\"username\":\"no blanks\",\"roles\":[\"raeder\"]}}\n\
         {{\"username\":\"carl\",\"password_hash\":\"{weak}\"}}\n{{\"username\":\"BOB\"}}\n\
         {{\"username\":\"dan\",\"rolse\":[]}}\n"
    ));
    let help = "  docs/import.md has the forms and the bounds; without `password_hash` the user is \
                imported, and `doorward user reset NAME` lets them choose a password";
    let said = format!(
        "
        users.jsonl:2: a user name has 1 to 128 characters out of a-z, 0-9 and . _ @ + -
        users.jsonl:2: the configuration has no role `raeder`
          did you mean `reader`?
        users.jsonl:3: password_hash: it is too weak to be taken over; the least is: bcrypt: cost 8
        {help}
        users.jsonl:4: the same user name or id as in line 1
        users.jsonl:5: not a user as a JSON object: unknown member `rolse`; expected one of `username`, `id`, `tenant`, `roles`, `roles_elsewhere`, `attributes`, `disabled`, `created_at_ms`, `password_hash`
        error: users.jsonl has 5 problems
          help:  correct the file; nothing was changed
        "
    );
    let said = said.replace("  help:  ", "help:  ");
    each_is_refused(
        &place,
        &[
            (&["import", "users.jsonl"], 3, &said),
            (&["import", "users.jsonl", "--dry-run"], 3, &said),
            (
                &["import", "absent.jsonl"],
                2,
                "error: cannot open absent.jsonl: No such file or directory (os error 2)\n\
                 help:  check the path, its owner and the free space",
            ),
            (
                &["import", "/dev/null"],
                2,
                "error: /dev/null is not a file\n\
                 help:  it is read twice, so write what a program prints into a file first",
            ),
            (
                &["export", "users.jsonl"],
                2,
                "error: cannot create users.jsonl: File exists (os error 17)\n\
                 help:  check the path, its owner and the free space",
            ),
        ],
    );
    let problems = place.run(&["import", "users.jsonl", "--json"]).json();
    assert_eq!(problems["problems"][0]["line"], 2);
    assert_eq!(problems["problems"].as_array().unwrap().len(), 5);
    // Hashes go into a file, whose mode is ours.
    assert_eq!(place.run(&["export", "--with-password-hashes"]).code, 2);
}

/// A line about somebody else's user changes nobody.
#[test]
fn an_update_that_crosses_tenants_is_refused_with_its_line() {
    let place = place(&two_users());
    assert_eq!(place.run(&["import", "users.jsonl"]).code, 0);
    let lines = two_users().replace("initech", "globex");
    place.write("users.jsonl", &lines);
    place.make_private("users.jsonl");
    let said = "
        users.jsonl:1: the user belongs to another tenant
          take the line out, or leave `tenant` out to change the user
        error: users.jsonl has 1 problem
        help:  correct the file; nothing was changed
        ";
    each_is_refused(
        &place,
        &[
            (&["import", "users.jsonl", "--update"], 3, said),
            (&["import", "users.jsonl", "--update", "--dry-run"], 3, said),
        ],
    );
    let line = "{\"username\":\"bob\",\"disabled\":true}\n";
    place.write("users.jsonl", line);
    place.make_private("users.jsonl");
    let updated = place
        .run(&["import", "users.jsonl", "--update", "--json"])
        .json();
    let bob = json!([{ "line": 1, "username": "bob" }]);
    assert_eq!(
        (&updated["updated"], &updated["updated_users"]),
        (&json!(1), &bob)
    );
    place.write("users.jsonl", line.replace("true", "false"));
    place.make_private("users.jsonl");
    let updated = place.run(&["import", "users.jsonl", "--update"]);
    assert!(
        updated.text().contains("line 1: bob was changed"),
        "{}",
        updated.text()
    );
}

/// A running server lets the new users in at once.
#[test]
fn an_import_beside_a_running_server() {
    let server = Server::demo();
    let file = server.data().join("users.jsonl");
    fs::write(&file, two_users()).unwrap();
    let imported = doorward(server.data())
        .arg("import")
        .arg(&file)
        .output()
        .unwrap();
    assert!(imported.status.success(), "{imported:?}");
    let said = String::from_utf8(imported.stderr).unwrap();
    assert!(
        said.contains("chmod 600"),
        "others may read the file: {said}"
    );
    let credentials = json!({ "username": "bob", "password": "grüne Wiese, blauer Himmel" });
    for _ in 0..2 {
        let answer = server.post("/auth/sign-in", &credentials, None);
        assert_eq!(answer.status, 200, "{}", answer.json());
    }
    let wrong = json!({ "username": "bob", "password": "grüne Wiese" });
    assert_eq!(server.post("/auth/sign-in", &wrong, None).status, 401);
}
