//! Broken configurations and exactly what is shown for each of them.

/// A text with something wrong in it.
pub(super) struct Broken {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    /// What is drawn, between two line breaks.
    pub(super) shown: &'static str,
}

/// One case for each kind of problem.
pub(super) const BROKEN: &[Broken] = &[
    Broken {
        name: "a candidate without a file",
        text: r#"[shadow]
file = "next.toml"
"#,
        shown: r#"
error: [shadow] lacks `config`
 --> doorward.toml:1:2
  |
1 | [shadow]
  |  ^^^^^^
  |
  = help: write `config = "next.toml"`

error: unknown key `file` in [shadow]
 --> doorward.toml:2:1
  |
2 | file = "next.toml"
  | ^^^^ not a known key
  |
  = help: known keys: config
"#,
    },
    Broken {
        name: "TLS that is a wrong word",
        text: r#"tls = "off"
"#,
        shown: r#"
error: `tls` is either two files or one word
 --> doorward.toml:1:7
  |
1 | tls = "off"
  |       ^^^^^
  |
  = help: write `[tls]` with `certificate` and `key`, or `tls = "terminated-elsewhere"` where a proxy in front speaks TLS
"#,
    },
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
    Broken {
        name: "traces whose collector has a key in its address",
        text: r#"[tracing]
endpoint = "https://collector.example/v1/traces?key=secret"
"#,
        shown: r#"
error: `endpoint` has a query
--> doorward.toml:2:12
 = help: what the collector wants to see goes into `headers_file`: a field in a line
"#,
    },
    Broken {
        name: "traces that name subjects in clear",
        text: r#"[tracing]
endpoint = "http://collector:4318/v1/traces"
subject = true
"#,
        shown: r#"
error: `subject` and an `http://` endpoint on another machine
 --> doorward.toml:3:11
  |
3 | subject = true
  |           ^^^^
  |
  = help: whoever is on the way reads who calls; write `https://`
"#,
    },
    Broken {
        name: "traces that could not be sent, or would show a secret",
        text: r#"[tracing]
endpoint = "http://collector:4318/v1/traces"
headers_file = "collector.headers"
ratio = 10
subject = "yes"
sevice_name = "shop"
"#,
        shown: r#"
error: `headers_file` and an `http://` endpoint on another machine
 --> doorward.toml:3:16
  |
3 | headers_file = "collector.headers"
  |                ^^^^^^^^^^^^^^^^^^^
  |
  = help: whoever is on the way reads what the file holds; write `https://`

error: `ratio` must be from 0 to 1
 --> doorward.toml:4:9
  |
4 | ratio = 10
  |         ^^
  |
  = help: write `ratio = 0.1` for one request in ten

error: `subject` must be `true`
 --> doorward.toml:5:11
  |
5 | subject = "yes"
  |           ^^^^^ this is a string
  |
  = help: write `subject = true`

error: unknown key `sevice_name` in [tracing]
 --> doorward.toml:6:1
  |
6 | sevice_name = "shop"
  | ^^^^^^^^^^^ not a known key
  |
  = help: did you mean `service_name`?
"#,
    },
    Broken {
        name: "a collector by half",
        text: r#"[tracing]
endpoint = "localhost:4317"
max_per_second = 0
"#,
        shown: r#"
error: `endpoint` must be the whole URL of a collector's traces
 --> doorward.toml:2:12
  |
2 | endpoint = "localhost:4317"
  |            ^^^^^^^^^^^^^^^^
  |
  = help: OTLP over HTTP, with its path: `http://127.0.0.1:4318/v1/traces`

error: `max_per_second` must be 1 or more
 --> doorward.toml:3:18
  |
3 | max_per_second = 0
  |                  ^
  |
  = help: leave it out for the usual
"#,
    },
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
        name: "upgrades that are none",
        text: r#"upgrade = ["websocket", "h2c", "a b"]
"#,
        shown: r#"
error: requests inside another protocol would be judged by nobody
 --> doorward.toml:1:25
  |
1 | upgrade = ["websocket", "h2c", "a b"]
  |                         ^^^^^
  |
  = help: the usual is `upgrade = ["websocket"]`

error: this is not the name of a protocol
 --> doorward.toml:1:32
  |
1 | upgrade = ["websocket", "h2c", "a b"]
  |                                ^^^^^
  |
  = help: the usual is `upgrade = ["websocket"]`
"#,
    },
    Broken {
        name: "bounds that are none",
        text: r#"[timeouts]
connect = "0s"
answer = 30
[limits]
connections = "many"
upstream_requests = 0
[health]
interval = "5"
"#,
        shown: r#"
error: `connect` must be from 1 s to 1 d
 --> doorward.toml:2:11
  |
2 | connect = "0s"
  |           ^^^^
  |
  = help: write it like `30s`, `5m` or `1h`

error: `answer` must be a string
 --> doorward.toml:3:10
  |
3 | answer = 30
  |          ^^ this is an integer
  |
  = help: write `answer = "30s"`

error: `connections` must be a number
 --> doorward.toml:5:15
  |
5 | connections = "many"
  |               ^^^^^^ this is a string
  |
  = help: write `connections = 1000`

error: `upstream_requests` must be 1 or more
 --> doorward.toml:6:21
  |
6 | upstream_requests = 0
  |                     ^
  |
  = help: leave it out for the usual

error: [health] lacks `path`
 --> doorward.toml:7:1
  |
7 | [health]
  | ^^^^^^^^
  |
  = help: write `path = "/healthz"`, which the upstreams answer

error: `interval` must be a number and a unit
 --> doorward.toml:8:12
  |
8 | interval = "5"
  |            ^^^
  |
  = help: write it like `30s`, `5m` or `1h`
"#,
    },
    Broken {
        name: "limits and proxies that are none",
        text: r#"proxy_protocol = true
trusted_proxies = ["10.0.0.1/8"]
[[limit]]
per = "user"
"#,
        shown: r#"
error: this is neither an address nor a range
 --> doorward.toml:2:20
  |
2 | trusted_proxies = ["10.0.0.1/8"]
  |                    ^^^^^^^^^^^^
  |
  = help: write an address or a range, like 10.0.0.1 or 10.0.0.0/8

error: [[limit]] lacks `requests`
 --> doorward.toml:3:1
  |
3 | [[limit]]
  | ^^^^^^^^^
  |
  = help: write `[[limit]]`, and `per`, `requests` and `window` in the lines below

error: `per` is none of address, failure, subject and client
 --> doorward.toml:4:7
  |
4 | per = "user"
  |       ^^^^^^
  |
  = help: `address` counts every request of an address, `failure` its refused tokens, `subject` and `client` those of a proven caller
"#,
    },
    Broken {
        name: "the PROXY protocol of nobody",
        text: r#"proxy_protocol = true
"#,
        shown: r#"
error: `proxy_protocol` without `trusted_proxies` means nothing
 --> doorward.toml:1:18
  |
1 | proxy_protocol = true
  |                  ^^^^
  |
  = help: write `trusted_proxies = ["10.0.0.1"]` as well
"#,
    },
    Broken {
        name: "a proxy that cannot ask",
        text: r#"[forward_auth]
listen = "127.0.0.1:4182"
proxy = "ngix"
"#,
        shown: r#"
error: [forward_auth] lacks `from`
 --> doorward.toml:1:1
  |
1 | [forward_auth]
  | ^^^^^^^^^^^^^^
  |
  = help: write `[forward_auth]`, and `listen`, `proxy` and `from` in the lines below

error: `ngix` is not a proxy that can ask here
 --> doorward.toml:3:9
  |
3 | proxy = "ngix"
  |         ^^^^^^
  |
  = help: did you mean `nginx`?
"#,
    },
    Broken {
        name: "a proxy that everybody could be, at a taken address",
        text: r#"listen = "127.0.0.1:4182"
[forward_auth]
listen = "127.0.0.1:4182"
proxy = "nginx"
from = ["0.0.0.0/0"]
"#,
        shown: r#"
error: [forward_auth] has the address of `listen`
 --> doorward.toml:2:1
  |
1 | listen = "127.0.0.1:4182"
  |          ---------------- by this
2 | [forward_auth]
  | ^^^^^^^^^^^^^^ taken
  |
  = help: give it a port of its own, like `127.0.0.1:4183`

error: `from` names the whole internet: 0.0.0.0/0
 --> doorward.toml:5:8
  |
5 | from = ["0.0.0.0/0"]
  |        ^^^^^^^^^^^^^
  |
  = help: whoever may ask can say which request was meant; name the proxy alone
"#,
    },
    Broken {
        name: "half a pair of files",
        text: r#"[[tls]]
certificate = "one.pem"
kay = "one.key"
"#,
        shown: r#"
error: [tls] lacks `key`
 --> doorward.toml:1:1
  |
1 | [[tls]]
  | ^^^^^^^
  |
  = help: write `key = "key.pem"`, a PEM file

error: unknown key `kay` in [tls]
 --> doorward.toml:3:1
  |
3 | kay = "one.key"
  | ^^^ not a known key
  |
  = help: did you mean `key`?
"#,
    },
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
        name: "claims with personal data, secrets, and names that mean something already",
        text: r#"[tokens.claims]
