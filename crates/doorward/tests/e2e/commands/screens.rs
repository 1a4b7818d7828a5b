//! Help and the screens of the commands that a newcomer meets first.

use super::{Place, Run};

#[test]
fn the_first_page_of_help() {
    let place = Place::empty();
    let page = "
        The gate, the guard and the lock before any HTTP API

        Usage: doorward [OPTIONS] <COMMAND>

        Commands:
          up       Protect an API: issuer and gateway in one process
          serve    Run one role: the issuer, or a gateway before an API
          init     Write a commented doorward.toml
          config   Check the configuration
          user     Manage users
          role     Grant and revoke roles
          route    Look at the routes of the configuration, and open more
          tenant   Manage tenants
          client   Manage programs that sign in with a secret of their own
          apikey   Manage keys that act for a user or a client
          key      Manage signing keys
          secret   Change the master key
          backup   Copy the state into a file, while a server runs
          restore  Put a backup back; API keys, clients and users ended since stay so
          import   Take over users from elsewhere, with their password hashes
          export   Write every user as a line of JSON
          login    Sign in and keep the session for `doorward curl`
          token    Mint, look at and check tokens
          curl     Send a request through the gateway with the right token
          explain  Say why a request was, or would be, let in or turned away
          test     Hold the configuration against decisions, recorded or written by hand
          shadow   Say which requests the configuration of `[shadow]` would decide otherwise
          attack   Attack a JWT-protected API of yours and give a verdict
          help     Print this message or the help of the given subcommand(s)

        Options:
          -h, --help     Print help
          -V, --version  Print version

        Everywhere:
              --data <DIR>     Folder with the database, the keys and the last settings [env: DOORWARD_DATA] [default: .doorward]
              --config <FILE>  Configuration [default: doorward.toml, or what the last `up` used] [env: DOORWARD_CONFIG]
              --json           Answer with JSON on standard output

        Exit codes: 0 yes, 1 the answer is no, 2 usage, 3 configuration, 4 cannot reach, 5 internal, 130 interrupted.
        => ";
    let asked = place.run(&["--help"]);
    asked.shows(&format!("{page}0"));
    assert_eq!(asked.err, "");
    // Without a command the same page comes, but the answer is not yes.
    let unasked = place.doorward(&[]).env_remove("DOORWARD_DATA").output();
    let unasked = Run::of(unasked.unwrap(), &[], place.path());
    unasked.shows(&format!("{page}2"));
    assert_eq!(unasked.out, "");
    place
        .run(&["--version"])
        .shows(&format!("doorward {}\n=> 0", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_command_has_help() {
    let place = Place::empty();
    let commands = [
        "up",
        "init",
        "config",
        "config check",
        "user",
        "user add",
        "user list",
        "user disable",
        "user enable",
        "user password",
        "role",
        "role grant",
        "role revoke",
        "role list",
        "tenant",
        "tenant add",
        "tenant list",
        "login",
        "token",
        "token mint",
        "token inspect",
        "token verify",
        "curl",
        "explain",
    ];
    for command in commands {
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.push("--help");
        let help = place.run(&arguments);
        assert_eq!((help.code, help.err.as_str()), (0, ""), "{command}");
        let usage = format!("Usage: doorward {command} ");
        assert!(help.out.contains(&usage), "{command}: {}", help.out);
        assert!(!help.out.contains(".."), "{command}: {}", help.out);
        // The same by the other way of asking.
        let words = command.split(' ');
        let arguments: Vec<&str> = std::iter::once("help").chain(words).collect();
        assert_eq!(place.run(&arguments).out, help.out, "{command}");
    }
    assert!(!place.data().exists());
}

#[test]
fn a_slip_of_the_pen_is_answered_with_a_guess() {
    let place = Place::empty();
    let slips: [(&[&str], &str); 9] = [
        (&["usr"], "'curl', 'user'"),
        (&["explian"], "'explain'"),
        (&["config", "chek"], "'check'"),
        (&["user", "ad"], "'add'"),
        (&["role", "grnat"], "'grant'"),
        (&["token", "verfy"], "'verify'"),
        (&["up", "--dmo"], "'--demo'"),
        (&["user", "list", "--jsn"], "'--json'"),
        (
            &["user", "add", "bob", "--pasword-stdin"],
            "'--password-stdin'",
        ),
    ];
    for (arguments, guess) in slips {
        let run = place.run(arguments);
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{arguments:?}");
        let tip = run.err.lines().find(|line| line.contains("tip: "));
        assert!(tip.is_some_and(|tip| tip.contains(guess)), "{}", run.err);
    }
    place.run(&["user", "ad"]).shows(
        "
        error: unrecognized subcommand 'ad'

          tip: a similar subcommand exists: 'add'

        Usage: doorward user [OPTIONS] <COMMAND>

        For more information, try '--help'.
        => 2
        ",
    );
}

#[test]
fn init_writes_a_file_once_and_names_what_comes_next() {
    let place = Place::empty();
    place.run(&["init"]).shows(
        "
        wrote doorward.toml
        next: edit it, then `doorward config check` and `doorward up --upstream URL`
        => 0
        ",
    );
    place
        .run(&["config", "check"])
        .shows("doorward.toml is good: 0 routes, 0 roles\n=> 0");
    let before = place.files();
    place.run(&["init"]).shows(
        "
        error: doorward.toml is already there
        help:  nothing was changed; name another file: `doorward init FILE`
        => 3
        ",
    );
    place.unchanged_since(&before, &["init"]);
    place.run(&["init", "api.toml"]).shows(
        "
        wrote api.toml
        next: edit it, then `doorward config check --config api.toml` and `doorward up --config api.toml --upstream URL`
        => 0
        ",
    );
    assert_eq!(
        place.run(&["init", "--config", "b.toml", "--json"]).json()["written"],
        "b.toml"
    );
    place.run(&["init", "no/where.toml"]).shows(
        "
        error: cannot write no/where.toml: No such file or directory (os error 2)
        help:  check the folder and its permissions
        => 3
        ",
    );
    assert!(!place.data().exists());
}

#[test]
fn every_problem_of_a_configuration_is_shown_with_its_place() {
    let place = Place::empty();
    place.write(
        "doorward.toml",
        "listn = \"127.0.0.1:1\"\n\n[roles.reader]\npermissions = [\"orders:read\"]\n\n\
         [[route]]\nmatch = \"GET /orders\"\nallow = \"orders:raed\"\n",
    );
    place.run(&["config", "check"]).shows(
        "
        error: unknown key `listn`
         --> doorward.toml:1:1
          |
        1 | listn = \"127.0.0.1:1\"
          | ^^^^^ not a known key
          |
          = help: did you mean `listen`?

        error: no role grants `orders:raed`
         --> doorward.toml:8:9
          |
        8 | allow = \"orders:raed\"
          |         ^^^^^^^^^^^^^ nobody could call this route
          |
          = help: did you mean `orders:read`?

        error: doorward.toml has 2 problems
        help:  correct the file; nothing was changed
        => 3
        ",
    );
    let told = place.run(&["config", "check", "--json"]).json();
    assert_eq!(told["error"]["code"], 3);
    assert_eq!(told["problems"][0]["line"], 1);
    assert_eq!(told["problems"][1]["column"], 9);
    assert_eq!(told["problems"][1]["help"], "did you mean `orders:read`?");
}
