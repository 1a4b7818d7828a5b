//! How far a request has gone out.

use std::{
    cell::Cell,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use crate::wire::stall::Stall;

/// How far the request has gone out.
#[derive(Clone, Debug)]
pub(super) struct Sending {
    /// When it was sent, as far as it was all there.
    since: Cell<Instant>,
    /// Of the body, if there is one.
    upload: Option<Rc<Progress>>,
}

#[derive(Debug)]
struct Progress {
    moved: Cell<Instant>,
    state: Cell<UploadState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UploadState {
    /// All of it is out.
    Done,
    Running,
    /// Nothing to send at present: the caller has to go on.
    Waiting,
    Failed,
}

impl Sending {
    /// A request without a body, sent at `now`.
    pub(super) fn nothing(now: Instant) -> Self {
        Self {
            since: Cell::new(now),
            upload: None,
        }
    }

    /// A request with a body, whose head is sent at `now`.
    pub(super) fn upload(now: Instant) -> Self {
        let (moved, state) = (Cell::new(now), Cell::new(UploadState::Running));
        Self {
            upload: Some(Rc::new(Progress { moved, state })),
            ..Self::nothing(now)
        }
    }

    fn state(&self) -> UploadState {
        let upload = self.upload.as_ref();
        upload.map_or(UploadState::Done, |upload| upload.state.get())
    }

    pub(super) fn upload_failed(&self) -> bool {
        self.state() == UploadState::Failed
    }

    /// Whether nothing is left to send, so that the connection can be reused.
    pub(super) fn is_done(&self) -> bool {
        self.state() == UploadState::Done
    }

    pub(super) fn set(&self, state: UploadState) {
        if let Some(upload) = &self.upload {
            upload.state.set(state);
            upload.moved.set(Instant::now());
        }
    }

    pub(super) fn touch(&self) {
        self.since.set(Instant::now());
    }

    /// Whether it was sent less than `time` ago.
    pub(super) fn is_recent(&self, time: Duration) -> bool {
        self.since.get().elapsed() < time
    }

    /// Ready when the upstream has been silent for `limit` although it had
    /// everything that there was: a slow upload is not a slow upstream.
    pub(super) fn poll_silent(
        &self,
        limit: Duration,
        stall: &mut Stall,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let since = match &self.upload {
            None => self.since.get(),
            Some(upload) if upload.state.get() == UploadState::Waiting => Instant::now(),
            Some(upload) => self.since.get().max(upload.moved.get()),
        };
        stall.poll(cx, since + limit)
    }
}
