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

use std::collections::{BTreeMap, BTreeSet};

use doorward_policy::role::{RoleName, Roles};
use doorward_verify::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    attribute::{AttributeChanges, Attributes},
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
    /// Attributes by name; null takes one away from a user who is there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Value>,
    /// Whether the user is refused everywhere; not, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// When the account was made, milliseconds since 1970 UTC; now, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at_ms: Option<u64>,
    /// What [`PasswordHash::import`] reads; without it, nobody signs in with a
    /// password until one is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<HashText>,
}

/// A password hash as it is written in a line; `Debug` does not show it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HashText(String);

impl HashText {
    /// Around this text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for HashText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashText(…)")
    }
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
    /// Of an account that is made.
    pub(crate) home_tenant: TenantName,
    /// Whether the line names it.
    pub(crate) names_tenant: bool,
    /// Roles in the home tenant, wherever that is.
    pub(crate) roles: Vec<String>,
    /// Tenant and role.
    pub(crate) roles_elsewhere: Vec<(TenantName, String)>,
    pub(crate) attributes: AttributeChanges,
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

    /// How many roles the line gives: rows that an import writes.
    pub fn role_count(&self) -> usize {
        self.roles.len() + self.roles_elsewhere.len()
    }

    /// The roles of a user who is at home in `home`, in order, each once.
    pub(crate) fn grants<'a>(
        &'a self,
        home: &'a TenantName,
    ) -> BTreeSet<(&'a TenantName, &'a str)> {
        let at_home = self.roles.iter().map(|role| (home, role.as_str()));
        let elsewhere = self.roles_elsewhere.iter();
        let elsewhere = elsewhere.map(|(tenant, role)| (tenant, role.as_str()));
        at_home.chain(elsewhere).collect()
    }

    /// The attributes of an account that is made of the line.
    pub(crate) fn new_attributes(&self) -> Attributes {
        let attributes = Attributes::default().with(&self.attributes);
        attributes.expect("INVARIANT: `read` refuses a line with too many")
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
        let roles = self.roles(record.roles);
        let mut roles_elsewhere = Vec::new();
        for elsewhere in record.roles_elsewhere {
            let tenant = self.good(TenantName::parse(&elsewhere.tenant));
            let roles = self.roles(elsewhere.roles);
            if let Some(tenant) = tenant {
                roles_elsewhere.extend(roles.into_iter().map(|role| (tenant.clone(), role)));
            }
        }
        let attributes = self.attributes(&record.attributes);
        if let Some(at) = record.created_at_ms {
            self.moment(at);
        }
        let password_hash = record
            .password_hash
            .and_then(|text| self.hash(text.as_str()));
        match (username, home_tenant) {
            (Some(username), Some(home_tenant)) if self.problems.is_empty() => Ok(ImportedUser {
                username,
                id,
                home_tenant,
                names_tenant: record.tenant.is_some(),
                roles,
                roles_elsewhere,
                attributes,
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

    /// Those that the configuration has.
    fn roles(&mut self, mut roles: Vec<String>) -> Vec<String> {
        roles.retain(|role| {
            let is_there = self.roles.get(role).is_some();
            if !is_there {
                self.problems.push(no_role(role));
            }
            is_there
        });
        roles
    }

    /// What is wrong with one does not hide what is wrong with another.
    fn attributes(&mut self, given: &BTreeMap<String, Value>) -> AttributeChanges {
        let mut attributes = AttributeChanges::default();
        for (name, value) in given {
            self.good(attributes.add(name, value));
        }
        self.good(Attributes::default().with(&attributes));
        attributes
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

/// Names a role that could be one. What could not may be a password hash that
/// came into the wrong column.
fn no_role(role: &str) -> RecordProblem {
    if RoleName::parse(role).is_err() {
        return RecordProblem::of("a role name is not valid");
    }
    RecordProblem {
        about: About::Role(role.to_owned()),
        ..RecordProblem::of(format!("the configuration has no role `{role}`"))
    }
}

/// What the JSON parser wants instead of a value, in its words and in ours.
const WANTED: [(&str, &str); 7] = [
    (", expected a string", "a string"),
    (", expected a boolean", "true or false"),
    (", expected u64", "a whole number"),
    (", expected a sequence", "a list"),
    (", expected a map", "an object"),
    (", expected struct UserRecord", "an object"),
    (", expected struct RolesElsewhere", "an object"),
];

/// Longest name of a member that is repeated: the longest there is, misspelt.
const LONGEST_MEMBER: usize = 20;

/// The members of a user.
const MEMBERS: &str = "one of `username`, `id`, `tenant`, `roles`, `roles_elsewhere`, \
                       `attributes`, `disabled`, `created_at_ms`, `password_hash`";

/// The JSON parser's words without the values that it repeats: only what is
/// known here is passed on.
fn unreadable(error: &serde_json::Error) -> RecordProblem {
    let text = error.to_string();
    let said = text.rsplit_once(" at line ").map_or("", |(said, _)| said);
    let wanted = WANTED.iter().find(|(theirs, _)| said.ends_with(theirs));
    let message = match wanted {
        // Of the syntax the parser speaks in words of its own only.
        _ if !error.is_data() => format!("not a user as a JSON object: {said}"),
        Some((_, ours)) => format!("a member has a value of the wrong kind; expected {ours}"),
        None => match member(said) {
            Some(("unknown", name)) => {
                let name = name.map_or(String::new(), |name| format!(" `{name}`"));
                format!("not a user as a JSON object: unknown member{name}; expected {MEMBERS}")
            }
            Some((what, Some(name))) => {
                format!("not a user as a JSON object: {what} member `{name}`")
            }
            _ => "not a user as a JSON object".to_owned(),
        },
    };
    RecordProblem {
        column: Some(error.column()),
        ..RecordProblem::of(message)
    }
}

/// What is the matter with a member, and its name if it looks like one.
fn member(said: &str) -> Option<(&'static str, Option<&str>)> {
    let kinds = ["unknown", "missing", "duplicate"].into_iter();
    let (kind, rest) = kinds
        .filter_map(|kind| Some((kind, said.strip_prefix(kind)?)))
        .next()?;
    let quoted = rest.strip_prefix(" field `")?;
    // To the mark before the list of those that there are, which is the last of
    // its kind whatever the name holds.
    let name = match quoted.rsplit_once("`, expected ") {
        Some((name, _)) => name,
        None => quoted.strip_suffix('`')?,
    };
    let letters = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let is_name = name.len() <= LONGEST_MEMBER && name.bytes().all(letters);
    Some((kind, is_name.then_some(name)))
}

#[cfg(test)]
mod tests;
