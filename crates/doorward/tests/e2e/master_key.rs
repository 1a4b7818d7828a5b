//! The master key is changed under a running server, and nobody notices; and
//! each way in which a change can be cut short is taken up again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use aws_lc_rs::hmac;
use doorward_issuer::{Entropy, Issuer, MasterKey, Surroundings};
use doorward_verify::clock::{Clock, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Server, doorward, find, request};

/// The code that an authenticator with this secret shows, so many steps on.
#[expect(clippy::disallowed_methods, reason = "the server's clock is this one")]
fn code(secret: &str, steps_on: u64) -> String {
    const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = secret
        .chars()
        .map(|digit| format!("{:05b}", BASE32.find(digit).unwrap()))
        .collect();
    let key: Vec<u8> = (0..bits.len() / 8)
        .map(|byte| u8::from_str_radix(&bits[8 * byte..8 * byte + 8], 2).unwrap())
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let step = since.unwrap().as_secs() / 30 + steps_on;
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let at = usize::from(tag.as_ref()[19] & 15);
    let word = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap());
    format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// What a command prints as JSON, and its exit code.
fn asked(data: &Path, arguments: &[&str]) -> (i32, Value) {
    let output = doorward(data)
        .args(arguments)
        .arg("--json")
        .output()
        .unwrap();
    let told = serde_json::from_slice(&output.stdout);
    let told = told.unwrap_or_else(|error| panic!("{arguments:?} {error} {output:?}"));
    (output.status.code().unwrap(), told)
}

fn done(data: &Path, arguments: &[&str]) -> Value {
    let (code, told) = asked(data, arguments);
    assert_eq!(code, 0, "{arguments:?} {told}");
    told
}

fn refused(data: &Path, arguments: &[&str]) -> String {
    let (code, told) = asked(data, arguments);
    assert_ne!(code, 0, "{arguments:?} {told}");
    let hint = told["error"]["hint"].as_str().unwrap_or_default();
    format!("{code} {} {hint}", text(&told["error"], "message"))
}

/// Fingerprints of the keys that open the database, ours last.
fn opening(data: &Path) -> Vec<String> {
    let status = done(data, &["secret", "status"]);
    let keys = status["master_keys"].as_array().unwrap().iter();
    let opening = keys.filter(|key| key["opens"] == true);
    let mut opening: Vec<_> = opening.collect();
    opening.sort_by_key(|key| key["is_ours"].as_bool());
    opening
        .iter()
        .map(|key| text(key, "fingerprint").to_owned())
        .collect()
}

/// A data folder of the demo.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn start(&self) -> Server {
        let file = self.file("demo.toml");
        let before = fs::read_to_string(&file).unwrap_or_default();
        if before.is_empty() {
            // Its users and roles; and a name of its own, or the tokens would be
            // of the port of that start.
            drop(Server::start(&self.data(), &["--demo"]));
            let roles = fs::read_to_string(&file).unwrap();
            fs::write(&file, format!("issuer = \"http://id.test\"\n{roles}")).unwrap();
        }
        Server::start(&self.data(), &["--demo"])
    }

    fn file(&self, name: &str) -> PathBuf {
        self.data().join(name)
    }

    fn kept(&self, fingerprint: &str) -> PathBuf {
        self.file(&format!("master.key.{fingerprint}"))
    }

    fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) {
        fs::rename(self.data().join(from), self.data().join(to)).unwrap();
    }
}

/// What callers hold.
struct Held {
    api_key: String,
    client: String,
    totp: String,
    recovery_codes: Vec<String>,
    access_token: String,
    refresh_token: String,
}

impl Held {
    fn of(server: &Server) -> Self {
        let data = server.data();
        let api_key = &["apikey", "add", "--user", "editor", "--purpose", "test"];
        let api_key = done(data, api_key);
        let client = &["client", "add", "nightly", "--role", "reader"];
        let client = done(data, client);
        let tokens = server.sign_in("editor");
        let bearer = Some(text(&tokens, "access_token"));
        let body = json!({ "current_password": server.password("editor") });
        let begun = server.post("/auth/second-factor", &body, bearer).json();
        let totp = text(&begun, "secret").to_owned();
        let body = json!({ "code": code(&totp, 0) });
        let shown = server.post("/auth/second-factor/confirm", &body, bearer);
        let shown = shown.json();
        let codes = shown["recovery_codes"].as_array().unwrap().iter();
        let tokens = server.sign_in("reader");
        Self {
            api_key: text(&api_key, "api_key").to_owned(),
            client: text(&client, "client_secret").to_owned(),
            totp,
            recovery_codes: codes.map(|it| it.as_str().unwrap().to_owned()).collect(),
            access_token: text(&tokens, "access_token").to_owned(),
            refresh_token: text(&tokens, "refresh_token").to_owned(),
        }
    }

