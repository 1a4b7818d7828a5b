//! The plan of the house, read from `ARCHITECTURE.md`: the page that people
//! read is the list that the test holds, so neither can leave the other.

use std::collections::BTreeSet;

use crate::graph::Kind;

/// An edge between two crates of the workspace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) kind: Kind,
}

/// The crates and the edges that `ARCHITECTURE.md` draws.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) crates: BTreeSet<String>,
    pub(crate) edges: BTreeSet<Edge>,
}

/// Behind a crate in the edge list: for its tests only.
const FOR_TESTS: &str = " (tests)";

impl Plan {
    /// Reads the table of crates (rows that begin with a crate's name in
    /// backticks, under `## Crates`) and the edge list (lines of the form
    /// `a -> b, c (tests)`, under `## Edges`).
    pub(crate) fn from_architecture(page: &str) -> Self {
        Self {
            crates: section(page, "Crates").filter_map(crate_of_row).collect(),
            edges: section(page, "Edges").flat_map(edges_of_line).collect(),
        }
    }
}

fn section<'p>(page: &'p str, title: &str) -> impl Iterator<Item = &'p str> {
    let heading = format!("## {title}");
    page.lines()
        .skip_while(move |line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
}

fn crate_of_row(line: &str) -> Option<String> {
    let (name, _) = line.strip_prefix("| `")?.split_once('`')?;
    Some(name.to_owned())
}

fn edges_of_line(line: &str) -> Vec<Edge> {
    let Some((from, targets)) = line.split_once(" -> ") else {
        return Vec::new();
    };
    targets
        .split(", ")
        .map(|target| {
            let (to, kind) = match target.strip_suffix(FOR_TESTS) {
                Some(to) => (to, Kind::Dev),
                None => (target, Kind::Normal),
            };
            Edge {
                from: from.trim().to_owned(),
                to: to.trim().to_owned(),
                kind,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_table_and_the_list_are_read() {
        let page = "\
# A house
`elsewhere -> nowhere`
## Crates
| Crate | What |
| --- | --- |
| `cellar` | wine |
| `roof` | `tiles` |
## Edges
```text
roof   -> cellar, ladder (tests)
```
## Rest
| `shed` | a -> b |
";
        let plan = Plan::from_architecture(page);
        assert_eq!(plan.crates, ["cellar", "roof"].map(str::to_owned).into());
        let edge = |to: &str, kind| Edge {
            from: "roof".to_owned(),
            to: to.to_owned(),
            kind,
        };
        let edges = [edge("cellar", Kind::Normal), edge("ladder", Kind::Dev)];
        assert_eq!(plan.edges, edges.into());
    }
}
