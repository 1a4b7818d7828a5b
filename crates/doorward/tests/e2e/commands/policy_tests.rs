//! `doorward test`: decisions that are wanted, and those that were made.

use std::fs;

use serde_json::json;

use super::Place;
use crate::harness::Server;

const SHOP: &str = r#"
[roles.reader]
permissions = ["orders:read"]
[roles.editor]
inherits = ["reader"]
permissions = ["orders:delete"]

[[route]]
match = "GET /orders/{id}"
allow = "orders:read"

[[route]]
match = "DELETE /orders/{id}"
allow = "orders:delete"
max_age = "15m"

[[route]]
match = "GET /tenants/{tenant}/orders"
allow = "orders:read"
where = { tenant = "{tenant}" }
"#;

const WANTED: &str = r#"
[caller.reader]
tenant = "acme"
roles = ["reader"]

[[test]]
name = "readers read"
request = "GET /orders/7"
as = "reader"
expect = "allowed"

[[test]]
request = "GET /orders/7"
expect = "denied"
reason = "no_token"

[[test]]
request = "GET /tenants/globex/orders"
as = "reader"
expect = "denied"
reason = "wrong_tenant"

[[test]]
request = "DELETE /orders/7"
caller = { roles = ["editor"], auth_age = "14m" }
expect = "allowed"

[[test]]
request = "DELETE /orders/7"
caller = { roles = ["editor"], auth_age = "16m" }
expect = "denied"
reason = "insufficient_user_authentication"

[[test]]
request = "GET /orders/../admin"
caller = { permissions = ["*"] }
expect = "denied"
"#;

#[test]
fn what_is_wanted_is_judged_by_the_configuration() {
    let place = Place::empty();
    place.write("doorward.toml", SHOP);
    place.write("wanted.toml", WANTED);
    let run = place.run(&["test", "wanted.toml"]);
    assert_eq!(run.code, 0, "{}", run.text());
    assert!(run.out.ends_with("6 passed, 0 failed\n"), "{}", run.text());

    let weaker = SHOP.replace("where = { tenant = \"{tenant}\" }\n", "");
    place.write("doorward.toml", weaker);
    let run = place.run(&["test", "wanted.toml", "--junit", "report.xml"]);
    assert_eq!(run.code, 1);
    assert!(
        run.out
            .contains("wanted denied (wrong_tenant), is allowed (permission_granted)")
    );
    assert!(run.out.ends_with("5 passed, 1 failed\n"), "{}", run.text());
    let junit = fs::read_to_string(place.path().join("report.xml")).unwrap();
    assert!(junit.contains("tests=\"6\" failures=\"1\""), "{junit}");
    let told = place.run(&["test", "wanted.toml", "--json"]).json();
    assert_eq!(told["failed"], 1);
    assert_eq!(told["cases"][2]["verdict"], "failed");
    assert_eq!(told["cases"][2]["decision"]["reason"], "permission_granted");
}

#[test]
fn every_problem_of_a_file_is_told_at_once() {
    let place = Place::empty();
    place.write("doorward.toml", SHOP);
    place.write(
        "wanted.toml",
        r#"[[test]]
request = "/orders"
as = "raeder"
expect = "denied"
reason = "no_tokn"
[[test]]
request = "GET /orders/7"
caller = { roles = ["raeder"], permissions = ["Orders"], auth_age = "soon" }
expect = "denied"
"#,
    );
    place.run(&["test", "wanted.toml"]).shows(
        "
        wanted.toml:1: `/orders` is no request; write it like `GET /orders`
        wanted.toml:1: there is no caller `raeder`; write a [caller.raeder]
        wanted.toml:1: there is no reason `no_tokn`; did you mean `no_token`?
        wanted.toml:6: the configuration has no role `raeder`; did you mean `reader`?
        wanted.toml:6: `Orders`: a permission holds only a-z, 0-9, `_`, `.`, `-` and `:`, not 'O'
        wanted.toml:6: `auth_age` is no time; write it like `30s`, `5m` or `1h`
        error: wanted.toml has 6 problems
        help:  correct the file; nothing was judged
        => 3",
    );
    place.write("empty.toml", "");
    let nothing = place.run(&["test", "empty.toml"]);
    assert_eq!(
        (nothing.code, nothing.out.as_str()),
        (3, "0 passed, 0 failed\n")
    );
}

