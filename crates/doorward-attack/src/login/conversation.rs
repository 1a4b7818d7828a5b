//! What the cases say to the target: sign in, refresh, sign out, guess.

use std::{net::IpAddr, time::Duration};

use serde_json::Value;

use super::{
    Account, Leave, Login, Step,
    endpoint::{Endpoint, Values},
    judge::Memory,
};
use crate::{
    calibration::{Calibration, Standing},
    proof::Flaw,
    run::{Session, Stop},
    target::Target,
    wire::{Answer, Network, Outcome, Request},
};

/// What a session is made of.
#[derive(Clone)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    /// The answer that they came in.
    pub(crate) answer: Answer,
}

/// Why a case ends without a verdict of its own.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The run ends.
    Stop(Stop),
    /// The file lacks something, or the target does.
    NotApplicable(String),
    /// The file does not allow it.
    Forbidden(Leave),
    /// The answers cannot be judged.
    Unclear(String),
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// What a case says while it is tried.
pub(crate) struct Conversation<'c, 'r> {
    pub(crate) session: &'c mut Session<'r>,
    pub(crate) calibration: &'c Calibration,
    pub(crate) login: &'r Login,
    pub(crate) target: &'r Target,
    pub(crate) memory: &'c mut Memory,
}

impl Login {
    pub(crate) fn values(&self) -> Values {
        let values = Values::default().client(self.client.as_ref());
        let values = match &self.account {
            Some(account) => values.of(account),
            None => values,
        };
        match &self.email {
            Some(email) => values.with("email", email),
            None => values,
        }
    }

    fn request(&self, endpoint: &Endpoint, target: &Target, values: &Values) -> Request {
        endpoint.request(target, values, self.client_auth)
    }

    fn sign_in(&self, target: &Target) -> Option<Request> {
        let endpoint = self.endpoint(Step::SignIn)?;
        Some(self.request(endpoint, target, &self.values()))
    }

    fn tokens(&self, step: Step, answer: &Answer) -> Option<Tokens> {
        let endpoint = self.endpoint(step)?;
        Some(Tokens {
            access: endpoint.access_token.as_ref()?.find(answer)?,
            refresh: endpoint
                .refresh_token
                .as_ref()
                .and_then(|place| place.find(answer)),
            answer: answer.clone(),
        })
        .filter(|_| answer.status < 400)
    }

    /// The access token in an answer to the sign-in, or why there is none.
    fn access_token(&self, outcome: &Outcome) -> Result<String, String> {
        let answer = outcome.answer();
        let tokens = answer.and_then(|answer| self.tokens(Step::SignIn, answer));
        tokens
            .map(|tokens| tokens.access)
            .ok_or_else(|| match answer {
                Some(answer) if answer.is_success() => {
                    "the sign-in was answered, but no access token stands where [sign_in] says"
                        .to_owned()
                }
                _ => format!("the sign-in was answered with {}", outcome.shown()),
            })
    }
}

impl Values {
    pub(crate) fn of(self, account: &Account) -> Self {
        self.with("username", &account.username)
            .with("password", account.password.expose())
    }
}

/// Signs in once, for a token to begin with.
///
/// # Errors
///
/// Says why there is none.
pub async fn token(login: &Login, target: &Target, network: &Network) -> Result<String, String> {
    let Some(request) = login.sign_in(target) else {
        return Err("the login file does not say how to sign in".to_owned());
    };
    login.access_token(&network.send(&request).await)
}

/// A new token in place of one that died.
pub(crate) async fn renewed(
    session: &mut Session<'_>,
    login: &Login,
    target: &Target,
) -> Result<Result<String, String>, Stop> {
    let Some(request) = login.sign_in(target) else {
        return Ok(Err("the login file does not say how to sign in".to_owned()));
    };
    let outcome = session.exchange(&request, Flaw::Sound).await?.0;
    Ok(login.access_token(&outcome))
}

/// What became of a wrong password.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Guess {
    /// Let in.
    Entered,
    /// Looked at, and refused.
    Wrong(Answer),
    /// Not looked at: too many came before.
    Slowed(Answer),
}

