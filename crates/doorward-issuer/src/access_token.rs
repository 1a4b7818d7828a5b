//! Access tokens (RFC 9068): who gets one, and what it says.
//!
//! `Issuer::entitle` reads, inside the transaction that issues, what the user may
//! have now; only its `Entitled` can be minted. So a change of rights and an
//! issue have an order: either the token shows the change, or the change's
//! revocation refuses the token.

use std::{borrow::Cow, collections::HashMap};

use base64_simd::URL_SAFE_NO_PAD;
use doorward_jose::{
    claims::{AccessClaims, RequiredClaims},
    json::Object,
    time::UnixTime,
};
use doorward_policy::permission::PermissionPattern;
use doorward_verify::{clock::Timestamp, permission_numbers::PermissionNumbers};

use crate::{
    entropy::random,
    error::{MintError, StoreError},
    issuer::Issuer,
    key_ring::Picture,
    permission_numbers::PermissionForm,
    session::SessionId,
    store::{AccountState, Tx},
    tenant::TenantName,
    user::UserId,
};

/// Largest access token that can be configured. Proxies and servers refuse
/// header fields of 8 KiB and more, and other fields need room too.
pub const MAX_ACCESS_TOKEN_BYTES: usize = 6 * 1024;

/// `acr` of a user who proved one factor: assurance level 1 of NIST SP 800-63B-4.
pub const ONE_FACTOR: &str = "aal1";

/// `acr` of a user who proved two factors: assurance level 2.
pub const TWO_FACTORS: &str = "aal2";

/// `typ` of access tokens (RFC 9068 section 2.1).
const TOKEN_TYPE: &str = "at+jwt";

/// An access token without a session, made by an administrator. Holds a
/// secret, so it cannot be printed.
pub struct MintedToken {
    /// The token.
    pub access_token: String,
    /// `jti`.
    pub token_id: String,
    /// `exp`.
    pub expires_at: UnixTime,
}

/// What a user may have in a tenant at the moment of a transaction.
#[derive(Clone, Debug)]
pub(crate) struct Entitled {
    pub(crate) subject: UserId,
    pub(crate) tenant: TenantName,
    /// Version of the account.
    pub(crate) version: i64,
    pub(crate) roles: Vec<String>,
    /// Claims that hold attributes of the user; none outside of the home tenant.
    pub(crate) attributes: Object,
    pub(crate) issued_at: UnixTime,
    /// When the transaction decided; lives are counted from here.
    decided_at: UnixTime,
}

/// Whether a user may have a token for a tenant.
pub(crate) enum Entitlement {
    Granted(Entitled),
    /// Disabled, or there is no such account any more.
    Disabled,
    NotAMember,
}

/// Through what the token is asked for.
pub(crate) struct Request<'a, M> {
    pub(crate) client_id: &'a str,
    pub(crate) session: Option<SessionId>,
    /// `auth_time` and `amr`, from which `acr` follows, for a user who signed in.
    pub(crate) authentication: Option<(UnixTime, &'a [M])>,
}

/// What a user holds in a tenant, read behind the account, which whoever
/// changes it holds as well.
pub(crate) struct Held {
    pub(crate) roles: Vec<String>,
    /// Claims that hold attributes of the user.
    pub(crate) attributes: Object,
}

/// What the holder of an account that is not disabled may have in `tenant`,
/// where this is what is held.
pub(crate) fn entitlement(
    state: &AccountState,
    Held { roles, attributes }: Held,
    (user, tenant): (&UserId, &TenantName),
    now: Timestamp,
) -> Entitlement {
    if roles.is_empty() && state.home_tenant != *tenant {
        return Entitlement::NotAMember;
    }
    // Who administers the home tenant says what the user is there. In another
    // tenant the same words may mean much else, and are not theirs to say.
    let attributes = match state.home_tenant == *tenant {
        true => attributes,
        false => Object::new(),
    };
    Entitlement::Granted(Entitled {
        subject: user.clone(),
        tenant: tenant.clone(),
        version: state.version,
        roles,
        attributes,
        issued_at: now.unix().max(state.tokens_from).max(state.all_tokens_from),
        decided_at: now.unix(),
    })
}

