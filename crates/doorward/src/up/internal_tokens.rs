//! Makes internal tokens: who asks, said to one API behind the gateway in a form
//! that it can check.
//!
//! The gateway is an issuer of its own here, with a key of its own, and not the
//! issuer of callers' tokens. So an internal token opens nothing in front of the
//! gateway (no verifier knows key and issuer), a caller's token that is brought
//! past the gateway opens nothing at an API that trusts this issuer alone, and a
//! gateway in a process of its own needs no secret of the issuer's. The key lets
//! it speak for callers to the APIs behind it and to nobody else, which it does
//! with its identity fields anyway.
//!
//! The tokens are access tokens of RFC 9068, `typ` included, so that every
//! library which checks those takes them: what keeps them apart from callers'
//! is key, issuer and audience.

mod key_file;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use base64_simd::URL_SAFE_NO_PAD;
use bytes::Bytes;
use doorward_gateway::{
    LocalService,
    forward_auth::Proxy,
    internal_token::{InternalToken, InternalTokens, NoInternalToken},
};
use doorward_issuer::access_token::MAX_ACCESS_TOKEN_BYTES;
use doorward_policy::{decision::Reason, narrow::narrowed, permission::PermissionPattern};
use doorward_verify::{
    clock::Timestamp,
    jose::{
        claims::{AccessClaims, RequiredClaims},
        json::{Object, Value},
        jwk_set::KeySet,
        signing_key::SigningKey,
    },
    principal::Principal,
};
use http::{HeaderValue, Method, Response, header};
use http_body_util::{BodyExt as _, Full};

use super::{Role, Settings, wiring::random};
use crate::{
    config::Config,
    data_folder::{DataFolder, LastUp},
    exit::Failure,
};

/// Where the public halves are, on the gateway's own listener.
pub(super) const JWKS_PATH: &str = "/.well-known/internal-jwks.json";

/// How long an internal token lives, in seconds, unless the caller's own ends
/// before.
const LIFETIME: u64 = 60;

/// `typ` (RFC 9068 section 2.1).
const TOKEN_TYPE: &str = "at+jwt";

/// How long the public halves may be cached.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The gateway as an issuer to what stands behind it; with no key while no
/// route asks for a token.
#[derive(Clone)]
pub(super) struct InternalIssuer {
    place: Arc<Place>,
    keys: Arc<ArcSwapOption<Keys>>,
    /// Raised when what was signed before is not to be handed on any more.
    generation: Arc<AtomicU64>,
}

/// What does not change while it runs.
struct Place {
    is_gateway: bool,
    folder: DataFolder,
    /// Where paths of the configuration start.
    beside: PathBuf,
    origin: String,
    /// `iss` of callers' tokens, but for those of other issuers.
    callers_issuer: String,
    /// `aud` of callers' tokens: the name of who acts for them.
    actor: String,
    /// The other proxy that asks here: not another one before a restart.
    proxy: Option<Proxy>,
}

/// What it signs with at the moment, and what it may say.
pub(super) struct Keys {
    issuer: String,
    /// Every audience that a route may ask for, with the most that is said of a
    /// caller's rights there; everything, if nothing is written.
    audiences: BTreeMap<String, Option<BTreeSet<PermissionPattern>>>,
    signing: SigningKey,
    jwks: Bytes,
}

impl InternalIssuer {
    /// For a gateway at `origin` whose callers' tokens are those of `last_up`.
    pub(super) fn new(
        settings: &Settings,
        origin: &str,
        last_up: &LastUp,
    ) -> Result<Self, Failure> {
        let beside = settings.config_file.as_deref().and_then(Path::parent);
        let forward_auth = settings.config.forward_auth.as_ref();
        let issuer = Self {
            place: Arc::new(Place {
                is_gateway: settings.role != Role::Issuer,
                folder: settings.folder.clone(),
                beside: beside.map(Path::to_owned).unwrap_or_default(),
                origin: origin.to_owned(),
                callers_issuer: last_up.issuer.clone(),
                actor: last_up.audience.clone(),
                proxy: forward_auth.map(|it| it.proxy),
            }),
            keys: Arc::default(),
            generation: Arc::default(),
        };
        issuer.put(issuer.prepare(&settings.config)?);
        Ok(issuer)
    }

