//! `doorward attack`: a verdict on anybody's JWT-protected API.
//!
//! The engine is `doorward-attack`; here its arguments, files, clock and
//! randomness come in, and its reports go out. Nothing is asked on the
//! terminal, and no token is an argument.

mod allowed;
mod api_key;
mod files;
mod listener;
mod login;
mod observed;
mod options;
mod outputs;
mod second;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use doorward_attack::{
    case::{self, Severity},
    login::Login,
    mint::Mint,
    report::Report,
    run::{Attack as Run, Extras, Limits},
    target::{Target, TokenPlace},
    wire::{Clock, Network, NetworkError},
};
use doorward_issuer::Entropy as _;
use doorward_verify::{clock::Clock as _, jose::time::UnixTime};

use options::{Bounds, More};

use super::{
    Place, curl,
    secret::{self, TokenSource},
    workplace::runtime,
};
use crate::{
    exit::{Answer, Failure},
    invocation, output,
    paint::safe,
    root_certificates::system_bundle,
    system::{SystemClock, SystemEntropy},
};

/// Attack a JWT-protected API of yours and give a verdict
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing at the threshold, 1 findings, 2 usage, \
                        3 void (nothing is proven), 4 a limit was reached. The token comes from \
                        --token-file, DOORWARD_TOKEN, --as, a sign-in with --login, or standard \
                        input."
)]
pub(super) struct Attack {
    /// Address of one route that needs a token
    #[arg(
        required_unless_present = "list",
        default_value = "",
        hide_default_value = true
    )]
    url: String,
    /// Show the catalogue of cases and attack nothing
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    token: TokenSource,
    /// Mint a token for this user, as the operator of the data folder
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,
    /// Tenant of the minted token [default: the user's home tenant]
    #[arg(long, value_name = "TENANT", requires = "user")]
    tenant: Option<String>,
    /// Method of the route
    #[arg(
        short = 'X',
        long = "request",
        value_name = "METHOD",
        default_value = "GET"
    )]
    method: String,
    /// Where the token goes: header:NAME, cookie:NAME or query:NAME
    /// [default: Authorization: Bearer]
    #[arg(long, value_name = "PLACE")]
    token_in: Option<String>,
    /// Try only these cases, for example SIG-001,HDR-006
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    only: Vec<String>,
    /// Fail from this severity on: info, low, medium, high, critical
    #[arg(long, value_name = "SEVERITY", default_value = "high")]
    threshold: String,
    /// Show every request and send none
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    limits: Bounds,
    #[command(flatten)]
    more: More,
    #[command(flatten)]
    outputs: outputs::Outputs,
}

fn shown(file: &Path) -> String {
    file.display().to_string()
}

/// Longer than any exchange of an honest target.
const PATIENCE: Duration = Duration::from_secs(10);

