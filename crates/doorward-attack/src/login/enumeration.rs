//! Whether the answers tell who has an account here.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use serde_json::Value;

use super::{
    Leave, Step,
    conversation::{Conversation, Halt},
    endpoint::Values,
    judge::{Came, Found},
    sign_up::{PASSWORD, newcomer},
};
use crate::wire::Answer;

type Talk<'t, 'c, 'r> = &'t mut Conversation<'c, 'r>;

/// Enough to see whether a stranger is slowed as an account is.
const MOST: usize = 101;

/// Fields that are different each time, or follow from the rest.
const LIVELY: [&str; 6] = [
    "date",
    "content-length",
    "etag",
    "x-request-id",
    "traceresponse",
    "age",
];

pub(super) async fn play(talk: Talk<'_, '_, '_>, id: &str) -> Result<Came, Halt> {
    match id {
        "BRU-009" => by_limits(talk).await,
        _ => by_answers(talk).await,
    }
}

/// BRU-007: the same words to somebody and to nobody.
async fn by_answers(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let source = talk.memory.fresh_source();
    let known = talk.victim(source).await?;
    let mut told = Vec::new();
    for name in [
        known.username.clone(),
        known.username.clone(),
        talk.word(12),
        talk.word(12),
    ] {
        let values = talk.wrong(&name);
        let answer = talk.ask_once(Step::SignIn, &values, source).await?;
        talk.decided(&answer)?;
        told.push(facts(&answer, &name));
    }
    // Clears what was counted, where a success does.
    talk.enters(&known, source).await?;
    if let Some(what) = difference(&told) {
        return Ok(Found::proof(
            Step::SignIn,
            "a wrong password for an account and for nobody",
            format!("{what} differs: the sign-in tells who has an account"),
        ));
    }
    let may = |leave, step| talk.login.allows(leave) && talk.login.endpoint(step).is_some();
    let (resets_too, sign_ups_too) = (
        may(Leave::SendMail, Step::ResetRequest),
        may(Leave::SignUp, Step::SignUp),
    );
    if resets_too && let Some(what) = resets(talk).await? {
        return Ok(Found::proof(
            Step::ResetRequest,
            "a reset for an account and for nobody",
            format!("{what} differs: the reset tells who has an account"),
        ));
    }
    if sign_ups_too && let Some(what) = sign_ups(talk, &known.username).await? {
        return Ok(Found::proof(
            Step::SignUp,
            "a sign-up with a name that is taken and with one that is not",
            format!("{what} differs: the sign-up tells who has an account"),
        ));
    }
    Ok(Came::HELD)
}

async fn resets(talk: Talk<'_, '_, '_>) -> Result<Option<String>, Halt> {
    let own = talk.login.email.clone().unwrap_or_default();
    let stranger = |name: String| match own.split_once('@') {
        Some((_, domain)) => format!("{name}@{domain}"),
        None => name,
    };
    let strangers = [stranger(talk.word(12)), stranger(talk.word(12))];
    let mut told = Vec::new();
    for email in [&own, &own, &strangers[0], &strangers[1]] {
        let values: Values = talk
            .login
            .values()
            .with("email", email)
            .with("username", email);
        let answer = talk.ask_once(Step::ResetRequest, &values, None).await?;
        told.push(facts(&answer, email));
    }
    Ok(difference(&told))
}

async fn sign_ups(talk: Talk<'_, '_, '_>, taken: &str) -> Result<Option<String>, Halt> {
    let mut told = Vec::new();
    for name in [
        taken.to_owned(),
        taken.to_owned(),
        talk.word(12),
        talk.word(12),
    ] {
        let values = newcomer(talk, &name, PASSWORD);
        let answer = talk.ask_once(Step::SignUp, &values, None).await?;
        told.push(facts(&answer, &name));
    }
    Ok(difference(&told))
}

/// BRU-009: nobody is slowed as somebody is.
async fn by_limits(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let source = talk.memory.fresh_source();
    let known = talk.victim(source).await?;
    let nobody = talk.word(12);
    let of_known = slowed(talk, &known.username, source).await?;
    let elsewhere = talk.memory.fresh_source();
    let of_nobody = slowed(talk, &nobody, elsewhere).await?;
    let what = match (of_known, of_nobody) {
        (None, None) => {
            return Err(Halt::NotApplicable(
                "guessing is not slowed at all (BRU-001)".to_owned(),
            ));
        }
        (Some((after, _)), None) => format!(
            "an account is slowed after {after} wrong passwords, a name that nobody has is not"
        ),
        (None, Some((after, _))) => format!(
            "a name that nobody has is slowed after {after} wrong passwords, an account is not"
        ),
        (Some((one, _)), Some((other, _))) if one != other => format!(
            "an account is slowed after {one} wrong passwords, a name that nobody has after {other}"
        ),
        (Some((_, [one, two])), Some((_, [three, four]))) => {
            match difference(&[one, two, three, four]) {
                Some(what) => format!("when slowed, {what} differs"),
                None => return Ok(Came::HELD),
            }
        }
    };
    Ok(Found::proof(
        Step::SignIn,
        "wrong passwords for an account and for nobody, until slowed",
        what,
    ))
}

