//! Which route decides, and which tables are refused.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use proptest::prelude::{ProptestConfig, prop, prop_assert_eq, proptest};

use crate::decision::SourceLine;
use crate::method::MethodSet;

use super::demands::{Demands, StepUp};
use super::{Condition, Match, Requirement, RouteProblem, RouteSpec, RouteTable};

fn spec(pattern: &str) -> RouteSpec {
    RouteSpec {
        pattern: pattern.to_owned(),
        requirement: Requirement::Authenticated,
        conditions: Vec::new(),
        demands: Demands::default(),
        source: None,
    }
}

fn table(patterns: &[&str]) -> RouteTable {
    RouteTable::build(patterns.iter().map(|pattern| spec(pattern)).collect()).unwrap()
}

fn problems(specs: Vec<RouteSpec>) -> Vec<String> {
    RouteTable::build(specs)
        .unwrap_err()
        .iter()
        .map(RouteProblem::to_string)
        .collect()
}

/// Pattern and parameters of the route, `405 METHODS` or `404`.
fn find(table: &RouteTable, method: &str, path: &str) -> String {
    let segments: Vec<&str> = path.strip_prefix('/').unwrap().split('/').collect();
    match table.find(method, &segments) {
        Match::Found(found) => {
            let mut text = found.route().pattern().to_owned();
            for (name, value) in found.parameters() {
                text.push_str(&format!(" {name}={value}"));
            }
            text
        }
        Match::MethodNotAllowed { allowed } => format!("405 {allowed}"),
        Match::NotFound => "404".to_owned(),
    }
}

#[test]
fn auz_013_an_empty_table_opens_nothing() {
    let closed = RouteTable::default();
    for path in ["/", "/orders", "/.well-known/x"] {
        assert_eq!(find(&closed, "GET", path), "404");
    }
    assert!(matches!(closed.find("GET", &[]), Match::NotFound));
}

#[test]
fn a_route_tells_what_was_written() {
    let source = SourceLine {
        file: "doorward.toml".into(),
        line: 7,
    };
    let condition = Condition {
        claim: "tenant".to_owned(),
        parameter: "t".to_owned(),
    };
    let table = RouteTable::build(vec![
        RouteSpec {
            conditions: vec![condition.clone()],
            source: Some(source.clone()),
            ..spec("GET,POST /t/{t}")
        },
        spec("* /any"),
    ])
    .unwrap();
    let [written, any] = table.routes() else {
        panic!("two routes");
    };
    assert_eq!(written.methods().to_string(), "GET, POST");
    assert_eq!(written.conditions(), [condition]);
    assert_eq!(written.source(), Some(&source));
    assert_eq!(written.reference().source, Some(source));
    assert_eq!(any.methods(), MethodSet::ALL);
    assert!(any.conditions().is_empty());
    assert_eq!(any.source(), None);
}

#[test]
fn gwy_010_literal_goes_before_parameter_before_rest() {
    let table = table(&[
        "GET /{*everything}",
        "GET /orders/{id}",
        "GET /orders/new",
        "GET /orders/{id}/items",
        "GET /orders/{*rest}",
        "GET /{collection}/new",
    ]);
    for (path, expected) in [
        ("/orders/new", "GET /orders/new"),
        ("/orders/7", "GET /orders/{id} id=7"),
        ("/orders/7/items", "GET /orders/{id}/items id=7"),
        ("/orders/new/items", "GET /orders/{id}/items id=new"),
        ("/orders/7/items/3", "GET /orders/{*rest} rest=7/items/3"),
        ("/orders/", "GET /orders/{*rest} rest="),
        ("/users/new", "GET /{collection}/new collection=users"),
        ("/orders", "404"),
        ("/users/7", "GET /{*everything} everything=users/7"),
        ("/", "GET /{*everything} everything="),
    ] {
        assert_eq!(find(&table, "GET", path), expected, "{path}");
    }
}

