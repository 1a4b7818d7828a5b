//! `doorward import`: users from elsewhere, a line of JSON for each.
//!
//! The file is read twice. First everything that is wrong with it is said, and
//! nothing is changed if there is anything; then it is imported batch by batch.
//! Both times a line at a time, so that the size of the file does not matter.
//! An import that was interrupted is run again: who is there already is left
//! alone.

mod check;
mod lines;

use std::{
    fs::File,
    io::Seek as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use clap::Args;
use doorward_issuer::{
    Admin, Issuer,
    admin::{ImportBatch, ImportCounts, Imported},
    user::Username,
    user_record::ImportedUser,
};
use doorward_policy::role::Roles;
use doorward_verify::clock::Clock as _;
use serde_json::{Value, json};

use self::{
    check::{Checked, NO_PASSWORD, check},
    lines::Lines,
};
use super::{
    Place, Workplace,
    backup::cannot,
    workplace::{CommandError, shown},
};
use crate::{
    exit::{Answer, Failure},
    output,
    system::SystemClock,
};

/// Take over users from elsewhere, with their password hashes
#[derive(Debug, Args)]
pub(super) struct Import {
    /// JSON Lines: one user a line, as `doorward export` writes them
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Say everything that is wrong and what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Also change users who are there: password, roles that they lack, disabled or not
    #[arg(long)]
    update: bool,
}

/// Users who were there already: the first of them, and how many.
#[derive(Default)]
struct Named {
    first: Vec<(u64, String)>,
    count: u64,
}

/// What an import did, or would do.
#[derive(Default)]
struct Outcome {
    existing: Named,
    updated: Named,
    /// Should have been changed, and are in rows that Doorward did not write.
    not_ours: Named,
    counts: ImportCounts,
}

/// Most users who are named in an answer.
const MOST_NAMED: usize = 1000;

/// Most users who are named to a person.
const MOST_SHOWN: usize = 10;

impl Import {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let workplace = Workplace::open(place)?;
        let roles = workplace.roles()?;
        let file = open(&self.file)?;
        warn_of_readers(&self.file, &file);
        workplace.with_issuer(async |issuer| self.run_on(place, &issuer, &roles, file).await)
    }

    async fn run_on(
        &self,
        place: &Place,
        issuer: &Issuer,
        roles: &Roles,
        mut file: File,
    ) -> Result<Answer, CommandError> {
        let admin = issuer.admin();
        let unreadable = |error| cannot("read", &self.file, &error);
        let first = file.try_clone().map_err(unreadable)?;
        let checked = check(&self.file, first, roles, &admin, self.update).await;
        end_progress();
        let mut checked = checked?;
        refuse(&self.file, &checked)?;
        if self.dry_run {
            let counts = ImportCounts {
                added: checked.users - checked.existing.count - checked.not_ours.count,
                existing: checked.existing.count,
                not_ours: checked.not_ours.count,
                ..ImportCounts::default()
            };
            let outcome = Outcome {
                existing: std::mem::take(&mut checked.existing),
                not_ours: std::mem::take(&mut checked.not_ours),
                counts,
                ..Outcome::default()
            };
            return Ok(self.tell(place, &checked, &outcome));
        }
        // The same file once more, whatever has its name by now.
        file.rewind().map_err(unreadable)?;
        let imported = self.import(&admin, roles, (&checked, file)).await;
        end_progress();
        Ok(self.tell(place, &checked, &imported?))
    }

    /// The second time through the file.
    async fn import(
        &self,
        admin: &Admin,
        roles: &Roles,
        (checked, file): (&Checked, File),
    ) -> Result<Outcome, CommandError> {
        let mut import = admin.begin_import(self.update);
        let now = SystemClock.now();
        let mut lines = Lines::of(file);
        let mut done = Outcome::default();
        let mut batch = ImportBatch::default();
        loop {
            let line = lines
                .next()
                .map_err(|error| cannot("read", &self.file, &error))?;
            let is_last = line.is_none();
            if let Some((number, line)) = line {
                let user = ImportedUser::read(line, roles, now).map_err(|_| self.changed())?;
                batch.push(number, user).map_err(|_| self.changed())?;
            }
            if (is_last && !batch.users().is_empty()) || batch.is_full() {
                let outcomes = admin.import_batch(&mut import, &batch).await?;
                for ((line, user), outcome) in batch.users().iter().zip(outcomes) {
                    match outcome {
                        Imported::Existing => done.existing.add(*line, user.username()),
                        Imported::Updated => done.updated.add(*line, user.username()),
                        Imported::NotOurs => done.not_ours.add(*line, user.username()),
                        Imported::Added => {}
                    }
                }
                progress("imported", import.counts().added);
                batch.clear();
            }
            if is_last {
                break;
            }
        }
        let file_sha256 = lines.sha256();
        if file_sha256 != checked.sha256 {
            return Err(self.changed().into());
        }
        admin.end_import(&import, &file_sha256).await?;
        done.counts = import.counts();
        Ok(done)
    }

    fn changed(&self) -> Failure {
        let file = self.file.display();
        Failure::configuration(format!("{file} changed while it was read")).hint(
            "a part of it was imported; run the import again when nobody writes to the file, \
             and who is there is left alone",
        )
    }

    /// Says what became of it; the answer is no if somebody was left out who
    /// should have been changed.
    fn tell(&self, place: &Place, checked: &Checked, outcome: &Outcome) -> Answer {
        let Outcome {
            existing,
            updated: changed,
            not_ours,
            counts,
        } = outcome;
        let answer = match not_ours.count {
            0 => Answer::Yes,
            _ => Answer::No,
        };
        if place.json {
            output::json(&json!({
                "file": self.file.display().to_string(),
                "file_sha256": checked.sha256,
                "dry_run": self.dry_run,
                "users": checked.users,
                "added": counts.added,
                "existing": counts.existing,
                "updated": counts.updated,
                "not_ours": counts.not_ours,
                "password_hashes": checked.kinds,
                "existing_users": existing.as_json(),
                "updated_users": changed.as_json(),
                "not_ours_users": not_ours.as_json(),
            }));
            return answer;
        }
        not_ours.tell(
            "is in a row that Doorward did not write, and is left as it is (`row.refused` in the \
             audit log)",
        );
        changed.tell("was changed");
        existing.tell("is there already");
        let file = self.file.display();
        let added = users(counts.added);
        let there = match (counts.existing, self.update) {
            (0, _) => String::new(),
            (n, false) => format!("; {n} there already, left as they are"),
            (n, true) if self.dry_run => format!("; {n} there already, brought up to date"),
            (n, true) => format!("; {n} there already and the same"),
        };
        let updated = match counts.updated {
            0 => String::new(),
            n => format!("; {n} changed"),
        };
        let left = match counts.not_ours {
            0 => String::new(),
            n => format!("; {n} in rows of somebody else's"),
        };
        let words = match self.dry_run {
            true => format!("{file} can be imported: {added}{there}{left}; nothing was changed"),
            false => format!("imported {file}: {added}{updated}{there}{left}"),
        };
        output::note(shown(words));
        output::note(shown(format!("password hashes in it: {}", kinds(checked))));
        answer
    }
}

