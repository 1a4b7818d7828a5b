//! The parent's end of a [`worker`](crate::worker).

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::{disk::Disk, worker::setting};

/// A worker that says nothing for this long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running worker. Killed when it is dropped.
pub(crate) struct Node {
    child: Child,
    orders: ChildStdin,
    answers: mpsc::Receiver<(u64, Answer)>,
    sent: u64,
    /// How long it took until it answered.
    pub(crate) started_in: Duration,
}

/// What a worker says to an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done(String),
    No(String),
    /// It failed, or the process died first: either may be true.
    Unknown(String),
}

impl Node {
    /// Starts a worker on `folder` and waits until it is open.
    pub(crate) fn start(
        folder: &Path,
        database: Option<&str>,
        disk: &Disk,
        mistake: Option<&str>,
        now: u64,
    ) -> Result<Self, String> {
        let begun = Instant::now();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["worker::worker", "--exact", "--ignored", "--nocapture"])
            .env(setting::FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(url) = database {
            command.env(setting::DATABASE, url);
        }
        if let Some(mistake) = mistake {
            command.env(mistake, "1");
        }
        disk.put_under(&mut command);
        let mut child = command.spawn().unwrap();
        let orders = child.stdin.take().unwrap();
        let answers = listen(&mut child);
        let mut node = Self {
            child,
            orders,
            answers,
            sent: 0,
            started_in: Duration::ZERO,
        };
        let _ = writeln!(node.orders, "0 {now}");
        let opened = node.wait_for(&[0]);
        node.started_in = begun.elapsed();
        match &opened[&0] {
            Answer::Done(_) => Ok(node),
            other => Err(format!(
                "it does not start again: {other:?}{}",
                node.last_words()
            )),
        }
    }

    /// Sends an order; its number.
    pub(crate) fn send(&mut self, now: u64, order: &str) -> u64 {
        self.sent += 1;
        // To one that is dead nothing can be sent, and it will not answer.
        let _ = writeln!(self.orders, "{} {now} {order}", self.sent);
        self.sent
    }

    /// Sends an order and waits for the answer.
    pub(crate) fn ask(&mut self, now: u64, order: &str) -> Answer {
        let id = self.send(now, order);
        self.wait_for(&[id]).remove(&id).unwrap()
    }

    /// The answers to orders, as far as they come before the process ends.
    pub(crate) fn wait_for(&mut self, ids: &[u64]) -> BTreeMap<u64, Answer> {
        self.wait_until(ids, Instant::now() + PATIENCE)
            .unwrap_or_else(|| panic!("the worker hangs"))
    }

    /// The same, and kills it after a while.
    pub(crate) fn wait_and_kill(&mut self, ids: &[u64], after: Duration) -> BTreeMap<u64, Answer> {
        let mut answers = self.gather(ids, Instant::now() + after).0;
        self.child.kill().unwrap();
        // What it said before it died was said.
        for (id, answer) in self.wait_for(ids) {
            answers.entry(id).or_insert(answer);
        }
        answers
    }

    fn wait_until(&mut self, ids: &[u64], end: Instant) -> Option<BTreeMap<u64, Answer>> {
        let (mut answers, gone) = self.gather(ids, end);
        if answers.len() < ids.len() && !gone {
            return None;
        }
        for id in ids {
            let died = || Answer::Unknown("it died".to_owned());
            answers.entry(*id).or_insert_with(died);
        }
        Some(answers)
    }

    /// What comes until `end`, and whether nothing more can come.
    fn gather(&mut self, ids: &[u64], end: Instant) -> (BTreeMap<u64, Answer>, bool) {
        let mut answers = BTreeMap::new();
        while answers.len() < ids.len() {
            let left = end.saturating_duration_since(Instant::now());
            match self.answers.recv_timeout(left) {
                Ok((id, answer)) if ids.contains(&id) => drop(answers.insert(id, answer)),
                // Said twice, by one that answers early.
                Ok(_) => {}
                Err(mpsc::RecvTimeoutError::Timeout) => return (answers, false),
                Err(mpsc::RecvTimeoutError::Disconnected) => return (answers, true),
            }
        }
        (answers, false)
    }

    /// `kill -9`, if it is not dead already, which nothing else may have been.
    pub(crate) fn kill(mut self) -> Result<(), String> {
        let _ = self.child.kill();
        let status = self.child.wait().unwrap();
        match status.signal() {
            Some(9) => Ok(()),
            _ => Err(format!(
                "it ended of itself ({status}): {}",
                self.last_words()
            )),
        }
    }

    fn last_words(&mut self) -> String {
        let mut words = String::new();
        let mut stream = self.child.stderr.take().unwrap();
        let _ = std::io::Read::read_to_string(&mut stream, &mut words);
        words
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(child: &mut Child) -> mpsc::Receiver<(u64, Answer)> {
    let (sender, receiver) = mpsc::channel();
    let out = BufReader::new(child.stdout.take().unwrap());
    thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            let Some((id, text)) = line.strip_prefix('@').and_then(|line| line.split_once(' '))
            else {
                continue;
            };
            let (word, text) = text.split_once(' ').unwrap_or((text, ""));
            let text = text.to_owned();
            let answer = match word {
                "ok" => Answer::Done(text),
                "no" => Answer::No(text),
                _ => Answer::Unknown(text),
            };
            if sender.send((id.parse().unwrap(), answer)).is_err() {
                return;
            }
        }
    });
    receiver
}