#[test]
fn a_recorded_decision_shows_what_an_edit_would_change() {
    let place = Place::empty();
    let server = Server::start(&place.data(), &["--demo"]);
    let token = place.run(&["token", "mint", "--as", "reader"]).out;
    let token = token.trim();
    assert_eq!(server.call("GET", "/orders", Some(token)).status, 200);
    let allowed = place.run(&["explain", "last", "--json"]).out;
    assert_eq!(server.call("GET", "/orders", Some("x.y.z")).status, 401);
    let forged = place.run(&["explain", "last", "--json"]).out;
    place.write("recorded.json", format!("{allowed}{forged}"));
    drop(server);

    let same = place.run(&["test", "recorded.json"]);
    assert_eq!(same.code, 0, "{}", same.text());
    assert!(
        same.out.ends_with("1 passed, 0 failed, 1 skipped\n"),
        "{}",
        same.text()
    );
    place.write(
        "closed.toml",
        "[roles.reader]\npermissions = [\"orders:read\"]\n",
    );
    let flipped = place.run(&["test", "recorded.json", "--config", "closed.toml"]);
    assert_eq!(flipped.code, 1, "{}", flipped.text());
    let told = "was allowed (permission_granted), is denied (no_route)";
    assert!(flipped.out.contains(told), "{}", flipped.text());
}

#[test]
fn a_request_is_checked_by_the_file_alone() {
    let place = Place::empty();
    place.write("doorward.toml", SHOP);
    let check = |more: &[&str]| {
        let arguments = [&["route", "check", "--json"], more].concat();
        let run = place.run(&arguments);
        (
            run.code,
            run.json()["reason"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let cases: [(&[&str], i32, &str); 6] = [
        (&["GET", "/orders/7"], 1, "no_token"),
        (
            &["GET", "/orders/7", "--role", "reader"],
            0,
            "permission_granted",
        ),
        (
            &["delete", "/orders/7", "--role", "reader"],
            1,
            "missing_permission",
        ),
        (
            &[
                "DELETE",
                "/orders/7",
                "--permissions",
                "a:b,orders:*",
                "--auth-age",
                "1m",
            ],
            0,
            "permission_granted",
        ),
        (
            &[
                "GET",
                "/tenants/a/orders",
                "--role",
                "reader",
                "--tenant",
                "b",
            ],
            1,
            "wrong_tenant",
        ),
        (&["GET", "/nothing", "--role", "reader"], 1, "no_route"),
    ];
    for (arguments, code, reason) in cases {
        assert_eq!(check(arguments), (code, reason.to_owned()), "{arguments:?}");
    }
    let shown = place.run(&["route", "check", "DELETE", "/orders/7", "--role", "reader"]);
    assert!(
        shown.out.contains("wants  orders:delete"),
        "{}",
        shown.text()
    );
    assert!(shown.out.contains("doorward.toml:13"), "{}", shown.text());
}

#[test]
fn a_route_is_added_and_every_other_line_stays() {
    let place = Place::empty();
    place.write("doorward.toml", format!("# ours\n{SHOP}# the end"));
    let allow = |more: &[&str]| place.run(&[&["route", "allow"], more].concat());
    let added = allow(&[
        "PUT /orders/{id}",
        "--permission",
        "orders:delete",
        "--acr",
        "aal2",
    ]);
    assert_eq!(
        (added.code, added.out.as_str()),
        (
            0,
            "[[route]]\nmatch = \"PUT /orders/{id}\"\nallow = \"orders:delete\"\nacr = \"aal2\"\n"
        )
    );
    let text = fs::read_to_string(place.path().join("doorward.toml")).unwrap();
    assert!(
        text.starts_with(&format!("# ours\n{SHOP}# the end\n\n[[route]]")),
        "{text}"
    );
    let list = place.run(&["route", "list", "--json"]).json();
    assert_eq!(list["routes"][3]["acr"], json!(["aal2"]));

    let before = place.files();
    for wrong in [
        &["GET /orders/{number}", "--permission", "orders:read"][..],
        &["GET /x", "--permission", "orders:raed"],
        &["GET /x\"\nmatch = \"GET /y", "--public"],
        &["GET /auth/x", "--public"],
        &["GET /x/{id}", "--authenticated", "--where", "tenant=tenant"],
    ] {
        assert_eq!(allow(wrong).code, 3, "{wrong:?}");
        place.unchanged_since(&before, wrong);
    }
    assert_eq!(allow(&["GET /x"]).code, 2);
    place.unchanged_since(&before, &["GET /x"]);
}