    /// Each is worth what it was.
    fn works(&mut self, server: &Server) {
        let orders = |token: &str| server.call("GET", "/orders", Some(token)).status;
        assert_eq!(orders(&self.access_token), 200);
        assert_eq!(orders(&self.api_key), 200);
        let id = self.client.split('_').nth(2).unwrap();
        let form = format!(
            "grant_type=client_credentials&client_id={id}&client_secret={}",
            self.client
        );
        let media_type = [("Content-Type", "application/x-www-form-urlencoded")];
        let path = "/oauth2/token";
        let got = request(server.gateway, "POST", path, &media_type, form.as_bytes());
        assert_eq!(orders(text(&got.json(), "access_token")), 200);
        let body = json!({ "refresh_token": self.refresh_token });
        let refreshed = server.post("/auth/refresh", &body, None).json();
        self.refresh_token = text(&refreshed, "refresh_token").to_owned();
        let paper = self.recovery_codes.pop().unwrap();
        self.second_step(server, "recovery_code", &paper);
    }

    fn second_step(&self, server: &Server, kind: &str, proof: &str) {
        let body = json!({ "username": "editor", "password": server.password("editor") });
        let begun = server.post("/auth/sign-in", &body, None).json();
        let token = text(&begun, "second_factor_token");
        let body = json!({ "second_factor_token": token, kind: proof });
        let answer = server.post("/auth/sign-in/second-factor", &body, None);
        assert_eq!(answer.status, 200, "{kind}: {answer:?}");
    }
}

#[test]
fn a_running_server_goes_on_through_a_rotation_a_restart_and_the_end_of_the_old_key() {
    let folder = Folder::new();
    let (server, data) = (folder.start(), folder.data());
    let mut held = Held::of(&server);
    held.works(&server);
    let rotated = done(&data, &["secret", "rotate"]);
    let (now, before) = (
        text(&rotated, "fingerprint"),
        text(&rotated["before"], "fingerprint"),
    );
    assert_eq!(opening(&data), [before, now]);
    held.works(&server);
    server.kill();

    let server = folder.start();
    held.works(&server);
    let retired = done(&data, &["secret", "retire", "--old"]);
    assert_eq!(retired, json!({ "retired": [before] }));
    assert_eq!(opening(&data), [now]);
    held.works(&server);
    let again = done(&data, &["secret", "retire", before]);
    assert_eq!(again, json!({ "retired": [] }));
    let mine = refused(&data, &["secret", "retire", now]);
    assert!(mine.starts_with("2 the master key"), "{mine}");
    assert_eq!(server.signal("-TERM"), Some(0));

    // The old file opens nothing, and who put it there is told which one does.
    folder.rename("master.key", "elsewhere");
    fs::copy(folder.kept(before), folder.file("master.key")).unwrap();
    let up = doorward(&data).args(["up", "--demo"]).output().unwrap();
    let told = String::from_utf8(up.stderr).unwrap();
    assert_eq!(up.status.code(), Some(3), "{told}");
    for part in ["was retired", before, now] {
        assert!(told.contains(part), "{told}");
    }
    folder.rename("elsewhere", "master.key");
    let server = folder.start();
    held.works(&server);
    held.second_step(&server, "code", &code(&held.totp, 1));
}

