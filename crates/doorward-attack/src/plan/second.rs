//! Two callers, and what is the one's own must not reach the other.
//!
//! The answer to the second caller at a route of theirs tells what is theirs:
//! identifiers and names in it that no answer to the first caller holds. Only
//! those prove anything, and only where the request did not hold them itself.

mod asked;
mod cursor;
mod theirs;

use doorward_jose::{json::Value, token::Inspected};

use self::theirs::Theirs;
use super::{Branch, Must, Plan, Planner, Premise};
use crate::{
    calibration::Calibration,
    probe::{Expect, Probe, Question},
    verdict::Verdict,
    wire::{Answer, Request},
};

pub(super) fn plan(planner: &Planner<'_>, id: &str) -> Option<Plan> {
    let second = planner.extras.second_token.as_deref()?;
    let pair = Pair { second };
    Some(match id {
        "AUZ-003" | "AUZ-004" => pair.objects(planner, id),
        "AUZ-005" => pair.in_the_body(planner),
        "AUZ-006" => pair.beside_theirs(planner, asked::lists),
        "AUZ-007" => pair.beside_theirs(planner, cursor::cursors),
        "AUZ-008" => pair.spellings(planner),
        "AUZ-022" => pair.caches(planner),
        "CLM-022" => pair.beside_theirs(planner, asked::tenants),
        "CON-013" => pair.console(planner),
        "REV-017" | "REV-018" => pair.revocation(planner, id),
        _ => return None,
    })
}

struct Pair<'s> {
    second: &'s str,
}

const OF_THE_OTHER_KIND: &str = "the second token is of the other kind";

