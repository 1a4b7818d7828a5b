//! The `WWW-Authenticate` field of 401 and 403 answers (RFC 6750 section 3,
//! RFC 9449 section 7.1, RFC 9470 section 3).

use doorward_policy::{
    decision::{Decision, Reason},
    route::demands::StepUp,
};
use http::HeaderValue;

use crate::proof::Proofs;

/// The challenge that goes with `decision`, or `None` where the status needs
/// none.
///
/// `scope` names the permission of the route; it is shown only to a caller
/// whose token was proven. A request without any credential gets the bare
/// challenge, as RFC 6750 asks.
pub fn www_authenticate(decision: &Decision, scope: Option<&str>) -> Option<HeaderValue> {
    challenge(decision, scope, "")
}

/// As [`www_authenticate`], from a server that takes `proofs`: where one is
/// missing or does not hold, the challenge names their algorithms.
pub fn www_authenticate_with(
    decision: &Decision,
    scope: Option<&str>,
    proofs: &Proofs,
) -> Option<HeaderValue> {
    let names = proofs.accepted_algorithms().iter().map(|it| it.name());
    let names = names.collect::<Vec<_>>().join(" ");
    challenge(decision, scope, &format!(", algs=\"{names}\""))
}

/// The challenge of RFC 9470: how the user must sign in for what was asked.
/// `None` unless that is why `decision` denies, and its caller may know.
pub fn step_up(decision: &Decision, wanted: &StepUp) -> Option<HeaderValue> {
    let reason = Reason::InsufficientUserAuthentication;
    if decision.reason != reason || !decision.proven {
        return None;
    }
    let mut text = format!(
        "Bearer error=\"{}\", error_description=\"{}\"",
        reason.code(),
        reason.title()
    );
    if !wanted.acr.is_empty() {
        text.push_str(&format!(", acr_values=\"{}\"", wanted.acr.join(" ")));
    }
    if let Some(max_age) = wanted.max_age {
        text.push_str(&format!(", max_age=\"{max_age}\""));
    }
    HeaderValue::try_from(text).ok()
}

