//! Guessing: how often, from where, under which spelling, and all at once
//! (NIST SP 800-63B-4 section 3.2.2).

use std::net::IpAddr;

use super::{
    Account, Step,
    conversation::{Conversation, Guess, Halt},
    endpoint::Values,
    judge::{Came, Found},
    sign_up::spellings,
};
use crate::wire::Answer;

type Talk<'t, 'c, 'r> = &'t mut Conversation<'c, 'r>;

/// Wrong passwords after which an account should be slowed.
const SOON: usize = 10;
/// Wrong passwords after which it must be.
const LATEST: usize = 100;
/// Guesses at once.
const PARALLEL: usize = 100;
/// Accounts that one password is tried on.
const SPRAYED: usize = 200;
/// Codes that may be guessed at one sign-in.
const CODES: usize = 20;

pub(super) async fn play(talk: Talk<'_, '_, '_>, id: &str) -> Result<Came, Halt> {
    match id {
        "BRU-001" => one_account(talk).await,
        "BRU-002" => at_once(talk).await,
        "BRU-003" => spelled_otherwise(talk).await,
        "BRU-005" => sprayed(talk).await,
        "BRU-006" => forwarded(talk).await,
        _ => codes(talk).await,
    }
}

/// When guessing became slow.
pub(super) struct Slowdown {
    /// Wrong passwords that were looked at before.
    pub(super) after: usize,
    /// What the next one got.
    pub(super) answer: Answer,
}

impl Conversation<'_, '_> {
    /// An account to guess at that no case has guessed at before, while there
    /// are such, and whose right password works.
    pub(super) async fn victim(&mut self, source: Option<IpAddr>) -> Result<Account, Halt> {
        let number = self.memory.next_victim();
        let guessed = &self.login.guessed;
        let account = match guessed.len() {
            0 => self.account()?,
            count => &guessed[number % count],
        };
        match self.enters(account, source).await? {
            true => Ok(account.clone()),
            false => Err(Halt::Unclear(
                "the right password of the account to be guessed at does not work from here now; \
                 name more [[guessed]] accounts or `addresses`"
                    .to_owned(),
            )),
        }
    }

    /// Whether the right password lets in, from there.
    pub(super) async fn enters(
        &mut self,
        account: &Account,
        source: Option<IpAddr>,
    ) -> Result<bool, Halt> {
        let values = self.login.values().of(account);
        Ok(self.guess(&values, source, None).await? == Guess::Entered)
    }

    pub(super) fn wrong(&mut self, username: &str) -> Values {
        let password = format!("Wrong-9.{}", self.word(12));
        self.login
            .values()
            .with("username", username)
            .with("password", &password)
    }

    /// Guesses until the target slows down; none if it has not after `most`.
    pub(super) async fn until_slowed(
        &mut self,
        username: &str,
        source: Option<IpAddr>,
        most: usize,
    ) -> Result<Option<Slowdown>, Halt> {
        let mut first: Option<Answer> = None;
        for after in 0..most {
            let values = self.wrong(username);
            match self.guess(&values, source, first.as_ref()).await? {
                Guess::Entered => {
                    return Err(Halt::Unclear("a wrong password was let in".to_owned()));
                }
                Guess::Slowed(_) if after == 0 => {
                    return Err(Halt::Unclear(
                        "the first wrong password is slowed already; name more [[guessed]] \
                         accounts or `addresses`"
                            .to_owned(),
                    ));
                }
                Guess::Slowed(answer) => return Ok(Some(Slowdown { after, answer })),
                Guess::Wrong(answer) => {
                    is_a_tarpit(first.as_ref(), &answer)?;
                    first.get_or_insert(answer);
                }
            }
        }
        Ok(None)
    }

