//! Refresh tokens: what becomes of one that was used, copied, raced, cut or
//! handed to somebody else (RFC 9700 section 4.14).

use std::{collections::BTreeSet, time::Duration};

use doorward_jose::{json::Value, token::Inspected};

use super::{
    Step,
    conversation::{Conversation, Halt, Tokens},
    judge::{Came, Found},
};

/// The longest overlap that is waited out.
const LONGEST_OVERLAP: u64 = 60;
/// What is waited for when the file says nothing and there is an overlap.
const USUAL_OVERLAP: u64 = 30;
/// Refreshes at once.
const PARALLEL: usize = 100;
/// A word that no client was granted.
const FOREIGN_SCOPE: &str = "doorward-attack:everything";
/// A service that no client was granted tokens for.
const FOREIGN_AUDIENCE: &str = "https://doorward-attack.example";

type Talk<'t, 'c, 'r> = &'t mut Conversation<'c, 'r>;

pub(super) async fn play(talk: Talk<'_, '_, '_>, id: &str) -> Result<Came, Halt> {
    match id {
        "RFT-001" => replayed_later(talk).await,
        "RFT-002" => retried(talk).await,
        "RFT-003" => raced(talk).await,
        "RFT-004" => grandparent(talk).await,
        "RFT-005" => quick_rotations(talk).await,
        "RFT-010" => other_client(talk).await,
        "RFT-011" => widened(talk).await,
        "RFT-012" => without_the_secret(talk).await,
        _ => misspelled(talk).await,
    }
}

/// RFT-001: used, and used again when no retry can be meant any more.
async fn replayed_later(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let (_, first) = talk.begin_to_refresh().await?;
    let next = match next(talk, &first).await? {
        Some(next) if next != first => next,
        _ => return not_rotated(talk, &first).await,
    };
    if talk.refresh(&first).await?.is_none() {
        return family_ended(talk, &next, "at once").await;
    }
    // An overlap; a session on which nothing happens while it passes.
    let overlap = talk.login.overlap.unwrap_or(USUAL_OVERLAP);
    if overlap > LONGEST_OVERLAP {
        return Err(Halt::NotApplicable(format!(
            "`overlap_seconds` is {overlap}; at most {LONGEST_OVERLAP} are waited for"
        )));
    }
    let (_, first) = talk.begin_to_refresh().await?;
    let next = talk.rotate(&first).await?;
    tokio::time::sleep(Duration::from_millis(overlap * 1_000 + 500)).await;
    if talk.refresh(&first).await?.is_some() {
        if talk.login.overlap.is_none() {
            return Err(Halt::Unclear(format!(
                "a used refresh token is still taken after {USUAL_OVERLAP} s; say by \
                 `overlap_seconds` from when on it should not be"
            )));
        }
        return Ok(Found::proof(
            Step::Refresh,
            format!("a refresh token that was used is used again after {overlap} s"),
            "it is taken: whoever copied it once stays in",
        ));
    }
    family_ended(talk, &next, &format!("after {overlap} s")).await
}

async fn next(talk: Talk<'_, '_, '_>, token: &str) -> Result<Option<String>, Halt> {
    let Some(tokens) = talk.refresh(token).await? else {
        return Err(Halt::Unclear("a good refresh token was refused".to_owned()));
    };
    Ok(tokens.refresh)
}

/// RFC 9700 section 4.14.2: a client with a secret may keep one refresh token;
/// a public one may not.
async fn not_rotated(talk: Talk<'_, '_, '_>, first: &str) -> Result<Came, Halt> {
    if talk
        .login
        .client
        .as_ref()
        .is_some_and(|client| client.secret.is_some())
    {
        return Err(Halt::NotApplicable(
            "refresh tokens are not rotated, which is fine for a client with a secret".to_owned(),
        ));
    }
    Ok(match talk.refresh(first).await? {
        Some(_) => Found::proof(
            Step::Refresh,
            "one refresh token, used twice",
            "it is taken each time and never rotated, and no secret of a client protects it",
        ),
        None => Came::Held("a refresh token can be used once, and there is no second".to_owned()),
    })
}

/// A replay says that there are two holders: neither may stay.
async fn family_ended(talk: Talk<'_, '_, '_>, successor: &str, when: &str) -> Result<Came, Halt> {
    Ok(match talk.refresh(successor).await? {
        None => Came::HELD,
        Some(_) => Found::suspicion(
            Step::Refresh,
            format!("a used refresh token is replayed {when}"),
            "it is refused, but its successor lives on: a thief who refreshed first stays in",
        ),
    })
}

