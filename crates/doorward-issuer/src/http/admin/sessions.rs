//! Sessions of users.

use doorward_policy::decision::Reason;

use super::{
    call::{Call, Said},
    shape::answer,
    users::found,
};
use crate::{http::error::Refusal, session::SessionId};

answer! {
    /// A session that has not ended.
    Session {
        /// `sid` of its tokens
        id: String,
        /// The tenant that it is for
        tenant: String,
        /// Through which client the user signed in
        client_id: String,
        /// How the user signed in (RFC 8176)
        methods: Vec<String>,
        /// Milliseconds since 1970
        created_at_ms: u64,
        /// When it was last refreshed, milliseconds since 1970
        refreshed_at_ms: u64,
    }
}

answer! {
    /// Sessions of a user.
    Sessions {
        /// The oldest first
        items: Vec<Session>,
    }
}

pub(super) async fn list(call: Call) -> Result<Said, Refusal> {
    let (user, _) = found(&call).await?;
    let now = call.issuer.clock().now();
    let sessions = call.issuer.store().live_sessions_of(&user.id, now).await?;
    let reached = sessions
        .into_iter()
        .filter(|(_, session)| call.administrator.reaches(&session.tenant).is_ok());
    let items = reached.map(|(id, session)| Session {
        id: id.to_string(),
        tenant: session.tenant.to_string(),
        client_id: session.client_id,
        methods: session.methods,
        created_at_ms: session.created_at.millis(),
        refreshed_at_ms: session.standing.rotated_at.millis(),
    });
    Said::ok(&Sessions {
        items: items.collect(),
    })
}

pub(super) async fn delete_all(call: Call) -> Result<Said, Refusal> {
    let (user, _) = found(&call).await?;
    let (admin, username) = (call.admin(), user.username.as_str());
    match call.administrator.only_tenant() {
        Some(tenant) => admin.end_sessions_in(username, tenant).await?,
        None => admin.end_sessions(username).await?,
    };
    Ok(Said::nothing())
}

pub(super) async fn delete(call: Call) -> Result<Said, Refusal> {
    let nothing = || Refusal::new(Reason::NotFound);
    let id = SessionId::parse(call.path("session")).ok_or_else(nothing)?;
    let session = call.issuer.store().session(id).await?;
    let session = session.ok_or_else(nothing)?;
    call.administrator.reaches(&session.tenant)?;
    match call.admin().end_session(id).await? {
        true => Ok(Said::nothing()),
        false => Err(nothing()),
    }
}
