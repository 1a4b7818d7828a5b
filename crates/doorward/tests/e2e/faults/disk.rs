//! A disk that gives errors, and one that is full.
//!
//! SQLite rolls a transaction back by itself when a write of it fails. What
//! this holds is that the connection is of use afterwards.

use std::{fs, path::Path, process::Command};

use super::{
    observed::{Observed, PATIENCE, say, through, until, up},
    store::{assert_well_again, assert_writes_fail, before},
};
use crate::harness::find;

/// Every write above a length fails with an error of the system. Only the
/// soft limit is lowered, so that it can be raised again.
fn limit_files(prlimit: &Path, server: &Observed, bytes: &str) {
    let done = Command::new(prlimit)
        .args([
            "--pid",
            &server.pid().to_string(),
            &format!("--fsize={bytes}:unlimited"),
        ])
        .status()
        .unwrap();
    assert!(done.success());
}

#[test]
fn dos_011_a_disk_that_gives_errors_is_503_and_is_well_again_without_a_restart() {
    let (Some(prlimit), Some(env)) = (find("prlimit"), find("env")) else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    // The kernel would end the process, where a disk only gives an error.
    let up = through(
        &env,
        &["--ignore-signal=XFSZ"],
        &up(&data, &["--demo", "--json"]),
    );
    let mut server = Observed::start(&data, up);
    let before = before(&server);
    let written = fs::metadata(data.join("doorward.db-wal")).unwrap().len();
    // What the process prints goes to files as well, which are short.
    assert!(written > 50_000, "{written}");
    limit_files(&prlimit, &server, &written.to_string());
    for _ in 0..3 {
        assert_writes_fail(&server, &before);
    }
    limit_files(&prlimit, &server, "unlimited");
    assert_well_again(&mut server, &before);
}

/// A server whose data is on a small disk of its own; `None` where nobody may
/// mount one. The disk goes with the process.
fn on_a_small_disk(place: &Path) -> Option<Observed> {
    const MOUNT: &str = "mount -t tmpfs -o size=3m,mode=700 none \"$0\" || exit 77; exec \"$@\"";
    let (unshare, shell) = (find("unshare")?, find("sh")?);
    let disk = place.join("disk");
    fs::create_dir(&disk).unwrap();
    let disk_name = disk.to_str().unwrap();
    let arguments = [
        "--mount",
        "--propagation",
        "private",
        shell.to_str().unwrap(),
        "-c",
        MOUNT,
        disk_name,
    ];
    let allowed = Command::new(&unshare)
        .args(arguments)
        .arg("true")
        .output()
        .unwrap();
    if !allowed.status.success() {
        say(
            "*** SKIPPED: nobody may mount a small disk here; the test of write errors stands for it",
        );
        return None;
    }
    let data = disk.join("data");
    let up = through(&unshare, &arguments, &up(&data, &["--demo", "--json"]));
    Some(Observed::start_in(place, &data, up))
}

#[test]
fn dos_011_a_full_disk_is_503_and_is_well_again_when_there_is_room() {
    let place = tempfile::tempdir().unwrap();
    let Some(mut server) = on_a_small_disk(place.path()) else {
        return;
    };
    let before = before(&server);
    let filler = server.data().join("filler");
    for bytes in [vec![0; 64 * 1024], vec![0; 512], vec![0]] {
        use std::io::Write as _;
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(&filler)
            .unwrap();
        while file.write(&bytes).is_ok() {}
    }
    // The log of SQLite may have room that it has used before.
    until(PATIENCE, "a full disk", || {
        (server
            .try_sign_in("visitor", &server.password("visitor"))
            .status
            == 503)
            .then_some(())
    });
    for _ in 0..3 {
        assert_writes_fail(&server, &before);
    }
    fs::remove_file(filler).unwrap();
    assert_well_again(&mut server, &before);
}
