//! What a case of the second tier needs beyond one valid token.

/// Something to be named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Extra {
    /// The published keys.
    Jwks,
    /// A second token of the same issuer and user.
    TwoTokens,
    /// A listener of ours that the target could reach.
    Listener,
    /// A token that has expired.
    OldToken,
    /// A token for another API, an identity or refresh token.
    OtherToken,
    /// A token of another user or tenant.
    SecondToken,
    /// A sign-in endpoint and an account.
    Login,
    /// An administrator's token beside a sign-in.
    Admin,
    /// A description of the API.
    Openapi,
    /// A route that shows the headers it received.
    EchoRoute,
    /// An API key.
    ApiKey,
    /// A token bound to a key, and the key.
    Dpop,
    /// The word of the operator that disturbing the target is fine.
    Disturb,
}

impl Extra {
    /// Every extra.
    pub const ALL: [Self; 13] = [
        Self::Jwks,
        Self::TwoTokens,
        Self::Listener,
        Self::OldToken,
        Self::OtherToken,
        Self::SecondToken,
        Self::Login,
        Self::Admin,
        Self::Openapi,
        Self::EchoRoute,
        Self::ApiKey,
        Self::Dpop,
        Self::Disturb,
    ];

    pub(super) fn from_catalogue(needs: &str) -> Option<Self> {
        Some(match needs {
            "jwks" => Self::Jwks,
            "2 tokens" => Self::TwoTokens,
            "listener" => Self::Listener,
            "old token" => Self::OldToken,
            "other token" | "id token" | "tokens" => Self::OtherToken,
            "2nd" => Self::SecondToken,
            "login" | "refresh" => Self::Login,
            "admin" => Self::Admin,
            "spec" => Self::Openapi,
            "echo" => Self::EchoRoute,
            "API key" => Self::ApiKey,
            "DPoP token" => Self::Dpop,
            "opt-in" => Self::Disturb,
            _ => return None,
        })
    }

    /// The option that brings it, or will.
    pub const fn flag(self) -> &'static str {
        match self {
            Self::Jwks => "--jwks",
            Self::TwoTokens => "--another-token",
            Self::Listener => "--listener",
            Self::OldToken => "--old-token",
            Self::OtherToken => "--other-token",
            Self::SecondToken => "--second-token",
            Self::Login => "--login",
            Self::Admin => "--admin-token",
            Self::Openapi => "--openapi",
            Self::EchoRoute => "--echo-route",
            Self::ApiKey => "--api-key",
            Self::Dpop => "--dpop-key",
            Self::Disturb => "--disturb",
        }
    }

    /// What it is, for people.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Jwks => "the published key set",
            Self::TwoTokens => "another token of the same issuer",
            Self::Listener => "an address of yours that the target can reach",
            Self::OldToken => "an expired token",
            Self::OtherToken => "an identity, refresh or other API's token",
            Self::SecondToken => "a token of another user or tenant",
            Self::Login => "a sign-in endpoint and an account",
            Self::Admin => "an administrator's token",
            Self::Openapi => "the API's description",
            Self::EchoRoute => "a route that shows the headers it received",
            Self::ApiKey => "an API key",
            Self::Dpop => "a key-bound token with its key",
            Self::Disturb => "leave to disturb the target",
        }
    }
}
