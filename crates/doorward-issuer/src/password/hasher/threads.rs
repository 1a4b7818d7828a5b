//! The threads that hash.
//!
//! They are none of the runtime's, because they have a lower priority than the
//! rest of the process: a flood of sign-ins waits rather than make requests and
//! refreshes wait. Half the weight beside others and not a tenth, so that other
//! programs of the machine cannot keep everybody from signing in.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread,
};

use tokio::sync::oneshot;

/// Steps below the usual priority. Of four, each takes about a fifth of the
/// weight, so that two fifths are left.
const NICENESS: i32 = 4;

type Work = Box<dyn FnOnce() + Send>;

/// Threads that are started when they are needed and end with this.
pub(super) struct Threads {
    most: usize,
    queue: mpsc::Sender<Work>,
    waiting: Arc<Mutex<mpsc::Receiver<Work>>>,
    count: Arc<Mutex<Count>>,
}

#[derive(Default)]
struct Count {
    threads: usize,
    /// Works that were given and have not ended.
    works: usize,
}

impl Threads {
    /// None yet, and never more than `most`.
    pub(super) fn new(most: usize) -> Self {
        let (queue, waiting) = mpsc::channel();
        Self {
            most,
            queue,
            waiting: Arc::new(Mutex::new(waiting)),
            count: Arc::default(),
        }
    }

    /// What `work` returns, even if nobody waits for it any more; `None` if it
    /// panicked or there is no thread for it.
    pub(super) async fn run<T, F>(&self, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        self.give(Box::new(move || drop(answer.send(work()))))?;
        outcome.await.ok()
    }

    fn give(&self, work: Work) -> Option<()> {
        let mut count = locked(&self.count);
        if count.works >= count.threads && count.threads < self.most {
            match self.start() {
                Ok(()) => count.threads += 1,
                Err(_) if count.threads > 0 => {}
                Err(_) => return None,
            }
        }
        count.works += 1;
        self.queue.send(work).ok()
    }

    fn start(&self) -> std::io::Result<()> {
        let (waiting, count) = (Arc::clone(&self.waiting), Arc::clone(&self.count));
        let serve = move || {
            step_back();
            while let Some(work) = next(&waiting) {
                // Whoever waits hears of a panic by the end of the channel.
                let _ = catch_unwind(AssertUnwindSafe(work));
                locked(&count).works -= 1;
            }
        };
        let thread = thread::Builder::new().name("hash".to_owned());
        thread.spawn(serve).map(drop)
    }
}

fn next(waiting: &Mutex<mpsc::Receiver<Work>>) -> Option<Work> {
    locked(waiting).recv().ok()
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where it cannot be done, sign-ins and the rest are equals.
#[cfg(target_os = "linux")]
fn step_back() {
    use rustix::{
        process::{getpriority_process, setpriority_process},
        thread::gettid,
    };
    // By its number, one thread is what is called a process elsewhere.
    let thread = Some(gettid());
    if let Ok(usual) = getpriority_process(thread) {
        let _ = setpriority_process(thread, usual + NICENESS);
    }
}

#[cfg(not(target_os = "linux"))]
fn step_back() {}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Barrier};

    use super::Threads;

    #[tokio::test]
    async fn as_many_at_a_time_as_threads_and_no_more_than_needed() {
        let threads = Threads::new(8);
        assert_eq!(super::locked(&threads.count).threads, 0, "none yet");
        assert_eq!(threads.run(|| 1).await, Some(1));
        let meeting = Arc::new(Barrier::new(2));
        let there = Arc::clone(&meeting);
        let (one, other) = tokio::join!(
            threads.run(move || meeting.wait()),
            threads.run(move || there.wait())
        );
        assert!(one.is_some() && other.is_some(), "they met");
        let started = super::locked(&threads.count).threads;
        // The first may not have been counted out before the next came.
        assert!((2..=3).contains(&started), "{started} for two at a time");
    }

    #[tokio::test]
    async fn a_panic_ends_a_work_and_no_thread() {
        let threads = Threads::new(1);
        for _ in 0..3 {
            assert_eq!(threads.run(|| -> u8 { panic!("a test") }).await, None);
        }
        assert_eq!(threads.run(|| 7).await, Some(7));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn they_step_back_and_nobody_else_does() {
        use rustix::{process::getpriority_process, thread::gettid};
        let priority = || getpriority_process(Some(gettid())).ok();
        let (usual, threads) = (priority(), Threads::new(1));
        let lower = threads.run(priority).await.flatten();
        assert_eq!(lower, usual.map(|usual| (usual + super::NICENESS).min(19)));
        assert_eq!(priority(), usual);
    }
}
