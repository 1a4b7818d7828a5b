//! `[shadow]`: an edit is tried on real requests before it is served. Nobody
//! feels it, whatever it says and whatever is wrong with it.

use std::{fs, path::PathBuf, process::Output};

use serde_json::{Value, json};

use crate::{
    faults::{
        ROUTES,
        observed::{Observed, PATIENCE, WITHIN_A_SECOND, access_token, guarded, until},
    },
    harness::{Place, Recorder, doorward, request},
};

/// Readers lose what they read, editors nothing; what was public is not, and
/// there is one route more.
const NEXT: &str = r#"
[shadow]
config = "next.toml"

[roles.reader]
permissions = ["orders:list"]

[roles.editor]
inherits = ["reader"]
permissions = ["orders:read", "orders:write"]

[[route]]
match = "GET /orders"
allow = "orders:read"

[[route]]
match = "POST /orders"
allow = "orders:write"

[[route]]
match = "GET /public"
authenticated = true

[[route]]
match = "GET /more"
public = true
"#;

struct House {
    server: Observed,
    place: Place,
    _recorder: Recorder,
}

fn house() -> House {
    let recorder = Recorder::start();
    let config = format!("[shadow]\nconfig = \"next.toml\"\n{ROUTES}");
    let (place, server) = guarded(recorder.address, &config);
    House {
        server,
        place,
        _recorder: recorder,
    }
}

impl House {
    fn next(&self) -> PathBuf {
        self.place.path().join("next.toml")
    }

    fn command(&self, arguments: &[&str]) -> Output {
        let mut command = doorward(&self.server.data());
        command.args(arguments).output().unwrap()
    }

