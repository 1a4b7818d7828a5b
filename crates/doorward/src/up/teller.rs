//! Prints and remembers each decision.

use std::{
    future::{Future as _, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

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

/// Bytes of lines that are written at once, because a write for each costs as much as
/// making the line. A pipe takes as many whole or not at all (`PIPE_BUF`), so no line that
/// fits is torn by what others write to it. A longer one, of a path of kilobytes, goes out
/// alone and may be.
const AT_ONCE: usize = 4096;

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
                runtime.block_on(self.run(arriving, stopped));
                // Nobody waits when the server ended by itself.
                let _ = end.send(());
            })
            .map_err(|error| Failure::unreachable(format!("cannot start a thread: {error}")))?;
        Ok(Telling { stop, ended })
    }

    async fn run(
        mut self,
        mut arriving: mpsc::Receiver<Decision>,
        mut stopped: oneshot::Receiver<()>,
    ) {
        let mut missed = 0;
        let mut batch = Vec::with_capacity(BATCH);
        let mut lines = String::new();
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
                self.tell(decision, &mut lines).await;
            }
            self.print(&mut lines);
            sleep(PAUSE).await;
            let dropped = self.gateway.dropped_decisions();
            // Once for each burst.
            if dropped > missed && arriving.is_empty() {
                output::note(gap(dropped - missed));
                missed = dropped;
            }
        }
    }

    /// Adds `decision` to the `lines` to print, and remembers it: whoever sees a line can
    /// have it explained.
    async fn tell(&self, decision: Decision, lines: &mut String) {
        let mut annotating = pin!(self.annotator.annotate(decision));
        let at_once = poll_fn(|cx| Poll::Ready(annotating.as_mut().poll(cx))).await;
        let explained = match at_once {
            Poll::Ready(explained) => explained,
            Poll::Pending => {
                // A name has to be looked up: the others do not wait for it.
                self.print(lines);
                annotating.await
            }
        };
        let line = if self.json {
            output::to_json_line(&explained)
        } else {
            let name = explained.caller_name.as_deref();
            Some(decision_view::line(&explained.decision, name))
        };
        if let Some(line) = line {
            if lines.len() + line.len() >= AT_ONCE {
                self.print(lines);
            }
            lines.push_str(&line);
            lines.push('\n');
        }
        self.journal.record(explained.decision);
    }

    /// Prints and forgets `lines`.
    fn print(&self, lines: &mut String) {
        if self.json {
            // ESC is escaped in JSON, so there is no colour to take away.
            output::raw(lines.as_bytes());
        } else {
            output::lines(lines);
        }
        lines.clear();
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
