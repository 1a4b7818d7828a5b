//! What a route asks of the token itself, and of the sign-in behind it.
//!
//! A permission says what a caller may do; this says which of their tokens
//! counts for it: for which audience, of which issuer, and how well and how
//! lately its user signed in (RFC 9470).

use crate::decision::{Decision, Reason, Step};
use crate::permit::Subject;

/// How far an issuer's clock may be ahead of ours, in seconds.
const CLOCK_DIFFERENCE: u64 = 30;

/// What a route asks of the token, besides what its caller may do. The default
/// asks nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// `aud` that the token must have, in place of the one that is usual for
    /// its issuer.
    pub audience: Option<String>,
    /// The only `iss` that is taken.
    pub issuer: Option<String>,
    /// How its user must have signed in.
    pub step_up: StepUp,
    /// For whom the token is that the upstream gets for it: an internal one of a
    /// minute. It asks nothing of the caller's.
    pub internal_audience: Option<String>,
}

/// How the user of a token must have signed in. The default takes any sign-in,
/// and none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepUp {
    /// `acr` must be one of these, if there are any.
    pub acr: Vec<String>,
    /// Seconds since `auth_time`, at most.
    pub max_age: Option<u64>,
}

impl Demands {
    /// Whether nothing is asked of the token.
    pub fn is_empty(&self) -> bool {
        self.audience.is_none() && self.issuer.is_none() && self.step_up.is_empty()
    }

    /// Asks whether the token is for the route's audience and of its issuer.
    ///
    /// Whoever verified the token looked at the audience already; asked again
    /// because a verifier that was not told the route's audience must not open
    /// the route (test `a_token_for_the_usual_audience_does_not_open_a_route_with_its_own`).
    pub(crate) fn check_token(
        &self,
        subject: &dyn Subject,
        decision: &mut Decision,
    ) -> Result<(), Reason> {
        if let Some(wanted) = &self.audience
            && !subject.is_for(wanted)
        {
            let reason = Reason::WrongAudience;
            let seen = "a token for another audience";
            return Err(decision.fail(Step::Audience, reason, seen, wanted.clone()));
        }
        let Some(wanted) = &self.issuer else {
            return Ok(());
        };
        match subject.claim("iss") {
            Some(seen) if *seen == **wanted => Ok(()),
            seen => {
                let seen = seen.map_or_else(|| "no issuer".to_owned(), String::from);
                let reason = Reason::WrongIssuer;
                Err(decision.fail(Step::Audience, reason, seen, wanted.clone()))
            }
        }
    }
}

impl StepUp {
    /// Whether any sign-in will do.
    pub fn is_empty(&self) -> bool {
        self.acr.is_empty() && self.max_age.is_none()
    }

    /// Asks whether the sign-in behind the token is strong and fresh enough, at
    /// the time of the decision. A token that does not say is neither.
    pub(crate) fn check(
        &self,
        subject: &dyn Subject,
        decision: &mut Decision,
    ) -> Result<(), Reason> {
        if !self.acr.is_empty() {
            self.check_acr(subject, decision)?;
        }
        match self.max_age {
            Some(max_age) => check_age(max_age, subject, decision),
            None => Ok(()),
        }
    }

    fn check_acr(&self, subject: &dyn Subject, decision: &mut Decision) -> Result<(), Reason> {
        let seen = subject.claim("acr");
        let is_wanted = |seen: &str| self.acr.iter().any(|wanted| wanted == seen);
        let shown = match &seen {
            Some(seen) => format!("acr is {seen}"),
            None => "no acr".to_owned(),
        };
        if seen.as_deref().is_some_and(is_wanted) {
            decision.pass(Step::StepUp, shown);
            return Ok(());
        }
        let wanted = format!("acr is {}", self.acr.join(" or "));
        let reason = Reason::InsufficientUserAuthentication;
        Err(decision.fail(Step::StepUp, reason, shown, wanted))
    }
}

fn check_age(max_age: u64, subject: &dyn Subject, decision: &mut Decision) -> Result<(), Reason> {
    let now = decision.at_ms / 1000;
    let seen = match subject.auth_time() {
        None => "no auth_time".to_owned(),
        Some(at) if at > now.saturating_add(CLOCK_DIFFERENCE) => {
            "an auth_time that is still to come".to_owned()
        }
        Some(at) => {
            let age = now.saturating_sub(at);
            let seen = format!("signed in {age} s ago");
            if age <= max_age {
                decision.pass(Step::StepUp, seen);
                return Ok(());
            }
            seen
        }
    };
    let wanted = format!("signed in at most {max_age} s ago");
    let reason = Reason::InsufficientUserAuthentication;
    Err(decision.fail(Step::StepUp, reason, seen, wanted))
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::{CLOCK_DIFFERENCE, StepUp};
    use crate::{
        decision::{Decision, Reason, TraceId},
        permission::Permission,
        permit::Subject,
    };

    const NOW: u64 = 1_800_000_000;

    /// Who signed in at this second.
    struct SignedIn(u64);

    impl Subject for SignedIn {
        fn holds(&self, _: &Permission) -> bool {
            false
        }

        fn claim(&self, _: &str) -> Option<Cow<'_, str>> {
            None
        }

        fn auth_time(&self) -> Option<u64> {
            Some(self.0)
        }
    }

    /// At most five minutes ago, and late within the second of the decision.
    fn is_fresh(signed_in: u64) -> bool {
        let step_up = StepUp {
            max_age: Some(300),
            ..StepUp::default()
        };
        let trace = TraceId::from_bytes([1; 16]);
        let mut decision = Decision::new(trace, NOW * 1000 + 999, "GET", "/");
        let checked = step_up.check(&SignedIn(signed_in), &mut decision);
        let reason = Reason::InsufficientUserAuthentication;
        assert_eq!(checked.err(), decision.failed_check().map(|_| reason));
        checked.is_ok()
    }

    #[test]
    fn clm_023_a_sign_in_is_fresh_to_the_second() {
        assert!(is_fresh(NOW) && is_fresh(NOW - 300));
        assert!(!is_fresh(NOW - 301));
        assert!(is_fresh(NOW + CLOCK_DIFFERENCE));
        assert!(!is_fresh(NOW + CLOCK_DIFFERENCE + 1));
    }

    #[test]
    fn a_step_up_is_empty_when_it_asks_for_nothing() {
        let asks = |acr: &[&str], max_age| StepUp {
            acr: acr.iter().map(ToString::to_string).collect(),
            max_age,
        };
        assert!(asks(&[], None).is_empty());
        assert!(!asks(&["aal2"], None).is_empty());
        assert!(!asks(&[], Some(300)).is_empty());
    }
}
