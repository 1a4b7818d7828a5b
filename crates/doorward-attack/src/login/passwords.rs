//! Passwords that are long, odd or in every list.

use super::{
    Step,
    conversation::{Conversation, Halt},
    judge::{Came, Found},
    sign_up::{PASSWORD, newcomer},
};

type Talk<'t, 'c, 'r> = &'t mut Conversation<'c, 'r>;

pub(super) async fn play(talk: Talk<'_, '_, '_>, id: &str) -> Result<Came, Halt> {
    match id {
        "BRU-012" => odd(talk).await,
        _ => weak(talk).await,
    }
}

/// Makes an account; its name, if that was allowed.
async fn join(talk: Talk<'_, '_, '_>, password: &str) -> Result<Option<String>, Halt> {
    let name = talk.word(14);
    let values = newcomer(talk, &name, password);
    let answer = talk.ask(Step::SignUp, &values).await?;
    talk.decided(&answer)?;
    Ok(answer.is_success().then_some(name))
}

/// A sign-up like any other must work, or a refusal proves nothing.
async fn joins_at_all(talk: Talk<'_, '_, '_>) -> Result<(), Halt> {
    match join(talk, PASSWORD).await? {
        Some(_) => Ok(()),
        None => Err(Halt::Unclear("a plain sign-up was refused".to_owned())),
    }
}

/// BRU-012: nothing of a password may be left out of the comparison.
async fn odd(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    joins_at_all(talk).await?;
    let of = |length: usize| -> String { "Long-9.word".chars().cycle().take(length).collect() };
    if join(talk, &of(64)).await?.is_none() {
        return Ok(Found::proof(
            Step::SignUp,
            "a password of 64 characters",
            "it is refused, and people who use a generator choose a worse one",
        ));
    }
    let pairs = [
        (
            "after 72 bytes",
            format!("{}one", of(72)),
            format!("{}two", of(72)),
        ),
        (
            "after 255 bytes",
            format!("{}one", of(255)),
            format!("{}two", of(255)),
        ),
        (
            "at a NUL",
            format!("{PASSWORD}\0one"),
            format!("{PASSWORD}\0two"),
        ),
        (
            "of letter case",
            PASSWORD.to_owned(),
            PASSWORD.to_lowercase(),
        ),
        (
            "of what follows",
            PASSWORD.to_owned(),
            format!("{PASSWORD}x"),
        ),
    ];
    for (what, one, two) in pairs {
        let Some(name) = join(talk, &one).await? else {
            continue;
        };
        let right = newcomer(talk, &name, &one);
        if talk.may_sign_in(&right).await?.is_none() {
            continue;
        }
        let wrong = newcomer(talk, &name, &two);
        if talk.may_sign_in(&wrong).await?.is_some() {
            return Ok(Found::proof(
                Step::SignIn,
                format!("a password that differs {what}"),
                "it is taken for the right one",
            ));
        }
    }
    let values = newcomer(talk, "doorward-attack", &of(1_000_000));
    let answer = talk.ask(Step::SignIn, &values).await?;
    Ok(match answer.status {
        500.. => Found::suspicion(
            Step::SignIn,
            "a password of a megabyte",
            format!(
                "the target failed with {} instead of refusing",
                answer.status
            ),
        )
        .seen_in(&answer),
        _ => Came::HELD,
    })
}

/// BRU-013: what everybody tries first.
async fn weak(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    joins_at_all(talk).await?;
    for password in [
        "password",
        "123456",
        "12345678",
        "qwerty123",
        "Password1",
        "letmein1",
        "iloveyou",
    ] {
        if join(talk, password).await?.is_some() {
            return Ok(Found::proof(
                Step::SignUp,
                format!("an account with the password `{password}`"),
                "it is made: one of the first passwords that anybody tries",
            ));
        }
    }
    let name = talk.word(14);
    let values = newcomer(talk, &name, &name);
    let answer = talk.ask(Step::SignUp, &values).await?;
    Ok(match answer.is_success() {
        true => Found::proof(
            Step::SignUp,
            "an account whose password is its name",
            "it is made: the first guess of anybody who knows the name",
        )
        .seen_in(&answer),
        false => Came::HELD,
    })
}
