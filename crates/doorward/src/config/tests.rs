//! What is read, what is refused, and what is shown for it.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

mod broken;
mod fuzz_corpus;
#[cfg(feature = "cedar")]
mod policies;

use std::path::Path;

use doorward_policy::permission::PermissionPattern;
use doorward_policy::route::{Match, Requirement, Route, RouteTable};
use proptest::prelude::{any, prop, prop_assert, proptest};

use super::source::{MAX_BYTES, decode, read};
use super::{Config, ConfigProblems, TEMPLATE};
use broken::BROKEN;

const DEMO: &str = include_str!("demo.toml");

fn parse(text: &str) -> Config {
    Config::parse("doorward.toml", text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What is drawn, without its colours.
fn drawn(problems: &ConfigProblems) -> String {
    anstream::adapter::strip_str(&problems.to_string()).to_string()
}

fn shown(text: &str) -> String {
    match Config::parse("doorward.toml", text) {
        Ok(_) => "accepted".to_owned(),
        Err(problems) => drawn(&problems),
    }
}

fn messages(problems: &ConfigProblems) -> Vec<(usize, &str)> {
    problems
        .problems()
        .iter()
        .map(|problem| (problem.line.unwrap_or_default(), problem.message.as_str()))
        .collect()
}

#[test]
fn each_kind_of_problem_is_shown_with_its_place_and_what_to_do() {
    let wrong: Vec<String> = BROKEN
        .iter()
        .copied()
        .flatten()
        .filter_map(|case| {
            let shown = format!("\n{}\n", shown(case.text));
            (shown != case.shown).then(|| format!("{}:{shown}", case.name))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What policies forbid would be open, were they passed over.
#[cfg(not(feature = "cedar"))]
#[test]
fn auz_013_a_build_without_policies_refuses_a_configuration_that_has_some() {
    let text = "audience = \"orders-api\"\n\n[policies]\nfiles = [\"policies/*.cedar\"]\n";
    assert_eq!(
        shown(text),
        "error: this doorward was built without policies
 --> doorward.toml:3:2
  |
3 | [policies]
  |  ^^^^^^^^
  |
  = help: build it with `--features cedar`"
    );
    for other in ["policies.files = []\n", "policies = false\n"] {
        let problems = Config::parse("doorward.toml", other).unwrap_err();
        let wanted = [(1, "this doorward was built without policies")];
        assert_eq!(messages(&problems), wanted, "{other}");
    }
}

#[test]
fn several_problems_are_shown_together_in_the_order_of_the_lines() {
    let text = r#"lisen = "127.0.0.1:4180"

[tokens]
access_lifetime = "1d"

[roles.reader]
permissions = ["orders:read", "reports:re*"]

[roles.editor]
inherits = ["editor"]

[[route]]
match = "GTE /orders//{id"

[[route]]
allow = "orders:read"
public = true
"#;
    let problems = Config::parse("doorward.toml", text).unwrap_err();
    assert_eq!(
        messages(&problems),
        [
            (1, "unknown key `lisen`"),
            (4, "`access_lifetime` must be from 10 s to 1 h"),
            (
                7,
                "a wildcard stands for whole last segments only, like `orders:*` or `*`"
            ),
            (9, "role `editor` inherits from itself"),
            (13, "a route that does not say who may call it"),
            (13, "`GTE` is not a method"),
            (13, "an empty segment never matches; write one `/`"),
            (13, "a parameter is a whole segment, like `/{id}/`"),
            (15, "a route without `match`"),
            (17, "a route with both `allow` and `public`"),
        ]
    );
    let drawn = drawn(&problems);
    assert_eq!(drawn.matches("error: ").count(), 10);
    assert!(drawn.contains("\n\nerror: "), "a blank line between two");
}

#[test]
fn what_is_no_toml_does_not_hide_what_is_wrong_elsewhere() {
    let text = "lisen = \"x\"\naudience = me\n[tokens]\naccess_lifetime = 5\n";
    let problems = Config::parse("doorward.toml", text).unwrap_err();
    assert_eq!(
        messages(&problems),
        [
            (1, "unknown key `lisen`"),
            (
                2,
                "this is not TOML: string values must be quoted, expected literal string"
            ),
            (4, "`access_lifetime` must be a string"),
        ]
    );
}

#[test]
fn programs_get_file_line_column_message_and_help() {
    let problems = Config::parse("a.toml", "\n  lisen = 1\n").unwrap_err();
    assert_eq!(
        serde_json::to_value(problems.problems()).unwrap(),
        serde_json::json!([{
            "file": "a.toml",
            "line": 2,
            "column": 3,
            "message": "unknown key `lisen`",
            "help": "did you mean `listen`?",
        }])
    );
}

#[test]
fn sec_002_a_password_in_a_url_is_not_shown() {
    for text in [
        "upstream = \"http://me:hunter2@127.0.0.1\"",
        "database = \"postgres://me:hunter2@127.0.0.1/doorward\"",
        "database = \"mysql://me:hunter2@127.0.0.1/doorward\"",
        "database = \"postgres://me@127.0.0.1/doorward?password=hunter2\"",
        "upstream = \"https://me:hunter2@127.0.0.1/x\"",
        "issuer = \"https://me:hunter2@host\"",
    ] {
        let problems = Config::parse("doorward.toml", text).unwrap_err();
        assert!(
            !drawn(&problems).contains("hunter2"),
            "{}",
            drawn(&problems)
        );
        assert!(!format!("{:?}", problems.problems()).contains("hunter2"));
    }
}

#[test]
fn thousands_of_problems_are_counted_and_not_all_drawn() {
    let text: String = (0..5_000)
        .map(|number| format!("key{number} = 1\n"))
        .collect();
    let problems = Config::parse("doorward.toml", &text).unwrap_err();
    assert_eq!(problems.problems().len(), 5_000);
    assert!(drawn(&problems).ends_with("\n\nand 4950 more"));
}

#[test]
fn every_setting_is_read() {
    let config = parse(
        r#"
listen = "0.0.0.0:80"
admin_listen = "[::1]:4181"
upstream = "http://orders.internal:9000"
database = "postgres://doorward@db.internal:5433/doorward?sslrootcert=/etc/ca.pem"
issuer = "https://auth.example.com:8443"
audience = "orders-api"
permissions = ["orders:purge"]

[tokens]
access_lifetime = "90s"
sessions_per_user = 3

[tokens.claims]
team = "department"

[[route]]
match = "POST /orders/purge"
allow = "orders:purge"
"#,
    );
    assert_eq!(config.access_lifetime(), 90);
    assert_eq!(parse("").access_lifetime(), 300);
    assert_eq!(config.tokens.sessions_per_user, Some(3));
    let claims = config.tokens.claims_by_name().into_iter();
    let claims: Vec<_> = claims.collect();
    assert_eq!(claims, [("team".to_owned(), "department".to_owned())]);
    assert_eq!(config.listen.unwrap().to_string(), "0.0.0.0:80");
    assert_eq!(config.admin_listen.unwrap().to_string(), "[::1]:4181");
    assert_eq!(
        config.upstream.unwrap().to_string(),
        "http://orders.internal:9000/"
    );
    assert_eq!(
        config.database.unwrap().to_string(),
        "postgres://doorward@db.internal:5433/doorward?sslrootcert=/etc/ca.pem"
    );
    assert_eq!(config.issuer.unwrap(), "https://auth.example.com:8443");
    assert_eq!(config.audience.unwrap(), "orders-api");
    let route = &config.routes.routes()[0];
    assert_eq!(route.source().unwrap().to_string(), "doorward.toml:18");
}

/// So that writing the default down is no change that asks for a restart.
#[test]
fn all_identity_headers_by_name_are_the_default() {
    let read = |list: &str| parse(&format!("identity_headers = {list}")).identity_headers;
    let all = read(r#"["session", "roles", "tenant", "subject"]"#);
    assert_eq!(all, parse("").identity_headers);
    assert_ne!(all, read(r#"["session", "roles", "tenant"]"#));
    assert_ne!(all, read("[]"));
}

#[test]
fn auz_013_an_empty_file_opens_nothing() {
    for empty in ["", "\n\n", "# nothing\n", "\u{feff}", "\r\n"] {
        let config = parse(empty);
        assert!(config.routes.routes().is_empty());
        assert!(matches!(
            config.routes.find("GET", &["orders"]),
            Match::NotFound
        ));
    }
}

#[test]
fn auz_013_a_half_written_file_opens_no_route_that_the_whole_one_does_not() {
    let whole = parse(DEMO);
    let same = |one: &Route, other: &Route| {
        one.pattern() == other.pattern() && one.requirement() == other.requirement()
    };
    for end in (0..DEMO.len()).filter(|end| DEMO.is_char_boundary(*end)) {
        if let Ok(half) = Config::parse("doorward.toml", &DEMO[..end]) {
            let pairs = half.routes.routes().iter().zip(whole.routes.routes());
            for (half, whole) in pairs {
                assert!(same(half, whole), "cut at {end}: {}", half.pattern());
            }
        }
    }
}

#[test]
fn the_template_reads_as_it_is_and_with_every_line_taken_in() {
    assert!(parse(TEMPLATE).routes.routes().is_empty());
    let taken_in = fuzz_corpus::seeds::taken_in(TEMPLATE);
    let config = parse(&taken_in);
    assert_eq!(config.routes.routes().len(), 7);
    assert_eq!(config.roles.len(), 2);
    assert!(config.upstream.is_some() && config.tokens.access_lifetime.is_some());
}

#[test]
fn the_demo_opens_the_sample_api_and_nothing_else() {
    let config = parse(DEMO);
    let required = |route: &Route| match route.requirement() {
        Requirement::Public => "public".to_owned(),
        Requirement::Authenticated => "authenticated".to_owned(),
        Requirement::Allow(permission) => permission.to_string(),
    };
    let routes: Vec<String> = config
        .routes
        .routes()
        .iter()
        .map(|route| {
            format!(
                "{} {} {}",
                route.pattern(),
                required(route),
                route.conditions().len()
            )
        })
        .collect();
    assert_eq!(
        routes,
        [
            "GET /health public 0",
            "GET /orders orders:read 0",
            "GET /orders/{id} orders:read 0",
            "POST /orders orders:create 0",
            "DELETE /orders/{id} orders:delete 0",
            "GET /tenants/{tenant}/report reports:read 1",
        ]
    );
    let effective = |role: &str| -> Vec<String> {
        let patterns = config.roles.effective([role]);
        patterns.iter().map(PermissionPattern::to_string).collect()
    };
    assert_eq!(effective("reader"), ["orders:read", "reports:read"]);
    assert_eq!(
        effective("editor"),
        [
            "orders:create",
            "orders:delete",
            "orders:read",
            "reports:read"
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_what_to_do() {
    let refused = |path: &Path| {
        let problems = Config::load(path).unwrap_err();
        drawn(&problems).replace(&path.display().to_string(), "FILE")
    };
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        refused(&folder.path().join("doorward.toml")),
        "error: FILE does not exist\nhelp: write one with `doorward init`, or name another with `--config FILE`"
    );
    assert_eq!(
        refused(folder.path()),
        "error: FILE is a folder\nhelp: name the file in it, like `--config FILE/doorward.toml`"
    );
    let large = folder.path().join("large.toml");
    std::fs::write(&large, "# much\n".repeat(200_000)).unwrap();
    assert_eq!(
        refused(&large),
        "error: FILE is larger than 1 MiB\nhelp: a configuration is a few kilobytes; is this the right file?"
    );
    let endless = Path::new("/dev/zero");
    assert!(refused(endless).starts_with("error: FILE is larger than 1 MiB"));
}

#[test]
fn a_file_of_the_largest_size_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    std::fs::write(&file, vec![b'\n'; MAX_BYTES]).unwrap();
    assert_eq!(read(&file).unwrap().len(), MAX_BYTES);
    std::fs::write(&file, vec![b'\n'; MAX_BYTES + 1]).unwrap();
    assert!(read(&file).is_err());
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_place() {
    let refused = |bytes: &[u8]| drawn(&decode("a.toml", bytes.to_vec()).unwrap_err());
    assert_eq!(
        refused(b"# one\nname = \"caf\xe9\"\n"),
        "error: a.toml is not UTF-8
 --> a.toml:2:12
  |
2 | name = \"caf
  |            ^ byte 0xE9 after this is no text
  |
  = help: save the file as UTF-8"
    );
    assert!(refused(b"\xff\xfea\x00").contains("it looks like UTF-16; save it as UTF-8"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}|[\\[\\]a-c=\"'{}.,#\\n ]{0,80}") {
        let _ = shown(&text);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        match decode("a.toml", bytes) {
            Ok(text) => drop(shown(&text)),
            Err(problems) => drop(drawn(&problems)),
        }
    }

    #[test]
    fn any_damage_to_a_good_file_is_read_or_refused(
        at in 0..DEMO.len(),
        removed in 0_usize..40,
        inserted in "[\\[\\]a-c=\"'{}.,#*/:\\n \u{e9}]{0,10}",
    ) {
        let mut text = DEMO.to_owned();
        let end = (at + removed).min(text.len());
        text.replace_range(at..end, &inserted);
        if let Err(problems) = Config::parse("doorward.toml", &text) {
            prop_assert!(!problems.problems().is_empty());
            prop_assert!(problems.problems().iter().all(|problem| problem.line.is_some()));
            drop(drawn(&problems));
        }
    }

    #[test]
    fn a_table_of_any_patterns_reads_or_is_refused(patterns in prop::collection::vec("[GETPOS,*]{1,4} (/[a-b{}*:.%]{0,4}){1,3}", 1..4)) {
        let route = |pattern: &String| format!("[[route]]\nmatch = '{pattern}'\npublic = true\n");
        let text: String = patterns.iter().map(route).collect();
        let _: Result<RouteTable, _> = Config::parse("doorward.toml", &text).map(|config| config.routes);
    }
}
