//! What the operator asks: the admin listener of a server, and the tokens that
//! open it.

use std::{net::TcpListener as Bound, path::Path, sync::Arc};

use doorward_gateway::Gateway;
use doorward_issuer::Issuer;
use tokio::net::TcpListener;

use super::{Settings, annotator::Annotator, candidate::Candidate, home::Home, wiring};
use crate::{
    admin_listener::{
        self, Admin, OperatorToken,
        connections::{self, Bounds},
    },
    data_folder::DataFolder,
    exit::Failure,
    journal::Journal,
    metrics::Metrics,
};

/// What is asked about.
pub(super) struct Operated<'a> {
    pub(super) settings: &'a Settings,
    pub(super) home: &'a Home,
    pub(super) gateway: Gateway,
    pub(super) metrics: Metrics,
    pub(super) candidate: &'a Candidate,
    pub(super) journal: &'a Arc<Journal>,
    pub(super) annotator: &'a Arc<Annotator>,
}

impl Operated<'_> {
    /// Answers at `listener`.
    pub(super) fn serve(self, listener: Bound) -> Result<(), Failure> {
        let folder = &self.settings.folder;
        let admin = Admin {
            journal: Arc::clone(self.journal),
            operator_token: kept_token(folder, &folder.operator_token())?,
            metrics_token: kept_token(folder, &folder.metrics_token())?,
            metrics: self.metrics.boxed(),
            ready: self.home.readiness(),
            judge: wiring::judge(self.gateway),
            shadow: self.candidate.shown(),
            api: self
                .home
                .issuer()
                .map_or_else(Default::default, Issuer::admin_router),
            annotate: self.annotator.boxed(),
        };
        serve_admin(listener, admin)
    }
}

/// The token in `file` of the folder, made if it is not there.
fn kept_token(folder: &DataFolder, file: &Path) -> Result<OperatorToken, Failure> {
    if let Some(token) = folder
        .read(file)?
        .as_deref()
        .map(str::trim)
        .and_then(OperatorToken::parse)
    {
        return Ok(token);
    }
    let token = OperatorToken::generate(wiring::random());
    folder.write(file, token.reveal())?;
    Ok(token)
}

fn serve_admin(listener: Bound, admin: Admin) -> Result<(), Failure> {
    let listener = TcpListener::from_std(listener)
        .map_err(|error| Failure::unreachable(format!("the admin listener: {error}")))?;
    let router = admin_listener::router(Arc::new(admin));
    tokio::spawn(connections::serve(listener, router, Bounds::default()));
    Ok(())
}
