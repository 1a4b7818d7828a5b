//! One endpoint of the file: a request with names in braces, and where the
//! tokens stand in its answer.

use std::collections::BTreeMap;

use doorward_jose::base64url;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Client, ClientAuth, Step};
use crate::{
    probe::percent_encoded,
    target::Target,
    wire::{Answer, Request},
};

/// How to ask, and what to read.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Body,
    pub(crate) auth: Auth,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) access_token: Option<Place>,
    pub(crate) refresh_token: Option<Place>,
    /// What a second factor is told by.
    pub(crate) state: Option<Place>,
    /// What stands before the token in a mail.
    pub(crate) after: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Nothing,
    Json(Map<String, Value>),
    Form(Vec<(String, String)>),
}

/// Who the request says that it is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Auth {
    None,
    /// The session's access token, as the target takes it.
    Bearer,
    /// The client, as `client_auth` says.
    Client,
}

/// Where something stands in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// RFC 6901.
    Pointer(String),
    Cookie(String),
}

impl Place {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("cookie:") {
            Some(name) if !name.is_empty() => Some(Self::Cookie(name.to_owned())),
            Some(_) => None,
            None => text
                .starts_with('/')
                .then(|| Self::Pointer(text.to_owned())),
        }
    }

    pub(crate) fn find(&self, answer: &Answer) -> Option<String> {
        let found = match self {
            Self::Pointer(pointer) => {
                let value: Value = serde_json::from_slice(&answer.body).ok()?;
                value.pointer(pointer)?.as_str()?.to_owned()
            }
            Self::Cookie(name) => {
                let cookies = answer
                    .headers
                    .iter()
                    .filter(|(field, _)| field == "set-cookie");
                let mut pairs =
                    cookies.filter_map(|(_, value)| value.split(';').next()?.split_once('='));
                let (_, value) = pairs.find(|(cookie, _)| cookie.trim() == name)?;
                value.to_owned()
            }
        };
        Some(found).filter(|text| !text.is_empty())
    }
}

/// What the names in braces stand for.
#[derive(Clone, Default)]
pub(crate) struct Values {
    known: BTreeMap<&'static str, String>,
    /// Members that are sent beside those of the template.
    more: Vec<(String, Value)>,
    /// Header fields likewise.
    fields: Vec<(String, String)>,
    client: Option<Client>,
}

impl Values {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.known.insert(name, value.to_owned());
        self
    }

    pub(crate) fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As this client, for endpoints that ask which one it is.
    pub(crate) fn client(mut self, client: Option<&Client>) -> Self {
        self.client = client.cloned();
        if let Some(client) = client {
            self.known.insert("client_id", client.id.clone());
            if let Some(secret) = &client.secret {
                self.known
                    .insert("client_secret", secret.expose().to_owned());
            }
        }
        self
    }

    /// Whether the name stands for something.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.known.contains_key(name)
    }

    fn filled(&self, template: &str) -> String {
        fill(template, |name| self.known.get(name).cloned())
    }

    fn in_json(&self, template: &Value) -> Value {
        match template {
            Value::String(text) => Value::String(self.filled(text)),
            Value::Array(items) => items.iter().map(|item| self.in_json(item)).collect(),
            Value::Object(members) => Value::Object(self.in_members(members)),
            other => other.clone(),
        }
    }

    fn in_members(&self, members: &Map<String, Value>) -> Map<String, Value> {
        let each = members.iter();
        each.map(|(name, value)| (name.clone(), self.in_json(value)))
            .collect()
    }
}

