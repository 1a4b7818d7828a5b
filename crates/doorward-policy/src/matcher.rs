//! The tree of path segments that finds a route.
//!
//! One hash look-up per segment, so the cost grows with the depth of the path
//! and not with the number of routes. Precedence is decided at the first
//! segment, from the left, in which two patterns differ: literal before
//! parameter before rest. At the same place a named method goes before `*`.
//! Where that leaves two routes equal, [`Tree::insert`] refuses the second.
//!
//! A route must match path *and* method: `DELETE /orders/new` goes to
//! `DELETE /orders/{id}` when only `GET /orders/new` exists beside it.
//!
//! **Letter case.** Paths are compared byte for byte, but many upstreams are
//! not so exact. When `/admin/{*rest}` is a route, `/Admin/x` must not reach
//! the upstream through a laxer `/{*path}`, so a path that differs from a more
//! specific route only in letter case matches nothing (GWY-005; test
//! `gwy_005_another_letter_case_does_not_fall_through_to_a_laxer_route`).
//!
//! **Trailing slash.** `/orders` and `/orders/` are two paths, and many
//! upstreams serve one for the other. So a path that differs from a more
//! specific route only in a slash at its end matches nothing either (GWY-004;
//! test `gwy_004_a_slash_at_the_end_does_not_fall_through_to_a_laxer_route`).

use std::borrow::Cow;

use crate::method::MethodSet;
use crate::route::pattern::{Methods, Pattern, Segment};
use crate::text_map::TextMap;

/// Index of a node in [`Tree::nodes`].
type NodeId = usize;

/// Index of a route in the table.
type RouteId = usize;

#[derive(Clone, Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// Next segment in lower case, with the spellings that exist.
    literals: TextMap<Box<str>, Vec<(Box<str>, NodeId)>>,
    parameter: Option<NodeId>,
    /// Routes whose pattern ends here.
    here: Endpoint,
    /// Routes that end here with `{*rest}`.
    rest: Endpoint,
}

/// The routes of one path, by method.
#[derive(Clone, Debug, Default)]
struct Endpoint {
    named: Vec<(MethodSet, RouteId)>,
    any: Option<RouteId>,
}

static NOTHING: Endpoint = Endpoint {
    named: Vec::new(),
    any: None,
};

/// What the tree says about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hit {
    Route(RouteId),
    OtherMethods(MethodSet),
    Nothing,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }
}

impl Tree {
    /// Adds a route.
    ///
    /// # Errors
    ///
    /// The route that matches the same requests already, and for which
    /// methods (empty for `*` against `*`).
    pub(crate) fn insert(
        &mut self,
        pattern: &Pattern,
        route: RouteId,
    ) -> Result<(), (RouteId, MethodSet)> {
        let mut node = 0;
        for segment in &pattern.segments {
            node = match segment {
                Segment::Literal(text) => self.literal_child(node, text),
                Segment::Parameter(_) => self.parameter_child(node),
                Segment::Rest(_) => return self.nodes[node].rest.insert(pattern.methods, route),
            };
        }
        self.nodes[node].here.insert(pattern.methods, route)
    }

    /// The route for `method` and the decoded `segments` of a path.
    pub(crate) fn find(&self, method: &str, segments: &[&str]) -> Hit {
        let mut search = Search {
            tree: self,
            segments,
            method: MethodSet::of(method).unwrap_or(MethodSet::EMPTY),
            allowed: MethodSet::EMPTY,
        };
        match search.visit(0, 0) {
            Visit::Found(route) => Hit::Route(route),
            Visit::Shut => Hit::Nothing,
            Visit::Missed if search.allowed.is_empty() => Hit::Nothing,
            Visit::Missed => Hit::OtherMethods(search.allowed),
        }
    }

    fn literal_child(&mut self, node: NodeId, text: &str) -> NodeId {
        let new = self.nodes.len();
        let spellings = self.nodes[node]
            .literals
            .entry(text.to_lowercase().into())
            .or_default();
        if let Some((_, child)) = spellings.iter().find(|(known, _)| **known == *text) {
            return *child;
        }
        spellings.push((text.into(), new));
        self.nodes.push(Node::default());
        new
    }

    fn parameter_child(&mut self, node: NodeId) -> NodeId {
        let new = self.nodes.len();
        let child = *self.nodes[node].parameter.get_or_insert(new);
        if child == new {
            self.nodes.push(Node::default());
        }
        child
    }
}

