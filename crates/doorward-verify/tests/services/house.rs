//! An issuer's key, a clock, and the layer that trusts both.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use axum::{Router, body::Body};
use doorward_policy::decision::{Decision, TraceId};
use doorward_verify::{
    clock::{Clock, Timestamp},
    jose::{
        algorithm::Algorithm,
        claims::{AccessClaims, RequiredClaims},
        jwk_set::KeySet,
        signing_key::SigningKey,
        time::UnixTime,
        validation::Validation,
    },
    key_source::KeySource,
    layer::AuthenticationLayer,
    proof::Proofs,
    revocation::RevocationSet,
    verifier::{TrustedIssuer, Verifier},
};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "https://api.example";
pub(crate) const NOW: u64 = 1_800_000_000;

struct TurnedClock(AtomicU64);

impl Clock for TurnedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed) * 1000)
    }
}

pub(crate) struct House {
    key: SigningKey,
    clock: Arc<TurnedClock>,
    pub(crate) layer: AuthenticationLayer,
    decisions: Arc<Mutex<Vec<Decision>>>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) challenge: Option<String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn reason(&self) -> String {
        self.json()["reason"].as_str().unwrap().to_owned()
    }
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with_proofs(Proofs::default())
    }

    pub(crate) fn with_proofs(proofs: Proofs) -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let keys = KeySource::fixed(KeySet::from_iter([key.verifying_key()]));
        let validation = Validation::issuer(ISSUER)
            .audience(AUDIENCE)
            .algorithms([Algorithm::Es256]);
        let trusted = vec![TrustedIssuer::new(validation, keys)];
        let verifier = Verifier::new(trusted, RevocationSet::new()).with_proofs(proofs);
        let verifier = Arc::new(verifier);
        let clock = Arc::new(TurnedClock(AtomicU64::new(NOW)));
        let decisions = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&decisions);
        let trace_id = |_: &http::HeaderMap| TraceId::from_bytes([9; 16]);
        let layer = AuthenticationLayer::new(verifier, Arc::clone(&clock) as _, trace_id)
            .on_decision(move |decision| seen.lock().unwrap().push(decision));
        Self {
            key,
            clock,
            layer,
            decisions,
        }
    }

    pub(crate) fn turn_clock(&self, now: u64) {
        self.clock.0.store(now, Ordering::Relaxed);
    }

    /// A token of `acme` with these permissions.
    pub(crate) fn token(&self, permissions: &[&str]) -> String {
        self.sign(&self.claims(permissions))
    }

    /// A token that is bound to `client`.
    pub(crate) fn bound_token(&self, client: &SigningKey) -> String {
        let thumbprint = client.verifying_key().to_jwk().unwrap().thumbprint();
        let Value::Object(confirmation) = json!({ "jkt": thumbprint }) else {
            unreachable!("an object was written");
        };
        self.sign(&self.claims(&[]).confirmation(confirmation))
    }

    fn claims(&self, permissions: &[&str]) -> AccessClaims {
        AccessClaims::new(RequiredClaims {
            issuer: ISSUER.to_owned(),
            subject: "user-1".to_owned(),
            audience: AUDIENCE.to_owned(),
            client_id: "doorward".to_owned(),
            token_id: "token-1".to_owned(),
            issued_at: UnixTime::from_secs(NOW),
            lifetime_seconds: 300,
        })
        .tenant("acme")
        .permissions(permissions.iter().copied())
    }

    fn sign(&self, claims: &AccessClaims) -> String {
        self.key.sign("at+jwt", claims).unwrap()
    }

    /// The one decision that was told since the last call.
    pub(crate) fn decision(&self) -> Decision {
        let told = std::mem::take(&mut *self.decisions.lock().unwrap());
        let [decision] = told.try_into().expect("each request is told of once");
        decision
    }

    pub(crate) fn has_told(&self) -> bool {
        !self.decisions.lock().unwrap().is_empty()
    }
}

pub(crate) fn request(method_and_path: &str, token: Option<&str>) -> Request<Body> {
    let (method, path) = method_and_path.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Body::empty()).unwrap()
}

pub(crate) async fn call(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let challenge = response.headers().get("www-authenticate");
    let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    Answer {
        status,
        challenge,
        body: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}
