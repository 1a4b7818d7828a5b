//! What came out, counted.

use std::collections::BTreeMap;

/// The verdicts of one oracle beside ours.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) both_accept: u64,
    pub(crate) both_refuse: u64,
    /// Ours is stricter: by our reason, with one of the changes as an example.
    pub(crate) only_they: BTreeMap<String, (u64, String)>,
    /// Must stay zero, like those whose claims differ.
    pub(crate) only_we: u64,
    pub(crate) other_claims: u64,
}

impl Tally {
    pub(crate) fn stricter(&mut self, reason: String, example: impl FnOnce() -> String) {
        let entry = self.only_they.entry(reason);
        entry.or_insert_with(|| (0, example())).0 += 1;
    }

    pub(crate) const fn is_good(&self) -> bool {
        self.only_we == 0 && self.other_claims == 0 && self.both_accept > 0
    }

    pub(crate) fn print(&self, name: &str) {
        let stricter: u64 = self.only_they.values().map(|(count, _)| count).sum();
        println!(
            "| {name} | {} | {} | {stricter} | {} | {} |",
            self.both_accept, self.both_refuse, self.only_we, self.other_claims
        );
    }

    pub(crate) fn print_stricter(&self, name: &str) {
        println!("\n{name} accepts, we refuse:");
        for (reason, (count, example)) in &self.only_they {
            println!("{count:>8}  {reason}, for example: {example}");
        }
    }
}
