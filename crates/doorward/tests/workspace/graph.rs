//! The dependency graph, as cargo sees it: which package names which, and for
//! what. Read from `cargo metadata`; the tests of the rules build their own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use serde::Deserialize;

/// What a dependency is for; cargo has no word for a normal one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Compiled into the crate.
    #[default]
    Normal,
    /// Compiled into its build script.
    Build,
    /// Used by its tests only.
    Dev,
    /// Compiled into the crate where one of its features asks for it; cargo
    /// calls it normal and optional.
    #[serde(skip)]
    Optional,
}

/// One package in one version; two versions of a crate are two packages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Package {
    pub(crate) fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
        }
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Every package of the build, and the edges between them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    members: BTreeSet<Package>,
    edges: BTreeMap<Package, BTreeSet<(Package, Kind)>>,
}

impl Graph {
    /// Adds a crate of this workspace.
    pub(crate) fn add_member(&mut self, package: Package) {
        self.members.insert(package);
    }

    /// Adds an edge; one that is there already changes nothing.
    pub(crate) fn add_edge(&mut self, from: Package, to: Package, kind: Kind) {
        self.edges.entry(from).or_default().insert((to, kind));
    }

    /// The crates of this workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.members.iter()
    }

    /// What a package names in its manifest.
    pub(crate) fn direct(&self, from: &Package) -> impl Iterator<Item = &(Package, Kind)> {
        self.edges.get(from).into_iter().flatten()
    }

    /// Every package that is somebody's dependency, for whatever reason.
    pub(crate) fn dependencies(&self) -> BTreeSet<&Package> {
        let edges = self.edges.values().flatten();
        edges.map(|(package, _)| package).collect()
    }

    /// Everything that comes along with `from` through edges of `kinds`, each
    /// with the shortest way there; `from` itself included.
    pub(crate) fn reachable<'g>(
        &'g self,
        from: &'g Package,
        kinds: &[Kind],
    ) -> BTreeMap<&'g Package, Vec<&'g Package>> {
        let mut ways = BTreeMap::from([(from, vec![from])]);
        let mut waiting = VecDeque::from([from]);
        while let Some(package) = waiting.pop_front() {
            let way = ways[package].clone();
            for (next, kind) in self.direct(package) {
                if kinds.contains(kind) && !ways.contains_key(next) {
                    ways.insert(next, [way.as_slice(), &[next]].concat());
                    waiting.push_back(next);
                }
            }
        }
        ways
    }

    /// Reads the output of `cargo metadata --format-version 1`.
    ///
    /// A member's edges are also taken from its manifest, so that one that
    /// holds only on another platform or behind a feature is seen as well.
    pub(crate) fn from_metadata(json: &[u8]) -> serde_json::Result<Self> {
        let metadata: Metadata = serde_json::from_slice(json)?;
        let names: BTreeMap<&str, Package> = metadata
            .packages
            .iter()
            .map(|package| {
                let named = Package::new(&package.name, &package.version);
                (package.id.as_str(), named)
            })
            .collect();

        let mut graph = Self::default();
        let optional = metadata.optional_of_members();
        for node in &metadata.resolve.nodes {
            for dependency in &node.deps {
                for kind in &dependency.dep_kinds {
                    let (from, to) = (&names[node.id.as_str()], &names[dependency.pkg.as_str()]);
                    let kind = match kind.kind.unwrap_or_default() {
                        // Another member may have turned the feature on.
                        Kind::Normal
                            if optional.contains(&(node.id.as_str(), to.name.as_str())) =>
                        {
                            Kind::Optional
                        }
                        kind => kind,
                    };
                    graph.add_edge(from.clone(), to.clone(), kind);
                }
            }
        }
        for id in &metadata.workspace_members {
            graph.add_member(names[id.as_str()].clone());
        }
        for package in &metadata.packages {
            if metadata.workspace_members.contains(&package.id) {
                graph.add_declared(&names[package.id.as_str()], &package.dependencies);
            }
        }
        Ok(graph)
    }

    fn add_declared(&mut self, from: &Package, declared: &[Declared]) {
        for dependency in declared {
            let kind = dependency.kind();
            let resolved = self
                .direct(from)
                .any(|(package, of)| package.name == dependency.name && *of == kind);
            if !resolved {
                let to = Package::new(&dependency.name, "not resolved here");
                self.add_edge(from.clone(), to, kind);
            }
        }
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

impl Metadata {
    /// What members name only behind a feature: package id, dependency.
    fn optional_of_members(&self) -> BTreeSet<(&str, &str)> {
        let members = self
            .packages
            .iter()
            .filter(|package| self.workspace_members.contains(&package.id));
        members
            .flat_map(|package| {
                package
                    .dependencies
                    .iter()
                    .map(move |named| (package, named))
            })
            .filter(|(_, named)| named.kind() == Kind::Optional)
            .map(|(package, named)| (package.id.as_str(), named.name.as_str()))
            .collect()
    }
}

#[derive(Deserialize)]
struct MetadataPackage {
    id: String,
    name: String,
    version: String,
    dependencies: Vec<Declared>,
}

#[derive(Deserialize)]
struct Declared {
    name: String,
    kind: Option<Kind>,
    #[serde(default)]
    optional: bool,
}

impl Declared {
    fn kind(&self) -> Kind {
        match self.kind.unwrap_or_default() {
            Kind::Normal if self.optional => Kind::Optional,
            kind => kind,
        }
    }
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Resolved>,
}

#[derive(Deserialize)]
struct Resolved {
    pkg: String,
    dep_kinds: Vec<ResolvedKind>,
}

#[derive(Deserialize)]
struct ResolvedKind {
    kind: Option<Kind>,
}
