//! A path, and what servers behind the gateway could make of it.

use std::sync::LazyLock;

use doorward_gateway::{CanonicalPath, fuzzing::gate};
use doorward_policy::route::{Match, Requirement, RouteSpec, RouteTable};
use http::{Request, Uri};

/// Routes that stray paths would like to reach, the more specific ones first.
const ROUTES: [&str; 10] = [
    "/",
    "/admin",
    "/admin/users",
    "/alpha/new",
    "/alpha/{id}",
    "/beta",
    "/beta/",
    "/caf\u{e9}",
    "/files/secret",
    "/files/{*rest}",
];

static TABLE: LazyLock<RouteTable> = LazyLock::new(|| {
    let route = |path: &&str| RouteSpec {
        pattern: format!("GET {path}"),
        requirement: Requirement::Public,
        conditions: Vec::new(),
        demands: Default::default(),
        source: None,
    };
    RouteTable::build(ROUTES.iter().map(route).collect()).expect("routes")
});

pub(crate) fn run(input: &[u8]) {
    let Ok(path) = CanonicalPath::parse(input) else {
        return;
    };
    let text = path.as_str();
    let again = CanonicalPath::parse(text.as_bytes()).expect("what is canonical is a path");
    assert_eq!(again, path, "the second reading is another");
    let segments: Vec<&str> = path.segments().collect();
    assert!(again.segments().eq(segments.iter().copied()));
    assert_eq!(decoded(input), segments.join("/"), "the meaning changed");

    assert_one_reading(text, &segments);
    let path = format!("/{}", segments.join("/"));
    match (found(&segments), wanted(&path)) {
        // Not fallen through to a laxer route (GWY-005).
        (None, Some((pattern, _))) => assert!(strays(&path, &pattern), "{text}"),
        (found, wanted) => assert_eq!(found, wanted, "{text}"),
    }
    assert_forwarded(input, text);
}

/// What other servers make of the text is what was judged.
fn assert_one_reading(text: &str, segments: &[&str]) {
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
    let judged = segments.join("/");
    // A server that decodes twice, and one that decodes before it splits.
    assert_eq!(decoded(format!("/{judged}").as_bytes()), judged);
    for odd in ['\\', ';', '\0', '\r', '\n', '\t', '\u{7f}'] {
        assert!(!judged.contains(odd), "{odd:?} is syntax elsewhere");
    }
    // One that leaves out empty segments, dot segments, and edges.
    let is_kept = |segment: &&str| !segment.ends_with(['.', ' ']) && !segment.starts_with(' ');
    assert!(segments.iter().all(is_kept), "{text}");
    let inner = &segments[..segments.len() - 1];
    assert!(inner.iter().all(|segment| !segment.is_empty()), "{text}");
}

/// What stands behind the first slash, decoded once: escapes that are none stay
/// as they are.
fn decoded(text: &[u8]) -> String {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (mut bytes, mut at) = (Vec::with_capacity(text.len()), 1);
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high << 4 | low).expect("two digits"));
                at += 3;
            }
            (byte, ..) => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(bytes).expect("an accepted path is text")
}

/// The route that the table finds, and the rest of the path if it names it.
fn found(segments: &[&str]) -> Option<(String, String)> {
    match TABLE.find("GET", segments) {
        Match::Found(found) => {
            let value = found
                .parameters()
                .map(|(_, value)| value.into_owned())
                .next();
            let pattern = found.route().pattern().replacen("GET ", "", 1);
            Some((pattern, value.unwrap_or_default()))
        }
        Match::NotFound => None,
        Match::MethodNotAllowed { .. } => panic!("every route is for GET"),
    }
}

/// The same by looking at one after the other.
fn wanted(path: &str) -> Option<(String, String)> {
    let mut routes = ROUTES.iter();
    routes.find_map(|pattern| Some(((*pattern).to_owned(), value(pattern, path)?)))
}

/// What the pattern's parameter is for this path; empty if it has none.
fn value(pattern: &str, path: &str) -> Option<String> {
    let Some((before, name)) = pattern.split_once('{') else {
        return (path == pattern).then(String::new);
    };
    let value = path.strip_prefix(before)?;
    let is_rest = name.starts_with('*');
    (is_rest || !value.is_empty() && !value.contains('/')).then(|| value.to_owned())
}

/// Whether a server that looks at neither letter case nor a slash at the end
/// could serve a route that stands before `found`.
fn strays(path: &str, found: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().trim_end_matches('/').to_owned();
    let mut before = ROUTES.iter().take_while(|route| **route != found);
    before.any(|route| value(&plain(route), &plain(path)).is_some())
}

/// A request for this path is forwarded with the canonical one, and the query
/// as it came.
fn assert_forwarded(input: &[u8], text: &str) {
    const QUERY: &str = "a=/../admin&b=%2e%2e%2f";
    let mut target = input.to_vec();
    target.extend(b"?");
    target.extend(QUERY.as_bytes());
    let uri = Uri::try_from(target).expect("an accepted path is a target");
    let request = Request::get(uri).header("host", "api.example").body(());
    let admitted = match gate(request.expect("a request")) {
        Ok(admitted) => admitted,
        Err(reason) => panic!("{text} is turned away: {reason:?}"),
    };
    assert_eq!(admitted.uri().path(), text);
    assert_eq!(admitted.uri().query(), Some(QUERY));
}