/// Whom a token is for, and for how long.
pub(crate) struct Holder<'a> {
    pub(crate) subject: &'a str,
    pub(crate) tenant: &'a TenantName,
    pub(crate) client_id: &'a str,
    /// `iat`: never before a watermark that concerns the holder.
    pub(crate) issued_at: UnixTime,
    /// When it was decided that the token may be; its life is counted from here.
    pub(crate) decided_at: UnixTime,
    /// Seconds.
    pub(crate) lifetime: u64,
}

/// A token that can be signed: the ring has a key, and it is not too large.
/// Made before anything is committed that the token is the answer to.
pub(crate) struct Draft(Box<AccessClaims>);

impl Issuer {
    /// Reads what `user` may have in `tenant`. The token's `iat` is never before
    /// the watermark of the user, so what was revoked and what is issued now
    /// differ even within one second.
    pub(crate) async fn entitle(
        &self,
        tx: &mut Tx,
        user: &UserId,
        tenant: &TenantName,
        now: Timestamp,
    ) -> Result<Entitlement, StoreError> {
        let account = tx.account_state(user).await?;
        self.entitle_as(tx, account, (user, tenant), now).await
    }

    /// [`entitle`](Self::entitle) for an account that was read in this transaction.
    pub(crate) async fn entitle_as(
        &self,
        tx: &mut Tx,
        account: Option<AccountState>,
        (user, tenant): (&UserId, &TenantName),
        now: Timestamp,
    ) -> Result<Entitlement, StoreError> {
        let state = match account {
            Some(state) if !state.disabled => state,
            _ => return Ok(Entitlement::Disabled),
        };
        let roles = tx.roles(user, tenant).await?;
        let attributes = self
            .attribute_claims(tx, &[user])
            .await?
            .remove(user.as_str());
        let held = Held {
            roles,
            attributes: attributes.unwrap_or_default(),
        };
        let entitlement = entitlement(&state, held, (user, tenant), now);
        if matches!(entitlement, Entitlement::Granted(_)) && state.uses_tokens_from(now) {
            tx.mark_tokens_from_used(user).await?;
        }
        Ok(entitlement)
    }

    /// The claims that hold attributes of these users, by their ids; nothing is
    /// read where the configuration names none.
    pub(crate) async fn attribute_claims(
        &self,
        tx: &mut Tx,
        users: &[&UserId],
    ) -> Result<HashMap<String, Object>, StoreError> {
        let claims = &self.config().claims;
        if claims.is_empty() {
            return Ok(HashMap::new());
        }
        let stored = tx.attributes_of(users).await?.into_iter();
        let held = stored.map(|(id, stored)| (id, claims.of(&stored.attributes)));
        Ok(held.collect())
    }

    /// Makes and signs a user's token.
    pub(crate) fn mint<M: AsRef<str>>(
        &self,
        entitled: &Entitled,
        request: Request<'_, M>,
    ) -> Result<MintedToken, MintError> {
        self.sign(&self.claims_for(entitled, request))
    }

    /// Makes a user's token and everything of it that can fail but the
    /// signature: what is committed for it is not committed in vain.
    pub(crate) fn draft<M: AsRef<str>>(
        &self,
        entitled: &Entitled,
        request: Request<'_, M>,
    ) -> Result<Draft, MintError> {
        let claims = self.claims_for(entitled, request);
        let ring = self.key_ring().picture();
        let fitting = self.fitting(&ring, &claims)?.into_owned();
        Ok(Draft(Box::new(fitting)))
    }

    /// Signs what was drafted, with the key that signs now.
    pub(crate) fn sign_draft(&self, draft: &Draft) -> Result<MintedToken, MintError> {
        self.sign(&draft.0)
    }

    fn claims_for<M: AsRef<str>>(
        &self,
        entitled: &Entitled,
        request: Request<'_, M>,
    ) -> AccessClaims {
        let roles = self.roles();
        let known = entitled
            .roles
            .iter()
            .filter(|role| roles.get(role).is_some());
        let permissions = roles.effective(&entitled.roles);
        let mut claims = self
            .claims_of(Holder {
                subject: entitled.subject.as_str(),
                tenant: &entitled.tenant,
                client_id: request.client_id,
                issued_at: entitled.issued_at,
                decided_at: entitled.decided_at,
                lifetime: self.config().access_token_lifetime,
            })
            .roles(known)
            .permissions(permissions.iter().map(ToString::to_string))
            .others(entitled.attributes.clone());
        if let Some(session) = request.session {
            claims = claims.session(session.to_string());
        }
        if let Some((at, methods)) = request.authentication {
            let methods = || methods.iter().map(AsRef::as_ref);
            claims = claims
                .authentication(at, methods())
                .acr(assurance(methods()));
        }
        claims
    }

