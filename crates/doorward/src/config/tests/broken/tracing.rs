//! `[tracing]`.

use super::Broken;

pub(super) const BROKEN: &[Broken] = &[
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
];
