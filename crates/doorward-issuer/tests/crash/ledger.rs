//! What was acknowledged, and whether it is still true.
//!
//! An order that was not answered is a doubt: it was done or it was not, and
//! the audit log of the next start says which. From then on it counts like the
//! others, so a log that does not agree with the state is noticed as well.

use std::collections::{BTreeMap, BTreeSet};

use crate::node::{Answer, Node};

/// Ended sessions that are looked at again after each start.
const ENDED_KEPT: usize = 6;

/// The same for live ones; the newest stay.
const ALIVE_KEPT: usize = 12;

/// A change that the log must name: the action, and what tells it from others.
type Change = (String, String);

#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) sessions: BTreeMap<String, Session>,
    ended: Vec<Session>,
    /// Number of the last entry of the log that was read.
    cursor: u64,
    /// Changes since the last start, until the log is read.
    acknowledged: BTreeMap<Change, u64>,
    doubted: BTreeMap<Change, u64>,
    kids: BTreeSet<String>,
    master_keys: MasterKeys,
    /// By the log.
    users: BTreeMap<String, User>,
    /// Live sessions, and whose they are.
    alive: BTreeMap<String, String>,
    /// What was asked and said since the last start that was found right.
    pub(crate) history: Vec<String>,
    /// Orders that were acknowledged, of all rounds.
    pub(crate) kept: u64,
}

/// The master keys, by the log and by what was answered.
#[derive(Default)]
struct MasterKeys {
    opening: BTreeSet<String>,
    retired: BTreeSet<String>,
    /// The last that took over, unless another may have.
    now: Option<String>,
}

/// A session whose tokens the client holds.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) user: &'static str,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

#[derive(Default)]
struct User {
    id: String,
    editor: bool,
    disabled: bool,
}

impl Ledger {
    /// What came of `order`.
    pub(crate) fn enter(&mut self, order: &Order, answer: &Answer) -> Result<(), String> {
        let said = format!("{} -> {answer:?}", order.text());
        self.history.push(said.chars().take(200).collect());
        let change = self.change_of(order);
        match answer {
            Answer::Unknown(_) => {
                if let Order::ChangeMasterKey = order {
                    self.master_keys.now = None;
                }
                if let Some(change) = change {
                    *self.doubted.entry(change).or_default() += 1;
                }
                return Ok(());
            }
            Answer::No(why) => return self.refused(order, why),
            Answer::Done(text) => self.done(order, text),
        }
        self.kept += 1;
        if let (Some(change), Answer::Done(text)) = (change, answer)
            && text != "false"
        {
            *self.acknowledged.entry(change).or_default() += 1;
        }
        Ok(())
    }

    fn done(&mut self, order: &Order, text: &str) {
        match order {
            Order::SignIn(user) | Order::Refresh { user, .. } => {
                let session = session(user, text);
                self.sessions.insert(session.id.clone(), session);
            }
            Order::End(id) => {
                if let Some(session) = self.sessions.remove(id) {
                    self.ended.push(session);
                }
            }
            Order::Disable(user) => {
                let of_user = |session: &Session| session.user == *user;
                let (ended, alive) = std::mem::take(&mut self.sessions)
                    .into_iter()
                    .partition(|(_, session)| of_user(session));
                self.sessions = alive;
                self.ended.extend(BTreeMap::into_values(ended));
            }
            Order::ChangeMasterKey => self.master_keys.now = Some(text.to_owned()),
            Order::RetireMasterKeys => {
                for key in text.split('+').filter(|key| !key.is_empty()) {
                    let change = ("master_key.retire".to_owned(), key.to_owned());
                    *self.acknowledged.entry(change).or_default() += 1;
                }
            }
            Order::Rotate => drop(self.kids.insert(text.to_owned())),
            Order::Grant(_) | Order::Take(_) | Order::Enable(_) => {}
        }
    }