    /// What every token says.
    pub(crate) fn claims_of(&self, holder: Holder<'_>) -> AccessClaims {
        let config = self.config();
        // Counted from the decision: not from an `iat` that a watermark put
        // ahead, and not from the moment of signing, which a busy queue puts
        // off. Otherwise a token could outlive the revocation that was written
        // right after its decision, or live longer than verifiers allow.
        let end = holder.decided_at.saturating_add(holder.lifetime);
        AccessClaims::new(RequiredClaims {
            issuer: config.issuer.clone(),
            subject: holder.subject.to_owned(),
            audience: config.audience.clone(),
            client_id: holder.client_id.to_owned(),
            token_id: URL_SAFE_NO_PAD.encode_to_string(random::<16>(self.entropy())),
            issued_at: holder.issued_at,
            lifetime_seconds: end.as_secs().saturating_sub(holder.issued_at.as_secs()),
        })
        .tenant(holder.tenant.as_str())
    }

    /// Signs a token, unless it is too large.
    pub(crate) fn sign(&self, claims: &AccessClaims) -> Result<MintedToken, MintError> {
        let ring = self.key_ring().picture();
        let key = ring.signing.as_ref().ok_or(MintError::NoSigningKey)?;
        let access_token = key
            .sign(TOKEN_TYPE, &*self.fitting(&ring, claims)?)
            .map_err(|_| MintError::Signing)?;
        Ok(MintedToken {
            access_token,
            token_id: claims.token_id().to_owned(),
            expires_at: claims.expires_at(),
        })
    }

    /// The claims as they fit the largest token: as they are, or with numbers
    /// in place of the names of permissions where that is allowed.
    fn fitting<'c>(
        &self,
        ring: &Picture,
        claims: &'c AccessClaims,
    ) -> Result<Cow<'c, AccessClaims>, MintError> {
        let key = ring.signing.as_ref().ok_or(MintError::NoSigningKey)?;
        let limit = self.config().max_token_bytes;
        let size = |claims: &AccessClaims| {
            key.signed_len(TOKEN_TYPE, claims)
                .map_err(|_| MintError::Signing)
        };
        let named = size(claims)?;
        if named <= limit {
            return Ok(Cow::Borrowed(claims));
        }
        let numbered = match self.config().permissions {
            PermissionForm::Names => None,
            PermissionForm::Numbers => with_numbers(&ring.numbers, claims),
        };
        let (size, claims) = match numbered {
            Some(numbered) => (size(&numbered)?, Cow::Owned(numbered)),
            None => (named, Cow::Borrowed(claims)),
        };
        match size <= limit {
            true => Ok(claims),
            false => Err(MintError::TooLarge {
                size,
                limit,
                claim: largest_claim(&claims),
            }),
        }
    }
}

/// The same claims by numbers; none if one of the permissions has no number,
/// and if they are numbers already: a draft may be fitted to another key.
fn with_numbers(numbers: &PermissionNumbers, claims: &AccessClaims) -> Option<AccessClaims> {
    let names = claims.named_permissions();
    if names.is_empty() {
        return None;
    }
    let names = names.iter();
    let names: Vec<PermissionPattern> = names.filter_map(|name| name.parse().ok()).collect();
    Some(claims.clone().permission_set(numbers.encode(&names)?))
}

/// `acr` of these methods: `mfa` among them (RFC 8176) means two factors.
fn assurance<'m>(mut methods: impl Iterator<Item = &'m str>) -> &'static str {
    match methods.any(|method| method == "mfa") {
        true => TWO_FACTORS,
        false => ONE_FACTOR,
    }
}

/// The claim that takes most room, by its name and its JSON.
fn largest_claim(claims: &AccessClaims) -> String {
    let members = match serde_json::to_value(claims) {
        Ok(serde_json::Value::Object(members)) => members,
        _ => return String::new(),
    };
    let size = |(name, value): &(String, serde_json::Value)| name.len() + value.to_string().len();
    let largest = members.into_iter().max_by_key(size);
    largest.map(|(name, _)| name).unwrap_or_default()
}
