//! `[revocations]`: what a gateway away from its issuer does when it does not
//! hear of revocations any more.

use std::{ops::RangeInclusive, time::Duration};

use doorward_verify::revocation::feed::StalePolicy;
use toml::de::DeTable;

use super::{
    document::Reader,
    settings::{duration, refuse, value},
    suggest,
};

/// The issuer speaks every second, and a token lives at most an hour.
const BOUNDS: RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_secs(60 * 60);

const POLICIES: [(&str, StalePolicy); 3] = [
    ("bounded", StalePolicy::Bounded),
    ("strict", StalePolicy::Strict),
    ("available", StalePolicy::Available),
];

/// What is done when revocations are not known up to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Revocations {
    /// What is accepted.
    pub(crate) when_stale: StalePolicy,
    /// The age from which they count as lost.
    pub(crate) bound: Duration,
}

impl Default for Revocations {
    fn default() -> Self {
        Self {
            when_stale: StalePolicy::Bounded,
            bound: Duration::from_secs(60),
        }
    }
}

impl Revocations {
    /// The word for the policy.
    pub(crate) fn word(&self) -> &'static str {
        let policy = POLICIES.iter().find(|known| known.1 == self.when_stale);
        policy.map_or("", |(word, _)| word)
    }
}

pub(super) fn revocations(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Revocations {
    let default = Revocations::default();
    let Some(written) = table.get("revocations") else {
        return default;
    };
    let shape = "write `[revocations]`, and its keys in the lines below";
    let Some(table) = reader.table(written, "revocations", shape) else {
        return default;
    };
    reader.unknown_keys(table, "[revocations]", &["when_stale", "bound"]);
    let when_stale = value(reader, table, "when_stale", "bounded", |text| {
        let known = POLICIES.iter().find(|(word, _)| *word == text);
        known.map_or_else(
            || {
                let near = suggest(text, POLICIES.iter().map(|(word, _)| *word));
                let help = near.map_or_else(
                    || "write `bounded`, `strict` or `available`".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                refuse(format!("`{text}` is not a way to be stale"), help)
            },
            |(_, policy)| Ok(*policy),
        )
    });
    let bound = value(reader, table, "bound", "60s", |text| {
        let Some(bound) = duration(text) else {
            return refuse(
                "`bound` must be a number and a unit",
                "write it like `30s` or `5m`",
            );
        };
        match BOUNDS.contains(&bound) {
            true => Ok(bound),
            false => refuse(
                "`bound` must be from 2 s to 1 h",
                "the usual is `60s`: a revoked token lives at most that much longer",
            ),
        }
    });
    Revocations {
        when_stale: when_stale.unwrap_or(default.when_stale),
        bound: bound.unwrap_or(default.bound),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use doorward_verify::revocation::feed::StalePolicy;

    use super::super::Config;

    #[test]
    fn rev_013_policy_and_bound_are_read_and_nothing_else_is() {
        let read = |text: &str| Config::parse("doorward.toml", text);
        let config =
            read("[revocations]\nwhen_stale = \"strict\"\nbound = \"5m\"\n").expect("good");
        assert_eq!(config.revocations.when_stale, StalePolicy::Strict);
        assert_eq!(config.revocations.bound, Duration::from_secs(300));
        let default = read("").expect("good").revocations;
        assert_eq!(default.word(), "bounded");
        for (text, told) in [
            ("when_stale = \"bouded\"", "did you mean `bounded`?"),
            (
                "when_stale = \"never\"",
                "write `bounded`, `strict` or `available`",
            ),
            ("bound = \"1s\"", "from 2 s to 1 h"),
            ("bound = \"2h\"", "from 2 s to 1 h"),
            ("bound = 60", "bound"),
            ("bounds = \"60s\"", "bound"),
        ] {
            let problems = read(&format!("[revocations]\n{text}\n")).expect_err(text);
            assert!(problems.to_string().contains(told), "{text}: {problems}");
        }
    }
}
