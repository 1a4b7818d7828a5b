//! The data plane by itself, for measuring: routes with a permission, with a
//! tenant besides and with neither, among two hundred others; with `--features
//! cedar` also one with permission, tenant and policies; decisions that nobody
//! reads. On standard output are the key set and then tokens, each in a
//! line.
//!
//! `cargo run --release -p doorward-gateway --example bare -- 4180 9000 1` stands
//! on port 4180 in front of port 9000 and makes one token. It ends in order when it
//! is interrupted (SIGINT), as a profile of it has to.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use doorward_gateway::{Config, Gateway, LocalService, Shared, identity::IdentityHeader};
use doorward_policy::{
    decision::TraceId,
    permission::Permission,
    route::{Condition, Requirement, RouteSpec, RouteTable},
};
use doorward_verify::{
    clock::{Clock, Timestamp},
    jose::{
        algorithm::Algorithm,
        claims::{AccessClaims, RequiredClaims},
        jwk_set::KeySet,
        signing_key::SigningKey,
        validation::Validation,
    },
    key_source::KeySource,
    revocation::RevocationSet,
    token_cache::CacheSize,
    verifier::{TrustedIssuer, Verifier},
};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ISSUER: &str = "http://127.0.0.1:4180";
const AUDIENCE: &str = "orders-api";

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Timestamp::from_millis(u64::try_from(since.unwrap().as_millis()).unwrap())
    }
}

fn main() {
    let mut ports = std::env::args().skip(1);
    let listen = format!("127.0.0.1:{}", ports.next().unwrap());
    let upstream = format!("http://127.0.0.1:{}", ports.next().unwrap());
    let tokens: u64 = ports.next().map_or(1, |tokens| tokens.parse().unwrap());
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    println!(
        "{}",
        KeySet::from_iter([key.verifying_key()]).to_jwks_json()
    );
    for number in 0..tokens {
        println!("{}", token(&key, number));
    }
    let (decisions, mut arriving) = tokio::sync::mpsc::channel(8192);
    let drained = std::thread::spawn(move || {
        let mut batch = Vec::with_capacity(256);
        while arriving.blocking_recv_many(&mut batch, 256) > 0 {
            batch.clear();
            // As the binary does, which prints them.
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let counter = AtomicU64::new(1);
    let shared = Shared {
        verifier: Arc::new(ArcSwap::from_pointee(verifier(&key))),
        routes: Arc::new(ArcSwap::from_pointee(routes())),
        clock: Arc::new(SystemClock),
        trace_ids: Arc::new(move || {
            let number = u128::from(counter.fetch_add(1, Ordering::Relaxed));
            TraceId::from_bytes((number * 0x9e37_79b9_7f4a_7c15).to_be_bytes())
        }),
        local: LocalService {
            matches: Arc::new(|_| false),
            call: Arc::new(|_| Box::pin(std::future::pending())),
        },
        api_keys: None,
        internal_tokens: None,
        decisions,
    };
    let mut config = Config::new(listen.parse().unwrap(), upstream.parse().unwrap());
    // The bar that this is measured against counts two identity headers.
    config.identity_headers = [IdentityHeader::Subject, IdentityHeader::Tenant]
        .into_iter()
        .collect();
    let bound = Gateway::bind(config, shared).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(bound.serve(async { tokio::signal::ctrl_c().await.unwrap() }))
        .unwrap();
    drained.join().unwrap();
}

fn routes() -> RouteTable {
    let route = |pattern: &str, requirement| RouteSpec {
        pattern: pattern.into(),
        requirement,
        conditions: Vec::new(),
        demands: Default::default(),
        source: None,
    };
    let read = || Requirement::Allow(Permission::parse("orders:read").unwrap());
    let mut of_tenant = route("GET /tenants/{tenant}/orders/{id}", read());
    of_tenant.conditions.push(Condition {
        claim: "tenant".into(),
        parameter: "tenant".into(),
    });
    let others = (0..200).map(|number| route(&format!("GET /other-{number}/{{id}}"), read()));
    let measured = [
        route("GET /orders/{id}", read()),
        route("GET /public", Requirement::Public),
        of_tenant.clone(),
    ];
    let routes = measured.into_iter().chain(others);
    #[cfg(feature = "cedar")]
    let routes = routes.chain([governed::route(of_tenant)]);
    let routes = RouteTable::build(routes.collect()).unwrap();
    #[cfg(feature = "cedar")]
    let routes = governed::govern(routes);
    routes
}

/// A route with everything, and the policies about it: one that permits and does
/// not apply, one that forbids and does not apply, and one for every action.
#[cfg(feature = "cedar")]
mod governed {
    use doorward_policy::{
        cedar::{Policies, Source, Vocabulary},
        permission::Permission,
        route::{Requirement, RouteSpec, RouteTable},
    };

    const POLICIES: &str = r#"
permit (principal is User, action == Action::"governed:read", resource)
when { resource.id == principal.sub };

forbid (principal, action == Action::"governed:read", resource)
unless { principal has tenant && principal.tenant == resource.tenant };

forbid (principal, action in Action::"governed:*", resource)
when { context.address.isInRange(ip("10.9.0.0/16")) };
"#;

    pub(super) fn route(of_tenant: RouteSpec) -> RouteSpec {
        RouteSpec {
            pattern: "GET /governed/{tenant}/orders/{id}".into(),
            requirement: Requirement::Allow(Permission::parse("governed:read").unwrap()),
            ..of_tenant
        }
    }

    pub(super) fn govern(routes: RouteTable) -> RouteTable {
        let source = Source {
            file: "bare.cedar".into(),
            text: POLICIES.to_owned(),
        };
        let policies = Policies::parse(&[source]).unwrap();
        policies.govern(routes, &Vocabulary::default()).unwrap()
    }
}

fn verifier(key: &SigningKey) -> Verifier {
    let validation = Validation::issuer(ISSUER)
        .audience(AUDIENCE)
        .algorithms([Algorithm::Es256]);
    let keys = KeySource::fixed(KeySet::from_iter([key.verifying_key()]));
    let trusted = TrustedIssuer::new(validation, keys);
    Verifier::new(vec![trusted], RevocationSet::new()).with_cache(CacheSize::default())
}

fn token(key: &SigningKey, number: u64) -> String {
    let claims = AccessClaims::new(RequiredClaims {
        issuer: ISSUER.to_owned(),
        subject: "0192f0c8-1111-7abc-9def-000000000001".to_owned(),
        audience: AUDIENCE.to_owned(),
        client_id: "web".to_owned(),
        token_id: format!("0192f0c8-2222-7abc-9def-{number:012x}"),
        issued_at: SystemClock.now().unix(),
        lifetime_seconds: 3600,
    });
    let claims = claims
        .session("0192f0c8-3333-7abc-9def-000000000001")
        .tenant("acme")
        .roles(["reader"])
        .permissions(["orders:read", "governed:read"]);
    key.sign("at+jwt", &claims).unwrap()
}
