//! The closed list of reasons, and who may hear each of them.
//!
//! One table: code, status, the sentence for people, and the [`Audience`].
//! A stranger who probes with forged tokens learns only that the token is not
//! accepted; a caller whose token is proven ours learns what is missing; the
//! operator sees every value in the [`super::Decision`].

use serde::{Deserialize, Serialize};

/// Who may be told this reason by its own name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Anyone: it tells nothing that the request itself does not show.
    Anyone,
    /// A caller whose token was proven ours; strangers hear `invalid_token`.
    ProvenCaller,
    /// Only the operator; the caller hears the general word for the status.
    Operator,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $audience:ident, $title:literal;)+) => {
        /// Why a request ended as it did.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Reason {
            $($(#[$doc])* #[serde(rename = $code)] $name,)+
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Stable machine-readable code.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// HTTP status that goes with it; 200 for the reasons of an
            /// allowed request, whose real status is the upstream's.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// Who may hear it.
            pub const fn audience(self) -> Audience {
                match self { $(Self::$name => Audience::$audience,)+ }
            }

            /// One short sentence for people.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }
        }
    };
}

reasons! {
    // Let through.
    /// The route is public.
    PublicRoute = "public_route", 200, Anyone, "the route is public";
    /// The route asks only for a valid token.
    Authenticated = "authenticated", 200, Anyone, "the caller is authenticated";
    /// The caller holds the permission.
    PermissionGranted = "permission_granted", 200, Anyone, "the caller holds the permission";
    /// The caller lacks the permission, and a policy gives it here.
    PermittedByPolicy = "permitted_by_policy", 200, Anyone, "a policy permits it";

    // Answered by the issuer.
    /// Credentials were right; a session began.
    SignedIn = "signed_in", 200, Anyone, "signed in";
    /// A session went on with new tokens.
    Refreshed = "refreshed", 200, Anyone, "tokens refreshed";
    /// A retried refresh inside the overlap got the same successor.
    RefreshRepeated = "refresh_repeated", 200, Anyone, "a repeated refresh got the same answer";
    /// A client got a token for its own secret.
    ClientSignedIn = "client_signed_in", 200, Anyone, "the client got a token";
    /// The password was right; who set a second factor up shows that, too.
    SecondFactorRequired = "second_factor_required", 200, Anyone, "the password was right; a second factor is asked for";
    /// The password is another one now.
    PasswordChanged = "password_changed", 200, Anyone, "the password was changed";
    /// A second factor was begun, set up, renewed or removed.
    SecondFactorChanged = "second_factor_changed", 200, Anyone, "the second factor was changed";
    /// The session ended.
    SignedOut = "signed_out", 200, Anyone, "signed out";
    /// Administration was asked and answered.
    Administered = "administered", 200, Anyone, "administration answered";
    /// A document or resource of Doorward itself was served.
    Served = "served", 200, Anyone, "served by Doorward";

    // The message itself.
    /// The message has more than one reading or breaks a rule of HTTP.
    BadRequest = "bad_request", 400, Anyone, "the request is malformed";
    /// The path has more than one reading.
    AmbiguousPath = "ambiguous_path", 400, Anyone, "the path has more than one reading";
    /// The body is not what the endpoint takes.
    BadBody = "bad_body", 400, Anyone, "the request body is malformed";
    /// The body has the wrong media type.
    UnsupportedMediaType = "unsupported_media_type", 415, Anyone, "the body must be application/json";
    /// Too large a body.
    BodyTooLarge = "body_too_large", 413, Anyone, "the request body is too large";
    /// Too long a target.
    TargetTooLong = "target_too_long", 414, Anyone, "the request target is too long";
    /// Too many or too large header fields.
    HeadersTooLarge = "headers_too_large", 431, Anyone, "the header fields are too large";
    /// The caller did not finish in time.
    RequestTimeout = "request_timeout", 408, Anyone, "the request did not arrive in time";

    /// A question about a request, from somebody who is not a proxy of the configuration.
    UntrustedProxy = "untrusted_proxy", 403, Anyone, "questions about requests are answered to named proxies only";

    // Routing.
    /// No route matches: what is not opened is closed.
    NoRoute = "no_route", 404, Anyone, "no route opens this path";
    /// There is no such user, client, key or session, or not for this caller.
    NotFound = "not_found", 404, Anyone, "there is nothing of this name";
    /// The path has routes, but none for this method.
    MethodNotAllowed = "method_not_allowed", 405, Anyone, "no route opens this method on this path";
    /// The place in the revocation feed is of another epoch, or too old.
    CursorGone = "cursor_gone", 410, Anyone, "the feed has nothing after this cursor; take a snapshot";

    // The credential.
    /// No `Authorization` header.
    NoToken = "no_token", 401, Anyone, "no token was sent";
    /// The header is there, but is not `Bearer` and one token.
    MalformedCredential = "malformed_credential", 401, Anyone, "the Authorization header is not `Bearer TOKEN`";
    /// More than one credential.
    AmbiguousCredential = "ambiguous_credential", 400, Anyone, "more than one credential was sent";
    /// Larger than the limit.
    TokenTooLarge = "token_too_large", 401, Operator, "the token is larger than the limit";
    /// Not a compact JWS with a strict header.
    TokenMalformed = "token_malformed", 401, Operator, "the token is malformed";
    /// `none`, unknown, or not on the list of this issuer.
    AlgorithmNotAllowed = "algorithm_not_allowed", 401, Operator, "the token's algorithm is not allowed";
    /// A header parameter that changes the meaning of the token (`crit`, `b64`, `zip`, `enc`).
    UnsupportedHeader = "unsupported_header", 401, Operator, "the token's header asks for something unsupported";
    /// No trusted key has this id and algorithm.
    UnknownKey = "unknown_key", 401, Operator, "no trusted key fits the token";
    /// The signature does not hold.
    BadSignature = "bad_signature", 401, Operator, "the signature does not hold";
    /// Not an access token (`typ`).
    WrongTokenType = "wrong_token_type", 401, Operator, "the token is not an access token";
    /// Another issuer's token.
    WrongIssuer = "wrong_issuer", 401, Operator, "the token names another issuer";
    /// A token for another service.
    WrongAudience = "wrong_audience", 401, Operator, "the token is for another audience";
    /// A required claim is absent.
    ClaimMissing = "claim_missing", 401, Operator, "the token lacks a required claim";
    /// A claim has the wrong type or an impossible value.
    ClaimMalformed = "claim_malformed", 401, Operator, "a claim of the token is malformed";
    /// Past `exp`.
    TokenExpired = "token_expired", 401, ProvenCaller, "the token has expired";
    /// Before `nbf`, or `iat` in the future.
    TokenNotYetValid = "token_not_yet_valid", 401, ProvenCaller, "the token is not valid yet";
    /// Lives longer than allowed.
    TokenLifetime = "token_lifetime", 401, ProvenCaller, "the token lives longer than allowed";
    /// This token is revoked.
    TokenRevoked = "token_revoked", 401, ProvenCaller, "the token is revoked";
    /// Its session ended.
    SessionRevoked = "session_revoked", 401, ProvenCaller, "the session has ended";
    /// The user's rights or state changed after it was issued: refresh.
    UserChanged = "user_changed", 401, ProvenCaller, "the account changed after this token was issued";
    /// The client is revoked.
    ClientRevoked = "client_revoked", 401, ProvenCaller, "the client is revoked";
    /// The tenant is suspended.
    TenantRevoked = "tenant_revoked", 401, ProvenCaller, "the tenant is suspended";
    /// The key that signed it is withdrawn.
    KeyRevoked = "key_revoked", 401, Operator, "the signing key is withdrawn";
    /// The revocation feed is behind, and what it may have missed matters here.
    RevocationsUnknown = "revocations_unknown", 503, Anyone, "it cannot be known at present whether the token is revoked";
    /// The token names its permissions by numbers of a list that is not known here.
    PermissionsUnknown = "permissions_unknown", 503, Anyone, "it cannot be known at present what the token permits";
    /// Bound to a proof of possession that was not shown.
    ProofMissing = "proof_missing", 401, ProvenCaller, "the token is bound to a key and no proof was sent";
    /// A proof of possession that does not fit token, request or time.
    ProofInvalid = "proof_invalid", 401, ProvenCaller, "the proof of possession does not hold";
    /// A proof of possession that was shown before.
    ProofReplayed = "proof_replayed", 401, ProvenCaller, "the proof of possession was used before";
    /// A proof of possession without a fresh nonce of this server.
    ProofNonce = "proof_nonce", 401, ProvenCaller, "the proof of possession lacks this server's fresh nonce";
    /// Bound to another certificate than that of the connection.
    CertificateMismatch = "certificate_mismatch", 401, ProvenCaller, "the token is bound to another client certificate";

    // API keys.
    /// Not an API key of this installation, or not one any more that it tells of.
    ApiKeyUnknown = "api_key_unknown", 401, Operator, "the API key is not one of ours";
    /// Before its first or past its last day.
    ApiKeyExpired = "api_key_expired", 401, ProvenCaller, "the API key has expired, or is not valid yet";
    /// Revoked, or replaced by another secret.
    ApiKeyRevoked = "api_key_revoked", 401, ProvenCaller, "the API key is revoked";
    /// Its owner is disabled, gone, or no longer belongs to the tenant.
    ApiKeyOwner = "api_key_owner", 401, ProvenCaller, "the owner of the API key may not use it any more";
    /// From an address that the key does not allow.
    NetworkNotAllowed = "network_not_allowed", 403, ProvenCaller, "the API key may not be used from this address";

    // What checking needs.
    /// The issuer's keys could not be fetched, or not for too long.
    KeysUnavailable = "keys_unavailable", 503, Anyone, "the issuer's keys are not available";

    // Authorization.
    /// The permission of the route is missing.
    MissingPermission = "missing_permission", 403, ProvenCaller, "a permission is missing";
    /// Administration by an API key.
    ApiKeyNotAllowed = "api_key_not_allowed", 403, ProvenCaller, "API keys open no administration";
    /// A policy forbids it, whatever the caller holds.
    ForbiddenByPolicy = "forbidden_by_policy", 403, Anyone, "a policy forbids it";
    /// A policy that could forbid it cannot be evaluated for this request.
    PolicyError = "policy_error", 403, Anyone, "a policy that could forbid it cannot be evaluated";
    /// Handing out more than the caller holds.
    BeyondOwnRights = "beyond_own_rights", 403, Anyone, "nobody hands out more than they hold";
    /// The upstream is to get a token of ours, and their subject is another issuer's.
    ForeignCaller = "foreign_caller", 403, ProvenCaller, "callers of another issuer are not vouched for here";
    /// The tenant of the path is not the caller's.
    WrongTenant = "wrong_tenant", 403, ProvenCaller, "the resource belongs to another tenant";
    /// Another `where` condition of the route does not hold.
    ConditionFailed = "condition_failed", 403, ProvenCaller, "a condition of the route does not hold";
    /// Signed in too weakly or too long ago for the route (RFC 9470).
    InsufficientUserAuthentication = "insufficient_user_authentication", 401, ProvenCaller, "a stronger or more recent sign-in is needed";

    // Accounts.
    /// Unknown user, wrong password or disabled account: one word for all.
    WrongCredentials = "wrong_credentials", 401, Anyone, "user name or password is wrong";
    /// A caller who is signed in did not know their own password.
    WrongPassword = "wrong_password", 403, Anyone, "the current password is wrong";
    /// Wrong, too old, or used before: one word for all.
    WrongCode = "wrong_code", 403, Anyone, "the code is wrong, or was used before";
    /// The first step of a sign-in is too long ago, or was not made here.
    SignInExpired = "sign_in_expired", 401, Anyone, "the sign-in has expired; begin again with the password";
    /// Unknown, expired, used or foreign reset token: one word for all.
    ResetRefused = "reset_refused", 400, Anyone, "the reset token is not valid";
    /// Not a password that may be chosen.
    WeakPassword = "weak_password", 400, Anyone, "the new password may not be chosen";
    /// It changed since the caller read it.
    PreconditionFailed = "precondition_failed", 412, Anyone, "it changed since it was read";
    /// What is asked for does not fit how things stand.
    Conflict = "conflict", 409, Anyone, "the request does not fit the present state";
    /// Unknown, expired, revoked or foreign refresh token: one word for all.
    InvalidGrant = "invalid_grant", 400, Anyone, "the refresh token is not valid";
    /// A refresh token that was already used: its family is revoked.
    RefreshReused = "refresh_reused", 400, Operator, "a used refresh token came back; its session is revoked";
    /// Unknown client, wrong secret or disabled client: one word for all.
    InvalidClient = "invalid_client", 401, Anyone, "the client is unknown, or its credentials are wrong";
    /// The client may not use this grant.
    UnauthorizedClient = "unauthorized_client", 400, Anyone, "the client may not use this grant";
    /// A grant that there is not.
    UnsupportedGrantType = "unsupported_grant_type", 400, Anyone, "there is no such grant";
    /// A scope that the client does not have.
    InvalidScope = "invalid_scope", 400, Anyone, "the scope is more than the client has";
    /// An audience that no token is issued for.
    InvalidTarget = "invalid_target", 400, Anyone, "no tokens are issued for this resource";
    /// Too many attempts.
    Throttled = "throttled", 429, Anyone, "too many attempts";
    /// The hashing queue is full.
    Overloaded = "overloaded", 503, Anyone, "busy";
    /// The store cannot be written or reached.
    StoreUnavailable = "store_unavailable", 503, Anyone, "temporarily unavailable";

    // Upstream and own faults.
    /// The upstream is to get a token of its own, and none could be made.
    InternalTokenUnavailable = "internal_token_unavailable", 503, Anyone, "temporarily unavailable";
    /// No connection to the upstream.
    UpstreamUnreachable = "upstream_unreachable", 502, Anyone, "the upstream cannot be reached";
    /// The upstream broke the exchange.
    UpstreamBroken = "upstream_broken", 502, Anyone, "the upstream answered badly";
    /// The upstream did not answer in time.
    UpstreamTimeout = "upstream_timeout", 504, Anyone, "the upstream did not answer in time";
    /// Doorward is shutting down.
    ShuttingDown = "shutting_down", 503, Anyone, "shutting down";
    /// A fault of our own; denied.
    Internal = "internal", 500, Anyone, "an internal error";
}

