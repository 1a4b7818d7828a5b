//! What a connection and the requests on it tell each other.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
};

use tokio::time::Instant;

use super::{
    Fault,
    framing::{Framing, Scan},
    head::Head,
};
use crate::config::Limits;

/// Belongs to one connection on one thread.
#[derive(Debug)]
pub(crate) struct Exchange {
    heads: RefCell<VecDeque<Head>>,
    refused: Cell<Option<Fault>>,
    request_line: RefCell<Option<(String, String)>>,
    body_fault: Cell<Option<Fault>>,
    unanswered: Cell<usize>,
    idle_since: Cell<Instant>,
    aborted: Cell<bool>,
}

impl Exchange {
    /// A connection that has just been accepted.
    pub(super) fn new() -> Self {
        Self {
            heads: RefCell::default(),
            refused: Cell::new(None),
            request_line: RefCell::new(None),
            body_fault: Cell::new(None),
            unanswered: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            aborted: Cell::new(false),
        }
    }

    /// What the lint found about the request that hyper hands out next.
    pub(crate) fn next_head(&self) -> Result<Head, Fault> {
        let head = self.heads.borrow_mut().pop_front();
        // Without a head and without a fault hyper saw a request that the
        // lint did not: the two disagree.
        const DISAGREED: Fault = Fault::Framing("a request in the middle of another");
        head.ok_or_else(|| self.refused.get().unwrap_or(DISAGREED))
    }

    /// Method and path of the refused request, as far as they can be read.
    pub(crate) fn refused_line(&self) -> Option<(String, String)> {
        self.request_line.borrow_mut().take()
    }

    /// The fault in the body of the present request.
    pub(crate) fn body_fault(&self) -> Option<Fault> {
        self.body_fault.get()
    }

    /// An answer has been given whole.
    pub(crate) fn answered(&self) {
        self.unanswered.set(self.unanswered.get().saturating_sub(1));
        self.idle_since.set(Instant::now());
    }

    /// The answer broke off: the caller must not take it for a whole one.
    pub(crate) fn abort(&self) {
        self.aborted.set(true);
    }

    /// Follows `bytes` with `framing` and keeps the heads that it finds.
    pub(super) fn scan(&self, framing: &mut Framing, bytes: &[u8], limits: &Limits) -> Scan {
        let mut heads = self.heads.borrow_mut();
        let before = heads.len();
        let scan = framing.scan(bytes, limits, &mut heads);
        let found = heads.len() - before;
        self.unanswered.set(self.unanswered.get() + found);
        scan
    }

    /// The request behind those found so far has a fault.
    pub(super) fn refuse(&self, fault: Fault, line: Option<(String, String)>) {
        self.refused.set(Some(fault));
        self.unanswered.set(self.unanswered.get() + 1);
        self.request_line.replace(line);
    }

    /// The body that is being read has a fault.
    pub(super) fn refuse_body(&self, fault: Fault) {
        self.body_fault.set(Some(fault));
    }

    /// Whether we owe an answer.
    pub(super) fn is_unanswered(&self) -> bool {
        self.unanswered.get() > 0
    }

    /// Since when nothing is asked: the last answer, or the beginning.
    pub(super) fn idle_since(&self) -> Instant {
        self.idle_since.get()
    }

    /// Whether an answer broke off.
    pub(super) fn is_aborted(&self) -> bool {
        self.aborted.get()
    }
}
