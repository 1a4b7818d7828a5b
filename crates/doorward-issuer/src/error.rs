//! Errors of this room: one enum per family of operations, by blame.
//!
//! None of them carries a secret, and none is told to a caller as it stands:
//! `http` picks status and words.

use doorward_jose::claims::AccessClaims;
use doorward_policy::permission::PermissionError;

use crate::{
    admin::{ApiKeyProblem, Difference},
    attribute::AttributeError,
    client::{ClientName, ClientNameError},
    master_key::{Fingerprint, MasterKeyError},
    password::{HashError, HashingError, WeakPassword},
    refresh_token::ReuseKind,
    role_grant::UnknownRole,
    tenant::{TenantName, TenantNameError},
    user::{Username, UsernameError},
};

/// The store did not do it. Nothing was changed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Locked, read-only, full or gone: worth another try later (503).
    #[error("the database cannot be used now: {0}")]
    Unavailable(String),
    /// Other writers were in the way at every try: worth another try (503).
    #[error("the database is too busy now: {0}")]
    Contended(String),
    /// What is stored cannot be: another try will not help (500).
    #[error("the database holds something impossible: {0}")]
    Corrupt(String),
}

impl StoreError {
    pub(crate) fn no_installation() -> Self {
        Self::Corrupt("there is no installation row".to_owned())
    }
}

/// The issuer did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A setting is out of bounds.
    #[error("{0}")]
    Config(String),
    /// The hashing settings are out of bounds.
    #[error(transparent)]
    Hashing(#[from] HashingError),
    /// The master key cannot be read or may be read by others.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// The database opens with other master keys.
    #[error(
        "the master key {fingerprint} does not fit this database{}; put back the master.key that \
         belongs to it (nothing was changed)",
        any_of(", which opens with ", opens)
    )]
    WrongMasterKey {
        /// The one that was tried.
        fingerprint: Fingerprint,
        /// Those that open it; none if the database does not say.
        opens: Vec<Fingerprint>,
    },
    /// It opened the database once.
    #[error(
        "the master key {fingerprint} of this database was retired{}; put the master.key that \
         opens it in its place (nothing was changed)",
        any_of(", and it opens with ", opens)
    )]
    RetiredMasterKey {
        /// The one that was tried.
        fingerprint: Fingerprint,
        /// Those that open the database.
        opens: Vec<Fingerprint>,
    },
    /// The master key is one of this database, but the root key does not open.
    #[error(
        "the root key of this database is damaged, or somebody else put it there: it does not \
         open under the master key {fingerprint}; restore the database from a backup (nothing \
         was changed)"
    )]
    DamagedRootKey {
        /// The one that was tried.
        fingerprint: Fingerprint,
    },
    /// The master key fits, but a sealed key does not open: the row is damaged.
    #[error("signing key {kid} in the database is damaged; restore the database from a backup")]
    DamagedKey {
        /// Which one.
        kid: String,
    },
    /// A newer Doorward wrote this database.
    #[error(
        "the database has version {found}, and this Doorward knows versions up to {known}; \
         use a newer Doorward"
    )]
    TooNew {
        /// Version of the database.
        found: i64,
        /// Newest version we know.
        known: i64,
    },
    /// The server is older than what Doorward is tested on.
    #[error(
        "the server is {found}, and Doorward needs PostgreSQL {} or newer; upgrade it first \
         (nothing was changed)",
        crate::store::OLDEST_POSTGRES
    )]
    OldServer {
        /// What it calls itself.
        found: String,
    },
    /// A migration that was applied differs from the one in this binary.
    #[error("migration {version} of the database is not the one that this Doorward knows")]
    ForeignMigration {
        /// Which one.
        version: i64,
    },
    /// The files cannot be created or are open to others.
    #[error("{0}")]
    Files(String),
    /// No key could be made.
    #[error("a signing key cannot be made: {0}")]
    Key(String),
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The part of a message that names the keys that are needed.
fn any_of(words: &str, opens: &[Fingerprint]) -> String {
    let keys: Vec<_> = opens.iter().map(ToString::to_string).collect();
    match keys[..] {
        [] => String::new(),
        _ => format!("{words}{}", keys.join(" or ")),
    }
}

/// A change of the master keys that was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MasterKeyChangeError {
    /// It never opened this database.
    #[error("no master key {0} opens this database")]
    NoSuch(Fingerprint),
    /// It is the one that the database was opened with.
    #[error("the master key {0} is the one of this data folder")]
    InUse(Fingerprint),
    /// It opened the database once.
    #[error("the master key {0} was retired, and does not come back")]
    Retired(Fingerprint),
    /// It is the one that the database was opened with, before it was retired.
    #[error("the master key {0}, with which the database was opened, was retired meanwhile")]
    OursRetired(Fingerprint),
}

/// No access token was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// The token would be larger than verifiers and proxies take.
    #[error(
        "the access token would have {size} bytes, more than {limit}; \
         most of it is the claim `{claim}`: {}",
        room_for(claim)
    )]
    TooLarge {
        /// What it would have.
        size: usize,
        /// What it may have.
        limit: usize,
        /// The claim to blame.
        claim: String,
    },
    /// The signature failed.
    #[error("the access token cannot be signed")]
    Signing,
    /// The ring has no key that signs.
    #[error("there is no signing key; make one with `doorward key rotate`")]
    NoSigningKey,
}

