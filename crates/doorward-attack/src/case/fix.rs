//! How findings are mended, in general and in the usual libraries.

use std::sync::LazyLock;

/// A cure that several cases share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// Its stable name.
    pub key: &'static str,
    /// What to do, whatever the library.
    pub what: &'static str,
    /// Library, and how it is done there.
    pub how: Vec<(&'static str, &'static str)>,
}

static FIXES: LazyLock<Vec<Fix>> = LazyLock::new(|| {
    include_str!("fixes.txt")
        .split("# ")
        .filter_map(read)
        .collect()
});

/// Every fix.
pub(super) fn all() -> &'static [Fix] {
    &FIXES
}

pub(super) fn find(key: &str) -> &'static Fix {
    all()
        .iter()
        .find(|fix| fix.key == key)
        .expect("INVARIANT: a test asks for the fix of every case")
}

fn read(text: &'static str) -> Option<Fix> {
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let (key, what) = (lines.next()?, lines.next()?);
    let how = lines.filter_map(|line| line.split_once(": ")).collect();
    Some(Fix { key, what, how })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_fix_is_used_by_a_case() {
        for fix in super::all() {
            let used = crate::case::all()
                .iter()
                .any(|case| case.fix().key == fix.key);
            assert!(used, "{}", fix.key);
        }
    }
}