impl Pair<'_> {
    /// Whether the cases about tenants are the right ones for the two.
    fn is_for(&self, planner: &Planner<'_>, tenants: bool) -> bool {
        (tenant(planner.token) != tenant(self.second)) == tenants
    }

    /// Each asks for what is the other's.
    fn objects(&self, planner: &Planner<'_>, id: &str) -> Plan {
        if !self.is_for(planner, id == "AUZ-004") {
            return Plan::NotApplicable(OF_THE_OTHER_KIND.to_owned());
        }
        if !planner.target.is_safe_method() {
            return Plan::NotApplicable("the answer to a change is nobody's content".to_owned());
        }
        let theirs_asks = Probe::forged(
            planner.target,
            "the second caller asks for the first one's route",
            self.second,
            Expect::Tell(is_the_same_content),
        );
        let Some(route) = planner.extras.second.route.clone() else {
            return Plan::Probes(vec![theirs_asks]);
        };
        let branch = Branch::new(self.premise(planner), move |planner, answer| {
            let theirs = Theirs::of(planner, answer);
            let request = planner.at(&route, Some(planner.token));
            let what = "the first caller asks for the second one's route";
            vec![theirs_asks.clone(), theirs.probe(planner, what, request)]
        });
        Plan::Given(vec![branch])
    }

    /// The second caller at their own route.
    fn premise(&self, planner: &Planner<'_>) -> Premise {
        let mut request = planner.at(&their_route(planner), Some(self.second));
        if let Some(host) = &planner.extras.second.host {
            request = named(request, host);
        }
        Premise {
            probe: Probe::with_valid(
                "the second caller at a route of theirs",
                request,
                Expect::Sound,
                self.second,
            ),
            must: Must::Succeed,
            otherwise: (
                Verdict::NotApplicable,
                "the second caller has nothing here; name a route that shows what is theirs by \
                 --second-route",
            ),
        }
    }

    fn beside_theirs(
        &self,
        planner: &Planner<'_>,
        probes: fn(&Planner<'_>, &Theirs) -> Vec<Probe>,
    ) -> Plan {
        let branch = Branch::new(self.premise(planner), move |planner, answer| {
            let theirs = Theirs::of(planner, answer);
            match theirs.is_empty() {
                true => Vec::new(),
                false => probes(planner, &theirs),
            }
        });
        Plan::Given(vec![branch])
    }

    /// What the first caller makes must not become the second one's, whatever
    /// the body says.
    fn in_the_body(&self, planner: &Planner<'_>) -> Plan {
        let body = planner.target.body.as_deref().unwrap_or_default();
        let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(body) else {
            return Plan::NotApplicable(
                "the route takes no JSON object; give one by --body and -X POST".to_owned(),
            );
        };
        let (Some(named), Some(route)) = (tenant(self.second), &planner.extras.second.route) else {
            return Plan::NotApplicable(
                "it needs a second token with a tenant, and --second-route".to_owned(),
            );
        };
        let Some(text) = body.iter().find(|(_, value)| value.is_string()) else {
            return Plan::NotApplicable("no text in the body could be known again".to_owned());
        };
        let members = [
            "tenant",
            "tenant_id",
            "tid",
            "org",
            "org_id",
            "organization_id",
        ];
        let probes = members.into_iter().zip(0_u32..).map(|(member, number)| {
            let mark = planner.noise(610_000 + number);
            let mut changed = body.clone();
            changed.insert(text.0.clone(), mark.clone().into());
            changed.insert(member.to_owned(), named.clone());
            let mut target = planner.target.clone();
            target.body = Some(Value::Object(changed).to_string().into_bytes());
            let request = target.request(Some(planner.token));
            let question = Question::new(move |answer| {
                let is_there = answer.is_success() && answer.text().contains(&mark);
                is_there.then(|| {
                    format!("what the first caller made with `{member}` is in the second's tenant")
                })
            });
            let what = format!("`{member}` in the body names the second caller's tenant");
            Probe::with_valid(what, request, Expect::Ask(question), planner.token)
                .then(planner.at(route, Some(self.second)))
                .hiding(self.second)
        });
        Plan::Probes(probes.collect())
    }

    /// The second caller's object by other spellings of its identifier.
    fn spellings(&self, planner: &Planner<'_>) -> Plan {
        let Some(route) = planner.extras.second.route.clone() else {
            return Plan::NotApplicable(
                "it needs the address of an object of the second caller: --second-route".to_owned(),
            );
        };
        let premise = self.premise(planner);
        let branch = Branch::new(premise, move |planner, answer| {
            let theirs = Theirs::of(planner, answer);
            asked::other_spellings(&planner.target.path, &route)
                .into_iter()
                .map(|path| {
                    let what = format!("the first caller asks for {path}");
                    theirs.probe(planner, &what, planner.at(&path, Some(planner.token)))
                })
                .collect()
        });
        Plan::Given(vec![branch])
    }

    /// What was kept for one caller must not be given to another.
    fn caches(&self, planner: &Planner<'_>) -> Plan {
        let second = self.second.to_owned();
        let asks = |target: &str, token: Option<&str>| planner.at(target, token);
        let fresh = planner.with_query("doorward", &planner.noise(620_000));
        let probe = Probe::with_valid(
            "the second caller, at an address that nobody asked for",
            asks(&fresh, Some(self.second)),
            Expect::Sound,
            self.second,
        );
        let premise = Premise {
            probe,
            must: Must::Answer,
            otherwise: (Verdict::Inconclusive, "the second caller gets no answer"),
        };
        let branch = Branch::new(premise, move |planner, answer| {
            let ours = &planner.calibration.answers[0];
            if answer.is_success() && answer.body == ours.body {
                return Vec::new();
            }
            asked::cached(planner, &second, !answer.is_success())
        });
        Plan::Given(vec![branch])
    }

    /// What the first caller's console calls, by the second caller.
    fn console(&self, planner: &Planner<'_>) -> Plan {
        let routes = &planner.extras.second.console_routes;
        if routes.is_empty() {
            return Plan::Skipped(
                "needs routes that the first caller's console calls: --console-route".to_owned(),
            );
        }
        let branches = routes.iter().map(|route| {
            let premise = Premise {
                probe: Probe::with_valid(
                    format!("the first caller calls {route}"),
                    planner.at(route, Some(planner.token)),
                    Expect::Sound,
                    planner.token,
                ),
                must: Must::Succeed,
                otherwise: (
                    Verdict::Inconclusive,
                    "the first caller may not call it either",
                ),
            };
            let (route, second) = (route.clone(), self.second.to_owned());
            Branch::new(premise, move |planner, _| {
                let what = format!("the second caller calls {route}");
                let request = planner.at(&route, Some(&second));
                vec![Probe::with_valid(
                    what,
                    request,
                    Expect::Ask(success()),
                    &second,
                )]
            })
        });
        Plan::Given(branches.collect())
    }

    /// The second caller ends a session of the first one's.
    fn revocation(&self, planner: &Planner<'_>, id: &str) -> Plan {
        if !self.is_for(planner, id == "REV-018") {
            return Plan::NotApplicable(OF_THE_OTHER_KIND.to_owned());
        }
        let extras = planner.extras;
        let (Some(operation), Some(lost)) = (&extras.second.revoke, &extras.another_token) else {
            return Plan::Skipped(
                "needs what ends a session (--revoke) and a token of the first caller's that may \
                 be lost (--another-token)"
                    .to_owned(),
            );
        };
        let asks = planner.target.request(Some(lost));
        let premise = Premise {
            probe: Probe::with_valid(
                "the token that may be lost",
                asks.clone(),
                Expect::Sound,
                lost,
            ),
            must: Must::LetIn,
            otherwise: (
                Verdict::Inconclusive,
                "the token that may be lost is not let in to begin with",
            ),
        };
        let request = operation.by(planner, self.second, |text, encode| {
            about(lost, text, encode)
        });
        let probe = Probe::with_valid(
            "the second caller ends a session of the first one's",
            request,
            Expect::Ask(Question::new(|answer| {
                let is_gone = matches!(answer.status, 401 | 403);
                is_gone.then(|| "the first caller's token is no longer let in".to_owned())
            })),
            lost,
        )
        .then(asks)
        .hiding(self.second);
        Plan::Given(vec![Branch::new(premise, move |_, _| vec![probe.clone()])])
    }
}

