//! The proof that the caller holds a permission.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use doorward_policy::{
    decision::{Reason, Step},
    permission::Permission,
    permit::require_permission,
};
use http::request::Parts;

use super::{Refused, caller, record};
use crate::principal::Principal;

/// A permission as a type, so that a handler's arguments say what it asks for.
/// Made with [`permission!`](crate::permission!).
pub trait RequiredPermission {
    /// The permission, `resource:action`.
    const NAME: &'static str;
}

/// A verified caller who holds the permission `P`; anyone else gets 403
/// `missing_permission`, a stranger 401.
///
/// ```
/// use axum::{Router, routing::delete};
/// use doorward_verify::{extract::Permitted, permission};
///
/// permission!(OrdersDelete = "orders:delete");
///
/// async fn cancel(permitted: Permitted<OrdersDelete>) -> String {
///     format!("cancelled by {}", permitted.principal().subject())
/// }
///
/// let router: Router = Router::new().route("/orders/{id}", delete(cancel));
/// ```
///
/// Nothing but the check makes one:
///
/// ```compile_fail,E0423
/// # use doorward_verify::{extract::Permitted, permission};
/// # permission!(OrdersDelete = "orders:delete");
/// fn smuggle(principal: doorward_verify::principal::Principal) -> Permitted<OrdersDelete> {
///     Permitted(principal, std::marker::PhantomData)
/// }
/// ```
///
/// and the proof of one permission is not that of another:
///
/// ```compile_fail,E0308
/// # use doorward_verify::{extract::Permitted, permission};
/// permission!(OrdersRead = "orders:read");
/// permission!(OrdersDelete = "orders:delete");
///
/// fn delete(_: Permitted<OrdersDelete>) {}
/// fn read(permitted: Permitted<OrdersRead>) { delete(permitted) }
/// ```
#[derive(Debug)]
pub struct Permitted<P>(Principal, PhantomData<fn() -> P>);

impl<P> Permitted<P> {
    /// The caller.
    pub const fn principal(&self) -> &Principal {
        &self.0
    }

    /// The caller, and the end of the proof.
    pub fn into_principal(self) -> Principal {
        self.0
    }
}

impl<P: RequiredPermission, S: Sync> FromRequestParts<S> for Permitted<P> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let record = record(parts)?;
        let principal = caller(parts, &record)?;
        let verdict = record.update(|decision| match Permission::parse(P::NAME) {
            Ok(permission) => require_permission(&permission, &principal, decision),
            // Only a trait implemented by hand comes here; nobody holds it.
            Err(error) => Err(decision.fail(
                Step::Permission,
                Reason::Internal,
                format!("{:?} is not a permission: {error}", P::NAME),
                "resource:action",
            )),
        });
        match verdict {
            Ok(_) => Ok(Self(principal, PhantomData)),
            Err(_) => Err(Refused::by(&record, Some(P::NAME))),
        }
    }
}

/// Makes a type that stands for a permission.
///
/// ```
/// use doorward_verify::{extract::RequiredPermission, permission};
///
/// permission!(
///     /// May see orders.
///     pub OrdersRead = "orders:read"
/// );
/// assert_eq!(OrdersRead::NAME, "orders:read");
/// ```
///
/// The name is checked by the compiler; a wildcard can be granted and never
/// asked for:
///
/// ```compile_fail,E0080
/// doorward_verify::permission!(Orders = "orders:*");
/// ```
///
/// ```compile_fail,E0080
/// doorward_verify::permission!(OrdersRead = "Orders:Read");
/// ```
#[macro_export]
macro_rules! permission {
    ($(#[$meta:meta])* $visibility:vis $name:ident = $permission:literal) => {
        $(#[$meta])*
        $visibility struct $name;

        impl $crate::extract::RequiredPermission for $name {
            const NAME: &'static str = $permission;
        }

        const _: () = assert!(
            $crate::extract::is_permission($permission),
            "a permission is resource:action in lower case, without wildcards"
        );
    };
}

/// Whether [`Permission::parse`] takes `name`, for the compiler to ask.
#[doc(hidden)]
pub const fn is_permission(name: &str) -> bool {
    use doorward_policy::permission::{MAX_LENGTH, MAX_SEGMENTS};

    let bytes = name.as_bytes();
    let (mut at, mut segments, mut length) = (0, 1, 0);
    while at < bytes.len() {
        match bytes[at] {
            b':' if length == 0 => return false,
            b':' => {
                segments += 1;
                length = 0;
            }
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' => length += 1,
            _ => return false,
        }
        at += 1;
    }
    length > 0 && segments >= 2 && segments <= MAX_SEGMENTS && bytes.len() <= MAX_LENGTH
}

#[cfg(test)]
mod tests {
    use doorward_policy::permission::Permission;
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::is_permission;

    proptest! {
        #[test]
        fn the_compiler_and_the_parser_take_the_same_names(name in "[a-zA:*é._-]{0,12}") {
            prop_assert_eq!(is_permission(&name), Permission::parse(&name).is_ok());
        }
    }

    #[test]
    fn they_agree_at_the_bounds() {
        let long = |length: usize| format!("a:{}", "b".repeat(length - 2));
        let many = |segments: usize| vec!["a"; segments].join(":");
        for name in [long(128), long(129), many(8), many(9), many(1)] {
            assert_eq!(
                is_permission(&name),
                Permission::parse(&name).is_ok(),
                "{name}"
            );
        }
    }
}
