//! The process that dies: an issuer that obeys lines of its standard input.
//!
//! A line is `ID MILLIS VERB ARGUMENT...`; the answer to it begins with `@ID`
//! and comes when the work is durable, or refused, or failed. Lines are worked
//! on side by side.

use std::{
    io::{BufRead as _, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use doorward_issuer::{
    AdminError, Config, Database, Entropy, Issuer, KeyFileChange, MasterKey, MasterKeyError,
    OpenError, PostgresUrl, RefreshError, SessionError, StoreError, Surroundings, TokenAnswer,
    admin::{MasterKeyInfo, NewUser},
    audit::AuditRecord,
    password::{Hashing, Password},
    session::{Authentication, EndCause, FIRST_PARTY_CLIENT, SessionId},
};
use doorward_policy::{
    decision::{Decision, TraceId},
    role::{RoleName, RoleSpec, Roles},
};
use doorward_verify::clock::{Clock, Timestamp};

use crate::USERS;

/// What a worker is told by its environment.
pub(crate) mod setting {
    /// Folder of the master key, and of the database if that is a file.
    pub(crate) const FOLDER: &str = "CRASH_FOLDER";
    /// Address of the database on a server.
    pub(crate) const DATABASE: &str = "CRASH_DATABASE";
    /// Set: a mistake that the loop must notice.
    pub(crate) const EARLY: &str = "CRASH_ANSWERS_EARLY";
    pub(crate) const FILE_FIRST: &str = "CRASH_FILE_FIRST";
}

#[expect(
    clippy::disallowed_methods,
    reason = "this process is told so by its parent"
)]
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

struct Randomness;

impl Entropy for Randomness {
    #[expect(clippy::disallowed_methods, reason = "each process draws its own ids")]
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).unwrap();
    }
}

/// The parent's clock, as it stood with its last line.
#[derive(Default)]
struct ParentsClock(AtomicU64);

impl Clock for ParentsClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Started by the tests of this file's neighbours, as a process of its own.
#[test]
#[ignore = "a process that the other tests start"]
fn worker() {
    let Some(folder) = told(setting::FOLDER) else {
        return;
    };
    // A panic of one order is the end of all: the parent asks why it ended.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        usual(panic);
        std::process::abort();
    }));
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().unwrap();
    let clock = Arc::new(ParentsClock::default());
    let mut lines = std::io::stdin().lock().lines().map_while(Result::ok);
    // The first line tells the time and is answered when the issuer is open.
    let first = lines.next().unwrap();
    let (id, now) = first.split_once(' ').unwrap();
    clock.0.store(now.parse().unwrap(), Ordering::SeqCst);
    let file = PathBuf::from(folder).join("master.key");
    let key = MasterKey::open_or_create(&file, None, &Randomness).unwrap();
    let issuer = runtime.block_on(open(&file, key, Arc::clone(&clock)));
    let issuer = issuer.unwrap();
    let node = Node {
        issuer,
        clock,
        file,
    };
    answer(id, "ok");
    for line in lines {
        let mut words = line.split(' ').map(str::to_owned);
        let id = words.next().unwrap();
        let now = words.next().unwrap().parse().unwrap();
        node.clock.0.fetch_max(now, Ordering::SeqCst);
        let (node, words) = (node.clone(), words.collect::<Vec<_>>());
        runtime.spawn(async move { work(&node, &id, &words).await });
    }
}

fn answer(id: &str, text: &str) {
    let mut out = std::io::stdout().lock();
    // The test harness writes to the same stream.
    let written = writeln!(out, "\n@{id} {text}").and_then(|()| out.flush());
    written.unwrap();
}

async fn open(file: &Path, key: MasterKey, clock: Arc<ParentsClock>) -> Result<Issuer, OpenError> {
    let database = match told(setting::DATABASE) {
        Some(url) => Database::Postgres(PostgresUrl::parse(&url).unwrap()),
        None => file.with_file_name("doorward.db").into(),
    };
    let role = |name| RoleSpec {
        name: RoleName::parse(name).unwrap(),
        inherits: Vec::new(),
        permissions: Vec::new(),
    };
    let roles = Roles::build(vec![role("reader"), role("editor")]).unwrap();
    let surroundings = Surroundings {
        clock,
        entropy: Arc::new(Randomness),
        roles: Arc::new(ArcSwap::from_pointee(roles)),
    };
    let config = Config {
        hashing: Hashing {
            memory_kib: 64,
            passes: 1,
            parallel: 2,
            queue: 64,
        },
        ..Config::new("https://id.example", "https://api.example")
    };
    Issuer::open(database, key, config, surroundings).await
}

/// How an order came out.
enum Outcome {
    Done(String),
    /// Refused for a reason that another try would meet as well.
    No(String),
    /// Whether it was done is known after the next start.
    Unknown(String),
}

