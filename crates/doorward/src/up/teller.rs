//! Prints and remembers each decision.

use std::{sync::Arc, time::Duration};

use doorward_gateway::Gateway;
use doorward_policy::decision::Decision;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use super::annotator::Annotator;
use crate::{
    decision_view,
    exit::Failure,
    journal::Journal,
    output,
    paint::{Tone, paint},
    traces::Spans,
};

/// Decisions taken at once.
const BATCH: usize = 256;

/// Between two batches. Nobody sees it; and under load the gateway's threads
/// need not wake this one for each request.
const PAUSE: Duration = Duration::from_millis(2);

/// How long the last decisions may take to be told.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a decision is told with, and to whom.
pub(super) struct Teller {
    pub(super) annotator: Arc<Annotator>,
    pub(super) journal: Arc<Journal>,
    pub(super) gateway: Gateway,
    pub(super) json: bool,
    /// Where decisions become spans, if they are sent anywhere.
    pub(super) spans: Option<Spans>,
}

/// A teller at work.
pub(super) struct Telling {
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl Telling {
    /// Tells what is still waiting and ends. Must come before the runtime ends,
    /// and does not wait for a terminal that does not read.
    pub(super) async fn finish(self) {
        drop(self.stop);
        // Late or gone: there is nobody left to tell.
        let _ = timeout(FAREWELL, self.ended).await;
    }
}

impl Teller {
    /// Tells on a thread of its own: a terminal that does not read must not
    /// hold up a sign-in.
    pub(super) fn start(self, arriving: mpsc::Receiver<Decision>) -> Result<Telling, Failure> {
        let runtime = Handle::current();
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("decisions".to_owned())
            .spawn(move || {
                runtime.block_on(self.tell(arriving, stopped));
                // Nobody waits when the server ended by itself.
                let _ = end.send(());
            })
            .map_err(|error| Failure::unreachable(format!("cannot start a thread: {error}")))?;
        Ok(Telling { stop, ended })
    }

    async fn tell(
        mut self,
        mut arriving: mpsc::Receiver<Decision>,
        mut stopped: oneshot::Receiver<()>,
    ) {
        let mut missed = 0;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                count = arriving.recv_many(&mut batch, BATCH) => if count == 0 { return },
                _ = &mut stopped => return,
            }
            // First: a terminal may be slow.
            if let Some(spans) = &mut self.spans {
                batch.iter().for_each(|decision| spans.offer(decision));
            }
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
