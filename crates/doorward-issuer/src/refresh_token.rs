//! Refresh tokens.

/// What a used refresh token that came back most likely means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReuseKind {
    /// Its successor was never used and it is not long ago: the answer was
    /// probably lost on the way.
    LostResponse,
    /// Its successor was never used, but it is long ago: an old copy came
    /// back, from a backup or from a thief.
    Replay,
    /// Its successor was used: two holders walk in one session.
    Theft,
}

impl ReuseKind {
    /// Stable name for audit and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LostResponse => "lost_response",
            Self::Replay => "replay",
            Self::Theft => "theft",
        }
    }
}

impl std::fmt::Display for ReuseKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
