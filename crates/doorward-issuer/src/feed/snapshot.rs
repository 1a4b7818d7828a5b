//! Everything in force, for who begins.
//!
//! Making one reads all entries and signs them page by page: work that
//! strangers can ask for. So one is made at a time and serves all who ask, for
//! at least a second and for twenty times as long as it took.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::Mutex;

use super::{NoAnswer, log};
use crate::issuer::Issuer;

/// Expired entries are still told for so long, seconds: by a slower clock they
/// have not.
const LINGER: u64 = 60;

/// A snapshot serves for this long, and for so many times its own cost.
const SHORTEST: Duration = Duration::from_secs(1);
const COSTS: u32 = 20;

/// The last one.
#[derive(Default)]
pub(crate) struct Snapshots(Mutex<Option<Made>>);

struct Made {
    snapshot: Arc<Snapshot>,
    at: Instant,
    serves_for: Duration,
}

/// Signed pages, one a line, and the name of their content.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) pages: Vec<Bytes>,
    pub(crate) tag: String,
}

impl Issuer {
    /// The present snapshot, or one that is young enough.
    pub(crate) async fn feed_snapshot(&self) -> Result<Arc<Snapshot>, NoAnswer> {
        let mut last = self.feed().snapshots.0.lock().await;
        let (source, tag) = self.snapshot_source()?;
        if let Some(made) = &*last
            && (made.snapshot.tag == tag
                || made.at.elapsed() < made.serves_for && same_line(&made.snapshot.tag, &tag))
        {
            return Ok(Arc::clone(&made.snapshot));
        }
        let began = Instant::now();
        let snapshot = Arc::new(self.make_snapshot(source, tag).await?);
        *last = Some(Made {
            snapshot: Arc::clone(&snapshot),
            at: Instant::now(),
            serves_for: SHORTEST.max(began.elapsed() * COSTS),
        });
        Ok(snapshot)
    }

    fn snapshot_source(&self) -> Result<(Source, String), NoAnswer> {
        let live = self.feed().live();
        let log = live.log.as_ref().ok_or(NoAnswer::Silent)?;
        if live.is_silent(self.clock().now()) {
            return Err(NoAnswer::Silent);
        }
        let source = Source {
            speaker: log.speaker().clone(),
            at: log.head(),
            chain: log.chain().clone(),
            as_of: log.as_of(),
        };
        let tag = format!("\"{}.{}.{}\"", source.speaker.epoch, log.kid(), source.at);
        Ok((source, tag))
    }

    async fn make_snapshot(&self, source: Source, tag: String) -> Result<Snapshot, NoAnswer> {
        let now = self.clock().now().unix().as_secs();
        let alive_at = doorward_jose::time::UnixTime::from_secs(now.saturating_sub(LINGER));
        let entries = self.store().revocations_up_to(source.at, alive_at).await;
        let entries = entries.map_err(|_| NoAnswer::Silent)?;
        let picture = self.key_ring().picture();
        // A hundred thousand entries are some seconds of signing.
        let signed = tokio::task::spawn_blocking(move || {
            let key = picture.signing.as_ref().ok_or(NoAnswer::Silent)?;
            let place = (source.at, &source.chain);
            log::pages(&source.speaker, place, &entries, key, source.as_of)
                .map_err(|_| NoAnswer::Silent)
        });
        let pages = signed.await.map_err(|_| NoAnswer::Silent)??;
        Ok(Snapshot { pages, tag })
    }
}

/// Where a snapshot is taken.
struct Source {
    speaker: log::Speaker,
    at: i64,
    chain: doorward_verify::revocation::feed::message::Chain,
    as_of: doorward_verify::clock::Timestamp,
}

/// Whether two tags are of one epoch and one key.
fn same_line(one: &str, other: &str) -> bool {
    let line = |tag: &str| tag.rsplit_once('.').map(|(line, _)| line.to_owned());
    line(one) == line(other)
}
