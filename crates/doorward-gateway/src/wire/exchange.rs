//! What a connection and the requests on it tell each other.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::Waker,
};

use http::HeaderValue;
use tokio::time::Instant;

use super::{
    Fault,
    framing::{Framing, Scan},
    head::Head,
};
use crate::{arrival::Caller, config::Limits, hop::Introduction, tunnel::Tunnel};

/// Belongs to one connection on one thread.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Of the request that hyper has not handed out yet.
    head: Cell<Option<Head>>,
    refused: Cell<Option<Fault>>,
    request_line: RefCell<Option<(String, String)>>,
    body_fault: Cell<Option<Fault>>,
    unanswered: Cell<usize>,
    /// Whether all answers have left the HTTP library.
    is_sent: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
    idle_since: Cell<Instant>,
    aborted: Cell<bool>,
    /// The answer has begun.
    answering: Cell<bool>,
    /// Since when a piece of the answer waits for the caller. Told only where
    /// several answers share a connection.
    unread_since: Cell<Option<Instant>>,
    /// Whether several answers share the connection.
    is_shared: bool,
    /// Who asked last, as upstreams hear it: mostly the next one is the same.
    introduction: RefCell<Option<Rc<Introduction>>>,
    /// What the connection becomes when its last answer is out.
    tunnel: RefCell<Option<Tunnel>>,
}

impl Exchange {
    /// A connection that has just been accepted.
    pub(super) fn new() -> Self {
        Self {
            head: Cell::new(None),
            refused: Cell::new(None),
            request_line: RefCell::new(None),
            body_fault: Cell::new(None),
            unanswered: Cell::new(0),
            is_sent: Cell::new(true),
            waiting: RefCell::new(None),
            idle_since: Cell::new(Instant::now()),
            aborted: Cell::new(false),
            answering: Cell::new(false),
            unread_since: Cell::new(None),
            is_shared: false,
            introduction: RefCell::new(None),
            tunnel: RefCell::new(None),
        }
    }

    /// One request of an HTTP/2 connection.
    pub(crate) fn of_stream() -> Self {
        Self {
            is_shared: true,
            ..Self::new()
        }
    }

    /// `caller`, who asks for `host`, as upstreams hear it.
    pub(crate) fn introduce(&self, caller: Caller, host: &HeaderValue) -> Option<Rc<Introduction>> {
        let mut latest = self.introduction.borrow_mut();
        if !matches!(&*latest, Some(latest) if latest.is_of(caller, host)) {
            *latest = Introduction::new(caller, host).map(Rc::new);
        }
        latest.clone()
    }

    /// What the caller says next is for the tunnel, and not read as HTTP.
    pub(crate) fn open(&self, tunnel: Tunnel) {
        self.tunnel.replace(Some(tunnel));
    }

    /// The tunnel that was opened.
    pub(crate) fn take_tunnel(&self) -> Option<Tunnel> {
        self.tunnel.take()
    }

    /// Whether HTTP is over.
    pub(super) fn is_tunnel(&self) -> bool {
        self.tunnel.borrow().is_some()
    }

    /// A piece of the answer is on its way to the caller; or the next one has
    /// still to come from where the answer does.
    pub(crate) fn gave(&self, is_piece: bool) {
        if self.is_shared {
            self.unread_since.set(is_piece.then(Instant::now));
        }
    }

    /// Whether several answers share the connection.
    pub(crate) fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Since when a piece of the answer waits for the caller.
    pub(crate) fn unread_since(&self) -> Option<Instant> {
        self.unread_since.get()
    }

    /// What the lint found about the request that hyper hands out next.
    pub(crate) fn next_head(&self) -> Result<Head, Fault> {
        // Without a head and without a fault hyper saw a request that the
        // lint did not: the two disagree.
        const DISAGREED: Fault = Fault::Framing("a request in the middle of another");
        self.head
            .take()
            .ok_or_else(|| self.refused.get().unwrap_or(DISAGREED))
    }

    /// Method and path of the refused request, as far as they can be read.
    pub(crate) fn refused_line(&self) -> Option<(String, String)> {
        self.request_line.borrow_mut().take()
    }

    /// The fault in the body of the present request.
    pub(crate) fn body_fault(&self) -> Option<Fault> {
        self.body_fault.get()
    }

    /// The answer begins, perhaps before the request has ended.
    pub(crate) fn begin_answer(&self) {
        self.answering.set(true);
    }

    /// Bytes a second that are wanted of the present request's body.
    pub(crate) fn wanted_rate(&self, limits: &Limits) -> usize {
        if self.answering.get() {
            0
        } else {
            limits.slowest
        }
    }

    /// An answer has been given whole.
    pub(crate) fn answered(&self) {
        self.answering.set(false);
        self.unanswered.set(self.unanswered.get().saturating_sub(1));
        self.is_sent.set(false);
        self.idle_since.set(Instant::now());
        if let Some(reader) = self.waiting.take() {
            reader.wake();
        }
    }

    /// The answer broke off: the caller must not take it for a whole one.
    pub(crate) fn abort(&self) {
        self.aborted.set(true);
    }

    /// Follows `bytes` with `framing` and keeps the head that it finds.
    pub(super) fn scan(&self, framing: &mut Framing, bytes: &[u8], limits: &Limits) -> Scan {
        let mut found = None;
        let scan = framing.scan(bytes, limits, &mut found);
        if found.is_some() {
            self.head.set(found);
            self.unanswered.set(self.unanswered.get() + 1);
        }
        scan
    }

    /// Has `reader` woken by the next answer.
    pub(super) fn wake_when_answered(&self, reader: &Waker) {
        self.waiting.replace(Some(reader.clone()));
    }

    /// The request behind those found so far has a fault.
    pub(super) fn refuse(&self, fault: Fault, line: Option<(String, String)>) {
        self.refused.set(Some(fault));
        self.unanswered.set(self.unanswered.get() + 1);
        self.request_line.replace(line);
    }

    /// The body that is being read has a fault.
    pub(crate) fn refuse_body(&self, fault: Fault) {
        self.body_fault.set(Some(fault));
    }

    /// Whether we owe an answer.
    pub(super) fn is_unanswered(&self) -> bool {
        self.unanswered.get() > 0
    }

    /// The HTTP library has got rid of all that it had to write.
    pub(super) fn sent(&self) {
        self.is_sent.set(true);
    }

    /// Whether a part of an answer may still be on its way to the socket.
    pub(super) fn is_sent(&self) -> bool {
        self.is_sent.get()
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
