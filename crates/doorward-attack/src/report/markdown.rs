//! The report as Markdown, for issues and pull requests.

use super::{Report, moment::rfc3339};
use crate::{
    case::Tier,
    verdict::{CaseResult, Verdict},
};

/// The report as Markdown.
pub fn markdown(report: &Report) -> String {
    let mut text = format!(
        "# Attack on `{} {}`\n\n{}\n\n",
        report.method,
        plain(&report.target),
        headline(report)
    );
    if let Some(why) = report.end.why() {
        text.push_str(&format!("> **{}**: {}\n\n", report.end.name(), plain(why)));
    }
    text.push_str(&format!(
        "{} requests in {} ms on {}; token in {}{}.\n\n",
        report.requests,
        report.milliseconds,
        rfc3339(report.started),
        plain(&report.place),
        report
            .algorithm
            .as_ref()
            .map(|alg| format!(", `{}`", plain(alg)))
            .unwrap_or_default(),
    ));
    if let Some(comparison) = &report.comparison {
        for (what, ids) in [
            ("New", &comparison.new),
            ("Fixed", &comparison.fixed),
            ("Unchanged", &comparison.unchanged),
            ("Not judged this time", &comparison.unknown),
        ] {
            if !ids.is_empty() {
                text.push_str(&format!(
                    "- **{what}** since the earlier run: {}\n",
                    ids.join(", ")
                ));
            }
        }
        text.push('\n');
    }
    for result in report.findings() {
        text.push_str(&finding(report, result));
    }
    text.push_str(&suppressed(report));
    text.push_str(
        "## Every case\n\n| Case | What is tried | Verdict | |\n| --- | --- | --- | --- |\n",
    );
    for result in report
        .cases
        .iter()
        .filter(|result| result.case.tier != Tier::OwnStack)
    {
        let seen = result
            .seen
            .map(|seen| format!("; seen {} of {}", seen.denied, seen.asked));
        text.push_str(&format!(
            "| {} | {} | {} | {}{} |\n",
            result.case.id,
            plain(result.case.name),
            result.verdict.name().replace('_', " "),
            plain(&result.why),
            seen.unwrap_or_default(),
        ));
    }
    text
}

/// One line that says it all.
pub(super) fn headline(report: &Report) -> String {
    let findings = report.actionable();
    let count = |verdict: Verdict| report.count(verdict);
    let what = match (report.end.name(), findings) {
        ("void", _) => "No verdict".to_owned(),
        (_, 0) => "It held".to_owned(),
        (_, 1) => "1 finding".to_owned(),
        (_, many) => format!("{many} findings"),
    };
    format!(
        "**{what}**: {} vulnerable, {} suspect, {} inconclusive, {} safe, {} not applicable, {} not tried.",
        count(Verdict::Vulnerable),
        count(Verdict::Suspect),
        count(Verdict::Inconclusive),
        count(Verdict::Safe),
        count(Verdict::NotApplicable),
        count(Verdict::Skipped),
    )
}

fn finding(report: &Report, result: &CaseResult) -> String {
    let case = result.case;
    let severity = result.severity().map_or("", |severity| severity.name());
    let mut text = format!(
        "## {} {}: {} ({})\n\nCWE-{}, ASVS {}, {}:2023. Learnt from: {}.\n\n",
        case.id,
        plain(case.name),
        result.verdict.name(),
        severity,
        case.cwe,
        case.asvs,
        case.api,
        plain(case.source),
    );
    for finding in &result.findings {
        text.push_str(&format!(
            "- {}: **{}**\n",
            plain(&finding.what),
            plain(&finding.why)
        ));
        if !finding.curl.is_empty() {
            let curl: String = finding
                .curl
                .chars()
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect();
            let curl = curl.replace('`', "'");
            let statuses: Vec<String> = report
                .calibration
                .iter()
                .filter(|(name, _)| *name != "garbage")
                .map(|(name, shown)| format!("{name} {}", shown.status))
                .collect();
            text.push_str(&format!(
                "  Answers: {}, this {}.\n\n  ```sh\n  {curl}\n  ```\n",
                statuses.join(", "),
                finding.probe.status
            ));
        }
    }
    text.push_str(&format!("\n**Fix.** {}\n\n", case.fix().what));
    for (library, how) in &case.fix().how {
        text.push_str(&format!("- {library}: {how}\n"));
    }
    text.push('\n');
    text
}

fn suppressed(report: &Report) -> String {
    let mut text = String::new();
    for result in &report.cases {
        if let Some(entry) = &result.suppressed {
            text.push_str(&format!(
                "- {}: {} ({}, until {})\n",
                entry.id,
                plain(&entry.reason),
                plain(&entry.owner),
                plain(&entry.until)
            ));
        }
    }
    match text.is_empty() {
        true => text,
        false => format!("## Suppressed\n\n{text}\n"),
    }
}

/// Text that stays text: no markup, no table cells, no line ends.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' | '<' | '*' | '[' | '\\' | '_' => out.extend(['\\', character]),
            _ if character.is_control() => out.push(' '),
            _ => out.push(character),
        }
    }
    out
}
