//! Keys for programs: how they look, where they count, and when they end.

use super::{Branch, Must, Plan, Planner, Premise};
use crate::{
    probe::{Expect, Probe, Question, percent_encoded},
    run::{ApiKeys, Operation},
    target::{Target, TokenPlace},
    verdict::Verdict,
    wire::Request,
};

/// How long a revocation may take to be known.
const BOUND: std::time::Duration = std::time::Duration::from_secs(1);

/// Fewer random bits than these are too few for a key that lives for months.
const FEWEST_BITS: usize = 128;

pub(super) fn plan(planner: &Planner<'_>, id: &str) -> Option<Plan> {
    let keys = planner.extras.api_keys.as_ref()?;
    let ring = Ring { keys };
    Some(match id {
        "APK-001" => ring.given(planner, ring.forms(planner)),
        "APK-003" => {
            ring.must_be_refused(planner, &keys.expired, "`expired`", "a key out of its time")
        }
        "APK-004" => ring.elsewhere(planner),
        "APK-005" => ring.reach(planner),
        "APK-008" => ring.given(planner, ring.in_the_address(planner)),
        "APK-009" => ring.other_host(planner),
        "APK-011" => ring.given(planner, ring.two_credentials(planner)),
        "AUZ-016" => wider(
            planner,
            keys,
            planner.token,
            "the owner makes a key that may more",
        ),
        "REV-008" => ring.revoked(planner),
        _ => return None,
    })
}

struct Ring<'k> {
    keys: &'k ApiKeys,
}

