//! `/api/*`: administration over HTTP, for the admin listener.
//!
//! [`OPERATIONS`] is the only list: the router is made from it, the permission
//! is asked from it, the OpenAPI document ([`openapi()`]) is written from it, and
//! the unauthorized matrix (`tests/domain/administration.rs`) holds its rows against it.
//!
//! One function runs all of them (`run`): who asks (`administrator`), then
//! what (`call`), then the operation itself. Every change is one of
//! [`Admin`](crate::Admin): one transaction with its audit entry, in the name of
//! the caller. What other operations of the same issuer share holds here too:
//! strict bodies, problem documents, nothing cached.

mod administrator;
mod api_keys;
mod attributes;
mod call;
mod clients;
mod cursor;
mod grants;
mod idempotency;
mod keys;
mod openapi;
mod sessions;
mod shape;
mod tenants;
mod users;

use std::{future::Future, pin::Pin};

use axum::{
    Router,
    extract::{Request, State},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{MethodFilter, get, on},
};
use doorward_policy::decision::Reason;
use http::Method;

use self::{
    administrator::Administrator,
    call::{Call, Said},
    shape::Shape,
};
use super::{
    error::{self, Refusal},
    extract::{Arrival, read},
};
use crate::{error::AdminError, issuer::Issuer};

pub use administrator::Operator;
pub use openapi::openapi;

/// One operation.
pub struct Operation {
    /// Method.
    pub method: Method,
    /// Path, with parameters in braces.
    pub path: &'static str,
    /// Its name in the OpenAPI document.
    pub id: &'static str,
    /// What a token must hold.
    pub permission: &'static str,
    /// Who can hold it.
    pub needs: Needs,
    summary: &'static str,
    asks: Option<&'static Shape>,
    says: Option<&'static Shape>,
    status: u16,
    is_list: bool,
    /// Whether it can be asked to change only what has a certain entity tag.
    pub takes_if_match: bool,
    run: fn(Call) -> Running,
}

/// How far an operation reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Into one tenant: the token's.
    Tenant,
    /// Over the whole installation: the operator only.
    Installation,
}

type Running = Pin<Box<dyn Future<Output = Result<Said, Refusal>> + Send>>;

/// A row of the table.
macro_rules! operation {
    ($method:ident $path:literal, $id:literal, $needs:ident $permission:literal,
     $summary:literal, $run:path
     $(, asks $asks:path)? $(, says $says:path)? $(, status $status:literal)?
     $(, list $list:literal)? $(, if_match $tag:literal)?) => {
        Operation {
            method: Method::$method,
            path: $path,
            id: $id,
            permission: $permission,
            needs: Needs::$needs,
            summary: $summary,
            asks: operation!(@option $(&$asks)?),
            says: operation!(@option $(&<$says as shape::Documented>::SHAPE)?),
            status: operation!(@or 200 $($status)?),
            is_list: operation!(@or false $($list)?),
            takes_if_match: operation!(@or false $($tag)?),
            run: |call| Box::pin($run(call)),
        }
    };
    (@option) => { None };
    (@option $value:expr) => { Some($value) };
    (@or $default:literal) => { $default };
    (@or $default:literal $value:literal) => { $value };
}

