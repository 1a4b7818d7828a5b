//! A decision as people read it: one line while requests pass, every check
//! for `explain`.

use std::{fmt::Write as _, path::Path};

use doorward_policy::decision::{Check, Decision, Outcome, Reason, Step};

use crate::{
    invocation,
    paint::{Tone, paint, safe},
};

/// The tone of an outcome.
const fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Allowed => Tone::Good,
        Outcome::Denied => Tone::Bad,
        Outcome::Failed => Tone::Warn,
    }
}

/// `14:02:30Z  DELETE /orders/7  403  missing_permission  0.4 ms  reader@acme …`
pub(crate) fn line(decision: &Decision, caller: Option<&str>) -> String {
    let tone = match decision.status {
        Some(200..=399) => Tone::Good,
        Some(400..=499) => Tone::Bad,
        _ => Tone::Warn,
    };
    let status = decision
        .status
        .map_or_else(|| "---".to_owned(), |status| status.to_string());
    format!(
        "  {}  {:<34}  {}  {:<20}  {:>7}  {}",
        paint(Tone::Quiet, clock_face(decision.at_ms)),
        format!("{} {}", safe(&decision.method), cut(&safe(&decision.path))),
        paint(tone, status),
        decision.reason.code(),
        milliseconds(decision.elapsed_us),
        remark(decision, caller),
    )
    .trim_end()
    .to_owned()
}

/// What else fits on the line: who asked, and what was missing.
fn remark(decision: &Decision, caller: Option<&str>) -> String {
    let who = caller.map(safe).unwrap_or_default();
    let wanted = match decision.failed_check() {
        Some(check) if decision.outcome == Outcome::Denied && !check.wanted.is_empty() => {
            format!("wants {}", safe(&check.wanted))
        }
        Some(check) if decision.outcome == Outcome::Failed => safe(&check.seen),
        _ if decision.status.is_none() => "left before the answer".to_owned(),
        _ => String::new(),
    };
    let gap = if who.is_empty() || wanted.is_empty() {
        ""
    } else {
        "  "
    };
    format!("{who}{gap}{}", paint(Tone::Quiet, wanted))
}

/// Every check with what it saw and wanted, the rule with its place, and the
/// command that would turn a denial around, fit for pasting by whoever works
/// on the data folder `data`.
pub(crate) fn whole(decision: &Decision, caller: Option<&str>, data: &Path) -> String {
    let mut out = String::new();
    let verdict = match decision.outcome {
        Outcome::Allowed => "ALLOWED",
        Outcome::Denied => "DENIED",
        Outcome::Failed => "FAILED",
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{}  {} {}   {}",
        paint(tone(decision.outcome), verdict),
        paint(Tone::Strong, safe(&decision.method)),
        paint(Tone::Strong, safe(&decision.path)),
        paint(Tone::Quiet, format!("trace {}", decision.trace_id)),
    );
    out.push_str(&checks(decision));
    if let Some(route) = &decision.route {
        let place = route.source.as_ref().map(|source| format!("   {source}"));
        field(
            &mut out,
            "rule",
            &format!("{}{}", route.pattern, place.unwrap_or_default()),
        );
    }
    if let Some(caller) = caller.map(safe).or_else(|| subject(decision)) {
        field(&mut out, "caller", &caller);
    }
    let status = decision
        .status
        .map(|status| format!("{status} "))
        .unwrap_or_default();
    let reason = decision.reason;
    field(
        &mut out,
        "answer",
        &format!("{status}{}: {}", reason.code(), reason.title()),
    );
    if let Some(fix) = &decision.fix {
        field(&mut out, "fix", &safe(&invocation::localized(fix, data)));
    }
    out
}

/// Every check, one or two lines each.
pub(crate) fn checks(decision: &Decision) -> String {
    decision.checks.iter().map(check_lines).collect()
}

fn check_lines(check: &Check) -> String {
    let (mark, tone) = if check.passed {
        ("✓", Tone::Good)
    } else {
        ("✗", Tone::Bad)
    };
    let name = format!("{:<11}", check.step.name());
    let mark = paint(tone, mark);
    if check.wanted.is_empty() {
        return format!("  {mark} {name} {}\n", safe(&check.seen));
    }
    format!(
        "  {mark} {name} {}  {}\n  {:>13} {}   {}\n",
        paint(Tone::Quiet, "wants"),
        safe(&check.wanted),
        "",
        paint(Tone::Quiet, "has"),
        if check.seen.is_empty() {
            "nothing".to_owned()
        } else {
            safe(&check.seen)
        },
    )
}

fn field(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(
        out,
        "    {} {value}",
        paint(Tone::Quiet, format!("{name:<11}"))
    );
}

fn subject(decision: &Decision) -> Option<String> {
    let caller = decision.caller.as_ref()?;
    let tenant = caller
        .tenant
        .as_deref()
        .map(|tenant| format!(" in {tenant}"));
    let issuer = caller.issuer.as_deref();
    let issuer = issuer.map(|issuer| format!(" of {issuer}"));
    Some(safe(&format!(
        "{}{}{}",
        caller.subject,
        tenant.unwrap_or_default(),
        issuer.unwrap_or_default()
    )))
}

