//! The slots, on one thread. In a file of their own because `tests/model`
//! compiles `slots.rs` over other primitives.

use super::slots::{Slots, Stored};

struct Text(&'static str, u64, u64);

impl Stored for Text {
    fn is_of(&self, text: &str) -> bool {
        self.0 == text
    }

    fn bytes(&self) -> u64 {
        self.1
    }

    fn ends_at(&self) -> u64 {
        self.2
    }
}

fn find(slots: &Slots<Text>, hash: u64, text: &str) -> Option<&'static str> {
    slots.find(hash, text, |entry| entry.0)
}

#[test]
fn key_011_two_texts_of_one_hash_are_two_texts() {
    let slots = Slots::new(64, 1 << 20);
    slots.put(7, "mine", Text("mine", 10, 1));
    assert_eq!(find(&slots, 7, "yours"), None);
    slots.put(7, "yours", Text("yours", 10, 1));
    assert_ne!(find(&slots, 7, "mine"), Some("yours"));
    assert_ne!(find(&slots, 7, "yours"), Some("mine"));
}

#[test]
fn dos_009_the_first_to_end_makes_room() {
    let slots = Slots::new(4, 1 << 20);
    let texts = ["a", "b", "c", "d", "e"];
    for (n, text) in (1..).zip(texts) {
        slots.put(n, text, Text(text, 10, 100 - n));
    }
    assert_eq!(slots.len(), 4);
    assert_eq!(find(&slots, 4, "d"), None, "d would have ended first");
    assert_eq!(find(&slots, 5, "e"), Some("e"));
}

#[test]
fn dos_009_bytes_are_bounded_and_given_back() {
    let slots = Slots::new(1024, 1600);
    for n in 0..1000 {
        slots.put(n << 50, "x", Text("x", 100, n));
        assert!(slots.bytes() <= 1600);
    }
    assert!((12..=16).contains(&slots.len()));
    slots.put(1, "huge", Text("huge", 101, 1));
    assert_eq!(find(&slots, 1, "huge"), None, "more than a sixteenth");
    for n in 0..1000 {
        slots.forget(n << 50, "x");
    }
    assert_eq!((slots.bytes(), slots.len()), (0, 0));
}
