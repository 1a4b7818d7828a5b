//! One issuer in a temporary folder, with a clock that tests turn.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;
use axum::{Router, body::Body};
use doorward_issuer::{
    Config, Entropy, Issuer, MasterKey, Surroundings,
    admin::{NewClient, NewUser},
    http::Peer,
    password::{Hashing, Password},
};
use doorward_policy::{
    decision::{Caller, Reason},
    permission::PermissionPattern,
    role::{RoleName, RoleSpec, Roles},
};
use doorward_verify::clock::{Clock, Timestamp};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

pub(crate) const ISSUER: &str = "https://id.example.org";
pub(crate) const PASSWORD: &str = "pelican umbrella voltage";
pub(crate) const HOME: &str = "192.0.2.1";
pub(crate) const CAFE: &str = "198.51.100.7";

/// Costs next to nothing; what the cost itself does is tested in the hasher.
pub(crate) const CHEAP: Hashing = Hashing {
    memory_kib: 64,
    passes: 1,
    parallel: 2,
    queue: 1_000,
};

/// An issuer with tenants `acme` and `globex`, and users `alice` and `carol`
/// (acme) and `bob` (globex), whose password is [`PASSWORD`].
pub(crate) struct House {
    pub(crate) issuer: Issuer,
    clock: Arc<TurnedClock>,
    _folder: TempDir,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(CHEAP, 1).await
    }

    pub(crate) async fn with(hashing: Hashing, seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TurnedClock(AtomicU64::new(1_800_000_000_000)));
        let surroundings = Surroundings {
            clock: clock.clone(),
            entropy: Arc::new(Seeded(Mutex::new(seed))),
            roles: Arc::new(ArcSwap::from_pointee(roles())),
        };
        let config = Config {
            hashing,
            ..Config::new(ISSUER, "https://api.example.org")
        };
        let database = folder.path().join("doorward.db");
        let key = MasterKey::from_bytes([seed as u8; 32]);
        let issuer = Issuer::open(&database, key, config, surroundings)
            .await
            .unwrap();
        let house = Self {
            issuer,
            clock,
            _folder: folder,
        };
        house.settle_in().await;
        house
    }

    async fn settle_in(&self) {
        let admin = self.issuer.admin();
        for tenant in ["acme", "globex"] {
            admin.add_tenant(tenant).await.unwrap();
        }
        for (username, tenant) in [("alice", "acme"), ("carol", "acme"), ("bob", "globex")] {
            self.add_user(username, tenant, PASSWORD).await;
        }
        admin.grant_role("alice", "acme", "reader").await.unwrap();
        // Tokens of the second in which rights changed live one second longer.
        self.turn_clock(3_600);
    }

    pub(crate) async fn add_user(&self, username: &str, tenant: &str, password: &str) {
        let new = NewUser {
            username: username.to_owned(),
            tenant: tenant.to_owned(),
            password: Password::new(password.to_owned()).unwrap(),
        };
        self.issuer.admin().add_user(new).await.unwrap();
    }

    /// A client `name` of `acme` with these permissions: its id and secret.
    pub(crate) async fn add_client(&self, name: &str, permissions: &[&str]) -> (String, String) {
        let new = NewClient {
            name: name.to_owned(),
            tenant: "acme".to_owned(),
            permissions: permissions.iter().map(ToString::to_string).collect(),
            ..NewClient::default()
        };
        let made = self.issuer.admin().add_client(new).await.unwrap();
        (made.client.id.to_string(), made.secret.reveal().to_owned())
    }

    pub(crate) fn turn_clock(&self, seconds: u64) {
        self.clock.0.fetch_add(seconds * 1_000, Ordering::SeqCst);
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now().millis()
    }

    pub(crate) fn router(&self) -> Router {
        self.issuer.router()
    }

    /// Any request, from [`HOME`] unless it says otherwise.
    pub(crate) async fn call(&self, request: Request<Body>) -> Answered {
        call(self.router(), request).await
    }

    pub(crate) async fn get(&self, path: &str, bearer: Option<&str>) -> Answered {
        self.call(with_bearer(request(Method::GET, path), bearer))
            .await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answered {
        self.call(post(path, body)).await
    }

    pub(crate) async fn try_sign_in(&self, username: &str, password: &str) -> Answered {
        self.call(sign_in(username, password, HOME)).await
    }

    /// Signs a user in who can.
    pub(crate) async fn sign_in(&self, username: &str) -> Tokens {
        self.try_sign_in(username, PASSWORD).await.tokens()
    }

    pub(crate) async fn refresh(&self, refresh_token: &str) -> Answered {
        self.post("/auth/refresh", &json!({ "refresh_token": refresh_token }))
            .await
    }

    pub(crate) async fn sign_out(&self, access_token: &str) -> Answered {
        let request = request(Method::POST, "/auth/sign-out");
        self.call(with_bearer(request, Some(access_token))).await
    }
}