    fn report(&self) -> Value {
        let output = self.command(&["shadow", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// `next.toml` says `text`, and the server judges by it.
    fn judged_by(&self, text: &str) {
        let said = self.server.err().matches("judges too").count();
        fs::write(self.next(), text).unwrap();
        until(WITHIN_A_SECOND * 2, "the candidate judges", || {
            (self.server.err().matches("judges too").count() > said).then_some(())
        });
    }
}

fn text(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{}", String::from_utf8_lossy(&output.stderr))
}

#[test]
fn an_edit_is_tried_on_real_requests_then_applied() {
    let house = house();
    let server = &house.server;
    let (reader, editor) = (server.sign_in("reader"), server.sign_in("editor"));
    let (reader, editor) = (access_token(&reader), access_token(&editor));
    let none = house.command(&["shadow"]);
    assert_eq!(none.status.code(), Some(3), "{}", text(&none));
    assert!(text(&none).contains("it is not there"), "{}", text(&none));

    house.judged_by(NEXT);
    let unasked = house.command(&["shadow"]);
    assert_eq!(unasked.status.code(), Some(3), "{}", text(&unasked));
    assert!(
        text(&unasked).contains("nothing is found out yet"),
        "{}",
        text(&unasked)
    );
    let status = |path: &str, token| server.call("GET", path, token).status;
    for _ in 0..2 {
        assert_eq!(status("/orders", Some(reader)), 200, "closed");
    }
    assert_eq!(status("/orders", Some(editor)), 200, "the same");
    assert_eq!(status("/public", None), 200, "closed");
    assert_eq!(status("/public", Some(reader)), 200, "another reason");
    assert_eq!(status("/more", None), 404, "opened");

    let report = house.report()["report"].clone();
    assert_eq!(
        report["requests"],
        json!({
            "same": 1, "opened": 1, "closed": 3, "other_reason": 1, "unknown": 0, "panicked": 0,
        })
    );
    let flips = report["flips"].as_array().unwrap();
    let short = |flip: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        (
            text(&flip["change"]),
            flip["count"].as_u64().unwrap(),
            text(&flip["before"]),
            text(&flip["after"]),
        )
    };
    let flip = |change: &str, count, before: &str, after: &str| {
        (change.into(), count, before.into(), after.into())
    };
    assert_eq!(
        flips.iter().map(short).collect::<Vec<_>>(),
        [
            flip("opened", 1, "no_route", "public_route"),
            flip("closed", 2, "permission_granted", "missing_permission"),
            flip("closed", 1, "public_route", "no_token"),
            flip("other_reason", 1, "public_route", "authenticated"),
        ]
    );
    let closed = &flips[1];
    assert_eq!(closed["example"]["failed"]["wanted"], "orders:read");
    assert_eq!(closed["example"]["failed"]["seen"], "orders:list");

    let shown = house.command(&["shadow"]);
    assert_eq!(shown.status.code(), Some(1));
    let shown = text(&shown);
    for wanted in [
        "1 the same, 1 would be let in, 3 would be refused, 1 for another reason",
        "let in (permission_granted), would be refused (missing_permission) at ",
        "last    GET /orders\n",
        "wants   orders:read\n",
    ] {
        assert!(shown.contains(wanted), "{wanted}: {shown}");
    }
    assert!(!shown.contains(reader), "a token is shown");
    let trace = closed["example"]["trace_id"].as_str().unwrap();
    let explained = text(&house.command(&["explain", trace]));
    assert!(explained.contains("ALLOWED"), "{explained}");
    assert_metrics(server);

    // Applied, the file beside is the candidate of the next edit: none.
    let file = house.place.path().join("doorward.toml");
    fs::rename(house.next(), &file).unwrap();
    until(WITHIN_A_SECOND * 2, "the edit is served", || {
        (status("/more", None) == 200).then_some(())
    });
    until(WITHIN_A_SECOND * 2, "nothing is judged besides", || {
        (house.command(&["shadow"]).status.code() == Some(3)).then_some(())
    });
}

fn assert_metrics(server: &Observed) {
    let token = fs::read_to_string(server.data().join("metrics.token")).unwrap();
    let authorization = format!("Bearer {}", token.trim());
    let fields = [("Authorization", authorization.as_str())];
    let answer = request(server.admin, "GET", "/metrics", &fields, b"");
    let page = String::from_utf8(answer.body).unwrap();
    for line in [
        "doorward_shadow_requests_total{result=\"closed\"} 3\n",
        "doorward_shadow_flips_total{route=\"GET /orders\",change=\"closed\"} 2\n",
        "doorward_shadow_flips_total{route=\"GET /more\",change=\"opened\"} 1\n",
    ] {
        assert!(page.contains(line), "{line}{page}");
    }
}

#[test]
fn auz_013_a_broken_candidate_is_told_and_the_last_good_one_goes_on() {
    let mut house = house();
    house.judged_by(NEXT);
    let broken = NEXT.replace("allow = \"orders:write\"", "allow = \"orders:wriet\"");
    fs::write(house.next(), &broken).unwrap();
    let server = &house.server;
    server.until_said(PATIENCE, "still judging by the last good");
    // Drawn as a fault of the configuration is.
    let said = server.err();
    for drawn in ["orders:wriet", "^", "did you mean `orders:write`?"] {
        assert!(said.contains(drawn), "{drawn}: {said}");
    }
    assert_eq!(server.call("GET", "/public", None).status, 200);
    let report = house.report();
    assert_eq!(report["report"]["requests"]["closed"], 1);
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{report}");
    let place = format!("{}:", house.next().display());
    let shown = text(&house.command(&["shadow"]));
    assert!(shown.contains(&place), "{shown}");

    // The served file is checked with the one beside it.
    let file = house.place.path().join("doorward.toml");
    let check = ["config", "check", "--config", file.to_str().unwrap()];
    let checked = house.command(&check);
    assert_eq!(checked.status.code(), Some(3), "{}", text(&checked));
    assert!(
        text(&checked).contains("orders:wriet"),
        "{}",
        text(&checked)
    );

    house.judged_by(NEXT);
    assert_eq!(house.report()["report"]["requests"]["closed"], 0, "anew");
    assert_eq!(house.report()["problems"], Value::Null);
    let checked = text(&house.command(&check));
    assert!(checked.contains("next.toml is good: 4 routes"), "{checked}");

    // What is served is replaced, and judged beside anew.
    let more = format!("{}\n[[route]]\nmatch = \"GET /more\"\npublic = true\n", {
        fs::read_to_string(&file).unwrap()
    });
    fs::write(&file, more).unwrap();
    until(WITHIN_A_SECOND * 2, "the edit is served", || {
        (house.server.call("GET", "/more", None).status == 200).then_some(())
    });
    until(WITHIN_A_SECOND * 2, "and judged beside", || {
        house.server.call("GET", "/more", None);
        let requests = &house.report()["report"]["requests"];
        (requests["same"].as_u64() >= Some(1)).then(|| assert_eq!(requests["opened"], 0))
    });
    let unchanged = house.command(&["shadow"]);
    assert_eq!(unchanged.status.code(), Some(0), "{}", text(&unchanged));
    house.server.assert_well();
}
