//! What is refused, what is said then, and that nothing changed.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _};

use super::{Place, each_is_refused};

#[test]
fn nothing_works_on_a_folder_that_is_not_there() {
    let place = Place::empty();
    let help = "
        error: there is no data folder at data
        help:  start with `doorward up`, or name the folder with --data";
    let commands: [&[&str]; 11] = [
        &["user", "list"],
        &["user", "add", "bob"],
        &["user", "disable", "bob"],
        &["user", "password", "bob"],
        &["role", "list"],
        &["role", "grant", "bob", "reader"],
        &["tenant", "list"],
        &["tenant", "add", "acme"],
        &["token", "mint", "--as", "bob"],
        &["explain", "last"],
        &["curl", "/orders"],
    ];
    let cases: Vec<_> = commands.iter().map(|command| (*command, 3, help)).collect();
    each_is_refused(&place, &cases);
    each_is_refused(
        &place,
        &[(
            &["config", "check"],
            3,
            "
            error: there is no configuration file to check
            help:  write one with `doorward init`, or name it with --config",
        )],
    );
}

#[test]
fn a_folder_must_be_a_private_folder_of_doorward() {
    let place = Place::empty();
    place.write("file", "");
    for (name, mode) in [("open", 0o750), ("fresh", 0o700)] {
        fs::create_dir(place.path().join(name)).unwrap();
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(place.path().join(name), mode).unwrap();
    }
    let open = "
        error: open can be read by other users of this machine
        help:  chmod 700 open";
    let file = "
        error: file is not a folder
        help:  name a folder with --data";
    each_is_refused(
        &place,
        &[
            (&["--data", "open", "user", "list"], 3, open),
            (&["--data", "open", "up", "--demo"], 3, open),
            (&["--data", "file", "user", "list"], 3, file),
            (&["--data", "file", "up", "--demo"], 3, file),
            (
                &["--data", "fresh", "user", "list"],
                3,
                "
                error: fresh was never used by `doorward up`
                help:  start with `doorward up`, or name another folder with --data",
            ),
        ],
    );
}

#[test]
fn up_says_which_part_of_an_address_is_wrong() {
    let place = Place::empty();
    let usage = "\n\nFor more information, try '--help'.";
    let listen = |text: &str, advice: &str| {
        format!("error: invalid value '{text}' for '--listen <ADDR>': {advice}{usage}")
    };
    let (port, name) = (
        listen("4180", "write IP and port: 127.0.0.1:4180"),
        listen(
            "localhost:4180",
            "write IP and port, like 127.0.0.1:4180 or [::1]:4180",
        ),
    );
    let empty = format!(
        "error: invalid value '' for '--upstream <URL>': write it like http://127.0.0.1:9000{usage}"
    );
    each_is_refused(
        &place,
        &[
            (
                &["up"],
                2,
                "
                error: say what to protect
                help:  `doorward up --upstream http://127.0.0.1:9000`, or `doorward up --demo` for a first look",
            ),
            (&["up", "--demo", "--listen", "4180"], 2, &port),
            (&["up", "--demo", "--listen", "localhost:4180"], 2, &name),
            (&["up", "--upstream", ""], 2, &empty),
            (
                &["up", "--upstream", "ftp://example.com"],
                2,
                "
                error: `ftp://example.com/` is not an http:// or https:// address
                help:  write scheme, host and port: --upstream http://127.0.0.1:9000",
            ),
            (
                &["up", "--upstream", "http://127.0.0.1:9000/api"],
                2,
                "
                error: `http://127.0.0.1:9000/api` has a path, and each request brings its own
                help:  did you mean `--upstream http://127.0.0.1:9000`?",
            ),
            (
                &["up", "--upstream", "127.0.0.1:9000"],
                2,
                "
                error: `127.0.0.1:9000` does not say http://
                help:  did you mean `--upstream http://127.0.0.1:9000`?",
            ),
            (
                &["up", "--upstream", "ftp://127.0.0.1"],
                2,
                "
                error: `ftp://127.0.0.1/` is not an http:// or https:// address
                help:  write scheme, host and port: --upstream http://127.0.0.1:9000",
            ),
            (
                &["up", "--upstream", "http://ann:secret@127.0.0.1:9000"],
                2,
                "
                error: the address of the upstream holds a user name or a password
                help:  leave it out: --upstream http://HOST:PORT",
            ),
            (
                &["up", "--demo", "--listen", "127.0.0.1:9", "--admin-listen", "127.0.0.1:9"],
                2,
                "
                error: gateway and admin listener cannot both have 127.0.0.1:9
                help:  give one of them another port, with --listen or --admin-listen",
            ),
        ],
    );
}

