//! `[policies]`: which files are read, and what is shown of a fault in one.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::super::{Config, ConfigProblems, PolicyFiles};
use super::drawn;

const SHOP: &str = r#"
[policies]
files = ["policies/*.cedar"]

[roles.reader]
permissions = ["orders:read"]

[[route]]
match = "GET /users/{user}/orders"
allow = "orders:read"
"#;

const OWN: &str = "permit (principal, action == Action::\"orders:read\", resource)\nwhen { resource.user == principal.sub };\n";

fn place(config: &str, policies: &[(&str, &str)]) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("policies")).unwrap();
    fs::write(place.path().join("doorward.toml"), config).unwrap();
    for (name, text) in policies {
        fs::write(place.path().join("policies").join(name), text).unwrap();
    }
    place
}

fn load(place: &Path) -> Result<Config, ConfigProblems> {
    Config::load(&place.join("doorward.toml"))
}

/// What is shown, with the folder left out.
fn shown(place: &Path) -> String {
    let problems = load(place).unwrap_err();
    drawn(&problems).replace(&format!("{}/", place.display()), "")
}

#[test]
fn policies_are_read_with_the_routes_that_they_govern() {
    let place = place(
        SHOP,
        &[
            ("own.cedar", OWN),
            (".own.cedar.swp", "?"),
            ("notes.txt", "?"),
        ],
    );
    let config = load(place.path()).unwrap();
    assert_eq!(config.policies, 1);
    assert!(config.routes.routes()[0].policies().is_some());
    let files = PolicyFiles::of(&place.path().join("doorward.toml")).files();
    assert_eq!(files, [place.path().join("policies/own.cedar")]);
}

#[test]
fn every_fault_of_every_file_is_shown_with_its_place() {
    let misspelled = OWN.replace("resource.user", "resource.usr");
    let (first, second) = (
        ("a.cedar", misspelled.as_str()),
        ("b.cedar", "permit (principal, action);"),
    );
    let broken = place(SHOP, &[first]);
    assert_eq!(
        shown(broken.path()),
        "error: attribute `usr` on entity type `Resource::of_orders_read` not found
 --> policies/a.cedar:2:8
  |
2 | when { resource.usr == principal.sub };
  |        ^^^^^^^^^^^^
  |
  = help: did you mean `user`?"
    );
    let both = place(&SHOP.replace("match =", "mtach ="), &[first, second]);
    let shown = shown(both.path());
    for part in [
        "--> doorward.toml:8:1",
        "--> policies/b.cedar:1:",
        "this is not Cedar",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn auz_013_a_policy_file_that_is_missing_or_empty_is_refused() {
    let missing = place(SHOP, &[]);
    assert!(
        shown(missing.path())
            .starts_with("error: there is no file policies/*.cedar\n --> doorward.toml:3:10")
    );
    let named = place(&SHOP.replace('*', "own"), &[]);
    assert!(shown(named.path()).starts_with("error: policies/own.cedar cannot be read: "));
    let empty = place(SHOP, &[("own.cedar", "")]);
    assert!(shown(empty.path()).contains("policies/own.cedar has no policy"));
    let half = place(SHOP, &[("own.cedar", &OWN[..40])]);
    assert!(shown(half.path()).contains("this is not Cedar"));
}

#[test]
fn what_policies_may_speak_of_is_checked_as_well() {
    let more = "files = [\"policies/*.cedar\"]\nclaims = { sub = \"string\", level = \"int\", \"a b\" = \"string\" }\nheaders = [\"authorization\", \"x device\"]\nfils = []\n";
    let config = SHOP.replace("files = [\"policies/*.cedar\"]\n", more);
    let place = place(&config, &[("own.cedar", OWN)]);
    let shown = shown(place.path());
    for part in [
        "policies know `principal.sub` already",
        "`int` is no type of a claim",
        "a claim's name is plain characters",
        "`authorization` holds a credential",
        "this is no name of a header field",
        "unknown key `fils` in [policies]",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
