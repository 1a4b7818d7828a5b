//! The summary for a tired person: what is wrong first, then what was done,
//! then what was not.

use super::{End, Report};
use crate::{
    case::{self, Extra, Severity, Tier},
    verdict::{CaseResult, Verdict},
};

/// What a piece of text means; the caller knows its colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing in particular.
    Plain,
    /// It held.
    Good,
    /// It did not.
    Bad,
    /// It may not.
    Warn,
    /// Beside the point.
    Quiet,
    /// To be seen first.
    Strong,
}

/// The report as text; `paint` colours and cleans a piece of it, `replay` is
/// the command that tries a case again.
pub fn terminal(
    report: &Report,
    paint: &dyn Fn(Tone, &str) -> String,
    replay: &dyn Fn(&str) -> String,
) -> String {
    let mut lines = vec![String::new()];
    if let Some(why) = report.end.why() {
        let what = match report.end {
            End::Void(_) => "VOID: nothing is proven",
            _ => "STOPPED: a limit was reached",
        };
        lines.push(format!(
            "{}  {}",
            paint(Tone::Bad, what),
            paint(Tone::Plain, why)
        ));
        lines.push(String::new());
    }
    let (findings, notes): (Vec<_>, Vec<_>) = report
        .findings()
        .into_iter()
        .partition(|result| result.severity() > Some(Severity::Info));
    for result in &findings {
        lines.extend(finding(result, paint, replay));
        lines.push(String::new());
    }
    if !notes.is_empty() {
        lines.push(paint(Tone::Strong, "Worth knowing"));
        for result in notes {
            let what: Vec<&str> = result
                .findings
                .iter()
                .map(|finding| finding.what.as_str())
                .collect();
            lines.push(format!(
                "  {}  {}",
                paint(Tone::Quiet, result.case.id),
                paint(Tone::Plain, &what.join(", "))
            ));
        }
        lines.push(String::new());
    }
    lines.extend(changes(report).map(|text| paint(Tone::Plain, &text)));
    lines.push(conclusion(report, findings.len(), paint));
    lines.push(format!("  {}", counts(report)));
    if let Some(text) = seen(report) {
        lines.push(format!("  {}", paint(Tone::Plain, &text)));
    }
    if let Some(text) = skipped(report) {
        lines.push(format!("  {}", paint(Tone::Quiet, &text)));
    }
    lines.join("\n")
}

fn finding(
    result: &CaseResult,
    paint: &dyn Fn(Tone, &str) -> String,
    replay: &dyn Fn(&str) -> String,
) -> Vec<String> {
    let case = result.case;
    let severity = result.severity().unwrap_or(Severity::Info);
    let (mark, tone) = match result.verdict {
        Verdict::Vulnerable => ("✗", Tone::Bad),
        _ => ("?", Tone::Warn),
    };
    let word = match result.verdict {
        Verdict::Vulnerable => severity.name().to_owned(),
        _ => format!("suspect, {severity}"),
    };
    let mut lines = vec![format!(
        "{} {}  {}  {}",
        paint(tone, mark),
        paint(Tone::Strong, case.id),
        paint(Tone::Strong, case.name),
        paint(tone, &word)
    )];
    for finding in result.findings.iter().take(3) {
        lines.push(format!("    {}", paint(Tone::Plain, &finding.what)));
        lines.push(format!("    {}", paint(tone, &finding.why)));
        if !finding.curl.is_empty() && finding.curl.len() < 400 {
            lines.push(format!("    {}", paint(Tone::Quiet, &finding.curl)));
        }
    }
    if result.findings.len() > 3 {
        let more = format!("and {} more like it", result.findings.len() - 3);
        lines.push(format!("    {}", paint(Tone::Quiet, &more)));
    }
    lines.push(format!(
        "    {}  {}",
        paint(Tone::Quiet, "fix   "),
        case.fix().what
    ));
    if result
        .findings
        .iter()
        .any(|finding| !finding.request.is_empty())
    {
        lines.push(format!(
            "    {}  {}",
            paint(Tone::Quiet, "again "),
            replay(case.id)
        ));
    }
    let refs = format!("CWE-{}, ASVS {}, {}:2023", case.cwe, case.asvs, case.api);
    lines.push(format!(
        "    {}  {}",
        paint(Tone::Quiet, "about "),
        paint(Tone::Quiet, &refs)
    ));
    lines
}