    /// How many wrong passwords an account is allowed; none if as many as one
    /// likes. Known after it was asked once.
    async fn limit(&mut self) -> Result<Option<usize>, Halt> {
        if let Some(limit) = self.memory.limit {
            return Ok(limit);
        }
        let source = self.memory.fresh_source();
        let victim = self.victim(source).await?;
        let slowed = self
            .until_slowed(&victim.username, source, LATEST + 1)
            .await?;
        let limit = slowed.map(|slowed| slowed.after);
        self.memory.limit = Some(limit);
        Ok(limit)
    }

    /// A fresh victim, guessed at until it is slowed.
    async fn slowed_victim(&mut self) -> Result<(Account, Option<IpAddr>, Answer), Halt> {
        if self.limit().await?.is_none() {
            return Err(Halt::NotApplicable(
                "guessing is not slowed at all (BRU-001)".to_owned(),
            ));
        }
        let source = self.memory.fresh_source();
        let victim = self.victim(source).await?;
        let slowed = self
            .until_slowed(&victim.username, source, LATEST + 1)
            .await?;
        match slowed {
            Some(slowed) => Ok((victim, source, slowed.answer)),
            None => Err(Halt::Unclear(
                "one account was slowed and another is not".to_owned(),
            )),
        }
    }
}

/// Some targets answer later and later instead of refusing; that is no proof
/// of anything here.
fn is_a_tarpit(first: Option<&Answer>, answer: &Answer) -> Result<(), Halt> {
    let Some(first) = first else { return Ok(()) };
    let is_late = answer.elapsed.as_millis() > 1_000 && answer.elapsed > first.elapsed * 10;
    match is_late {
        true => Err(Halt::Unclear(
            "the answers come later and later: that may be how guessing is slowed here".to_owned(),
        )),
        false => Ok(()),
    }
}

/// BRU-001: slowed after ten, at the latest after a hundred; and the owner
/// still enters from elsewhere.
async fn one_account(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let source = talk.memory.fresh_source();
    let victim = talk.victim(source).await?;
    let slowed = talk
        .until_slowed(&victim.username, source, LATEST + 1)
        .await?;
    talk.memory.limit = Some(slowed.as_ref().map(|slowed| slowed.after));
    let Some(slowed) = slowed else {
        return Ok(match talk.enters(&victim, source).await? {
            true => Found::proof(
                Step::SignIn,
                format!("{} wrong passwords for one account", LATEST + 1),
                "each was looked at, and then the right one was let in: nothing slows guessing",
            ),
            false => Came::Held(format!(
                "after {} wrong passwords the right one is refused, without a word",
                LATEST + 1
            )),
        });
    };
    if slowed.after > SOON {
        return Ok(Found::suspicion(
            Step::SignIn,
            format!(
                "wrong passwords for one account, until it was slowed after {}",
                slowed.after
            ),
            format!("{SOON} are enough for anybody who knows theirs"),
        )
        .seen_in(&slowed.answer));
    }
    let elsewhere = talk.memory.fresh_source();
    if elsewhere.is_none() || elsewhere == source {
        return Ok(Came::Held(
            "whether the owner still enters from elsewhere was not tried: name `addresses`"
                .to_owned(),
        ));
    }
    Ok(match talk.enters(&victim, elsewhere).await? {
        true => Came::HELD,
        false => Found::suspicion(
            Step::SignIn,
            "the right password from another address while one is guessing",
            "it is refused: whoever knows a name locks its owner out",
        ),
    })
}

