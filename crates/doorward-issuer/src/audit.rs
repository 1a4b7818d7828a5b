//! The audit log: who changed what, written with the change.

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
    /// A user, on their own account.
    User,
}
