//! `doorward curl`: one request through the gateway with the right token.

use bytes::Bytes;
use clap::Args;
use http::{HeaderName, HeaderValue, Method, Request, Response, header};

use serde_json::{Value, json};

use super::{Place, Workplace, login, workplace::runtime};
use crate::{
    client,
    data_folder::DataFolder,
    exit::{Answer, Failure},
    invocation, output,
    paint::{Tone, paint, safe},
};

/// Send a request through the gateway with the right token
#[derive(Debug, Args)]
pub(super) struct Curl {
    /// Path on the gateway, or a whole http:// address
    url: String,
    /// Method [default: GET, or POST with a body]
    #[arg(short = 'X', long = "request", value_name = "METHOD")]
    method: Option<Method>,
    /// Body to send
    #[arg(short = 'd', long = "body", value_name = "TEXT")]
    body: Option<String>,
    /// Header to send; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Print status and headers too
    #[arg(short, long)]
    include: bool,
    /// Mint a token for this user, as the operator of the data folder
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,
    /// Tenant of the minted token [default: the user's home tenant]
    #[arg(long, value_name = "TENANT", requires = "user")]
    tenant: Option<String>,
    /// Send no token
    #[arg(long, conflicts_with = "user")]
    anonymous: bool,
}

impl Curl {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let token = self.token(place)?;
        let origin = match DataFolder::open(&place.data) {
            Ok(folder) => login::origin(&folder)?,
            Err(_) => format!("http://{}", super::workplace::DEFAULT_LISTEN),
        };
        let request = self.request(&origin, token.as_deref())?;
        let answer = runtime()?.block_on(client::send(request))?;
        Ok(self.print(place, &answer))
    }

    /// The token to send: minted, or that of the kept session.
    fn token(&self, place: &Place) -> Result<Option<String>, Failure> {
        if self.anonymous {
            return Ok(None);
        }
        if let Some(user) = &self.user {
            return minted(place, user, self.tenant.as_deref()).map(Some);
        }
        let folder = DataFolder::open(&place.data)?;
        let Some(session) = login::Session::kept(&folder)? else {
            return Err(Failure::usage("there is no session to use").hint(
                "`doorward login USER` starts one, --as USER mints a token, --anonymous sends none",
            ));
        };
        let token = runtime()?.block_on(session.access_token(&folder))?;
        token.map(Some).ok_or_else(|| {
            Failure::usage("the session has ended").hint("sign in again with `doorward login USER`")
        })
    }

    fn request(&self, origin: &str, token: Option<&str>) -> Result<Request<Bytes>, Failure> {
        let url = if self.url.starts_with('/') {
            format!("{origin}{}", self.url)
        } else {
            self.url.clone()
        };
        if token.is_some() && !url.starts_with(&format!("{origin}/")) && url != origin {
            return Err(
                Failure::usage(format!("the token is for {origin}, not for {url}"))
                    .hint("give a path, or --anonymous for another server"),
            );
        }
        let method = match (&self.method, &self.body) {
            (Some(method), _) => method.clone(),
            (None, Some(_)) => Method::POST,
            (None, None) => Method::GET,
        };
        let mut request = Request::builder().method(method).uri(&url);
        for text in &self.headers {
            let (name, value) = header_of(text)?;
            request = request.header(name, value);
        }
        if self.body.is_some() && !self.headers.iter().any(|text| is_content_type(text)) {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = Bytes::from(self.body.clone().unwrap_or_default());
        request
            .body(body)
            .map_err(|error| Failure::usage(format!("`{url}` cannot be asked for: {error}")))
    }

    fn print(&self, place: &Place, answer: &Response<Bytes>) -> Answer {
        let status = answer.status();
        if place.json {
            let text = String::from_utf8_lossy(answer.body());
            let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| text.into());
            output::json(&json!({ "status": status.as_u16(), "body": body }));
        } else {
            if self.include {
                output::data(format!("{:?} {status}", answer.version()));
                for (name, value) in answer.headers() {
                    output::data(format!(
                        "{name}: {}",
                        safe(&String::from_utf8_lossy(value.as_bytes()))
                    ));
                }
                output::data("");
            }
            output::raw(answer.body());
            if !answer.body().is_empty() && !answer.body().ends_with(b"\n") {
                output::raw(b"\n");
            }
        }
        if status.is_success() || status.is_redirection() {
            return Answer::Yes;
        }
        let trace = answer
            .headers()
            .get("x-request-id")
            .and_then(|id| id.to_str().ok());
        let how = trace.map(|id| {
            let command = invocation::command(&place.data);
            format!("; why: {command} explain {}", safe(id))
        });
        let how = how.unwrap_or_default();
        output::note(paint(Tone::Bad, format!("{status}{how}")));
        Answer::No
    }
}

/// A token for `user`, made on the data folder.
pub(super) fn minted(place: &Place, user: &str, tenant: Option<&str>) -> Result<String, Failure> {
    let mut minted = None;
    Workplace::open(place)?.with_issuer(async |issuer| {
        let token = issuer.admin().mint_access_token(user, tenant).await?;
        minted = Some(token.access_token);
        Ok(Answer::Yes)
    })?;
    minted.ok_or_else(|| Failure::unreachable("no token was minted"))
}

fn header_of(text: &str) -> Result<(HeaderName, HeaderValue), Failure> {
    let wrong = || {
        Failure::usage(format!("`{}` is not a header", safe(text)))
            .hint("write it as `Name: value`")
    };
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = name.trim().parse().map_err(|_| wrong())?;
    let value = value.trim().parse().map_err(|_| wrong())?;
    Ok((name, value))
}

fn is_content_type(text: &str) -> bool {
    let name = text.split(':').next().unwrap_or_default();
    name.trim()
        .eq_ignore_ascii_case(header::CONTENT_TYPE.as_str())
}
