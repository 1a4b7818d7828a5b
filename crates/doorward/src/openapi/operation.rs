//! The operations of a description: paths, methods, and who may call them.

use std::collections::{BTreeMap, BTreeSet};

use doorward_verify::jose::json::Object;
use serde_json::{Map, Value};

use super::{Description, Fault};

/// The methods that a path item may have, in the order in which they are shown.
const METHODS: [&str; 8] = [
    "get", "head", "post", "put", "patch", "delete", "options", "trace",
];

/// References that lead from one path item to the next.
const MAX_REFERENCES: usize = 8;

/// One method on one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// `GET`.
    pub(crate) method: String,
    /// As it is asked for: with the path of the server before it.
    pub(crate) path: String,
    /// `operationId` or `summary`, whichever there is.
    pub(crate) name: Option<String>,
    /// What it asks of its caller.
    pub(crate) protection: Protection,
}

/// What an operation asks of its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    /// A credential; and these scopes, where every way in that names scopes
    /// names the same.
    Asked {
        /// In the order of their names.
        scopes: Vec<String>,
    },
    /// Nothing: no requirement, or one that may be left out.
    Nothing,
}

pub(super) fn description(document: &Object) -> Result<Description, Vec<Fault>> {
    let version = document.get("openapi").and_then(Value::as_str);
    if !version.is_some_and(|version| version.starts_with("3.0") || version.starts_with("3.1")) {
        let what = match (version, document.get("swagger")) {
            (Some(version), _) => format!("OpenAPI {version} is not read"),
            (None, Some(_)) => "this is Swagger 2; convert it first".to_owned(),
            (None, None) => "is missing: this is no OpenAPI description".to_owned(),
        };
        return Err(vec![Fault::new("openapi", what)]);
    }
    let mut reader = Reader {
        document,
        schemes: names(document, "securitySchemes"),
        faults: Vec::new(),
        operations: Vec::new(),
    };
    reader.paths();
    if !reader.faults.is_empty() {
        return Err(reader.faults);
    }
    let title = document.get("info").and_then(|info| info.get("title"));
    Ok(Description {
        title: title.and_then(Value::as_str).unwrap_or_default().to_owned(),
        operations: reader.operations,
    })
}

fn names(document: &Object, kind: &str) -> BTreeSet<String> {
    let components = document.get("components");
    let named = components.and_then(|components| components.get(kind)?.as_object());
    named.into_iter().flat_map(Map::keys).cloned().collect()
}

struct Reader<'d> {
    document: &'d Object,
    /// Names of the security schemes.
    schemes: BTreeSet<String>,
    faults: Vec<Fault>,
    operations: Vec<Operation>,
}

impl<'d> Reader<'d> {
    fn fault(&mut self, place: &str, what: impl Into<String>) {
        self.faults.push(Fault::new(place, what));
    }

    fn paths(&mut self) {
        let document = self.document;
        let Some(paths) = document.get("paths") else {
            return;
        };
        let Some(paths) = paths.as_object() else {
            return self.fault("paths", "is no object");
        };
        // In one order, whatever the order of an object's members is here.
        let paths: BTreeMap<_, _> = paths.iter().collect();
        for (path, item) in paths {
            if path.starts_with("x-") {
                continue;
            }
            let place = format!("paths.{path}");
            match path.starts_with('/') {
                true => self.path(path, item, &place),
                false => self.fault(&place, "a path begins with /"),
            }
        }
    }

    fn path(&mut self, path: &str, item: &'d Value, place: &str) {
        let Some(item) = self.resolved(item, place) else {
            return;
        };
        for method in METHODS {
            let Some(operation) = item.get(method) else {
                continue;
            };
            let place = format!("{place}.{method}");
            let Some(operation) = operation.as_object() else {
                self.fault(&place, "is no object");
                continue;
            };
            let servers = [operation.get("servers"), item.get("servers")];
            let own = servers.into_iter().flatten().next();
            let servers = own.or_else(|| self.document.get("servers"));
            let Some(base) = self.base(servers, &place) else {
                continue;
            };
            let security = operation
                .get("security")
                .or_else(|| self.document.get("security"));
            let protection = self.protection(security, &place);
            let name = ["operationId", "summary"].iter();
            let name = name.filter_map(|key| operation.get(*key)?.as_str()).next();
            self.operations.push(Operation {
                method: method.to_ascii_uppercase(),
                path: format!("{base}{path}"),
                name: name.map(str::to_owned),
                protection,
            });
        }
    }

