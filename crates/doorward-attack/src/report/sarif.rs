//! The report as SARIF 2.1.0, in the form that code hosts take: locations are
//! paths inside a repository, fingerprints survive an edit, and a file without
//! results is a valid file.

use serde_json::{Value, json};

use super::{End, Report, moment::rfc3339};
use crate::{
    case::{Case, Severity},
    verdict::{CaseResult, Finding, Verdict},
};

/// The report as a SARIF log.
pub fn sarif(report: &Report) -> Value {
    let tried: Vec<&CaseResult> = report
        .cases
        .iter()
        .filter(|result| result.verdict.is_finding() || result.verdict == Verdict::Safe)
        .collect();
    let rules: Vec<Value> = tried.iter().map(|result| rule(result.case)).collect();
    let results: Vec<Value> = tried
        .iter()
        .enumerate()
        .flat_map(|(index, result)| {
            let findings = result.findings.iter();
            findings.map(move |finding| self::result(report, result, finding, index))
        })
        .collect();
    let notifications: Vec<Value> = report
        .end
        .why()
        .map(|why| json!({ "level": "error", "message": { "text": why } }))
        .into_iter()
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "doorward attack",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "automationDetails": { "id": format!("doorward-attack/{} {}", report.method, report.route) },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": report.end == End::Complete,
                "exitCode": report.exit_code(),
                "startTimeUtc": rfc3339(report.started),
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
        }],
    })
}

fn rule(case: &Case) -> Value {
    let mut help = case.fix().what.to_owned();
    let mut markdown = format!("{}\n", case.fix().what);
    for (library, how) in &case.fix().how {
        help.push_str(&format!("\n{library}: {how}"));
        markdown.push_str(&format!("\n- **{library}**: {how}"));
    }
    json!({
        "id": case.id,
        "name": name(case.name),
        "shortDescription": { "text": case.name },
        "fullDescription": { "text": format!("{}. Sent: {}", case.name, case.sent) },
        "help": { "text": help, "markdown": markdown },
        "defaultConfiguration": { "level": level(case.severity) },
        "properties": {
            "tags": [
                "security",
                format!("external/cwe/cwe-{:03}", case.cwe),
                format!("OWASP-{}:2023", case.api),
                format!("ASVS-5.0-{}", case.asvs.split(',').next().unwrap_or_default()),
            ],
            "precision": "very-high",
            "security-severity": score(case.severity),
        },
    })
}

fn result(report: &Report, result: &CaseResult, finding: &Finding, rule: usize) -> Value {
    let id = result.case.id;
    let key = format!("{id} {} {} {}", report.method, report.route, finding.what);
    let mut value = json!({
        "ruleId": id,
        "ruleIndex": rule,
        "level": level(finding.severity),
        "kind": "fail",
        "message": { "text": format!("{}: {} ({})", result.case.name, finding.why, finding.what) },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": path(&report.route), "uriBaseId": "%SRCROOT%" },
                "region": { "startLine": 1 },
            },
            "logicalLocations": [{
                "fullyQualifiedName": format!("{} {}", report.method, report.route),
                "kind": "resource",
            }],
        }],
        "partialFingerprints": { "doorwardAttack/v1": fingerprint(&key) },
        "properties": { "verdict": finding.verdict.name(), "curl": finding.curl },
    });
    if let Some(entry) = &result.suppressed {
        let justification = format!("{} ({}, until {})", entry.reason, entry.owner, entry.until);
        value["suppressions"] =
            json!([{ "kind": "external", "status": "accepted", "justification": justification }]);
    }
    if let Some(comparison) = &report.comparison {
        let is_new = comparison.new.iter().any(|new| new == id);
        value["baselineState"] = if is_new { "new" } else { "unchanged" }.into();
    }
    value
}

/// A route as a path inside a repository: relative, and of plain characters.
fn path(route: &str) -> String {
    let plain = |c: char| match c.is_ascii_alphanumeric() || "-_./".contains(c) {
        true => c,
        false => '_',
    };
    let parts: Vec<String> = route
        .split('/')
        .filter(|part| !part.is_empty() && *part != "." && *part != "..")
        .map(|part| part.chars().map(plain).collect())
        .collect();
    format!("routes/{}", parts.join("/"))
}

/// A name in Pascal case, as SARIF wants it.
fn name(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    words.map(capital).collect()
}

const fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium | Severity::Low => "warning",
        Severity::Info => "note",
    }
}

const fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
        Severity::Info => "0.0",
    }
}

/// FNV-1a: names the finding, and proves nothing.
fn fingerprint(key: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", key.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}
