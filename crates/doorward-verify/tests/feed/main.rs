//! Following a feed: a real follower and a real verifier over real HTTP, a
//! small issuer behind a relay that may do anything, and turned clocks.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

mod bounds;
mod following;
mod hostile;
#[cfg(feature = "fetch")]
mod http;
mod issuer;
mod messages;
mod partition;
mod restart;
mod wire;

use doorward_policy::decision::{Decision, Reason, TraceId};
use doorward_verify::{
    clock::Clock as _,
    revocation::feed::{
        FeedState, FeedView, StalePolicy,
        follower::{Ended, Follower, FollowerSettings},
    },
    verifier::{Verifier, was_verified_before},
};

use issuer::{Issuer, NOW, Turned};
use wire::{Http, serve};

/// An issuer, the follower of its feed, and a verifier that asks it.
struct House {
    issuer: Issuer,
    http: Http,
    clock: Turned,
    follower: Follower,
    view: FeedView,
    verifier: Verifier,
}

impl House {
    async fn new() -> Self {
        let issuer = Issuer::new();
        let settings = issuer.settings();
        Self::with(issuer, settings, StalePolicy::Bounded).await
    }

    async fn with(issuer: Issuer, settings: FollowerSettings, policy: StalePolicy) -> Self {
        let http = serve(&issuer).await;
        let clock = Turned::at(NOW);
        let follower = Follower::open(settings, &clock).unwrap();
        let view = follower.view();
        let verifier = issuer.verifier(&view, policy);
        Self {
            issuer,
            http,
            clock,
            follower,
            view,
            verifier,
        }
    }

    /// Both clocks go on.
    fn later(&self, millis: i64) {
        self.clock.turn(millis);
        self.issuer.clock.turn(millis);
    }

    async fn follow(&mut self) -> Ended {
        self.follower.follow(&self.http, &self.clock).await
    }

    /// A snapshot and what follows it.
    async fn settle(&mut self) {
        assert_eq!(self.follow().await.cause, None);
        assert_eq!(self.follow().await.cause, None);
        assert_eq!(self.state(), FeedState::Fresh);
    }

    fn state(&self) -> FeedState {
        self.view.state(self.clock.unix())
    }

    fn verify(&self, token: &str) -> Result<(), Reason> {
        self.verify_seen(token).map(drop)
    }

    /// What the verifier says of a token later that is good now.
    fn reviewed<'h>(&'h self, token: &str) -> impl Fn() -> Result<(), Reason> + 'h {
        let mut decision = self.decision();
        let now = self.clock.unix();
        let principal = self.verifier.verify(token, now, &mut decision).unwrap();
        move || self.verifier.review(&principal, self.clock.unix())
    }

    fn decision(&self) -> Decision {
        let trace = TraceId::from_bytes([1; 16]);
        Decision::new(trace, self.clock.now().millis(), "GET", "/")
    }

    /// Whether the token had been verified before.
    fn verify_seen(&self, token: &str) -> Result<bool, Reason> {
        let mut decision = self.decision();
        let now = self.clock.unix();
        self.verifier.verify(token, now, &mut decision)?;
        Ok(was_verified_before(&decision).expect("a signature held"))
    }

    fn requests(&self) -> Vec<String> {
        self.issuer
            .with(|state| std::mem::take(&mut state.requests))
    }
}
