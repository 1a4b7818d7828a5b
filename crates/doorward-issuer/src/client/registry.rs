//! What decides about clients, in memory, and never older than the question.
//!
//! A token for a client needs its row, and under load ten thousand rows a second
//! is ten thousand statements. So the rows are kept here, and before each answer
//! one number is read that every change of a client raises in its own
//! transaction. Only who was *already waiting when that read began* gets its
//! result, so whatever was committed before a request came is seen by it, on
//! every node; and under load one read serves all who wait, as one commit does
//! in `store::group_commit`. A cache that is followed by polling would decide
//! with what was true a moment ago.

use std::{collections::HashMap, sync::Arc};

use doorward_jose::time::UnixTime;
use tokio::sync::{mpsc, oneshot};

use crate::{
    error::StoreError,
    store::{ClientHeads, ClientRow, Store},
};

/// Requests that may wait; more wait outside.
const QUEUE: usize = 4096;

/// The queue to the task. The task ends when this is dropped.
pub(crate) struct Registry {
    questions: mpsc::Sender<Question>,
}

type Question = oneshot::Sender<Result<Arc<Picture>, StoreError>>;

/// Every client as of one read.
pub(crate) struct Picture {
    heads: ClientHeads,
    clients: HashMap<String, Arc<ClientRow>>,
}

impl Picture {
    /// The client of this id, unless it is removed.
    pub(crate) fn get(&self, id: &str) -> Option<&ClientRow> {
        self.clients.get(id).map(|row| &**row)
    }

    /// Everybody's access tokens issued before are refused.
    pub(crate) fn all_tokens_from(&self) -> UnixTime {
        self.heads.all_tokens_from
    }
}

impl Registry {
    /// Starts the task on the present runtime. Nothing is read before the first
    /// question.
    pub(crate) fn spawn(store: Store) -> Self {
        let (questions, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(answer(store, waiting));
        Self { questions }
    }

    /// The clients as they are now: with every change that was committed before
    /// this was called.
    pub(crate) async fn present(&self) -> Result<Arc<Picture>, StoreError> {
        let gone = || StoreError::Unavailable("the issuer is shutting down".to_owned());
        let (question, picture) = oneshot::channel();
        self.questions.send(question).await.map_err(|_| gone())?;
        picture.await.map_err(|_| gone())?
    }
}

async fn answer(store: Store, mut questions: mpsc::Receiver<Question>) {
    let mut known: Option<Arc<Picture>> = None;
    let mut waiting = Vec::new();
    while questions.recv_many(&mut waiting, QUEUE).await > 0 {
        let picture = present(&store, known.as_ref()).await;
        if let Ok(picture) = &picture {
            known = Some(Arc::clone(picture));
        }
        for question in waiting.drain(..) {
            // Who hung up needs no answer.
            let _ = question.send(picture.clone());
        }
    }
}

async fn present(store: &Store, known: Option<&Arc<Picture>>) -> Result<Arc<Picture>, StoreError> {
    let heads = store.client_heads().await?;
    // A number that went back, or is of another epoch, says nothing about what
    // was read before: the database was put back.
    let same_line = known
        .filter(|known| known.heads.epoch == heads.epoch && known.heads.change <= heads.change);
    let (mut clients, after) = match same_line {
        Some(known) if known.heads == heads => return Ok(Arc::clone(known)),
        Some(known) => (known.clients.clone(), known.heads.change),
        None => (HashMap::new(), 0),
    };
    if after < heads.change {
        // May hold later changes than the heads say; those are read again.
        for row in store.clients_after(after).await? {
            let id = row.id.as_str().to_owned();
            match row.removed_at {
                Some(_) => clients.remove(&id),
                None => clients.insert(id, Arc::new(row)),
            };
        }
    }
    Ok(Arc::new(Picture { heads, clients }))
}
