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

/// Where a request goes, and with what.
struct Target {
    origin: String,
    token: Option<String>,
}

impl Curl {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let target = self.target(place)?;
        let request = self.request(&target)?;
        let answer = runtime()?.block_on(client::send(request))?;
        Ok(self.print(place, &answer))
    }

    /// The server, and the token that was made for it: a token never goes
    /// anywhere else.
    fn target(&self, place: &Place) -> Result<Target, Failure> {
        let folder = DataFolder::open(&place.data);
        if self.anonymous || self.user.is_some() {
            let origin = match &folder {
                Ok(folder) => login::origin(folder)?,
                Err(_) => format!("http://{}", super::workplace::DEFAULT_LISTEN),
            };
            let mint = |user: &String| minted(place, user, self.tenant.as_deref());
            let token = self.user.as_ref().map(mint).transpose()?;
            return Ok(Target { origin, token });
        }
        let folder = folder?;
        let Some(session) = login::Session::kept(&folder)? else {
            return Err(Failure::usage("there is no session to use").hint(
                "`doorward login USER` starts one, --as USER mints a token, --anonymous sends none",
            ));
        };
        let origin = session.url.clone();
        let token = runtime()?.block_on(session.access_token(&folder))?;
        let token = token.ok_or_else(|| {
            Failure::usage("the session has ended").hint("sign in again with `doorward login USER`")
        })?;
        Ok(Target {
            origin,
            token: Some(token),
        })
    }

    fn request(&self, target: &Target) -> Result<Request<Bytes>, Failure> {
        let url = self.url(target)?;
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
        if let Some(token) = &target.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = Bytes::from(self.body.clone().unwrap_or_default());
        request.body(body).map_err(|error| {
            Failure::usage(format!("`{}` cannot be asked for: {error}", safe(&url)))
                .hint("percent-encode what a path cannot hold, for example %20 for a blank")
        })
    }

    /// The whole address; refused when it is not the token's server.
    fn url(&self, target: &Target) -> Result<String, Failure> {
        let Target { origin, token } = target;
        if self.url.starts_with('/') {
            return Ok(format!("{origin}{}", self.url));
        }
        let url = safe(&self.url);
        if !self.url.contains("://") {
            return Err(
                Failure::usage(format!("`{url}` is neither a path nor an address"))
                    .hint(format!("write `/{url}` or `http://host/{url}`")),
            );
        }
        if token.is_some() && !self.url.starts_with(&format!("{origin}/")) && self.url != *origin {
            return Err(
                Failure::usage(format!("the token is for {origin}, not for {url}"))
                    .hint("give a path, or --anonymous for another server"),
            );
        }
        Ok(self.url.clone())
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