/// Where the second caller sees what is theirs.
fn their_route(planner: &Planner<'_>) -> String {
    let route = planner.extras.second.route.clone();
    route.unwrap_or_else(|| planner.target.request_target())
}

/// The tenant that a token names.
pub(super) fn tenant(token: &str) -> Option<Value> {
    let jws = Inspected::parse(token).ok()?;
    ["tenant", "tid", "org_id", "tenant_id"]
        .into_iter()
        .find_map(|name| jws.payload.get(name).cloned())
}

/// A claim of a token, if it is text.
fn claim(token: &str, name: &str) -> Option<String> {
    let jws = Inspected::parse(token).ok()?;
    jws.payload.get(name)?.as_str().map(str::to_owned)
}

fn is_the_same_content(calibration: &Calibration, answer: &Answer) -> Option<String> {
    let is_same = answer.is_success()
        && answer.body == calibration.answers[0].body
        && !answer.body.is_empty();
    is_same.then(|| "the second caller got the first one's content, byte for byte".to_owned())
}

fn success() -> Question {
    Question::new(|answer| {
        let got = answer.is_success();
        got.then(|| {
            format!(
                "answered {}: it may be called by whoever knows it",
                answer.status
            )
        })
    })
}

/// The request under another name of the host.
fn named(mut request: Request, host: &str) -> Request {
    for (name, value) in &mut request.headers {
        if name == "Host" {
            *value = host.as_bytes().to_vec();
        }
    }
    request
}

/// Placeholders filled with the token that may be lost and its claims.
fn about(lost: &str, text: &str, encode: fn(&str) -> String) -> String {
    let mut text = text.replace("{token}", &encode(lost));
    let claims = Inspected::parse(lost)
        .map(|jws| jws.payload)
        .unwrap_or_default();
    for (name, value) in &claims {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        text = text.replace(&format!("{{{name}}}"), &encode(&value));
    }
    text
}
