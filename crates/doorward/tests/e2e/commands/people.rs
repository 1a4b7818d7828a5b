//! `user`, `role` and `tenant`, with no server running: they work on the
//! database itself.

use super::{GOOD, Place, each_is_refused};

fn place() -> Place {
    let place = Place::after_demo();
    place.write("password", format!("{GOOD}\n"));
    place
}

fn add<'a>(name: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["user", "add", name, "--password-file", "password"], more].concat()
}

#[test]
fn attributes_of_a_user_are_set_shown_and_taken_away() {
    let place = place();
    place
        .run(&add(
            "bob",
            &["--attribute", "department=sales", "--attribute", "level=3"],
        ))
        .shows(
            "
            added bob in new tenant default; `doorward role grant bob ROLE` gives a role
            => 0
            ",
        );
    place
        .run(&["user", "set", "bob", "--remove-attribute", "level"])
        .shows(
            "
            ATTRIBUTE   VALUE  CLAIM
            department  sales
            changed the attributes of bob; tokens from before are refused, a refresh gives new ones
            => 0
            ",
        );
    place
        .run(&["user", "set", "bob", "--attribute", "department=sales"])
        .shows(
            "
            ATTRIBUTE   VALUE  CLAIM
            department  sales
            nothing changed: bob has these attributes
            => 0
            ",
        );
    place
        .run(&[
            "user",
            "set",
            "bob",
            "--attribute",
            "office=bob@example.org",
        ])
        .shows(
            "
            error: attribute office: the value looks like an e-mail address, which no token may hold
            help:  nothing was changed; an API that needs more of a user asks for it by `sub`
            => 2
            ",
        );
}

#[test]
fn the_life_of_a_user() {
    let place = place();
    place.run(&add("Bob", &[])).shows(
        "
        added bob in new tenant default; `doorward role grant bob ROLE` gives a role
        => 0
        ",
    );
    let more = ["--tenant", "globex", "--role", "reader", "--role", "editor"];
    place
        .run(&add("ann", &more))
        .shows("added ann in tenant globex as reader, editor\n=> 0");
    place.run(&["user", "list"]).shows(
        "
        USER     TENANT   STATE   ID
        ann      globex   active  [ID]
        bob      default  active  [ID]
        editor   acme     active  [ID]
        reader   acme     active  [ID]
        visitor  globex   active  [ID]
        => 0
        ",
    );
    for (command, first, again) in [
        (
            "disable",
            "disabled bob, and ended every session",
            "nothing changed: bob is disabled",
        ),
        ("enable", "enabled bob", "nothing changed: bob is active"),
    ] {
        place
            .run(&["user", command, "bob"])
            .shows(&format!("{first}\n=> 0"));
        place
            .run(&["user", command, "bob"])
            .shows(&format!("{again}\n=> 0"));
    }
    place
        .run(&["user", "password", "bob", "--password-file", "password"])
        .shows("set the password of bob, and ended every session\n=> 0");
}

