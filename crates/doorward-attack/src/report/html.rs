//! The report as one HTML file: no script, no request to anywhere, light and
//! dark, narrow and wide.

use super::{End, Report, junit::escaped, moment::rfc3339};
use crate::{
    case::{Severity, Tier},
    verdict::{CaseResult, Verdict},
};

const STYLE: &str = include_str!("style.css");

/// The report as a page.
pub fn html(report: &Report) -> String {
    let title = format!("Attack on {} {}", report.method, report.target);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{}{}{}{}</main>\n</body>\n</html>\n",
        escaped(&title),
        head(report),
        findings(report),
        suppressed(report),
        table(report),
    )
}

fn head(report: &Report) -> String {
    let (class, verdict) = match (&report.end, report.actionable()) {
        (End::Void(_), _) => ("bad", "No verdict".to_owned()),
        (_, 0) => ("good", "It held".to_owned()),
        (_, 1) => ("bad", "1 finding".to_owned()),
        (_, count) => ("bad", format!("{count} findings")),
    };
    let mut tiles = String::new();
    for verdict in Verdict::ALL {
        let name = verdict.name().replace('_', " ");
        tiles.push_str(&format!(
            "<li class=\"{}\"><b>{}</b> {name}</li>\n",
            verdict.name(),
            report.count(verdict)
        ));
    }
    let why = report
        .end
        .why()
        .map(|why| format!("<p class=\"bad\">{}</p>\n", escaped(why)));
    let answers: Vec<String> = report
        .calibration
        .iter()
        .map(|(name, shown)| {
            format!("{name} token {}", shown.status).replace("none token", "no token")
        })
        .collect();
    let changes = report.comparison.as_ref().map(|comparison| {
        format!(
            "<p>Since the earlier run: {} new, {} fixed, {} unchanged.</p>\n",
            comparison.new.len(),
            comparison.fixed.len(),
            comparison.unchanged.len()
        )
    });
    format!(
        "<header>\n<p class=\"tool\">doorward attack</p>\n<h1 class=\"{class}\">{verdict}</h1>\n\
         <p class=\"route\"><code>{} {}</code></p>\n{}<ul class=\"counts\">\n{tiles}</ul>\n{}\
         <p class=\"facts\">{} · {} requests in {}.{} s · token in {}{} · calibrated: {}</p>\n</header>\n",
        escaped(&report.method),
        escaped(&report.target),
        why.unwrap_or_default(),
        changes.unwrap_or_default(),
        rfc3339(report.started),
        report.requests,
        report.milliseconds / 1000,
        report.milliseconds / 100 % 10,
        escaped(&report.place),
        report
            .algorithm
            .as_ref()
            .map(|alg| format!(", {}", escaped(alg)))
            .unwrap_or_default(),
        answers.join(", "),
    )
}

fn findings(report: &Report) -> String {
    report
        .findings()
        .into_iter()
        .map(|result| finding(report, result))
        .collect()
}

fn finding(report: &Report, result: &CaseResult) -> String {
    let case = result.case;
    let severity = result.severity().unwrap_or(Severity::Info);
    let mut proofs = String::new();
    for finding in &result.findings {
        proofs.push_str(&format!(
            "<li><p><b>{}</b></p><p>{}</p>",
            escaped(&finding.what),
            coded(&finding.why)
        ));
        if !finding.curl.is_empty() {
            let valid = report
                .calibration
                .first()
                .map_or(0, |(_, shown)| shown.status);
            let none = report
                .calibration
                .get(1)
                .map_or(0, |(_, shown)| shown.status);
            proofs.push_str(&format!(
                "<table class=\"proof\"><tr><th>valid token</th><th>no token</th><th>this</th></tr>\
                 <tr><td>{valid}</td><td>{none}</td><td>{}</td></tr></table>\
                 <details><summary>Request and command</summary><pre>{}</pre><pre>{}</pre></details>",
                match finding.probe.status {
                    0 => escaped(&finding.probe.kind),
                    status => status.to_string(),
                },
                escaped(&finding.request),
                escaped(&finding.curl),
            ));
        }
        proofs.push_str("</li>\n");
    }
    let how: String = case
        .fix()
        .how
        .iter()
        .map(|(library, how)| format!("<dt>{}</dt><dd>{}</dd>", escaped(library), coded(how)))
        .collect();
    format!(
        "<section class=\"finding {severity}\">\n<h2><span class=\"id\">{}</span> {} \
         <span class=\"badge\">{}{severity}</span></h2>\n<ul class=\"proofs\">\n{proofs}</ul>\n\
         <h3>Fix</h3>\n<p>{}</p>\n<dl>{how}</dl>\n\
         <p class=\"facts\">CWE-{} · ASVS {} · {}:2023 · {}</p>\n</section>\n",
        case.id,
        coded(case.name),
        if result.verdict == Verdict::Suspect {
            "suspect, "
        } else {
            ""
        },
        coded(case.fix().what),
        case.cwe,
        escaped(case.asvs),
        case.api,
        escaped(case.source),
    )
}

fn suppressed(report: &Report) -> String {
    let entries: String = report
        .cases
        .iter()
        .filter_map(|result| result.suppressed.as_ref())
        .map(|entry| {
            format!(
                "<li><span class=\"id\">{}</span> {} ({}, until {})</li>\n",
                escaped(&entry.id),
                escaped(&entry.reason),
                escaped(&entry.owner),
                escaped(&entry.until)
            )
        })
        .collect();
    match entries.is_empty() {
        true => entries,
        false => format!("<section>\n<h2>Suppressed</h2>\n<ul>\n{entries}</ul>\n</section>\n"),
    }
}

fn table(report: &Report) -> String {
    let mut rows = String::new();
    for result in report
        .cases
        .iter()
        .filter(|result| result.case.tier != Tier::OwnStack)
    {
        let mut why = coded(&result.why);
        if let Some(flag) = result.unlocked_by {
            why.push_str(&format!(" (<code>{flag}</code>)"));
        }
        if let Some(seen) = result.seen {
            why.push_str(&format!(" seen {} of {}", seen.denied, seen.asked));
        }
        rows.push_str(&format!(
            "<tr class=\"{}\"><td class=\"id\">{}</td><td>{}</td><td class=\"verdict\">{}</td><td>{why}</td></tr>\n",
            result.verdict.name(),
            result.case.id,
            coded(result.case.name),
            result.verdict.name().replace('_', " "),
        ));
    }
    format!(
        "<section>\n<h2>Every case</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>Case</th><th>What is tried</th>\
         <th>Verdict</th><th></th></tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n</section>\n"
    )
}

/// Text in which what stands between back quotes is code.
fn coded(text: &str) -> String {
    let mut out = String::new();
    let parts: Vec<&str> = text.split('`').collect();
    // An odd quote at the end is a quote.
    let pairs = parts.len() - usize::from(parts.len().is_multiple_of(2));
    for (index, part) in parts.iter().enumerate() {
        match (index % 2 == 1, index < pairs) {
            (true, true) => out.push_str(&format!("<code>{}</code>", escaped(part))),
            (_, true) => out.push_str(&escaped(part)),
            (_, false) => out.push_str(&format!("`{}", escaped(part))),
        }
    }
    out
}