impl Reason {
    /// Its place in [`Self::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether this is a fault of upstream or Doorward rather than a denial.
    pub const fn is_failure(self) -> bool {
        self.status() >= 500
    }

    /// The reason under which the caller may hear this one.
    ///
    /// `proven` says whether the caller's token was proven to be ours.
    pub const fn public(self, proven: bool) -> Spoken {
        match self.audience() {
            Audience::Anyone => Spoken::Named(self),
            Audience::ProvenCaller if proven => Spoken::Named(self),
            Audience::ProvenCaller | Audience::Operator => match self.status() {
                400 => Spoken::Named(Self::InvalidGrant),
                _ => Spoken::InvalidToken,
            },
        }
    }
}

/// What the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// The reason by its own name.
    Named(Reason),
    /// RFC 6750 `invalid_token`, and nothing else.
    InvalidToken,
}

impl Spoken {
    /// Code for the problem document.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Named(reason) => reason.code(),
            Self::InvalidToken => "invalid_token",
        }
    }

    /// Sentence for the problem document.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Named(reason) => reason.title(),
            Self::InvalidToken => "the token is not accepted",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Audience, Reason, Spoken};

    #[test]
    fn codes_are_unique_and_snake_case() {
        let mut seen = HashSet::new();
        for reason in Reason::ALL {
            assert!(seen.insert(reason.code()), "{} twice", reason.code());
            assert!(
                reason
                    .code()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_')
            );
        }
    }

    #[test]
    fn strangers_hear_one_word_about_any_token_fault() {
        for reason in Reason::ALL
            .iter()
            .filter(|reason| reason.audience() != Audience::Anyone)
        {
            let spoken = reason.public(false);
            assert_ne!(
                spoken,
                Spoken::Named(*reason),
                "{} leaks to strangers",
                reason.code()
            );
        }
    }

    #[test]
    fn each_reason_knows_its_place() {
        for (place, reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), place, "{}", reason.code());
        }
    }

    /// RFC 9110, 15: what fails on our side is 500 and above.
    #[test]
    fn only_a_fault_of_ours_or_of_the_upstream_is_a_failure() {
        for reason in Reason::ALL {
            let is_ours = reason.status().to_string().starts_with('5');
            assert_eq!(reason.is_failure(), is_ours, "{}", reason.code());
        }
        assert!(Reason::Internal.is_failure());
        assert!(!Reason::NoToken.is_failure());
    }

    #[test]
    fn strangers_hear_of_a_reused_refresh_token_only_that_the_grant_is_invalid() {
        let spoken = Reason::RefreshReused.public(false);
        assert_eq!(spoken, Spoken::Named(Reason::InvalidGrant));
        assert_eq!(spoken.code(), "invalid_grant");
        assert_eq!(spoken.title(), Reason::InvalidGrant.title());
        let unnamed = Reason::BadSignature.public(false);
        assert_eq!(unnamed, Spoken::InvalidToken);
        assert_eq!(unnamed.title(), "the token is not accepted");
    }

    #[test]
    fn proven_callers_hear_what_is_missing() {
        assert_eq!(Reason::TokenExpired.public(true).code(), "token_expired");
        assert_eq!(
            Reason::MissingPermission.public(true).code(),
            "missing_permission"
        );
        assert_eq!(Reason::BadSignature.public(true).code(), "invalid_token");
    }
}
