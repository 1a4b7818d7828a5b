//! Lists that grow, and sets that say what they were made of or nothing.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use doorward_jose::{
    algorithm::Algorithm,
    jwk_set::{KeySet, Limits},
    signing_key::SigningKey,
};
use doorward_policy::permission::PermissionPattern;
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, prop_assert_eq, proptest};

use super::{MAX_NUMBERS, MEMBER, PermissionNumbers, Unreadable};

fn names(range: std::ops::Range<usize>) -> Vec<PermissionPattern> {
    range
        .map(|n| format!("resource-{n}:read").parse().unwrap())
        .collect()
}

fn list(count: usize) -> PermissionNumbers {
    PermissionNumbers::default().extended(&names(0..count))
}

fn is_unknown(verdict: &Result<Vec<PermissionPattern>, Unreadable>) -> bool {
    matches!(verdict, Err(Unreadable::UnknownList { .. }))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_again(
        count in 1_usize..2100,
        held in prop::collection::btree_set(0_usize..2100, 0..300),
        dense in any::<bool>(),
    ) {
        let all = names(0..count);
        let numbers = PermissionNumbers::default().extended(&all);
        let held: Vec<_> = match dense {
            true => all.iter().enumerate().filter(|(n, _)| !held.contains(n)).map(|(_, p)| p.clone()).collect(),
            false => held.iter().filter_map(|n| all.get(*n).cloned()).collect(),
        };
        let claim = numbers.encode(&held).unwrap();
        prop_assert_eq!(numbers.decode(&claim).unwrap(), held);
        // A bit for each number at most, whatever is held.
        prop_assert!(claim.len() <= 18 + (count.div_ceil(8) * 4).div_ceil(3));
    }

    #[test]
    fn what_is_added_later_is_in_no_older_set(
        before in 1_usize..300,
        more in 0_usize..300,
        held in prop::collection::btree_set(0_usize..300, 0..40),
    ) {
        let old = list(before);
        let held: Vec<_> = held.iter().filter_map(|n| old.names().nth(*n).cloned()).collect();
        let claim = old.encode(&held).unwrap();
        let new = old.extended(&names(before..before + more));
        prop_assert_eq!(new.decode(&claim).unwrap(), held);
    }

    /// Whatever a claim says, it is refused or names what has a number.
    #[test]
    fn no_text_reads_beyond_the_list(set in "[bg][A-Za-z0-9_-]{0,40}", count in 1_usize..60) {
        let numbers = list(count);
        let claim = numbers.encode(&[]).unwrap();
        let (head, _) = claim.rsplit_once('.').unwrap();
        if let Ok(read) = numbers.decode(&format!("{head}.{set}")) {
            prop_assert!(read.len() <= count);
            prop_assert!(read.windows(2).all(|two| two[0] != two[1]));
        }
    }
}

#[test]
fn a_set_is_read_with_its_own_list_or_a_longer_one_and_no_other() {
    let held = names(3..5);
    let claim = list(10).encode(&held).unwrap();
    assert_eq!(list(10).decode(&claim).unwrap(), held);
    assert_eq!(list(11).decode(&claim).unwrap(), held);
    assert!(is_unknown(&list(9).decode(&claim)), "an older one");
    assert!(is_unknown(&PermissionNumbers::default().decode(&claim)));
    // As after a restore: the same length, and other names under the numbers.
    let other = list(9).extended(&names(77..80));
    assert!(is_unknown(&other.decode(&claim)));
    let swapped: Vec<_> = names(0..10).into_iter().rev().collect();
    assert!(is_unknown(
        &PermissionNumbers::default()
            .extended(&swapped)
            .decode(&claim)
    ));
}

#[test]
fn a_number_is_given_once() {
    let first = list(3);
    // The second name is held by nobody any more, and is not given up.
    let next = first.extended(&names(0..1)).extended(&names(5..6));
    let all: Vec<_> = next.names().map(PermissionPattern::as_str).collect();
    assert_eq!(
        all,
        [
            "resource-0:read",
            "resource-1:read",
            "resource-2:read",
            "resource-5:read"
        ]
    );
}

#[test]
fn wildcards_mean_what_they_mean_as_names() {
    let held: Vec<PermissionPattern> = vec!["*".parse().unwrap(), "orders:*".parse().unwrap()];
    let numbers = list(4).extended(&held);
    let claim = numbers.encode(&held[1..]).unwrap();
    assert_eq!(numbers.decode(&claim).unwrap(), held[1..]);
}

#[test]
fn without_a_number_there_is_no_claim() {
    assert_eq!(list(4).encode(&names(3..5)), None);
    assert_eq!(PermissionNumbers::default().encode(&[]), None);
}

#[test]
fn a_damaged_claim_is_no_set() {
    let numbers = list(20);
    let claim = numbers.encode(&names(2..4)).unwrap();
    let (head, _) = claim.rsplit_once('.').unwrap();
    // Empty, no such way, not base64url, a zero at the end, number 20 of
    // twenty in both ways, a gap that does not end, a gap too long.
    for set in [
        "", "x", "é", "c", "gAg=", "bAQA", "bAA", "gFA", "bAAAQ", "gAIA", "gg4CAAQ",
    ] {
        let verdict = numbers.decode(&format!("{head}.{set}"));
        assert_eq!(verdict, Err(Unreadable::Malformed), "{set}");
    }
    for whole in [
        "",
        "20",
        "20.x",
        "0..b",
        "-1.x.b",
        "99999999999999999999.x.b",
    ] {
        assert!(numbers.decode(whole).is_err(), "{whole}");
    }
}

#[test]
fn the_list_travels_in_the_key_set() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let numbers = list(50);
    let keys = KeySet::from_iter([key.verifying_key()]).with_member(MEMBER, numbers.to_member());
    let text = keys.to_jwks_json();
    let read = KeySet::parse(text.as_bytes(), Limits::default()).unwrap();
    let claim = numbers.encode(&names(7..9)).unwrap();
    assert_eq!(
        PermissionNumbers::published_in(&read)
            .decode(&claim)
            .unwrap(),
        names(7..9)
    );
    assert_eq!(read.to_jwks_json(), text, "kept for a restart as it came");
}

#[test]
fn a_list_that_cannot_be_read_whole_is_none() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let keys = KeySet::from_iter([key.verifying_key()]);
    let twice = vec!["a:b", "c:d", "a:b"].into();
    let not_names = vec!["a:b", "no permission", "c:d"].into();
    for member in [twice, not_names, "a:b".into(), 7.into()] {
        let keys = keys.clone().with_member(MEMBER, member);
        assert!(PermissionNumbers::published_in(&keys).is_empty());
    }
    assert!(PermissionNumbers::published_in(&keys).is_empty());
}

#[test]
fn beyond_its_room_a_list_does_not_grow() {
    let full = list(MAX_NUMBERS + 5);
    assert_eq!(full.len(), MAX_NUMBERS);
    let long = |n: usize| format!("{}:{n}", "x".repeat(120)).parse().unwrap();
    let long: Vec<PermissionPattern> = (0..2000).map(long).collect();
    let full = PermissionNumbers::default().extended(&long);
    assert!(full.len() < 1200, "{}", full.len());
}