#[test]
fn roles_and_tenants() {
    let place = place();
    let steps: [(&[&str], &str); 9] = [
        (&["tenant", "add", "initech"], "added tenant initech"),
        (
            &["role", "grant", "reader", "editor"],
            "granted editor: reader in tenant acme",
        ),
        (
            &["role", "grant", "reader", "editor"],
            "nothing changed: reader holds editor in tenant acme",
        ),
        (
            &["role", "grant", "reader", "editor", "--tenant", "initech"],
            "granted editor: reader in tenant initech",
        ),
        (
            &["role", "list", "reader"],
            "TENANT   ROLE\nacme     editor\nacme     reader\ninitech  editor",
        ),
        (
            &["role", "revoke", "reader", "editor"],
            "revoked editor: reader in tenant acme",
        ),
        (
            &["role", "revoke", "reader", "editor"],
            "nothing changed: reader does not hold editor in tenant acme",
        ),
        (&["tenant", "list"], "TENANT\nacme\nglobex\ninitech"),
        (
            &["role", "list"],
            "ROLE    INHERITS  PERMISSIONS\n\
             editor  reader    orders:create, orders:delete, orders:read, reports:read\n\
             reader            orders:read, reports:read",
        ),
    ];
    for (arguments, shown) in steps {
        let run = place.run(arguments);
        assert_eq!(run.text(), format!("{shown}\n=> 0\n"), "{arguments:?}");
    }
    // A role that the configuration no longer has gives nothing, says so, and
    // can be taken away.
    place.write(
        "bare.toml",
        "[roles.reader]\npermissions = [\"orders:read\"]\n",
    );
    place
        .run(&["role", "list", "editor", "--config", "bare.toml"])
        .shows(
            "
        TENANT  ROLE
        acme    editor  not in the configuration: gives nothing
        => 0
        ",
        );
    place
        .run(&[
            "role",
            "revoke",
            "editor",
            "editor",
            "--config",
            "bare.toml",
        ])
        .shows("revoked editor: editor in tenant acme\n=> 0");
    place
        .run(&["role", "list", "editor"])
        .shows("no roles; grant one with `doorward role grant`\n=> 0");
}

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    let place = place();
    let username = "error: a user name has 1 to 128 characters out of a-z, 0-9 and . _ @ + -";
    let tenant = "error: a tenant name has 1 to 63 characters out of a-z, 0-9 and -";
    let nobody = "
        error: there is no user nobody
        help:  `doorward user list` shows who there is";
    let redaer = "
        error: the configuration has no role `redaer`
        help:  did you mean `reader`?";
    let (long_user, long_tenant) = ("a".repeat(129), "a".repeat(64));
    let mut cases: Vec<super::Case<'_>> = vec![
        (&["user", "disable", "nobody"], 2, nobody),
        (&["user", "enable", "nobody"], 2, nobody),
        (&["user", "password", "nobody", "--password-file", "password"], 2, nobody),
        (&["role", "list", "nobody"], 2, nobody),
        (&["role", "grant", "nobody", "reader"], 2, nobody),
        (&["role", "revoke", "nobody", "reader"], 2, nobody),
        (&["token", "mint", "--as", "nobody"], 2, nobody),
        (&["role", "grant", "reader", "redaer"], 2, redaer),
        (&["role", "revoke", "reader", "redaer"], 2, redaer),
        (
            &["role", "grant", "reader", "owner"],
            2,
            "
            error: the configuration has no role `owner`
            help:  the configuration defines: editor, reader",
        ),
        (
            &["role", "grant", "reader", "reader", "--tenant", "acem"],
            2,
            "error: there is no tenant acem; make it with `doorward tenant add acem`",
        ),
        (
            &["tenant", "add", "acme"],
            2,
            "
            error: there is a tenant acme already
            help:  nothing was changed",
        ),
        (
            &["token", "mint", "--as", "reader", "--tenant", "globex"],
            2,
            "
            error: user reader has no role in tenant globex and does not belong to it
            help:  `doorward role grant reader ROLE --tenant globex` lets them in; `doorward role list reader` shows what they hold",
        ),
    ];
    for name in [
        "",
        "A",
        "a b",
        "a/b",
        "ä",
        "a\n",
        "a\u{1b}[31m",
        "../x",
        &long_tenant,
    ] {
        each_is_refused(&place, &[(&["tenant", "add", name], 2, tenant)]);
        let more = ["--tenant", name];
        each_is_refused(&place, &[(&add("bob", &more), 2, tenant)]);
    }
    for name in [
        "",
        "a b",
        "a/b",
        "ä",
        "a\nerror: no",
        "\u{1b}[31ma",
        "a:b",
        &long_user,
    ] {
        each_is_refused(&place, &[(&add(name, &["--tenant", "fresh"]), 2, username)]);
        each_is_refused(&place, &[(&["user", "disable", name], 2, username)]);
    }
    let taken = add("READER", &["--tenant", "fresh"]);
    cases.push((
        &taken,
        2,
        "
        error: there is a user reader already
        help:  nothing was changed; `doorward user password reader` sets a new password",
    ));
    let unknown = add("bob", &["--tenant", "fresh", "--role", "redaer"]);
    cases.push((&unknown, 2, redaer));
    each_is_refused(&place, &cases);
}

#[test]
fn a_disabled_user_gets_no_token() {
    let place = place();
    assert_eq!(place.run(&["user", "disable", "reader"]).code, 0);
    each_is_refused(
        &place,
        &[(
            &["token", "mint", "--as", "reader"],
            2,
            "
            error: user reader is disabled
            help:  `doorward user enable reader` lets them in again",
        )],
    );
}

#[test]
fn a_broken_configuration_stops_what_depends_on_it() {
    let place = place();
    place.write("broken.toml", "[roles.reader]\npermisions = []\n");
    let before = place.files();
    let commands: [&[&str]; 5] = [
        &["role", "list"],
        &["role", "grant", "editor", "reader"],
        &["token", "mint", "--as", "reader"],
        &["up", "--upstream", "http://127.0.0.1:9"],
        &add("bob", &[]),
    ];
    for command in commands {
        let run = place.run(&[command, &["--config", "broken.toml"]].concat());
        assert_eq!((run.code, run.out.as_str()), (3, ""), "{command:?}");
        assert!(run.err.contains("--> broken.toml:2:1"), "{}", run.err);
        assert!(
            run.err.contains("did you mean `permissions`?"),
            "{}",
            run.err
        );
        place.unchanged_since(&before, command);
    }
}
