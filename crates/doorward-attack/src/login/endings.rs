//! Sessions that were ended, and what still works afterwards.

use super::{
    Step,
    conversation::{Conversation, Halt, Tokens},
    judge::{Came, Found},
};

type Talk<'t, 'c, 'r> = &'t mut Conversation<'c, 'r>;

pub(super) async fn play(talk: Talk<'_, '_, '_>, id: &str) -> Result<Came, Halt> {
    match id {
        "REV-001" => access_after_sign_out(talk).await,
        "REV-002" => refresh_after_sign_out(talk).await,
        "REV-003" => everywhere(talk).await,
        _ => after_a_new_password(talk).await,
    }
}

/// REV-001: the access token after its session.
async fn access_after_sign_out(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let tokens = talk.begin().await?;
    end(talk, Step::SignOut, &tokens).await?;
    dead(
        talk,
        Step::SignOut,
        &tokens,
        "the access token after signing out",
    )
    .await
}

/// REV-002: the refresh token after its session.
async fn refresh_after_sign_out(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let (tokens, refresh) = talk.begin_to_refresh().await?;
    end(talk, Step::SignOut, &tokens).await?;
    Ok(match talk.refresh(&refresh).await? {
        Some(_) => Found::proof(
            Step::SignOut,
            "the refresh token after signing out",
            "it still gets new tokens: the session never ended",
        ),
        None => Came::HELD,
    })
}

/// REV-003: the other devices.
async fn everywhere(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let (here, there) = (talk.begin().await?, talk.begin().await?);
    end(talk, Step::SignOutEverywhere, &here).await?;
    others_dead(
        talk,
        Step::SignOutEverywhere,
        &there,
        "signing out everywhere",
    )
    .await
}

/// REV-004: whoever knew the old password.
async fn after_a_new_password(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let account = talk.account()?;
    let old = account.password.expose().to_owned();
    let new = format!("{old}-Doorward-attack-1");
    let (here, there) = (talk.begin().await?, talk.begin().await?);
    change(talk, &here, &old, &new).await?;
    let came = others_dead(
        talk,
        Step::ChangePassword,
        &there,
        "the password was changed",
    )
    .await;
    // Back, whatever was found, by a session that knows the new one.
    let values = talk.login.values().with("password", &new);
    let back = talk.sign_in(&values).await;
    let is_back = match back {
        Ok(again) => change(talk, &again, &new, &old).await,
        Err(halt) => Err(halt),
    };
    match is_back {
        Ok(()) => came,
        Err(Halt::Stop(stop)) => Err(Halt::Stop(stop)),
        Err(_) => Err(Halt::Unclear(
            "the password could not be changed back: the account's password is now the old one \
             with `-Doorward-attack-1` behind it"
                .to_owned(),
        )),
    }
}

async fn change(talk: Talk<'_, '_, '_>, tokens: &Tokens, old: &str, new: &str) -> Result<(), Halt> {
    let values = of(talk, tokens)
        .with("password", old)
        .with("new_password", new);
    let answer = talk.ask(Step::ChangePassword, &values).await?;
    match answer.is_success() {
        true => Ok(()),
        false => Err(Halt::Unclear(format!(
            "[change_password] was answered with {}",
            answer.status
        ))),
    }
}

/// Ends a session in the way of the file.
async fn end(talk: Talk<'_, '_, '_>, step: Step, tokens: &Tokens) -> Result<(), Halt> {
    let values = of(talk, tokens);
    let answer = talk.ask(step, &values).await?;
    match answer.status {
        200..400 => Ok(()),
        status => Err(Halt::Unclear(format!(
            "[{}] was answered with {status}",
            step.name()
        ))),
    }
}

fn of(talk: &Conversation<'_, '_>, tokens: &Tokens) -> super::endpoint::Values {
    let values = talk.login.values().with("access_token", &tokens.access);
    match &tokens.refresh {
        Some(refresh) => values.with("refresh_token", refresh),
        None => values,
    }
}

async fn others_dead(
    talk: Talk<'_, '_, '_>,
    step: Step,
    there: &Tokens,
    after: &str,
) -> Result<Came, Halt> {
    let access = format!("another session's access token after {after}");
    match dead(talk, step, there, &access).await? {
        Came::Held(note) => match (&there.refresh, talk.login.endpoint(Step::Refresh)) {
            (Some(refresh), Some(_)) if talk.refresh(refresh).await?.is_some() => Ok(Found::proof(
                step,
                format!("another session's refresh token after {after}"),
                "it still gets new tokens: that session never ended",
            )),
            _ => Ok(Came::Held(note)),
        },
        found @ Came::Found(_) => Ok(found),
    }
}

async fn dead(
    talk: Talk<'_, '_, '_>,
    step: Step,
    tokens: &Tokens,
    what: &str,
) -> Result<Came, Halt> {
    Ok(match talk.dies(&tokens.access).await? {
        None => Found::proof(
            step,
            what,
            format!("it is still let in after {} s", talk.login.revocation),
        ),
        Some(after) if after.as_millis() > 1_000 => Came::Held(format!(
            "it died after {}.{} s; on one node a second is enough",
            after.as_secs(),
            after.subsec_millis() / 100
        )),
        Some(_) => Came::HELD,
    })
}
