//! Forgotten passwords: the token in the mail, and how many mails there are.

use super::{
    Step,
    conversation::{Conversation, Halt},
    judge::{Came, Found},
};

type Talk<'t, 'c, 'r> = &'t mut Conversation<'c, 'r>;

/// Resets that are asked for in a row.
const MANY: usize = 10;
/// Mails that one person may be sent in an hour.
const MOST_MAILS: usize = 5;

pub(super) async fn play(talk: Talk<'_, '_, '_>, id: &str) -> Result<Came, Halt> {
    match id {
        "BRU-014" => flood(talk).await,
        _ => tokens(talk).await,
    }
}

/// The tokens in the mailbox, in their order.
async fn mailed(talk: Talk<'_, '_, '_>) -> Result<Vec<String>, Halt> {
    let after = talk.needs(Step::Mailbox)?.after.clone().unwrap_or_default();
    let values = talk.login.values();
    let answer = talk.ask(Step::Mailbox, &values).await?;
    if !answer.is_success() {
        return Err(Halt::Unclear(format!(
            "[mailbox] was answered with {}",
            answer.status
        )));
    }
    let text = answer.text();
    let of_token = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
    let found = text.split(&after).skip(1).map(|tail| {
        let end = tail.find(|c| !of_token(c)).unwrap_or(tail.len());
        tail[..end].to_owned()
    });
    Ok(found.filter(|token| !token.is_empty()).collect())
}

/// A fresh token by mail.
async fn fresh(talk: Talk<'_, '_, '_>) -> Result<String, Halt> {
    let before = mailed(talk).await?;
    let values = talk.login.values();
    let answer = talk.ask(Step::ResetRequest, &values).await?;
    if !answer.is_success() {
        return Err(Halt::Unclear(format!(
            "[reset_request] was answered with {}",
            answer.status
        )));
    }
    for _ in 0..20 {
        let now = mailed(talk).await?;
        if let Some(token) = now.into_iter().rev().find(|token| !before.contains(token)) {
            return Ok(token);
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Err(Halt::Unclear(
        "no new token came to the mailbox; see `after` in [mailbox]".to_owned(),
    ))
}

/// Sets the account's own password again, so that a success changes nothing.
async fn reset(talk: Talk<'_, '_, '_>, token: &str) -> Result<bool, Halt> {
    let password = talk.account()?.password.expose();
    let values = talk
        .login
        .values()
        .with("reset_token", token)
        .with("new_password", password);
    let answer = talk.ask(Step::Reset, &values).await?;
    talk.decided(&answer)?;
    Ok(answer.is_success())
}

/// ISS-022: whole, once, and by one.
async fn tokens(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let token = fresh(talk).await?;
    let cut = &token[..token.len() - token.len().min(4)];
    if reset(talk, cut).await? {
        return Ok(Found::proof(
            Step::Reset,
            "a reset token without its last four characters",
            "it is taken: not all of it is looked at",
        ));
    }
    // The wrong try may have burnt it, which is fine.
    let token = match reset(talk, &token).await? {
        true => token,
        false => {
            let another = fresh(talk).await?;
            if !reset(talk, &another).await? {
                return Err(Halt::Unclear("a fresh reset token was refused".to_owned()));
            }
            another
        }
    };
    if reset(talk, &token).await? {
        return Ok(Found::proof(
            Step::Reset,
            "a reset token, used twice",
            "it is taken again: an old mail opens the account",
        ));
    }
    raced(talk).await
}

async fn raced(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let token = fresh(talk).await?;
    let password = talk.account()?.password.expose();
    let values = talk
        .login
        .values()
        .with("reset_token", &token)
        .with("new_password", password);
    let answers = talk.at_once(Step::Reset, &values, 10, None).await?;
    let taken = answers.iter().filter(|answer| answer.is_success()).count();
    Ok(match taken {
        0 => return Err(Halt::Unclear("a fresh reset token was refused".to_owned())),
        1 => Came::HELD,
        _ => Found::proof(
            Step::Reset,
            format!("a reset token, used {} times at once", answers.len()),
            format!("it is taken {taken} times"),
        ),
    })
}

/// BRU-014: a mailbox is no target either. A limit is to be silent, so only
/// the mailbox tells.
async fn flood(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let before = mailed(talk).await?.len();
    for _ in 0..MANY {
        let values = talk.login.values();
        let answer = talk.ask_once(Step::ResetRequest, &values, None).await?;
        if answer.status == 429 {
            break;
        }
    }
    let mails = mailed(talk).await?.len().saturating_sub(before);
    Ok(match mails {
        0..=MOST_MAILS => Came::HELD,
        _ => Found::proof(
            Step::ResetRequest,
            format!("{MANY} resets asked for in a row"),
            format!("{mails} mails were sent to one person"),
        ),
    })
}
