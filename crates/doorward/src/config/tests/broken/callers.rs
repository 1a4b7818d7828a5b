//! What callers meet: TLS, proxies before this one, limits and bounds.

use super::Broken;

pub(super) const BROKEN: &[Broken] = &[
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
        name: "things that no API is told",
        text: r#"identity_headers = ["subject", "email", "tenant", "subject"]
"#,
        shown: r#"
error: `email` is no identity header
 --> doorward.toml:1:32
  |
1 | identity_headers = ["subject", "email", "tenant", "subject"]
  |                                ^^^^^^^
  |
  = help: what can stand here is `subject`, `tenant`, `roles` and `session`; another issuer's `issuer` is always told

error: `subject` is in `identity_headers` twice
 --> doorward.toml:1:51
  |
1 | identity_headers = ["subject", "email", "tenant", "subject"]
  |                     --------- first here          ^^^^^^^^^ again
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
];
