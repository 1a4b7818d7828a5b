//! The proof that a claim equals a parameter of the path.

use std::marker::PhantomData;

use axum::extract::{FromRequestParts, RawPathParams};
use doorward_policy::permit::require_claim;
use http::request::Parts;

use super::{Refused, caller, record};
use crate::principal::Principal;

/// A condition as a type: the claim of the token must equal the path
/// parameter, byte for byte, as `where = { claim = "{parameter}" }` asks of a
/// gateway's route.
pub trait RequiredClaim {
    /// Name of the claim.
    const CLAIM: &'static str;
    /// Name of the parameter in the route's path.
    const PARAMETER: &'static str;
}

/// `where = { tenant = "{tenant}" }`
#[derive(Debug)]
pub struct TenantClaim;

impl RequiredClaim for TenantClaim {
    const CLAIM: &'static str = "tenant";
    const PARAMETER: &'static str = "tenant";
}

/// A verified caller whose tenant is the `{tenant}` of the path; anyone else
/// gets 403 `wrong_tenant`.
///
/// ```
/// use axum::{Router, routing::get};
/// use doorward_verify::{extract::{Permitted, TenantMatch}, permission};
///
/// permission!(ReportsRead = "reports:read");
///
/// async fn report(tenant: TenantMatch, _: Permitted<ReportsRead>) -> String {
///     format!("the report of {}", tenant.value())
/// }
///
/// let router: Router = Router::new().route("/tenants/{tenant}/report", get(report));
/// ```
pub type TenantMatch = ClaimMatch<TenantClaim>;

/// A verified caller for whom the condition `C` holds; anyone else gets 403.
/// A route without the parameter lets nobody through.
#[derive(Debug)]
pub struct ClaimMatch<C> {
    principal: Principal,
    value: String,
    condition: PhantomData<fn() -> C>,
}

impl<C> ClaimMatch<C> {
    /// The caller.
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What claim and parameter both are.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl<C: RequiredClaim, S: Send + Sync> FromRequestParts<S> for ClaimMatch<C> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let record = record(parts)?;
        let principal = caller(parts, &record)?;
        // A path that cannot be decoded has no parameters, and matches nothing.
        let parameters = RawPathParams::from_request_parts(parts, state).await.ok();
        let wanted = parameters.as_ref().and_then(|parameters| {
            let mut pairs = parameters.iter();
            pairs.find_map(|(name, value)| (name == C::PARAMETER).then_some(value))
        });
        let verdict =
            record.update(|decision| require_claim(C::CLAIM, wanted, &principal, decision));
        match (verdict, wanted) {
            (Ok(()), Some(value)) => Ok(Self {
                value: value.to_owned(),
                principal,
                condition: PhantomData,
            }),
            _ => Err(Refused::by(&record, None)),
        }
    }
}
