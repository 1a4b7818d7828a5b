//! `doorward explain`: every check of a decision, and what would change it.

use bytes::Bytes;
use clap::Args;
use doorward_policy::decision::{Outcome, TraceId};
use http::{Method, Request, Uri, header};

use super::{Place, Workplace, curl, secret::TokenSource, workplace::runtime};
use crate::{
    admin_listener::{Explain as Question, Explained, OperatorToken},
    client, decision_view,
    exit::{Answer, Failure},
    output,
};

/// Say why a request was, or would be, let in or turned away
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// `last`, a trace id, or a method
    what: String,
    /// With a method: the path, or the whole address
    url: Option<String>,
    /// Judge the request with a token minted for this user
    #[arg(long = "as", value_name = "USER", requires = "url")]
    user: Option<String>,
    /// Tenant of the minted token [default: the user's home tenant]
    #[arg(long, value_name = "TENANT", requires = "user")]
    tenant: Option<String>,
    #[command(flatten)]
    token: TokenSource,
}

impl Explain {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let workplace = Workplace::open(place)?;
        let admin = &workplace.last_up.admin;
        let operator = operator_token(&workplace)?;
        let request = match &self.url {
            Some(url) => self.question(place, admin, url)?,
            None => Request::get(format!("{admin}/api/decisions/{}", self.decision()?))
                .body(Bytes::new()),
        };
        let mut request = request.map_err(|error| Failure::usage(error.to_string()))?;
        request
            .headers_mut()
            .insert(header::AUTHORIZATION, operator.authorization());
        let answer = runtime()?.block_on(client::send(request))?;
        match answer.status().as_u16() {
            200 => show(place, answer.body()),
            404 => Err(Failure::usage("no such decision is remembered").hint(
                "the server keeps the last 2,000 since it started; the id is in `x-request-id`",
            )),
            status => Err(Failure::unreachable(format!("{admin} answered {status}"))
                .hint("is another server running on the admin address of this data folder?")),
        }
    }

    /// `last` or a trace id, checked.
    fn decision(&self) -> Result<&str, Failure> {
        if self.what == "last" || self.what.parse::<TraceId>().is_ok() {
            return Ok(&self.what);
        }
        let hint = if self
            .what
            .parse::<Method>()
            .is_ok_and(|method| is_common(&method))
        {
            format!("say what: `doorward explain {} /path`", self.what)
        } else {
            "`doorward explain last`, `doorward explain TRACE-ID` or `doorward explain METHOD URL`"
                .to_owned()
        };
        Err(Failure::usage(format!("`{}` is neither `last` nor a trace id", self.what)).hint(hint))
    }

    fn question(
        &self,
        place: &Place,
        admin: &str,
        url: &str,
    ) -> Result<http::Result<Request<Bytes>>, Failure> {
        let target = target_of(url)?;
        if self.what == "last" {
            return Err(Failure::usage("`last` stands alone").hint(format!(
                "`doorward explain last`, or `doorward explain GET {target}`"
            )));
        }
        let token = match &self.user {
            Some(user) => Some(curl::minted(place, user, self.tenant.as_deref())?),
            None => self.token.given()?,
        };
        let method = self.what.to_ascii_uppercase();
        let question = Question {
            method,
            target,
            token,
        };
        let body =
            serde_json::to_vec(&question).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Request::post(format!("{admin}/api/explain"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(body)))
    }
}

/// Path and query of what the person wrote.
fn target_of(url: &str) -> Result<String, Failure> {
    if url.starts_with('/') {
        return Ok(url.to_owned());
    }
    match url.parse::<Uri>() {
        Ok(uri) if uri.scheme().is_some() => Ok(uri
            .path_and_query()
            .map_or_else(|| "/".to_owned(), ToString::to_string)),
        _ => Err(
            Failure::usage(format!("`{url}` is neither a path nor an address"))
                .hint(format!("write it as `/{url}` or `http://host/{url}`")),
        ),
    }
}

fn is_common(method: &Method) -> bool {
    let common = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
    ];
    common.contains(method)
        || common
            .iter()
            .any(|known| known.as_str().eq_ignore_ascii_case(method.as_str()))
}

pub(super) fn operator_token(workplace: &Workplace) -> Result<OperatorToken, Failure> {
    let file = workplace.folder.operator_token();
    match workplace.folder.read(&file)? {
        Some(text) => OperatorToken::parse(text.trim()).ok_or_else(|| {
            Failure::configuration(format!("{} is damaged", file.display()))
                .hint("delete it and restart the server, which makes a new one")
        }),
        None => Err(
            Failure::configuration(format!("{} is missing", file.display()))
                .hint("restart the server, which makes a new one"),
        ),
    }
}

fn show(place: &Place, body: &[u8]) -> Result<Answer, Failure> {
    let explained: Explained = serde_json::from_slice(body).map_err(|error| {
        Failure::unreachable(format!("the server's answer is not a decision: {error}"))
            .hint("are server and command of the same version?")
    })?;
    if place.json {
        output::json(&explained);
    } else {
        let text = decision_view::whole(
            &explained.decision,
            explained.caller_name.as_deref(),
            &place.data,
        );
        output::data(text.trim_end());
    }
    Ok(match explained.decision.outcome {
        Outcome::Allowed => Answer::Yes,
        Outcome::Denied | Outcome::Failed => Answer::No,
    })
}