/// RFT-002: the answer was lost, the client asks again.
async fn retried(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let (_, first) = talk.begin_to_refresh().await?;
    let one = talk.rotate(&first).await?;
    let Some(again) = talk.refresh(&first).await? else {
        return Ok(Came::Held(
            "there is no overlap: a client whose answer is lost is signed out".to_owned(),
        ));
    };
    let Some(two) = again.refresh.filter(|two| *two != one) else {
        return Ok(Came::HELD);
    };
    let is_one_alive = talk.refresh(&one).await?.is_some();
    let is_two_alive = talk.refresh(&two).await?.is_some();
    Ok(match is_one_alive && is_two_alive {
        true => Found::proof(
            Step::Refresh,
            "one refresh token, used twice in a row",
            "it has two successors, and both of them live: one session has become two",
        ),
        false => Came::HELD,
    })
}

/// RFT-003: one token, many requests at once.
async fn raced(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let (_, first) = talk.begin_to_refresh().await?;
    let values = talk.login.values().with("refresh_token", &first);
    let answers = talk.at_once(Step::Refresh, &values, PARALLEL, None).await?;
    let place = talk.needs(Step::Refresh)?.refresh_token.clone();
    let successors: BTreeSet<String> = answers
        .iter()
        .filter(|answer| answer.is_success())
        .filter_map(|answer| place.as_ref()?.find(answer))
        .filter(|token| *token != first)
        .collect();
    if successors.is_empty() {
        return Err(Halt::NotApplicable(
            "no refresh token came of many refreshes at once, so there is nothing to count"
                .to_owned(),
        ));
    }
    let mut alive = 0;
    for token in successors.iter().take(5) {
        if talk.refresh(token).await?.is_some() {
            alive += 1;
        }
    }
    Ok(match alive {
        0 => Came::Held(
            "many refreshes at once end the session: an honest client that races itself is out"
                .to_owned(),
        ),
        1 => Came::HELD,
        _ => Found::proof(
            Step::Refresh,
            format!("one refresh token, {} requests at once", answers.len()),
            format!(
                "{} different successors, and {alive} of them live: one session has become many",
                successors.len()
            ),
        ),
    })
}

/// RFT-004: two generations old is no retry.
async fn grandparent(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let (_, first) = talk.begin_to_refresh().await?;
    let second = talk.rotate(&first).await?;
    let third = talk.rotate(&second).await?;
    if talk.refresh(&first).await?.is_some() {
        return Ok(Found::proof(
            Step::Refresh,
            "a refresh token two generations old",
            "it is taken, although its successor has been used",
        ));
    }
    family_ended(talk, &third, "two generations later").await
}

/// RFT-005: order must be told by counting, not by the second on the clock.
async fn quick_rotations(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let (_, mut token) = talk.begin_to_refresh().await?;
    let mut older = Vec::new();
    for _ in 0..5 {
        let next = talk.rotate(&token).await?;
        older.push(token);
        token = next;
    }
    // The last two are retries and grandparents, which are other cases.
    let old = &older[1];
    Ok(match talk.refresh(old).await? {
        Some(_) => Found::proof(
            Step::Refresh,
            "an older one of five refresh tokens that were rotated within a second",
            "it is taken: which one is the newest is not known",
        ),
        None => Came::HELD,
    })
}

/// RFT-010: a refresh token is its client's.
async fn other_client(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let login = talk.login;
    let Some(other) = &login.other_client else {
        return Err(Halt::NotApplicable(
            "the login file names no [other_client]".to_owned(),
        ));
    };
    let (_, token) = talk.begin_to_refresh().await?;
    let values = login
        .values()
        .client(Some(other))
        .with("refresh_token", &token);
    Ok(match talk.refresh_with(&values).await? {
        Some(_) => Found::proof(
            Step::Refresh,
            "another client refreshes",
            "it gets tokens for a refresh token that was not given to it",
        ),
        None => Came::HELD,
    })
}

