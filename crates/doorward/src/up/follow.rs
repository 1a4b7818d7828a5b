//! What a running server notices by itself: changes made by commands on the
//! same data folder, and edits of the configuration file.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use doorward_issuer::Issuer;
use doorward_policy::{role::Roles, route::RouteTable};

use crate::{
    config::Config,
    output,
    paint::{Tone, paint},
};

/// Revocations by commands take effect within this, well under a second.
const STORE_INTERVAL: Duration = Duration::from_millis(150);

/// How often the configuration file is looked at.
const CONFIG_INTERVAL: Duration = Duration::from_millis(250);

/// Follows the store until the process ends. A store that is gone is told
/// once; verification goes on with what is known.
pub(super) fn issuer(issuer: Issuer) {
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(STORE_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut lost = false;
        loop {
            ticks.tick().await;
            match issuer.poll_changes().await {
                Ok(changes) => {
                    if changes.rolled_back {
                        warn("the database went back in time: every session has ended");
                    }
                    if lost {
                        output::note("  the database is back");
                    }
                    lost = false;
                }
                Err(error) if !lost => {
                    warn(&format!(
                        "{error}; tokens are still checked, changes by others are not seen"
                    ));
                    lost = true;
                }
                Err(_) => {}
            }
        }
    });
}

/// Follows the configuration file until the process ends. A good change is
/// applied whole; a bad one changes nothing and is told with every problem.
pub(super) fn config(
    file: PathBuf,
    routes: Arc<ArcSwap<RouteTable>>,
    roles: Arc<ArcSwap<Roles>>,
    issuer: Issuer,
) {
    tokio::spawn(async move {
        let mut applied = fingerprint(&file);
        let mut last = applied;
        let mut ticks = tokio::time::interval(CONFIG_INTERVAL);
        loop {
            ticks.tick().await;
            // Only what stood still for one tick: half a file may be valid
            // and lack the last route's conditions.
            let present = fingerprint(&file);
            let is_still = present == last;
            last = present;
            if !is_still || present == applied {
                continue;
            }
            applied = present;
            match Config::load(&file) {
                Ok(config) => apply(config, &file, &routes, &roles, &issuer).await,
                Err(problems) => {
                    output::note(problems);
                    warn(&format!("still serving the last good {}", file.display()));
                }
            }
        }
    });
}

async fn apply(
    config: Config,
    file: &Path,
    routes: &ArcSwap<RouteTable>,
    roles: &ArcSwap<Roles>,
    issuer: &Issuer,
) {
    let count = config.routes.routes().len();
    let narrowed = !covers(&config.roles, &roles.load());
    roles.store(Arc::new(config.roles));
    routes.store(Arc::new(config.routes));
    output::note(format!("  {} now serves {count} routes", file.display()));
    if narrowed && let Err(error) = issuer.admin().expire_access_tokens().await {
        warn(&format!(
            "{error}; tokens that are out keep what the role gave until they expire"
        ));
    }
}

/// Whether every role of `old` gives at least as much in `new`: if not, tokens
/// that are out say more than they should.
fn covers(new: &Roles, old: &Roles) -> bool {
    old.iter().all(|before| {
        let after = new.get(before.name().as_str());
        after.is_some_and(|after| before.effective().is_subset(after.effective()))
    })
}

fn warn(text: &str) {
    output::note(format!("  {} {text}", paint(Tone::Warn, "warning:")));
}

/// What changes when a file is saved; `None` while it is not there.
fn fingerprint(file: &Path) -> Option<(SystemTime, u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = std::fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
}
