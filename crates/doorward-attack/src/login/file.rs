//! The file of `--login` as it is written, and its check.
//!
//! Secrets are not in it: it names files or environment variables, and the
//! caller of [`LoginFile::read`] fetches them.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use serde::Deserialize;
use serde_json::Value;

use super::{
    Account, Client, ClientAuth, Leave, Login, Secret, Step,
    endpoint::{Auth, Body, Endpoint, Place},
    preset::{self, Preset},
};

/// How long an ended session may live on when the file says nothing: what the
/// catalogue allows to several nodes.
const USUAL_REVOCATION: u64 = 5;
/// Sign-ins of each kind that are timed when the file says nothing.
const USUAL_SAMPLES: u32 = 100;

/// The file's content; `docs/attack.md` explains every key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginFile {
    pub(super) preset: Option<Preset>,
    pub(super) token_endpoint: Option<String>,
    pub(super) revocation_endpoint: Option<String>,
    username: Option<String>,
    email: Option<String>,
    password_file: Option<String>,
    password_env: Option<String>,
    client_id: Option<String>,
    client_secret_file: Option<String>,
    client_secret_env: Option<String>,
    #[serde(default)]
    client_auth: ClientAuth,
    other_client: Option<ClientTable>,
    other_tenant: Option<String>,
    #[serde(default)]
    guessed: Vec<AccountTable>,
    #[serde(default)]
    may: Vec<Leave>,
    #[serde(default)]
    addresses: Vec<IpAddr>,
    overlap_seconds: Option<u64>,
    revocation_seconds: Option<u64>,
    timing_samples: Option<u32>,
    sign_in: Option<EndpointTable>,
    refresh: Option<EndpointTable>,
    sign_out: Option<EndpointTable>,
    sign_out_everywhere: Option<EndpointTable>,
    change_password: Option<EndpointTable>,
    reset_request: Option<EndpointTable>,
    reset: Option<EndpointTable>,
    mailbox: Option<EndpointTable>,
    sign_up: Option<EndpointTable>,
    second_factor: Option<EndpointTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountTable {
    username: String,
    password_file: Option<String>,
    password_env: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientTable {
    client_id: String,
    client_secret_file: Option<String>,
    client_secret_env: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointTable {
    method: Option<String>,
    path: Option<String>,
    json: Option<BTreeMap<String, Value>>,
    form: Option<BTreeMap<String, String>>,
    auth: Option<Auth>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    access_token: Option<String>,
    refresh_token: Option<String>,
    state: Option<String>,
    after: Option<String>,
}

/// Where a secret is to be fetched from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretSource<'a> {
    /// The first line of a file.
    File(&'a str),
    /// An environment variable.
    Environment(&'a str),
}

/// Everything that is wrong with a file of `--login`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginError {
    /// One sentence each.
    pub problems: Vec<String>,
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problems.join("; "))
    }
}

impl std::error::Error for LoginError {}

/// Fetches a secret, or says why not.
type Fetch<'f> = dyn Fn(SecretSource<'_>) -> Result<Secret, String> + 'f;

impl LoginFile {
    /// Checks the file and fetches what it names.
    ///
    /// # Errors
    ///
    /// Every problem at once.
    pub fn read(self, fetch: &Fetch<'_>) -> Result<Login, LoginError> {
        let mut check = Check {
            fetch,
            problems: Vec::new(),
        };
        let login = check.login(self);
        match (login, check.problems) {
            (Some(login), problems) if problems.is_empty() => Ok(login),
            (_, problems) => Err(LoginError { problems }),
        }
    }
}

struct Check<'f> {
    fetch: &'f Fetch<'f>,
    problems: Vec<String>,
}