userEmail = "department"
department = "given_name"
clearance = "api_key"
sub = "number"
cost-center = "cost-center"
level = 3

[[route]]
match = "GET /teams/{team}"
authenticated = true
where = { departmant = "{team}" }
"#,
        shown: r#"
error: a claim must not hold personal data (`email`): everybody who sees a token reads it
 --> doorward.toml:2:1
  |
2 | userEmail = "department"
  | ^^^^^^^^^
  |
  = help: leave it out: tokens are logged and passed on; an API that needs it asks for it by `sub`

error: an attribute must not hold personal data (`given_name`): attributes are for tokens, which others read
 --> doorward.toml:3:14
  |
3 | department = "given_name"
  |              ^^^^^^^^^^^^
  |
  = help: leave it out: tokens are logged and passed on; an API that needs it asks for it by `sub`

error: an attribute must not hold a secret (`api_key`): attributes are for tokens, which others read
 --> doorward.toml:4:13
  |
4 | clearance = "api_key"
  |             ^^^^^^^^^
  |
  = help: leave it out: whoever sees a token reads what is in it

error: `sub` means something else in a token already
 --> doorward.toml:5:1
  |
5 | sub = "number"
  | ^^^
  |
  = help: choose another name for it

error: a claim is named with 1 to 32 of a-z, 0-9 and _, a letter first
 --> doorward.toml:6:1
  |
