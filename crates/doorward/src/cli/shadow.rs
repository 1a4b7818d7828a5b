//! `doorward shadow`: what the configuration that `[shadow]` names would have
//! said to the requests that arrived.

use std::fmt::Write as _;

use bytes::Bytes;
use clap::Args;
use doorward_attack::report::rfc3339;
use doorward_gateway::shadow::{Change, Example, Flip, Report, Requests};
use doorward_policy::decision::{Reason, RouteRef};
use doorward_verify::jose::time::UnixTime;
use http::{Request, header};

use super::{Place, Workplace, explain::operator_token, workplace::runtime};
use crate::{
    admin_listener::shadow::Shadow as Shown,
    client,
    exit::{Answer, Failure},
    invocation, output,
    paint::{Tone, paint, safe},
};

/// Say which requests the configuration of `[shadow]` would decide otherwise
#[derive(Debug, Args)]
pub(super) struct Shadow {}

impl Shadow {
    pub(super) fn run(&self, place: &Place) -> Result<Answer, Failure> {
        let shown = ask(place)?;
        let Some(candidate) = &shown.candidate else {
            return Err(
                Failure::configuration("the configuration names no candidate")
                    .hint("write `[shadow]`, and `config = \"next.toml\"` below it"),
            );
        };
        tell_problems(&shown);
        let Some(report) = &shown.report else {
            let failure = Failure::configuration(format!("nothing is judged by {candidate}"));
            return Err(failure.hint(match shown.problems.is_empty() {
                true => format!("write {candidate}: it is not there"),
                false => format!("correct it; `doorward config check --config {candidate}`"),
            }));
        };
        if place.json {
            output::json(&shown);
        } else {
            output::data(in_words(candidate, report, place).trim_end());
        }
        Ok(answer(report.requests, shown.problems.is_empty()))
    }
}

/// Yes only if something was judged, by what the file says now, and ended the
/// same. What is not known is told, and speaks for neither: strangers can send
/// any number of such requests.
const fn answer(requests: Requests, is_of_the_file: bool) -> Answer {
    let Requests {
        same,
        opened,
        closed,
        other_reason,
        unknown: _,
        panicked,
    } = requests;
    match (opened + closed + other_reason + panicked, same) {
        (0, 0) => Answer::Void,
        (0, _) if !is_of_the_file => Answer::Void,
        (0, _) => Answer::Yes,
        _ => Answer::No,
    }
}

/// Asks the running server.
fn ask(place: &Place) -> Result<Shown, Failure> {
    let workplace = Workplace::open(place)?;
    let admin = &workplace.last_up.admin;
    let request = Request::get(format!("{admin}/api/shadow"))
        .header(
            header::AUTHORIZATION,
            operator_token(&workplace)?.authorization(),
        )
        .body(Bytes::new())
        .map_err(|error| Failure::usage(error.to_string()))?;
    let answer = runtime()?.block_on(client::send(request))?;
    match answer.status().as_u16() {
        200 => serde_json::from_slice(answer.body()).map_err(|error| {
            Failure::unreachable(format!("the server's answer is no report: {error}"))
                .hint("are server and command of the same version?")
        }),
        status => Err(Failure::unreachable(format!("{admin} answered {status}"))
            .hint("is another server running on the admin address of this data folder?")),
    }
}

/// What the operator should know before the numbers.
fn tell_problems(shown: &Shown) {
    let warning = paint(Tone::Warn, "warning:");
    for problem in &shown.problems {
        let line = problem.line.map(|line| format!(":{line}"));
        let place = format!("{}{}", problem.file, line.unwrap_or_default());
        output::note(format!(
            "{warning} {}: {}",
            safe(&place),
            safe(&problem.message)
        ));
    }
    if !shown.problems.is_empty() && shown.report.is_some() {
        output::note(format!("{warning} the last good content goes on judging"));
    }
    if !shown.not_compared.is_empty() {
        output::note(format!(
            "{warning} not compared, although different: {}",
            safe(&shown.not_compared.join(", "))
        ));
    }
}