pub(crate) async fn call(router: Router, mut request: Request<Body>) -> Answered {
    if request.extensions().get::<Peer>().is_none() {
        request.extensions_mut().insert(Peer(HOME.parse().unwrap()));
    }
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    Answered {
        status: parts.status,
        headers: parts.headers,
        reason: *parts
            .extensions
            .get::<Reason>()
            .expect("an answer without a reason"),
        caller: parts.extensions.get::<Caller>().cloned(),
        body: body.collect().await.unwrap().to_bytes().to_vec(),
    }
}

pub(crate) fn request(method: Method, path: &str) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap();
    request
}

pub(crate) fn post(path: &str, body: &Value) -> Request<Body> {
    let mut request = request(Method::POST, path);
    *request.body_mut() = Body::from(body.to_string());
    let json = "application/json".parse().unwrap();
    request.headers_mut().insert(header::CONTENT_TYPE, json);
    request
}

/// A form to one of OAuth's own endpoints. The values need no escape.
pub(crate) fn form(path: &str, parameters: &[(&str, &str)]) -> Request<Body> {
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    raw_form(path, &pairs.join("&"))
}

pub(crate) fn raw_form(path: &str, body: &str) -> Request<Body> {
    let mut request = request(Method::POST, path);
    *request.body_mut() = Body::from(body.to_owned());
    let media_type = "application/x-www-form-urlencoded".parse().unwrap();
    request
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    request
}

/// `Authorization: Basic` with what stands before the encoding.
pub(crate) fn with_basic(mut request: Request<Body>, credentials: &str) -> Request<Body> {
    let digits = base64_simd::STANDARD.encode_to_string(credentials);
    let field = format!("Basic {digits}").parse().unwrap();
    request.headers_mut().insert(header::AUTHORIZATION, field);
    request
}

pub(crate) fn sign_in(username: &str, password: &str, peer: &str) -> Request<Body> {
    let body = json!({ "username": username, "password": password });
    let mut request = post("/auth/sign-in", &body);
    request.extensions_mut().insert(Peer(peer.parse().unwrap()));
    request
}

pub(crate) fn with_bearer(mut request: Request<Body>, bearer: Option<&str>) -> Request<Body> {
    if let Some(bearer) = bearer {
        let field = format!("Bearer {bearer}").parse().unwrap();
        request.headers_mut().insert(header::AUTHORIZATION, field);
    }
    request
}

/// A response and what it says about itself.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) reason: Reason,
    pub(crate) caller: Option<Caller>,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn retry_after(&self) -> u64 {
        self.header("retry-after").unwrap().parse().unwrap()
    }

    /// Status and reason, for one comparison.
    pub(crate) fn verdict(&self) -> (u16, &'static str) {
        (self.status.as_u16(), self.reason.code())
    }

    pub(crate) fn tokens(&self) -> Tokens {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        let body = self.json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        assert_eq!(body["token_type"], "Bearer");
        Tokens {
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

struct TurnedClock(AtomicU64);

impl Clock for TurnedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// SplitMix64: the same bytes in every run.
struct Seeded(Mutex<u64>);

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            chunk.copy_from_slice(&mixed.to_le_bytes()[..chunk.len()]);
        }
    }
}

fn roles() -> Roles {
    let reader = RoleSpec {
        name: RoleName::parse("reader").unwrap(),
        inherits: Vec::new(),
        permissions: vec![PermissionPattern::parse("orders:read").unwrap()],
    };
    Roles::build(vec![reader]).unwrap()
}
