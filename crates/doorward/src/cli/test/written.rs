//! Decisions that somebody wrote down (docs/policy-testing.md).

use std::{collections::BTreeMap, net::IpAddr};

use doorward_policy::decision::{Outcome, Reason};
use doorward_policy::permission::PermissionPattern;
use doorward_verify::clock::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use toml::{Spanned, value::Datetime};

use super::case::{Case, Wanted};
use crate::{
    config::{Config, duration, suggest},
    exit::Failure,
    output,
    paint::safe,
    rehearsal::Claims,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Callers that several tests share, by name.
    #[serde(default)]
    caller: BTreeMap<String, Spanned<Caller>>,
    #[serde(default)]
    test: Vec<Spanned<Test>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    name: Option<String>,
    /// `METHOD /path`.
    request: String,
    /// Name of a `[caller.NAME]`.
    #[serde(rename = "as")]
    named: Option<String>,
    caller: Option<Caller>,
    /// Address that the request comes from.
    from: Option<IpAddr>,
    /// When it comes; now, if nothing is said.
    at: Option<Datetime>,
    expect: Expected,
    reason: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expected {
    Allowed,
    Denied,
}

/// What the caller's token says.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Caller {
    sub: Option<String>,
    tenant: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    permissions: Vec<String>,
    client_id: Option<String>,
    sid: Option<String>,
    issuer: Option<String>,
    audience: Option<Vec<String>>,
    acr: Option<String>,
    auth_age: Option<String>,
    #[serde(default)]
    claims: Map<String, Value>,
}

/// Reads a file, and tells everything that is wrong with it.
struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    config: &'a Config,
    problems: Vec<String>,
}

/// The cases of `text`.
pub(super) fn cases(file: &str, text: &str, config: &Config) -> Result<Vec<Case>, Failure> {
    let read: File = toml::from_str(text).map_err(|error| {
        output::note(safe_lines(&error.to_string()));
        Failure::configuration(format!("{file} is not a file of decision tests"))
            .hint("docs/policy-testing.md shows one")
    })?;
    let mut reader = Reader {
        file,
        text,
        config,
        problems: Vec::new(),
    };
    let mut callers = BTreeMap::new();
    for (name, caller) in &read.caller {
        let line = reader.line(caller.span().start);
        callers.insert(name.as_str(), reader.claims(line, caller.get_ref()));
    }
    let tests = read.test.iter();
    let cases = tests.map(|test| reader.case(test, &callers)).collect();
    match reader.problems.len() {
        0 => Ok(cases),
        count => {
            for problem in &reader.problems {
                output::note(safe(problem));
            }
            let s = if count == 1 { "" } else { "s" };
            Err(
                Failure::configuration(format!("{file} has {count} problem{s}"))
                    .hint("correct the file; nothing was judged"),
            )
        }
    }
}

fn safe_lines(text: &str) -> String {
    let lines = text.lines().map(safe);
    lines.collect::<Vec<_>>().join("\n")
}