/// What an earlier run and the suppressions have to say.
fn changes(report: &Report) -> impl Iterator<Item = String> {
    let listed = |what: &str, ids: &[String]| {
        (!ids.is_empty()).then(|| format!("{what}: {}", ids.join(", ")))
    };
    let compared = report.comparison.iter().flat_map(move |comparison| {
        [
            listed("new since the earlier run", &comparison.new),
            listed("fixed", &comparison.fixed),
            listed("unchanged", &comparison.unchanged),
            listed("not judged this time", &comparison.unknown),
        ]
    });
    let entries = report
        .cases
        .iter()
        .filter_map(|result| result.suppressed.as_ref());
    let suppressed = entries.map(|entry| {
        Some(format!(
            "suppressed: {} by {} until {}: {}",
            entry.id, entry.owner, entry.until, entry.reason
        ))
    });
    compared
        .chain(suppressed)
        .flatten()
        .collect::<Vec<_>>()
        .into_iter()
}

fn conclusion(report: &Report, findings: usize, paint: &dyn Fn(Tone, &str) -> String) -> String {
    let target = format!("{} {}", report.method, report.target);
    match (&report.end, findings) {
        (End::Void(_), _) => paint(Tone::Bad, &format!("No verdict on {target}.")),
        (_, 0) => paint(Tone::Good, &format!("{target} held.")),
        (_, 1) => paint(Tone::Bad, &format!("{target} has 1 finding.")),
        (_, count) => paint(Tone::Bad, &format!("{target} has {count} findings.")),
    }
}

fn counts(report: &Report) -> String {
    let mut parts = Vec::new();
    for (verdict, word) in [
        (Verdict::Vulnerable, "vulnerable"),
        (Verdict::Suspect, "suspect"),
        (Verdict::Inconclusive, "inconclusive"),
        (Verdict::Safe, "safe"),
        (Verdict::NotApplicable, "not applicable"),
    ] {
        match report.count(verdict) {
            0 => {}
            count => parts.push(format!("{count} {word}")),
        }
    }
    // Begun tenths count: no run takes no time.
    let tenths = report.milliseconds.div_ceil(100);
    format!(
        "{}; {} requests in {}.{} s",
        parts.join(", "),
        report.requests,
        tenths / 10,
        tenths % 10
    )
}

/// What the target's own log holds of it.
fn seen(report: &Report) -> Option<String> {
    let of = |result: &CaseResult| Some((result.case.id, result.seen?));
    let seen: Vec<_> = report.cases.iter().filter_map(of).collect();
    let asked: u32 = seen.iter().map(|(_, seen)| seen.asked).sum();
    let denied: u32 = seen.iter().map(|(_, seen)| seen.denied).sum();
    let unseen = seen.iter().filter(|(_, seen)| seen.denied < seen.asked);
    let unseen: Vec<&str> = unseen.map(|(id, _)| *id).collect();
    let but = match unseen.is_empty() {
        true => String::new(),
        false => format!("; let in or not seen in {}", unseen.join(", ")),
    };
    (!seen.is_empty()).then(|| {
        format!("{denied} of {asked} answered probes are in the decision log as denied{but}")
    })
}

/// What was not tried, and what would let it be.
fn skipped(report: &Report) -> Option<String> {
    let skipped = report.count(Verdict::Skipped);
    if skipped == 0 {
        return None;
    }
    let of = |flag: &str| {
        let results = report.cases.iter();
        let count = results
            .filter(|result| result.unlocked_by == Some(flag))
            .count();
        (count > 0).then(|| format!("{flag} for {count}"))
    };
    let mut ways: Vec<String> = Extra::ALL
        .into_iter()
        .filter_map(|extra| of(extra.flag()))
        .collect();
    ways.extend(of("--staging-key"));
    ways.extend(of(case::LEAVE));
    let not_yet = report
        .cases
        .iter()
        .filter(|result| result.verdict == Verdict::Skipped && !result.case.is_tried());
    let not_yet = not_yet.count();
    if not_yet > 0 {
        ways.push(format!("{not_yet} not in this version"));
    }
    let is_asked = report
        .cases
        .iter()
        .any(|result| result.verdict == Verdict::Skipped && result.case.tier == Tier::One);
    match is_asked || ways.is_empty() {
        true => Some(format!("{skipped} not tried")),
        false => Some(format!("{skipped} not tried: {}", ways.join(", "))),
    }
}
