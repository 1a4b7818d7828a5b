//! Many small writes, one commit.
//!
//! A commit waits for the disk; a write does not. One task takes whatever
//! waits, runs it in one transaction and answers everybody after the one
//! commit, while the next batch gathers. A lone write is not delayed.
//!
//! A statement waits for the server as well, so what is the same for many jobs
//! is done for all of them at once ([`Job::run_usual`]). What is left is run job by
//! job.
//!
//! If a batch meets something impossible, each of its jobs is tried alone, so
//! that one bad row cannot refuse its neighbours. If the store is unavailable,
//! all of them hear it. A batch that another writer was in the way of is run
//! again.
//!
//! The jobs of a batch run in the order of the accounts that they hold, so that
//! the batches of two nodes never wait for each other in a circle.

use std::future::Future;

use tokio::sync::{mpsc, oneshot};

use super::{Store, Tx, contention::again, statement::Listing};
use crate::error::StoreError;

/// Most jobs of one transaction: bounds how long the write lock is held. What
/// concerns all of them fits one statement, so the order of their accounts is the
/// order in which they are locked.
const MAX_BATCH: usize = Listing::MOST;

/// Jobs that may wait; more wait outside.
const QUEUE: usize = 1024;

/// A write that can share a transaction, and be run again if the transaction
/// fails.
pub(crate) trait Job: Send + Sync + 'static {
    /// What it finds out.
    type Outcome: Send + 'static;

    /// The id of the account that it holds until the commit; empty if none.
    fn account(&self) -> &str;

    /// Does what can be done for several jobs at once. `None` for a job that was
    /// left as it was, and is to be [run](Self::run).
    fn run_usual(
        jobs: &[&Self],
        tx: &mut Tx,
    ) -> impl Future<Output = Result<Vec<Option<Self::Outcome>>, StoreError>> + Send;

    /// Does it. An error rolls everything back.
    fn run(&self, tx: &mut Tx) -> impl Future<Output = Result<Self::Outcome, StoreError>> + Send;
}

/// The queue to the task. The task ends when this is dropped.
pub(crate) struct GroupCommit<J: Job> {
    queue: mpsc::Sender<Waiting<J>>,
}

struct Waiting<J: Job> {
    job: J,
    answer: oneshot::Sender<Result<J::Outcome, StoreError>>,
}

impl<J: Job> GroupCommit<J> {
    /// Starts the task on the present runtime.
    pub(crate) fn spawn(store: Store) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(work(store, waiting));
        Self { queue }
    }

    /// Runs `job`; when this returns `Ok`, its outcome is durable.
    pub(crate) async fn submit(&self, job: J) -> Result<J::Outcome, StoreError> {
        let gone = || StoreError::Unavailable("the issuer is shutting down".to_owned());
        let (answer, outcome) = oneshot::channel();
        self.queue
            .send(Waiting { job, answer })
            .await
            .map_err(|_| gone())?;
        outcome.await.map_err(|_| gone())?
    }
}

async fn work<J: Job>(store: Store, mut queue: mpsc::Receiver<Waiting<J>>) {
    let mut batch = Vec::new();
    while queue.recv_many(&mut batch, MAX_BATCH).await > 0 {
        // Who hung up while waiting gets nothing done.
        batch.retain(|waiting| !waiting.answer.is_closed());
        batch.sort_by(|a, b| a.job.account().cmp(b.job.account()));
        match again(|| together(&store, &batch)).await {
            Ok(outcomes) => {
                for (waiting, outcome) in batch.drain(..).zip(outcomes) {
                    let _ = waiting.answer.send(Ok(outcome));
                }
            }
            Err(StoreError::Corrupt(_)) if batch.len() > 1 => one_by_one(&store, &mut batch).await,
            Err(error) => {
                for waiting in batch.drain(..) {
                    let _ = waiting.answer.send(Err(error.clone()));
                }
            }
        }
    }
}

async fn together<J: Job>(
    store: &Store,
    batch: &[Waiting<J>],
) -> Result<Vec<J::Outcome>, StoreError> {
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let jobs: Vec<_> = batch.iter().map(|waiting| &waiting.job).collect();
    let mut tx = store.begin().await?;
    let usual = J::run_usual(&jobs, &mut tx).await?;
    let mut outcomes = Vec::with_capacity(batch.len());
    for (job, outcome) in jobs.into_iter().zip(usual) {
        outcomes.push(match outcome {
            Some(outcome) => outcome,
            None => job.run(&mut tx).await?,
        });
    }
    tx.commit().await?;
    Ok(outcomes)
}

async fn one_by_one<J: Job>(store: &Store, batch: &mut Vec<Waiting<J>>) {
    for waiting in batch.drain(..) {
        let alone = std::slice::from_ref(&waiting);
        let outcome = again(|| together(store, alone)).await;
        let outcome = outcome.and_then(|mut outcomes| {
            let missing = || StoreError::Corrupt("a job without outcome".to_owned());
            outcomes.pop().ok_or_else(missing)
        });
        let _ = waiting.answer.send(outcome);
    }
}
