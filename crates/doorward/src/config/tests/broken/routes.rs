//! `[[route]]`.

use super::Broken;

pub(super) const BROKEN: &[Broken] = &[
    Broken {
        name: "clm_023 demands that nobody could meet",
        text: r#"issuer = "https://id.example.com"
[[route]]
match = "GET /a"
authenticated = true
acr = ["AAL2", "a b"]
max_age = "1s"
issuer = "https://id.example.org"
[[route]]
match = "GET /b"
public = true
max_age = "5m"
"#,
        shown: r#"
error: no token carries the `acr` `AAL2`
 --> doorward.toml:5:8
  |
5 | acr = ["AAL2", "a b"]
  |        ^^^^^^
  |
  = help: did you mean `aal2`?

error: an `acr` is 1 to 255 plain characters without blanks and quotes
 --> doorward.toml:5:16
  |
5 | acr = ["AAL2", "a b"]
  |                ^^^^^
  |
  = help: write it as it stands in the tokens, like `aal2`

error: `max_age` must be from 10 s to 30 d
 --> doorward.toml:6:11
  |
6 | max_age = "1s"
  |           ^^^^
  |
  = help: write it like `5m`, `1h` or `7d`: how long ago the sign-in may be

error: no issuer `https://id.example.org` is trusted
 --> doorward.toml:7:10
  |
7 | issuer = "https://id.example.org"
  |          ^^^^^^^^^^^^^^^^^^^^^^^^ nobody could call this route
  |
  = help: did you mean `https://id.example.com`?

error: a public route that asks something of a token
  --> doorward.toml:11:11
   |
11 | max_age = "5m"
   |           ^^^^ a public route has no token of which anything could be asked
   |
   = help: write `authenticated = true` or `allow = …` instead of `public = true`
"#,
    },
    Broken {
        name: "auz_012 a wildcard that a route asks for",
        text: r#"[roles.reader]
permissions = ["orders:read"]

[[route]]
match = "GET /orders"
allow = "orders:*"
"#,
        shown: r#"
error: a wildcard can be granted by a role, but not asked for; name one permission
 --> doorward.toml:6:9
  |
6 | allow = "orders:*"
  |         ^^^^^^^^^^
"#,
    },
    Broken {
        name: "auz_013 a route without a requirement",
        text: r#"[[route]]
match = "GET /orders"
"#,
        shown: r#"
error: a route that does not say who may call it
 --> doorward.toml:2:9
  |
2 | match = "GET /orders"
  |         ^^^^^^^^^^^^^
  |
  = help: add `allow = "RESOURCE:ACTION"`, `authenticated = true` or `public = true`
"#,
    },
    Broken {
        name: "a route without a pattern",
        text: r#"[roles.reader]
permissions = ["orders:read"]

[[route]]
allow = "orders:read"
"#,
        shown: r#"
error: a route without `match`
 --> doorward.toml:4:1
  |
4 | [[route]]
  | ^^^^^^^^^
  |
  = help: add `match = "GET /path"`
"#,
    },
    Broken {
        name: "a route with two requirements",
        text: r#"[roles.reader]
permissions = ["orders:read"]

[[route]]
match = "GET /orders"
public = true
allow = "orders:read"
"#,
        shown: r#"
error: a route with both `public` and `allow`
 --> doorward.toml:7:9
  |
6 | public = true
  |          ---- stated here
7 | allow = "orders:read"
  |         ^^^^^^^^^^^^^ and here
  |
  = help: keep one of them: a route states one requirement
"#,
    },
    Broken {
        name: "a requirement that is switched off",
        text: r#"[[route]]
match = "GET /orders"
public = false
"#,
        shown: r#"
error: `public = false` states nothing
 --> doorward.toml:3:10
  |
3 | public = false
  |          ^^^^^
  |
  = help: leave `public` out, or write `public = true`
"#,
    },
    Broken {
        name: "a permission that no role grants, misspelled",
        text: r#"[roles.reader]
permissions = ["orders:read"]

[[route]]
match = "GET /orders"
allow = "ordres:read"
"#,
        shown: r#"
error: no role grants `ordres:read`
 --> doorward.toml:6:9
  |
6 | allow = "ordres:read"
  |         ^^^^^^^^^^^^^ nobody could call this route
  |
  = help: did you mean `orders:read`?
"#,
    },
    Broken {
        name: "a permission that no role grants",
        text: r#"[roles.reader]
permissions = ["orders:read"]

[[route]]
match = "GET /users"
allow = "users:list"
"#,
        shown: r#"
error: no role grants `users:list`
 --> doorward.toml:6:9
  |
6 | allow = "users:list"
  |         ^^^^^^^^^^^^ nobody could call this route
  |
  = help: grant it in a role, or list it in `permissions`
"#,
    },
    Broken {
        name: "a misspelled permission beside a wildcard",
        text: r#"[roles.reader]
permissions = ["orders:read"]

[roles.owner]
permissions = ["*"]

[[route]]
match = "GET /orders"
allow = "order:read"
"#,
        shown: r#"
error: only a wildcard grants `order:read`, and it reads like `orders:read`
 --> doorward.toml:9:9
  |
9 | allow = "order:read"
  |         ^^^^^^^^^^^^
  |
  = help: did you mean `orders:read`? if not, list `order:read` in `permissions`
"#,
    },
    Broken {
        name: "a method in lower case",
        text: r#"[[route]]
match = "get /orders"
public = true
"#,
        shown: r#"
error: `get` is not a method
 --> doorward.toml:2:10
  |
2 | match = "get /orders"
  |          ^^^
  |
  = help: did you mean `GET`?
"#,
    },
    Broken {
        name: "auz_011 a method that no route opens",
        text: r#"[[route]]
match = "TRACE /orders"
public = true
"#,
        shown: r#"
error: no route opens `TRACE`: it bypasses or reveals what the gateway adds
 --> doorward.toml:2:10
  |
2 | match = "TRACE /orders"
  |          ^^^^^
"#,
    },
    Broken {
        name: "a pattern without a method",
        text: r#"[[route]]
match = "/orders"
public = true
"#,
        shown: r#"
error: the method is missing; write `GET /orders`, or `* /orders` for every method
 --> doorward.toml:2:10
  |
2 | match = "/orders"
  |          ^^^^^^^
"#,
    },
    Broken {
        name: "a parameter in the way of other routers",
        text: r#"[[route]]
match = "GET /orders/:id"
public = true
"#,
        shown: r#"
error: a parameter is written `{id}`
 --> doorward.toml:2:22
  |
2 | match = "GET /orders/:id"
  |                      ^^^
"#,
    },
    Broken {
        name: "a star in the path",
        text: r#"[[route]]
match = "GET /static/*"
public = true
"#,
        shown: r#"
error: a star stands only in `{*rest}`; one segment is `{name}`
 --> doorward.toml:2:22
  |
2 | match = "GET /static/*"
  |                      ^
  |
  = help: write `{*rest}` for everything below
"#,
    },
    Broken {
        name: "gwy_010 two routes that match the same requests",
        text: r#"[[route]]
match = "GET /orders/{id}"
public = true

[[route]]
match = "GET,POST /orders/{number}"
authenticated = true
"#,
        shown: r#"
error: `GET,POST /orders/{number}` matches the same requests as `GET /orders/{id}`
 --> doorward.toml:6:9
  |
2 | match = "GET /orders/{id}"
  |         ------------------ the other one
...
6 | match = "GET,POST /orders/{number}"
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^ neither is more specific
  |
  = help: take one out, or let them differ in method or path
"#,
    },
    Broken {
        name: "a condition on a parameter that is not there",
        text: r#"[[route]]
match = "GET /tenants/{tenant}"
authenticated = true
where = { tenant = "{tennant}" }
"#,
        shown: r#"
error: `GET /tenants/{tenant}` has no parameter `tennant`
 --> doorward.toml:4:20
  |
4 | where = { tenant = "{tennant}" }
  |                    ^^^^^^^^^^^
  |
  = help: did you mean `tenant`?
"#,
    },
    Broken {
        name: "a condition on the rest of the path",
        text: r#"[[route]]
match = "GET /files/{*path}"
authenticated = true
where = { sub = "{*path}" }
"#,
        shown: r#"
error: `{*path}` can be several segments; a claim is compared with exactly one
 --> doorward.toml:4:17
  |
4 | where = { sub = "{*path}" }
  |                 ^^^^^^^^^
"#,
    },
    Broken {
        name: "a condition that compares with a word",
        text: r#"[[route]]
match = "GET /tenants/{tenant}"
authenticated = true
where = { tenant = "acme" }
"#,
        shown: r#"
error: `tenant` can only be compared with a parameter of the path
 --> doorward.toml:4:20
  |
4 | where = { tenant = "acme" }
  |                    ^^^^^^
  |
  = help: write `where = { tenant = "{tenant}" }`
"#,
    },
    Broken {
        name: "a condition on a misspelled claim",
        text: r#"[[route]]
match = "GET /tenants/{tenant}"
authenticated = true
where = { tennant = "{tenant}" }
"#,
        shown: r#"
error: no token carries a claim `tennant`
 --> doorward.toml:4:11
  |
4 | where = { tennant = "{tenant}" }
  |           ^^^^^^^
  |
  = help: did you mean `tenant`?
"#,
    },
    Broken {
        name: "a condition on a public route",
        text: r#"[[route]]
match = "GET /tenants/{tenant}"
public = true
where = { tenant = "{tenant}" }
"#,
        shown: r#"
error: a public route with `where`
 --> doorward.toml:4:20
  |
4 | where = { tenant = "{tenant}" }
  |                    ^^^^^^^^^^ a public route has no caller whose claims could be compared
  |
  = help: write `authenticated = true` or `allow = …` instead of `public = true`
"#,
    },
    Broken {
        name: "a route under a path that Doorward answers itself",
        text: r#"[[route]]
match = "GET /auth/x"
public = true
"#,
        shown: r#"
error: a route under `/auth/`, which Doorward answers itself
 --> doorward.toml:2:9
  |
2 | match = "GET /auth/x"
  |         ^^^^^^^^^^^^^
  |
  = help: the API behind it cannot be reached there; give it another path
"#,
    },
];
