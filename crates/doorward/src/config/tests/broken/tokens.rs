//! `[tokens]`.

use super::Broken;

pub(super) const BROKEN: &[Broken] = &[
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
];