/// BRU-002: a hundred at once are a hundred.
async fn at_once(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let Some(limit) = talk.limit().await? else {
        return Err(Halt::NotApplicable(
            "guessing is not slowed at all (BRU-001)".to_owned(),
        ));
    };
    let source = talk.memory.fresh_source();
    let victim = talk.victim(source).await?;
    let values = talk.wrong(&victim.username);
    let Guess::Wrong(first) = talk.guess(&values, source, None).await? else {
        return Err(Halt::Unclear(
            "the first wrong password is slowed already".to_owned(),
        ));
    };
    let answers = talk
        .at_once(Step::SignIn, &values, PARALLEL, source)
        .await?;
    if answers.len() < limit {
        return Err(Halt::Unclear(format!(
            "{} guesses at once prove nothing where {limit} are allowed one by one",
            answers.len()
        )));
    }
    let count = answers.len();
    let wrong = answers
        .into_iter()
        .map(|answer| talk.told(Step::SignIn, answer, Some(&first)))
        .filter(|guess| matches!(guess, Guess::Wrong(_)));
    let looked_at = 1 + wrong.count();
    Ok(match looked_at > limit {
        true => Found::proof(
            Step::SignIn,
            format!("{count} wrong passwords for one account at once"),
            format!("{looked_at} were looked at; one by one it would have been {limit}"),
        ),
        false => Came::HELD,
    })
}

/// BRU-003: other spellings of a name that was slowed.
async fn spelled_otherwise(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let source = talk.memory.fresh_source();
    let victim = talk.victim(source).await?;
    let mut same = Vec::new();
    let blanks = [("with a blank before it", format!(" {}", victim.username))];
    for (what, name) in spellings(&victim.username).into_iter().chain(blanks) {
        let spelled = Account {
            username: name,
            ..victim.clone()
        };
        if talk.enters(&spelled, source).await? {
            same.push((what, spelled.username));
        }
    }
    if same.is_empty() {
        return Ok(Came::Held(
            "no other spelling of the name signs in".to_owned(),
        ));
    }
    let (victim, source, _) = talk.slowed_victim().await?;
    let spelled: Vec<(&str, String)> = spellings(&victim.username)
        .into_iter()
        .chain([("with a blank before it", format!(" {}", victim.username))])
        .filter(|(what, _)| same.iter().any(|(known, _)| known == what))
        .collect();
    for (what, name) in spelled {
        let values = talk.wrong(&name);
        if let Guess::Wrong(answer) = talk.guess(&values, source, None).await? {
            return still_slowed(talk, &victim, source, || {
                Found::proof(
                    Step::SignIn,
                    format!("guessing on under the name {what}"),
                    "it is looked at again, although the account was slowed: every spelling has \
                     a counter of its own",
                )
                .seen_in(&answer)
            })
            .await;
        }
    }
    Ok(Came::HELD)
}

/// The control: the account as it was is slowed all the while.
async fn still_slowed(
    talk: Talk<'_, '_, '_>,
    victim: &Account,
    source: Option<IpAddr>,
    found: impl FnOnce() -> Came,
) -> Result<Came, Halt> {
    let values = talk.wrong(&victim.username);
    match talk.guess(&values, source, None).await? {
        Guess::Slowed(_) => Ok(found()),
        _ => Err(Halt::Unclear(
            "the account is not slowed any more, so nothing can be compared".to_owned(),
        )),
    }
}

/// BRU-005: one password, many people.
async fn sprayed(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let source = talk.memory.fresh_source();
    let mut first: Option<Answer> = None;
    let mut slowed = None;
    for count in 0..SPRAYED {
        let name = talk.word(10);
        let values = talk
            .login
            .values()
            .with("username", &name)
            .with("password", "Summer-2026.");
        match talk.guess(&values, source, first.as_ref()).await? {
            Guess::Entered => return Err(Halt::Unclear("an unknown name was let in".to_owned())),
            Guess::Slowed(_) if count == 0 => {
                return Err(Halt::Unclear(
                    "this address is slowed already; name `addresses`".to_owned(),
                ));
            }
            Guess::Slowed(_) => {
                slowed = Some(count);
                break;
            }
            Guess::Wrong(answer) => _ = first.get_or_insert(answer),
        }
    }
    if slowed.is_none() {
        return Ok(Found::suspicion(
            Step::SignIn,
            format!("one password, tried on {SPRAYED} names from one address"),
            "every try was looked at; whether somebody was told cannot be seen from outside",
        ));
    }
    let elsewhere = talk.memory.fresh_source();
    if elsewhere.is_none() {
        return Ok(Came::Held(
            "whether others still enter was not tried: name `addresses`".to_owned(),
        ));
    }
    let account = talk.account()?;
    Ok(match talk.enters(account, elsewhere).await? {
        true => Came::HELD,
        false => Found::suspicion(
            Step::SignIn,
            "an honest sign-in from another address during a spray",
            "it is refused: whoever sprays one address's worth of names stops everybody",
        ),
    })
}

