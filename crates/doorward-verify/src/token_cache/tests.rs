//! The slots, on one thread. In a file of their own because `tests/model`
//! compiles `slots.rs` over other primitives.

use super::slots::{Slots, Stored};

struct Text(&'static str, u64, u64);

impl Stored for Text {
    fn is_of(&self, text: &[u8]) -> bool {
        self.0.as_bytes() == text
    }

    fn bytes(&self) -> u64 {
        self.1
    }

    fn ends_at(&self) -> u64 {
        self.2
    }
}

fn find(slots: &Slots<Text>, hash: u64, text: &str) -> Option<&'static str> {
    slots.find(hash, text.as_bytes(), |entry| entry.0)
}

#[test]
fn key_011_two_texts_of_one_hash_are_two_texts() {
    let slots = Slots::new(64, 1 << 20);
    slots.put(7, b"mine", Text("mine", 10, 1));
    assert_eq!(find(&slots, 7, "yours"), None);
    slots.put(7, b"yours", Text("yours", 10, 1));
    assert_ne!(find(&slots, 7, "mine"), Some("yours"));
    assert_ne!(find(&slots, 7, "yours"), Some("mine"));
}

#[test]
fn dos_009_the_first_to_end_makes_room() {
    let slots = Slots::new(4, 1 << 20);
    let texts = ["a", "b", "c", "d", "e"];
    for (n, text) in (1..).zip(texts) {
        slots.put(n, text.as_bytes(), Text(text, 10, 100 - n));
    }
    assert_eq!(slots.len(), 4);
    assert_eq!(find(&slots, 4, "d"), None, "d would have ended first");
    assert_eq!(find(&slots, 5, "e"), Some("e"));
}

#[test]
fn dos_009_bytes_are_bounded_and_given_back() {
    let slots = Slots::new(1024, 1600);
    for n in 0..1000 {
        slots.put(n << 50, b"x", Text("x", 100, n));
        assert!(slots.bytes() <= 1600);
    }
    assert!((12..=16).contains(&slots.len()));
    slots.put(2, b"largest", Text("largest", 100, 1));
    assert_eq!(find(&slots, 2, "largest"), Some("largest"));
    slots.forget(2, b"largest");
    slots.put(1, b"huge", Text("huge", 101, 1));
    assert_eq!(find(&slots, 1, "huge"), None, "more than a sixteenth");
    for n in 0..1000 {
        slots.forget(n << 50, b"x");
    }
    assert_eq!((slots.bytes(), slots.len()), (0, 0));
}

#[test]
fn a_text_that_comes_again_takes_its_own_place() {
    let slots = Slots::new(4, 1 << 20);
    for ends in [7, 9, 8] {
        slots.put(1, b"a", Text("a", 10, ends));
    }
    assert_eq!((slots.len(), slots.bytes()), (1, 10));
    assert_eq!(slots.find(1, b"a", |entry| entry.2), Some(8));
    // One of the same hash is another text, and forgetting is as exact.
    slots.put(1, b"b", Text("b", 20, 1));
    slots.forget(1, b"c");
    assert_eq!((slots.len(), slots.bytes()), (2, 30));
    slots.forget(2, b"a");
    assert_eq!(slots.len(), 2, "another hash");
    slots.forget(1, b"a");
    assert_eq!((slots.len(), slots.bytes()), (1, 20));
}

#[test]
fn the_number_of_slots_is_rounded_up_to_whole_sets() {
    for (wanted, slots) in [(0, 4), (1, 4), (4, 4), (5, 8), (64, 64)] {
        let held = Slots::new(wanted, 1 << 20);
        for n in 0..1_000_u64 {
            let hash = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            held.put(hash, b"", Text("x", 1, n));
        }
        assert_eq!(held.len(), slots, "{wanted}");
    }
}