/// Time of day, UTC.
fn clock_face(at_ms: u64) -> String {
    let seconds = at_ms / 1000 % 86_400;
    format!(
        "{:02}:{:02}:{:02}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

fn milliseconds(micros: u64) -> String {
    format!("{}.{} ms", micros / 1000, micros % 1000 / 100)
}

/// Long paths keep their beginning; the whole is in `explain`.
fn cut(path: &str) -> String {
    const LONGEST: usize = 60;
    match path.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &path[..end]),
        None => path.to_owned(),
    }
}

/// What the operator or the caller can do about a denial, where a single
/// step does it.
pub(crate) fn fix(
    decision: &Decision,
    granting: &[String],
    caller: Option<&str>,
) -> Option<String> {
    let text = match decision.reason {
        Reason::NoToken => "send `Authorization: Bearer TOKEN`; `doorward token mint --as USER` \
                            makes one, POST /auth/sign-in gives a user theirs"
            .to_owned(),
        Reason::TokenExpired | Reason::UserChanged => {
            "refresh: POST /auth/refresh with the refresh token".to_owned()
        }
        Reason::SessionRevoked | Reason::TokenRevoked => "sign in again".to_owned(),
        Reason::InsufficientUserAuthentication => {
            "sign in again in the way that the check wants, and use the new token".to_owned()
        }
        Reason::MissingPermission => grant_command(decision, granting, caller?)?,
        Reason::NoRoute | Reason::MethodNotAllowed => format!(
            "open it in the configuration: [[route]] match = \"{} {}\" and allow = \"RESOURCE:ACTION\"",
            decision.method, decision.path
        ),
        Reason::UnknownKey => {
            "the token was signed by a key of another server or data folder: sign in here"
                .to_owned()
        }
        Reason::UpstreamUnreachable => "start the API, or correct --upstream".to_owned(),
        _ => return None,
    };
    Some(text)
}

fn grant_command(decision: &Decision, granting: &[String], caller: &str) -> Option<String> {
    let role = granting.first()?;
    let tenant = decision.caller.as_ref()?.tenant.as_deref();
    let tenant = tenant
        .map(|tenant| format!(" --tenant {tenant}"))
        .unwrap_or_default();
    let user = caller.split('@').next().unwrap_or(caller);
    Some(format!("doorward role grant {user} {role}{tenant}"))
}

/// The permission that a denied decision wanted.
pub(crate) fn wanted_permission(decision: &Decision) -> Option<&str> {
    let check = decision.failed_check()?;
    (check.step == Step::Permission).then_some(check.wanted.as_ref())
}

#[cfg(test)]
mod tests {
    use doorward_policy::decision::{Caller, Decision, Reason, Step, TraceId};

    use std::path::Path;

    use super::{fix, line, wanted_permission, whole};
    use crate::invocation;

    fn denied() -> Decision {
        let mut decision = Decision::new(
            TraceId::from_bytes([0xab; 16]),
            50_550_000,
            "DELETE",
            "/orders/7",
        );
        decision.prove(Caller {
            subject: "u1".to_owned(),
            tenant: Some("acme".to_owned()),
            ..Caller::default()
        });
        decision.pass(Step::Signature, "good, kid k1");
        decision.fail(
            Step::Permission,
            Reason::MissingPermission,
            "orders:read",
            "orders:delete",
        );
        decision.status = Some(403);
        decision.elapsed_us = 430;
        decision
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn the_line_says_what_is_missing() {
        assert_eq!(
            plain(&line(&denied(), Some("reader@acme"))),
            "  14:02:30Z  DELETE /orders/7                    403  missing_permission     0.4 ms  \
             reader@acme  wants orders:delete"
        );
    }

    #[test]
    fn no_status_is_invented_for_a_caller_that_left() {
        let mut decision = denied();
        decision.checks.pop();
        decision.allow(Reason::PermissionGranted);
        decision.status = None;
        assert_eq!(
            plain(&line(&decision, Some("reader@acme"))),
            "  14:02:30Z  DELETE /orders/7                    ---  permission_granted     0.4 ms  \
             reader@acme  left before the answer"
        );
    }

    #[test]
    fn the_whole_shows_every_check_and_the_fix() {
        let mut decision = denied();
        assert_eq!(wanted_permission(&decision), Some("orders:delete"));
        decision.fix = fix(&decision, &["editor".to_owned()], Some("reader@acme"));
        let binary = invocation::command(Path::new(".doorward"));
        let text = plain(&whole(
            &decision,
            Some("reader@acme"),
            Path::new(".doorward"),
        ))
        .replace(&binary, "BINARY");
        assert_eq!(
            text,
            "DENIED  DELETE /orders/7   trace abababababababababababababababab\n  \
             ✓ signature   good, kid k1\n  \
             ✗ permission  wants  orders:delete\n                \
             has   orders:read\n    \
             caller      reader@acme\n    \
             answer      403 missing_permission: a permission is missing\n    \
             fix         BINARY role grant reader editor --tenant acme\n"
        );
    }

    #[test]
    fn sec_003_a_hostile_path_stays_on_its_line() {
        let mut decision = denied();
        decision.path = "/\u{1b}[2J\nfake".into();
        let shown = plain(&line(&decision, None));
        assert!(
            !shown.contains('\n') && shown.contains("\\u{1b}"),
            "{shown}"
        );
    }
}
