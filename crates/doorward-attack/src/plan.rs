//! Which requests a case consists of, for this target and this token.

mod api_key;
mod browser;
mod credentials;
mod described;
mod echo;
mod extra;
mod framing;
mod guesses;
mod headers;
mod inner;
mod passive;
mod paths;
mod proofs;
mod second;
mod secret;
mod staging;

use std::collections::HashMap;

use doorward_jose::token::Inspected;

use crate::{
    calibration::{Calibration, Standing},
    case::{Case, Extra, Tier},
    forge::{Forgery, forge, mirrored},
    probe::{Expect, Probe},
    run::{Attack, Extras},
    target::Target,
    verdict::Verdict,
    wire::{Answer, Outcome, Request},
};

/// What is to be done about a case.
pub(crate) enum Plan {
    /// Send these.
    Probes(Vec<Probe>),
    /// Send those whose premise holds.
    Given(Vec<Branch>),
    /// It is known without a request.
    Known(Vec<Observation>),
    /// There is nothing to attack.
    NotApplicable(String),
    /// Something is missing.
    Skipped(String),
    /// Look for the secret that signed the token.
    Crack,
    /// Sign in, and see what follows.
    Converse,
}

/// Probes that prove something only if something else is so.
pub(crate) struct Branch {
    pub(crate) premise: Premise,
    /// What to send then, knowing the answer to the premise.
    pub(crate) follow: Follow,
}

/// The probes that follow from an answer.
pub(crate) type Follow = Box<dyn Fn(&Planner<'_>, &Answer) -> Vec<Probe> + Send>;

/// Something that is sent to find out whether there is anything to attack.
pub(crate) struct Premise {
    pub(crate) probe: Probe,
    pub(crate) must: Must,
    /// What is to be said of the case when it does not hold.
    pub(crate) otherwise: (Verdict, &'static str),
}

/// What a premise asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Must {
    /// Let in as the valid token is.
    LetIn,
    /// Turned away, whether like a stranger or like somebody known.
    TurnedAway,
    /// Some success, at whatever address.
    Succeed,
    /// Any answer.
    Answer,
    /// A change of the protocol.
    Upgrade,
}

impl Premise {
    /// The answer, if it is as it must be.
    pub(crate) fn met<'a>(
        &self,
        calibration: &Calibration,
        outcome: &'a Outcome,
    ) -> Option<&'a Answer> {
        let answer = outcome.answer()?;
        let standing = calibration.standing(answer);
        let is_met = match self.must {
            Must::LetIn => standing == Standing::LetIn,
            Must::TurnedAway => matches!(standing, Standing::Refused | Standing::Known),
            Must::Succeed => answer.is_success(),
            Must::Answer => true,
            Must::Upgrade => answer.status == 101,
        };
        is_met.then_some(answer)
    }
}

