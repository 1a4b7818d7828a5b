//! Everything in force, for who begins.
//!
//! Making one reads all entries and signs them page by page: work that
//! strangers can ask for. So one is made at a time and serves all who ask, for
//! at least a second and for twenty times as long as it took. Nor may strangers
//! decide how many are in memory: a reader who is still at one that several
//! have followed is cut off, and begins anew.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
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

/// How many are kept for those who still read them: at least so many seconds,
/// and for a large one minutes.
const KEPT: usize = 8;

/// The last ones, the newest at the end. Nobody else keeps one.
#[derive(Default)]
pub(crate) struct Snapshots(Mutex<VecDeque<Made>>);

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
        let mut kept = self.feed().snapshots.0.lock().await;
        let (source, tag) = self.snapshot_source()?;
        if let Some(made) = kept.back()
            && (made.snapshot.tag == tag
                || made.at.elapsed() < made.serves_for && same_line(&made.snapshot.tag, &tag))
        {
            return Ok(Arc::clone(&made.snapshot));
        }
        let began = Instant::now();
        let snapshot = Arc::new(self.make_snapshot(source, tag).await?);
        let made = Made {
            snapshot: Arc::clone(&snapshot),
            at: Instant::now(),
            serves_for: SHORTEST.max(began.elapsed() * COSTS),
        };
        keep(&mut kept, made);
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

fn keep<T>(kept: &mut VecDeque<T>, made: T) {
    if kept.len() == KEPT {
        kept.pop_front();
    }
    kept.push_back(made);
}

/// One reader's way through a snapshot, which this does not keep alive.
#[derive(Debug)]
pub(crate) struct Reading {
    snapshot: Weak<Snapshot>,
    next: usize,
    pages: usize,
}

/// The snapshot that was being read has been replaced too often.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot is out of date: ask for the present one")]
pub(crate) struct OutOfDate;

impl Reading {
    pub(crate) fn of(snapshot: &Arc<Snapshot>) -> Self {
        Self {
            snapshot: Arc::downgrade(snapshot),
            next: 0,
            pages: snapshot.pages.len(),
        }
    }
}

impl Iterator for Reading {
    type Item = Result<Bytes, OutOfDate>;

    /// The next page; none after the last.
    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.pages {
            return None;
        }
        let Some(snapshot) = self.snapshot.upgrade() else {
            return Some(Err(OutOfDate));
        };
        let page = snapshot.pages.get(self.next)?;
        self.next += 1;
        Some(Ok(page.clone()))
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

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Arc};

    use bytes::Bytes;

    use super::{KEPT, OutOfDate, Reading, Snapshot, keep};

    fn snapshot() -> Arc<Snapshot> {
        Arc::new(Snapshot {
            pages: vec![Bytes::from_static(b"one\n"), Bytes::from_static(b"two\n")],
            tag: String::new(),
        })
    }

    #[test]
    fn a_reader_gets_every_page() {
        let snapshot = snapshot();
        let read: Vec<_> = Reading::of(&snapshot).collect();
        assert_eq!(read, [Ok("one\n".into()), Ok("two\n".into())]);
    }

    #[test]
    fn slow_readers_keep_no_more_snapshots_than_are_kept_anyway() {
        let mut kept = VecDeque::new();
        let mut readers = Vec::new();
        for _ in 0..KEPT + 3 {
            let snapshot = snapshot();
            let mut reading = Reading::of(&snapshot);
            assert_eq!(reading.next(), Some(Ok("one\n".into())));
            readers.push(reading);
            keep(&mut kept, snapshot);
        }
        assert_eq!(kept.len(), KEPT);
        let next: Vec<_> = readers.iter_mut().map(|reader| reader.next()).collect();
        assert!(next[..3].iter().all(|page| *page == Some(Err(OutOfDate))));
        assert!(
            next[3..]
                .iter()
                .all(|page| *page == Some(Ok("two\n".into())))
        );
    }
}
