//! What `doorward test` says: to people, to programs, to a CI system.

use std::{fs, path::Path};

use doorward_policy::decision::{Decision, Outcome, Reason};
use serde_json::{Value, json};

use super::{
    Tally,
    case::{Judged, Verdict, Wanted, word},
};
use crate::{
    cli::Place,
    decision_view,
    exit::Failure,
    output,
    paint::{Tone, paint, safe},
};

/// Says how it went.
pub(super) fn show(place: &Place, judged: &[Judged], tally: Tally) {
    if place.json {
        let cases: Vec<_> = judged.iter().map(as_json).collect();
        let Tally {
            passed,
            failed,
            skipped,
        } = tally;
        output::json(&json!({
            "passed": passed, "failed": failed, "skipped": skipped, "cases": cases,
        }));
        return;
    }
    for one in judged {
        show_one(one);
    }
    output::data(in_words(tally));
}

/// `12 passed, 1 failed, 3 skipped`.
fn in_words(tally: Tally) -> String {
    let Tally {
        passed,
        failed,
        skipped,
    } = tally;
    let skipped = match skipped {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    format!("{passed} passed, {failed} failed{skipped}")
}

fn show_one(one: &Judged) {
    let case = &one.case;
    let name = format!(
        "{}   {}",
        safe(&case.name),
        paint(Tone::Quiet, safe(&case.source))
    );
    match &one.verdict {
        // What goes on as it was is not news.
        Verdict::Passed(_) if matches!(case.wanted, Wanted::Recorded(..)) => {}
        Verdict::Passed(_) => output::data(format!("{} {name}", paint(Tone::Good, "✓"))),
        Verdict::Skipped(why) => {
            output::data(format!("- {name}\n    {}", paint(Tone::Quiet, safe(why))));
        }
        Verdict::Failed(decision) => {
            let verb = match case.wanted {
                Wanted::Recorded(..) => "was",
                _ => "wanted",
            };
            output::data(format!(
                "{} {name}\n    {verb} {}, is {}\n{}",
                paint(Tone::Bad, "✗"),
                case.wanted.shown(),
                got(decision),
                decision_view::checks(decision).trim_end(),
            ));
        }
    }
}

fn got(decision: &Decision) -> String {
    let rule = decision.route.as_ref().map(|route| match &route.source {
        Some(source) => format!(" by {} at {source}", route.pattern),
        None => format!(" by {}", route.pattern),
    });
    let (outcome, reason) = (word(decision.outcome), decision.reason.code());
    safe(&format!("{outcome} ({reason}){}", rule.unwrap_or_default()))
}

fn as_json(one: &Judged) -> Value {
    let case = &one.case;
    let parts = |outcome: Outcome, reason: Option<Reason>| json!({ "outcome": word(outcome), "reason": reason.map(Reason::code) });
    let (verdict, decision, why) = match &one.verdict {
        Verdict::Passed(decision) => ("passed", Some(decision), None),
        Verdict::Failed(decision) => ("failed", Some(decision), None),
        Verdict::Skipped(why) => ("skipped", None, Some(why)),
    };
    json!({
        "name": case.name,
        "source": case.source,
        "request": case.request(),
        "verdict": verdict,
        "wanted": case.wanted.parts().map(|(outcome, reason)| parts(outcome, reason)),
        "decision": decision,
        "why": why,
    })
}

/// Writes the report that CI systems read.
pub(super) fn junit(file: &Path, judged: &[Judged], tally: Tally) -> Result<(), Failure> {
    let cases: String = judged.iter().map(test_case).collect();
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"0\" time=\"0\"",
        judged.len(),
        tally.failed
    );
    let report = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  \
         <testsuite name=\"doorward test\" {counts} skipped=\"{}\">\n{cases}  \
         </testsuite>\n</testsuites>\n",
        tally.skipped,
    );
    fs::write(file, report).map_err(|error| {
        Failure::unreachable(format!("cannot write {}: {error}", file.display()))
            .hint("check the path of --junit")
    })
}

fn test_case(one: &Judged) -> String {
    let inside = match &one.verdict {
        Verdict::Passed(_) => String::new(),
        Verdict::Skipped(why) => format!("<skipped message=\"{}\"></skipped>", escaped(why)),
        Verdict::Failed(decision) => {
            let message = format!("wanted {}, is {}", one.case.wanted.shown(), got(decision));
            format!("<failure message=\"{}\"></failure>", escaped(&message))
        }
    };
    format!(
        "    <testcase classname=\"{}\" name=\"{}\" time=\"0\">{inside}</testcase>\n",
        escaped(&one.case.source),
        escaped(&one.case.name),
    )
}

/// `text` inside an attribute of XML 1.0, which has no way to write most
/// control characters.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter if letter.is_control() => out.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}
