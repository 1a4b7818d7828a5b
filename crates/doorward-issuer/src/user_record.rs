//! One user as a line of JSON (JSON Lines): what an import reads and an export
//! writes.
//!
//! ```json
//! {"username":"alice@example.org","tenant":"acme","roles":["reader"],"password_hash":"$2b$12$…"}
//! ```
//!
//! Only `username` must be there. A member that is not known here is refused,
//! not passed over: a misspelt `roles` must not make users without roles.
//!
//! What a line says is looked at as a whole, so that one look shows everything
//! that is wrong with it. Nothing that is refused is repeated: the value of a
//! member in the wrong place may be a secret.
//!
//! Not here: files, and what is in the database already (`admin`).

use doorward_policy::role::Roles;
use doorward_verify::clock::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    password::PasswordHash,
    tenant::TenantName,
    user::{UserId, Username},
};

/// Longest line, bytes: a user with a few hundred roles.
pub const MAX_LINE: usize = 64 * 1024;

/// The tenant of a user whose line names none.
pub const DEFAULT_TENANT: &str = "default";

/// 2000-01-01, in milliseconds: no account is older, and a number of seconds is
/// smaller.
const OLDEST: u64 = 946_684_800_000;

/// How far the clock of the machine that wrote a file may be ahead: a day.
const CLOCKS_DIFFER: u64 = 86_400_000;

/// A line as it is written.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserRecord {
    /// What the user types.
    pub username: String,
    /// `sub` of the user's tokens, a UUID; drawn if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Home tenant; [`DEFAULT_TENANT`] if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Roles in the home tenant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Roles in other tenants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles_elsewhere: Vec<RolesElsewhere>,
    /// Whether the user is refused everywhere; not, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// When the account was made, milliseconds since 1970 UTC; now, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at_ms: Option<u64>,
    /// What [`PasswordHash::import`] reads; without it, nobody signs in with a
    /// password until one is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<String>,
}

/// Roles of a user in a tenant that is not the home.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolesElsewhere {
    /// Where.
    pub tenant: String,
    /// Which.
    pub roles: Vec<String>,
}

/// A line in which nothing is wrong.
#[derive(Clone, Debug)]
pub struct ImportedUser {
    pub(crate) username: Username,
    pub(crate) id: Option<UserId>,
    pub(crate) home_tenant: TenantName,
    /// Tenant and role, in order, each once.
    pub(crate) grants: Vec<(TenantName, String)>,
    pub(crate) disabled: Option<bool>,
    pub(crate) created_at_ms: Option<u64>,
    pub(crate) password_hash: Option<PasswordHash>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordProblem {
    /// The character at which the line cannot be read, from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// With what.
    pub about: About,
}

/// With what part of a line something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum About {
    /// This role, which the configuration does not have.
    Role(String),
    /// The password hash.
    PasswordHash,
    /// The rest.
    Rest,
}

impl ImportedUser {
    /// Reads a line as of `now`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn read(line: &[u8], roles: &Roles, now: Timestamp) -> Result<Self, Vec<RecordProblem>> {
        if line.len() > MAX_LINE {
            let message = format!("the line has more than {MAX_LINE} bytes");
            return Err(vec![RecordProblem::of(message)]);
        }
        // A list would do for the parser, too.
        if !line.trim_ascii_start().starts_with(b"{") {
            return Err(vec![RecordProblem::of("not a user as a JSON object")]);
        }
        let record = serde_json::from_slice(line).map_err(|error| vec![unreadable(&error)])?;
        Reading {
            roles,
            now,
            problems: Vec::new(),
        }
        .user(record)
    }

    /// What the user types.
    pub fn username(&self) -> &Username {
        &self.username
    }

    /// `sub`, if the line names it.
    pub fn id(&self) -> Option<&UserId> {
        self.id.as_ref()
    }

    /// The kind of password hash, if there is one.
    pub fn hash_kind(&self) -> Option<&'static str> {
        self.password_hash.as_ref().map(PasswordHash::kind)
    }
}

