//! `[roles]`.

use super::Broken;

pub(super) const BROKEN: &[Broken] = &[
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
];