/// What makes room in a token of which most is this claim.
fn room_for(claim: &str) -> &'static str {
    match claim {
        "permissions" | "permission_set" | "roles" => {
            "give the holder fewer or wider permissions in this tenant"
        }
        "iss" | "aud" => {
            "give it a shorter name, or allow larger tokens with `max_bytes` of [tokens]"
        }
        _ if AccessClaims::NAMED.contains(&claim) => {
            "allow larger tokens with `max_bytes` of [tokens]"
        }
        _ => {
            "give the attribute that it holds a shorter value, or take the claim out of \
             [tokens.claims]"
        }
    }
}

/// No session began.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The account was disabled or changed while the password was checked.
    #[error("the account changed during sign-in")]
    AccountChanged,
    /// The user does not belong to the tenant.
    #[error("the user does not belong to tenant {0}")]
    NotAMember(TenantName),
    /// No access token.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// No new tokens. All but the store and the mint are `invalid_grant`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// Unknown, forged, expired, ended, another client's, or its user is gone.
    #[error("the refresh token is not valid")]
    Invalid,
    /// It was used before: its session is over.
    #[error("a used refresh token came back ({0}); its session is revoked")]
    Reused(ReuseKind),
    /// No access token.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An administrative change was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// Not a user name.
    #[error(transparent)]
    Username(#[from] UsernameError),
    /// Not a tenant name.
    #[error(transparent)]
    TenantName(#[from] TenantNameError),
    /// Not a role of the configuration.
    #[error(transparent)]
    UnknownRole(#[from] UnknownRole),
    /// No such user.
    #[error("there is no user {0}")]
    NoSuchUser(Username),
    /// No such tenant.
    #[error("there is no tenant {0}; make it with `doorward tenant add {0}`")]
    NoSuchTenant(TenantName),
    /// The user name is taken.
    #[error("there is a user {0} already")]
    UserExists(Username),
    /// The id that an import gives to a new user is another account's.
    #[error("line {line}: the id of {username} belongs to another account")]
    UserIdTaken {
        /// Whose line it is.
        username: Username,
        /// Which one, from 1.
        line: u64,
    },
    /// Whom an import would change is not who the line means.
    #[error("line {line}: the user {username} {difference}")]
    UserDiffers {
        /// Whose line it is.
        username: Username,
        /// Which one, from 1.
        line: u64,
        /// In what.
        difference: Difference,
    },
    /// The attributes that an import would give to whom it changes.
    #[error("line {line}: the attributes of {username}: {error}")]
    UserAttributes {
        /// Whose line it is.
        username: Username,
        /// Which one, from 1.
        line: u64,
        /// What is wrong with them.
        error: AttributeError,
    },
    /// The tenant name is taken.
    #[error("there is a tenant {0} already")]
    TenantExists(TenantName),
    /// The user does not belong to the tenant.
    #[error("user {user} has no role in tenant {tenant} and does not belong to it")]
    NotAMember {
        /// Who.
        user: Username,
        /// Where.
        tenant: TenantName,
    },
    /// Not a name of a client.
    #[error(transparent)]
    ClientName(#[from] ClientNameError),
    /// Not a permission.
    #[error("`{text}`: {error}")]
    Permission {
        /// What was given.
        text: String,
        /// The rule that it breaks.
        error: PermissionError,
    },
    /// No such client.
    #[error("there is no client {0}")]
    NoSuchClient(ClientName),
    /// The name is taken.
    #[error("there is a client {0} already")]
    ClientExists(ClientName),
    /// No such API key.
    #[error("there is no API key {0}")]
    NoSuchApiKey(String),
    /// What is wrong with a new API key.
    #[error(transparent)]
    ApiKey(#[from] ApiKeyProblem),
    /// Two secrets count already.
    #[error(
        "two secrets count already, the older one for another {seconds} s; \
         a third is made when it has ended, or at once without an overlap"
    )]
    SecretsOverlap {
        /// How long the older one still counts.
        seconds: u64,
    },
    /// The user is disabled.
    #[error("user {0} is disabled")]
    UserDisabled(Username),
    /// The database is copied by its server's own tools.
    #[error("a PostgreSQL database is backed up with pg_dump")]
    BackedUpElsewhere,
    /// It is not any more what the change was meant for.
    #[error("it changed since it was read; nothing was changed")]
    Changed,
    /// A change of the master keys that may not be.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyChangeError),
    /// What is wrong with attributes.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// The password may not be chosen.
    #[error(transparent)]
    WeakPassword(#[from] WeakPassword),
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// No access token.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// A change of the signing keys that the ring does not allow.
    #[error(transparent)]
    Key(#[from] crate::key_ring::KeyRingError),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[cfg(test)]
mod tests {
    use super::room_for;

    #[test]
    fn an_attribute_is_blamed_only_for_a_claim_that_can_hold_one() {
        for (claim, advice) in [
            ("roles", "fewer or wider permissions"),
            ("aud", "a shorter name"),
            ("client_id", "`max_bytes`"),
            ("team", "give the attribute"),
        ] {
            assert!(room_for(claim).contains(advice), "{claim}");
        }
    }
}
