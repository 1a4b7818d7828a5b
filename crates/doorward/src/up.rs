//! `up`: issuer, gateway and admin listener wired together in one process; and
//! `serve`, the same with one of the roles left out.
//!
//! The gateway runs on its own threads; issuer, admin listener and the tasks
//! here share another runtime, so that a password hash or a database wait
//! never delays a proxied request.

mod annotator;
mod assembly;
mod candidate;
mod certificates;
mod collector;
mod descriptors;
mod elsewhere;
mod ending;
mod evaluations;
mod follow;
mod home;
mod internal_tokens;
mod operator;
mod reload;
mod screen;
mod settings;
mod teller;
mod verifiers;
mod wiring;

use std::{net::TcpListener, sync::Arc};

use arc_swap::ArcSwap;
use doorward_gateway::Listeners;
use doorward_issuer::{Issuer, MasterKey};
use doorward_policy::role::Roles;
use http::Uri;
pub(crate) use reload::{Given, Stamp};
pub(crate) use settings::{Role, Settings, Upstream};
pub(crate) use verifiers::trust;
pub(crate) use wiring::nothing_here;

use crate::{
    cli::{open_issuer, runtime},
    data_folder::{DemoUsers, LastUp},
    demo::{self, DemoApi},
    exit::{Answer, Failure},
    journal::Journal,
    up::{
        annotator::Annotator,
        assembly::{Assembled, Assembly},
        candidate::Candidate,
        certificates::Certificates,
        elsewhere::Elsewhere,
        ending::{Beside, Signals},
        home::Home,
        operator::Operated,
        reload::{Followers, Reload},
        screen::Screen,
        teller::Teller,
    },
};

/// What an issuer without a gateway stands before: a name that cannot be
/// (RFC 2606). It has no route, so nothing is ever sent there.
const NO_UPSTREAM: &str = "http://nothing.invalid";

/// Serves until a signal.
pub(crate) fn run(settings: Settings) -> Result<Answer, Failure> {
    let runtime = runtime()?;
    let answer = runtime.block_on(serve(settings));
    // Hashes that are still running are of no use to anyone now.
    runtime.shutdown_background();
    answer
}

async fn serve(settings: Settings) -> Result<Answer, Failure> {
    // First, so that a signal that comes with the first screen finds a drain.
    let signals = Signals::listen()?;
    let doors = Doors::open(&settings)?;
    let last_up = doors.last_up(&settings);
    let roles = Arc::new(ArcSwap::from_pointee(settings.config.roles.clone()));
    let routes = Arc::new(ArcSwap::from_pointee(settings.config.routes.clone()));
    let home = home(&settings, &last_up, &roles).await?;
    let issuer = home.issuer().cloned();
    let (upstream, new_people) = upstream(&settings, issuer.as_ref()).await?;
    let assembly = Assembly {
        settings: &settings,
        last_up: &last_up,
        home: &home,
        upstream: &upstream,
        routes: &routes,
        certificates: doors.certificates.as_ref(),
    };
    let Assembled {
        gateway,
        metrics,
        verifiers,
        internal,
        spans,
        exporting,
        arriving,
    } = assembly.on(doors.callers)?;
    settings
        .folder
        .write_json(&settings.folder.last_up(), &last_up)?;

    let candidate = Candidate::of(&settings, gateway.gateway());
    let journal = Arc::new(Journal::default());
    let annotator = Arc::new(Annotator::new(issuer.clone(), Arc::clone(&roles)));
    let operated = Operated {
        settings: &settings,
        home: &home,
        gateway: gateway.gateway(),
        metrics,
        candidate: &candidate,
        journal: &journal,
        annotator: &annotator,
    };
    operated.serve(doors.operator)?;
    let keys = home.trusted().keys().clone();
    let mut followers = home.follow();
    let internal_name = internal.name();
    let reload = Reload::of(
        &settings,
        issuer.as_ref(),
        Followers {
            routes: Arc::clone(&routes),
            roles,
            verifiers,
            internal,
            candidate,
        },
        last_up.clone(),
    );
    followers.extend(reload.begin().await);
    followers.extend(doors.certificates.map(Certificates::follow));
    Screen {
        settings: &settings,
        last_up: &last_up,
        upstream: &upstream,
        forward_auth: gateway.forward_auth_addr(),
        internal: internal_name,
        keys: &keys,
        routes: &routes.load(),
        new_people: new_people.as_ref(),
    }
    .show();
    let teller = Teller {
        spans,
        annotator,
        journal,
        gateway: gateway.gateway(),
        json: settings.json,
    };
    let beside = Beside {
        followers,
        telling: teller.start(arriving)?,
        exporting,
        issuer,
    };
    beside.serve(gateway, signals, &settings).await
}

/// Where a server listens, and what it shows there of itself.
struct Doors {
    certificates: Option<Certificates>,
    callers: Listeners,
    operator: TcpListener,
}

impl Doors {
    fn open(settings: &Settings) -> Result<Self, Failure> {
        Ok(Self {
            certificates: match settings.tls_files() {
                files if files.is_empty() => None,
                files => Some(Certificates::load(files)?),
            },
            callers: wiring::bind_gateway(settings.listen)?,
            operator: wiring::bind(settings.admin_listen, "--admin-listen")?,
        })
    }

    fn last_up(&self, settings: &Settings) -> LastUp {
        let operator = self.operator.local_addr();
        let operator = operator.unwrap_or(settings.admin_listen);
        settings.last_up(self.callers.local_addr(), operator)
    }
}

/// The issuer, opened here or found elsewhere.
async fn home(
    settings: &Settings,
    last_up: &LastUp,
    roles: &Arc<ArcSwap<Roles>>,
) -> Result<Home, Failure> {
    let Role::Gateway { issuer } = &settings.role else {
        let issuer = open_issuer(&settings.folder, settings.database(), last_up, roles).await?;
        if MasterKey::next_file(&settings.folder.master_key()).exists() {
            follow::warn(
                "a change of the master key was cut short; `doorward secret rotate` ends it",
            );
        }
        return Ok(Home::Here(issuer));
    };
    let name = (issuer.as_str(), last_up.audience.as_str());
    let elsewhere = Elsewhere::reach(name, settings.config.revocations, &settings.folder).await?;
    Ok(Home::Elsewhere(Box::new(elsewhere)))
}

/// The API behind the gateway, started if it is the demo's; and the people of
/// the demo if they were just made.
async fn upstream(
    settings: &Settings,
    issuer: Option<&Issuer>,
) -> Result<(Uri, Option<DemoUsers>), Failure> {
    match &settings.upstream {
        Upstream::Api(uri) => Ok((uri.clone(), None)),
        Upstream::Nothing => Ok((Uri::from_static(NO_UPSTREAM), None)),
        Upstream::Demo => {
            let people = match issuer {
                Some(issuer) => demo::people(issuer, &settings.folder).await?,
                None => None,
            };
            let api = DemoApi::start(&settings.folder.demo_log())
                .await
                .map_err(|error| {
                    Failure::unreachable(format!("the sample API did not start: {error}"))
                })?;
            let uri = format!("http://{}", api.address)
                .parse()
                .map_err(|error| Failure::unreachable(format!("{error}")))?;
            Ok((uri, people))
        }
    }
}
