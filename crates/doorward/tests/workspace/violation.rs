//! What the check can find, and what it tells the one who made the hole.

use std::fmt;

use crate::plan::Edge;

/// A hole in the house.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// A crate of the workspace that `ARCHITECTURE.md` does not list.
    UnlistedCrate(String),
    /// A crate that `ARCHITECTURE.md` lists and the workspace lacks.
    VanishedCrate(String),
    /// An edge that `ARCHITECTURE.md` does not draw.
    UndrawnEdge(Edge),
    /// An edge that `ARCHITECTURE.md` draws and no manifest has.
    VanishedEdge(Edge),
    /// Something banned comes along with a crate, by this way.
    BannedReach {
        way: Vec<String>,
        reason: &'static str,
    },
    /// Something banned everywhere is somebody's dependency.
    BannedAnywhere(String),
    /// A crate names a package that is reserved to others.
    Reserved { by: String, package: String },
    /// A crate brings more packages than its budget allows.
    OverBudget {
        of: String,
        count: usize,
        budget: usize,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnlistedCrate(name) => write!(
                f,
                "crate {name} is new: add its row to the table in ARCHITECTURE.md, or do without it"
            ),
            Self::VanishedCrate(name) => write!(
                f,
                "crate {name} is gone: remove its row from the table in ARCHITECTURE.md"
            ),
            Self::UndrawnEdge(edge) => write!(
                f,
                "{} -> {} ({:?}) is not an edge of ARCHITECTURE.md: move the code, or the wall",
                edge.from, edge.to, edge.kind
            ),
            Self::VanishedEdge(edge) => write!(
                f,
                "{} -> {} ({:?}) is drawn in ARCHITECTURE.md, but no manifest has it",
                edge.from, edge.to, edge.kind
            ),
            Self::BannedReach { way, reason } => write!(f, "{}: {reason}", way.join(" -> ")),
            Self::BannedAnywhere(package) => write!(f, "{package} is in the tree, and must not be"),
            Self::Reserved { by, package } => {
                write!(f, "{by} names {package}, which is not its to use")
            }
            Self::OverBudget { of, count, budget } => write!(
                f,
                "{of} brings {count} packages, its budget is {budget}: its users compile all of them"
            ),
        }
    }
}
