//! The audit log: who changed what, written with the change.
//!
//! An entry is written in the transaction of its change, so neither exists
//! without the other. What happens thousands of times a second and changes no
//! right is not an entry: a rotation of a refresh token is recorded by the
//! session's own row (generation and time). Secrets never appear here, not
//! even hashed.
//!
//! Not here yet: the tree over the entries that makes tampering evident. The
//! numbering (commit order, no gaps) is made for it.

use doorward_verify::clock::Timestamp;
use serde_json::Value;

use crate::{
    client::ClientId, error::StoreError, issuer::Issuer, session::SessionId, tenant::TenantName,
    user::UserId,
};

/// Who does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// What kind of actor.
    pub kind: ActorKind,
    /// Its id: a `sub`, an operating system user, a client id.
    pub id: String,
}

/// What kind of actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ActorKind {
    /// Doorward itself.
    System,
    /// Somebody at the command line of this machine.
    Operator,
    /// A user: on their own account, or as an administrator.
    User,
    /// A service client.
    Client,
    /// Somebody who has the text of an API key, and nothing else is known of.
    ApiKey,
}

impl Actor {
    /// This actor, at `at`.
    pub(crate) const fn at(&self, at: Timestamp) -> Stamp<'_> {
        Stamp { actor: self, at }
    }

    /// Doorward itself.
    pub fn system() -> Self {
        Self {
            kind: ActorKind::System,
            id: "doorward".to_owned(),
        }
    }

    /// Somebody at the command line of this machine.
    pub fn operator(id: impl Into<String>) -> Self {
        Self {
            kind: ActorKind::Operator,
            id: id.into(),
        }
    }

    /// A user, on their own account.
    pub fn user(id: &UserId) -> Self {
        Self {
            kind: ActorKind::User,
            id: id.to_string(),
        }
    }
}

impl Actor {
    /// A service client, by its `client_id`.
    pub(crate) fn client(id: &str) -> Self {
        Self {
            kind: ActorKind::Client,
            id: id.to_owned(),
        }
    }
}

impl Actor {
    /// Somebody with the text of the API key of this id.
    pub(crate) fn api_key(id: &str) -> Self {
        Self {
            kind: ActorKind::ApiKey,
            id: id.to_owned(),
        }
    }
}

impl ActorKind {
    /// Stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Operator => "operator",
            Self::User => "user",
            Self::Client => "client",
            Self::ApiKey => "api_key",
        }
    }
}

/// An entry as it was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its number: commit order, no gaps.
    pub seq: u64,
    /// When, milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// In which tenant, if in one.
    pub tenant: Option<String>,
    /// What kind of actor.
    pub actor_kind: String,
    /// Which actor.
    pub actor_id: String,
    /// What was done, `object.verb`.
    pub action: String,
    /// What kind of thing it was done to.
    pub object_kind: String,
    /// Which one.
    pub object_id: String,
    /// In which session.
    pub session: Option<String>,
    /// `done` or `refused`.
    pub outcome: String,
    /// More, a JSON object.
    pub detail: String,
}

/// Who, and when.
#[derive(Clone, Copy)]
pub(crate) struct Stamp<'a> {
    pub(crate) actor: &'a Actor,
    pub(crate) at: Timestamp,
}

/// An entry to be written.
pub(crate) struct AuditEntry<'a> {
    pub(crate) stamp: Stamp<'a>,
    pub(crate) action: Action,
    pub(crate) object: Object<'a>,
    pub(crate) tenant: Option<&'a TenantName>,
    pub(crate) session: Option<SessionId>,
    pub(crate) detail: Value,
}

impl<'a> AuditEntry<'a> {
    /// An entry without tenant, session and detail.
    pub(crate) fn new(stamp: Stamp<'a>, action: Action, object: Object<'a>) -> Self {
        let detail = Value::Object(serde_json::Map::new());
        Self {
            stamp,
            action,
            object,
            tenant: None,
            session: None,
            detail,
        }
    }

    pub(crate) fn tenant(self, tenant: &'a TenantName) -> Self {
        Self {
            tenant: Some(tenant),
            ..self
        }
    }

    pub(crate) fn session(self, session: SessionId) -> Self {
        Self {
            session: Some(session),
            ..self
        }
    }

    pub(crate) fn detail(self, detail: Value) -> Self {
        Self { detail, ..self }
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $outcome:literal;)+) => {
        /// What was done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Action {
            $($(#[$doc])* $name,)+
        }

        impl Action {
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            pub(crate) const fn outcome(self) -> &'static str {
                match self { $(Self::$name => $outcome,)+ }
            }
        }
    };
}