/// BRU-006: fields that say where a request comes from, by the one who comes.
async fn forwarded(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let (victim, source, _) = talk.slowed_victim().await?;
    for (number, name) in [
        "X-Forwarded-For",
        "X-Real-IP",
        "Forwarded",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "Fastly-Client-IP",
    ]
    .into_iter()
    .enumerate()
    {
        let address = format!("198.51.100.{}", 10 + number);
        let value = match name {
            "Forwarded" => format!("for={address}"),
            _ => address,
        };
        let values = talk.wrong(&victim.username).field(name, &value);
        if let Guess::Wrong(answer) = talk.guess(&values, source, None).await? {
            return still_slowed(talk, &victim, source, || {
                Found::proof(
                    Step::SignIn,
                    format!("guessing on with {name}: {value}"),
                    "it is looked at again: the caller says where they come from, and is believed",
                )
                .seen_in(&answer)
            })
            .await;
        }
    }
    Ok(Came::HELD)
}

/// BRU-010: a million codes are few when nobody counts.
async fn codes(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let sign_in = talk.needs(Step::SignIn)?;
    let factor = talk.needs(Step::SecondFactor)?;
    let account = talk.account()?;
    let values = talk.login.values().of(account);
    let begun = talk.ask(Step::SignIn, &values).await?;
    if begun.status >= 400 {
        return Err(Halt::Unclear(format!(
            "a right sign-in was answered with {}",
            begun.status
        )));
    }
    let find = |place: &Option<super::endpoint::Place>| {
        place.as_ref().and_then(|place| place.find(&begun))
    };
    let mut values = talk.login.values();
    for (name, place) in [
        ("state", &sign_in.state),
        ("access_token", &sign_in.access_token),
    ] {
        if let Some(found) = find(place) {
            values = values.with(name, &found);
        }
    }
    let is_missing =
        |name: &String| matches!(name.as_str(), "state" | "access_token") && !values.has(name);
    if let Some(name) = factor.names().into_iter().find(is_missing) {
        return Err(match find(&sign_in.access_token) {
            Some(_) => Halt::NotApplicable("the account has no second factor".to_owned()),
            None => Halt::Unclear(format!(
                "the sign-in's answer holds no `{name}` where [sign_in] says"
            )),
        });
    }
    let mut first: Option<Answer> = None;
    for number in 0..=CODES {
        let code = format!("{:06}", 104_729 * (number + 1) % 1_000_000);
        let answer = talk
            .ask_once(
                Step::SecondFactor,
                &values.clone().with("code", &code),
                None,
            )
            .await?;
        let token = factor
            .access_token
            .as_ref()
            .and_then(|place| place.find(&answer));
        if token.is_some() || answer.is_success() {
            return Ok(Found::proof(
                Step::SecondFactor,
                "a code that was made up",
                format!("it was answered with {}", answer.status),
            )
            .seen_in(&answer));
        }
        match talk.told(Step::SecondFactor, answer, first.as_ref()) {
            Guess::Slowed(_) if number == 0 => {
                return Err(Halt::Unclear(
                    "the first wrong code is slowed already".to_owned(),
                ));
            }
            Guess::Slowed(_) => return Ok(Came::HELD),
            Guess::Wrong(answer) => _ = first.get_or_insert(answer),
            Guess::Entered => {}
        }
    }
    Ok(Found::proof(
        Step::SecondFactor,
        format!("{} wrong codes in a row", CODES + 1),
        "each was looked at, for one sign-in: the second factor can be guessed",
    ))
}