impl Check<'_> {
    fn login(&mut self, file: LoginFile) -> Option<Login> {
        let password = self.secret("password", &file.password_file, &file.password_env);
        let account = match (&file.username, password) {
            (Some(username), Some(password)) => Some(Account {
                username: username.clone(),
                password,
            }),
            (None, None) => None,
            _ => self.wrong("`username` and `password_file` or `password_env` go together"),
        };
        let client = file.client_id.clone().map(|id| Client {
            id,
            secret: self.secret(
                "client_secret",
                &file.client_secret_file,
                &file.client_secret_env,
            ),
        });
        let other_client = file.other_client.as_ref().map(|table| Client {
            id: table.client_id.clone(),
            secret: self.secret(
                "other_client.client_secret",
                &table.client_secret_file,
                &table.client_secret_env,
            ),
        });
        let guessed = file
            .guessed
            .iter()
            .filter_map(|table| self.guessed(table))
            .collect();
        let mut login = Login {
            email: file.email.clone().or_else(|| file.username.clone()),
            account,
            client,
            other_client,
            client_auth: file.client_auth,
            other_tenant: file.other_tenant.clone(),
            guessed,
            may: file.may.clone(),
            addresses: file.addresses.clone(),
            overlap: file.overlap_seconds.or(preset::overlap(file.preset)),
            revocation: file.revocation_seconds.unwrap_or(USUAL_REVOCATION).min(60),
            timing_samples: file
                .timing_samples
                .unwrap_or(USUAL_SAMPLES)
                .clamp(10, 5_000),
            endpoints: BTreeMap::new(),
        };
        self.endpoints(file, &mut login);
        Some(login)
    }

    fn guessed(&mut self, table: &AccountTable) -> Option<Account> {
        let password = self.secret(
            "guessed.password",
            &table.password_file,
            &table.password_env,
        );
        let Some(password) = password else {
            return self.wrong("every `[[guessed]]` account needs a password");
        };
        Some(Account {
            username: table.username.clone(),
            password,
        })
    }

    fn endpoints(&mut self, mut file: LoginFile, login: &mut Login) {
        let mut known = match preset::endpoints(&file) {
            Ok(known) => known,
            Err(problem) => {
                self.problems.push(problem);
                BTreeMap::new()
            }
        };
        for step in Step::ALL {
            let base = known.remove(&step);
            let endpoint = match file.table(step) {
                Some(table) => self.endpoint(step, table, base),
                None => base,
            };
            if let Some(endpoint) = endpoint {
                self.answerable(step, &endpoint, login);
                login.endpoints.insert(step, endpoint);
            }
        }
        if !login.endpoints.contains_key(&Step::SignIn) && self.problems.is_empty() {
            self.problems.push(
                "nothing says how to sign in; name a `preset` or write `[sign_in]`".to_owned(),
            );
        }
    }

    /// Every name in braces must have something to stand for.
    fn answerable(&mut self, step: Step, endpoint: &Endpoint, login: &Login) {
        for name in endpoint.names() {
            let is_known = match name.as_str() {
                "username" | "password" => {
                    login.account.is_some() || matches!(step, Step::SignUp | Step::Reset)
                }
                "client_id" => login.client.is_some(),
                "client_secret" => login.client.as_ref().is_some_and(|c| c.secret.is_some()),
                "email" => login.email.is_some(),
                name => preset::NAMES.contains(&name),
            };
            if !is_known {
                let step = step.name();
                self.problems.push(match preset::NAMES.contains(&name.as_str()) {
                    true => format!("`{{{name}}}` in [{step}] stands for nothing; the file has no such value"),
                    false => format!(
                        "`{{{name}}}` in [{step}] is not known; there are {}",
                        preset::NAMES.join(", ")
                    ),
                });
            }
        }
    }

    fn endpoint(
        &mut self,
        step: Step,
        table: EndpointTable,
        base: Option<Endpoint>,
    ) -> Option<Endpoint> {
        let name = step.name();
        let given = table.path.is_some();
        let mut endpoint = base.unwrap_or_else(|| Endpoint::usual(step));
        if let Some(path) = table.path {
            endpoint.path = path;
        }
        if endpoint.path.is_empty() {
            return self.wrong(&format!("[{name}] needs a `path`"));
        }
        let is_path = |byte: u8| (b'!'..0x7f).contains(&byte) && byte != b'#';
        if !endpoint.path.starts_with('/') || !endpoint.path.bytes().all(is_path) {
            return self.wrong(&format!(
                "[{name}] `path` must be a path on the target, like /auth/{name}"
            ));
        }
        if let Some(method) = table.method {
            if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
                return self.wrong(&format!(
                    "[{name}] `method` is written in capitals, like POST"
                ));
            }
            endpoint.method = method;
        }
        match (table.json, table.form) {
            (Some(_), Some(_)) => {
                return self.wrong(&format!(
                    "[{name}] has `json` and `form`; one of them is sent"
                ));
            }
            (Some(json), None) => endpoint.body = Body::Json(json.into_iter().collect()),
            (None, Some(form)) => endpoint.body = Body::Form(form.into_iter().collect()),
            (None, None) if given && step != Step::SignOut => {}
            (None, None) => {}
        }
        if let Some(auth) = table.auth {
            endpoint.auth = auth;
        }
        endpoint.headers.extend(table.headers);
        for (place, text, key) in [
            (
                &mut endpoint.access_token,
                table.access_token,
                "access_token",
            ),
            (
                &mut endpoint.refresh_token,
                table.refresh_token,
                "refresh_token",
            ),
            (&mut endpoint.state, table.state, "state"),
        ] {
            let Some(text) = text else { continue };
            match Place::parse(&text) {
                Some(found) => *place = Some(found),
                None => self.problems.push(format!(
                    "[{name}] `{key}` is a JSON pointer like /access_token, or cookie:NAME"
                )),
            }
        }
        endpoint.after = table.after.or(endpoint.after);
        Some(endpoint)
    }

    fn secret(
        &mut self,
        what: &str,
        file: &Option<String>,
        environment: &Option<String>,
    ) -> Option<Secret> {
        let source = match (file, environment) {
            (None, None) => return None,
            (Some(_), Some(_)) => {
                return self.wrong(&format!(
                    "`{what}_file` and `{what}_env` are both given; one is enough"
                ));
            }
            (Some(file), None) => SecretSource::File(file),
            (None, Some(name)) => SecretSource::Environment(name),
        };
        match (self.fetch)(source) {
            Ok(secret) => Some(secret),
            Err(problem) => self.wrong(&problem),
        }
    }

    fn wrong<T>(&mut self, problem: &str) -> Option<T> {
        self.problems.push(problem.to_owned());
        None
    }
}