impl Branch {
    pub(crate) fn new(
        premise: Premise,
        follow: impl Fn(&Planner<'_>, &Answer) -> Vec<Probe> + Send + 'static,
    ) -> Self {
        Self {
            premise,
            follow: Box::new(follow),
        }
    }
}

impl Plan {
    /// What would be sent, as far as it is known before anything is.
    pub(crate) fn imagined(self, planner: &Planner<'_>) -> Vec<Probe> {
        match self {
            Self::Probes(probes) => probes,
            Self::Given(branches) => branches
                .into_iter()
                .flat_map(|branch| {
                    let after = (branch.follow)(planner, &Answer::default());
                    std::iter::once(branch.premise.probe).chain(after)
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// A fact that was seen, not provoked.
pub(crate) struct Observation {
    pub(crate) verdict: Verdict,
    pub(crate) what: String,
    pub(crate) why: String,
}

impl Observation {
    pub(crate) fn new(verdict: Verdict, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            verdict,
            what: what.into(),
            why: why.into(),
        }
    }
}

/// Everything that plans are made from.
pub(crate) struct Planner<'r> {
    pub(crate) target: &'r Target,
    pub(crate) token: &'r str,
    pub(crate) extras: &'r Extras,
    pub(crate) calibration: &'r Calibration,
    /// The token, when it is a compact JWS.
    pub(crate) jws: Option<Inspected>,
    /// Differs from run to run.
    pub(crate) run_id: [u8; 16],
    /// Seconds since 1970 when the run began.
    pub(crate) started: u64,
    forgeries: HashMap<&'static str, Vec<Forgery>>,
}

impl<'r> Planner<'r> {
    pub(crate) fn new(attack: &'r Attack, token: &'r str, calibration: &'r Calibration) -> Self {
        let extras = &attack.extras;
        let mut forgeries: HashMap<&'static str, Vec<Forgery>> = HashMap::new();
        let all = forge(token, extras.jwks.as_deref());
        let lures = extras
            .listening
            .iter()
            .flat_map(|listening| listening.forgeries.clone());
        for forgery in all.into_iter().chain(mirrored(token)).chain(lures) {
            forgeries.entry(forgery.case).or_default().push(forgery);
        }
        Self {
            target: &attack.target,
            token,
            extras,
            calibration,
            jws: Inspected::parse(token).ok(),
            run_id: attack.run_id,
            started: attack.started.as_secs(),
            forgeries,
        }
    }

    /// What is to be done about `case`.
    pub(crate) fn plan(&self, case: &'static Case) -> Plan {
        let missing = match case.tier {
            Tier::OwnStack => Some(Plan::NotApplicable(
                "only the makers of a system can test this, from inside".to_owned(),
            )),
            Tier::Two(extra) if !case.is_tried() => Some(Plan::Skipped(format!(
                "not yet; it will need {}",
                extra.what()
            ))),
            Tier::Three if !case.is_tried() => Some(Plan::Skipped(
                "not yet; it will need the signing key".to_owned(),
            )),
            Tier::Two(extra) if !self.extras.has(extra) => {
                Some(Plan::Skipped(format!("needs {}", extra.what())))
            }
            Tier::Three if self.extras.staging.is_none() => Some(Plan::Skipped(
                "needs the signing key of a staging system".to_owned(),
            )),
            Tier::Two(Extra::Login) => Some(Plan::Converse),
            _ => None,
        };
        missing.unwrap_or_else(|| self.tried(case))
    }

    fn tried(&self, case: &'static Case) -> Plan {
        if is_about_the_token(case.id) {
            if self.jws.is_none() {
                return Plan::NotApplicable("the token is not a compact JWS".to_owned());
            }
            if self.calibration.takes_garbage() {
                return Plan::NotApplicable(
                    "any text in place of a token is let in (AUZ-001)".to_owned(),
                );
            }
            if self.calibration.takes_damaged() && case.id != "SIG-006" {
                return Plan::NotApplicable(
                    "signatures are not checked at all (SIG-006)".to_owned(),
                );
            }
        }
        if let Some(forgeries) = self.forgeries.get(case.id) {
            return Plan::Probes(forgeries.iter().map(|forgery| self.sent(forgery)).collect());
        }
        let plans = [
            credentials::plan,
            paths::plan,
            headers::plan,
            browser::plan,
            inner::plan,
            guesses::plan,
            passive::plan,
            second::plan,
            described::plan,
            proofs::plan,
            api_key::plan,
            echo::plan,
            framing::plan,
            secret::plan,
            staging::plan,
            extra::plan,
        ];
        plans
            .iter()
            .find_map(|plan| plan(self, case.id))
            .unwrap_or_else(|| Plan::NotApplicable("not for a token of this algorithm".to_owned()))
    }

    fn sent(&self, forgery: &Forgery) -> Probe {
        let expect = match forgery.case {
            "SIG-017" => Expect::Either(
                "the mirrored signature is taken too, which is fine as long as nothing is keyed \
                 by a token's text",
            ),
            "PAR-002" | "PAR-003" | "PAR-004" | "SIG-016" => Expect::Respelled,
            "SIG-018" if forgery.what == "S + L" => Expect::Respelled,
            _ if forgery.what.to_ascii_lowercase().contains("sleep") => Expect::RefusedAtOnce,
            _ => Expect::Refused,
        };
        Probe::forged(self.target, &forgery.what, &forgery.token, expect)
    }

    /// The route's request without a token.
    pub(crate) fn bare(&self) -> Request {
        self.target.request(None)
    }

    /// A GET at another address of the target.
    pub(crate) fn at(&self, request_target: &str, token: Option<&str>) -> Request {
        let mut target = self.target.clone();
        "GET".clone_into(&mut target.method);
        target.body = None;
        let (path, query) = match request_target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (request_target, None),
        };
        path.clone_into(&mut target.path);
        target.query = query;
        target.request(token)
    }

    /// A probe without a token for another request target.
    pub(crate) fn elsewhere(&self, what: impl Into<String>, target: impl Into<Vec<u8>>) -> Probe {
        let mut request = self.bare();
        request.target = target.into();
        Probe::bare(what, request, Expect::NoContent)
    }

    /// A probe without a token and with one more header field.
    pub(crate) fn with_header(&self, name: &str, value: &str) -> Probe {
        let request = self.bare().with(name, value);
        Probe::bare(format!("{name}: {value}"), request, Expect::NoContent)
    }

    /// Random-looking text that differs between runs and numbers.
    pub(crate) fn noise(&self, number: u32) -> String {
        let seed = [self.run_id.as_slice(), &number.to_be_bytes()].concat();
        let tag = doorward_jose::dangerous::hmac(
            doorward_jose::algorithm::Algorithm::Hs256,
            &seed,
            b"noise",
        );
        doorward_jose::base64url::encode(tag.unwrap_or_default())
    }
}

/// Whether the case forges tokens; the others are about everything around one.
fn is_about_the_token(id: &str) -> bool {
    let is_group = ["SIG-", "HDR-", "CLM-"]
        .iter()
        .any(|group| id.starts_with(group));
    let number = id
        .strip_prefix("PAR-")
        .and_then(|number| number.parse::<u16>().ok());
    is_group || number.is_some_and(|number| number <= 13)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use doorward_jose::{
        algorithm::Algorithm, base64url, dangerous, signing_key::SigningKey, time::UnixTime,
    };

    use super::{Plan, Planner};
    use crate::{
        calibration::Calibration,
        case::{self, Tier},
        description::Description,
        mint::Mint,
        proof::Prover,
        run::{ApiKeys, Attack, Extras, Limits, Listening, Operation, SecondCaller},
        target::{Target, TokenPlace},
    };

    fn token() -> String {
        let part = |text: &str| base64url::encode(text);
        let claims = r#"{"iss":"https://id.example","aud":"api","sub":"ada","exp":2000000000,"iat":1,
                "scope":"orders:read","acr":"2"}"#;
        let input = format!(
            "{}.{}",
            part(r#"{"alg":"HS256","typ":"at+jwt"}"#),
            part(claims)
        );
        let tag = dangerous::hmac(Algorithm::Hs256, b"secret", input.as_bytes());
        format!("{input}.{}", base64url::encode(tag.expect("an HMAC")))
    }

    fn operation() -> Operation {
        Operation {
            method: "POST".to_owned(),
            path: "/revoke".to_owned(),
            body: "token={token}".to_owned(),
        }
    }

    fn prover() -> Prover {
        let key = SigningKey::generate(Algorithm::Es256).expect("a key");
        let pkcs8 = base64url::encode(&*key.to_pkcs8().expect("its bytes"));
        let text = pkcs8.replace('-', "+").replace('_', "/");
        let padding = "=".repeat((4 - text.len() % 4) % 4);
        let pem =
            format!("-----BEGIN PRIVATE KEY-----\n{text}{padding}\n-----END PRIVATE KEY-----");
        Prover::new(pem.as_bytes()).expect("a key that signs")
    }

    fn attack(extras: Extras) -> Attack {
        Attack {
            target: Target::parse("http://127.0.0.1/orders").expect("an address"),
            token: token(),
            extras,
            limits: Limits {
                time: Duration::from_secs(1),
                ..Limits::LOOPBACK
            },
            only: Vec::new(),
            run_id: [1; 16],
            started: UnixTime::from_secs(1_795_305_600),
        }
    }

    #[test]
    fn what_is_called_tried_has_a_plan_once_it_has_what_it_needs() {
        let all = attack(Extras {
            jwks: Some(
                r#"{"keys":[{"kty":"RSA","kid":"a","n":"AA","e":"AQAB","x5c":["AA"]}]}"#.to_owned(),
            ),
            old_token: Some(token()),
            other_tokens: vec![token()],
            second_token: Some(token()),
            another_token: Some(token()),
            second: SecondCaller {
                route: Some("/orders/8".to_owned()),
                console_routes: vec!["/console".to_owned()],
                revoke: Some(operation()),
                ..SecondCaller::default()
            },
            description: Description::parse(
                r#"{"security":[{"t":[]}],"paths":{"/me":{"get":{},"patch":{}}}}"#,
            )
            .ok(),
            prover: Some(prover()),
            unsafe_methods: true,
            disturb: true,
            api_keys: Some(ApiKeys {
                key: "key".to_owned(),
                place: TokenPlace::Authorization,
                expired: vec!["over".to_owned()],
                elsewhere: Some("bound".to_owned()),
                address: None,
                other_host: Some("other.example".to_owned()),
                management: vec!["/console".to_owned()],
                wider: Some(operation()),
                spare: Some("spare".to_owned()),
                revoke: Some(operation()),
            }),
            other_issuers: vec!["https://other.example".to_owned()],
            echo_route: Some("/echo".to_owned()),
            listening: crate::forge::lure(&token(), "http://127.0.0.1:9").map(|lure| Listening {
                forgeries: lure.forgeries,
                visits: Arc::default(),
            }),
            staging: Mint::new(&token(), b"secret").ok(),
            login: crate::login::imagined(),
            ..Extras::default()
        });
        let calibration = Calibration::imagined();
        let planner = Planner::new(&all, &all.token, &calibration);
        for case in case::all() {
            let plan = planner.plan(case);
            assert_eq!(
                matches!(plan, Plan::Skipped(_)),
                !case.is_tried() && case.tier != Tier::OwnStack,
                "{}",
                case.id
            );
            if case.is_tried() && case.tier != Tier::One {
                let is_planned = match plan {
                    Plan::Probes(_) | Plan::Given(_) | Plan::Known(_) | Plan::Converse => true,
                    // These depend on what the further token is.
                    Plan::NotApplicable(_) => {
                        ["CLM-012", "CLM-013", "AUZ-004", "AUZ-005", "REV-018"].contains(&case.id)
                    }
                    _ => false,
                };
                assert!(is_planned, "{}", case.id);
            }
        }
    }

    #[test]
    fn with_one_token_the_rest_says_what_it_needs() {
        let one = attack(Extras::default());
        let calibration = Calibration::imagined();
        let planner = Planner::new(&one, &one.token, &calibration);
        for case in case::all() {
            let is_skipped = matches!(planner.plan(case), Plan::Skipped(_));
            assert_eq!(
                is_skipped,
                matches!(case.tier, Tier::Two(_) | Tier::Three),
                "{}",
                case.id
            );
        }
    }
}
