//! The document itself: what is no TOML, no known key or of another type.

use super::Broken;

pub(super) const BROKEN: &[Broken] = &[
    Broken {
        name: "an unknown key at the top",
        text: r#"lisen = "127.0.0.1:4180"
"#,
        shown: r#"
error: unknown key `lisen`
 --> doorward.toml:1:1
  |
1 | lisen = "127.0.0.1:4180"
  | ^^^^^ not a known key
  |
  = help: did you mean `listen`?
"#,
    },
    Broken {
        name: "an unknown key in a section",
        text: r#"[tokens]
acces_lifetime = "5m"
"#,
        shown: r#"
error: unknown key `acces_lifetime` in [tokens]
 --> doorward.toml:2:1
  |
2 | acces_lifetime = "5m"
  | ^^^^^^^^^^^^^^ not a known key
  |
  = help: did you mean `access_lifetime`?
"#,
    },
    Broken {
        name: "an unknown key that is like no other",
        text: r#"[tokens]
colour = "red"
"#,
        shown: r#"
error: unknown key `colour` in [tokens]
 --> doorward.toml:2:1
  |
2 | colour = "red"
  | ^^^^^^ not a known key
  |
  = help: known keys: access_lifetime, permissions, max_bytes, claims, sessions_per_user
"#,
    },
    Broken {
        name: "a key of the top below a section",
        text: r#"[tokens]
access_lifetime = "5m"
listen = "127.0.0.1:4180"
"#,
        shown: r#"
error: unknown key `listen` in [tokens]
 --> doorward.toml:3:1
  |
3 | listen = "127.0.0.1:4180"
  | ^^^^^^ not a known key
  |
  = help: `listen` belongs to the top of the file, before the first `[`
"#,
    },
    Broken {
        name: "a section with a wrong name takes no routes down with it",
        text: r#"[role.reader]
permissions = ["orders:read"]

[[route]]
match = "GET /orders"
allow = "orders:read"
"#,
        shown: r#"
error: unknown key `role`
 --> doorward.toml:1:2
  |
1 | [role.reader]
  |  ^^^^ not a known key
  |
  = help: did you mean `roles`?
"#,
    },
    Broken {
        name: "a wrong type",
        text: r#"listen = 4180
"#,
        shown: r#"
error: `listen` must be a string
 --> doorward.toml:1:10
  |
1 | listen = 4180
  |          ^^^^ this is an integer
  |
  = help: write `listen = "127.0.0.1:4180"`
"#,
    },
    Broken {
        name: "a list that is one string",
        text: r#"[roles.reader]
permissions = "orders:read"
"#,
        shown: r#"
error: `permissions` must be an array of strings
 --> doorward.toml:2:15
  |
2 | permissions = "orders:read"
  |               ^^^^^^^^^^^^^ this is a string
  |
  = help: write `permissions = ["orders:read"]`
"#,
    },
    Broken {
        name: "a list with something else in it",
        text: r#"permissions = ["orders:read", 7]
"#,
        shown: r#"
error: `permissions` must be an array of strings
 --> doorward.toml:1:31
  |
1 | permissions = ["orders:read", 7]
  |                               ^ this is an integer
  |
  = help: write `permissions = ["orders:read"]`
"#,
    },
    Broken {
        name: "one bracket instead of two",
        text: r#"[route]
match = "GET /orders"
public = true
"#,
        shown: r#"
error: `route` must be an array of tables
 --> doorward.toml:1:1
  |
1 | [route]
  | ^^^^^^^ this is a table
  |
  = help: write `[[route]]`, with two brackets, above each route
"#,
    },
    Broken {
        name: "not TOML: text without quotes",
        text: r#"audience = orders-api
"#,
        shown: r#"
error: this is not TOML: string values must be quoted, expected literal string
 --> doorward.toml:1:12
  |
1 | audience = orders-api
  |            ^^^^^^^^^^
  |
  = help: text stands in quotes: `key = "value"`
"#,
    },
    Broken {
        name: "not TOML: an open bracket, and nothing after it is believed",
        text: r#"[roles.reader]
permissions = ["orders:read"

[[route]]
match = "GET /orders"
alow = "orders:read"
"#,
        shown: r#"
error: this is not TOML: missing comma between array elements, expected `,`
 --> doorward.toml:4:1
  |
4 | [[route]]
  | ^
  |
  = help: is a `]` missing before this?
"#,
    },
    Broken {
        name: "a key twice",
        text: r#"audience = "one"
audience = "two"
"#,
        shown: r#"
error: `audience` is there twice
 --> doorward.toml:2:1
  |
2 | audience = "two"
  | ^^^^^^^^
  |
  = help: keep one of them
"#,
    },
    Broken {
        name: "a section twice",
        text: r#"[tokens]
[tokens]
"#,
        shown: r#"
error: `tokens` is there twice
 --> doorward.toml:2:2
  |
2 | [tokens]
  |  ^^^^^^
  |
  = help: keep one of them
"#,
    },
    Broken {
        name: "what would move the cursor is shown, not done",
        text: r#""\u001b[2J" = 1
"#,
        shown: r#"
error: unknown key `␛[2J`
 --> doorward.toml:1:1
  |
1 | "\u001b[2J" = 1
  | ^^^^^^^^^^^ not a known key
  |
  = help: known keys: listen, admin_listen, tls, h2c, upgrade, upstream, upstream_http2, upstream_ca, identity_headers, health, timeouts, limits, limit, trusted_proxies, proxy_protocol, forward_auth, database, issuer, audience, public_origin, permissions, policies, shadow, tokens, internal_tokens, dpop, trusted_issuer, revocations, tracing, roles, route
"#,
    },
];
