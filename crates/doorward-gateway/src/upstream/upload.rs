//! A request whose body has still to begin.

use std::time::Duration;

use doorward_verify::principal::Principal;
use http::{Request, Response};
use tokio::time::timeout;

use super::{
    Failure, Upstream,
    body::{Outgoing, Relayed},
    outcome::upload_failure,
    trip::Trip,
};
use crate::{internal_token, wire::Fault};

/// How long a body may be announced and not begin. Shorter than what a token for
/// the upstream has left.
const BEGINNING: Duration = Duration::from_secs(5);
const _: () = assert!(BEGINNING.as_millis() * 2 <= internal_token::LEFT_MILLIS as u128);

impl Upstream {
    /// Waits until the body has begun, so that callers who announce one and send
    /// nothing of it take no connection to the API from anybody.
    pub(super) async fn begin_upload(
        &self,
        mut request: Request<Outgoing>,
        trip: Box<Trip>,
        principal: Option<Principal>,
    ) -> Result<Response<Relayed>, Failure> {
        let begun = timeout(BEGINNING, request.body_mut().begins()).await;
        if begun.is_err() {
            trip.exchange.refuse_body(Fault::BodyTimeout);
        }
        if !begun.unwrap_or(false) {
            return Err(upload_failure(&trip));
        }
        self.review(principal.as_ref())?;
        self.connect(request, trip).await
    }

    /// Whether what was permitted a while ago still is.
    fn review(&self, principal: Option<&Principal>) -> Result<(), Failure> {
        let Some(principal) = principal else {
            return Ok(());
        };
        let shared = &self.inner.shared;
        let (verifier, now) = (shared.verifier.load(), shared.clock.now().unix());
        let reviewed = verifier.review(principal, now);
        reviewed.map_err(|reason| Failure::new(reason, "found when the body began"))
    }
}