/// After each step the process dies: a start opens, and says what to do.
#[test]
fn a_rotation_that_was_cut_short_is_ended_by_the_next_one() {
    let folder = Folder::new();
    let data = folder.data();
    assert_eq!(folder.start().signal("-TERM"), Some(0));
    let first = opening(&data).remove(0);

    // The new key is made, and the database does not know it.
    let made = "5".repeat(64);
    fs::copy(folder.file("master.key"), folder.file("master.key.next")).unwrap();
    fs::write(folder.file("master.key.next"), &made).unwrap();
    let unfinished = done(&data, &["secret", "status"]);
    assert!(text(&unfinished, "unfinished").ends_with("data/master.key.next"));
    drop(folder.start());
    let rotated = done(&data, &["secret", "rotate"]);
    assert_eq!(rotated["resumed"], true);
    assert_eq!(fs::read_to_string(folder.file("master.key")).unwrap(), made);
    let second = text(&rotated, "fingerprint").to_owned();
    assert_eq!(opening(&data), [first.as_str(), &second]);

    // The database knows it, and the files have not changed places.
    folder.rename("master.key", "master.key.next");
    folder.rename(folder.kept(&first), "master.key");
    assert_eq!(opening(&data), [second.as_str(), &first]);
    assert_eq!(
        done(&data, &["secret", "retire", "--old"]),
        json!({ "retired": [] }),
        "the newer one is not an old one"
    );
    drop(folder.start());
    // Nor have they all: the one before is kept already.
    fs::hard_link(folder.file("master.key"), folder.kept(&first)).unwrap();
    let rotated = done(&data, &["secret", "rotate"]);
    assert_eq!(text(&rotated, "fingerprint"), second);
    assert_eq!(opening(&data), [first.as_str(), &second]);
    assert!(done(&data, &["secret", "status"])["unfinished"].is_null());

    // What is no key is never taken for one, and a retired one does not return.
    fs::copy(folder.file("master.key"), folder.file("master.key.next")).unwrap();
    fs::write(folder.file("master.key.next"), "nonsense").unwrap();
    assert!(refused(&data, &["secret", "rotate"]).contains("delete it and try again"));
    done(&data, &["secret", "retire", "--old"]);
    fs::copy(folder.kept(&first), folder.file("master.key.next")).unwrap();
    let told = refused(&data, &["secret", "rotate"]);
    assert!(
        told.contains("retired") && told.contains("delete"),
        "{told}"
    );
    fs::remove_file(folder.file("master.key.next")).unwrap();
    assert_eq!(opening(&data), [second]);
}

/// The file that a folder has is not the one that opens, and the right one is
/// beside it.
#[test]
fn who_puts_an_old_file_back_is_told_where_the_right_one_is() {
    let folder = Folder::new();
    let data = folder.data();
    assert_eq!(folder.start().signal("-TERM"), Some(0));
    let first = opening(&data).remove(0);
    done(&data, &["secret", "rotate"]);
    done(&data, &["secret", "rotate"]);
    let [_, second, third] = &opening(&data)[..] else {
        panic!("three keys open the database");
    };
    done(&data, &["secret", "retire", "--old"]);
    folder.rename("master.key", format!("master.key.{third}"));
    fs::copy(folder.kept(&first), folder.file("master.key")).unwrap();
    let told = refused(&data, &["user", "list"]);
    assert!(told.starts_with("3 the master key"), "{told}");
    let right = folder.kept(third).display().to_string();
    assert!(told.contains(&right), "{told}");
    assert!(!told.contains(second.as_str()), "{told}");

    // What is printed can be pasted, and loses no key: not even one that has no
    // other file.
    fs::remove_file(folder.kept(&first)).unwrap();
    let told = refused(&data, &["user", "list"]);
    let (_, pasted) = told.split_once("run: ").unwrap();
    let ran = Command::new("sh").args(["-c", pasted]).status().unwrap();
    assert!(ran.success(), "{told}");
    assert_eq!(opening(&data), [third.as_str()]);
    assert!(folder.kept(&first).exists());
}

/// KEY-021: the backup knows nothing of what was retired since.
#[test]
fn key_021_a_retired_master_key_does_not_come_back_with_a_backup() {
    let folder = Folder::new();
    let data = folder.data();
    assert_eq!(folder.start().signal("-TERM"), Some(0));
    let first = opening(&data).remove(0);
    done(&data, &["secret", "rotate"]);
    let second = opening(&data).remove(1);
    let backup = folder.0.path().join("backup.db");
    let backup = backup.to_str().unwrap();
    done(&data, &["backup", backup]);

    done(&data, &["secret", "retire", &first]);
    let restored = done(&data, &["restore", backup]);
    assert_eq!(restored["ended"]["master_keys"], json!([first]));
    assert_eq!(opening(&data), [second.as_str()]);

    // The key of now is not in the backup either.
    let rotated = done(&data, &["secret", "rotate"]);
    let third = text(&rotated, "fingerprint");
    done(&data, &["secret", "retire", "--old"]);
    let restored = done(&data, &["restore", backup]);
    assert_eq!(restored["ended"]["master_keys"], json!([first, second]));
    assert_eq!(opening(&data), [third]);
    folder.rename("master.key", "elsewhere");
    for before in [&first, &second] {
        fs::copy(folder.kept(before), folder.file("master.key")).unwrap();
        let told = refused(&data, &["user", "list"]);
        assert!(told.contains("was retired"), "{told}");
    }
    folder.rename("elsewhere", "master.key");

    let empty = folder.file("empty.db");
    fs::write(&empty, "").unwrap();
    let told = refused(&data, &["restore", empty.to_str().unwrap()]);
    assert!(told.contains("the backup is empty"), "{told}");
    assert_eq!(opening(&data), [third]);
}

