//! `client_credentials`: an id and a secret in, an access token out.
//!
//! An HMAC each to know the secret for one of ours and for the stored one, and a
//! signature; nothing is written. What a change does to tokens
//! that are given at the same moment: a request that began before the change was
//! committed may still get one, dated when the request came. Disabling therefore
//! refuses tokens up to [`AHEAD`] beyond its own moment, and removing refuses
//! them whatever their date.

use std::collections::BTreeSet;

use doorward_jose::time::UnixTime;
use doorward_policy::{permission::PermissionPattern, role::Roles};
use doorward_verify::{
    clock::Timestamp,
    credential::{Kind, UnverifiedCredential},
};

use super::{ClientId, ClientName};
use crate::{
    access_token::Holder,
    error::{MintError, StoreError},
    issuer::Issuer,
    store::ClientRow,
    tenant::TenantName,
};

/// How far a disabled client's watermark lies ahead, seconds: longer than any
/// transaction lasts (`store` waits five for the lock), shorter than the leeway
/// by which a token of a client that was enabled again may then lie ahead.
pub(crate) const AHEAD: u64 = 15;

/// A request of a client for a token.
#[derive(Clone, Copy)]
pub struct TokenRequest<'a> {
    /// `client_id`.
    pub client_id: &'a str,
    /// The secret's text.
    pub secret: &'a str,
    /// `scope`: permissions, separated by spaces; all that there are if absent.
    pub scope: Option<&'a str>,
    /// When it came.
    pub at: Timestamp,
}

/// What a client gets. Holds a secret, so it cannot be printed.
pub struct ClientTokenAnswer {
    /// The access token, an `at+jwt`.
    pub access_token: String,
    /// Its life, seconds.
    pub expires_in: u64,
    /// What it may do: permissions, separated by spaces.
    pub scope: String,
    /// Who it is.
    pub client: ClientId,
    /// Where.
    pub tenant: TenantName,
}

/// No token for the client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientTokenError {
    /// Unknown, disabled, or another secret. The text is for the operator.
    #[error("{0}")]
    WrongCredentials(&'static str),
    /// A value of `scope` that is no permission, or more than the client has.
    #[error("`scope` asks for what the client does not have")]
    Scope,
    /// No access token.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A client that proved itself, as of the moment of its request.
pub(crate) struct ProvenClient {
    pub(crate) row: ClientRow,
    all_tokens_from: UnixTime,
    at: Timestamp,
}

impl Issuer {
    /// Gives a client a token for its secret.
    ///
    /// # Errors
    ///
    /// [`ClientTokenError`].
    pub async fn client_token(
        &self,
        request: TokenRequest<'_>,
    ) -> Result<ClientTokenAnswer, ClientTokenError> {
        let client = self
            .prove_client(request.client_id, request.secret, request.at)
            .await?;
        self.token_for(&client, request.scope)
    }

    /// What operators call the client of this id, if there is one.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn client_name(&self, id: &str) -> Result<Option<ClientName>, StoreError> {
        let picture = self.clients().present().await?;
        Ok(picture.get(id).map(|row| row.name.clone()))
    }

    /// Checks a client's secret: the same work whether there is such a client or
    /// not.
    pub(crate) async fn prove_client(
        &self,
        client_id: &str,
        secret: &str,
        at: Timestamp,
    ) -> Result<ProvenClient, ClientTokenError> {
        use ClientTokenError::WrongCredentials;
        let presented = UnverifiedCredential::parse(secret)
            .filter(|it| it.kind() == Kind::ClientSecret && it.id() == client_id)
            .filter(|it| self.keys().credentials.drew(it))
            .ok_or(WrongCredentials("not a secret of this client"))?;
        let mac = self.keys().credentials.mac_of(&presented);
        let picture = self.clients().present().await?;
        let row = picture
            .get(client_id)
            .ok_or(WrongCredentials("no such client"))?;
        if !row.secrets.accept(&mac, at) {
            return Err(WrongCredentials("another secret"));
        }
        if row.disabled_at.is_some() {
            return Err(WrongCredentials("the client is disabled"));
        }
        Ok(ProvenClient {
            row: row.clone(),
            all_tokens_from: picture.all_tokens_from(),
            at,
        })
    }

    /// A token for a proven client.
    pub(crate) fn token_for(
        &self,
        client: &ProvenClient,
        scope: Option<&str>,
    ) -> Result<ClientTokenAnswer, ClientTokenError> {
        let row = &client.row;
        let roles = self.roles();
        let held = held(&roles, row);
        let asked = scope.map(|scope| asked(scope, &held)).transpose()?;
        let permissions = asked.as_ref().unwrap_or(&held);
        let now = client.at.unix();
        let mut claims = self
            .claims_of(Holder {
                subject: row.id.as_str(),
                tenant: &row.tenant,
                client_id: row.id.as_str(),
                issued_at: now.max(row.tokens_from).max(client.all_tokens_from),
                decided_at: now,
                lifetime: self.config().access_token_lifetime,
            })
            .permissions(permissions.iter().map(PermissionPattern::as_str));
        let granted = words(permissions);
        match asked {
            // Whoever decides by roles must not take a narrowed token for a
            // whole one.
            Some(_) => claims = claims.scope(&*granted),
            None => {
                let known = row.roles.iter().filter(|role| roles.get(role).is_some());
                claims = claims.roles(known);
            }
        }
        let minted = self.sign(&claims)?;
        Ok(ClientTokenAnswer {
            expires_in: minted.expires_at.as_secs().saturating_sub(now.as_secs()),
            access_token: minted.access_token,
            scope: granted,
            client: row.id.clone(),
            tenant: row.tenant.clone(),
        })
    }
}

/// What the client may do by its roles and by itself.
pub(crate) fn held(roles: &Roles, row: &ClientRow) -> BTreeSet<PermissionPattern> {
    let own = row
        .permissions
        .iter()
        .filter_map(|text| PermissionPattern::parse(text).ok());
    let mut held = roles.effective(&row.roles);
    held.extend(own);
    held
}

/// The values of `scope`, each of which the client must have (ISS-003).
fn asked(
    scope: &str,
    held: &BTreeSet<PermissionPattern>,
) -> Result<BTreeSet<PermissionPattern>, ClientTokenError> {
    let asked = scope
        .split(' ')
        .map(PermissionPattern::parse)
        .collect::<Result<BTreeSet<_>, _>>()
        .map_err(|_| ClientTokenError::Scope)?;
    let is_held = |one: &PermissionPattern| held.iter().any(|pattern| pattern.includes(one));
    match asked.iter().all(is_held) {
        true => Ok(asked),
        false => Err(ClientTokenError::Scope),
    }
}

fn words(permissions: &BTreeSet<PermissionPattern>) -> String {
    let texts: Vec<&str> = permissions.iter().map(PermissionPattern::as_str).collect();
    texts.join(" ")
}
