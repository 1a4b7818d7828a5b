//! The catalogue of attacks as data: what is tried, what must happen, what
//! proves it and how it is mended.
//!
//! Documentation, reports and tests are made from this table. Ids are stable:
//! a case that is dropped keeps its number.

use std::{fmt, sync::LazyLock};

use serde::{Deserialize, Serialize};

mod extra;
mod fix;

pub use self::{extra::Extra, fix::Fix};

/// One attack of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Stable id, for example `SIG-001`.
    pub id: &'static str,
    /// What is attempted, in a few words.
    pub name: &'static str,
    /// What is sent.
    pub sent: &'static str,
    /// What a sound target does.
    pub must: &'static str,
    /// What it needs to be tried.
    pub tier: Tier,
    /// 0 (lets somebody in) to 2.
    pub priority: u8,
    /// How bad it is when it works.
    pub severity: Severity,
    /// Number in the Common Weakness Enumeration.
    pub cwe: u16,
    /// Requirements or chapter of OWASP ASVS 5.0.
    pub asvs: &'static str,
    /// Entry of the OWASP API Security Top 10 of 2023.
    pub api: &'static str,
    /// Where it was learnt.
    pub source: &'static str,
    fix: &'static str,
}

/// What it takes to try a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// One valid token.
    One,
    /// Something more, named on the command line.
    Two(Extra),
    /// The signing key of a staging system.
    Three,
    /// Not from outside: only the makers of a system can test it.
    OwnStack,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Defence in depth.
    Low,
    /// A step towards something worse.
    Medium,
    /// Somebody gets what is not theirs.
    High,
    /// Anybody gets in.
    Critical,
}

impl Severity {
    /// Every severity, the mildest first.
    pub const ALL: [Self; 5] = [
        Self::Info,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::Critical,
    ];

    /// Its name in reports and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.name() == name)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Ids of the cases beyond the first tier that this version does not try, one a
/// line; it goes through all others when it is given what they need. A test
/// asks the plans.
const NOT_YET: &str = include_str!("case/not_yet.txt");

impl Case {
    /// Whether this version tries it, given what it needs.
    pub fn is_tried(&self) -> bool {
        self.tier != Tier::OwnStack && NOT_YET.lines().all(|id| id != self.id)
    }

    /// The option that lets it be tried; none if it needs nothing, or if
    /// nothing helps.
    pub fn unlocked_by(&self) -> Option<&'static str> {
        match self.tier {
            Tier::Two(extra) if self.is_tried() => Some(extra.flag()),
            Tier::Three if self.is_tried() => Some("--staging-key"),
            _ => None,
        }
    }

    /// How the usual libraries mend it.
    pub fn fix(&self) -> &'static Fix {
        fix::find(self.fix)
    }
}

/// What unlocks a case that a login file does not allow yet.
pub const LEAVE: &str = "`may` in the login file";

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    include_str!("case/cases.txt")
        .lines()
        .map(|line| {
            read(line).expect("INVARIANT: every line of cases.txt is a case, a test reads them all")
        })
        .collect()
});

/// Every case, in the catalogue's order.
pub fn all() -> &'static [Case] {
    &CASES
}

/// The case of this id.
///
/// ```
/// let case = doorward_attack::case::find("SIG-001");
/// assert!(case.is_some_and(|case| case.name.contains("none")));
/// ```
pub fn find(id: &str) -> Option<&'static Case> {
    all().iter().find(|case| case.id == id)
}

/// The catalogue as a Markdown table, as `docs/attack.md` shows it.
pub fn table() -> String {
    let mut table = String::from(
        "| Case | What is tried | Needs | Priority | Severity | CWE | ASVS 5.0 | API Top 10 | Learnt from |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for case in all() {
        let needs = match (case.tier, case.unlocked_by()) {
            (_, Some(flag)) => format!("`{flag}`"),
            (Tier::One, _) => "a token".to_owned(),
            (Tier::Two(extra), _) => format!("not yet: {}", extra.what()),
            (Tier::Three, _) => "not yet: the signing key".to_owned(),
            (Tier::OwnStack, _) => "the inside".to_owned(),
        };
        table.push_str(&format!(
            "| {} | {} | {needs} | {} | {} | {} | {} | {} | {} |\n",
            case.id,
            case.name,
            case.priority,
            case.severity,
            case.cwe,
            case.asvs,
            case.api,
            case.source
        ));
    }
    table
}

/// id, name, sent, where, must, tier, priority, severity, CWE, ASVS, API Top
/// 10, source, fix.
fn read(line: &'static str) -> Option<Case> {
    let cells: Vec<&'static str> = line.split(" | ").collect();
    let [
        id,
        name,
        sent,
        _,
        must,
        tier,
        priority,
        severity,
        cwe,
        asvs,
        api,
        source,
        fix,
    ] = cells.as_slice()
    else {
        return None;
    };
    let tier = match *tier {
        "1" => Tier::One,
        "3" => Tier::Three,
        "-" => Tier::OwnStack,
        needs => Tier::Two(Extra::from_catalogue(
            needs.strip_prefix("2(")?.strip_suffix(')')?,
        )?),
    };
    Some(Case {
        id,
        name,
        sent,
        must,
        tier,
        priority: priority.parse().ok()?,
        severity: Severity::from_name(severity)?,
        cwe: cwe.parse().ok()?,
        asvs,
        api,
        source,
        fix,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Tier, all};

    #[test]
    fn the_catalogue_is_whole() {
        let of = |tier: fn(&Tier) -> bool| all().iter().filter(|case| tier(&case.tier)).count();
        assert_eq!(all().len(), 359);
        assert_eq!(of(|tier| matches!(tier, Tier::One)), 84);
        assert_eq!(of(|tier| matches!(tier, Tier::Two(_))), 98);
        assert_eq!(of(|tier| matches!(tier, Tier::Three)), 36);
        assert_eq!(of(|tier| matches!(tier, Tier::OwnStack)), 141);
    }

    #[test]
    fn the_page_shows_the_catalogue() {
        let page = include_str!("../../../docs/attack.md");
        assert!(
            page.ends_with(&super::table()),
            "put the output of `doorward attack --list` at the end of docs/attack.md"
        );
    }

    #[test]
    fn ids_are_unique_and_every_case_has_its_facts() {
        let mut seen = HashSet::new();
        for case in all() {
            let (group, number) = case.id.split_once('-').expect("GROUP-NUMBER");
            assert!(group.len() == 3 && number.len() == 3 && number.parse::<u16>().is_ok());
            assert!(seen.insert(case.id), "{} twice", case.id);
            assert!(case.priority <= 2 && case.cwe > 0, "{}", case.id);
            assert!(case.api.starts_with("API"), "{}", case.id);
            assert!(
                case.asvs.starts_with(|c: char| c.is_ascii_digit()),
                "{}",
                case.id
            );
            assert!(!case.fix().what.is_empty() && !case.fix().how.is_empty());
            assert!(!case.source.is_empty() && !case.sent.is_empty() && !case.must.is_empty());
        }
    }
}