6 | cost-center = "cost-center"
  | ^^^^^^^^^^^
  |
  = help: did you mean `cost_center`?

error: an attribute is named with 1 to 32 of a-z, 0-9 and _, a letter first
 --> doorward.toml:6:15
  |
6 | cost-center = "cost-center"
  |               ^^^^^^^^^^^^^
  |
  = help: did you mean `cost_center`?

error: `level` must be a string
 --> doorward.toml:7:9
  |
7 | level = 3
  |         ^ this is an integer
  |
  = help: write `level = "department"`

error: no token carries a claim `departmant`
  --> doorward.toml:12:11
   |
12 | where = { departmant = "{team}" }
   |           ^^^^^^^^^^
   |
   = help: did you mean `department`?
"#,
    },
    Broken {
        name: "claims that are no table, and too many sessions",
        text: r#"[tokens]
claims = ["department"]
sessions_per_user = 20000
"#,
        shown: r#"
error: `claims` must be a table
 --> doorward.toml:2:10
  |
2 | claims = ["department"]
  |          ^^^^^^^^^^^^^^ this is an array
  |
  = help: write `[tokens.claims]`, and below it lines like `department = "department"`: the claim, and the attribute that it holds

error: `sessions_per_user` must be from 1 to 10000
 --> doorward.toml:3:21
  |
3 | sessions_per_user = 20000
  |                     ^^^^^
  |
  = help: the usual is 100; one more ends the oldest, so that nobody is locked out
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
        name: "a role that is no table",
        text: r#"[roles]
reader = ["orders:read"]
"#,
        shown: r#"
error: `roles.reader` must be a table
 --> doorward.toml:2:10
  |
2 | reader = ["orders:read"]
  |          ^^^^^^^^^^^^^^^ this is an array
  |
  = help: write `[roles.NAME]`, and `permissions = ["orders:read"]` below it
"#,
    },
    Broken {
        name: "tokens that are no table",
        text: r#"tokens = "5m"
"#,
        shown: r#"
error: `tokens` must be a table
 --> doorward.toml:1:10
  |
1 | tokens = "5m"
  |          ^^^^ this is a string
  |
  = help: write `[tokens]`, and its keys in the lines below
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
        name: "a permission twice in a list",
        text: r#"permissions = ["orders:read", "orders:read"]
"#,
        shown: r#"
error: `orders:read` is in `permissions` twice
 --> doorward.toml:1:31
  |
1 | permissions = ["orders:read", "orders:read"]
  |                -------------  ^^^^^^^^^^^^^ again
  |                |
  |                first here
"#,
    },
    Broken {
        name: "an address without a port",
        text: r#"listen = "127.0.0.1"
"#,
        shown: r#"
error: `listen` must be an address and a port
 --> doorward.toml:1:10
  |
1 | listen = "127.0.0.1"
  |          ^^^^^^^^^^^
  |
  = help: write it like `127.0.0.1:4180` or `[::1]:4180`
"#,
    },
    Broken {
        name: "a host name as an address",
        text: r#"listen = "localhost:4180"
"#,
        shown: r#"
error: `listen` must be an address and a port
 --> doorward.toml:1:10
  |
1 | listen = "localhost:4180"
  |          ^^^^^^^^^^^^^^^^
  |
  = help: write `127.0.0.1:4180`
"#,
    },
    Broken {
        name: "a port alone",
        text: r#"admin_listen = ":4181"
"#,
        shown: r#"
error: `admin_listen` must be an address and a port
 --> doorward.toml:1:16
  |
1 | admin_listen = ":4181"
  |                ^^^^^^^
  |
  = help: write `127.0.0.1:4181`, or `0.0.0.0:4181` for every interface
"#,
    },
    Broken {
        name: "both listeners on one address",
        text: r#"listen = "127.0.0.1:4180"
admin_listen = "127.0.0.1:4180"
"#,
        shown: r#"
error: `admin_listen` is the address of `listen`
 --> doorward.toml:2:16
  |
1 | listen = "127.0.0.1:4180"
  |          ---------------- by the gateway
2 | admin_listen = "127.0.0.1:4180"
  |                ^^^^^^^^^^^^^^^^ taken
  |
  = help: give the admin listener a port of its own, and keep it on loopback
"#,
    },
    Broken {
        name: "upstreams that are none",
        text: r#"upstream = ["https://127.0.0.1:9000", "ftp://127.0.0.1:9000"]
"#,
        shown: r#"
error: `upstream` must be an `http://` or `https://` URL
 --> doorward.toml:1:39
  |
1 | upstream = ["https://127.0.0.1:9000", "ftp://127.0.0.1:9000"]
  |                                       ^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write it like `http://127.0.0.1:9000`
"#,
    },
    Broken {
        name: "an upstream without a scheme",
        text: r#"upstream = "127.0.0.1:9000"
"#,
        shown: r#"
error: `upstream` must be an `http://` or `https://` URL
 --> doorward.toml:1:12
  |
1 | upstream = "127.0.0.1:9000"
  |            ^^^^^^^^^^^^^^^^
  |
  = help: write it like `http://127.0.0.1:9000`
"#,
    },
    Broken {
        name: "an upstream with a path",
        text: r#"upstream = "http://127.0.0.1:9000/api"
"#,
        shown: r#"
error: `upstream` is a server, without a path
 --> doorward.toml:1:12
  |
1 | upstream = "http://127.0.0.1:9000/api"
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write `http://127.0.0.1:9000`; requests keep their own path
"#,
    },
    Broken {
        name: "an upstream with a password",
        text: r#"upstream = "http://me:secret@127.0.0.1:9000"
"#,
        shown: r#"
error: `upstream` holds a user name or password
--> doorward.toml:1:12
 = help: leave out what stands before the `@`, and the `@`
"#,
    },
    Broken {
        name: "an issuer with a slash at its end",
        text: r#"issuer = "https://auth.example.com/"
"#,
        shown: r#"
error: `issuer` is an origin: scheme, host and port, nothing after it
 --> doorward.toml:1:10
  |
1 | issuer = "https://auth.example.com/"
  |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write `https://auth.example.com`
"#,
    },
    Broken {
        name: "an empty audience",
        text: r#"audience = ""
"#,
        shown: r#"
error: `audience` must be a name of 1 to 255 bytes without blanks
 --> doorward.toml:1:12
  |
1 | audience = ""
  |            ^^
  |
  = help: name the API that the tokens are for, like `orders-api`
"#,
    },
    Broken {
        name: "a lifetime without a unit",
        text: r#"[tokens]
access_lifetime = "300"
"#,
        shown: r#"
error: `access_lifetime` must be a number and a unit
 --> doorward.toml:2:19
  |
2 | access_lifetime = "300"
  |                   ^^^^^
  |
  = help: write it like `30s`, `5m` or `1h`
"#,
    },
    Broken {
        name: "a lifetime that is too long",
        text: r#"[tokens]
access_lifetime = "7d"
"#,
        shown: r#"
error: `access_lifetime` must be from 10 s to 1 h
 --> doorward.toml:2:19
  |
2 | access_lifetime = "7d"
  |                   ^^^^
  |
  = help: the usual is `5m`: sessions live longer through their refresh token
"#,
    },
    Broken {
        name: "auz_012 a wildcard inside a segment",
        text: r#"[roles.reader]
permissions = ["orders:re*"]
"#,
        shown: r#"
error: a wildcard stands for whole last segments only, like `orders:*` or `*`
 --> doorward.toml:2:16
  |
2 | permissions = ["orders:re*"]
  |                ^^^^^^^^^^^^
  |
  = help: write `orders:*`, or name each permission
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
        name: "a permission without an action",
        text: r#"[roles.reader]
permissions = ["orders"]
"#,
        shown: r#"
error: a permission names a resource and an action, like `orders:read`
 --> doorward.toml:2:16
  |
2 | permissions = ["orders"]
  |                ^^^^^^^^
  |
  = help: write `orders:*`, or name each permission
"#,
    },
    Broken {
        name: "auz_017 a cycle of roles",
        text: r#"[roles.reader]
inherits = ["editor"]

[roles.editor]
inherits = ["reader"]
"#,
        shown: r#"
error: role `reader` inherits from itself
 --> doorward.toml:1:8
  |
1 | [roles.reader]
  |        ^^^^^^ reader -> editor -> reader
  |
  = help: take one of them out of `inherits`
"#,
    },
    Broken {
        name: "auz_017 roles that read alike",
        text: r#"[roles.reader]

[roles.Reader]
"#,
        shown: r#"
error: role `Reader` reads like role `reader`
 --> doorward.toml:3:8
  |
1 | [roles.reader]
  |        ------ the other one
2 |
3 | [roles.Reader]
  |        ^^^^^^ too easy to confuse
  |
  = help: rename one of them
"#,
    },
    Broken {
        name: "auz_017 a role name that is not ASCII",
        text: r#"[roles."rеader"]
"#,
        shown: r#"
error: a role name holds only ASCII letters, digits, `_`, `.` and `-`, not 'е'
 --> doorward.toml:1:8
  |
1 | [roles."rеader"]
  |        ^^^^^^^^
"#,
    },
    Broken {
        name: "a parent that is no role",
        text: r#"[roles.reader]
permissions = ["orders:read"]

[roles.editor]
inherits = ["raeder"]
"#,
        shown: r#"
error: there is no role `raeder`
 --> doorward.toml:5:13
  |
5 | inherits = ["raeder"]
  |             ^^^^^^^^
  |
  = help: did you mean `reader`?
"#,
    },
    Broken {
        name: "auz_017 roles in too long a line",
        text: r#"[roles.a]
[roles.b]
inherits = ["a"]
[roles.c]
inherits = ["b"]
[roles.d]
inherits = ["c"]
[roles.e]
inherits = ["d"]
[roles.f]
inherits = ["e"]
[roles.g]
inherits = ["f"]
[roles.h]
inherits = ["g"]
[roles.i]
inherits = ["h"]
"#,
        shown: r#"
error: role `i` inherits over more than 8 levels
  --> doorward.toml:16:8
   |
16 | [roles.i]
   |        ^
   |
   = help: let it inherit directly from what it needs
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
  = help: known keys: listen, admin_listen, tls, h2c, upgrade, upstream, upstream_http2, upstream_ca, health, timeouts, limits, limit, trusted_proxies, proxy_protocol, forward_auth, database, issuer, audience, public_origin, permissions, policies, shadow, tokens, internal_tokens, dpop, trusted_issuer, revocations, tracing, roles, route
"#,
    },
    Broken {
        name: "a public origin with a path",
        text: r#"public_origin = "https://api.example.com/v1"
"#,
        shown: r#"
error: `public_origin` is an origin: scheme, host and port, nothing after it
 --> doorward.toml:1:17
  |
1 | public_origin = "https://api.example.com/v1"
  |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write `https://api.example.com`
"#,
    },
    Broken {
        name: "a nonce that is neither required nor off",
        text: r#"[dpop]
nonce = "on"
"#,
        shown: r#"
error: `nonce` must be `required` or `off`
 --> doorward.toml:2:9
  |
2 | nonce = "on"
  |         ^^^^
  |
  = help: write `nonce = "required"`, or leave it out
"#,
    },
    Broken {
        name: "a trusted issuer with one bracket",
        text: r#"[trusted_issuer]
issuer = "https://id.example.com"
"#,
        shown: r#"
error: `trusted_issuer` must be an array of tables
 --> doorward.toml:1:1
  |
1 | [trusted_issuer]
  | ^^^^^^^^^^^^^^^^ this is a table
  |
  = help: write `[[trusted_issuer]]`, with two brackets, above each issuer
"#,
    },
    Broken {
        name: "a trusted issuer that lacks everything",
        text: r#"[[trusted_issuer]]
isuer = "https://id.example.com"
"#,
        shown: r#"
error: a trusted issuer without `issuer`
 --> doorward.toml:1:1
  |
1 | [[trusted_issuer]]
  | ^^^^^^^^^^^^^^^^^^
  |
  = help: add `issuer = "https://id.example.com"`, as it is in `iss` of its tokens

error: a trusted issuer without `audience`
 --> doorward.toml:1:1
  |
1 | [[trusted_issuer]]
  | ^^^^^^^^^^^^^^^^^^
  |
  = help: add `audience = "…"`: tokens for others are not for this API

error: a trusted issuer without `algorithms`
 --> doorward.toml:1:1
  |
1 | [[trusted_issuer]]
  | ^^^^^^^^^^^^^^^^^^
  |
  = help: add `algorithms = ["RS256"]`, with what it signs with and no more

error: a trusted issuer without keys
 --> doorward.toml:1:1
  |
1 | [[trusted_issuer]]
  | ^^^^^^^^^^^^^^^^^^
  |
  = help: add `jwks_uri = "https://…"` or `jwks_file = "…"`

error: unknown key `isuer` in [[trusted_issuer]]
 --> doorward.toml:2:1
  |
2 | isuer = "https://id.example.com"
  | ^^^^^ not a known key
  |
  = help: did you mean `issuer`?
"#,
    },
    Broken {
        name: "a trusted issuer with what it cannot have",
        text: r#"issuer = "https://id.example.com"

[[trusted_issuer]]
issuer = "https://id.example.com"
audience = "orders api"
algorithms = ["HS256", "ES265"]
jwks_uri = "ftp://id.example.com/jwks.json"
allow_addresses = ["localhost", "privat"]
token_type = "access token"
permissions_claim = ""
"#,
        shown: r#"
error: the issuer `https://id.example.com` is there twice
 --> doorward.toml:4:10
  |
1 | issuer = "https://id.example.com"
  |          ------------------------ first here
...
4 | issuer = "https://id.example.com"
  |          ^^^^^^^^^^^^^^^^^^^^^^^^ again
  |
  = help: keep one of them: a token is checked against one issuer

error: `audience` must be a name of 1 to 255 bytes without blanks
 --> doorward.toml:5:12
  |
5 | audience = "orders api"
  |            ^^^^^^^^^^^^
  |
  = help: name the API that the tokens are for, like `orders-api`

error: `HS256` is not an algorithm with a public key
 --> doorward.toml:6:15
  |
6 | algorithms = ["HS256", "ES265"]
  |               ^^^^^^^
  |
  = help: known: ES256, ES384, ES512, Ed25519, EdDSA, RS256, RS384, RS512, PS256, PS384, PS512

error: `ES265` is not an algorithm with a public key
 --> doorward.toml:6:24
  |
6 | algorithms = ["HS256", "ES265"]
  |                        ^^^^^^^
  |
  = help: did you mean `ES256`?

error: `jwks_uri`: only https, and http to this machine, can be asked for keys
 --> doorward.toml:7:12
  |
7 | jwks_uri = "ftp://id.example.com/jwks.json"
  |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: write it like `https://id.example.com/.well-known/jwks.json`

error: `localhost` is not a kind of address
 --> doorward.toml:8:20
  |
8 | allow_addresses = ["localhost", "privat"]
  |                    ^^^^^^^^^^^
  |
  = help: public ones are allowed; others are `loopback`, `private`, `link-local`

error: `privat` is not a kind of address
 --> doorward.toml:8:33
  |
8 | allow_addresses = ["localhost", "privat"]
  |                                 ^^^^^^^^
  |
  = help: did you mean `private`?

error: `token_type` must be a media type
 --> doorward.toml:9:14
  |
9 | token_type = "access token"
  |              ^^^^^^^^^^^^^^
  |
  = help: write `typ` of its tokens, like `at+jwt` or `JWT`

error: `permissions_claim` is empty
  --> doorward.toml:10:21
   |
10 | permissions_claim = ""
   |                     ^^
   |
   = help: name a claim, like `scope`, or a place inside one, like `/realm_access/roles`
"#,
    },
    Broken {
        name: "a trusted issuer with keys in two places",
        text: r#"[[trusted_issuer]]
issuer = "https://id.example.com"
audience = "orders-api"
algorithms = []
jwks_uri = "https://id.example.com/jwks.json"
jwks_file = "jwks.json"
"#,
        shown: r#"
error: `algorithms` is empty: no token would be good
 --> doorward.toml:4:14
  |
4 | algorithms = []
  |              ^^
  |
  = help: write what it signs with, like `algorithms = ["RS256"]`

error: an issuer with both `jwks_uri` and `jwks_file`
 --> doorward.toml:6:13
  |
5 | jwks_uri = "https://id.example.com/jwks.json"
  |            ---------------------------------- keys from here
6 | jwks_file = "jwks.json"
  |             ^^^^^^^^^^^ and here
  |
  = help: keep one of them
"#,
    },
    Broken {
        name: "a file that is to be asked over the network",
        text: r#"[[trusted_issuer]]
issuer = "id.example.com"
audience = "orders-api"
algorithms = ["RS256"]
jwks_file = ""
ca_file = "ca.pem"
"#,
        shown: r#"
error: `issuer` must be an `https://` URL
 --> doorward.toml:2:10
  |
2 | issuer = "id.example.com"
  |          ^^^^^^^^^^^^^^^^
  |
  = help: write it exactly as it is in `iss` of its tokens

error: `jwks_file` is empty
 --> doorward.toml:5:13
  |
5 | jwks_file = ""
  |             ^^
  |
  = help: write it like `/etc/doorward/id.example.jwks.json`

error: `ca_file` without `jwks_uri`
 --> doorward.toml:6:11
  |
6 | ca_file = "ca.pem"
  |           ^^^^^^^^
  |
  = help: leave it out: a file is not asked over the network
"#,
    },
];