/// The template with each `{name}` that is known replaced.
fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after
            .split_once('}')
            .and_then(|(name, tail)| Some((value(name)?, tail)))
        {
            Some((value, tail)) => {
                out.push_str(&value);
                rest = tail;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

impl Endpoint {
    /// What an endpoint of this kind is like unless somebody says otherwise.
    pub(crate) fn usual(step: Step) -> Self {
        let hands_out = matches!(step, Step::SignIn | Step::Refresh);
        let place = |pointer: &str| hands_out.then(|| Place::Pointer(pointer.to_owned()));
        let is_of_a_session = matches!(
            step,
            Step::SignOut | Step::SignOutEverywhere | Step::ChangePassword
        );
        Self {
            method: if step == Step::Mailbox { "GET" } else { "POST" }.to_owned(),
            path: String::new(),
            body: Body::Nothing,
            auth: if is_of_a_session {
                Auth::Bearer
            } else {
                Auth::None
            },
            headers: BTreeMap::new(),
            access_token: place("/access_token"),
            refresh_token: place("/refresh_token"),
            state: (step == Step::SignIn).then(|| Place::Pointer("/state".to_owned())),
            after: (step == Step::Mailbox).then(|| "token=".to_owned()),
        }
    }

    /// Every name in braces of its templates.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut texts: Vec<&str> = vec![&self.path];
        texts.extend(self.headers.values().map(String::as_str));
        let body = match &self.body {
            Body::Nothing => String::new(),
            Body::Json(members) => Value::Object(members.clone()).to_string(),
            Body::Form(fields) => fields.iter().map(|(_, value)| value.as_str()).collect(),
        };
        texts.push(&body);
        let names = texts.iter().flat_map(|text| text.split('{').skip(1));
        let names = names.filter_map(|text| Some(text.split_once('}')?.0));
        let is_name = |name: &&str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        names.filter(is_name).map(str::to_owned).collect()
    }

    /// The request that it describes.
    pub(crate) fn request(&self, target: &Target, values: &Values, how: ClientAuth) -> Request {
        let bearer = match self.auth {
            Auth::Bearer => values.known.get("access_token").map(String::as_str),
            _ => None,
        };
        let path = fill(&self.path, |name| {
            values.known.get(name).map(|v| percent_encoded(v))
        });
        let mut request = target.request(bearer);
        self.method.clone_into(&mut request.method);
        // A token that goes into the query has been put behind the route's own.
        let of_the_token = match (&target.place, bearer) {
            (crate::target::TokenPlace::Query(name), Some(token)) => {
                let mark = if path.contains('?') { '&' } else { '?' };
                format!("{mark}{name}={}", percent_encoded(token))
            }
            _ => String::new(),
        };
        request.target = format!("{path}{of_the_token}").into_bytes();
        for (name, value) in &self.headers {
            request = request.with(name, values.filled(value));
        }
        for (name, value) in &values.fields {
            request = match name.as_str() {
                "Host" => with_host(request, value),
                _ => request.with(name, value.as_str()),
            };
        }
        let mut members = values.more.clone();
        if let (Auth::Client, Some(client)) = (self.auth, &values.client) {
            match (&client.secret, how) {
                (Some(secret), ClientAuth::Basic) => {
                    request = request.with("Authorization", basic(&client.id, secret.expose()));
                }
                (secret, _) => {
                    members.push(("client_id".to_owned(), client.id.as_str().into()));
                    let secret = secret.as_ref().map(|secret| secret.expose().into());
                    members.extend(secret.map(|secret| ("client_secret".to_owned(), secret)));
                }
            }
        }
        self.with_body(request, values, members)
    }

    fn with_body(&self, request: Request, values: &Values, more: Vec<(String, Value)>) -> Request {
        match &self.body {
            Body::Nothing if self.method == "GET" => request,
            Body::Nothing => request.with("Content-Length", "0"),
            Body::Json(members) => {
                let mut members = values.in_members(members);
                members.extend(more);
                request.with_body("application/json", Value::Object(members).to_string())
            }
            Body::Form(fields) => {
                let own = fields
                    .iter()
                    .map(|(name, value)| (name.clone(), values.filled(value)));
                let more = more.into_iter().map(|(name, value)| match value {
                    Value::String(text) => (name, text),
                    other => (name, other.to_string()),
                });
                let pairs: Vec<String> = own
                    .chain(more)
                    .map(|(name, value)| {
                        format!("{}={}", percent_encoded(&name), percent_encoded(&value))
                    })
                    .collect();
                request.with_body("application/x-www-form-urlencoded", pairs.join("&"))
            }
        }
    }

    /// As it may be shown: the template, in which no secret stands.
    pub(crate) fn shown(&self) -> String {
        let mut text = format!("{} {}\n", self.method, self.path);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\n"));
        }
        match &self.body {
            Body::Nothing => {}
            Body::Json(members) => {
                text.push_str(&format!("\n{}\n", Value::Object(members.clone())))
            }
            Body::Form(fields) => {
                let pairs: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect();
                text.push_str(&format!("\n{}\n", pairs.join("&")));
            }
        }
        text
    }
}

