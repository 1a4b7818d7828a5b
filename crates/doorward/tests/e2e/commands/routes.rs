//! `doorward route`, which needs a configuration and nothing else.

use serde_json::json;

use super::Place;

const ORDERS: &str = r#"
permissions = ["orders:read"]

[[route]]
match = "GET /health"
public = true

[[route]]
match = "* /me"
authenticated = true

[[route]]
match = "GET /tenants/{tenant}/orders"
allow = "orders:read"
where = { tenant = "{tenant}" }
"#;

#[test]
fn the_list_says_what_is_open_to_whom() {
    let place = Place::empty();
    place.write("doorward.toml", ORDERS);
    place.run(&["route", "list"]).shows(
        "
        ROUTE                         OPEN TO          IF                 AT
        GET /health                   everybody                           doorward.toml:5
        * /me                         any valid token                     doorward.toml:9
        GET /tenants/{tenant}/orders  orders:read      tenant = {tenant}  doorward.toml:13
        => 0",
    );
    let told = place.run(&["route", "list", "--json"]).json();
    assert_eq!(
        told["routes"][2],
        json!({
            "match": "GET /tenants/{tenant}/orders",
            "requirement": "permission",
            "permission": "orders:read",
            "where": { "tenant": "{tenant}" },
            "audience": null,
            "issuer": null,
            "acr": [],
            "max_age": null,
            "source": { "file": "doorward.toml", "line": 13 },
        })
    );
}

#[test]
fn auz_013_without_a_route_everything_is_closed_and_the_list_says_so() {
    let place = Place::empty();
    place.run(&["route", "list"]).shows(
        "
        error: there is no configuration file, so every path is closed
        help:  write one with `doorward init`, or name it with --config
        => 3",
    );
    place.write("doorward.toml", "");
    place.run(&["route", "list"]).shows(
        "
        no routes, so every path is closed; add a [[route]] to the configuration
        => 0",
    );
}