#[test]
fn conveniences_of_development_are_refused_by_name() {
    let place = Place::empty();
    each_is_refused(
        &place,
        &[
            (
                &["up", "--demo", "--production"],
                2,
                "
                error: --demo is a convenience of development and --production refuses it
                help:  name your API with --upstream",
            ),
            (
                &["up", "--demo", "--listen", "0.0.0.0:0"],
                3,
                "
                error: a public --listen address refuses: demo users and the sample API (--demo); an http:// issuer (set `issuer = \"https://…\"` in the configuration)
                help:  listen on loopback while you try things out",
            ),
            (
                &["up", "--demo", "--admin-listen", "0.0.0.0:0"],
                3,
                "
                error: a public --admin-listen address refuses: demo users and the sample API (--demo); an http:// issuer (set `issuer = \"https://…\"` in the configuration); an admin listener beyond loopback (--admin-listen)
                help:  listen on loopback while you try things out",
            ),
            (
                &["up", "--upstream", "http://127.0.0.1:9", "--production", "--admin-listen", "0.0.0.0:0"],
                3,
                "
                error: --production refuses: an http:// issuer (set `issuer = \"https://…\"` in the configuration); an admin listener beyond loopback (--admin-listen)
                help:  listen on loopback while you try things out",
            ),
        ],
    );
}

#[test]
fn a_configuration_that_is_no_text_file() {
    let place = Place::empty();
    fs::create_dir(place.path().join("folder")).unwrap();
    place.write("big.toml", vec![b'#'; 2 << 20]);
    place.write("utf16.toml", b"\xff\xfel\0i\0");
    place.write("binary.toml", b"listen = \"\xc3\x28\"\n");
    let missing = "
        error: none.toml does not exist
        help:  write one with `doorward init`, or name another with `--config FILE`";
    let folder = "
        error: folder is a folder
        help:  name the file in it, like `--config folder/doorward.toml`";
    let big = "
        error: big.toml is larger than 1 MiB
        help:  a configuration is a few kilobytes; is this the right file?";
    let check = ["config", "check", "--config"];
    let up = ["up", "--upstream", "http://127.0.0.1:9", "--config"];
    for (file, said) in [
        ("none.toml", missing),
        ("folder", folder),
        ("big.toml", big),
    ] {
        for command in [&check[..], &up[..]] {
            each_is_refused(&place, &[(&[command, &[file]].concat(), 3, said)]);
        }
    }
    each_is_refused(
        &place,
        &[(
            &["config", "check", "--config", "binary.toml"],
            3,
            "
            error: binary.toml is not UTF-8
             --> binary.toml:1:11
              |
            1 | listen = \"
              |           ^ byte 0xC3 after this is no text
              |
              = help: save the file as UTF-8

            error: binary.toml has 1 problem
            help:  correct the file; nothing was changed",
        )],
    );
    let utf16 = place.run(&["config", "check", "--config", "utf16.toml"]);
    assert_eq!(utf16.code, 3);
    assert!(utf16.err.contains("it looks like UTF-16"), "{}", utf16.err);
    // Nothing said is not a fault: everything is closed then.
    place.write("empty.toml", "");
    place
        .run(&["config", "check", "--config", "empty.toml"])
        .shows("empty.toml is good: 0 routes, 0 roles\n=> 0");
}

#[test]
fn a_port_in_use_is_named_with_its_flag() {
    let place = Place::after_demo();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = |flag: &str| {
        format!(
            "error: cannot listen on {address}: Address already in use (os error 98)\n\
             help:  is another server running? choose another address with {flag}"
        )
    };
    let (gateway, admin) = (said("--listen"), said("--admin-listen"));
    let free = "127.0.0.1:0";
    each_is_refused(
        &place,
        &[
            (
                &["up", "--demo", "--listen", &address, "--admin-listen", free],
                4,
                &gateway,
            ),
            (
                &["up", "--demo", "--listen", free, "--admin-listen", &address],
                4,
                &admin,
            ),
        ],
    );
}

#[test]
fn without_a_server_the_commands_that_need_one_say_so() {
    let place = Place::after_demo();
    let last: serde_json::Value =
        serde_json::from_slice(&fs::read(place.data().join("last-up.json")).unwrap()).unwrap();
    let said = |origin: &str| {
        format!(
            "error: cannot connect to {}: Connection refused (os error 111)\n\
             help:  is the server running, and the address right? `doorward up` starts one",
            last[origin].as_str().unwrap().trim_start_matches("http://")
        )
    };
    let (gateway, admin) = (said("gateway"), said("admin"));
    place.write("password", super::GOOD);
    each_is_refused(
        &place,
        &[
            (&["login", "reader", "--password-file", "password"], 4, &gateway),
            (&["curl", "--anonymous", "/orders"], 4, &gateway),
            (&["explain", "last"], 4, &admin),
            (&["explain", "GET", "/orders"], 4, &admin),
            (
                &["curl", "/orders"],
                2,
                "
                error: there is no session to use
                help:  `doorward login USER` starts one, --as USER mints a token, --anonymous sends none",
            ),
        ],
    );
    // Nor does a sign-in elsewhere that fails leave a folder.
    let run = place.run(&[
        "--data",
        "other",
        "login",
        "reader",
        "--password-file",
        "password",
        "--url",
        "http://127.0.0.1:1",
    ]);
    assert_eq!(run.code, 4);
    assert!(!place.path().join("other").exists());
}