impl LoginFile {
    fn table(&mut self, step: Step) -> Option<EndpointTable> {
        match step {
            Step::SignIn => self.sign_in.take(),
            Step::Refresh => self.refresh.take(),
            Step::SignOut => self.sign_out.take(),
            Step::SignOutEverywhere => self.sign_out_everywhere.take(),
            Step::ChangePassword => self.change_password.take(),
            Step::ResetRequest => self.reset_request.take(),
            Step::Reset => self.reset.take(),
            Step::Mailbox => self.mailbox.take(),
            Step::SignUp => self.sign_up.take(),
            Step::SecondFactor => self.second_factor.take(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{LoginFile, SecretSource};
    use crate::login::{Login, Secret};

    /// A login of this file; every secret is `right`.
    pub(crate) fn login(json: serde_json::Value) -> Result<Login, String> {
        let file: LoginFile = serde_json::from_value(json).map_err(|error| error.to_string())?;
        file.read(&|source| match source {
            SecretSource::File("gone") => Err("cannot read gone".to_owned()),
            _ => Ok(Secret::new("right")),
        })
        .map_err(|error| error.to_string())
    }

    #[test]
    fn three_lines_are_enough_with_a_preset() {
        let three =
            serde_json::json!({"preset": "doorward", "username": "ada", "password_file": "p"});
        let login = login(three).expect("a login");
        assert!(!format!("{login:?}").contains("right"), "a secret is shown");
        let oauth2 = serde_json::json!({
            "preset": "oauth2", "token_endpoint": "/token", "username": "ada",
            "password_env": "P", "client_id": "web",
        });
        self::login(oauth2).expect("a login");
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let broken = serde_json::json!({
            "username": "ada", "password_file": "gone",
            "sign_in": {"path": "https://elsewhere.example/login", "json": {"u": "{usernam}"}},
            "refresh": {"path": "/r", "method": "post"},
            "sign_out": {"path": "/o", "json": {"t": "{client_id}"}, "state": "state"},
        });
        let told = login(broken).expect_err("problems");
        for part in [
            "cannot read gone",
            "[sign_in] `path` must be a path on the target",
            "[refresh] `method` is written in capitals",
            "`{client_id}` in [sign_out] stands for nothing",
            "[sign_out] `state` is a JSON pointer",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let none = login(serde_json::json!({})).expect_err("no way to sign in");
        assert!(none.contains("nothing says how to sign in"), "{none}");
        let inline = serde_json::json!({"preset": "doorward", "username": "a", "password": "x"});
        assert!(login(inline).is_err(), "a password in the file");
    }
}