impl Attack {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        if self.list {
            list(place);
            return Ok(Answer::Yes);
        }
        let target = self.target()?;
        let threshold = self.threshold()?;
        let only = self.only()?;
        let expectations = self.outputs.expectations()?;
        let login = self.more.login.as_deref().map(login::read).transpose()?;
        let token = self.token(place, login.as_ref(), &target)?;
        let mut extras = self.extras(&token)?;
        extras.login = login;
        let run = Run {
            target,
            token,
            extras,
            limits: Limits::POLITE,
            only,
            run_id: random(),
            started: now(),
        };
        let mut report = match self.dry_run {
            true => {
                rehearse(place, &run);
                return Ok(Answer::Yes);
            }
            false => runtime()?.block_on(self.attack(run, place))?,
        };
        report.threshold = threshold;
        let completed = self.outputs.complete(place, &expectations, &mut report);
        runtime()?.block_on(completed)?;
        self.outputs.write(place, &report, &self.again())?;
        Ok(ended(&report))
    }

    /// What must be said again to try a case again, ready for a shell.
    fn again(&self) -> String {
        let mut words = vec![self.url.clone()];
        let mut add = |flag: &str, value: Option<String>| {
            words.extend(value.into_iter().flat_map(|value| [flag.to_owned(), value]));
        };
        add("--as", self.user.clone());
        add("--tenant", self.tenant.clone());
        add("--token-file", self.token.file().map(shown));
        add("--token-in", self.token_in.clone());
        add(
            "-X",
            Some(self.method.clone()).filter(|method| method != "GET"),
        );
        add(
            "--authorized-by",
            self.limits.authorized_by.as_deref().map(shown),
        );
        add("--ca", self.limits.ca.as_deref().map(shown));
        add("--body", self.limits.body.as_deref().map(shown));
        self.more.again(&mut add);
        if self.limits.unsafe_methods {
            words.push("--unsafe-methods".to_owned());
        }
        if self.limits.disturb {
            words.push("--disturb".to_owned());
        }
        let quoted = words
            .iter()
            .map(|word| invocation::shell_word(Path::new(word)));
        quoted.collect::<Vec<_>>().join(" ")
    }

    async fn attack(&self, mut run: Run, place: &Place) -> Result<Report, Failure> {
        let network = self.network(&run.target).await?;
        run.limits = Limits {
            requests: self.limits.max_requests,
            time: Duration::from_secs(self.limits.max_seconds),
            rate: self.limits.rate.unwrap_or(match network.is_loopback() {
                true => Limits::LOOPBACK.rate,
                false => Limits::POLITE.rate,
            }),
        };
        if let Some(source) = &self.more.jwks {
            run.extras.jwks =
                Some(files::of_the_target(source, "key set", &run.target, &network).await?);
        }
        if let Some(source) = &self.more.openapi {
            let text = files::of_the_target(source, "description", &run.target, &network).await?;
            run.extras.description = Some(files::description(source, &text)?);
        }
        if let Some(address) = self.more.listener {
            run.extras.listening = Some(listener::open(address, &run.token).await?);
        }
        let mut progress = outputs::Progress::new(place);
        let report = run.run(&network, &mut |event| progress.tell(&event)).await;
        progress.end();
        Ok(report)
    }

    async fn network(&self, target: &Target) -> Result<Network, Failure> {
        let is_allowed = match &self.limits.authorized_by {
            Some(file) => allowed::covers(file, target, now())?,
            None => false,
        };
        let roots = match &self.limits.ca {
            Some(file) => Some(files::roots(file)?),
            None => system_bundle().and_then(|pem| doorward_attack::wire::Roots::from_pem(&pem)),
        };
        let clock: Clock = std::sync::Arc::new(now);
        let network = Network::open(target, is_allowed, roots.as_ref(), clock, PATIENCE).await;
        network.map_err(|error| {
            let hint = match &error {
                NetworkError::Unresolved(_) => "check the address",
                NetworkError::Public(_) => {
                    "attack only what is yours: name a file with host, owner and until by --authorized-by"
                }
                NetworkError::NoRoots => "install the package ca-certificates, or name a PEM file by --ca",
                NetworkError::ServerName(_) => "write the name that its certificate carries",
            };
            Failure::usage(error.to_string()).hint(hint)
        })
    }

    fn target(&self) -> Result<Target, Failure> {
        let url = safe(&self.url);
        let mut target = Target::parse(&self.url).map_err(|error| {
            Failure::usage(format!("`{url}` cannot be attacked: {error}"))
                .hint("write it like http://127.0.0.1:4180/orders")
        })?;
        self.method.clone_into(&mut target.method);
        if !self.method.bytes().all(|byte| byte.is_ascii_uppercase()) || self.method.is_empty() {
            return Err(
                Failure::usage(format!("`{}` is not a method", safe(&self.method)))
                    .hint("methods are written in capitals, like GET"),
            );
        }
        if !target.is_safe_method() && !self.limits.unsafe_methods {
            return Err(Failure::usage(format!(
                "{} may change something each time it is sent",
                self.method
            ))
            .hint("attack a GET route, or say --unsafe-methods"));
        }
        if let Some(file) = &self.limits.body {
            target.body = Some(files::json(file)?);
        }
        if self.more.dpop_key.is_some() {
            target.place = TokenPlace::Dpop;
        }
        if let Some(place) = &self.token_in {
            target.place = token_place(place)?;
        }
        Ok(target)
    }

    fn threshold(&self) -> Result<Severity, Failure> {
        Severity::from_name(&self.threshold).ok_or_else(|| {
            Failure::usage(format!("`{}` is not a severity", safe(&self.threshold)))
                .hint("info, low, medium, high or critical")
        })
    }

    fn only(&self) -> Result<Vec<String>, Failure> {
        for id in &self.only {
            if case::find(id).is_none() {
                let near = crate::config::suggest(id, case::all().iter().map(|case| case.id));
                let hint = near.map_or_else(
                    || "docs/attack.md lists the cases".to_owned(),
                    |near| format!("did you mean {near}?"),
                );
                return Err(Failure::usage(format!("there is no case `{}`", safe(id))).hint(hint));
            }
        }
        Ok(self.only.clone())
    }

    fn token(
        &self,
        place: &Place,
        login: Option<&Login>,
        target: &Target,
    ) -> Result<String, Failure> {
        let token = match (&self.user, login) {
            (Some(user), _) => curl::minted(place, user, self.tenant.as_deref())?,
            (None, Some(login)) => match self.token.given()? {
                Some(token) => token,
                None => self.signed_in(login, target)?,
            },
            (None, None) => self.token.read()?,
        };
        if token.is_empty() {
            return Err(Failure::usage("the token is empty")
                .hint("give a valid token by --token-file, DOORWARD_TOKEN or standard input"));
        }
        Ok(token)
    }

    /// A token by signing in; a dry run sends nothing, not even that.
    fn signed_in(&self, login: &Login, target: &Target) -> Result<String, Failure> {
        if self.dry_run {
            return Err(Failure::usage("a dry run does not sign in")
                .hint("give a token by --token-file, DOORWARD_TOKEN or --as"));
        }
        let signed_in = async {
            let network = self.network(target).await?;
            let token = doorward_attack::login::token(login, target, &network).await;
            token.map_err(|why| {
                Failure::configuration(format!("no token by --login: {}", safe(&why)))
                    .hint("check the file, the account and its password")
            })
        };
        runtime()?.block_on(signed_in)
    }

    /// What the command line brings beside the token; the key set is fetched
    /// later.
    fn extras(&self, token: &str) -> Result<Extras, Failure> {
        let more = &self.more;
        let token_of = |file: &PathBuf| secret::token_of_file(file);
        let echo_route = second::of_the_target("--echo-route", more.echo_route.as_deref())?;
        let staging = more.staging_key.as_deref().map(|file| {
            let key = files::key(file)?;
            Mint::new(token, &key).map_err(|error| {
                Failure::configuration(format!("{} cannot sign: {error}", file.display()))
            })
        });
        Ok(Extras {
            jwks: None,
            unsafe_methods: self.limits.unsafe_methods,
            disturb: self.limits.disturb,
            old_token: more.old_token.as_ref().map(token_of).transpose()?,
            other_tokens: more
                .other_tokens
                .iter()
                .map(token_of)
                .collect::<Result<_, _>>()?,
            second_token: more.second_token.as_ref().map(token_of).transpose()?,
            another_token: more
                .second
                .another_token
                .as_ref()
                .map(token_of)
                .transpose()?,
            second: more.second.caller()?,
            other_issuers: more.second.other_issuers.clone(),
            description: None,
            prover: more.dpop_key.as_deref().map(files::prover).transpose()?,
            api_keys: more.api_key.as_deref().map(api_key::read).transpose()?,
            echo_route,
            listening: None,
            staging: staging.transpose()?,
            login: None,
            words: self.words()?,
            crack_for: Some(Duration::from_secs(more.crack_seconds)),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        })
    }

    fn words(&self) -> Result<Vec<String>, Failure> {
        self.more
            .wordlist
            .as_deref()
            .map_or(Ok(Vec::new()), files::words)
    }
}

