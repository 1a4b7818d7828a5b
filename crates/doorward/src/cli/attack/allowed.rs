//! Who answers for attacking a machine that is not on an inner network: a
//! file, because a flag is typed too easily.

use std::path::Path;

use doorward_attack::{report::rfc3339, target::Target};
use doorward_verify::jose::time::UnixTime;
use serde::Deserialize;

use crate::{exit::Failure, paint::safe};

/// The file's content.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Authorization {
    /// Host name, as in the address.
    host: String,
    /// Person or team that allowed it.
    owner: String,
    /// Last day, as YYYY-MM-DD.
    until: String,
}

/// Whether the file allows attacking the target today.
pub(super) fn covers(file: &Path, target: &Target, now: UnixTime) -> Result<bool, Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::configuration(format!("cannot read {shown}: {error}")))?;
    let hint = "write three lines: host = \"api.example\", owner = \"…\", until = \"2026-12-31\"";
    let allowed: Authorization = toml::from_str(&text).map_err(|error| {
        Failure::configuration(format!("{shown} allows nothing: {}", error.message())).hint(hint)
    })?;
    refusal(&allowed, target, now).map_or(Ok(true), |why| {
        Err(Failure::configuration(format!("{shown} {why}")).hint(hint))
    })
}

fn refusal(allowed: &Authorization, target: &Target, now: UnixTime) -> Option<String> {
    let today = rfc3339(now);
    if !allowed.host.eq_ignore_ascii_case(&target.host) {
        let host = safe(&allowed.host);
        return Some(format!("allows {host}, not {}", target.host));
    }
    if allowed.owner.trim().is_empty() {
        return Some("names no owner".to_owned());
    }
    let is_date = allowed.until.len() == 10 && allowed.until.as_bytes()[4] == b'-';
    if !is_date {
        return Some("has no end date".to_owned());
    }
    (today[..10] > *allowed.until).then(|| format!("allowed it until {}", safe(&allowed.until)))
}

#[cfg(test)]
mod tests {
    use doorward_attack::target::Target;
    use doorward_verify::jose::time::UnixTime;

    use super::{Authorization, refusal};

    fn of(host: &str, owner: &str, until: &str) -> bool {
        let allowed = Authorization {
            host: host.to_owned(),
            owner: owner.to_owned(),
            until: until.to_owned(),
        };
        let target = Target::parse("https://api.example/x").expect("an address");
        // 2026-11-22.
        refusal(&allowed, &target, UnixTime::from_secs(1_795_305_600)).is_none()
    }

    #[test]
    fn only_this_host_with_an_owner_and_until_a_day() {
        assert!(of("api.example", "ada", "2026-11-22"));
        assert!(of("API.example", "ada", "2027-01-01"));
        assert!(!of("other.example", "ada", "2027-01-01"));
        assert!(!of("api.example", " ", "2027-01-01"));
        assert!(!of("api.example", "ada", "2026-11-21"));
        assert!(!of("api.example", "ada", "forever"));
    }
}