fn in_words(candidate: &str, report: &Report, place: &Place) -> String {
    let Requests {
        same,
        opened,
        closed,
        other_reason,
        unknown,
        panicked,
    } = report.requests;
    let since = moment(report.since_ms);
    let mut text = format!(
        "{} judges since {since}, without effect\n{same} the same, {opened} would be let in, \
         {closed} would be refused, {other_reason} for another reason",
        safe(candidate)
    );
    for (count, what) in [(unknown, "not known"), (panicked, "panicked")] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text.push('\n');
    if answer(report.requests, true) == Answer::Void {
        text += "nothing is found out yet: it takes requests that it can judge\n";
    }
    for flip in &report.flips {
        text += &in_lines(flip, place);
    }
    if report.further > 0 {
        let _ = writeln!(text, "\nand {} of more kinds", report.further);
    }
    text
}

fn in_lines(flip: &Flip, place: &Place) -> String {
    let (mark, tone, is, would_be) = match flip.change {
        Change::Opened => ("+", Tone::Good, "refused", "let in"),
        Change::Closed => ("-", Tone::Bad, "let in", "refused"),
        Change::OtherReason if is_let_in(flip.before) => ("~", Tone::Warn, "let in", "let in"),
        Change::OtherReason => ("~", Tone::Warn, "refused", "refused"),
    };
    let Example {
        trace_id,
        method,
        path,
        failed,
    } = &flip.example;
    let mut lines = vec![
        format!(
            "{is} ({}), would be {would_be} ({}){}",
            flip.before.code(),
            flip.after.code(),
            by(flip)
        ),
        format!("last    {method} {path}"),
    ];
    if let Some(check) = failed {
        lines.push(format!("wants   {}", check.wanted));
        lines.push(format!("has     {}", check.seen));
    }
    lines.push(match flip.first_ms == flip.last_ms {
        true => format!("at      {}", moment(flip.last_ms)),
        false => format!(
            "from    {} to {}",
            moment(flip.first_ms),
            moment(flip.last_ms)
        ),
    });
    let explain = invocation::localized(&format!("doorward explain {trace_id}"), &place.data);
    lines.push(format!("see     {explain}"));
    let lines = lines
        .iter()
        .map(|line| format!("          {}\n", safe(line)));
    let head = safe(&named(flip.route.as_ref()));
    format!(
        "\n{} {:>6}  {}\n{}",
        paint(tone, mark),
        flip.count,
        paint(Tone::Strong, head),
        lines.collect::<String>()
    )
}

fn is_let_in(reason: Reason) -> bool {
    reason.status() < 400
}

/// A route and where it is written.
fn named(route: Option<&RouteRef>) -> String {
    match route {
        None => "no route".to_owned(),
        Some(RouteRef { pattern, source }) => match source {
            Some(source) => format!("{pattern}   {source}"),
            None => pattern.to_string(),
        },
    }
}

/// What the candidate says it by, as far as that is not what is served.
fn by(flip: &Flip) -> String {
    let Some(route) = &flip.candidate_route else {
        return String::new();
    };
    let is_same = flip.route.as_ref().map(|it| &it.pattern) == Some(&route.pattern);
    let pattern = match is_same {
        true => String::new(),
        false => format!(" by {}", route.pattern),
    };
    let place = route.source.as_ref().map(|source| format!(" at {source}"));
    pattern + &place.unwrap_or_default()
}

fn moment(ms: u64) -> String {
    rfc3339(UnixTime::from_secs(ms / 1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Requests = Requests {
        same: 0,
        opened: 0,
        closed: 0,
        other_reason: 0,
        unknown: 0,
        panicked: 0,
    };

    #[test]
    fn only_what_was_judged_and_stays_is_a_yes() {
        let same = Requests { same: 9, ..NONE };
        assert_eq!(answer(same, true), Answer::Yes);
        let some_unknown = Requests { unknown: 1, ..same };
        assert_eq!(answer(some_unknown, true), Answer::Yes);
        for changed in [
            Requests { opened: 1, ..same },
            Requests { closed: 1, ..same },
            Requests {
                other_reason: 1,
                ..same
            },
            Requests {
                panicked: 1,
                ..same
            },
        ] {
            assert_eq!(answer(changed, true), Answer::No);
            assert_eq!(answer(changed, false), Answer::No);
        }
    }

    #[test]
    fn where_nothing_was_found_out_it_is_neither_yes_nor_no() {
        let unknown = Requests { unknown: 9, ..NONE };
        assert_eq!(answer(NONE, true), Answer::Void);
        assert_eq!(answer(unknown, true), Answer::Void);
        let same = Requests { same: 9, ..NONE };
        assert_eq!(answer(same, false), Answer::Void, "of an older content");
    }
}
