//! `[[trusted_issuer]]`.

use super::Broken;

pub(super) const BROKEN: &[Broken] = &[
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
