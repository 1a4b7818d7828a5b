//! The report for programs. Its shape is `docs/attack-report.schema.json`.

use serde_json::{Value, json as object};

use super::{Report, moment::rfc3339};
use crate::{
    case::Tier,
    verdict::{CaseResult, Finding, Verdict},
};

/// The report as JSON; the shape only grows within a version.
pub fn json(report: &Report) -> Value {
    let counts: serde_json::Map<String, Value> = Verdict::ALL
        .into_iter()
        .map(|verdict| (verdict.name().to_owned(), report.count(verdict).into()))
        .collect();
    let calibration: serde_json::Map<String, Value> = report
        .calibration
        .iter()
        .map(|(name, shown)| ((*name).to_owned(), object!(shown)))
        .collect();
    object!({
        "schema": "doorward-attack-report/1",
        "tool": { "name": "doorward attack", "version": env!("CARGO_PKG_VERSION") },
        "run_id": report.run_id,
        "started": rfc3339(report.started),
        "milliseconds": report.milliseconds,
        "requests": report.requests,
        "target": {
            "url": report.target,
            "method": report.method,
            "token_in": report.place,
            "algorithm": report.algorithm,
        },
        "end": report.end.name(),
        "why": report.end.why(),
        "threshold": report.threshold.name(),
        "exit_code": report.exit_code(),
        "calibration": calibration,
        "counts": counts,
        "comparison": report.comparison,
        "cases": report.cases.iter().map(case).collect::<Vec<_>>(),
    })
}

fn case(result: &CaseResult) -> Value {
    let case = result.case;
    let tier = match case.tier {
        Tier::One => 1,
        Tier::Two(_) => 2,
        Tier::Three => 3,
        Tier::OwnStack => 0,
    };
    object!({
        "id": case.id,
        "name": case.name,
        "tier": tier,
        "priority": case.priority,
        "severity": case.severity.name(),
        "cwe": case.cwe,
        "asvs": case.asvs,
        "api_top_10": case.api,
        "source": case.source,
        "verdict": result.verdict.name(),
        "why": result.why,
        "unlocked_by": result.unlocked_by,
        "requests": result.requests,
        "seen": result.seen,
        "suppressed": result.suppressed,
        "findings": result.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn finding(finding: &Finding) -> Value {
    object!({
        "verdict": finding.verdict.name(),
        "severity": finding.severity.name(),
        "what": finding.what,
        "why": finding.why,
        "request": finding.request,
        "answer": finding.probe,
        "excerpt": finding.excerpt,
        "curl": finding.curl,
        "trace_id": finding.trace.as_ref().map(|trace| &trace.sent),
        "request_id": finding.trace.as_ref().and_then(|trace| trace.answered.as_ref()),
    })
}
