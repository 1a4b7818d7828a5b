//! Less than one holds: what remains of a set of patterns under a limit.
//!
//! For credentials that act for somebody (an API key, a token with a scope):
//! they never grant more than their owner holds, whatever they name.

use std::collections::BTreeSet;

use crate::permission::PermissionPattern;

/// What both `held` and `limit` grant.
///
/// ```
/// use doorward_policy::{narrow::narrowed, permission::PermissionPattern};
///
/// let set = |texts: &[&str]| texts.iter().map(|text| text.parse()).collect::<Result<_, _>>();
/// let held = set(&["orders:*", "reports:read"])?;
/// let limit = set(&["orders:read", "reports:*", "users:delete"])?;
/// assert_eq!(narrowed(&held, &limit), set(&["orders:read", "reports:read"])?);
/// # Ok::<(), doorward_policy::permission::PermissionError>(())
/// ```
pub fn narrowed(
    held: &BTreeSet<PermissionPattern>,
    limit: &BTreeSet<PermissionPattern>,
) -> BTreeSet<PermissionPattern> {
    // Of two patterns one includes the other, or they grant nothing in common.
    let below = |these: &BTreeSet<PermissionPattern>, those: &BTreeSet<PermissionPattern>| {
        let within = |one: &&PermissionPattern| those.iter().any(|other| other.includes(one));
        these.iter().filter(within).cloned().collect::<Vec<_>>()
    };
    let mut both = BTreeSet::from_iter(below(held, limit));
    both.extend(below(limit, held));
    both
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::collections::BTreeSet;

    use proptest::{collection::btree_set, prelude::*};

    use super::narrowed;
    use crate::permission::{Permission, PermissionPattern};

    fn pattern() -> impl Strategy<Value = PermissionPattern> {
        "(\\*|[ab]:(\\*|[ab](:(\\*|[ab]))?))".prop_map(|text| text.parse().unwrap())
    }

    fn grants(set: &BTreeSet<PermissionPattern>, permission: &Permission) -> bool {
        set.iter().any(|pattern| pattern.covers(permission))
    }

    proptest! {
        #[test]
        fn auz_016_what_remains_is_exactly_what_both_grant(
            held in btree_set(pattern(), 0..5),
            limit in btree_set(pattern(), 0..5),
            permission in "[abc]:[abc](:[abc](:[abc])?)?",
        ) {
            let permission = Permission::parse(&permission).unwrap();
            let both = grants(&held, &permission) && grants(&limit, &permission);
            prop_assert_eq!(grants(&narrowed(&held, &limit), &permission), both);
        }

        #[test]
        fn a_pattern_includes_what_it_covers(
            wide in pattern(),
            narrow in pattern(),
            permission in "[abc]:[abc](:[abc])?",
        ) {
            let permission = Permission::parse(&permission).unwrap();
            if wide.includes(&narrow) && narrow.covers(&permission) {
                prop_assert!(wide.covers(&permission));
            }
        }
    }
}
