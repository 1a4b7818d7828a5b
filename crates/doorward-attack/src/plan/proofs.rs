//! A token that is bound to a key, and proofs that are not what they should be
//! (RFC 9449 sections 4.3 and 7).

use super::{Plan, Planner};
use crate::{
    probe::{Expect, Probe},
    proof::Flaw,
    target::TokenPlace,
};

pub(super) fn plan(planner: &Planner<'_>, id: &str) -> Option<Plan> {
    let probes = match id {
        "CLM-021" => vec![as_bearer(planner, Flaw::Absent)],
        "DPP-001" => {
            let mut probes = vec![as_bearer(planner, Flaw::Sound)];
            probes.extend(flawed(planner, &[Flaw::Absent, Flaw::NoProof, Flaw::Twice]));
            probes
        }
        "DPP-002" => flawed(planner, &[Flaw::Replayed]),
        "DPP-003" => {
            let others = [Flaw::OtherMethod, Flaw::OtherPath, Flaw::OtherHost];
            let missing = [Flaw::OtherScheme, Flaw::NoMethod, Flaw::NoAddress];
            flawed(planner, &[others, missing].concat())
        }
        "DPP-004" => flawed(planner, &[Flaw::NoHash, Flaw::OtherHash]),
        "DPP-005" => flawed(planner, &[Flaw::OtherKey, Flaw::OtherKeyUnderOurName]),
        "DPP-006" => times(planner),
        "DPP-007" => {
            let algorithms = [Flaw::AlgNone, Flaw::SharedSecret, Flaw::PrivateKey];
            let missing = [Flaw::NoType, Flaw::OtherType, Flaw::NoId];
            flawed(planner, &[algorithms, missing].concat())
        }
        _ => return None,
    };
    Some(Plan::Probes(probes))
}

fn flawed(planner: &Planner<'_>, flaws: &[Flaw]) -> Vec<Probe> {
    let of = |flaw: &Flaw| {
        let request = planner.target.request(Some(planner.token));
        let mut probe = Probe::with_valid(flaw.what(), request, Expect::Refused, planner.token);
        probe.flaw = Some(*flaw);
        probe
    };
    flaws.iter().map(of).collect()
}

/// A nonce can only be wrong where the target gives one.
fn times(planner: &Planner<'_>) -> Vec<Probe> {
    let mut flaws = vec![Flaw::Old, Flaw::Ahead, Flaw::NoTime];
    let mut answers = planner.calibration.answers.iter();
    if answers.any(|answer| answer.header("dpop-nonce").is_some()) {
        flaws.extend([Flaw::OtherNonce, Flaw::NoNonce]);
    }
    flawed(planner, &flaws)
}

/// The bound token under the scheme of tokens that are not.
fn as_bearer(planner: &Planner<'_>, flaw: Flaw) -> Probe {
    let mut target = planner.target.clone();
    target.place = TokenPlace::Authorization;
    let what = format!("the bound token as Bearer with {}", flaw.what());
    let request = target.request(Some(planner.token));
    let mut probe = Probe::with_valid(what, request, Expect::Refused, planner.token);
    probe.flaw = Some(flaw);
    probe
}