#[test]
fn a_trailing_slash_is_another_path() {
    let table = table(&["GET /orders", "GET /", "GET /users/", "GET /users/{id}"]);
    assert_eq!(find(&table, "GET", "/orders/"), "404");
    assert_eq!(find(&table, "GET", "/"), "GET /");
    assert_eq!(find(&table, "GET", "/users/"), "GET /users/");
    assert_eq!(find(&table, "GET", "/users"), "404");
    assert_eq!(find(&table, "GET", "/users/7/"), "404");
    let root = table.find("GET", &[]);
    assert!(matches!(root, Match::Found(found) if found.route().pattern() == "GET /"));
}

#[test]
fn a_parameter_is_one_segment_that_is_not_empty() {
    let table = table(&["GET /a/{x}/b"]);
    assert_eq!(find(&table, "GET", "/a/1/b"), "GET /a/{x}/b x=1");
    assert_eq!(find(&table, "GET", "/a//b"), "404");
    assert_eq!(find(&table, "GET", "/a/1/2/b"), "404");
}

#[test]
fn auz_011_methods_are_exact_and_head_follows_get() {
    let table = table(&["GET /x", "POST,PUT /x", "* /any", "GET /both", "HEAD /both"]);
    assert_eq!(find(&table, "GET", "/x"), "GET /x");
    assert_eq!(find(&table, "HEAD", "/x"), "GET /x");
    assert_eq!(find(&table, "HEAD", "/both"), "HEAD /both");
    assert_eq!(find(&table, "PUT", "/x"), "POST,PUT /x");
    for odd in ["get", "DELETE", "TRACE", "CONNECT", "GETX", ""] {
        assert_eq!(find(&table, odd, "/x"), "405 GET, HEAD, POST, PUT", "{odd}");
    }
    assert_eq!(find(&table, "DELETE", "/any"), "* /any");
    assert_eq!(find(&table, "OPTIONS", "/any"), "* /any");
    for odd in ["get", "TRACE", "CONNECT", "PRI", "MADEUP"] {
        assert!(find(&table, odd, "/any").starts_with("405 "), "{odd}");
    }
}

#[test]
fn gwy_010_a_route_must_match_path_and_method() {
    let table = table(&[
        "GET /orders/new",
        "DELETE /orders/{id}",
        "* /orders/{*rest}",
    ]);
    assert_eq!(
        find(&table, "DELETE", "/orders/new"),
        "DELETE /orders/{id} id=new"
    );
    assert_eq!(
        find(&table, "POST", "/orders/new"),
        "* /orders/{*rest} rest=new"
    );
}

#[test]
fn gwy_010_a_named_method_goes_before_any_method() {
    let table = table(&["* /x", "DELETE /x"]);
    assert_eq!(find(&table, "DELETE", "/x"), "DELETE /x");
    assert_eq!(find(&table, "GET", "/x"), "* /x");
}

#[test]
fn gwy_010_equally_specific_routes_are_refused() {
    for (one, other, methods) in [
        ("GET /x/{a}", "GET /x/{b}", " for GET"),
        ("GET,POST /x", "PUT,POST /x", " for POST"),
        ("* /x/{*a}", "* /x/{*b}", ""),
    ] {
        assert_eq!(
            problems(vec![spec(one), spec(other)]),
            [format!(
                "route 2: matches the same requests as `{one}`{methods}"
            )]
        );
    }
}

#[test]
fn gwy_005_another_letter_case_does_not_fall_through_to_a_laxer_route() {
    let table = table(&[
        "GET /admin/{*rest}",
        "GET /users/me/keys",
        "GET /users/{name}",
        "GET /straße",
        "GET /keys",
        "GET /{*everything}",
    ]);
    for path in [
        "/Admin/x",
        "/ADMIN/",
        "/Admin",
        "/Keys/",
        "/aDmIn/x/y",
        "/USERS/7",
        "/users/ME/keys",
        "/STRAßE",
    ] {
        assert_eq!(find(&table, "GET", path), "404", "{path}");
    }
    // What no more specific route means in any case is left alone.
    assert_eq!(
        find(&table, "GET", "/users/Me"),
        "GET /users/{name} name=Me"
    );
    assert_eq!(
        find(&table, "GET", "/Users"),
        "GET /{*everything} everything=Users"
    );
}