/// After how many wrong passwords the name is slowed, and what two more get.
/// Numbers are left out: they count down.
async fn slowed(
    talk: Talk<'_, '_, '_>,
    name: &str,
    source: Option<IpAddr>,
) -> Result<Option<(usize, [BTreeMap<String, String>; 2])>, Halt> {
    let Some(slowdown) = talk.until_slowed(name, source, MOST).await? else {
        return Ok(None);
    };
    let values = talk.wrong(name);
    let again = talk.ask_once(Step::SignIn, &values, source).await?;
    let without_numbers = |answer: &Answer| {
        let facts = facts(answer, name).into_iter();
        let masked = |text: String| text.replace(|c: char| c.is_ascii_digit(), "");
        facts
            .map(|(what, text)| match what.as_str() {
                "the status" => (what, text),
                _ => (what, masked(text)),
            })
            .collect()
    };
    let pair = [without_numbers(&slowdown.answer), without_numbers(&again)];
    Ok(Some((slowdown.after, pair)))
}

/// Whatever an answer says, piece by piece, without the name that was asked.
fn facts(answer: &Answer, name: &str) -> BTreeMap<String, String> {
    let masked = |text: &str| text.replace(name, "{name}");
    let mut facts = BTreeMap::from([("the status".to_owned(), answer.status.to_string())]);
    for (field, value) in &answer.headers {
        match field.as_str() {
            field if LIVELY.contains(&field) => {}
            "set-cookie" => {
                let cookie = value.split('=').next().unwrap_or_default();
                facts.insert(format!("the cookie {cookie}"), "set".to_owned());
            }
            field => _ = facts.insert(format!("the field {field}"), masked(value)),
        }
    }
    match serde_json::from_slice::<Value>(&answer.body) {
        Ok(value) => flatten("", &value, &mut |pointer, text| {
            facts.insert(format!("`{pointer}` of the body"), masked(text));
        }),
        Err(_) => _ = facts.insert("the body".to_owned(), masked(&answer.text())),
    }
    facts
}

fn flatten(pointer: &str, value: &Value, tell: &mut impl FnMut(&str, &str)) {
    match value {
        Value::Object(members) => members
            .iter()
            .for_each(|(name, value)| flatten(&format!("{pointer}/{name}"), value, tell)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(number, value)| flatten(&format!("{pointer}/{number}"), value, tell)),
        Value::String(text) => tell(pointer, text),
        other => tell(pointer, &other.to_string()),
    }
}

/// What the first two of four have in common, the last two have in common, and
/// the two pairs do not.
fn difference(told: &[BTreeMap<String, String>]) -> Option<String> {
    let [one, two, three, four] = told else {
        return None;
    };
    let names: BTreeSet<&String> = told.iter().flat_map(BTreeMap::keys).collect();
    let differs = |name: &&&String| {
        let of = |facts: &BTreeMap<String, String>| facts.get(**name).cloned();
        let (known, unknown) = ([of(one), of(two)], [of(three), of(four)]);
        let is_steady = known[0] == known[1] && unknown[0] == unknown[1];
        let is_there =
            |pair: &[Option<String>; 2]| pair.iter().filter(|fact| fact.is_some()).count();
        match is_steady {
            true => known[0] != unknown[0],
            false => is_there(&known).abs_diff(is_there(&unknown)) == 2,
        }
    };
    names.iter().find(differs).map(|name| (*name).clone())
}

#[cfg(test)]
mod tests {
    use super::{difference, facts};
    use crate::wire::Answer;

    fn of(status: u16, body: &str, name: &str) -> std::collections::BTreeMap<String, String> {
        let answer = Answer {
            status,
            headers: vec![("date".to_owned(), body.len().to_string())],
            body: body.as_bytes().to_vec(),
            ..Answer::default()
        };
        facts(&answer, name)
    }

    #[test]
    fn what_differs_each_time_tells_nothing() {
        let same = [
            of(401, r#"{"error":"no ada","id":"1"}"#, "ada"),
            of(401, r#"{"error":"no ada","id":"2"}"#, "ada"),
            of(401, r#"{"error":"no nobody","id":"3"}"#, "nobody"),
            of(401, r#"{"error":"no nobody","id":"4"}"#, "nobody"),
        ];
        assert_eq!(difference(&same), None);
        let mut other = same.clone();
        other[2] = of(401, r#"{"error":"who?","id":"3"}"#, "x");
        other[3] = of(401, r#"{"error":"who?","id":"4"}"#, "y");
        assert_eq!(difference(&other).as_deref(), Some("`/error` of the body"));
        other[2] = of(404, "", "x");
        other[3] = of(404, "", "y");
        assert!(difference(&other).is_some());
    }
}