fn list(place: &Place) {
    if !place.json {
        output::raw(case::table().as_bytes());
        return;
    }
    let cases: Vec<_> = case::all()
        .iter()
        .map(|case| {
            serde_json::json!({
                "id": case.id, "name": case.name, "sent": case.sent, "must": case.must,
                "needs": case.unlocked_by(), "priority": case.priority,
                "severity": case.severity, "cwe": case.cwe, "asvs": case.asvs,
                "api_top_10": case.api, "source": case.source, "fix": case.fix().what,
            })
        })
        .collect();
    output::json(&cases);
}

fn token_place(text: &str) -> Result<TokenPlace, Failure> {
    let name = |name: &str| {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        (!name.is_empty() && name.bytes().all(is_name)).then(|| name.to_owned())
    };
    let place = match text.split_once(':') {
        Some(("header", field)) => name(field).map(TokenPlace::Header),
        Some(("cookie", cookie)) => name(cookie).map(TokenPlace::Cookie),
        Some(("query", parameter)) => name(parameter).map(TokenPlace::Query),
        _ => None,
    };
    place.ok_or_else(|| {
        Failure::usage(format!("`{}` is not a place for a token", safe(text)))
            .hint("header:NAME, cookie:NAME or query:NAME")
    })
}

fn rehearse(place: &Place, run: &Run) {
    let requests = run.rehearse();
    for (case, what, request) in &requests {
        match place.json {
            true => output::json_line(&serde_json::json!({
                "case": case.id, "what": what, "request": request,
            })),
            false => output::data(format!("{}  {}\n{request}", case.id, safe(what))),
        }
    }
    output::note(format!(
        "{} requests, and the valid token after every ten of them; nothing was sent",
        requests.len()
    ));
}

fn ended(report: &Report) -> Answer {
    match report.exit_code() {
        0 => Answer::Yes,
        1 => Answer::No,
        4 => Answer::OverBudget,
        _ => Answer::Void,
    }
}

fn now() -> UnixTime {
    UnixTime::from_secs(SystemClock.now().millis() / 1000)
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    SystemEntropy.fill(&mut bytes);
    bytes
}
