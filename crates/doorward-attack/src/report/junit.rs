//! The report as JUnit XML: one test case for each case that can be tried
//! from outside.

use super::{Report, moment::rfc3339};
use crate::{
    case::Tier,
    verdict::{CaseResult, Verdict},
};

/// The report as JUnit XML. A finding at the threshold is a failure; what was
/// not judged is skipped, with its reason; a void run is an error.
pub fn junit(report: &Report) -> String {
    let results: Vec<&CaseResult> = report
        .cases
        .iter()
        .filter(|result| result.case.tier != Tier::OwnStack)
        .collect();
    let (mut failures, mut skipped) = (0, 0);
    let mut cases = String::new();
    for result in &results {
        let (inside, is_failure, is_skipped) = inside(report, result);
        failures += u32::from(is_failure);
        skipped += u32::from(is_skipped);
        cases.push_str(&format!(
            "    <testcase classname=\"attack.{}\" name=\"{} {}\" time=\"0\">{inside}</testcase>\n",
            &result.case.id[..3],
            result.case.id,
            escaped(result.case.name),
        ));
    }
    let errors = u32::from(report.end.why().is_some());
    if let Some(why) = report.end.why() {
        cases.push_str(&format!(
            "    <testcase classname=\"attack\" name=\"the run\" time=\"0\"><error type=\"{}\" message=\"{}\"></error></testcase>\n",
            report.end.name(),
            escaped(why),
        ));
    }
    let tests = results.len() + errors as usize;
    let seconds = format!(
        "{}.{:03}",
        report.milliseconds / 1000,
        report.milliseconds % 1000
    );
    // The whole takes no count of what was skipped in the published schema.
    let counts =
        format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" time=\"{seconds}\"");
    let stamp = rfc3339(report.started);
    let name = escaped(&format!(
        "doorward attack {} {}",
        report.method, report.target
    ));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  \
         <testsuite name=\"{name}\" timestamp=\"{}\" {counts} skipped=\"{skipped}\">\n{cases}  </testsuite>\n</testsuites>\n",
        stamp.trim_end_matches('Z'),
    )
}

/// What is inside a test case, and whether it failed or was skipped.
fn inside(report: &Report, result: &CaseResult) -> (String, bool, bool) {
    let said = |why: &str| format!("<skipped message=\"{}\"></skipped>", escaped(why));
    if let Some(entry) = &result.suppressed {
        let why = format!(
            "suppressed by {} until {}: {}",
            entry.owner, entry.until, entry.reason
        );
        return (said(&why), false, true);
    }
    match result.verdict {
        Verdict::Vulnerable | Verdict::Suspect => {
            let text = findings(result);
            if result.severity() < Some(report.threshold) {
                return (
                    format!("<system-out>{}</system-out>", escaped(&text)),
                    false,
                    false,
                );
            }
            let message = result
                .findings
                .first()
                .map_or("", |finding| finding.why.as_str());
            let failure = format!(
                "<failure type=\"{}\" message=\"{}\">{}</failure>",
                result.verdict.name(),
                escaped(message),
                escaped(&text),
            );
            (failure, true, false)
        }
        Verdict::Safe => (String::new(), false, false),
        verdict => (
            said(&format!("{}: {}", verdict.name(), result.why)),
            false,
            true,
        ),
    }
}

fn findings(result: &CaseResult) -> String {
    let case = result.case;
    let mut text = format!(
        "{}\nCWE-{}, ASVS {}, {}:2023\n",
        case.fix().what,
        case.cwe,
        case.asvs,
        case.api
    );
    for finding in &result.findings {
        text.push_str(&format!(
            "\n{} ({}): {}\n{}\n",
            finding.what, finding.severity, finding.why, finding.curl
        ));
    }
    text
}

/// Text for XML 1.0, which has no control characters at all.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(character),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ if character.is_control() => out.extend(character.escape_unicode()),
            _ => out.push(character),
        }
    }
    out
}