impl Ring<'_> {
    fn target(&self, planner: &Planner<'_>) -> Target {
        let mut target = planner.target.clone();
        target.place = self.keys.place.clone();
        target
    }

    /// The route's request with `key` for a credential.
    fn request(&self, planner: &Planner<'_>, key: &str) -> Request {
        self.target(planner).request(Some(key))
    }

    fn probe(&self, planner: &Planner<'_>, what: &str, key: &str, expect: Expect) -> Probe {
        Probe::with_valid(what, self.request(planner, key), expect, key)
    }

    /// The probes, if the key is let in at all.
    fn given(&self, planner: &Planner<'_>, probes: Vec<Probe>) -> Plan {
        let premise = Premise {
            probe: self.probe(planner, "the key", &self.keys.key, Expect::Sound),
            must: Must::LetIn,
            otherwise: (Verdict::Inconclusive, "the key is not let in at this route"),
        };
        Plan::Given(vec![Branch::new(premise, move |_, _| probes.clone())])
    }

    fn must_be_refused(
        &self,
        planner: &Planner<'_>,
        keys: &[String],
        member: &str,
        what: &str,
    ) -> Plan {
        let of = |key: &String| self.probe(planner, what, key, Expect::Refused);
        let probes: Vec<Probe> = keys.iter().map(of).collect();
        match probes.is_empty() {
            true => Plan::NotApplicable(format!("the file of --api-key names no {member} keys")),
            false => self.given(planner, probes),
        }
    }

    /// Whether it can be guessed, found by a scanner, and mistyped.
    fn forms(&self, planner: &Planner<'_>) -> Vec<Probe> {
        let key = self.keys.key.as_str();
        let bits = random_bits(key);
        let too_few = Question::new(move |_| {
            let few = bits < FEWEST_BITS;
            few.then(|| format!("the key holds at most {bits} random bits"))
        });
        let mut probes = vec![self.probe(planner, "its length", key, Expect::Ask(too_few))];
        if !has_prefix(key) {
            let note = "the key has no prefix by which a scanner could find a leaked one";
            probes.push(self.probe(planner, "its beginning", key, Expect::Either(note)));
        }
        let mut letters: Vec<char> = key.chars().collect();
        let mut add = |what: &str, letters: &[char]| {
            let other: String = letters.iter().collect();
            let mut probe = self.probe(planner, what, &other, Expect::Refused);
            probe.is_forged = true;
            probes.push(probe);
        };
        if let Some((_, but_last)) = letters.split_last() {
            add("without its last letter", but_last);
        }
        if let Some(last) = letters.last_mut() {
            *last = if *last == 'x' { 'y' } else { 'x' };
            add("with another last letter", &letters);
        }
        probes
    }

    /// A key that is bound to another network, and forged fields that say it is
    /// used from there.
    fn elsewhere(&self, planner: &Planner<'_>) -> Plan {
        let Some(key) = &self.keys.elsewhere else {
            return Plan::NotApplicable(
                "the file of --api-key names no key that is bound to another network (`elsewhere`)"
                    .to_owned(),
            );
        };
        let address = self.keys.address.as_deref().unwrap_or("127.0.0.1");
        let mut probes = vec![self.probe(planner, "from here", key, Expect::Refused)];
        for name in [
            "X-Forwarded-For",
            "X-Real-IP",
            "True-Client-IP",
            "CF-Connecting-IP",
            "Forwarded",
        ] {
            let value = match name {
                "Forwarded" => format!("for={address}"),
                _ => address.to_owned(),
            };
            let request = self.request(planner, key).with(name, value);
            let what = format!("{name} names its network");
            probes.push(Probe::with_valid(what, request, Expect::Refused, key));
        }
        self.given(planner, probes)
    }

    /// What is for people: a key that reaches it makes more keys.
    fn reach(&self, planner: &Planner<'_>) -> Plan {
        let key = self.keys.key.as_str();
        if self.keys.management.is_empty() {
            return wider(planner, self.keys, key, "the key makes a key");
        }
        let branches = self.keys.management.iter().map(|route| {
            let premise = Premise {
                probe: Probe::with_valid(
                    format!("{route} with the token"),
                    planner.at(route, Some(planner.token)),
                    Expect::Sound,
                    planner.token,
                ),
                must: Must::Succeed,
                otherwise: (Verdict::Inconclusive, "the token may not go there either"),
            };
            let mut target = self.target(planner);
            target.path.clone_from(route);
            target.query = None;
            "GET".clone_into(&mut target.method);
            target.body = None;
            let question = Question::new(|answer| {
                let got = answer.is_success();
                got.then(|| {
                    format!(
                        "answered {}: a key reaches what is for people",
                        answer.status
                    )
                })
            });
            let what = format!("{route} with the key");
            let probe =
                Probe::with_valid(what, target.request(Some(key)), Expect::Ask(question), key);
            Branch::new(premise, move |_, _| vec![probe.clone()])
        });
        Plan::Given(branches.collect())
    }

    fn in_the_address(&self, planner: &Planner<'_>) -> Vec<Probe> {
        let key = self.keys.key.as_str();
        let in_query = ["api_key", "apikey", "key", "access_token", "token"].into_iter();
        in_query
            .map(|name| {
                let target = planner.with_query(name, key);
                let what = format!("the key as {name} in the query");
                let mut request = planner.bare();
                request.target = target.into_bytes();
                Probe::with_valid(what, request, Expect::Refused, key)
            })
            .collect()
    }

    /// Only where the host matters at all.
    fn other_host(&self, planner: &Planner<'_>) -> Plan {
        let Some(host) = &self.keys.other_host else {
            return Plan::NotApplicable(
                "the file of --api-key names no host of another tenant (`other_host`)".to_owned(),
            );
        };
        let key = self.keys.key.as_str();
        let at = |host: &str| {
            let mut target = self.target(planner);
            host.clone_into(&mut target.authority);
            target.request(Some(key))
        };
        let premise = Premise {
            probe: Probe::with_valid(
                "the key under a name that nobody has",
                at("doorward-attack.invalid"),
                Expect::Sound,
                key,
            ),
            must: Must::TurnedAway,
            otherwise: (
                Verdict::NotApplicable,
                "the target does not look at the host",
            ),
        };
        let what = format!("the key at {host}");
        let probe = Probe::with_valid(what, at(host), Expect::Refused, key);
        Plan::Given(vec![Branch::new(premise, move |_, _| vec![probe.clone()])])
    }

    fn two_credentials(&self, planner: &Planner<'_>) -> Vec<Probe> {
        let key = self.keys.key.as_str();
        let note = "a token and a key in one request: one is passed over; both are better refused";
        let with_token = planner.target.request(Some(planner.token));
        let request = match &self.keys.place {
            TokenPlace::Authorization => with_token.with("Authorization", format!("Bearer {key}")),
            TokenPlace::Header(name) => with_token.with(name, key),
            TokenPlace::Cookie(name) => with_token.with("Cookie", format!("{name}={key}")),
            _ => return Vec::new(),
        };
        vec![
            Probe::with_valid(
                "token and key",
                request,
                Expect::Either(note),
                planner.token,
            )
            .hiding(key),
        ]
    }

    /// The spare key is revoked by its owner, and asks again a second later.
    fn revoked(&self, planner: &Planner<'_>) -> Plan {
        let (Some(spare), Some(revoke)) = (&self.keys.spare, &self.keys.revoke) else {
            return Plan::Skipped(
                "needs a key that may be lost (`spare`) and what revokes it (`revoke`) in the file \
                 of --api-key"
                    .to_owned(),
            );
        };
        if !planner.extras.unsafe_methods {
            return Plan::Skipped("needs leave to revoke a key: --unsafe-methods".to_owned());
        }
        let premise = Premise {
            probe: self.probe(planner, "the key that may be lost", spare, Expect::Sound),
            must: Must::LetIn,
            otherwise: (
                Verdict::Inconclusive,
                "the key that may be lost is not let in",
            ),
        };
        let request = revoke.by(planner, planner.token, |text, encode| {
            text.replace("{key}", &encode(spare))
        });
        let mut probe = Probe::with_valid(
            "the key a second after it was revoked",
            request,
            Expect::Refused,
            planner.token,
        )
        .then(self.request(planner, spare))
        .hiding(spare);
        probe.pause = Some(BOUND);
        Plan::Given(vec![Branch::new(premise, move |_, _| vec![probe.clone()])])
    }
}