fn challenge(decision: &Decision, scope: Option<&str>, algorithms: &str) -> Option<HeaderValue> {
    let proven = decision.proven;
    let text = match decision.reason.status() {
        401 if decision.reason == Reason::NoToken => "Bearer".to_owned(),
        401 if decision.reason == Reason::MalformedCredential => {
            "Bearer error=\"invalid_request\"".to_owned()
        }
        401 => {
            let proof = proof_error(decision.reason).filter(|_| proven);
            let title = decision.reason.public(proven).title();
            match proof {
                Some(error) => {
                    format!("DPoP error=\"{error}\", error_description=\"{title}\"{algorithms}")
                }
                None => format!("Bearer error=\"invalid_token\", error_description=\"{title}\""),
            }
        }
        // No scope would help.
        403 if matches!(
            decision.reason,
            Reason::ForbiddenByPolicy | Reason::PolicyError | Reason::ForeignCaller
        ) =>
        {
            return None;
        }
        403 => {
            let scope = scope
                .filter(|_| proven)
                .map(|scope| format!(", scope=\"{scope}\""));
            format!(
                "Bearer error=\"insufficient_scope\", error_description=\"{}\"{}",
                decision.reason.public(proven).title(),
                scope.unwrap_or_default()
            )
        }
        _ => return None,
    };
    // Titles are our own ASCII and a permission has a checked alphabet, so
    // this holds; if it ever does not, the challenge is the bare scheme.
    Some(HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer")))
}

/// What is wrong with a proof of possession, in the words of RFC 9449
/// sections 7.1 and 9.
const fn proof_error(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::ProofMissing | Reason::ProofInvalid | Reason::ProofReplayed => {
            Some("invalid_dpop_proof")
        }
        Reason::ProofNonce => Some("use_dpop_nonce"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_jose::algorithm::Algorithm;
    use doorward_policy::{
        decision::{Decision, Reason, Step, TraceId},
        route::demands::StepUp,
    };

    use super::{step_up, www_authenticate, www_authenticate_with};
    use crate::proof::Proofs;

    fn denied(reason: Reason, proven: bool) -> Decision {
        let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 0, "GET", "/");
        decision.proven = proven;
        decision.fail(Step::Token, reason, "", "");
        decision
    }

    fn challenge(reason: Reason, proven: bool, scope: Option<&str>) -> String {
        let value = www_authenticate(&denied(reason, proven), scope).unwrap();
        value.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_stranger_hears_nothing_of_the_reason() {
        let signature = challenge(Reason::BadSignature, false, None);
        assert_eq!(signature, challenge(Reason::TokenExpired, false, None));
        assert_eq!(
            signature,
            "Bearer error=\"invalid_token\", error_description=\"the token is not accepted\""
        );
    }

    #[test]
    fn without_credentials_the_challenge_is_bare() {
        assert_eq!(challenge(Reason::NoToken, false, None), "Bearer");
    }

    /// RFC 6750 section 3.1: a credential that cannot be read is the request's
    /// fault, not the token's.
    #[test]
    fn par_014_an_unreadable_credential_is_an_invalid_request() {
        assert_eq!(
            challenge(Reason::MalformedCredential, false, None),
            "Bearer error=\"invalid_request\""
        );
    }

    /// RFC 9449 section 7.1: `algs` names what a proof may be signed with.
    #[test]
    fn where_a_proof_is_wanted_its_algorithms_are_named() {
        let proofs = Proofs::default().algorithms([Algorithm::Es256, Algorithm::Ed25519]);
        let told = |reason: Reason, proven: bool| {
            let value = www_authenticate_with(&denied(reason, proven), None, &proofs);
            value.unwrap().to_str().unwrap().to_owned()
        };
        let missing = told(Reason::ProofMissing, true);
        assert!(missing.starts_with("DPoP "), "{missing}");
        assert!(missing.ends_with(", algs=\"ES256 Ed25519\""), "{missing}");
        assert!(
            missing.contains("error=\"invalid_dpop_proof\""),
            "{missing}"
        );
        let nonce = told(Reason::ProofNonce, true);
        assert!(nonce.contains("error=\"use_dpop_nonce\""), "{nonce}");
        let stranger = told(Reason::ProofMissing, false);
        assert_eq!(stranger, challenge(Reason::BadSignature, false, None));
        assert_eq!(told(Reason::NoToken, false), "Bearer");
    }

    #[test]
    fn a_stranger_hears_neither_of_a_missing_scope_nor_of_a_proof() {
        let forbidden = challenge(Reason::MissingPermission, false, Some("orders:delete"));
        assert!(!forbidden.contains("orders:delete"), "{forbidden}");
        let unproven = challenge(Reason::ProofMissing, false, None);
        assert!(unproven.starts_with("Bearer error=\"invalid_token\""));
        let proven = challenge(Reason::ProofMissing, true, None);
        assert!(proven.starts_with("DPoP error=\"invalid_dpop_proof\""));
    }

    #[test]
    fn a_proven_caller_hears_the_missing_scope() {
        let text = challenge(Reason::MissingPermission, true, Some("orders:delete"));
        assert!(text.contains("insufficient_scope") && text.contains("scope=\"orders:delete\""));
    }

    /// CLM-023, RFC 9470 section 3.
    #[test]
    fn clm_023_a_weak_sign_in_is_told_what_is_wanted() {
        let wanted = StepUp {
            acr: vec!["aal2".to_owned(), "aal3".to_owned()],
            max_age: Some(300),
        };
        let weak = denied(Reason::InsufficientUserAuthentication, true);
        let told = step_up(&weak, &wanted).unwrap();
        assert_eq!(
            told,
            "Bearer error=\"insufficient_user_authentication\", \
             error_description=\"a stronger or more recent sign-in is needed\", \
             acr_values=\"aal2 aal3\", max_age=\"300\""
        );
        let lately = step_up(
            &weak,
            &StepUp {
                max_age: Some(60),
                ..StepUp::default()
            },
        );
        assert!(!lately.unwrap().to_str().unwrap().contains("acr_values"));
        let stranger = denied(Reason::InsufficientUserAuthentication, false);
        assert_eq!(step_up(&stranger, &wanted), None);
        assert_eq!(step_up(&denied(Reason::TokenExpired, true), &wanted), None);
    }

    #[test]
    fn other_statuses_carry_no_challenge() {
        assert!(www_authenticate(&denied(Reason::NoRoute, false), None).is_none());
    }
}
