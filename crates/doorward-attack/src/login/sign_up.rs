//! Accounts that anybody can make: with more in them than was meant, and with
//! names that look like somebody else's.

use doorward_jose::token::Inspected;
use serde_json::{Value, json};

use super::{
    Step,
    conversation::{Conversation, Halt, Tokens},
    endpoint::Values,
    judge::{Came, Found},
};

type Talk<'t, 'c, 'r> = &'t mut Conversation<'c, 'r>;

/// Long, mixed and in no list.
pub(super) const PASSWORD: &str = "Correct-horse.9-Staple-of-the-attack";

pub(super) async fn play(talk: Talk<'_, '_, '_>, id: &str) -> Result<Came, Halt> {
    match id {
        "PAR-018" => look_alikes(talk).await,
        _ => mass_assignment(talk).await,
    }
}

/// What a sign-up of this name is filled with.
pub(super) fn newcomer(talk: &Conversation<'_, '_>, name: &str, password: &str) -> Values {
    talk.login
        .values()
        .with("username", name)
        .with("password", password)
        .with("new_password", password)
        .with("email", &format!("{name}@doorward-attack.example"))
}

/// Makes an account that must be made, and signs it in.
async fn join(talk: Talk<'_, '_, '_>, name: &str, values: &Values) -> Result<Tokens, Halt> {
    let answer = talk.ask(Step::SignUp, values).await?;
    if !answer.is_success() {
        return Err(Halt::Unclear(format!(
            "a plain sign-up was answered with {}",
            answer.status
        )));
    }
    let values = newcomer(talk, name, PASSWORD);
    talk.sign_in(&values).await
}

/// ISS-001: members that only the server may set.
async fn mass_assignment(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let name = talk.word(14);
    let values = newcomer(talk, &name, PASSWORD);
    let tokens = join(talk, &name, &values).await?;
    let plain = facts(talk, &tokens).await?;
    let canary = "doorward-attack-admin";
    let members: [(&str, Value); 9] = [
        ("role", json!(canary)),
        ("roles", json!([canary])),
        ("is_admin", json!(true)),
        ("admin", json!(true)),
        ("permissions", json!([canary])),
        ("scope", json!(canary)),
        ("tenant", json!(canary)),
        ("id", json!(canary)),
        ("sub", json!(canary)),
    ];
    for (member, value) in members {
        let name = talk.word(14);
        let values = newcomer(talk, &name, PASSWORD).member(member, value.clone());
        let answer = talk.ask(Step::SignUp, &values).await?;
        talk.decided(&answer)?;
        if !answer.is_success() {
            continue;
        }
        let values = newcomer(talk, &name, PASSWORD);
        let Some(tokens) = talk.may_sign_in(&values).await? else {
            continue;
        };
        let is_new = |(name, fact): &(String, Value)| {
            let is_it = *fact == value
                || matches!((fact, &value), (Value::Array(have), Value::Array(want)) if want.iter().all(|w| have.contains(w)))
                || matches!((fact, &value), (Value::Array(have), Value::String(_)) if have.contains(&value));
            is_it && !plain.contains(&(name.clone(), fact.clone()))
        };
        let facts = facts(talk, &tokens).await?;
        if let Some((fact, _)) = facts.into_iter().find(is_new) {
            return Ok(Found::proof(
                Step::SignUp,
                format!("a sign-up with `{member}`: {value}"),
                format!(
                    "the new account has it: `{fact}` says so, which it is told after its sign-in"
                ),
            )
            .seen_in(&answer));
        }
    }
    Ok(Came::Held(
        "judged by the claims of the new account's token, the answer to its sign-in and what the \
         route shows it"
            .to_owned(),
    ))
}

/// What an account learns of itself: the claims of its token, the answer to its
/// sign-in, and what the route shows it.
async fn facts(talk: Talk<'_, '_, '_>, tokens: &Tokens) -> Result<Vec<(String, Value)>, Halt> {
    let claims = Inspected::parse(&tokens.access).map(|jws| jws.payload);
    let mut facts: Vec<(String, Value)> = claims.unwrap_or_default().into_iter().collect();
    let answer = serde_json::from_slice(&tokens.answer.body).unwrap_or_default();
    gather(answer, &mut facts);
    gather(
        talk.shown(&tokens.access).await?.unwrap_or_default(),
        &mut facts,
    );
    Ok(facts)
}

/// The members of `value` at any depth.
fn gather(value: Value, facts: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                facts.push((name, value.clone()));
                gather(value, facts);
            }
        }
        Value::Array(items) => items.into_iter().for_each(|item| gather(item, facts)),
        _ => {}
    }
}

/// PAR-018: two accounts that people cannot tell apart.
async fn look_alikes(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let name = talk.word(14);
    let values = newcomer(talk, &name, PASSWORD);
    let own = subject(&join(talk, &name, &values).await?);
    for (what, alike) in spellings(&name) {
        let password = format!("{PASSWORD}-2");
        let values = newcomer(talk, &alike, &password).with(
            "email",
            &format!("{}@doorward-attack.example", talk.word(9)),
        );
        let answer = talk.ask(Step::SignUp, &values).await?;
        talk.decided(&answer)?;
        if !answer.is_success() {
            continue;
        }
        let values = newcomer(talk, &alike, &password);
        let Some(tokens) = talk.may_sign_in(&values).await? else {
            continue;
        };
        if subject(&tokens) != own || own.is_none() {
            return Ok(Found::proof(
                Step::SignUp,
                format!("a second account whose name is the first one's {what}"),
                "both exist, and nobody can tell them apart by sight",
            )
            .seen_in(&answer));
        }
    }
    Ok(Came::HELD)
}

fn subject(tokens: &Tokens) -> Option<Value> {
    Inspected::parse(&tokens.access)
        .ok()?
        .payload
        .get("sub")
        .cloned()
}

/// The name in spellings that look the same, or nearly.
pub(super) fn spellings(name: &str) -> Vec<(&'static str, String)> {
    let wide = |c: char| match c {
        '!'..='~' => char::from_u32(c as u32 + 0xfee0).unwrap_or(c),
        c => c,
    };
    let cyrillic = |c: char| match c {
        'a' => '\u{430}',
        'e' => '\u{435}',
        'o' => '\u{43e}',
        'c' => '\u{441}',
        'x' => '\u{445}',
        c => c,
    };
    let middle = name
        .char_indices()
        .nth(name.chars().count() / 2)
        .map_or(0, |(at, _)| at);
    let (left, right) = name.split_at(middle);
    let mut all = vec![
        ("in full-width letters", name.chars().map(wide).collect()),
        (
            "with a character of no width inside",
            format!("{left}\u{200b}{right}"),
        ),
        ("with a soft hyphen inside", format!("{left}\u{ad}{right}")),
        (
            "in Cyrillic letters that look alike",
            name.chars().map(cyrillic).collect(),
        ),
        ("with a dotless i", name.replace('i', "\u{131}")),
        ("in capitals", name.to_uppercase()),
        ("with a blank behind it", format!("{name} ")),
    ];
    all.retain(|(_, alike)| *alike != name);
    all
}