impl Named {
    fn add(&mut self, line: u64, username: &Username) {
        self.count += 1;
        if self.first.len() < MOST_NAMED {
            self.first.push((line, username.to_string()));
        }
    }

    fn tell(&self, what: &str) {
        for (line, name) in self.first.iter().take(MOST_SHOWN) {
            output::note(shown(format!("line {line}: {name} {what}")));
        }
        let shown = u64::try_from(MOST_SHOWN).unwrap_or(u64::MAX);
        if self.count > shown {
            output::note(format!("… and {} more", self.count - shown));
        }
    }

    fn as_json(&self) -> Value {
        let named = self.first.iter();
        named
            .map(|(line, name)| json!({ "line": line, "username": name }))
            .collect()
    }
}

/// A file that can be read twice.
fn open(path: &Path) -> Result<File, Failure> {
    let file = File::open(path).map_err(|error| cannot("open", path, &error))?;
    let metadata = file
        .metadata()
        .map_err(|error| cannot("read", path, &error))?;
    if !metadata.is_file() {
        return Err(Failure::usage(format!("{} is not a file", path.display()))
            .hint("it is read twice, so write what a program prints into a file first"));
    }
    Ok(file)
}

/// Tells who may read a file that holds what only few should.
fn warn_of_readers(path: &Path, file: &File) {
    let readable = |metadata: std::fs::Metadata| metadata.permissions().mode() & 0o077 != 0;
    if file.metadata().is_ok_and(readable) {
        let path = shown(path.display());
        output::note(format!(
            "note: other users of this machine may read {path}; if it holds password hashes, \
             run: chmod 600 {path}"
        ));
    }
}

/// Ends here if anything is wrong with the file.
fn refuse(path: &Path, checked: &Checked) -> Result<(), Failure> {
    let file = path.display();
    if checked.problem_count == 0 {
        return Ok(());
    }
    for problem in &checked.problems {
        let line = problem.line.unwrap_or_default();
        output::note(shown(format!("{file}:{line}: {}", problem.message)));
        if let Some(help) = &problem.help {
            output::note(format!("  {}", shown(help)));
        }
    }
    let more = match checked.problem_count as usize - checked.problems.len() {
        0 => String::new(),
        more => format!(", of which the last {more} are not shown"),
    };
    let (n, s) = (
        checked.problem_count,
        if checked.problem_count == 1 { "" } else { "s" },
    );
    let failure = Failure::configuration(format!("{file} has {n} problem{s}{more}"));
    Err(failure
        .hint("correct the file; nothing was changed")
        .problems(&checked.problems))
}

/// How many users there are of each kind of password hash.
fn kinds(checked: &Checked) -> String {
    let kind = |(kind, count): (&&str, &u64)| match *kind {
        NO_PASSWORD => format!("{count} without one"),
        kind => format!("{count} {kind}"),
    };
    match checked.kinds.is_empty() {
        true => "no users".to_owned(),
        false => checked
            .kinds
            .iter()
            .map(kind)
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn users(count: u64) -> String {
    match count {
        1 => "1 new user".to_owned(),
        n => format!("{n} new users"),
    }
}

fn progress(done: &str, users: u64) {
    if output::has_terminal() {
        output::passing(&format!("{done} {users} users"));
    }
}

/// Makes room for what is said at the end.
fn end_progress() {
    if output::has_terminal() {
        output::passing("");
    }
}