#[derive(Clone)]
struct Node {
    issuer: Issuer,
    clock: Arc<ParentsClock>,
    /// Of the master key.
    file: PathBuf,
}

async fn work(node: &Node, id: &str, words: &[String]) {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    if words[0] == "end" && told(setting::EARLY).is_some() {
        answer(id, "ok true");
    }
    match node.obey(&words).await {
        Outcome::Done(text) => answer(id, &format!("ok {text}")),
        Outcome::No(text) => answer(id, &format!("no {text}")),
        Outcome::Unknown(text) => answer(id, &format!("unknown {text}")),
    }
}

impl Node {
    async fn obey(&self, words: &[&str]) -> Outcome {
        let (issuer, admin) = (&self.issuer, self.issuer.admin());
        let text = |change: bool| change.to_string();
        match *words {
            ["set-up"] => of_admin(set_up(issuer).await),
            ["sign-in", user] => sign_in(issuer, user).await,
            ["refresh", token] => match issuer.refresh(token, FIRST_PARTY_CLIENT).await {
                Ok(refreshed) => Outcome::Done(tokens(&refreshed.answer)),
                Err(RefreshError::Store(error)) => of_store(Err(error)),
                Err(RefreshError::Reused(_)) => Outcome::No("reused".to_owned()),
                Err(error) => Outcome::No(error.to_string()),
            },
            ["end", session] => {
                let session = SessionId::parse(session).unwrap();
                of_store(
                    issuer
                        .end_session(session, EndCause::SignOut)
                        .await
                        .map(text),
                )
            }
            ["check", token] => self.check(token),
            ["grant", user] => of_admin(admin.grant_role(user, "acme", "editor").await.map(text)),
            ["take", user] => of_admin(admin.revoke_role(user, "acme", "editor").await.map(text)),
            ["disable", user] => of_admin(admin.disable_user(user).await.map(text)),
            ["enable", user] => of_admin(admin.enable_user(user).await.map(text)),
            ["rotate"] => of_admin(admin.rotate_key().await),
            ["change-master-key"] => self.change_master_key().await,
            ["retire-master-keys"] => of_admin(self.retire_master_keys().await),
            ["master-keys"] => of_admin(self.master_keys().await),
            ["open-with", key] => self.open_with(key).await,
            ["poll"] => of_store(issuer.poll_changes().await.map(|_| String::new())),
            ["people"] => of_admin(people(issuer).await),
            ["keys"] => {
                let keys = admin.signing_keys();
                let kids: Vec<_> = keys.iter().map(|key| key.kid.as_str()).collect();
                Outcome::Done(kids.join(" "))
            }
            ["audit", cursor] => audit(issuer, cursor.parse().unwrap()).await,
            _ => panic!("not an order: {words:?}"),
        }
    }

    /// As `doorward secret rotate` does it; the fingerprint of the new one.
    async fn change_master_key(&self) -> Outcome {
        let of_file = |error| match error {
            MasterKeyError::File { .. } => Outcome::Unknown(format!("{error}")),
            error => Outcome::No(error.to_string()),
        };
        let changed = async {
            let change = KeyFileChange::begin(&self.file).map_err(of_file)?;
            let present = MasterKey::read(&self.file).map_err(of_file)?.unwrap();
            let next = change.next(&Randomness).map_err(of_file)?;
            let (before, now) = (present.fingerprint(), next.fingerprint());
            let admin = self.issuer.admin();
            let add = async || match admin.add_master_key(&next).await {
                Ok(_) => Ok(()),
                Err(error) => Err(of_admin(Err(error))),
            };
            if told(setting::FILE_FIRST).is_some() {
                change.take_over(before, now).map_err(of_file)?;
                add().await?;
            } else {
                add().await?;
                change.take_over(before, now).map_err(of_file)?;
            }
            Ok(now.to_string())
        };
        changed.await.map_or_else(|outcome| outcome, Outcome::Done)
    }

    /// Those that came before the one that this process was opened with.
    async fn retire_master_keys(&self) -> Result<String, AdminError> {
        let admin = self.issuer.admin();
        let keys = admin.master_keys().await?;
        let mut retired = Vec::new();
        for key in keys.iter().take_while(|key| !key.is_ours) {
            if admin.retire_master_key(key.fingerprint).await? {
                retired.push(key.fingerprint.to_string());
            }
        }
        Ok(retired.join("+"))
    }

    /// The one of this process, those that open, and those that were retired.
    async fn master_keys(&self) -> Result<String, AdminError> {
        let keys = self.issuer.admin().master_keys().await?;
        let named = |wanted: &dyn Fn(&MasterKeyInfo) -> bool| {
            let keys = keys.iter().filter(|key| wanted(key));
            let keys: Vec<_> = keys.map(|key| key.fingerprint.to_string()).collect();
            keys.join("+")
        };
        let ours = named(&|key| key.is_ours);
        let opening = named(&|key| key.opens);
        let retired = named(&|key| !key.opens);
        Ok(format!("{ours} {opening} {retired}"))
    }