impl Reader<'_> {
    fn line(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or_default();
        before.matches('\n').count() + 1
    }

    fn problem(&mut self, line: usize, message: &str) {
        self.problems
            .push(format!("{}:{line}: {message}", self.file));
    }

    fn case(&mut self, test: &Spanned<Test>, callers: &BTreeMap<&str, Claims>) -> Case {
        let line = self.line(test.span().start);
        let test = test.get_ref();
        let (method, target) = test.request.split_once(' ').unwrap_or_default();
        if method.is_empty() || !target.starts_with('/') {
            let message = format!(
                "`{}` is no request; write it like `GET /orders`",
                test.request
            );
            self.problem(line, &message);
        }
        Case {
            name: test.name.clone().unwrap_or_else(|| test.request.clone()),
            source: format!("{}:{line}", self.file),
            method: method.to_owned(),
            target: target.trim_start().to_owned(),
            caller: self.caller(line, test, callers),
            peer: test.from,
            at: test.at.and_then(|at| self.moment(line, at)),
            wanted: Wanted::Written(
                match test.expect {
                    Expected::Allowed => Outcome::Allowed,
                    Expected::Denied => Outcome::Denied,
                },
                test.reason
                    .as_deref()
                    .and_then(|code| self.reason(line, code)),
            ),
        }
    }

    fn caller(
        &mut self,
        line: usize,
        test: &Test,
        callers: &BTreeMap<&str, Claims>,
    ) -> Option<Claims> {
        match (&test.named, &test.caller) {
            (None, None) => None,
            (None, Some(caller)) => Some(self.claims(line, caller)),
            (Some(name), None) => {
                let known = callers.get(name.as_str()).cloned();
                if known.is_none() {
                    let near = suggest(name, callers.keys().copied());
                    let hint = near.map_or_else(
                        || format!("write a [caller.{name}]"),
                        |near| format!("did you mean `{near}`?"),
                    );
                    self.problem(line, &format!("there is no caller `{name}`; {hint}"));
                }
                known
            }
            (Some(_), Some(_)) => {
                self.problem(line, "a test with both `as` and `caller`; keep one of them");
                None
            }
        }
    }

    fn claims(&mut self, line: usize, caller: &Caller) -> Claims {
        for role in &caller.roles {
            if self.config.roles.get(role).is_none() {
                let hint = crate::cli::role_hint(role, &self.role_names());
                self.problem(
                    line,
                    &format!("the configuration has no role `{role}`; {hint}"),
                );
            }
        }
        for text in &caller.permissions {
            if let Err(error) = PermissionPattern::parse(text) {
                self.problem(line, &format!("`{text}`: {error}"));
            }
        }
        if let Some(name) = &caller.issuer {
            let config = self.config;
            let others = config.trusted_issuers.iter();
            let mut known = others.map(|other| &other.issuer).chain(&config.issuer);
            if !known.any(|known| known == name) {
                self.problem(
                    line,
                    &format!("the configuration trusts no issuer `{name}`"),
                );
            }
        }
        let age = caller.auth_age.as_deref();
        if age.is_some_and(|age| duration(age).is_none()) {
            self.problem(
                line,
                "`auth_age` is no time; write it like `30s`, `5m` or `1h`",
            );
        }
        Claims {
            issuer: caller.issuer.clone(),
            audience: caller.audience.clone(),
            subject: caller.sub.clone().unwrap_or_else(|| "somebody".to_owned()),
            tenant: caller.tenant.clone(),
            roles: caller.roles.clone(),
            permissions: caller.permissions.clone(),
            client: caller.client_id.clone(),
            session: caller.sid.clone(),
            acr: caller.acr.clone(),
            auth_age: age.and_then(duration).map(|age| age.as_secs()),
            others: caller.claims.clone(),
        }
    }

    fn moment(&mut self, line: usize, at: Datetime) -> Option<Timestamp> {
        let moment = moment(at);
        if moment.is_none() {
            let message = format!("`at = {at}` is no moment; write it like 2026-11-22T09:30:00Z");
            self.problem(line, &message);
        }
        moment
    }

    fn role_names(&self) -> Vec<String> {
        let names = self.config.roles.names();
        names.map(ToString::to_string).collect()
    }

    fn reason(&mut self, line: usize, code: &str) -> Option<Reason> {
        let codes = || Reason::ALL.iter().map(|reason| reason.code());
        let known = Reason::ALL.iter().find(|reason| reason.code() == code);
        if known.is_none() {
            let hint = match suggest(code, codes()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`doorward explain` shows the reason of each decision".to_owned(),
            };
            self.problem(line, &format!("there is no reason `{code}`; {hint}"));
        }
        known.copied()
    }
}

/// A date and a time of UTC; where another offset is written, it is none.
fn moment(at: Datetime) -> Option<Timestamp> {
    let (date, time) = (at.date?, at.time?);
    if at.offset? != toml::value::Offset::Z || date.year < 1970 {
        return None;
    }
    let (year, month) = (u64::from(date.year), u64::from(date.month));
    // Years that begin with March: the odd day of a leap year is their last.
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let leaps = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leaps + (month * 153 + 2) / 5 + u64::from(date.day) - 1;
    // 1 March of year 0 to 1 January 1970.
    let days = days.checked_sub(719_468)?;
    let seconds = u64::from(time.hour) * 3600 + u64::from(time.minute) * 60;
    let seconds = seconds + u64::from(time.second.unwrap_or_default());
    Some(Timestamp::from_millis((days * 86_400 + seconds) * 1000))
}

#[cfg(test)]
mod tests {
    use super::moment;

    fn millis(text: &str) -> Option<u64> {
        Some(moment(text.parse().ok()?)?.millis())
    }

    #[test]
    fn a_moment_is_a_date_and_a_time_of_utc() {
        assert_eq!(millis("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(millis("2024-02-29T12:00:01Z"), Some(1_709_208_001_000));
        assert_eq!(millis("2026-11-22T17:45:10Z"), Some(1_795_369_510_000));
        for none in [
            "2026-11-22",
            "09:30:00",
            "2026-11-22T09:30:00",
            "2026-11-22T09:30:00+01:00",
        ] {
            assert_eq!(millis(none), None, "{none}");
        }
    }
}