    /// What may be refused, and why.
    fn refused(&mut self, order: &Order, why: &str) -> Result<(), String> {
        let is_in_doubt = |user: &str| {
            let id = &self.users[user].id;
            let change = ("user.disable".to_owned(), id.clone());
            self.users[user].disabled
                || self.doubted.contains_key(&change)
                || self.acknowledged.contains_key(&change)
        };
        let may_be = match order {
            Order::SignIn(user) => is_in_doubt(user),
            Order::Refresh { session, user, .. } => {
                is_in_doubt(user) || self.doubted.contains_key(&end_of(session))
            }
            Order::ChangeMasterKey => why.contains("another process"),
            _ => false,
        };
        match may_be {
            true => Ok(()),
            false => Err(format!("{order:?} was refused: {why}")),
        }
    }

    fn change_of(&self, order: &Order) -> Option<Change> {
        let of_user = |action: &str, user: &str| {
            let id = self.users.get(user).map(|user| user.id.clone());
            Some((action.to_owned(), id.unwrap_or_default()))
        };
        match order {
            Order::SignIn(user) => of_user("session.start", user),
            Order::Refresh { .. } => None,
            Order::End(id) => Some(end_of(id)),
            Order::Grant(user) => of_user("role.grant", user),
            Order::Take(user) => of_user("role.revoke", user),
            Order::Disable(user) => of_user("user.disable", user),
            Order::Enable(user) => of_user("user.enable", user),
            // Which key it was is not known when it is not answered, and one
            // that waits already is no change: `check_keys` looks instead.
            Order::Rotate => None,
            // The same of these: `check_master_keys`.
            Order::ChangeMasterKey | Order::RetireMasterKeys => None,
        }
    }

    /// After a start: the log has no gap, says everything that was
    /// acknowledged and nothing that nobody did, and the state is what it says.
    pub(crate) fn check(&mut self, node: &mut Node, now: u64) -> Result<(), String> {
        self.read_the_log(node, now)?;
        self.check_people(node, now)?;
        self.check_keys(node, now)?;
        self.check_master_keys(node, now)?;
        self.check_sessions(node, now)?;
        self.history.clear();
        Ok(())
    }

    fn read_the_log(&mut self, node: &mut Node, now: u64) -> Result<(), String> {
        let text = done(node.ask(now, &format!("audit {}", self.cursor)))?;
        let mut logged: BTreeMap<Change, u64> = BTreeMap::new();
        for entry in text.split(' ').filter(|entry| !entry.is_empty()) {
            let parts: Vec<_> = entry.split(',').collect();
            let [seq, action, object, actor, cause] = parts[..] else {
                return Err(format!("an entry that cannot be: {entry}"));
            };
            self.cursor += 1;
            if seq.parse() != Ok(self.cursor) {
                return Err(format!(
                    "a gap in the log: {seq} in place of {}",
                    self.cursor
                ));
            }
            self.replay(action, object, actor);
            let change = match action {
                "session.start" => (action, actor),
                "session.end" if cause != "sign_out" => continue,
                _ => (action, object),
            };
            let change = (change.0.to_owned(), change.1.to_owned());
            *logged.entry(change).or_default() += 1;
        }
        self.compare(&logged)
    }

    fn replay(&mut self, action: &str, object: &str, actor: &str) {
        let (id, owner) = (object.to_owned(), actor.to_owned());
        let user = self.users.values_mut().find(|user| user.id == object);
        match (action, user) {
            ("master_key.add", _) => drop(self.master_keys.opening.insert(id)),
            ("master_key.retire", _) => {
                self.master_keys.opening.remove(object);
                self.master_keys.retired.insert(id);
            }
            ("session.start", _) => drop(self.alive.insert(id, owner)),
            ("session.end", _) => drop(self.alive.remove(object)),
            ("user.disable", Some(user)) => {
                // One entry for all that it ends.
                self.alive.retain(|_, owner| *owner != user.id);
                user.disabled = true;
            }
            ("user.enable", Some(user)) => user.disabled = false,
            ("role.grant", Some(user)) => user.editor = true,
            ("role.revoke", Some(user)) => user.editor = false,
            _ => {}
        }
    }

