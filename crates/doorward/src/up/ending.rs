//! How a server ends: by which signals, and its parts in which order.

use doorward_gateway::BoundGateway;
use doorward_issuer::Issuer;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    task::JoinHandle,
};

use super::{Settings, screen, teller::Telling, wiring};
use crate::{
    exit::{Answer, Failure},
    output,
    traces::Exporting,
};

/// The signals that end a server.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::unreachable(format!("cannot listen for signals: {error}"))
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }
}

/// What goes on beside the gateway, and ends after it.
pub(super) struct Beside {
    pub(super) followers: Vec<JoinHandle<()>>,
    pub(super) telling: Telling,
    pub(super) exporting: Option<Exporting>,
    /// The issuer, if it is here.
    pub(super) issuer: Option<Issuer>,
}

impl Beside {
    /// Serves until a signal, and ends one after the other.
    pub(super) async fn serve(
        self,
        gateway: BoundGateway,
        signals: Signals,
        settings: &Settings,
    ) -> Result<Answer, Failure> {
        // Who follows the feed never leaves by itself.
        let close_feed = || {
            if let Some(issuer) = &self.issuer {
                issuer.close_feed();
            }
        };
        let answer = until_signal(gateway, signals, settings, close_feed).await;
        for follower in self.followers {
            follower.abort();
        }
        self.telling.finish().await;
        if let Some(exporting) = self.exporting {
            exporting.finish().await;
        }
        if let Some(issuer) = &self.issuer {
            issuer.close().await;
        }
        answer
    }
}

/// Serves until SIGINT or SIGTERM, then calls `begin_drain` and drains. A second SIGINT ends at once.
async fn until_signal(
    gateway: BoundGateway,
    signals: Signals,
    settings: &Settings,
    begin_drain: impl FnOnce(),
) -> Result<Answer, Failure> {
    let Signals {
        mut interrupt,
        mut terminate,
    } = signals;
    let (stop, stopping) = oneshot::channel::<()>();
    let mut serving = Box::pin(gateway.serve(async {
        // Dropping the sender stops it as well.
        let _ = stopping.await;
    }));
    let interrupted = tokio::select! {
        ended = &mut serving => return wiring::ended(ended),
        _ = interrupt.recv() => true,
        _ = terminate.recv() => false,
    };
    if interrupted && !settings.json {
        output::note("\n  draining; Ctrl-C again ends at once");
    }
    begin_drain();
    // Nobody listens any more when the gateway has ended by itself.
    let _ = stop.send(());
    tokio::select! {
        ended = &mut serving => wiring::ended(ended)?,
        _ = interrupt.recv() => return Ok(Answer::Interrupted),
    };
    if interrupted && !settings.json {
        output::note(screen::farewell(settings));
    }
    Ok(Answer::Yes)
}