    /// What `config` asks for; nothing if no route wants a token.
    pub(super) fn prepare(&self, config: &Config) -> Result<Option<Keys>, Failure> {
        let place = &self.place;
        let audiences = config.internal_audiences();
        if !place.is_gateway || audiences.is_empty() {
            return Ok(None);
        }
        let wanted = &config.internal_tokens;
        let own_name = || format!("{}/internal", place.origin);
        let issuer = wanted.issuer.clone().unwrap_or_else(own_name);
        place.opens_nothing((&issuer, &audiences), config)?;
        place.reaches_the_api()?;
        let limit = |audience: &str| wanted.permissions.get(audience).cloned();
        let limited = audiences.into_iter().map(|it| (it.to_owned(), limit(it)));
        let keys = match &wanted.key {
            Some(file) => key_file::read(&place.beside.join(file))?,
            None => key_file::kept(&place.folder)?,
        };
        let jwks = keys.iter().map(SigningKey::verifying_key);
        let jwks = jwks.collect::<KeySet>().to_jwks_json();
        let signing = keys.into_iter().next();
        Ok(Some(Keys {
            issuer,
            audiences: limited.collect(),
            signing: signing.expect("a file without a key was refused"),
            jwks: jwks.into(),
        }))
    }

    /// Signs with `keys` from now on. Where none are wanted any more the last
    /// stay published: what they signed a moment ago is still on its way.
    pub(super) fn put(&self, keys: Option<Keys>) {
        if let Some(keys) = keys {
            let keys = keys.after(self.keys.load().as_deref());
            self.keys.store(Some(Arc::new(keys)));
            self.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// `iss` of its tokens, if it makes any.
    pub(super) fn name(&self) -> Option<String> {
        let keys = self.keys.load();
        keys.as_ref().map(|keys| keys.issuer.clone())
    }

    /// As the gateway asks for tokens.
    pub(super) fn seam(&self) -> InternalTokens {
        let issuer = self.clone();
        InternalTokens {
            generation: Arc::clone(&self.generation),
            make: Arc::new(move |caller, audience, now| match &*issuer.keys.load() {
                Some(keys) => keys.token(&issuer.place.actor, (caller, audience), now),
                None => Err(unavailable("there is no key to sign it with")),
            }),
        }
    }

    /// Publishes the keys before `local` answers.
    pub(super) fn before(&self, local: LocalService) -> LocalService {
        let (keys, next) = (Arc::clone(&self.keys), local.call);
        LocalService {
            matches: local.matches,
            call: Arc::new(move |request| {
                let is_asked = request.uri().path() == JWKS_PATH
                    && [Method::GET, Method::HEAD].contains(request.method());
                let keys = keys.load();
                let Some(keys) = keys.as_deref().filter(|_| is_asked) else {
                    return next(request);
                };
                let body = Full::new(keys.jwks.clone()).map_err(|never| match never {});
                let mut answer = Response::new(body.boxed_unsync());
                let media_type = HeaderValue::from_static("application/jwk-set+json");
                let headers = answer.headers_mut();
                headers.insert(header::CONTENT_TYPE, media_type);
                headers.insert(header::CACHE_CONTROL, CACHED);
                Box::pin(std::future::ready(answer))
            }),
        }
    }
}

impl Place {
    /// Refuses tokens that would be callers' tokens by their names. Routes and file
    /// were compared when the file was read; how the gateway is called and whose
    /// tokens it takes without being told is known here.
    fn opens_nothing(
        &self,
        (issuer, audiences): (&str, &BTreeSet<&str>),
        config: &Config,
    ) -> Result<(), Failure> {
        let others = config.trusted_issuers.iter();
        if issuer == self.callers_issuer || others.clone().any(|it| it.issuer == issuer) {
            let title = format!("internal tokens of `{issuer}`, whose tokens open routes");
            let hint = "name another `issuer` in [internal_tokens]: `/internal` behind the origin, \
                        for example";
            return Err(Failure::configuration(title).hint(hint));
        }
        let is_callers = |audience: &&&str| {
            **audience == self.actor || others.clone().any(|it| it.audience == **audience)
        };
        match audiences.iter().find(is_callers) {
            None => Ok(()),
            Some(audience) => Err(Failure::configuration(format!(
                "internal tokens for `{audience}`, which is an audience of callers' tokens"
            ))
            .hint(
                "an internal token must open nothing here; name the API behind, by another name",
            )),
        }
    }

    /// Refuses to make tokens that the proxy which asks would not hand on.
    fn reaches_the_api(&self) -> Result<(), Failure> {
        match self.proxy.filter(|proxy| !proxy.hands_on_tokens()) {
            None => Ok(()),
            Some(proxy) => Err(Failure::configuration(format!(
                "`internal_token` and a proxy `{}` in [forward_auth], which hands on none",
                proxy.name()
            ))
            .hint(
                "only nginx does so far; a change of [forward_auth] takes effect with a restart",
            )),
        }
    }
}

impl Keys {
    /// These in place of `before`: the routes that are served follow later, and
    /// until then their audiences have the limits that they had.
    fn after(mut self, before: Option<&Self>) -> Self {
        for (audience, limit) in before.iter().flat_map(|before| &before.audiences) {
            let carried = || limit.clone();
            self.audiences
                .entry(audience.clone())
                .or_insert_with(carried);
        }
        self
    }

    /// A token for `audience` of a caller whose own was verified just now. It
    /// says what the caller's says, and the proof of possession behind that is
    /// not asked for again: it is a bearer token, for a minute.
    fn token(
        &self,
        actor: &str,
        (caller, audience): (&Principal, &str),
        now: Timestamp,
    ) -> Result<InternalToken, NoInternalToken> {
        // What nobody wrote a limit for, and nobody asked for, is not without one.
        let limit = self.audiences.get(audience);
        let limit = limit.ok_or_else(|| unavailable("an audience of no route"))?;
        let client = caller.claims().client_id();
        let client = client.ok_or_else(|| unavailable("a token that names no client"))?;
        let now = now.unix();
        let left = caller.expires_at().as_secs().saturating_sub(now.as_secs());
        let claims = AccessClaims::new(RequiredClaims {
            issuer: self.issuer.clone(),
            subject: caller.subject().to_owned(),
            audience: audience.to_owned(),
            client_id: client.to_owned(),
            token_id: URL_SAFE_NO_PAD.encode_to_string(random::<16>()),
            issued_at: now,
            lifetime_seconds: left.min(LIFETIME),
        });
        let claims = match limit {
            Some(limit) => with_rights_within(claims, caller, limit),
            None => with_rights(claims, caller),
        };
        let claims = with_sign_in(claims, caller).actor(acting(actor, caller));
        self.sign(&claims)
    }

    fn sign(&self, claims: &AccessClaims) -> Result<InternalToken, NoInternalToken> {
        let fault = |_| unavailable("it cannot be signed");
        let size = self.signing.signed_len(TOKEN_TYPE, claims).map_err(fault)?;
        if size > MAX_ACCESS_TOKEN_BYTES {
            let most = MAX_ACCESS_TOKEN_BYTES;
            let seen = format!("a token of {size} bytes with the caller's rights, of {most}");
            return Err(unavailable(seen));
        }
        Ok(InternalToken {
            access_token: self.signing.sign(TOKEN_TYPE, claims).map_err(fault)?,
            expires_at: Timestamp::from_millis(claims.expires_at().as_secs() * 1000),
        })
    }
}

fn unavailable(seen: impl Into<String>) -> NoInternalToken {
    NoInternalToken {
        reason: Reason::InternalTokenUnavailable,
        seen: seen.into(),
    }
}

/// What the caller may do. Permissions are names, also where the caller's token
/// has numbers, which mean nothing without its issuer's list.
fn with_rights(internal: AccessClaims, caller: &Principal) -> AccessClaims {
    let permissions = caller.permissions().iter();
    let internal = internal
        .roles(caller.roles().iter().cloned())
        .permissions(permissions.map(ToString::to_string));
    match caller.claims().scope() {
        Some(scope) => internal.scope(scope),
        None => internal,
    }
}

/// The part of it that is within `limit`. Without roles and scope, which would
/// say the whole again.
fn with_rights_within(
    internal: AccessClaims,
    caller: &Principal,
    limit: &BTreeSet<PermissionPattern>,
) -> AccessClaims {
    let held = caller.permissions().iter().cloned().collect();
    let permissions = narrowed(&held, limit);
    internal.permissions(permissions.iter().map(ToString::to_string))
}

/// Where the caller is at home, and how they signed in.
fn with_sign_in(mut internal: AccessClaims, caller: &Principal) -> AccessClaims {
    let claims = caller.claims();
    if let Some(tenant) = caller.tenant() {
        internal = internal.tenant(tenant);
    }
    if let Some(session) = caller.session_id() {
        internal = internal.session(session);
    }
    if let Some(at) = claims.auth_time() {
        internal = internal.authentication(at, claims.amr().iter().cloned());
    }
    if let Some(acr) = claims.acr() {
        internal = internal.acr(acr);
    }
    internal
}

/// `act`: the gateway, after whoever acted before it (RFC 8693 section 4.1).
fn acting(gateway: &str, caller: &Principal) -> Object {
    let mut actor = Object::new();
    actor.insert("sub".to_owned(), Value::String(gateway.to_owned()));
    if let Some(before) = caller.claims().others().get("act") {
        actor.insert("act".to_owned(), before.clone());
    }
    actor
}

#[cfg(test)]
mod tests;