/// A key is made that may more than who makes it.
fn wider(planner: &Planner<'_>, keys: &ApiKeys, credential: &str, what: &str) -> Plan {
    let Some(operation) = &keys.wider else {
        return Plan::Skipped(
            "needs what would make a key that may more than its owner (`wider`) in the file of \
             --api-key"
                .to_owned(),
        );
    };
    if !planner.extras.unsafe_methods {
        return Plan::Skipped("needs leave to make a key: --unsafe-methods".to_owned());
    }
    let mut target = planner.target.clone();
    if credential == keys.key {
        target.place = keys.place.clone();
    }
    let request = operation.at(&target, credential, |text, _| text.to_owned());
    let question = Question::new(|answer| {
        let got = answer.is_success();
        got.then(|| format!("answered {}: the key was made", answer.status))
    });
    Plan::Probes(vec![Probe::with_valid(
        what,
        request,
        Expect::Ask(question),
        credential,
    )])
}

/// How text is encoded for where it goes.
type Encode = fn(&str) -> String;

impl Operation {
    /// The request, by `caller`, with its placeholders filled by `fill`.
    pub(super) fn by(
        &self,
        planner: &Planner<'_>,
        caller: &str,
        fill: impl Fn(&str, Encode) -> String,
    ) -> Request {
        self.at(planner.target, caller, fill)
    }

    fn at(&self, target: &Target, caller: &str, fill: impl Fn(&str, Encode) -> String) -> Request {
        let path = fill(&self.path, percent_encoded);
        let mut target = target.clone();
        target.body = None;
        self.method.clone_into(&mut target.method);
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path.to_owned(), Some(query.to_owned())),
            None => (path, None),
        };
        (target.path, target.query) = (path, query);
        let request = target.request(Some(caller));
        match self.body.chars().next() {
            None => request,
            Some('{' | '[') => request.with_body("application/json", fill(&self.body, escaped)),
            Some(_) => request.with_body(
                "application/x-www-form-urlencoded",
                fill(&self.body, percent_encoded),
            ),
        }
    }
}

/// As it stands between the quotes of a JSON string.
fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted
        .get(1..quoted.len() - 1)
        .unwrap_or_default()
        .to_owned()
}

/// At most so many bits are random: what stands behind the last separator of
/// the prefix, by the alphabet that it uses.
fn random_bits(key: &str) -> usize {
    let random = key
        .rsplit(['_', '.'])
        .max_by_key(|part| part.len())
        .unwrap_or(key);
    let is_hex = random.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_digits = random.bytes().all(|byte| byte.is_ascii_digit());
    let tenths = match (is_digits, is_hex) {
        (true, _) => 33,
        (_, true) => 40,
        _ => 60,
    };
    random.len() * tenths / 10
}

/// A few letters and a separator, as scanners of leaked keys look for.
fn has_prefix(key: &str) -> bool {
    let prefix = key.split(['_', '-', '.']).next().unwrap_or_default();
    (2..=16).contains(&prefix.len()) && prefix.len() < key.len()
}

#[cfg(test)]
mod tests {
    use super::{escaped, has_prefix, random_bits};

    #[test]
    fn keys_are_measured_by_what_can_be_random_in_them() {
        assert!(random_bits("dw_live_0123456789abcdefghijABCDEFGHIJ") >= 128);
        assert!(random_bits("key_00112233") < 128);
        assert!(random_bits("123456789012345678901234567890") < 128);
        assert!(has_prefix("dw_x") && !has_prefix("0123456789abcdef0123456789abcdef"));
        assert_eq!(escaped("a\"b"), "a\\\"b");
    }
}
