//! A contender in a child process.
//!
//! The child reads the keys and the token from its standard input, a line
//! each, then requests: `verify 12` asks for a turn of twelve calls and is
//! answered with nanoseconds per call, `verify allocations` with their number.
//! A child that does not know the algorithm says `no` before all that.

use std::{
    cell::RefCell,
    io::{self, BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    rc::Rc,
};

use doorward_jose::{algorithm::Algorithm, base64url};

use crate::{
    contender::{Contender, Turns},
    keys::Keys,
    token::AccessToken,
};

/// A running child.
struct Peer {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// The contenders for verifying and signing, if the child knows the algorithm.
///
/// # Errors
///
/// If the program is not where it should be, or ends early.
pub fn contenders(
    name: &'static str,
    program: &str,
    keys: &Keys,
    token: &str,
) -> io::Result<Option<[Contender; 2]>> {
    let program = std::env::current_exe()?.with_file_name(program);
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::Error::other("a child without pipes"));
    };
    let mut peer = Peer {
        child,
        requests,
        answers: BufReader::new(answers),
    };
    let (private, public) = (
        base64url::encode(&keys.private),
        base64url::encode(&keys.public),
    );
    let start = format!("{}\n{private}\n{public}\n{token}", keys.algorithm);
    if peer.ask(&start)? != "ready" {
        return Ok(None);
    }
    let peer = Rc::new(RefCell::new(peer));
    Ok(Some(["verify", "sign"].map(|work| {
        let peer = Rc::clone(&peer);
        Contender::elsewhere(name, Remote { peer, work })
    })))
}

impl Peer {
    fn ask(&mut self, request: &str) -> io::Result<String> {
        writeln!(self.requests, "{request}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        match answer.trim() {
            "" => Err(io::Error::other("the child ended early")),
            answer => Ok(answer.to_owned()),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Remote {
    peer: Rc<RefCell<Peer>>,
    work: &'static str,
}

impl Remote {
    fn ask(&self, request: &str) -> String {
        let request = format!("{} {request}", self.work);
        self.peer
            .borrow_mut()
            .ask(&request)
            .expect("a living child")
    }
}

impl Turns for Remote {
    fn turn(&mut self, calls: u64) -> f64 {
        self.ask(&calls.to_string()).parse().expect("nanoseconds")
    }

    fn allocations(&mut self) -> u64 {
        self.ask("allocations").parse().expect("a number")
    }
}

/// The child's side: serves until the parent has heard enough.
///
/// # Errors
///
/// If standard input or output breaks.
pub fn serve(
    verifier: impl FnOnce(&Keys, &str) -> Option<Contender>,
    signer: impl FnOnce(&Keys, &AccessToken) -> Option<Contender>,
) -> io::Result<()> {
    let mut lines = io::stdin().lines();
    let mut line = || lines.next().unwrap_or_else(|| Ok(String::new()));
    let algorithm: Algorithm = line()?.parse().map_err(io::Error::other)?;
    let private = base64url::decode(&line()?).map_err(io::Error::other)?;
    let public = base64url::decode(&line()?).map_err(io::Error::other)?;
    let keys = Keys::from_parts(algorithm, private, public);
    let token = line()?;
    let (verifier, signer) = (verifier(&keys, &token), signer(&keys, &AccessToken::fresh()));
    let (Some(mut verifier), Some(mut signer)) = (verifier, signer) else {
        println!("no");
        return Ok(());
    };
    println!("ready");
    for line in lines {
        let line = line?;
        let (work, request) = line.split_once(' ').unwrap_or((&line, ""));
        let contender = match work {
            "verify" => &mut verifier,
            _ => &mut signer,
        };
        match request.parse() {
            Ok(calls) => println!("{}", contender.turn(calls)),
            Err(_) => println!("{}", contender.allocations()),
        }
    }
    Ok(())
}
