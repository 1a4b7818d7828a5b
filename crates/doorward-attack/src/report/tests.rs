//! Every form of a report, with no finding, with one and with five hundred,
//! and with text in it that wants to be markup.
//!
//! What is checked here is their structure as far as readers depend on it; the
//! official schemas are `official`'s.

mod official;
mod schema;
mod xml;

use doorward_jose::time::UnixTime;
use serde_json::Value;

use super::{End, Report, Suppression, html, json, junit, markdown, sarif, terminal};
use crate::{
    case::{Severity, all},
    likeness::Shown,
    verdict::{CaseResult, Finding, Verdict},
};

/// Wants to end every kind of context.
const NASTY: &str = "x\"'><script>alert(1)</script>]]>|`*_\u{1b}[2J\u{202e}\r\n\0&amp;";

fn finding(number: usize) -> Finding {
    Finding {
        verdict: Verdict::Vulnerable,
        severity: Severity::Critical,
        what: format!("variant {number} {NASTY}"),
        why: NASTY.to_owned(),
        request: NASTY.to_owned(),
        probe: Shown {
            status: 200,
            kind: NASTY.to_owned(),
            length: 3,
        },
        excerpt: Some(NASTY.to_owned()),
        curl: format!("curl {NASTY}"),
        forged: Some("secret.forged.token".to_owned()),
        trace: None,
    }
}

/// `count` findings, at most ten for each case.
fn report(count: usize) -> Report {
    let mut left = count;
    let cases = all().iter().map(|case| {
        let mut result = CaseResult::untried(case, Verdict::Safe, NASTY);
        let own = left.min(10);
        result.findings = (0..own).map(|number| finding(left - number)).collect();
        if own > 0 {
            result.verdict = Verdict::Vulnerable;
        }
        left -= own;
        result
    });
    Report {
        run_id: "0".repeat(32),
        started: UnixTime::from_secs(1_795_305_600),
        milliseconds: 1_234,
        target: "http://127.0.0.1:4180/orders/../x y".to_owned(),
        route: "/orders/../x y".to_owned(),
        method: "GET".to_owned(),
        place: "Authorization: Bearer".to_owned(),
        algorithm: Some(NASTY.to_owned()),
        end: End::Complete,
        requests: 571,
        calibration: vec![("valid", finding(0).probe), ("none", finding(0).probe)],
        cases: cases.collect(),
        threshold: Severity::High,
        comparison: None,
    }
}

fn reports() -> impl Iterator<Item = (usize, Report)> {
    [0, 1, 500].into_iter().map(|count| (count, report(count)))
}

#[test]
fn json_is_of_its_published_schema() {
    let text = include_str!("../../../../docs/attack-report.schema.json");
    let schema: Value = serde_json::from_str(text).expect("the schema is JSON");
    for (count, mut report) in reports() {
        for end in [
            End::Complete,
            End::Void(NASTY.to_owned()),
            End::Budget("x".to_owned()),
        ] {
            report.end = end;
            let value = json(&report);
            assert_eq!(schema::faults(&schema, &value), Vec::<String>::new());
            let cases = value["cases"].as_array().expect("cases");
            assert_eq!(cases.len(), 359);
            let findings = cases
                .iter()
                .map(|case| case["findings"].as_array().map_or(0, Vec::len));
            assert_eq!(findings.sum::<usize>(), count);
        }
    }
    // A schema that takes everything would prove nothing.
    let mut broken = json(&report(1));
    broken["cases"][0]["verdict"] = "fine".into();
    broken["extra"] = 1.into();
    assert_eq!(schema::faults(&schema, &broken).len(), 2);
}

#[test]
fn sarif_has_what_readers_ask_for() {
    for (count, report) in reports() {
        let log = sarif(&report);
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().expect("rules");
        let results = run["results"]
            .as_array()
            .expect("results, also when there are none");
        assert_eq!(results.len(), count);
        let mut fingerprints = std::collections::HashSet::new();
        for result in results {
            let index =
                usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
            assert_eq!(rules[index]["id"], result["ruleId"]);
            assert!(
                ["error", "warning", "note"].contains(&result["level"].as_str().expect("a level"))
            );
            assert!(result["message"]["text"].is_string());
            let uri = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
            assert_eq!(uri, "routes/orders/x_y", "a path inside a repository");
            let print = result["partialFingerprints"]["doorwardAttack/v1"].as_str();
            assert!(fingerprints.insert(print.expect("a fingerprint").to_owned()));
        }
        for rule in rules {
            let name = rule["name"].as_str().expect("a name");
            assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()));
            assert!(
                rule["shortDescription"]["text"].is_string() && rule["help"]["text"].is_string()
            );
            let score: f64 = rule["properties"]["security-severity"]
                .as_str()
                .and_then(|score| score.parse().ok())
                .expect("a score");
            assert!((0.0..=10.0).contains(&score));
            let tags = rule["properties"]["tags"].as_array().expect("tags");
            assert!(tags.iter().any(|tag| {
                tag.as_str()
                    .is_some_and(|tag| tag.starts_with("external/cwe/cwe-"))
            }));
        }
        assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    }
}

