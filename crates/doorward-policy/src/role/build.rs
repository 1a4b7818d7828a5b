//! From specs to checked roles: names, parents, cycles, depth, closure.
//!
//! Nothing here recurses: the depth of the input is the depth of a file that
//! somebody wrote, or of a request to the admin API.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{MAX_DEPTH, Role, RoleName, RoleProblem, RoleProblemKind, RoleSpec};

pub(super) fn build(specs: Vec<RoleSpec>) -> Result<BTreeMap<RoleName, Role>, Vec<RoleProblem>> {
    let mut problems = Problems {
        specs: &specs,
        found: Vec::new(),
    };
    problems.names_alike();
    let parents = problems.parents();
    let lines = Lines::sort(&parents);
    problems.cycles(&parents, &lines);
    problems.too_deep(&lines);
    let mut found = problems.found;
    if found.is_empty() {
        return Ok(resolve(specs, &parents, &lines.order));
    }
    found.sort_by_key(|problem| problem.role);
    Err(found)
}

struct Problems<'s> {
    specs: &'s [RoleSpec],
    found: Vec<RoleProblem>,
}

impl Problems<'_> {
    fn add(&mut self, role: usize, kind: RoleProblemKind) {
        let name = self.specs[role].name.clone();
        self.found.push(RoleProblem { role, name, kind });
    }

    fn names_alike(&mut self) {
        let mut seen = HashMap::new();
        for (role, spec) in self.specs.iter().enumerate() {
            let earlier = *seen.entry(skeleton(spec.name.as_str())).or_insert(role);
            if earlier != role {
                let name = self.specs[earlier].name.clone();
                self.add(role, RoleProblemKind::Alike { earlier, name });
            }
        }
    }

    /// Indices of each role's parents; the unknown ones become problems.
    fn parents(&mut self) -> Vec<Vec<usize>> {
        let mut by_name = HashMap::new();
        for (role, spec) in self.specs.iter().enumerate() {
            by_name.entry(&spec.name).or_insert(role);
        }
        let mut all = Vec::with_capacity(self.specs.len());
        for (role, spec) in self.specs.iter().enumerate() {
            let mut known = Vec::with_capacity(spec.inherits.len());
            for (parent, name) in spec.inherits.iter().enumerate() {
                match by_name.get(name) {
                    Some(index) => known.push(*index),
                    None => {
                        let name = name.clone();
                        self.add(role, RoleProblemKind::UnknownParent { parent, name });
                    }
                }
            }
            all.push(known);
        }
        all
    }

    /// Follows first unsorted parents from every unsorted role until the walk
    /// meets itself (a cycle not seen before) or an earlier walk.
    fn cycles(&mut self, parents: &[Vec<usize>], lines: &Lines) {
        let mut walk_of = vec![None; parents.len()];
        for start in 0..parents.len() {
            let mut path = Vec::new();
            let mut next = lines.unsorted(start).then_some(start);
            while let Some(role) = next
                && walk_of[role].is_none()
            {
                walk_of[role] = Some(start);
                path.push(role);
                next = parents[role].iter().copied().find(|p| lines.unsorted(*p));
            }
            let Some(meeting) = next.filter(|role| walk_of[*role] == Some(start)) else {
                continue;
            };
            if let Some(begin) = path.iter().position(|role| *role == meeting) {
                self.cycle(&path[begin..]);
            }
        }
    }

    fn cycle(&mut self, round: &[usize]) {
        let path = round
            .iter()
            .chain(round.first())
            .map(|role| self.specs[*role].name.clone())
            .collect();
        if let Some(first) = round.first() {
            self.add(*first, RoleProblemKind::Cycle { path });
        }
    }

    /// Names the first role of each line that is too deep, not all behind it.
    fn too_deep(&mut self, lines: &Lines) {
        for role in 0..self.specs.len() {
            if lines.depth[role] == MAX_DEPTH + 1 {
                self.add(role, RoleProblemKind::TooDeep);
            }
        }
    }
}

/// Roles sorted so that parents come first. What sits on a cycle, or behind
/// one, cannot be sorted and has depth 0.
struct Lines {
    order: Vec<usize>,
    depth: Vec<usize>,
}

impl Lines {
    fn sort(parents: &[Vec<usize>]) -> Self {
        let mut children = vec![Vec::new(); parents.len()];
        let mut waiting: Vec<usize> = parents.iter().map(Vec::len).collect();
        for (role, parents) in parents.iter().enumerate() {
            for parent in parents {
                children[*parent].push(role);
            }
        }
        let mut order: Vec<usize> = (0..parents.len()).filter(|r| waiting[*r] == 0).collect();
        let mut depth = vec![0; parents.len()];
        let mut next = 0;
        while let Some(role) = order.get(next).copied() {
            next += 1;
            depth[role] = 1 + parents[role].iter().map(|p| depth[*p]).max().unwrap_or(0);
            for child in &children[role] {
                waiting[*child] -= 1;
                if waiting[*child] == 0 {
                    order.push(*child);
                }
            }
        }
        Self { order, depth }
    }

    fn unsorted(&self, role: usize) -> bool {
        self.depth[role] == 0
    }
}

fn resolve(
    specs: Vec<RoleSpec>,
    parents: &[Vec<usize>],
    order: &[usize],
) -> BTreeMap<RoleName, Role> {
    let mut effective = vec![BTreeSet::new(); specs.len()];
    for role in order {
        let mut all: BTreeSet<_> = specs[*role].permissions.iter().cloned().collect();
        for parent in &parents[*role] {
            all.extend(effective[*parent].iter().cloned());
        }
        effective[*role] = all;
    }
    let role = |(spec, effective): (RoleSpec, _)| Role {
        name: spec.name,
        inherits: spec.inherits,
        permissions: spec.permissions,
        effective,
    };
    specs
        .into_iter()
        .zip(effective)
        .map(role)
        .map(|role| (role.name.clone(), role))
        .collect()
}

/// What remains of a name when differences that a hurried reader overlooks
/// are taken out.
fn skeleton(name: &str) -> String {
    name.chars()
        .map(|c| match c {
            '0' => 'o',
            '1' => 'l',
            '_' | '.' => '-',
            other => other.to_ascii_lowercase(),
        })
        .collect()
}