    /// Whether the database opens with a key that is kept.
    async fn open_with(&self, key: &str) -> Outcome {
        let kept = MasterKey::kept_file(&self.file, key.parse().unwrap());
        let key = MasterKey::read(&kept).unwrap().unwrap();
        match open(&self.file, key, Arc::clone(&self.clock)).await {
            Ok(issuer) => {
                issuer.close().await;
                Outcome::Done(String::new())
            }
            Err(error @ OpenError::RetiredMasterKey { .. }) => Outcome::No(error.to_string()),
            Err(error) => panic!("{error}"),
        }
    }

    /// What a gateway in this process says; asks no disk.
    fn check(&self, token: &str) -> Outcome {
        let now = self.clock.now();
        let mut decision = Decision::new(TraceId::from_bytes([1; 16]), now.millis(), "GET", "/");
        match self
            .issuer
            .verifier()
            .verify(token, now.unix(), &mut decision)
        {
            Ok(_) => Outcome::Done(String::new()),
            Err(reason) => Outcome::No(format!("{reason:?}")),
        }
    }
}

/// An error that may have another end than it says: the change can be there
/// after the next start.
fn of_store(result: Result<String, StoreError>) -> Outcome {
    match result {
        Ok(text) => Outcome::Done(text),
        Err(StoreError::Corrupt(why)) => panic!("a failing disk is no damaged database: {why}"),
        Err(error) => Outcome::Unknown(error.to_string()),
    }
}

fn of_admin(result: Result<String, AdminError>) -> Outcome {
    match result {
        Ok(text) => Outcome::Done(text),
        Err(AdminError::Store(error)) => of_store(Err(error)),
        Err(error) => Outcome::No(error.to_string()),
    }
}

fn tokens(answer: &TokenAnswer) -> String {
    let TokenAnswer {
        session_id,
        access_token,
        refresh_token,
        ..
    } = answer;
    format!("{session_id} {access_token} {refresh_token}")
}

async fn set_up(issuer: &Issuer) -> Result<String, AdminError> {
    let admin = issuer.admin();
    admin.add_tenant("acme").await?;
    for user in USERS {
        let password = Password::new("a wire gate in the long grass".to_owned()).unwrap();
        let new = NewUser {
            username: user.to_owned(),
            tenant: "acme".to_owned(),
            password,
        };
        admin.add_user(new).await?;
        admin.grant_role(user, "acme", "reader").await?;
    }
    Ok(String::new())
}

async fn sign_in(issuer: &Issuer, user: &str) -> Outcome {
    let account = match issuer.account(user).await {
        Ok(account) => account.unwrap(),
        Err(error) => return of_store(Err(error)),
    };
    let how = Authentication {
        client_id: FIRST_PARTY_CLIENT,
        methods: &["pwd"],
    };
    let begun = issuer.start_session(&account, &account.home_tenant, how);
    match begun.await {
        Ok(answer) => Outcome::Done(tokens(&answer)),
        Err(SessionError::Store(error)) => of_store(Err(error)),
        Err(error) => Outcome::No(error.to_string()),
    }
}

/// `NAME,ID,DISABLED,ROLE+ROLE` of everybody.
async fn people(issuer: &Issuer) -> Result<String, AdminError> {
    let mut lines = Vec::new();
    for name in USERS {
        let user = issuer.admin().user(name).await?;
        let roles = issuer.admin().role_grants(name).await?;
        let roles: Vec<_> = roles.iter().map(|grant| grant.role.as_str()).collect();
        let (id, disabled) = (user.id.as_str(), user.disabled_at_ms.is_some());
        lines.push(format!("{name},{id},{disabled},{}", roles.join("+")));
    }
    Ok(lines.join(" "))
}

/// `SEQ,ACTION,OBJECT,ACTOR,CAUSE` of every entry after `cursor`.
async fn audit(issuer: &Issuer, cursor: u64) -> Outcome {
    let entries = match issuer.audit_after(cursor, 100_000).await {
        Ok(entries) => entries,
        Err(error) => return of_store(Err(error)),
    };
    let line = |entry: &AuditRecord| {
        let detail: serde_json::Value = serde_json::from_str(&entry.detail).unwrap();
        let cause = detail["cause"].as_str().unwrap_or_default();
        let AuditRecord {
            seq,
            action,
            object_id,
            actor_id,
            ..
        } = entry;
        format!("{seq},{action},{object_id},{actor_id},{cause}")
    };
    let lines: Vec<_> = entries.iter().map(line).collect();
    Outcome::Done(lines.join(" "))
}
