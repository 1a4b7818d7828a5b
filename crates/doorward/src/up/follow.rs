//! Changes that commands make on the same data folder, noticed by a running
//! server.

use std::time::Duration;

use doorward_issuer::Issuer;
use tokio::task::JoinHandle;

use crate::{
    output,
    paint::{Tone, paint},
};

/// Revocations by commands take effect within this, well under a second.
const STORE_INTERVAL: Duration = Duration::from_millis(150);

/// Follows the store until the process ends. A store that is gone is told
/// once; verification goes on with what is known.
pub(super) fn issuer(issuer: Issuer) -> JoinHandle<()> {
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
    })
}

/// Signs the feed of revocations until the process ends.
pub(super) fn feed(issuer: Issuer) -> JoinHandle<()> {
    tokio::spawn(async move { issuer.run_feed().await })
}

/// Says something that the operator should know, between the request lines.
pub(super) fn warn(text: &str) {
    output::note(format!("  {} {text}", paint(Tone::Warn, "warning:")));
}
