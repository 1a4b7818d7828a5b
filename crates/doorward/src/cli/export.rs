//! `doorward export`: every user, a line of JSON for each, as `doorward import`
//! reads them.
//!
//! Never in it: tokens, sessions, API keys, clients, second factors. Password
//! hashes are in it if asked for, and then only in a file that its owner alone
//! can read.

use std::{
    fs::{File, OpenOptions},
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;
use doorward_issuer::{Admin, user_record::UserRecord};
use serde_json::json;

use super::{
    Place, Workplace,
    backup::{cannot, kept, make},
    workplace::{CommandError, shown},
};
use crate::{
    exit::{Answer, Failure},
    output,
};

/// Write every user as a line of JSON
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The file to write, which must not be there [default: standard output]
    #[arg(value_name = "FILE", required_if_eq("with_password_hashes", "true"))]
    file: Option<PathBuf>,
    /// With the password hashes; whoever has the file can guess at them
    #[arg(long)]
    with_password_hashes: bool,
}

impl Export {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let workplace = Workplace::open(place)?;
        if let Some(file) = &self.file {
            make(file)?;
        }
        let mut users = 0;
        let exported = workplace.with_issuer(async |issuer| {
            let admin = issuer.admin();
            admin.begin_export(self.with_password_hashes).await?;
            users = self.write(&admin, place.json).await?;
            Ok(Answer::Yes)
        });
        let Some(file) = &self.file else {
            return exported;
        };
        if exported.is_err() {
            // Best effort: a part of the users is of no use to anybody.
            let _ = std::fs::remove_file(file);
            return exported;
        }
        let bytes = kept(file).map_err(|error| cannot("write", file, &error))?;
        let name = file.display();
        if place.json {
            output::json(&json!({
                "file": name.to_string(), "users": users, "bytes": bytes,
                "with_password_hashes": self.with_password_hashes,
            }));
        } else {
            let hashes = match self.with_password_hashes {
                true => "; it holds password hashes: keep it as you keep the database",
                false => ", without password hashes",
            };
            output::note(shown(format!("wrote {name}: {users} users{hashes}")));
        }
        Ok(Answer::Yes)
    }

    /// How many users there were.
    async fn write(&self, admin: &Admin, as_json: bool) -> Result<u64, CommandError> {
        let mut sink = match &self.file {
            Some(file) => Sink::file(file)?,
            None if as_json => Sink::List,
            None => Sink::Lines,
        };
        let (mut after, mut users) = (String::new(), 0);
        while let Some(page) = admin.export_page(&after, self.with_password_hashes).await? {
            sink.write(&page.users, users == 0)?;
            users += page.users.len() as u64;
            after = page.last;
        }
        sink.end(users == 0)?;
        Ok(users)
    }
}

/// Where the users go.
enum Sink<'a> {
    File(&'a Path, BufWriter<File>),
    /// To standard output, a line each.
    Lines,
    /// To standard output, as one JSON value.
    List,
}

impl<'a> Sink<'a> {
    fn file(path: &'a Path) -> Result<Self, Failure> {
        let opened = OpenOptions::new().append(true).open(path);
        let file = opened.map_err(|error| cannot("write", path, &error))?;
        Ok(Self::File(path, BufWriter::new(file)))
    }

    fn write(&mut self, users: &[UserRecord], is_first: bool) -> Result<(), Failure> {
        let lines = users
            .iter()
            .map(|user| serde_json::to_string(user).expect("INVARIANT: texts, numbers and lists"));
        let lines: Vec<String> = lines.collect();
        match self {
            Self::File(path, file) => {
                let written = lines.iter().try_for_each(|line| writeln!(file, "{line}"));
                written.map_err(|error| cannot("write", path, &error))?;
            }
            Self::Lines => output::raw((lines.join("\n") + "\n").as_bytes()),
            Self::List => {
                let before = if is_first { "{\"users\":[\n" } else { ",\n" };
                output::raw((before.to_owned() + &lines.join(",\n")).as_bytes());
            }
        }
        Ok(())
    }

    fn end(self, is_empty: bool) -> Result<(), Failure> {
        match self {
            Self::File(path, mut file) => {
                let written = file.flush();
                written.map_err(|error| cannot("write", path, &error))?;
            }
            Self::Lines => {}
            Self::List if is_empty => output::raw(b"{\"users\":[]}\n"),
            Self::List => output::raw(b"\n]}\n"),
        }
        Ok(())
    }
}
