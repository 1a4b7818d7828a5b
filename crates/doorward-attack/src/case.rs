//! The catalogue's cases that this crate can forge, by their stable ids.

use serde::Serialize;

/// One attack of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Case {
    /// Stable id, for example `SIG-001`.
    pub id: &'static str,
    /// What is attempted, in a few words.
    pub name: &'static str,
}

/// Every case that [`crate::forge::forge`] knows, in the catalogue's order.
///
/// ```
/// let case = doorward_attack::case::find("SIG-001");
/// assert!(case.is_some_and(|case| case.name.contains("none")));
/// ```
pub const CASES: &[Case] = &[
    Case {
        id: "SIG-001",
        name: "alg none in four spellings, empty signature",
    },
    Case {
        id: "SIG-002",
        name: "alg none with the genuine signature, or with two parts",
    },
    Case {
        id: "SIG-003",
        name: "unknown or decorated alg",
    },
    Case {
        id: "SIG-004",
        name: "alg of the wrong JSON type",
    },
    Case {
        id: "SIG-005",
        name: "signature removed, alg kept",
    },
    Case {
        id: "SIG-006",
        name: "signature damaged",
    },
    Case {
        id: "SIG-007",
        name: "payload changed, signature kept",
    },
    Case {
        id: "SIG-008",
        name: "header changed, signature kept",
    },
    Case {
        id: "SIG-009",
        name: "HMAC keyed with the public key",
    },
    Case {
        id: "SIG-010",
        name: "HMAC with an empty key",
    },
    Case {
        id: "SIG-011",
        name: "HMAC with a trivial key",
    },
    Case {
        id: "SIG-014",
        name: "ECDSA signature of zeros and of the group order",
    },
    Case {
        id: "SIG-016",
        name: "ECDSA signature re-encoded as DER",
    },
    Case {
        id: "SIG-024",
        name: "encrypted wrapper instead of a signature",
    },
    Case {
        id: "SIG-026",
        name: "JSON serialisation, flattened and general",
    },
    Case {
        id: "SIG-027",
        name: "polyglot of JSON and compact form",
    },
    Case {
        id: "SIG-029",
        name: "detached payload",
    },
    Case {
        id: "HDR-001",
        name: "own key embedded in jwk",
    },
    Case {
        id: "HDR-002",
        name: "own key set at jku",
    },
    Case {
        id: "HDR-004",
        name: "own certificate in x5c or at x5u",
    },
    Case {
        id: "HDR-006",
        name: "kid as a path to a known file",
    },
    Case {
        id: "HDR-007",
        name: "kid with an injection",
    },
    Case {
        id: "HDR-008",
        name: "kid of odd type or size",
    },
    Case {
        id: "HDR-014",
        name: "zip on a signed token",
    },
    Case {
        id: "HDR-015",
        name: "PBES2 with a huge iteration count",
    },
    Case {
        id: "HDR-020",
        name: "header that is no object",
    },
    Case {
        id: "HDR-021",
        name: "duplicate header members",
    },
    Case {
        id: "HDR-022",
        name: "oversized header",
    },
    Case {
        id: "PAR-002",
        name: "padding and the other alphabet",
    },
    Case {
        id: "PAR-003",
        name: "spare bits set in the last character",
    },
    Case {
        id: "PAR-004",
        name: "blanks and junk around and inside the parts",
    },
    Case {
        id: "PAR-005",
        name: "wrong number of parts",
    },
    Case {
        id: "PAR-006",
        name: "a million dots",
    },
    Case {
        id: "PAR-008",
        name: "deeply nested JSON",
    },
];

/// The case of this id.
pub fn find(id: &str) -> Option<&'static Case> {
    CASES.iter().find(|case| case.id == id)
}

#[cfg(test)]
mod tests {
    use super::CASES;

    #[test]
    fn ids_are_unique_and_of_the_catalogue_s_form() {
        for (index, case) in CASES.iter().enumerate() {
            let (group, number) = case.id.split_once('-').expect("GROUP-NUMBER");
            assert!(["SIG", "HDR", "PAR"].contains(&group), "{}", case.id);
            assert!(
                number.len() == 3 && number.parse::<u16>().is_ok(),
                "{}",
                case.id
            );
            assert!(
                CASES[..index].iter().all(|other| other.id != case.id),
                "{} twice",
                case.id
            );
        }
    }
}
