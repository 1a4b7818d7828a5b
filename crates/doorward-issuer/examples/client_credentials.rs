//! How many tokens a second clients get: `POST /oauth2/token` through the whole
//! router, on two threads and an embedded database.
//!
//! ```sh
//! cargo run --release -p doorward-issuer --example client_credentials
//! ```
//!
//! In this process and without a socket: what HTTP itself costs is measured at
//! the gateway. Prints tokens a second and CPU time for each; `seconds` and
//! `clients waiting at a time` may be given as arguments.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use axum::body::Body;
use doorward_issuer::{Config, Entropy, Issuer, MasterKey, Surroundings, admin::NewClient};
use doorward_policy::role::Roles;
use doorward_verify::clock::{Clock, Timestamp};
use http::{Request, header};
use tower::ServiceExt as _;

/// A clock that stands: what is measured does not look at it.
struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000)
    }
}

/// SplitMix64: good enough for a measurement.
struct Seeded(Mutex<u64>);

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = *state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(word ^ (word >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    #[expect(clippy::disallowed_methods, reason = "the arguments of a measurement")]
    let mut arguments = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok());
    let (seconds, waiting) = (
        arguments.next().unwrap_or(5),
        arguments.next().unwrap_or(64),
    );
    for waiting in [1, waiting] {
        runtime.block_on(measure(Duration::from_secs(seconds), waiting));
    }
}

async fn measure(duration: Duration, waiting: u64) {
    let folder = tempfile::tempdir().unwrap();
    let surroundings = Surroundings {
        clock: Arc::new(Standing),
        entropy: Arc::new(Seeded(Mutex::new(1))),
        roles: Arc::new(ArcSwap::from_pointee(Roles::default())),
    };
    let config = Config::new("https://id.example.org", "https://api.example.org");
    let key = MasterKey::from_bytes([1; 32]);
    let issuer = Issuer::open(
        &folder.path().join("doorward.db"),
        key,
        config,
        surroundings,
    )
    .await
    .unwrap();
    issuer.admin().add_tenant("acme").await.unwrap();
    let new = NewClient {
        name: "billing".to_owned(),
        tenant: "acme".to_owned(),
        permissions: vec!["orders:read".to_owned(), "orders:create".to_owned()],
        ..NewClient::default()
    };
    let made = issuer.admin().add_client(new).await.unwrap();
    let form: Arc<str> = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        made.client.id,
        made.secret.reveal()
    )
    .into();
    let given = Arc::new(AtomicU64::new(0));
    let (started, before) = (Instant::now(), cpu_micros());
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..waiting {
        let (router, form, given) = (issuer.router(), Arc::clone(&form), Arc::clone(&given));
        clients.spawn(async move {
            while started.elapsed() < duration {
                let request = Request::post("/oauth2/token")
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(Body::from(form.to_string()))
                    .unwrap();
                let answer = router.clone().oneshot(request).await.unwrap();
                assert_eq!(answer.status(), 200);
                given.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    clients.join_all().await;
    let (elapsed, cpu) = (started.elapsed(), cpu_micros() - before);
    let given = given.load(Ordering::Relaxed);
    println!(
        "{waiting:>4} at a time: {:>7.0} tokens/s, {:>5.1} µs CPU each, {:.2} cores busy",
        given as f64 / elapsed.as_secs_f64(),
        cpu as f64 / given as f64,
        cpu as f64 / elapsed.as_micros() as f64,
    );
}

/// CPU time of this process so far, in µs: user and system time, in ticks of
/// 10 ms.
fn cpu_micros() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks
        .map(|ticks| ticks.parse::<u64>().unwrap() * 10_000)
        .sum()
}
