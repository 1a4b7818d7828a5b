//! The header fields that the policies of a route read, and no others.

use doorward_policy::{overlay::Field, route::RouteMatch};
use http::HeaderMap;

/// Those of `headers`; none, and no memory, for a route without policies.
pub(crate) fn of(route: &RouteMatch<'_, '_>, headers: &HeaderMap) -> Vec<Field> {
    let Some(policies) = route.route().policies() else {
        return Vec::new();
    };
    let present = |name: &String| {
        let mut values = headers.get_all(name).iter();
        // RFC 9110, 5.3: several lines are one, and so is what stands in them.
        let first = String::from_utf8_lossy(values.next()?.as_bytes()).into_owned();
        let value = values.fold(first, |line, value| {
            line + ", " + &String::from_utf8_lossy(value.as_bytes())
        });
        Some(Field {
            name: name.clone(),
            value,
        })
    };
    policies.fields().iter().filter_map(present).collect()
}
