//! `doorward login`: signs in as a user and keeps the session for `curl`.

use bytes::Bytes;
use clap::Args;
use doorward_verify::clock::Clock as _;
use http::{Request, Response, header};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Place,
    secret::{self, PasswordSource},
    workplace::{DEFAULT_LISTEN, runtime},
};
use crate::{
    client,
    data_folder::{DataFolder, LastUp},
    exit::{Answer, Failure},
    output,
    paint::{Tone, paint, safe},
    system::SystemClock,
};

/// Sign in and keep the session for `doorward curl`
#[derive(Debug, Args)]
pub(super) struct Login {
    /// User name
    #[arg(value_name = "USER")]
    username: String,
    /// Tenant [default: the user's home tenant]
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
    /// Origin of the server [default: that of the last `up`]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    password: PasswordSource,
}

/// A session, as the data folder keeps it.
#[derive(Serialize, Deserialize)]
pub(super) struct Session {
    /// Origin of the server that it is for.
    pub(super) url: String,
    pub(super) username: String,
    access_token: String,
    refresh_token: String,
    /// Seconds since 1970.
    expires_at: u64,
}

/// A server's yes.
enum Answered {
    Session(Session),
    /// The password was right; the token goes with the second factor.
    SecondStep(String),
}

impl Answered {
    fn session(self) -> Result<Session, Refusal> {
        match self {
            Self::Session(session) => Ok(session),
            Self::SecondStep(_) => Err(Refusal {
                status: 401,
                reason: "second_factor_required".to_owned(),
                title: "the second factor is asked for again".to_owned(),
                retry_after: None,
            }),
        }
    }
}

/// A server's no.
struct Refusal {
    status: u16,
    reason: String,
    title: String,
    retry_after: Option<String>,
}

/// RFC 6749 section 5.1, as far as it is used here.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    refresh_token: String,
    expires_in: u64,
}

/// What the first step says when it is not the last.
#[derive(Deserialize)]
struct SecondStep {
    second_factor_token: String,
}

impl Login {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let folder = DataFolder::planned(&place.data)?;
        let url = match self.url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => origin(&folder)?,
        };
        let mut body = json!({ "username": self.username, "password": self.password.read(false)? });
        if let Some(tenant) = self.tenant {
            body["tenant"] = tenant.into();
        }
        let runtime = runtime()?;
        let mut answer = runtime.block_on(ask(&url, "/auth/sign-in", &body, &self.username))?;
        if let Ok(Answered::SecondStep(token)) = answer {
            let proof = secret::second_factor()?;
            let member = if proof.contains('-') {
                "recovery_code"
            } else {
                "code"
            };
            let body = json!({ "second_factor_token": token, member: proof.trim() });
            let path = "/auth/sign-in/second-factor";
            answer = runtime.block_on(ask(&url, path, &body, &self.username))?;
        }
        let session = match answer.and_then(Answered::session) {
            Ok(session) => session,
            Err(refusal) => {
                refusal.tell();
                if place.json {
                    output::json(&json!({
                        "signed_in": false, "url": url, "username": self.username,
                        "status": refusal.status, "reason": refusal.reason,
                    }));
                }
                return Ok(Answer::No);
            }
        };
        folder.make()?;
        folder.write_json(&folder.login(), &session)?;
        if place.json {
            output::json(&json!({
                "signed_in": true, "url": url, "username": session.username,
            }));
        } else {
            output::note(format!(
                "signed in to {url} as {}; `doorward curl /path` uses the session",
                safe(&session.username)
            ));
        }
        Ok(Answer::Yes)
    }
}

/// The origin of the last `up` on this folder, else the default one.
pub(super) fn origin(folder: &DataFolder) -> Result<String, Failure> {
    let last = folder.read_json::<LastUp>(&folder.last_up())?;
    Ok(last.map_or_else(|| format!("http://{DEFAULT_LISTEN}"), |last| last.gateway))
}

impl Session {
    /// The kept session, if there is one.
    pub(super) fn kept(folder: &DataFolder) -> Result<Option<Self>, Failure> {
        folder.read_json(&folder.login())
    }

    /// An access token that lives for at least a few seconds more; refreshes
    /// the session when it must. `None` when the session has ended.
    pub(super) async fn access_token(self, folder: &DataFolder) -> Result<Option<String>, Failure> {
        const SPARE_SECONDS: u64 = 5;
        if SystemClock.now().unix().as_secs() + SPARE_SECONDS < self.expires_at {
            return Ok(Some(self.access_token));
        }
        let body = json!({ "refresh_token": self.refresh_token });
        let answer = ask(&self.url, "/auth/refresh", &body, &self.username).await?;
        let session = match answer.and_then(Answered::session) {
            Ok(session) => session,
            Err(refusal) => {
                refusal.tell();
                return Ok(None);
            }
        };
        folder.write_json(&folder.login(), &session)?;
        Ok(Some(session.access_token))
    }
}

impl Refusal {
    fn read(answer: &Response<Bytes>) -> Self {
        let why = serde_json::from_slice::<serde_json::Value>(answer.body()).unwrap_or_default();
        let word = |name: &str| why[name].as_str().map(str::to_owned);
        let retry = answer.headers().get(header::RETRY_AFTER);
        Self {
            status: answer.status().as_u16(),
            reason: word("reason").unwrap_or_default(),
            title: word("title").unwrap_or_else(|| "no reason was given".to_owned()),
            retry_after: retry.and_then(|value| Some(value.to_str().ok()?.to_owned())),
        }
    }

    fn tell(&self) {
        let later = self.retry_after.as_deref();
        let later = later
            .map(|seconds| format!("; try again in {} s", safe(seconds)))
            .unwrap_or_default();
        output::note(format!(
            "{} {} {}{later}",
            paint(Tone::Bad, "refused:"),
            self.status,
            safe(&self.title)
        ));
    }
}

/// Asks a token endpoint, which may refuse.
async fn ask(
    url: &str,
    path: &str,
    body: &serde_json::Value,
    username: &str,
) -> Result<Result<Answered, Refusal>, Failure> {
    let request = Request::post(format!("{url}{path}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Bytes::from(body.to_string()))
        .map_err(|_| {
            Failure::usage(format!("`{url}` is not an address"))
                .hint("write scheme, host and port: --url http://127.0.0.1:4180")
        })?;
    let answer = client::send(request).await?;
    match answer.status().as_u16() {
        200 => {}
        400 | 401 | 403 | 429 => return Ok(Err(Refusal::read(&answer))),
        status => {
            return Err(
                Failure::unreachable(format!("{url}{path} answered {status}")).hint(
                    "is this the address of Doorward's gateway? look at the server's own output",
                ),
            );
        }
    }
    let unlike = |error| {
        Failure::unreachable(format!("{url}{path} did not answer like Doorward: {error}"))
            .hint("check the address")
    };
    if let Ok(step) = serde_json::from_slice::<SecondStep>(answer.body()) {
        return Ok(Ok(Answered::SecondStep(step.second_factor_token)));
    }
    let tokens: TokenAnswer = serde_json::from_slice(answer.body()).map_err(unlike)?;
    Ok(Ok(Answered::Session(Session {
        url: url.to_owned(),
        username: username.to_owned(),
        access_token: tokens.access_token,
        refresh_token: tokens.refresh_token,
        expires_at: SystemClock.now().unix().as_secs() + tokens.expires_in,
    })))
}