/// What a program made for which the master key itself was the root key.
fn backup_of_before_root_keys(folder: &Folder, python: &Path) -> PathBuf {
    const FORGET: &str = "
import sqlite3, sys
store = sqlite3.connect(sys.argv[1])
store.execute('DROP TABLE root_key')
store.execute('DELETE FROM migration WHERE version = 10')
store.execute('UPDATE migration_floor SET version = 1')
store.commit()
";
    struct RootOfBefore(Mutex<Option<Vec<u8>>>);
    impl Entropy for RootOfBefore {
        #[expect(clippy::disallowed_methods, reason = "this is the given randomness")]
        fn fill(&self, bytes: &mut [u8]) {
            aws_lc_rs::rand::fill(bytes).unwrap();
            if bytes.len() == 32
                && let Some(root) = self.0.lock().unwrap().take()
            {
                bytes.copy_from_slice(&root);
            }
        }
    }
    struct Then;
    impl Clock for Then {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_700_000_000_000)
        }
    }
    let file = folder.file("master.key");
    let backup = folder.0.path().join("before.db");
    let digits = fs::read_to_string(&file).unwrap();
    let byte = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap();
    let root = (0..32).map(byte).collect();
    let surroundings = Surroundings {
        clock: Arc::new(Then),
        entropy: Arc::new(RootOfBefore(Mutex::new(Some(root)))),
        roles: Arc::default(),
    };
    let key = MasterKey::read(&file).unwrap().unwrap();
    let config = doorward_issuer::Config::new("http://id.test", "http://id.test");
    let made = async {
        let issuer = Issuer::open(backup.as_path(), key, config, surroundings).await;
        issuer.unwrap().close().await;
    };
    tokio::runtime::Runtime::new().unwrap().block_on(made);
    let forget = Command::new(python)
        .args(["-c", FORGET])
        .arg(&backup)
        .status();
    assert!(forget.unwrap().success());
    backup
}

#[test]
fn a_backup_of_before_root_keys_is_restored_after_a_rotation() {
    let Some(python) = find("python3") else {
        return;
    };
    let folder = Folder::new();
    let data = folder.data();
    assert_eq!(folder.start().signal("-TERM"), Some(0));
    let first = opening(&data).remove(0);
    let backup = backup_of_before_root_keys(&folder, &python);
    let backup = backup.to_str().unwrap();
    done(&data, &["secret", "rotate"]);
    done(&data, &["secret", "retire", "--old"]);
    let now = opening(&data);

    folder.rename(folder.kept(&first), "elsewhere");
    let told = refused(&data, &["restore", backup]);
    let place = folder.file("master.key.before");
    for part in [place.to_str().unwrap(), "nothing was changed"] {
        assert!(told.contains(part), "{told}");
    }
    folder.rename("elsewhere", place);
    let restored = done(&data, &["restore", backup]);
    assert_eq!(restored["ended"]["master_keys"], json!([first]));
    assert_eq!(opening(&data), now);
    drop(folder.start());
}

#[test]
fn a_backup_of_before_a_rotation_is_restored_and_opens_with_the_key_of_now() {
    let folder = Folder::new();
    let data = folder.data();
    assert_eq!(folder.start().signal("-TERM"), Some(0));
    let first = opening(&data).remove(0);
    let backup = folder.0.path().join("backup.db");
    let backup = backup.to_str().unwrap();
    done(&data, &["backup", backup]);
    done(&data, &["secret", "rotate"]);
    done(&data, &["secret", "retire", "--old"]);
    let now = opening(&data);

    let kept = folder.kept(&first);
    folder.rename(&kept, "elsewhere");
    let told = refused(&data, &["restore", backup]);
    for part in [&first, kept.to_str().unwrap(), "nothing was changed"] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(opening(&data), now);
    folder.rename("elsewhere", &kept);
    let restored = done(&data, &["restore", backup]);
    assert_eq!(restored["present_state_was_read"], true);
    assert_eq!(opening(&data), now);
    let server = folder.start();
    server.access_token("reader");
}