actions! {
    /// The database was copied to a file.
    InstallationBackUp = "installation.back_up", "done";
    /// A backup was put back, and a new epoch begun.
    InstallationRestore = "installation.restore", "done";
    InstallationCreate = "installation.create", "done";
    /// The store was found in an older state; every session was ended.
    InstallationRolledBack = "installation.rolled_back", "done";
    TenantAdd = "tenant.add", "done";
    UserAdd = "user.add", "done";
    /// A batch of an import: users who were not there.
    UserImport = "user.import", "done";
    /// An import came to its end.
    ImportEnd = "installation.import", "done";
    /// Every user was read out, maybe with the password hashes.
    Export = "installation.export", "done";
    UserDisable = "user.disable", "done";
    UserEnable = "user.enable", "done";
    /// Attributes were set or taken away: the new values, null for those that went.
    UserAttributes = "user.attributes", "done";
    UserPassword = "user.password", "done";
    /// Same password, current hashing parameters.
    UserRehash = "user.rehash", "done";
    UserEndSessions = "user.end_sessions", "done";
    RoleGrant = "role.grant", "done";
    RoleRevoke = "role.revoke", "done";
    /// An operator made a token with which a user sets a password.
    PasswordResetIssue = "password_reset.issue", "done";
    /// It was used.
    PasswordReset = "password_reset.use", "done";
    /// A secret was drawn that does not count yet.
    SecondFactorBegin = "second_factor.begin", "done";
    SecondFactorConfirm = "second_factor.confirm", "done";
    SecondFactorRemove = "second_factor.remove", "done";
    /// A wrong code, or one that was used before.
    SecondFactorRefuse = "second_factor.refuse", "refused";
    RecoveryCodesRenew = "recovery_codes.renew", "done";
    RecoveryCodeUse = "recovery_code.use", "done";
    SessionStart = "session.start", "done";
    SessionEnd = "session.end", "done";
    /// A used refresh token came back; the session was ended.
    RefreshReuse = "refresh.reuse", "refused";
    /// A genuine refresh token came from another client.
    RefreshWrongClient = "refresh.wrong_client", "refused";
    TokenMint = "token.mint", "done";
    TokenRevoke = "token.revoke", "done";
    /// Every access token was refused; sessions went on.
    TokenExpireAll = "token.expire_all", "done";
    ClientAdd = "client.add", "done";
    ClientDisable = "client.disable", "done";
    ClientEnable = "client.enable", "done";
    ClientSecretRotate = "client.secret_rotate", "done";
    ClientRemove = "client.remove", "done";
    ApiKeyAdd = "api_key.add", "done";
    ApiKeyRotate = "api_key.rotate", "done";
    ApiKeyRevoke = "api_key.revoke", "done";
    KeyPublish = "key.publish", "done";
    KeyActivate = "key.activate", "done";
    KeyRetire = "key.retire", "done";
    KeyDestroy = "key.destroy", "done";
    KeyWithdraw = "key.withdraw", "done";
    /// Permissions got numbers, by which tokens name them.
    PermissionsNumber = "installation.permissions_number", "done";
    /// A master key opens the database from here on.
    MasterKeyAdd = "master_key.add", "done";
    /// It does not any more.
    MasterKeyRetire = "master_key.retire", "done";
    /// Every row that gives a right got its MAC.
    RowsBind = "installation.rows_bind", "done";
    /// Somebody else wrote a row of the database; it counts for nothing.
    RowRefused = "row.refused", "refused";
}

/// What it was done to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Object<'a> {
    Installation,
    Tenant(&'a TenantName),
    User(&'a UserId),
    Client(&'a ClientId),
    ApiKey(&'a str),
    Session(SessionText<'a>),
    Token(&'a str),
    Key(&'a str),
    /// By its fingerprint.
    MasterKey(&'a str),
    /// A row of the database, by its table.
    Row(&'static str, &'a str),
}

/// A session id as text; the text lives with the caller.
type SessionText<'a> = &'a str;

impl<'a> Object<'a> {
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Installation => "installation",
            Self::Tenant(_) => "tenant",
            Self::User(_) => "user",
            Self::Client(_) => "client",
            Self::ApiKey(_) => "api_key",
            Self::Session(_) => "session",
            Self::Token(_) => "token",
            Self::Key(_) => "key",
            Self::MasterKey(_) => "master_key",
            Self::Row(table, _) => table,
        }
    }

    pub(crate) fn id(self) -> &'a str {
        match self {
            Self::Installation => "1",
            Self::Tenant(name) => name.as_str(),
            Self::User(id) => id.as_str(),
            Self::Client(id) => id.as_str(),
            Self::Session(id)
            | Self::Token(id)
            | Self::Key(id)
            | Self::MasterKey(id)
            | Self::ApiKey(id)
            | Self::Row(_, id) => id,
        }
    }
}

impl Issuer {
    /// Audit entries after number `cursor`, oldest first, at most `limit`.
    pub async fn audit_after(
        &self,
        cursor: u64,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        self.store().audit_after(cursor, limit).await
    }
}
