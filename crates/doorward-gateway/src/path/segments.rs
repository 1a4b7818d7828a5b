//! The segments of a path, side by side.

use std::ops::Deref;

use memchr::memchr;

/// As many as hardly any path has; more take memory of their own.
const FEW: usize = 12;

/// What stands between the slashes of a path, in its order.
pub(crate) struct Segments<'p> {
    few: [&'p str; FEW],
    count: usize,
    /// All of them, if there are more than a few.
    many: Vec<&'p str>,
}

impl<'p> Segments<'p> {
    /// Those of `path`, which begins behind its first slash.
    pub(super) fn of(path: &'p str) -> Self {
        let mut segments = Self {
            few: [""; FEW],
            count: 0,
            many: Vec::new(),
        };
        let mut rest = path;
        while let Some(slash) = memchr(b'/', rest.as_bytes()) {
            segments.push(&rest[..slash]);
            rest = &rest[slash + 1..];
        }
        segments.push(rest);
        segments
    }

    fn push(&mut self, segment: &'p str) {
        match self.few.get_mut(self.count) {
            Some(place) => *place = segment,
            None => {
                if self.many.is_empty() {
                    self.many.extend(self.few);
                }
                self.many.push(segment);
            }
        }
        self.count += 1;
    }
}

impl<'p> Deref for Segments<'p> {
    type Target = [&'p str];

    fn deref(&self) -> &[&'p str] {
        match self.few.get(..self.count) {
            Some(few) => few,
            None => &self.many,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{FEW, Segments};

    #[test]
    fn few_and_many_are_split_alike() {
        for count in [1, 2, FEW - 1, FEW, FEW + 1, 256] {
            let path = (0..count)
                .map(|n| n.to_string())
                .collect::<Vec<_>>()
                .join("/");
            let expected: Vec<&str> = path.split('/').collect();
            assert_eq!(expected.len(), count);
            assert_eq!(&*Segments::of(&path), expected.as_slice());
        }
        assert_eq!(&*Segments::of(""), [""]);
        assert_eq!(&*Segments::of("a/"), ["a", ""]);
    }
}