#[test]
fn gwy_004_a_slash_at_the_end_does_not_fall_through_to_a_laxer_route() {
    let table = table(&[
        "GET /admin",
        "GET /users/",
        "GET /files/{*rest}",
        "GET /orders/{id}",
        "* /{*everything}",
    ]);
    for path in ["/admin/", "/users", "/files", "/orders/7/"] {
        assert_eq!(find(&table, "GET", path), "404", "{path}");
        assert_eq!(find(&table, "HEAD", path), "404", "{path}");
    }
    // The same decision as the form that is a route: it is none for `POST`.
    let everything = "* /{*everything} everything=admin";
    assert_eq!(find(&table, "POST", "/admin"), everything);
    assert_eq!(find(&table, "POST", "/admin/"), format!("{everything}/"));
    // What no more specific route means is left alone.
    for path in ["/", "/other", "/other/", "/admin/x", "/admin/x/"] {
        assert!(
            find(&table, "GET", path).starts_with("* /{*everything}"),
            "{path}"
        );
    }
    assert_eq!(find(&table, "GET", "/files/"), "GET /files/{*rest} rest=");
}

#[test]
fn spellings_that_are_both_routes_are_both_found() {
    let table = table(&["GET /Admin", "GET /admin"]);
    assert_eq!(find(&table, "GET", "/Admin"), "GET /Admin");
    assert_eq!(find(&table, "GET", "/admin"), "GET /admin");
    assert_eq!(find(&table, "GET", "/ADMIN"), "404");
}

#[test]
fn conditions_need_a_caller_and_one_segment() {
    let condition = |parameter: &str| Condition {
        claim: "tenant".to_owned(),
        parameter: parameter.to_owned(),
    };
    let wrong = RouteSpec {
        conditions: vec![condition("tennant"), condition("tenant"), condition("rest")],
        ..spec("GET /t/{tenant}/{*rest}")
    };
    let public = RouteSpec {
        requirement: Requirement::Public,
        conditions: vec![condition("tenant")],
        demands: Demands {
            step_up: StepUp {
                max_age: Some(60),
                ..StepUp::default()
            },
            ..Demands::default()
        },
        ..spec("GET /p/{tenant}")
    };
    assert_eq!(
        problems(vec![wrong, spec("GET /a//b"), public]),
        [
            "route 1: the path has no parameter `tennant`",
            "route 1: `{*rest}` can be several segments; a claim is compared with exactly one",
            "route 2: an empty segment never matches; write one `/`",
            "route 3: a public route has no caller whose claims could be compared",
            "route 3: a public route has no token of which anything could be asked",
        ]
    );
}

#[test]
fn permissions_keep_their_numbers_over_a_reload() {
    let asking = |permission: &str, pattern: &str| RouteSpec {
        requirement: Requirement::Allow(permission.parse().unwrap()),
        ..spec(pattern)
    };
    let first = RouteTable::build(vec![asking("a:x", "GET /a"), asking("b:x", "GET /b")]).unwrap();
    let specs = vec![asking("c:x", "GET /c"), asking("b:x", "GET /b")];
    let second = RouteTable::build_on(first.catalogue(), specs).unwrap();
    let id = |table: &RouteTable, route: usize| table.routes()[route].permission_id().unwrap();
    assert_eq!(id(&first, 1), id(&second, 1));
    assert_eq!(second.catalogue().len(), 3);
}