/// RFT-011: more than was granted, by asking for it.
async fn widened(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    for (name, value) in [
        ("scope", FOREIGN_SCOPE),
        ("audience", FOREIGN_AUDIENCE),
        ("resource", FOREIGN_AUDIENCE),
    ] {
        let (before, token) = talk.begin_to_refresh().await?;
        if grants(&before, value) {
            continue;
        }
        let values = talk
            .login
            .values()
            .with("refresh_token", &token)
            .member(name, value);
        if let Some(tokens) = talk
            .refresh_with(&values)
            .await?
            .filter(|got| grants(got, value))
        {
            return Ok(Found::proof(
                Step::Refresh,
                format!("`{name}` names what was not granted"),
                format!("the tokens are for {value} as well"),
            )
            .seen_in(&tokens.answer));
        }
    }
    Ok(Came::HELD)
}

/// Whether `value` is a word of `scope` or an audience, by the answer or the
/// token in it.
fn grants(tokens: &Tokens, value: &str) -> bool {
    let has = |found: &Value| match found {
        Value::String(text) => text.split(' ').any(|word| word == value),
        Value::Array(items) => items.iter().any(|item| item == value),
        _ => false,
    };
    let answer: Value = serde_json::from_slice(&tokens.answer.body).unwrap_or_default();
    let claims = Inspected::parse(&tokens.access)
        .map(|jws| jws.payload)
        .unwrap_or_default();
    answer.get("scope").is_some_and(has)
        || ["scope", "scp", "aud"]
            .iter()
            .any(|name| claims.get(*name).is_some_and(has))
}

/// RFT-012: the name of a client is no secret.
async fn without_the_secret(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let login = talk.login;
    let Some(client) = login
        .client
        .as_ref()
        .filter(|client| client.secret.is_some())
    else {
        return Err(Halt::NotApplicable(
            "the login file names no client with a secret".to_owned(),
        ));
    };
    let public = super::Client {
        id: client.id.clone(),
        secret: None,
    };
    for (what, secret) in [
        ("without its secret", None),
        (
            "with a wrong secret",
            Some(super::Secret::new("doorward-attack")),
        ),
    ] {
        let (_, token) = talk.begin_to_refresh().await?;
        let client = super::Client {
            secret,
            ..public.clone()
        };
        let values = login
            .values()
            .client(Some(&client))
            .with("refresh_token", &token);
        if talk.refresh_with(&values).await?.is_some() {
            return Ok(Found::proof(
                Step::Refresh,
                format!("the client refreshes {what}"),
                "it gets tokens: whoever has a refresh token needs nothing else",
            ));
        }
    }
    Ok(Came::HELD)
}

/// RFT-014: nearly the refresh token.
async fn misspelled(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let (_, token) = talk.begin_to_refresh().await?;
    for (what, near, is_guess) in near(&token) {
        let values = talk.login.values().with("refresh_token", &near);
        let answer = talk.ask(Step::Refresh, &values).await?;
        if answer.status >= 500 {
            return Ok(Found::suspicion(
                Step::Refresh,
                format!("a refresh token {what}"),
                format!(
                    "the target failed with {} instead of refusing",
                    answer.status
                ),
            )
            .seen_in(&answer));
        }
        talk.decided(&answer)?;
        if !answer.is_success() {
            continue;
        }
        return Ok(match is_guess {
            true => Found::proof(
                Step::Refresh,
                format!("a refresh token {what}"),
                "it is taken: not all of it is looked at",
            ),
            false => Found::suspicion(
                Step::Refresh,
                format!("a refresh token {what}"),
                "it is taken in another spelling too: two programs may not agree on which it is",
            ),
        }
        .seen_in(&answer));
    }
    Ok(Came::HELD)
}

/// What it is, the token, and whether taking it means that less than the whole
/// has to be known.
fn near(token: &str) -> Vec<(String, String, bool)> {
    let mut all = Vec::new();
    for cut in [1, 2, 8] {
        let mut short = token.to_owned();
        short.truncate(token.floor_char_boundary(token.len().saturating_sub(cut)));
        all.push((format!("without its last {cut} characters"), short, true));
    }
    all.push((
        "with one character more".to_owned(),
        format!("{token}A"),
        true,
    ));
    for (what, more) in [("padded with `=`", "="), ("with a blank behind it", " ")] {
        all.push((what.to_owned(), format!("{token}{more}"), false));
    }
    let swapped: String = token
        .chars()
        .map(|c| match c.is_ascii_lowercase() {
            true => c.to_ascii_uppercase(),
            false => c.to_ascii_lowercase(),
        })
        .collect();
    if swapped != token {
        all.push(("in the other letter case".to_owned(), swapped, false));
    }
    all
}
