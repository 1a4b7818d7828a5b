//! An axum service that checks Doorward's tokens itself.
//!
//! ```text
//! cargo run -p doorward-verify --example orders --features axum,fetch -- JWKS_URL ISSUER AUDIENCE [ADDRESS]
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its screen")]

use std::{
    error::Error,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    extract::Path,
    http::HeaderMap,
    routing::{delete, get},
};
use doorward_policy::decision::{Decision, TraceId};
use doorward_verify::{
    clock::{Clock, Timestamp},
    extract::{Permitted, TenantMatch},
    jose::{algorithm::Algorithm, validation::Validation},
    jwks::{
        address::AddressKind,
        remote::{RemoteKeys, Surroundings},
        url::JwksUrl,
    },
    layer::AuthenticationLayer,
    permission,
    revocation::RevocationSet,
    verifier::{TrustedIssuer, Verifier},
};
use tokio::net::TcpListener;

permission!(OrdersRead = "orders:read");
permission!(OrdersDelete = "orders:delete");
permission!(ReportsRead = "reports:read");

async fn list(_: Permitted<OrdersRead>) -> &'static str {
    "a door, two hinges\n"
}

async fn cancel(permitted: Permitted<OrdersDelete>, Path(order): Path<u32>) -> String {
    format!(
        "order {order} cancelled by {}\n",
        permitted.principal().subject()
    )
}

async fn report(tenant: TenantMatch, _: Permitted<ReportsRead>) -> String {
    format!("the report of {}\n", tenant.value())
}

fn router(authentication: AuthenticationLayer) -> Router {
    Router::new()
        .route("/orders", get(list))
        .route("/orders/{order}", delete(cancel))
        .route("/tenants/{tenant}/report", get(report))
        .layer(authentication)
        // Outside the layer, so open to everyone.
        .route("/health", get(|| async { "up\n" }))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = arguments();
    let (jwks, issuer, audience, address) = match arguments.as_slice() {
        [jwks, issuer, audience] => (jwks, issuer, audience, "127.0.0.1:9000"),
        [jwks, issuer, audience, address] => (jwks, issuer, audience, address.as_str()),
        _ => return Err("give JWKS_URL ISSUER AUDIENCE [ADDRESS]".into()),
    };

    let url = JwksUrl::parse(jwks)?.allow(AddressKind::Loopback);
    let surroundings = Surroundings {
        clock: Arc::new(SystemClock),
        random: Arc::new(random),
    };
    // One service of its kind: it need not wait for others to ask first.
    let remote = RemoteKeys::new(url, [Algorithm::Es256]).start_spread(Duration::ZERO);
    let (keys, follower) = remote.follow(surroundings);
    tokio::spawn(follower.run());

    let validation = Validation::issuer(issuer)
        .audience(audience)
        .algorithms([Algorithm::Es256]);
    let trusted = vec![TrustedIssuer::new(validation, keys)];
    let verifier = Arc::new(Verifier::new(trusted, RevocationSet::new()));
    let authentication = AuthenticationLayer::new(verifier, Arc::new(SystemClock), trace_id)
        .on_decision(|decision| eprintln!("{}", line(&decision)));

    let listener = TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, router(authentication)).await?;
    Ok(())
}

/// `DENIED 403 DELETE /orders/7 missing_permission`
fn line(decision: &Decision) -> String {
    format!(
        "{} {} {} {} {}",
        if decision.status.is_some_and(|status| status < 400) {
            "ok    "
        } else {
            "DENIED"
        },
        decision.status.unwrap_or_default(),
        decision.method,
        decision.path,
        decision.reason.code(),
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program may read its arguments"
)]
fn arguments() -> Vec<String> {
    std::env::args().skip(1).collect()
}

struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "a program may read the clock")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let millis = since.map_or(0, |since| since.as_millis());
        Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}

/// Different each time, which is all that jitter and names ask for.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn trace_id(_: &HeaderMap) -> TraceId {
    let bits = (u128::from(random()) << 64) | u128::from(random());
    TraceId::from_bytes(bits.to_be_bytes())
}
