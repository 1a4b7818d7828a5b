//! Prints and remembers each decision.

use std::{sync::Arc, time::Duration};

use doorward_gateway::Gateway;
use doorward_policy::decision::Decision;
use tokio::{runtime::Handle, sync::mpsc, time::sleep};

use super::annotator::Annotator;
use crate::{
    decision_view,
    exit::Failure,
    journal::Journal,
    output,
    paint::{Tone, paint},
};

/// Decisions taken at once.
const BATCH: usize = 256;

/// Between two batches. Nobody sees it; and under load the gateway's threads
/// need not wake this one for each request.
const PAUSE: Duration = Duration::from_millis(2);

/// What a decision is told with, and to whom.
pub(super) struct Teller {
    pub(super) annotator: Arc<Annotator>,
    pub(super) journal: Arc<Journal>,
    pub(super) gateway: Gateway,
    pub(super) json: bool,
}

impl Teller {
    /// Tells on a thread of its own: a terminal that does not read must not
    /// hold up a sign-in.
    pub(super) fn start(self, arriving: mpsc::Receiver<Decision>) -> Result<(), Failure> {
        let runtime = Handle::current();
        std::thread::Builder::new()
            .name("decisions".to_owned())
            .spawn(move || runtime.block_on(self.tell(arriving)))
            .map_err(|error| Failure::unreachable(format!("cannot start a thread: {error}")))?;
        Ok(())
    }

    async fn tell(self, mut arriving: mpsc::Receiver<Decision>) {
        let mut missed = 0;
        let mut batch = Vec::with_capacity(BATCH);
        while arriving.recv_many(&mut batch, BATCH).await > 0 {
            for decision in batch.drain(..) {
                self.tell_one(decision).await;
            }
            sleep(PAUSE).await;
            let dropped = self.gateway.dropped_decisions();
            // Once for each burst.
            if dropped > missed && arriving.is_empty() {
                output::note(gap(dropped - missed));
                missed = dropped;
            }
        }
    }

    async fn tell_one(&self, decision: Decision) {
        let explained = self.annotator.annotate(decision).await;
        self.journal.record(explained.decision.clone());
        if self.json {
            output::json_line(&explained);
        } else {
            let name = explained.caller_name.as_deref();
            output::data(decision_view::line(&explained.decision, name));
        }
    }
}

/// A record with holes says so.
fn gap(count: u64) -> String {
    format!(
        "  {} {count} requests are neither shown above nor known to `explain`: they came faster \
         than they could be written",
        paint(Tone::Warn, "warning:")
    )
}
