//! Internal tokens: how an API can check who asks, instead of believing a field.
//!
//! The caller's own token goes no further than the gateway, because it opens
//! everything that its caller may do. Where a route names an internal audience,
//! the upstream gets another one: for the same caller, but for that one API, and
//! good for a minute. It is the exchange of RFC 8693 without a request: the
//! gateway makes no token and holds no key, it is given the seam
//! [`InternalTokens`].
//!
//! The caller's own token is verified on every request *before* anything is
//! looked up here, and what is kept of it lies beside it in the cache of
//! verified tokens: whatever ends the caller's token ends what was made of it
//! too, but for what the upstream already holds (`rev_001_*`). Where no token
//! can be made the request ends with 503: an API that checks tokens would have
//! nothing to check.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use doorward_policy::decision::Reason;
use doorward_verify::{clock::Timestamp, principal::Principal};
use http::HeaderValue;

/// How much of its life a token must have left to be used again, milliseconds:
/// the time of a request on its way, and of clocks that differ.
pub(crate) const LEFT_MILLIS: u64 = 10_000;

/// A token for an upstream. Holds a secret, so it cannot be printed.
pub struct InternalToken {
    /// The token.
    pub access_token: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

impl fmt::Debug for InternalToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InternalToken").finish_non_exhaustive()
    }
}

/// No token, and why.
#[derive(Debug)]
pub struct NoInternalToken {
    /// What the request is refused for.
    pub reason: Reason,
    /// What stands in the way, for whoever reads the decision.
    pub seen: String,
}

/// Where internal tokens are made. Given by the binary, because no private key
/// is in the gateway's reach.
#[derive(Clone)]
pub struct InternalTokens {
    /// Makes one for a proven caller of our own and an audience. Called on the
    /// gateway's threads: it signs, and asks nobody.
    pub make: Make,
    /// Raised whenever tokens that were made before are not to be handed on any
    /// more.
    pub generation: Arc<AtomicU64>,
}

/// See [`InternalTokens::make`].
pub type Make = Arc<
    dyn Fn(&Principal, &str, Timestamp) -> Result<InternalToken, NoInternalToken> + Send + Sync,
>;

impl fmt::Debug for InternalTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InternalTokens").finish_non_exhaustive()
    }
}

/// The internal tokens of one caller's token, one for each audience: no more
/// than the configuration names, for which the cache of verified tokens has room.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<Vec<Kept>>);

struct Kept {
    audience: Box<str>,
    generation: u64,
    field: HeaderValue,
    until: Timestamp,
}

impl Tokens {
    /// `Authorization` for the upstream.
    pub(crate) fn field(
        &self,
        issuer: Option<&InternalTokens>,
        vouched: Vouched<'_>,
        now: Timestamp,
    ) -> Result<HeaderValue, NoInternalToken> {
        let audience = vouched.audience;
        let issuer = issuer.ok_or_else(|| unavailable("nobody here makes internal tokens"))?;
        // Before the token is made, so that it is never taken for a newer one.
        let generation = issuer.generation.load(Ordering::Acquire);
        // Held while it is signed, so that it is signed once. Each change is
        // whole by itself: a panic leaves no half of one.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_good = |kept: &&Kept| {
            *kept.audience == *audience && kept.generation == generation && now < kept.until
        };
        if let Some(good) = kept.iter().find(is_good) {
            return Ok(good.field.clone());
        }
        let (field, expires_at) = make(issuer, vouched, now)?;
        let until = expires_at.millis().saturating_sub(LEFT_MILLIS);
        let until = Timestamp::from_millis(until);
        let is_of_use = |kept: &Kept| kept.generation == generation && now < kept.until;
        kept.retain(|kept| *kept.audience != *audience && is_of_use(kept));
        if now < until {
            kept.push(Kept {
                audience: audience.into(),
                generation,
                field: field.clone(),
                until,
            });
        }
        Ok(field)
    }
}

fn make(
    issuer: &InternalTokens,
    vouched: Vouched<'_>,
    now: Timestamp,
) -> Result<(HeaderValue, Timestamp), NoInternalToken> {
    let token = (issuer.make)(vouched.caller, vouched.audience, now)?;
    let field = HeaderValue::try_from(format!("Bearer {}", token.access_token));
    let mut field = field.map_err(|_| unavailable("a token that no header can hold"))?;
    field.set_sensitive(true);
    Ok((field, token.expires_at))
}

/// A caller for whom there may be a token for an audience. Only for these is one
/// made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vouched<'p> {
    caller: &'p Principal,
    pub(crate) audience: &'p str,
}

impl<'p> Vouched<'p> {
    /// Refuses a caller whose token says nothing that another one could say. It
    /// asks nobody, so a candidate asks it, too.
    pub(crate) fn of(
        caller: &'p Principal,
        audience: &'p str,
        now: Timestamp,
    ) -> Result<Self, NoInternalToken> {
        if let Some(issuer) = caller.foreign_issuer() {
            // `sub` is unique within one issuer (RFC 7519 section 4.1.2), and
            // theirs may be the name of somebody else among ours.
            return Err(NoInternalToken {
                reason: Reason::ForeignCaller,
                seen: format!("a caller of {issuer}"),
            });
        }
        if caller.expires_at() <= now.unix() {
            // Let in because clocks differ; no life is left to pass on.
            return Err(NoInternalToken {
                reason: Reason::TokenExpired,
                seen: "a token that has just expired".to_owned(),
            });
        }
        Ok(Self { caller, audience })
    }
}

fn unavailable(seen: &str) -> NoInternalToken {
    NoInternalToken {
        reason: Reason::InternalTokenUnavailable,
        seen: seen.to_owned(),
    }
}

/// No tokens.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}
