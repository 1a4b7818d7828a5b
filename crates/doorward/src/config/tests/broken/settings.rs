//! The keys at the top: addresses and names.

use super::Broken;

pub(super) const BROKEN: &[Broken] = &[
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
];
