//! Where a server lives: a folder with its data, its configuration, and the
//! files that the configuration names.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::Server;

/// A folder of its own, gone when it is dropped.
pub(crate) struct Place(TempDir);

impl Place {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// One with the demo's users: a first start makes them.
    pub(crate) fn with_demo_users() -> Self {
        let place = Self::new();
        drop(Server::start(&place.data(), &["--demo"]));
        place
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The configuration.
    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("doorward.toml")
    }

    /// With this configuration.
    pub(crate) fn configured(self, text: &str) -> Self {
        self.write("doorward.toml", text);
        self
    }

    /// Writes a file, and the folders that it is in.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.path().join(name);
        let folder = file.parent().expect("a file in this folder");
        fs::create_dir_all(folder).expect("a writable folder");
        fs::write(&file, text).expect("a writable folder");
        file
    }

    /// What `up` and `serve gateway` are told to serve `upstream` as configured.
    pub(crate) fn before(&self, upstream: SocketAddr) -> [String; 4] {
        let config = self.config();
        [
            "--upstream".to_owned(),
            format!("http://{upstream}"),
            "--config".to_owned(),
            config.to_str().expect("UTF-8").to_owned(),
        ]
    }

    /// `up` before `upstream`, as configured.
    pub(crate) fn serve(&self, upstream: SocketAddr) -> Server {
        let arguments = self.before(upstream);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Server::start(&self.data(), &arguments)
    }
}
