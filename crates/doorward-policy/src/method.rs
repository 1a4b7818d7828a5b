//! Request methods as a set of bits.
//!
//! Only registered methods exist here, and not all of them: a made-up method
//! (`get`, `GETX`) is in no set, not even in `*`, because an upstream may take
//! it for another one. `CONNECT` asks for a tunnel and `TRACE` echoes headers
//! that we set; no route opens them.

use std::fmt;

/// Methods that a route can open (RFC 9110 and the IANA registry).
const METHODS: [&str; 35] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "QUERY",
    "ACL",
    "BASELINE-CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "COPY",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "ORDERPATCH",
    "PROPFIND",
    "PROPPATCH",
    "REBIND",
    "REPORT",
    "SEARCH",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "VERSION-CONTROL",
];

/// A set of methods.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct MethodSet(u64);

impl MethodSet {
    /// No method.
    pub const EMPTY: Self = Self(0);

    /// `GET`.
    pub const GET: Self = Self(1);

    /// `HEAD`.
    pub const HEAD: Self = Self(1 << 1);

    /// Every method that a route can open.
    pub const ALL: Self = Self((1 << METHODS.len()) - 1);

    /// The set of this one method; `None` when no route can open it.
    /// Methods are case-sensitive.
    pub fn of(method: &str) -> Option<Self> {
        METHODS
            .iter()
            .position(|known| *known == method)
            .map(|bit| Self(1 << bit))
    }

    /// Both together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        METHODS
            .iter()
            .enumerate()
            .filter(move |(bit, _)| self.0 >> bit & 1 == 1)
            .map(|(_, name)| *name)
    }

    /// Every name that a route can open, for suggestions.
    pub fn known() -> &'static [&'static str] {
        &METHODS
    }
}

/// As in the `Allow` header: `GET, HEAD, POST`.
impl fmt::Display for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, name) in self.names().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl fmt::Debug for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MethodSet({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::MethodSet;

    #[test]
    fn sets_print_as_the_allow_header() {
        let all = ["POST", "GET"]
            .into_iter()
            .filter_map(MethodSet::of)
            .fold(MethodSet::HEAD, MethodSet::union);
        assert_eq!(all.to_string(), "GET, HEAD, POST");
        assert_eq!(MethodSet::of("GET"), Some(MethodSet::GET));
        assert_eq!(MethodSet::of("HEAD"), Some(MethodSet::HEAD));
    }

    #[test]
    fn a_union_has_both_and_an_intersection_what_they_share() {
        let both = MethodSet::GET.union(MethodSet::HEAD);
        assert_eq!(both.union(MethodSet::GET), both);
        assert_eq!(both.intersection(MethodSet::HEAD), MethodSet::HEAD);
        assert!(MethodSet::GET.intersection(MethodSet::HEAD).is_empty());
        assert!(!both.is_empty() && MethodSet::EMPTY.is_empty());
        let every = MethodSet::known().iter().copied();
        let one_by_one = every.filter_map(MethodSet::of);
        assert_eq!(
            one_by_one.fold(MethodSet::EMPTY, MethodSet::union),
            MethodSet::ALL
        );
        assert_eq!(MethodSet::known().len(), 35);
    }

    #[test]
    fn auz_011_odd_methods_are_in_no_set() {
        for odd in [
            "get", "Get", "TRACE", "CONNECT", "PRI", "GETX", "GET ", "", "*",
        ] {
            assert_eq!(MethodSet::of(odd), None, "{odd}");
        }
        assert!(
            MethodSet::ALL
                .names()
                .eq(MethodSet::known().iter().copied())
        );
    }
}