    fn compare(&mut self, logged: &BTreeMap<Change, u64>) -> Result<(), String> {
        if self.users.is_empty() {
            // What is in the log was made to begin with.
            return Ok(());
        }
        let acknowledged = std::mem::take(&mut self.acknowledged);
        let doubted = std::mem::take(&mut self.doubted);
        let of =
            |changes: &BTreeMap<Change, u64>, change| changes.get(change).copied().unwrap_or(0);
        for change in acknowledged.keys().chain(logged.keys()) {
            let (found, told) = (of(logged, change), of(&acknowledged, change));
            if found < told {
                return Err(format!(
                    "acknowledged and lost: {change:?}, {found} of {told}"
                ));
            }
            let is_ours = ["session.", "role.", "user.disable", "user.enable"];
            let is_ours = is_ours.iter().any(|kind| change.0.starts_with(kind));
            if is_ours && found > told + of(&doubted, change) {
                return Err(format!("nobody asked for {change:?}"));
            }
        }
        Ok(())
    }

    fn check_people(&mut self, node: &mut Node, now: u64) -> Result<(), String> {
        for person in done(node.ask(now, "people"))?.split(' ') {
            let parts: Vec<_> = person.split(',').collect();
            let [name, id, disabled, roles] = parts[..] else {
                return Err(format!("a person that cannot be: {person}"));
            };
            let user = self.users.entry(name.to_owned()).or_default();
            id.clone_into(&mut user.id);
            let said = (user.disabled, user.editor);
            let is = (disabled == "true", roles.contains("editor"));
            if said != is {
                return Err(format!("the log says {said:?} of {name}, the state {is:?}"));
            }
        }
        Ok(())
    }

    fn check_keys(&mut self, node: &mut Node, now: u64) -> Result<(), String> {
        let there = done(node.ask(now, "keys"))?;
        let there: BTreeSet<_> = there.split(' ').collect();
        // Those of earlier rounds may have come to their end.
        for kid in std::mem::take(&mut self.kids) {
            if !there.contains(kid.as_str()) {
                return Err(format!("signing key {kid} was acknowledged and is lost"));
            }
        }
        Ok(())
    }

    fn check_master_keys(&mut self, node: &mut Node, now: u64) -> Result<(), String> {
        let text = done(node.ask(now, "master-keys"))?;
        let parts: Vec<_> = text.split(' ').collect();
        let [ours, opening, retired] = parts[..] else {
            return Err(format!("master keys that cannot be: {text}"));
        };
        let all = |keys: &str| -> BTreeSet<String> {
            let keys = keys.split('+').filter(|key| !key.is_empty());
            keys.map(str::to_owned).collect()
        };
        let known = &mut self.master_keys;
        if known.opening.is_empty() {
            // The first came with the installation.
            known.opening.insert(ours.to_owned());
        }
        if (&known.opening, &known.retired) != (&all(opening), &all(retired)) {
            let MasterKeys {
                opening, retired, ..
            } = known;
            return Err(format!(
                "the log says {opening:?} and {retired:?} of the master keys, the state {text}"
            ));
        }
        if known.now.as_deref().is_some_and(|now| now != ours) {
            return Err(format!("{:?} took over, and {ours} is there", known.now));
        }
        // One that was cut short has no file of its own yet.
        let before = opening.split('+').take_while(|key| *key != ours).last();
        if let Some(key) = before {
            done(node.ask(now, &format!("open-with {key}")))?;
        }
        if let Some(key) = retired.split('+').rfind(|key| !key.is_empty()) {
            match node.ask(now, &format!("open-with {key}")) {
                Answer::No(why) if why.contains("retired") => {}
                other => return Err(format!("the retired master key {key}: {other:?}")),
            }
        }
        Ok(())
    }

