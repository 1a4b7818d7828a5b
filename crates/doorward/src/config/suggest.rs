//! Did you mean …?

/// The candidate that `word` was most likely meant to be, if one is near
/// enough: at most one edit for each three letters, whatever the case.
pub(crate) fn suggest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    let most = length.max(3) / 3;
    candidates
        .into_iter()
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= most)
        .map(|candidate| {
            let distance = strsim::osa_distance(&word, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn the_nearest_wins_and_the_far_are_not_offered() {
        let candidates = ["orders:read", "orders:delete", "reports:read"];
        assert_eq!(suggest("ordres:read", candidates), Some("orders:read"));
        assert_eq!(suggest("ORDERS:READ", candidates), Some("orders:read"));
        assert_eq!(suggest("users:write", candidates), None);
        assert_eq!(suggest("", candidates), None);
        assert_eq!(suggest("x", []), None);
    }

    #[test]
    fn short_words_need_to_be_near() {
        assert_eq!(suggest("gte", ["GET", "PUT"]), Some("GET"));
        assert_eq!(suggest("abc", ["GET", "PUT"]), None);
    }
}