    /// The path item, past references inside this document.
    fn resolved(&mut self, item: &'d Value, place: &str) -> Option<&'d Map<String, Value>> {
        let mut item = item;
        for _ in 0..MAX_REFERENCES {
            let Some(reference) = item.get("$ref") else {
                let found = item.as_object();
                if found.is_none() {
                    self.fault(place, "is no object");
                }
                return found;
            };
            let local = reference.as_str().and_then(|it| it.strip_prefix('#'));
            let Some(local) = local else {
                self.fault(place, "a `$ref` to another document, which is not fetched");
                return None;
            };
            let Some(found) = pointed_at(self.document, local) else {
                self.fault(place, format!("`$ref` names #{local}, which is not there"));
                return None;
            };
            item = found;
        }
        self.fault(place, "a `$ref` that leads on and on");
        None
    }

    /// The path that all of `servers` put before an operation's.
    fn base(&mut self, servers: Option<&Value>, place: &str) -> Option<String> {
        let servers = servers
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        let bases: BTreeSet<String> = servers.iter().map(base_of).collect();
        if bases.len() > 1 {
            let bases: Vec<_> = bases.into_iter().collect();
            let what = format!("its servers have different paths: {}", bases.join(", "));
            self.fault(place, what);
            return None;
        }
        Some(bases.into_iter().next().unwrap_or_default())
    }

    /// Alternatives, each of which names the schemes that must all be met.
    fn protection(&mut self, security: Option<&'d Value>, place: &str) -> Protection {
        let Some(security) = security else {
            return Protection::Nothing;
        };
        let Some(alternatives) = security.as_array() else {
            self.fault(place, "`security` is no list");
            return Protection::Nothing;
        };
        let mut scopes = BTreeSet::new();
        let mut may_be_left_out = alternatives.is_empty();
        for alternative in alternatives {
            let Some(schemes) = alternative.as_object() else {
                self.fault(place, "`security` lists something that is no object");
                continue;
            };
            may_be_left_out |= schemes.is_empty();
            let mut asked = BTreeSet::new();
            for (scheme, wanted) in schemes {
                if !self.schemes.contains(scheme) {
                    let what = format!(
                        "`security` names `{scheme}`, which components.securitySchemes lacks"
                    );
                    self.fault(place, what);
                }
                let wanted = wanted.as_array().into_iter().flatten();
                asked.extend(wanted.filter_map(Value::as_str).map(str::to_owned));
            }
            if !asked.is_empty() {
                scopes.insert(asked);
            }
        }
        if may_be_left_out {
            return Protection::Nothing;
        }
        let mut scopes = scopes.into_iter();
        let scopes = match (scopes.next(), scopes.next()) {
            (Some(only), None) => only.into_iter().collect(),
            _ => Vec::new(),
        };
        Protection::Asked { scopes }
    }
}

/// RFC 6901, from the root of `document`.
fn pointed_at<'d>(document: &'d Object, pointer: &str) -> Option<&'d Value> {
    let mut parts = pointer.strip_prefix('/')?.split('/');
    let unescaped = |part: &str| {
        let part = part.replace("%7B", "{").replace("%7D", "}");
        part.replace("~1", "/").replace("~0", "~")
    };
    let first = document.get(&unescaped(parts.next()?))?;
    parts.try_fold(first, |value, part| value.get(unescaped(part)))
}

/// The path of one server's URL, without a slash at its end: of
/// `https://api.example/v1/` and of `/v1` it is `/v1`.
fn base_of(server: &Value) -> String {
    let url = server.get("url").and_then(Value::as_str).unwrap_or("/");
    let mut url = url.to_owned();
    let variables = server.get("variables").and_then(Value::as_object);
    for (name, variable) in variables.into_iter().flatten() {
        let usual = variable.get("default").and_then(Value::as_str);
        url = url.replace(&format!("{{{name}}}"), usual.unwrap_or_default());
    }
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => &url,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = path.trim_matches('/');
    match path {
        "" | "." => String::new(),
        path => format!("/{path}"),
    }
}