impl RecordProblem {
    fn of(message: impl Into<String>) -> Self {
        Self {
            column: None,
            message: message.into(),
            about: About::Rest,
        }
    }
}

/// The members of a line, looked at one after the other.
struct Reading<'a> {
    roles: &'a Roles,
    now: Timestamp,
    problems: Vec<RecordProblem>,
}

impl Reading<'_> {
    fn user(mut self, record: UserRecord) -> Result<ImportedUser, Vec<RecordProblem>> {
        let username = self.good(Username::parse(&record.username));
        let tenant = record.tenant.as_deref().unwrap_or(DEFAULT_TENANT);
        let home_tenant = self.good(TenantName::parse(tenant));
        let id = record.id.map(|id| self.id(id));
        let mut grants = Vec::new();
        if let Some(home) = &home_tenant {
            self.grants(home, record.roles, &mut grants);
        }
        for elsewhere in record.roles_elsewhere {
            if let Some(tenant) = self.good(TenantName::parse(&elsewhere.tenant)) {
                self.grants(&tenant, elsewhere.roles, &mut grants);
            }
        }
        grants.sort();
        grants.dedup();
        if let Some(at) = record.created_at_ms {
            self.moment(at);
        }
        let password_hash = record.password_hash.and_then(|text| self.hash(&text));
        match (username, home_tenant) {
            (Some(username), Some(home_tenant)) if self.problems.is_empty() => Ok(ImportedUser {
                username,
                id,
                home_tenant,
                grants,
                disabled: record.disabled,
                created_at_ms: record.created_at_ms,
                password_hash,
            }),
            _ => Err(self.problems),
        }
    }

    fn good<T, E: std::fmt::Display>(&mut self, read: Result<T, E>) -> Option<T> {
        let problem = |error: E| self.problems.push(RecordProblem::of(error.to_string()));
        read.map_err(problem).ok()
    }

    /// Only a UUID in its usual form: the `sub` of a client is its name, and no
    /// user may ever have the `sub` of a client.
    fn id(&mut self, text: String) -> UserId {
        let is_usual = Uuid::try_parse(&text).is_ok_and(|id| id.to_string() == text);
        if !is_usual {
            let rule = "an id is a UUID in lower case with hyphens; leave it out to have one drawn";
            self.problems.push(RecordProblem::of(rule));
        }
        UserId::from_text(text)
    }

    fn grants(
        &mut self,
        tenant: &TenantName,
        roles: Vec<String>,
        grants: &mut Vec<(TenantName, String)>,
    ) {
        for role in roles {
            if self.roles.get(&role).is_some() {
                grants.push((tenant.clone(), role));
                continue;
            }
            let shown: String = role.chars().take(64).collect();
            self.problems.push(RecordProblem {
                about: About::Role(shown.clone()),
                ..RecordProblem::of(format!("the configuration has no role `{shown}`"))
            });
        }
    }

    fn moment(&mut self, at_ms: u64) {
        let newest = self.now.millis().saturating_add(CLOCKS_DIFFER);
        if !(OLDEST..=newest).contains(&at_ms) {
            let rule =
                "created_at_ms is milliseconds since 1970, not before 2000 nor in the future";
            self.problems.push(RecordProblem::of(rule));
        }
    }

    fn hash(&mut self, text: &str) -> Option<PasswordHash> {
        let problem = |error| {
            self.problems.push(RecordProblem {
                about: About::PasswordHash,
                ..RecordProblem::of(format!("password_hash: {error}"))
            });
        };
        PasswordHash::import(text).map_err(problem).ok()
    }
}

/// The JSON parser's words without the values that it repeats.
fn unreadable(error: &serde_json::Error) -> RecordProblem {
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    let message = match said.split_once(", expected ") {
        Some((kind, expected)) if kind.starts_with("invalid ") => {
            format!("a member has a value of the wrong kind; expected {expected}")
        }
        _ => format!("not a user as a JSON object: {said}"),
    };
    RecordProblem {
        column: Some(error.column()),
        ..RecordProblem::of(message)
    }
}

#[cfg(test)]
mod tests;
