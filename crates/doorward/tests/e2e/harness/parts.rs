//! Real parts that are not ours: found on the machine, or loudly missed.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The program `name`, or `None` after saying that the test is skipped. With
/// `DOORWARD_REQUIRE_PARTS` set a missing part fails the test.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let found = on_path(name);
    if found.is_none() {
        missed(name);
    }
    found
}

/// The same for a program that CI does not install: it is used where it is.
pub(crate) fn find_if_there(name: &str) -> Option<PathBuf> {
    let found = on_path(name);
    if found.is_none() {
        skipped(name);
    }
    found
}

/// The part at `path`, which CI puts there.
pub(crate) fn find_at(path: PathBuf) -> Option<PathBuf> {
    let found = path.is_file();
    if !found {
        missed(&path.to_string_lossy());
    }
    found.then_some(path)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the environment says whether a skip is a failure"
)]
fn missed(part: &str) {
    assert!(
        std::env::var_os("DOORWARD_REQUIRE_PARTS").is_none(),
        "{part} is not on this machine and DOORWARD_REQUIRE_PARTS is set"
    );
    skipped(part);
}

/// Says that a test is skipped for want of `part`.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn skipped(part: &str) {
    eprintln!("*** SKIPPED: {part} is not on this machine");
}

#[expect(clippy::disallowed_methods, reason = "programs are found by PATH")]
fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path
        .split(':')
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"]);
    folders
        .map(|folder| PathBuf::from(folder).join(name))
        .find(|file| file.is_file())
}

/// A server that is not ours. Killed when it is dropped.
pub(crate) struct Part {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Part {
    /// Starts what `command` makes of a free address, and waits until it
    /// listens.
    pub(crate) fn start(command: impl FnOnce(SocketAddr) -> Command) -> Self {
        let address = free_address();
        let mut child = command(address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the part starts");
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            let ended = child.try_wait().expect("a child can be asked");
            assert!(
                ended.is_none(),
                "the part ended before it listened: {ended:?}"
            );
            assert!(Instant::now() < patience, "the part does not listen");
            thread::yield_now();
        }
        Self { child, address }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // nginx passes a TERM on to its workers; a KILL would orphan them.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound listener")
}