#[test]
fn junit_is_well_formed_and_counts_right() {
    for (count, mut report) in reports() {
        for end in [End::Complete, End::Void(NASTY.to_owned())] {
            report.end = end;
            let text = junit(&report);
            let elements = xml::elements(&text).unwrap_or_else(|fault| panic!("{fault}: {text}"));
            let of = |name: &str| {
                elements
                    .iter()
                    .filter(|element| element.name == name)
                    .count()
            };
            let suite = elements
                .iter()
                .find(|element| element.name == "testsuite")
                .expect("a suite");
            let attribute = |name: &str| suite.attributes[name].parse::<usize>().expect("a number");
            assert_eq!(attribute("tests"), of("testcase"));
            assert_eq!(attribute("failures"), of("failure"));
            assert_eq!(attribute("skipped"), of("skipped"));
            assert_eq!(attribute("errors"), of("error"));
            assert_eq!(of("failure") > 0, count > 0);
            for element in &elements {
                let is_known = match element.parent.as_deref() {
                    None => element.name == "testsuites",
                    Some("testsuites") => element.name == "testsuite",
                    Some("testsuite") => element.name == "testcase",
                    Some("testcase") => ["failure", "error", "skipped", "system-out"]
                        .contains(&element.name.as_str()),
                    Some(_) => false,
                };
                assert!(is_known, "{element:?}");
            }
        }
    }
}

#[test]
fn pages_hold_no_script_and_no_foreign_markup() {
    for (count, report) in reports() {
        let page = html(&report);
        assert!(!page.contains("<script"), "{count}");
        assert!(page.contains("default-src 'none'"));
        for marker in ["<section", "<tr", "<table", "<ul", "<main"] {
            let closed = marker.replace('<', "</");
            let opened = page.matches(&format!("{marker}>")).count()
                + page.matches(&format!("{marker} ")).count();
            assert_eq!(
                opened,
                page.matches(&format!("{closed}>")).count(),
                "{marker}"
            );
        }
        let text = markdown(&report);
        assert!(!text.contains("<script") || text.contains("\\<script"));
        assert!(!text.contains('\u{1b}'));
    }
}

#[test]
fn no_report_holds_a_forged_token() {
    let report = report(1);
    let plain = |_, text: &str| text.to_owned();
    for text in [
        json(&report).to_string(),
        sarif(&report).to_string(),
        junit(&report),
        html(&report),
        markdown(&report),
        terminal(&report, &plain, &|id| id.to_owned()),
    ] {
        assert!(!text.contains("secret.forged"));
    }
}

#[test]
fn exit_codes_are_the_documented_ones() {
    let mut held = report(0);
    assert_eq!(held.exit_code(), 0);
    held.end = End::Budget("x".to_owned());
    assert_eq!(held.exit_code(), 4);
    held.end = End::Void("x".to_owned());
    assert_eq!(held.exit_code(), 3);
    let mut fell = report(1);
    assert_eq!(fell.exit_code(), 1);
    fell.end = End::Void("x".to_owned());
    assert_eq!(fell.exit_code(), 3, "void is never an answer");
}

fn accepted(until: &str) -> Suppression {
    Suppression {
        id: "SIG-001".to_owned(),
        route: None,
        reason: "known".to_owned(),
        owner: "ada".to_owned(),
        until: until.to_owned(),
    }
}

#[test]
fn a_suppressed_finding_is_shown_and_does_not_fail_until_its_day_is_over() {
    let mut report = report(1);
    report.suppress(&[accepted("2026-11-22")]);
    assert_eq!(report.exit_code(), 0);
    assert_eq!(
        sarif(&report)["runs"][0]["results"][0]["suppressions"][0]["kind"],
        "external"
    );
    assert!(markdown(&report).contains("## Suppressed") && html(&report).contains("Suppressed"));

    let mut report = self::report(1);
    report.suppress(&[accepted("2026-11-21")]);
    assert_eq!(report.exit_code(), 1);
    let mut elsewhere = accepted("2027-01-01");
    elsewhere.route = Some("/other".to_owned());
    report.suppress(&[elsewhere]);
    assert_eq!(report.exit_code(), 1);
}

#[test]
fn an_earlier_run_tells_what_is_new_and_what_is_mended() {
    let (one, none) = (json(&report(1)).to_string(), json(&report(0)).to_string());
    let changed = |mut now: Report, earlier: &str| {
        now.compare(earlier).expect("comparable");
        now.comparison.expect("compared")
    };
    assert_eq!(changed(report(1), &none).new, ["SIG-001"]);
    assert_eq!(changed(report(0), &one).fixed, ["SIG-001"]);
    assert_eq!(changed(report(1), &one).unchanged, ["SIG-001"]);
    let mut void = report(0);
    void.cases[0].verdict = Verdict::Inconclusive;
    assert_eq!(changed(void, &one).unknown, ["SIG-001"]);

    let mut other = report(0);
    "http://elsewhere/".clone_into(&mut other.target);
    assert!(other.compare(&one).is_err());
    assert!(report(0).compare("{}").is_err() && report(0).compare("x").is_err());
}