impl Endpoint {
    fn insert(&mut self, methods: Methods, route: RouteId) -> Result<(), (RouteId, MethodSet)> {
        match methods {
            Methods::Any => match self.any {
                Some(earlier) => return Err((earlier, MethodSet::EMPTY)),
                None => self.any = Some(route),
            },
            Methods::Named(set) => {
                let both = |(other, earlier): &(MethodSet, RouteId)| {
                    let both = set.intersection(*other);
                    (!both.is_empty()).then_some((*earlier, both))
                };
                if let Some(conflict) = self.named.iter().find_map(both) {
                    return Err(conflict);
                }
                self.named.push((set, route));
            }
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.any.is_none() && self.named.is_empty()
    }

    fn find(&self, method: MethodSet) -> Option<RouteId> {
        let named = |wanted: MethodSet| {
            self.named
                .iter()
                .find(|(set, _)| !set.intersection(wanted).is_empty())
                .map(|(_, route)| *route)
        };
        named(method)
            // RFC 9110, 9.3.2: HEAD is GET without the content.
            .or_else(|| (method == MethodSet::HEAD).then(|| named(MethodSet::GET))?)
            .or(self.any.filter(|_| !method.is_empty()))
    }

    fn allowed(&self) -> MethodSet {
        if self.any.is_some() {
            return MethodSet::ALL;
        }
        let named = self
            .named
            .iter()
            .fold(MethodSet::EMPTY, |all, (set, _)| all.union(*set));
        match named.intersection(MethodSet::GET).is_empty() {
            true => named,
            false => named.union(MethodSet::HEAD),
        }
    }
}

enum Visit {
    Found(RouteId),
    Missed,
    /// A more specific route has this path in another letter case, or with or
    /// without a slash at its end.
    Shut,
}

struct Search<'t, 'p> {
    tree: &'t Tree,
    segments: &'p [&'p str],
    method: MethodSet,
    /// Methods of the routes that match the path, for the answer 405.
    allowed: MethodSet,
}

impl<'t> Search<'t, '_> {
    /// Looks below `node` for the segments from `depth` on. Recurses at most
    /// as deep as the deepest pattern.
    fn visit(&mut self, node: NodeId, depth: usize) -> Visit {
        let tree = self.tree;
        let node = &tree.nodes[node];
        let Some(segment) = self.segments.get(depth).copied() else {
            return self.ask_or_shut(&node.here, [&node.rest, self.with_slash(node)]);
        };
        let spellings = spellings(node, segment);
        if let Some((_, child)) = spellings.iter().find(|(known, _)| **known == *segment)
            && let found @ (Visit::Found(_) | Visit::Shut) = self.visit(*child, depth + 1)
        {
            return found;
        }
        let other_case = |(known, child): &(Box<str>, NodeId)| {
            **known != *segment && self.opens(*child, depth + 1)
        };
        if spellings.iter().any(other_case) {
            return Visit::Shut;
        }
        if let Some(child) = node.parameter.filter(|_| !segment.is_empty())
            && let found @ (Visit::Found(_) | Visit::Shut) = self.visit(child, depth + 1)
        {
            return found;
        }
        match segment.is_empty() && depth + 1 == self.segments.len() {
            true => self.ask_or_shut(&node.rest, [&node.here]),
            false => self.ask(&node.rest),
        }
    }

    /// The routes of the path that ends at `node` and has a slash after it.
    fn with_slash(&self, node: &'t Node) -> &'t Endpoint {
        let slash = spellings(node, "").first();
        slash.map_or(&NOTHING, |(_, child)| &self.tree.nodes[*child].here)
    }

    /// Asks `endpoint`; if it has no route, and one of `twins` (the same path
    /// but for the slash at its end) has one, nothing laxer may take the path.
    fn ask_or_shut<const N: usize>(&mut self, endpoint: &Endpoint, twins: [&Endpoint; N]) -> Visit {
        match self.ask(endpoint) {
            Visit::Missed if twins.iter().any(|twin| twin.find(self.method).is_some()) => {
                Visit::Shut
            }
            answer => answer,
        }
    }

    fn ask(&mut self, endpoint: &Endpoint) -> Visit {
        match endpoint.find(self.method) {
            Some(route) => Visit::Found(route),
            None => {
                self.allowed = self.allowed.union(endpoint.allowed());
                Visit::Missed
            }
        }
    }

    /// Whether any route below `node` matches the segments from `depth` on
    /// when neither letter case nor a slash at the end counts.
    fn opens(&self, node: NodeId, depth: usize) -> bool {
        let node = &self.tree.nodes[node];
        let is_end = self.segments[depth..]
            .iter()
            .all(|segment| segment.is_empty());
        if is_end && !(node.here.is_empty() && self.with_slash(node).is_empty()) {
            return true;
        }
        let Some(segment) = self.segments.get(depth).copied() else {
            return !node.rest.is_empty();
        };
        let below = |child: &NodeId| self.opens(*child, depth + 1);
        !node.rest.is_empty()
            || spellings(node, segment)
                .iter()
                .any(|(_, child)| below(child))
            || node
                .parameter
                .filter(|_| !segment.is_empty())
                .is_some_and(|child| below(&child))
    }
}

/// The literals that read like `segment` when letter case does not count.
fn spellings<'n>(node: &'n Node, segment: &str) -> &'n [(Box<str>, NodeId)] {
    if node.literals.is_empty() {
        return &[];
    }
    let is_lower = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase();
    let key = match segment.bytes().all(is_lower) {
        true => Cow::Borrowed(segment),
        false => Cow::Owned(segment.to_lowercase()),
    };
    node.literals.get(key.as_ref()).map_or(&[], Vec::as_slice)
}
