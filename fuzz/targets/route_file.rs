//! A configuration file: whatever it says, it is refused whole with the places
//! of its faults, or every route in it answers.

use std::collections::BTreeSet;

use doorward_gateway::CanonicalPath;
use doorward_policy::route::{Match, Route, RouteTable};

use crate::config::{Config, ConfigProblems};

pub(crate) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let (first, second) = (Config::parse("a.toml", text), Config::parse("a.toml", text));
    match (first, second) {
        (Ok(first), Ok(second)) => {
            assert_eq!(told(&first.routes), told(&second.routes));
            assert!(first.settings_that_differ(&second).is_empty());
            assert_eq!(first.roles.len(), second.roles.len());
            assert_answers(&first.routes, text);
        }
        (Err(first), Err(second)) => {
            assert_eq!(first.problems(), second.problems());
            assert_places(&first, text);
        }
        _ => panic!("the same text is read and refused"),
    }
}

/// Everything that a table says about its routes.
fn told(table: &RouteTable) -> String {
    format!("{:?}", table.routes())
}

/// Each problem says something about a place that is there, and can be drawn.
fn assert_places(problems: &ConfigProblems, text: &str) {
    let lines: Vec<&str> = text.split('\n').collect();
    assert!(!problems.problems().is_empty());
    let mut before = (0, 0);
    for problem in problems.problems() {
        let place = (problem.line, problem.column);
        let (Some(line), Some(column)) = place else {
            panic!("a problem without a place: {}", problem.message);
        };
        let there = lines.get(line.wrapping_sub(1)).expect("a line of the file");
        assert!(
            (1..=there.chars().count() + 1).contains(&column),
            "{place:?}"
        );
        assert!(before <= (line, column), "out of order");
        assert!(!problem.message.is_empty());
        before = (line, column);
    }
    assert!(problems.to_string().contains("a.toml"));
}

/// A path made from a route's pattern is canonical, and is found to be that
/// route's or one's that is more specific.
fn assert_answers(table: &RouteTable, text: &str) {
    // A value that no literal of the file spells.
    let mut value = "value".to_owned();
    while text.contains(&value) {
        value.push('e');
    }
    for route in table.routes() {
        let example = example(route, &value);
        let path = CanonicalPath::parse(escaped(&example).as_bytes());
        let path = path.unwrap_or_else(|problem| panic!("{}: {problem}", route.pattern()));
        let segments: Vec<&str> = path.segments().collect();
        assert_eq!(segments.join("/"), example);
        for method in route.methods().names() {
            let Match::Found(found) = table.find(method, &segments) else {
                panic!("{} does not answer {method}", route.pattern());
            };
            assert!(is_as_specific(found.route(), route), "{}", route.pattern());
            let names: BTreeSet<&str> = found.parameters().map(|(name, _)| name).collect();
            assert_eq!(names.len(), found.parameters().count());
        }
    }
}

/// The pattern with every parameter filled, without the first slash.
fn example(route: &Route, value: &str) -> String {
    let path = segments(route).map(|segment| match is_parameter(segment) {
        true => value,
        false => segment,
    });
    path.collect::<Vec<_>>().join("/")
}

fn segments(route: &Route) -> impl Iterator<Item = &str> {
    let (_, path) = route.pattern().split_once(" /").expect("METHOD /path");
    path.split('/')
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{')
}

/// Where the two differ first, `found` has a literal, or one segment where
/// `route` has the rest; or a method of its own where `route` has any.
fn is_as_specific(found: &Route, route: &Route) -> bool {
    let rank = |segment: &str| match (is_parameter(segment), segment.starts_with("{*")) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2,
    };
    let pairs = segments(found).zip(segments(route));
    let ranks = pairs.map(|(found, route)| (rank(found), rank(route)));
    match { ranks }.find(|(found, route)| found != route) {
        Some((found, route)) => found < route,
        None => found.pattern() == route.pattern() || found.methods() != route.methods(),
    }
}

fn escaped(path: &str) -> String {
    let mut text = String::from("/");
    for byte in path.bytes() {
        match byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,=:@".contains(&byte) {
            true => text.push(char::from(byte)),
            false => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