    fn check_sessions(&mut self, node: &mut Node, now: u64) -> Result<(), String> {
        // What was in doubt has an answer now.
        for (id, session) in std::mem::take(&mut self.sessions) {
            match self.alive.contains_key(&id) {
                true => drop(self.sessions.insert(id, session)),
                false => self.ended.push(session),
            }
        }
        for session in self.sessions.values_mut() {
            *session = goes_on(node, now, session)?;
        }
        for session in &self.ended {
            if self.alive.contains_key(&session.id) {
                return Err(format!(
                    "session {} ended, and the log does not say so",
                    session.id
                ));
            }
            is_over(node, now, session)?;
        }
        let surplus = self.ended.len().saturating_sub(ENDED_KEPT);
        self.ended.drain(..surplus);
        while self.sessions.len() > ALIVE_KEPT {
            self.sessions.pop_first();
        }
        Ok(())
    }

    /// A used refresh token of this session came back.
    pub(crate) fn stolen(&mut self, id: &str) {
        self.history
            .push(format!("a used refresh token of {id} came back"));
        self.ended.extend(self.sessions.remove(id));
    }

    pub(crate) fn is_disabled(&self, user: &str) -> bool {
        self.users[user].disabled
    }

    pub(crate) fn a_session_of(&self, user: &str) -> Option<&Session> {
        self.sessions.values().find(|session| session.user == user)
    }
}

/// One live leaf: asked twice, the same successor twice.
fn goes_on(node: &mut Node, now: u64, session: &Session) -> Result<Session, String> {
    let order = format!("refresh {}", session.refresh);
    let lost = |why| format!("session {} of {} is lost: {why}", session.id, session.user);
    let first = self::session(session.user, &done(node.ask(now, &order)).map_err(lost)?);
    let again = self::session(session.user, &done(node.ask(now, &order)).map_err(lost)?);
    if first.refresh != again.refresh {
        return Err(format!("session {} has two leaves", session.id));
    }
    let lost = |why| format!("an access token of {} is refused: {why}", session.user);
    done(node.ask(now, &format!("check {}", again.access))).map_err(lost)?;
    Ok(again)
}

fn is_over(node: &mut Node, now: u64, session: &Session) -> Result<(), String> {
    for order in [
        format!("refresh {}", session.refresh),
        format!("check {}", session.access),
    ] {
        match node.ask(now, &order) {
            Answer::No(_) => {}
            other => {
                let verb = order.split(' ').next().unwrap_or_default();
                let id = &session.id;
                return Err(format!("session {id} ended, and {verb} says {other:?}"));
            }
        }
    }
    Ok(())
}

fn end_of(session: &str) -> Change {
    ("session.end".to_owned(), session.to_owned())
}

fn session(user: &'static str, text: &str) -> Session {
    let mut parts = text.split(' ').map(str::to_owned);
    let mut part = || parts.next().unwrap_or_default();
    Session {
        id: part(),
        user,
        access: part(),
        refresh: part(),
    }
}

pub(crate) fn done(answer: Answer) -> Result<String, String> {
    match answer {
        Answer::Done(text) => Ok(text),
        other => Err(format!("{other:?}")),
    }
}

/// What the loop asks for.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    SignIn(&'static str),
    Refresh {
        session: String,
        user: &'static str,
        token: String,
    },
    End(String),
    Grant(&'static str),
    Take(&'static str),
    Disable(&'static str),
    Enable(&'static str),
    Rotate,
    ChangeMasterKey,
    RetireMasterKeys,
}

impl Order {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::SignIn(user) => format!("sign-in {user}"),
            Self::Refresh { token, .. } => format!("refresh {token}"),
            Self::End(session) => format!("end {session}"),
            Self::Grant(user) => format!("grant {user}"),
            Self::Take(user) => format!("take {user}"),
            Self::Disable(user) => format!("disable {user}"),
            Self::Enable(user) => format!("enable {user}"),
            Self::Rotate => "rotate".to_owned(),
            Self::ChangeMasterKey => "change-master-key".to_owned(),
            Self::RetireMasterKeys => "retire-master-keys".to_owned(),
        }
    }
}