fn with_host(mut request: Request, host: &str) -> Request {
    for (name, value) in &mut request.headers {
        if name == "Host" {
            *value = host.as_bytes().to_vec();
        }
    }
    request
}

/// RFC 7617, with the form encoding of RFC 6749 section 2.3.1.
fn basic(id: &str, secret: &str) -> String {
    let pair = format!("{}:{}", percent_encoded(id), percent_encoded(secret));
    let mut text = base64url::encode(pair).replace('-', "+").replace('_', "/");
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    format!("Basic {text}")
}

#[cfg(test)]
mod tests {
    use super::{Place, Values};
    use crate::{
        login::{ClientAuth, Step, file::tests::login},
        target::Target,
        wire::Answer,
    };

    fn sent(json: serde_json::Value, step: Step, values: Values) -> String {
        let login = login(json).expect("a login");
        let target = Target::parse("http://127.0.0.1/orders").expect("an address");
        let endpoint = login.endpoint(step).expect("an endpoint");
        let values = values.client(login.client.as_ref());
        let request = endpoint.request(&target, &values, ClientAuth::Basic);
        let fields: Vec<String> = request
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
            .collect();
        format!(
            "{} {} {} {}",
            request.method,
            String::from_utf8_lossy(&request.target),
            fields.join(" "),
            String::from_utf8_lossy(&request.body)
        )
    }

    #[test]
    fn json_is_filled_without_being_broken() {
        let doorward =
            serde_json::json!({"preset": "doorward", "username": "a", "password_env": "P"});
        let values = Values::default()
            .with("username", "a\"b")
            .with("password", "{username}");
        let text = sent(doorward, Step::SignIn, values);
        assert!(text.starts_with("POST /auth/sign-in "), "{text}");
        assert!(
            text.ends_with(r#"{"password":"{username}","username":"a\"b"}"#),
            "{text}"
        );
    }

    #[test]
    fn oauth2_is_a_form_with_the_client_s_name_and_password() {
        let oauth2 = serde_json::json!({
            "preset": "oauth2", "token_endpoint": "/token", "username": "a", "password_env": "P",
            "client_id": "web", "client_secret_env": "S",
        });
        let text = sent(
            oauth2.clone(),
            Step::Refresh,
            Values::default().with("refresh_token", "r&s"),
        );
        assert!(text.contains("Authorization: Basic d2ViOnJpZ2h0"), "{text}");
        assert!(
            text.ends_with("grant_type=refresh_token&refresh_token=r%26s"),
            "{text}"
        );
        let mut public = oauth2;
        public
            .as_object_mut()
            .expect("an object")
            .remove("client_secret_env");
        let text = sent(
            public,
            Step::Refresh,
            Values::default().with("refresh_token", "r"),
        );
        assert!(text.ends_with("refresh_token=r&client_id=web"), "{text}");
        assert!(!text.contains("Authorization"), "{text}");
    }

    #[test]
    fn tokens_are_found_in_json_and_cookies() {
        let answer = Answer {
            headers: vec![
                ("set-cookie".to_owned(), "a=1; Path=/".to_owned()),
                ("set-cookie".to_owned(), "session=abc=; HttpOnly".to_owned()),
            ],
            body: br#"{"data":{"token":"t","none":""}}"#.to_vec(),
            ..Answer::default()
        };
        let find = |text: &str| Place::parse(text).and_then(|place| place.find(&answer));
        assert_eq!(find("/data/token").as_deref(), Some("t"));
        assert_eq!(find("cookie:session").as_deref(), Some("abc="));
        assert_eq!(find("/data/none"), None);
        assert_eq!(find("data"), None);
    }
}