/// Every operation.
#[rustfmt::skip]
pub const OPERATIONS: &[Operation] = &[
    operation!(GET "/api/users", "listUsers", Tenant "doorward:users:read",
        "Users by name", users::list, says users::Users, list true),
    operation!(POST "/api/users", "createUser", Tenant "doorward:users:write",
        "Make a user", users::create, asks users::NEW_USER, says users::User, status 201),
    operation!(GET "/api/users/{username}", "getUser", Tenant "doorward:users:read",
        "One user", users::one, says users::User),
    operation!(PATCH "/api/users/{username}", "updateUser", Tenant "doorward:users:write",
        "Disable a user (refused everywhere, sessions ended), or enable one again",
        users::update, asks users::USER_CHANGE, says users::User, if_match true),
    operation!(POST "/api/users/{username}/password-reset", "createPasswordReset",
        Tenant "doorward:users:write",
        "A token with which the user sets a password, once and within 15 minutes",
        users::reset, says users::PasswordReset, status 201),
    operation!(DELETE "/api/users/{username}/second-factor", "deleteSecondFactor",
        Tenant "doorward:users:write",
        "Take away a second factor that was lost, and end the user's sessions",
        users::remove_second_factor, status 204),
    operation!(GET "/api/users/{username}/attributes", "getAttributes",
        Tenant "doorward:users:read",
        "Attributes of a user", attributes::one, says attributes::UserAttributesShown),
    operation!(PATCH "/api/users/{username}/attributes", "updateAttributes",
        Tenant "doorward:attributes:write",
        "Set attributes of a user, which may be claims of the tokens; old tokens are refused",
        attributes::update, asks attributes::CHANGE, says attributes::UserAttributesShown,
        if_match true),
    operation!(GET "/api/users/{username}/grants", "listGrants", Tenant "doorward:grants:read",
        "Roles of a user", grants::list, says grants::Grants),
    operation!(PUT "/api/users/{username}/grants/{tenant}/{role}", "createGrant",
        Tenant "doorward:grants:write",
        "Give a role in a tenant", grants::create, status 204),
    operation!(DELETE "/api/users/{username}/grants/{tenant}/{role}", "deleteGrant",
        Tenant "doorward:grants:write",
        "Take a role away", grants::delete, status 204),
    operation!(GET "/api/users/{username}/sessions", "listSessions",
        Tenant "doorward:sessions:read",
        "Sessions of a user that have not ended", sessions::list, says sessions::Sessions),
    operation!(DELETE "/api/users/{username}/sessions", "deleteSessions",
        Tenant "doorward:sessions:write",
        "End the sessions of a user, as far as the caller reaches them", sessions::delete_all, status 204),
    operation!(DELETE "/api/sessions/{session}", "deleteSession", Tenant "doorward:sessions:write",
        "End one session", sessions::delete, status 204),
    operation!(GET "/api/roles", "listRoles", Tenant "doorward:roles:read",
        "Roles of the configuration", grants::roles, says grants::Roles),
    operation!(GET "/api/tenants", "listTenants", Installation "doorward:tenants:read",
        "Tenants by name", tenants::list, says tenants::Tenants, list true),
    operation!(POST "/api/tenants", "createTenant", Installation "doorward:tenants:write",
        "Make a tenant", tenants::create, asks tenants::NEW_TENANT, says tenants::Tenant, status 201),
    operation!(GET "/api/clients", "listClients", Tenant "doorward:clients:read",
        "Service clients by name", clients::list, says clients::Clients, list true),
    operation!(POST "/api/clients", "createClient", Tenant "doorward:clients:write",
        "Make a client; its secret is shown once", clients::create,
        asks clients::NEW_CLIENT, says clients::ClientWithSecret, status 201),
    operation!(GET "/api/clients/{name}", "getClient", Tenant "doorward:clients:read",
        "One client", clients::one, says clients::Client),
    operation!(PATCH "/api/clients/{name}", "updateClient", Tenant "doorward:clients:write",
        "Disable a client, or enable one again", clients::update,
        asks clients::CLIENT_CHANGE, says clients::Client, if_match true),
    operation!(POST "/api/clients/{name}/secret", "rotateClientSecret",
        Tenant "doorward:clients:write",
        "A new secret, shown once; the present one counts for the overlap", clients::rotate,
        asks clients::ROTATION, says clients::ClientWithSecret, status 201, if_match true),
    operation!(DELETE "/api/clients/{name}", "deleteClient", Tenant "doorward:clients:write",
        "Remove a client for good", clients::delete, status 204, if_match true),
    operation!(GET "/api/api-keys", "listApiKeys", Tenant "doorward:api-keys:read",
        "API keys", api_keys::list, says api_keys::ApiKeys, list true),
    operation!(POST "/api/api-keys", "createApiKey", Tenant "doorward:api-keys:write",
        "Make an API key; its text is shown once", api_keys::create,
        asks api_keys::NEW_API_KEY, says api_keys::ApiKeyWithText, status 201),
    operation!(GET "/api/api-keys/{id}", "getApiKey", Tenant "doorward:api-keys:read",
        "One API key", api_keys::one, says api_keys::ApiKey),
    operation!(POST "/api/api-keys/{id}/text", "rotateApiKey", Tenant "doorward:api-keys:write",
        "A new text, shown once; the present one counts for the overlap", api_keys::rotate,
        asks api_keys::ROTATION, says api_keys::ApiKeyWithText, status 201),
    operation!(DELETE "/api/api-keys/{id}", "revokeApiKey", Tenant "doorward:api-keys:write",
        "Revoke an API key for good", api_keys::delete, status 204),
    operation!(GET "/api/keys", "listKeys", Installation "doorward:keys:read",
        "Signing keys that are not destroyed", keys::list, says keys::Keys),
    operation!(POST "/api/keys", "rotateKey", Installation "doorward:keys:write",
        "Publish a new signing key, which takes over once every client has seen it",
        keys::rotate, says keys::NewKey, status 201),
    operation!(DELETE "/api/keys/{kid}", "withdrawKey", Installation "doorward:keys:write",
        "Withdraw a signing key that leaked: its tokens are refused at once",
        keys::withdraw, status 204),
];

