//! The first look at a file: everything that is wrong with it, before anything
//! is changed.
//!
//! What stays in memory of a line is sixteen bytes, by which names and ids that
//! come twice are found at the end.

use std::{
    collections::BTreeMap,
    fs::File,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
};

use doorward_issuer::{
    Admin,
    admin::{Difference, IMPORT_BATCH, Standing},
    user_record::{About, ImportedUser, RecordProblem},
};
use doorward_policy::role::Roles;
use doorward_verify::clock::Clock as _;

use super::{Named, lines::Lines, progress};
use crate::{
    cli::{
        backup::cannot,
        role_hint,
        workplace::{CommandError, shown},
    },
    config::Problem,
    system::SystemClock,
};

/// Most problems that are shown. A file with more has one cause.
const MOST_SHOWN: usize = 1000;

/// What a file holds.
#[derive(Default)]
pub(super) struct Checked {
    /// Users without a problem of their own.
    pub(super) users: u64,
    /// How many of them come with which kind of password hash.
    pub(super) kinds: BTreeMap<&'static str, u64>,
    /// Those who are there already.
    pub(super) existing: Named,
    /// Those who are to be changed, in rows that Doorward did not write.
    pub(super) not_ours: Named,
    /// SHA-256 of the file, in hexadecimal.
    pub(super) sha256: String,
    /// What is wrong, by line: the first of them.
    pub(super) problems: Vec<Problem>,
    /// How much is wrong.
    pub(super) problem_count: u64,
}

/// The kind of a user without a password hash.
pub(super) const NO_PASSWORD: &str = "none";

/// Looks at every line of `path`, as what is there already is to be changed
/// (`update`) or left alone.
pub(super) async fn check(
    path: &Path,
    file: File,
    roles: &Roles,
    admin: &Admin,
    update: bool,
) -> Result<Checked, CommandError> {
    let names = roles.names().map(ToString::to_string).collect();
    let mut check = Check {
        path,
        update,
        names,
        seen: Seen::default(),
        checked: Checked::default(),
    };
    let now = SystemClock.now();
    let mut lines = Lines::of(file);
    let mut batch = Vec::with_capacity(IMPORT_BATCH);
    loop {
        let line = lines.next().map_err(|error| cannot("read", path, &error))?;
        let is_last = line.is_none();
        if let Some((number, line)) = line {
            match ImportedUser::read(line, roles, now) {
                Ok(user) => batch.push((number, user)),
                Err(problems) => check.refuse(number, problems),
            }
        }
        if is_last || batch.len() == IMPORT_BATCH {
            check.look_up(admin, &batch).await?;
            progress("checked", check.checked.users);
            batch.clear();
        }
        if is_last {
            break;
        }
    }
    let mut checked = check.end();
    checked.sha256 = lines.sha256();
    Ok(checked)
}

struct Check<'a> {
    path: &'a Path,
    update: bool,
    /// Of the roles.
    names: Vec<String>,
    seen: Seen,
    checked: Checked,
}

impl Check<'_> {
    async fn look_up(
        &mut self,
        admin: &Admin,
        batch: &[(u64, ImportedUser)],
    ) -> Result<(), CommandError> {
        let standings = admin.standings(batch).await?;
        for ((line, user), standing) in batch.iter().zip(standings) {
            self.checked.users += 1;
            let kind = user.hash_kind().unwrap_or(NO_PASSWORD);
            *self.checked.kinds.entry(kind).or_default() += 1;
            self.seen.add(*line, user);
            match standing {
                Standing::New => {}
                Standing::Differs(difference) if self.update => self.differs(*line, difference),
                Standing::NotOurs if self.update => {
                    self.checked.not_ours.add(*line, user.username());
                }
                Standing::There | Standing::NotOurs | Standing::Differs(_) => {
                    self.checked.existing.add(*line, user.username());
                }
                Standing::IdTaken => {
                    let help = "leave `id` out, and one is drawn";
                    let message = "the id belongs to another account".to_owned();
                    self.problem(*line, None, message, Some(help.to_owned()));
                }
            }
        }
        Ok(())
    }

    fn differs(&mut self, line: u64, difference: Difference) {
        let help = match difference {
            Difference::Tenant => "take the line out, or leave `tenant` out to change the user",
            Difference::Id => "take the line out, or leave `id` out to change the user",
        };
        let message = format!("the user {difference}");
        self.problem(line, None, message, Some(help.to_owned()));
    }

    fn refuse(&mut self, line: u64, problems: Vec<RecordProblem>) {
        for problem in problems {
            let help = match &problem.about {
                About::Role(role) => Some(role_hint(role, &self.names)),
                About::PasswordHash => Some(
                    "docs/import.md has the forms and the bounds; without `password_hash` the \
                     user is imported, and `doorward user reset NAME` lets them choose a password"
                        .to_owned(),
                ),
                _ => None,
            };
            self.problem(line, problem.column, problem.message, help);
        }
    }

    fn problem(&mut self, line: u64, column: Option<usize>, message: String, help: Option<String>) {
        self.checked.problem_count += 1;
        if self.checked.problems.len() == MOST_SHOWN {
            return;
        }
        self.checked.problems.push(Problem {
            file: self.path.display().to_string(),
            line: usize::try_from(line).ok(),
            column,
            message: shown(message),
            help,
        });
    }

    fn end(mut self) -> Checked {
        for (first, second) in self.seen.twice() {
            let message = format!("the same user name or id as in line {first}");
            self.problem(second, None, message, None);
        }
        self.checked.problems.sort_by_key(|problem| problem.line);
        self.checked
    }
}

/// Names and ids, by fingerprint: two that differ have the same in one of
/// 10^13 pairs, and are then refused for nothing.
#[derive(Default)]
struct Seen(Vec<(u64, u64)>);

impl Seen {
    fn add(&mut self, line: u64, user: &ImportedUser) {
        self.0.push((fingerprint(user.username().as_str()), line));
        if let Some(id) = user.id() {
            self.0.push((fingerprint(id.as_str()), line));
        }
    }

    /// Pairs of lines with the same name or id.
    fn twice(&mut self) -> Vec<(u64, u64)> {
        self.0.sort_unstable();
        let pairs = self.0.windows(2).filter(|pair| pair[0].0 == pair[1].0);
        // A user whose name is the own id is no pair.
        let pairs = pairs.filter(|pair| pair[0].1 != pair[1].1);
        pairs.map(|pair| (pair[0].1, pair[1].1)).collect()
    }
}

fn fingerprint(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
