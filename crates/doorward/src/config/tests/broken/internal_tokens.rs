//! `[internal_tokens]`, and `internal_token` of routes.

use super::Broken;

pub(super) const BROKEN: &[Broken] = &[
    Broken {
        name: "clm_010 an internal token that would open a route here",
        text: r#"issuer = "https://id.example.com"
audience = "shop"

[internal_tokens]
audience = "shop"
issuer = "https://id.example.com"
key = ""
permissions = { report = ["orders:*"], reports = ["orders:re*"] }

[[route]]
match = "GET /a"
authenticated = true
internal_token = "reports"

[[route]]
match = "GET /b"
authenticated = true
audience = "reports"
internal_token = "two words"

[[route]]
match = "GET /c"
public = true
internal_token = "c"
"#,
        shown: r#"
error: `shop` is an audience of callers' tokens
 --> doorward.toml:5:12
  |
5 | audience = "shop"
  |            ^^^^^^
  |
  = help: an internal token must open nothing here; name the API behind, by another name

error: `https://id.example.com` is an issuer whose tokens open routes
 --> doorward.toml:6:10
  |
6 | issuer = "https://id.example.com"
  |          ^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: internal tokens are of an issuer of their own; add `/internal`, for example

error: `key` must name a PEM file
 --> doorward.toml:7:7
  |
7 | key = ""
  |       ^^
  |
  = help: write it like `internal.pem`

error: no route asks for internal tokens for `report`
 --> doorward.toml:8:17
  |
8 | permissions = { report = ["orders:*"], reports = ["orders:re*"] }
  |                 ^^^^^^
  |
  = help: did you mean `reports`?

error: a wildcard stands for whole last segments only, like `orders:*` or `*`
 --> doorward.toml:8:51
  |
8 | permissions = { report = ["orders:*"], reports = ["orders:re*"] }
  |                                                   ^^^^^^^^^^^^

error: `reports` is an audience of callers' tokens
  --> doorward.toml:13:18
   |
13 | internal_token = "reports"
   |                  ^^^^^^^^^
   |
   = help: an internal token must open nothing here; name the API behind, by another name

error: `internal_token` must be a name of 1 to 255 bytes without blanks
  --> doorward.toml:19:18
   |
19 | internal_token = "two words"
   |                  ^^^^^^^^^^^
   |
   = help: name the API that the tokens are for, like `orders-api`

error: a public route with `internal_token`
  --> doorward.toml:24:18
   |
24 | internal_token = "c"
   |                  ^^^
   |
   = help: nobody is asked there, so there is nobody to make a token for; leave it out
"#,
    },
    Broken {
        name: "internal tokens for others' callers, and behind a proxy without a way for them",
        text: r#"[forward_auth]
listen = "127.0.0.1:4182"
proxy = "caddy"
from = ["127.0.0.1"]

[internal_tokens]
audience = "orders-internal"

[[trusted_issuer]]
issuer = "https://id.example.com"
audience = "shop"
algorithms = ["ES256"]
jwks_file = "keys.json"

[[route]]
match = "GET /a"
authenticated = true
issuer = "https://id.example.com"
"#,
        shown: r#"
error: `caddy` hands on no internal tokens
 --> doorward.toml:3:9
  |
3 | proxy = "caddy"
  |         ^^^^^^^
...
7 | audience = "orders-internal"
  |            ----------------- asked for here
  |
  = help: only nginx does so far, as docs/internal-tokens.md shows; leave `internal_token` out, or let the gateway forward

error: internal tokens for callers of `https://id.example.com`
  --> doorward.toml:18:10
   |
 7 | audience = "orders-internal"
   |            ----------------- asked for here
...
18 | issuer = "https://id.example.com"
   |          ^^^^^^^^^^^^^^^^^^^^^^^^ nobody could call this route
   |
   = help: their subjects may have the names of users here, so none is made; name `internal_token` at other routes alone
"#,
    },
];
