//! `[shadow]`.

use super::Broken;

pub(super) const BROKEN: &[Broken] = &[Broken {
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
}];