impl<'r> Conversation<'_, 'r> {
    /// The endpoint, or the word that the file has none.
    pub(crate) fn needs(&self, step: Step) -> Result<&'r Endpoint, Halt> {
        self.login
            .endpoint(step)
            .ok_or_else(|| Halt::NotApplicable(format!("the login file has no [{}]", step.name())))
    }

    pub(crate) fn account(&self) -> Result<&'r Account, Halt> {
        self.login
            .account
            .as_ref()
            .ok_or_else(|| Halt::NotApplicable("the login file names no `username`".to_owned()))
    }

    pub(crate) fn leave(&self, leave: Leave) -> Result<(), Halt> {
        match self.login.allows(leave) {
            true => Ok(()),
            false => Err(Halt::Forbidden(leave)),
        }
    }

    pub(crate) fn request(&self, step: Step, values: &Values) -> Result<Request, Halt> {
        let endpoint = self.needs(step)?;
        Ok(self.login.request(endpoint, self.target, values))
    }

    /// Asks an endpoint, patiently.
    pub(crate) async fn ask(&mut self, step: Step, values: &Values) -> Result<Answer, Halt> {
        let request = self.request(step, values)?;
        let (outcome, _) = self.session.exchange(&request, Flaw::Sound).await?;
        self.answered(step, outcome)
    }

    /// Asks once, from `source`, and takes a 429 for an answer.
    pub(crate) async fn ask_once(
        &mut self,
        step: Step,
        values: &Values,
        source: Option<IpAddr>,
    ) -> Result<Answer, Halt> {
        let request = self.request(step, values)?;
        let outcome = self.session.once(&request, source).await?;
        self.answered(step, outcome)
    }

    /// The same request many times at once.
    pub(crate) async fn at_once(
        &mut self,
        step: Step,
        values: &Values,
        count: usize,
        source: Option<IpAddr>,
    ) -> Result<Vec<Answer>, Halt> {
        let request = self.request(step, values)?;
        let outcomes = self.session.at_once(&request, count, source).await?;
        let answers: Vec<Answer> = outcomes
            .iter()
            .filter_map(|outcome| outcome.answer().cloned())
            .collect();
        match answers.len() * 2 > outcomes.len() {
            true => Ok(answers),
            false => Err(Halt::Unclear(format!(
                "of {} requests at once {} were answered",
                outcomes.len(),
                answers.len()
            ))),
        }
    }

    fn answered(&self, step: Step, outcome: Outcome) -> Result<Answer, Halt> {
        match outcome {
            Outcome::Answered(answer) => Ok(answer),
            other => Err(Halt::Unclear(format!("{}: {}", step.name(), other.shown()))),
        }
    }

    /// Signs the account in; its token has been let in by the target.
    pub(crate) async fn begin(&mut self) -> Result<Tokens, Halt> {
        let tokens = self.sign_in(&self.login.values()).await?;
        match self.is_let_in(&tokens.access).await? {
            true => Ok(tokens),
            false => Err(Halt::Unclear(
                "the target does not let in what its sign-in hands out".to_owned(),
            )),
        }
    }

    /// The same, with a refresh token.
    pub(crate) async fn begin_to_refresh(&mut self) -> Result<(Tokens, String), Halt> {
        self.needs(Step::Refresh)?;
        let tokens = self.begin().await?;
        match tokens.refresh.clone() {
            Some(refresh) => Ok((tokens, refresh)),
            None => Err(Halt::NotApplicable(
                "the sign-in hands out no refresh token where [sign_in] says".to_owned(),
            )),
        }
    }

    /// A sign-in that must work.
    pub(crate) async fn sign_in(&mut self, values: &Values) -> Result<Tokens, Halt> {
        let answer = self.ask(Step::SignIn, values).await?;
        self.login.tokens(Step::SignIn, &answer).ok_or_else(|| {
            Halt::Unclear(format!(
                "a right sign-in was answered with {}",
                answer.status
            ))
        })
    }

    /// A sign-in that may be refused.
    pub(crate) async fn may_sign_in(&mut self, values: &Values) -> Result<Option<Tokens>, Halt> {
        let answer = self.ask(Step::SignIn, values).await?;
        self.decided(&answer)?;
        Ok(self.login.tokens(Step::SignIn, &answer))
    }

    pub(crate) async fn refresh(&mut self, token: &str) -> Result<Option<Tokens>, Halt> {
        let values = self.login.values().with("refresh_token", token);
        self.refresh_with(&values).await
    }

    /// The next tokens; none if it was refused.
    pub(crate) async fn refresh_with(&mut self, values: &Values) -> Result<Option<Tokens>, Halt> {
        let answer = self.ask(Step::Refresh, values).await?;
        self.decided(&answer)?;
        Ok(self.login.tokens(Step::Refresh, &answer))
    }

    /// A refresh that must work, and hand out the next refresh token.
    pub(crate) async fn rotate(&mut self, token: &str) -> Result<String, Halt> {
        let Some(tokens) = self.refresh(token).await? else {
            return Err(Halt::Unclear("a good refresh token was refused".to_owned()));
        };
        match tokens.refresh {
            Some(next) if next != token => Ok(next),
            _ => Err(Halt::NotApplicable(
                "refresh tokens are not rotated here (RFT-001 judges that)".to_owned(),
            )),
        }
    }

    /// A target that fails or asks to come back has not said yes or no.
    pub(crate) fn decided(&self, answer: &Answer) -> Result<(), Halt> {
        match answer.status {
            429 | 500.. => Err(Halt::Unclear(format!(
                "the target answered with {} and decided nothing",
                answer.status
            ))),
            _ => Ok(()),
        }
    }

    pub(crate) async fn is_let_in(&mut self, access: &str) -> Result<bool, Halt> {
        let request = self.target.request(Some(access));
        let (outcome, _) = self.session.exchange(&request, Flaw::Sound).await?;
        let standing = outcome
            .answer()
            .map(|answer| self.calibration.standing(answer));
        match standing {
            Some(Standing::LetIn) => Ok(true),
            Some(Standing::Refused | Standing::Known) => Ok(false),
            _ => Err(Halt::Unclear(format!(
                "the route answered with {}",
                outcome.shown()
            ))),
        }
    }

    /// What the route shows whoever holds `access`, if it is JSON.
    pub(crate) async fn shown(&mut self, access: &str) -> Result<Option<Value>, Halt> {
        let request = self.target.request(Some(access));
        let (outcome, _) = self.session.exchange(&request, Flaw::Sound).await?;
        let answer = outcome.answer();
        Ok(answer.and_then(|answer| serde_json::from_slice(&answer.body).ok()))
    }

    /// Whether the access token dies within the time that an ended session has;
    /// if so, after how long.
    pub(crate) async fn dies(&mut self, access: &str) -> Result<Option<Duration>, Halt> {
        let begun = std::time::Instant::now();
        let longest = Duration::from_secs(self.login.revocation);
        loop {
            let asked = begun.elapsed();
            if !self.is_let_in(access).await? {
                return Ok(Some(asked));
            }
            if asked >= longest {
                return Ok(None);
            }
            tokio::time::sleep(Duration::from_millis(250).min(longest)).await;
        }
    }

    /// Tries a password of `username` from `source`. `first` is what a wrong
    /// one got before anything was counted.
    pub(crate) async fn guess(
        &mut self,
        values: &Values,
        source: Option<IpAddr>,
        first: Option<&Answer>,
    ) -> Result<Guess, Halt> {
        let answer = self.ask_once(Step::SignIn, values, source).await?;
        Ok(self.told(Step::SignIn, answer, first))
    }

    /// What the answer to a guess says.
    pub(crate) fn told(&self, step: Step, answer: Answer, first: Option<&Answer>) -> Guess {
        if step == Step::SignIn && self.login.tokens(step, &answer).is_some() {
            return Guess::Entered;
        }
        let is_slowed = matches!(answer.status, 423 | 429 | 503)
            || answer.header("retry-after").is_some()
            || first.is_some_and(|first| !is_same_refusal(first, &answer));
        match is_slowed {
            true => Guess::Slowed(answer),
            false => Guess::Wrong(answer),
        }
    }

    /// Text that nobody has used before.
    pub(crate) fn word(&mut self, length: usize) -> String {
        self.memory.word(length)
    }
}

/// The same words to the same question, whatever numbers stand in them.
fn is_same_refusal(first: &Answer, other: &Answer) -> bool {
    first.status == other.status && letters(first) == letters(other)
}

/// A JSON body's texts without anything that is different each time, another
/// body's letters.
fn letters(answer: &Answer) -> String {
    let text = answer.text();
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    let stays = |word: &&str| !word.is_empty() && word.chars().all(|c| !c.is_ascii_digit());
    words.filter(stays).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::is_same_refusal;
    use crate::wire::Answer;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            body: body.as_bytes().to_vec(),
            ..Answer::default()
        }
    }

    #[test]
    fn numbers_and_ids_do_not_make_another_refusal() {
        let first = answer(
            401,
            r#"{"error":"wrong password","trace":"01ab-77","left":9}"#,
        );
        let next = answer(
            401,
            r#"{"error":"wrong password","trace":"9f3c-12","left":8}"#,
        );
        let locked = answer(
            401,
            r#"{"error":"account locked","trace":"01ab-78","left":0}"#,
        );
        assert!(is_same_refusal(&first, &next));
        assert!(!is_same_refusal(&first, &locked));
        assert!(!is_same_refusal(&first, &answer(403, "")));
    }
}