/// The documented precedence, written without a tree: every route is tried,
/// and the first difference from the left decides. A route that fits but for
/// the slash at the end comes after those that fit from there on, and shuts.
fn by_trying_all(patterns: &[String], method: &str, path: &str) -> Option<usize> {
    let rank = |pattern: &str| -> Option<Vec<u8>> {
        let (named, pattern) = pattern.split_once(' ')?;
        if named != method && named != "*" {
            return None;
        }
        let mut ranks = Vec::new();
        let mut path = path.strip_prefix('/')?.split('/');
        for segment in pattern.strip_prefix('/')?.split('/') {
            if segment.starts_with("{*") {
                path.next()?;
                ranks.extend([2, u8::from(named == "*")]);
                return Some(ranks);
            }
            match path.next()? {
                "" if segment.starts_with('{') => return None,
                _ if segment.starts_with('{') => ranks.push(1),
                same if same == segment => ranks.push(0),
                _ => return None,
            }
        }
        ranks.push(u8::from(named == "*"));
        path.next().is_none().then_some(ranks)
    };
    let rank_of_twin = |pattern: &str| -> Option<Vec<u8>> {
        let path = path.strip_prefix('/')?;
        let (named, pattern) = pattern.split_once(" /")?;
        let (shorter, pattern) = match path.strip_suffix('/') {
            Some(shorter) => (shorter, pattern),
            None => {
                let (pattern, end) = pattern.rsplit_once('/')?;
                (end.is_empty() || end.starts_with("{*")).then_some(())?;
                (path, pattern)
            }
        };
        (named == method || named == "*").then_some(())?;
        let (path, pattern) = (shorter.split('/'), pattern.split('/'));
        (path.clone().count() == pattern.clone().count()).then_some(())?;
        let ranks = path.zip(pattern).map(|(segment, part)| match part {
            _ if part.starts_with("{*") => None,
            _ if part.starts_with('{') => (!segment.is_empty()).then_some(1),
            same => (same == segment).then_some(0),
        });
        ranks.chain([Some(3)]).collect()
    };
    let ranked = patterns.iter().enumerate().flat_map(|(number, pattern)| {
        let shut = rank_of_twin(pattern).map(|rank| (rank, None));
        let found = rank(pattern).map(|rank| (rank, Some(number)));
        [found, shut]
    });
    ranked.flatten().min().and_then(|(_, number)| number)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn gwy_010_the_tree_finds_what_trying_every_route_finds(
        candidates in prop::collection::vec(
            "(GET|POST|\\*) (/(a|b|\\{x\\})){0,3}(/(a|b|\\{y\\}|\\{\\*z\\}|))",
            1..14,
        ),
        method in "GET|POST",
        path in "(/(a|b|c)){0,4}(/(a|b|c|))",
    ) {
        let mut patterns: Vec<String> = Vec::new();
        for candidate in candidates {
            // Two parameters of one name are a fault, so give each its own.
            let mut number = 0;
            let candidate: String = candidate
                .split("{x}")
                .map(|part| {
                    number += 1;
                    if number == 1 { part.to_owned() } else { format!("{{x{number}}}{part}") }
                })
                .collect();
            patterns.push(candidate);
            let specs = patterns.iter().map(|pattern| spec(pattern)).collect();
            if RouteTable::build(specs).is_err() {
                patterns.pop();
            }
        }
        let built = RouteTable::build(patterns.iter().map(|pattern| spec(pattern)).collect()).unwrap();
        let segments: Vec<&str> = path.strip_prefix('/').unwrap().split('/').collect();
        let found = match built.find(&method, &segments) {
            Match::Found(found) => Some(found.route().pattern().to_owned()),
            _ => None,
        };
        let expected = by_trying_all(&patterns, &method, &path).map(|number| patterns[number].clone());
        prop_assert_eq!(found, expected, "{:?}", patterns);
    }

    #[test]
    fn any_request_is_answered(
        method in "\\PC{0,8}",
        segments in prop::collection::vec("\\PC{0,6}", 0..6),
    ) {
        let table = table(&["GET /a/{b}/{*c}", "* /{x}", "POST /a/b"]);
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let _ = table.find(&method, &segments);
    }
}