impl Issuer {
    /// Administration over HTTP. The operator's requests carry [`Operator`];
    /// others are judged by their access token.
    pub fn admin_router(&self) -> Router {
        let router = OPERATIONS.iter().fold(Router::new(), |router, operation| {
            let method = MethodFilter::try_from(operation.method.clone())
                .expect("INVARIANT: OPERATIONS names standard methods only");
            let handler =
                move |State(issuer): State<Issuer>, arrival: Arrival, request: Request| {
                    run(issuer, operation, arrival, request)
                };
            router.route(operation.path, on(method, handler))
        });
        router
            .route("/api/openapi.json", get(openapi::get))
            .method_not_allowed_fallback(error::method_not_allowed)
            .layer(from_fn_with_state(self.clone(), error::in_form))
            .with_state(self.clone())
    }
}

/// One call, from its first byte to its answer.
async fn run(
    issuer: Issuer,
    operation: &'static Operation,
    arrival: Arrival,
    request: Request,
) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    let administrator = Administrator::admit(&issuer, operation, &arrival, &parts)?;
    let caller = administrator.caller.clone();
    let body = read(&parts.headers, body).await?;
    let first = match idempotency::begin(&issuer, &administrator, &parts, &body).await? {
        idempotency::Begun::Again(said) => return Ok(said.into_response()),
        idempotency::Begun::First(first) => first,
    };
    let call = Call::read(issuer.clone(), administrator, operation, &mut parts, &body).await;
    let said = match call {
        Ok(call) => (operation.run)(call).await,
        Err(refusal) => Err(refusal),
    };
    if let Some(first) = first {
        first.end(&issuer, &said).await?;
    }
    let mut response = said?.into_response();
    if let Some(caller) = caller {
        response.extensions_mut().insert(caller);
    }
    Ok(response)
}

impl From<AdminError> for Refusal {
    fn from(error: AdminError) -> Self {
        let text = error.to_string();
        match error {
            AdminError::NoSuchUser(_)
            | AdminError::NoSuchTenant(_)
            | AdminError::NoSuchClient(_)
            | AdminError::NoSuchApiKey(_) => Self::new(Reason::NotFound).seen(text),
            AdminError::UserExists(_)
            | AdminError::TenantExists(_)
            | AdminError::ClientExists(_)
            | AdminError::SecretsOverlap { .. }
            | AdminError::UserDisabled(_)
            | AdminError::NotAMember { .. }
            | AdminError::Key(_) => Self::request(Reason::Conflict, text),
            AdminError::Changed => Self::request(Reason::PreconditionFailed, text),
            AdminError::WeakPassword(_) => Self::request(Reason::WeakPassword, text),
            AdminError::Hash(_) => Self::new(Reason::Overloaded).seen(text).retry_after(1),
            AdminError::Mint(error) => error.into(),
            AdminError::Store(error) => error.into(),
            _ => Self::request(Reason::BadBody, text),
        }
    }
}

/// A name in the path that cannot be one is the name of nothing.
fn nothing_at_a_bad_name(error: AdminError) -> Refusal {
    match error {
        AdminError::ClientName(_) => Refusal::new(Reason::NotFound),
        error => error.into(),
    }
}
