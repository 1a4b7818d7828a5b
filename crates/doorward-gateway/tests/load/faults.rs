//! What goes wrong beside an honest caller must not go wrong for it.
//!
//! One gateway, one API, and a probe that asks as any caller would, on its kept
//! connection and on new ones. Beside it one fault after the other, and in
//! [`soak`] all at once. The probe must never fail. How slow it may get depends
//! on the machine, which others use too: its figures are printed beside those at
//! rest (`--nocapture`), and only what nobody would call a service is a failure.

use std::{
    collections::VecDeque,
    io::Write as _,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use doorward_gateway::{Config, Limits};
use doorward_policy::route::RouteTable;
use http::uri::PathAndQuery;

use crate::{
    MEGABYTE, alone,
    harness::{
        Client, House, Plan, Recorder,
        frames::{END_HEADERS, END_STREAM, HEADERS, PREFACE, RST_STREAM, SETTINGS, block, frame},
        recorder::Recorded,
        request, usual_routes,
    },
    resident,
};

/// How long each fault lasts in the usual run.
const EACH: Duration = Duration::from_millis(700);

/// Between two acts of an attacker.
const REST: Duration = Duration::from_millis(5);

/// The slowest answer that is still a service, on a machine that may be busy
/// with ten other things.
const SERVICE: Duration = Duration::from_secs(5);

/// An API with faults of its own, by path.
fn api() -> Recorder {
    let big = vec![b'x'; MEGABYTE];
    Recorder::with(move |recorded, stream| {
        let answer = |stream: &mut TcpStream, length: usize, body: &[u8]| {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).is_ok() && stream.write_all(body).is_ok()
        };
        match recorded.target() {
            // Dies in the middle of what it promised.
            "/files/cut" => {
                answer(stream, 100, b"half");
                false
            }
            // Hangs up without a word.
            "/files/dead" => false,
            // Says nothing until nobody waits any more.
            "/files/stalled" => stream.peek(&mut [0]).is_err(),
            "/files/big" => answer(stream, big.len(), &big),
            _ => answer(stream, 2, b"ok"),
        }
    })
}

fn house() -> House {
    let limits = Limits {
        head_timeout: Duration::from_secs(2),
        body_timeout: Duration::from_secs(2),
        write_timeout: Duration::from_secs(2),
        ..Limits::default()
    };
    House::start(Plan {
        upstream: Some(api()),
        limits,
        config: Box::new(|config: &mut Config| config.cleartext_http2 = true),
        ..Plan::default()
    })
}

/// What attackers and probe share.
#[derive(Clone)]
struct Scene {
    address: SocketAddr,
    bearer: Arc<str>,
    until: Arc<AtomicBool>,
    /// How many connections a fault has that is made of connections.
    crowd: usize,
}

impl Scene {
    fn goes_on(&self) -> bool {
        !self.until.load(Ordering::SeqCst)
    }

    /// Does `act` again and again, on a thread of its own, until it is over. In
    /// between it rests: attackers, gateway and API share these cores, and an
    /// attack that takes them whole would be an attack on the test.
    fn again(&self, act: impl FnMut(&Self) + Send + 'static) -> thread::JoinHandle<()> {
        self.each(REST, act)
    }

    /// The same, with `rest` in between.
    fn each(
        &self,
        rest: Duration,
        mut act: impl FnMut(&Self) + Send + 'static,
    ) -> thread::JoinHandle<()> {
        let scene = self.clone();
        thread::spawn(move || {
            while scene.goes_on() {
                act(&scene);
                thread::park_timeout(rest);
            }
        })
    }

    fn client(&self) -> Client {
        Client::to(self.address)
    }

    /// Asks on a new connection; whatever comes is well.
    fn ask(&self, bytes: &str) {
        let mut client = self.client();
        if client.try_write(bytes) {
            client.try_reply(false);
        }
    }
}

/// How the honest caller fared.
#[derive(Debug, Default)]
struct Fared {
    times: Vec<Duration>,
    /// The most memory that this process had meanwhile.
    peak: usize,
}

impl Fared {
    fn at(&self, percent: usize) -> Duration {
        self.times[(self.times.len() - 1) * percent / 100]
    }
}

/// Asks as callers do for `time`, on a kept connection and on new ones by turns,
/// with a token and without.
fn probe(scene: &Scene, time: Duration, pause: Duration) -> Fared {
    let (began, mut fared) = (Instant::now(), Fared::default());
    let authorization = format!("Authorization: Bearer {}", scene.bearer);
    let mut kept = scene.client();
    while began.elapsed() < time {
        for is_kept in [true, false] {
            let asked = Instant::now();
            let mut new = (!is_kept).then(|| scene.client());
            let client = new.as_mut().unwrap_or(&mut kept);
            client.write(request("GET", "/orders", &[&authorization]));
            let reply = client.reply();
            assert_eq!(
                (reply.status, reply.is_whole),
                (200, true),
                "{}",
                reply.head
            );
            fared.times.push(asked.elapsed());
        }
        fared.peak = fared.peak.max(resident());
        thread::park_timeout(pause);
    }
    fared.times.sort_unstable();
    fared
}

type Fault = (&'static str, fn(&Scene) -> thread::JoinHandle<()>);

const FAULTS: [Fault; 9] = [
    ("the API hangs up", |scene| {
        scene.again(|scene| scene.ask(&request("GET", "/files/dead", &[])))
    }),
    ("the API dies mid-body", |scene| {
        scene.again(|scene| scene.ask(&request("GET", "/files/cut", &[])))
    }),
    ("the API stalls", stalled),
    ("callers that do not read", slow_readers),
    ("callers that trickle", slow_connections),
    ("a flood of fields", |scene| {
        let many = request("GET", "/orders", &["X-A: b"; 1000]);
        let long = request(
            "GET",
            "/orders",
            &[&format!("X-A: {}", "b".repeat(100_000))],
        );
        scene.again(move |scene| {
            scene.ask(&many);
            scene.ask(&long);
        })
    }),
    ("rapid resets", rapid_resets),
    ("a flood of bad tokens", bad_tokens),
    ("who leaves early", |scene| {
        scene.again(|scene| {
            scene.client().write(request("GET", "/files/big", &[]));
        })
    }),
];

fn stalled(scene: &Scene) -> thread::JoinHandle<()> {
    scene.again(|scene| {
        let mut waiting: Vec<Client> = (0..scene.crowd.min(50)).map(|_| scene.client()).collect();
        for client in &mut waiting {
            client.try_write(request("GET", "/files/stalled", &[]));
        }
        linger(scene, Duration::from_secs(1), |_| {});
    })
}

/// A hundred at a time, each for two seconds.
fn slow_readers(scene: &Scene) -> thread::JoinHandle<()> {
    let most = scene.crowd.min(100);
    let mut readers = VecDeque::new();
    scene.each(Duration::from_millis(20), move |scene| {
        let mut client = scene.client();
        client.try_write(request("GET", "/files/big", &[]));
        readers.push_back(client);
        if readers.len() > most {
            readers.pop_front();
        }
    })
}

/// Heads, bodies and silence, at least a byte a second. They come by and by, a crowd
/// within a second at most, and whoever is turned away comes again: what is asked is
/// what many connections cost that are there, not what accepting them at once costs.
fn slow_connections(scene: &Scene) -> thread::JoinHandle<()> {
    let mut slow: Vec<Option<Client>> = (0..scene.crowd).map(|_| None).collect();
    let mut places = (0..scene.crowd).cycle();
    let at_once = scene.crowd.div_ceil(1000);
    scene.each(Duration::from_millis(1), move |scene| {
        for place in places.by_ref().take(at_once) {
            let client = &mut slow[place];
            if client.as_mut().is_some_and(|client| client.try_write("x")) {
                continue;
            }
            let client = client.insert(scene.client());
            client.try_write(match place % 3 {
                0 => "GET /orders HTTP/1.1\r\nHost: a\r\n",
                1 => "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n",
                _ => "",
            });
        }
    })
}

/// For `time`, or until the scene is over.
fn linger(scene: &Scene, time: Duration, mut act: impl FnMut(usize)) {
    let (began, mut turn) = (Instant::now(), 0);
    while scene.goes_on() && began.elapsed() < time {
        act(turn);
        turn += 1;
        thread::park_timeout(Duration::from_millis(1));
    }
}

fn rapid_resets(scene: &Scene) -> thread::JoinHandle<()> {
    let block = block("GET", "/files/big", &[]);
    let resets = (0..500).flat_map(move |number| {
        let stream = 2 * number + 1;
        let asked = frame(HEADERS, END_HEADERS | END_STREAM, stream, &block);
        [asked, frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])].concat()
    });
    let mut flood = [PREFACE.as_bytes(), &frame(SETTINGS, 0, 0, &[])].concat();
    flood.extend(resets);
    scene.again(move |scene| {
        scene.client().try_write(&flood);
    })
}

/// Each another one, of the right form and signed by nobody.
fn bad_tokens(scene: &Scene) -> thread::JoinHandle<()> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    scene.again(|scene| {
        let mut client = scene.client();
        let (signed, _) = scene.bearer.rsplit_once('.').unwrap();
        for _ in 0..50 {
            let number = NUMBER.fetch_add(1, Ordering::SeqCst);
            let token = format!("Authorization: Bearer {signed}.{number:085}A");
            client.write(request("GET", "/orders", &[&token]));
            assert_eq!(client.reply().status, 401);
        }
    })
}

fn scene(house: &House, crowd: usize) -> Scene {
    Scene {
        address: house.address,
        bearer: house.tokens.reader().into(),
        until: Arc::default(),
        crowd,
    }
}

fn end(scene: &Scene, attackers: Vec<thread::JoinHandle<()>>) {
    scene.until.store(true, Ordering::SeqCst);
    for attacker in attackers {
        attacker.join().unwrap();
    }
}

/// Figures to compare by eye; the machine is shared.
fn tell(what: &str, rest: &Fared, fared: &Fared) {
    let ratio = fared.at(99).as_secs_f64() / rest.at(99).as_secs_f64();
    println!(
        "{what}: {} asked, p50 {:?}, p99 {:?} ({ratio:.1} of rest)",
        fared.times.len(),
        fared.at(50),
        fared.at(99)
    );
    assert!(fared.at(99) < SERVICE, "{what}: {:?}", fared.at(99));
}

#[test]
fn dos_003_an_honest_caller_is_served_beside_each_fault() {
    let _alone = alone();
    let house = house();
    house.upstream.keep_nothing();
    let pause = Duration::from_millis(1);
    let rest = probe(&scene(&house, 0), EACH, pause);
    tell("at rest", &rest, &rest);
    for (what, fault) in FAULTS {
        let scene = scene(&house, 100);
        let attacker = fault(&scene);
        let fared = probe(&scene, EACH, pause);
        end(&scene, vec![attacker]);
        tell(what, &rest, &fared);
    }
}

#[test]
fn an_honest_caller_notices_no_reload() {
    let _alone = alone();
    let house = house();
    let scene = scene(&house, 0);
    let reloads = Arc::new(AtomicUsize::new(0));
    let reloader = reload(&house, &scene, &reloads);
    let rest = probe(&scene, EACH, Duration::ZERO);
    end(&scene, vec![reloader]);
    assert!(reloads.load(Ordering::SeqCst) > 20);
    tell("reloads", &rest, &rest);
}

/// New routes, again and again.
fn reload(house: &House, scene: &Scene, reloads: &Arc<AtomicUsize>) -> thread::JoinHandle<()> {
    let (routes, reloads) = (Arc::clone(&house.routes), Arc::clone(reloads));
    scene.again(move |_| {
        routes.store(Arc::new(RouteTable::build(usual_routes()).unwrap()));
        reloads.fetch_add(1, Ordering::SeqCst);
    })
}

/// One of two servers is killed and comes back, again and again.
#[test]
fn gwy_027_an_honest_caller_notices_no_killed_server() {
    let _alone = alone();
    let (first, second) = (api(), api());
    let more = vec![second.origin().parse().unwrap()];
    let mut house = House::start(Plan {
        upstream: Some(first),
        limits: Limits {
            health_interval: Duration::from_millis(100),
            ..Limits::default()
        },
        config: Box::new(|config: &mut Config| {
            config.more_upstreams = more;
            config.health_path = Some(PathAndQuery::from_static("/health"));
        }),
        ..Plan::default()
    });
    let pause = Duration::from_millis(1);
    let rest = probe(&scene(&house, 0), EACH, pause);
    let before = house.upstream.seen().len();
    assert!(before > 0 && !second.seen().is_empty(), "both serve");
    let killed = house.upstream.kill();
    let fared = probe(&scene(&house, 0), EACH, pause);
    tell("a server killed", &rest, &fared);
    house.upstream = Recorder::at(killed);
    let back = Instant::now();
    let is_asked = |seen: &Recorded| seen.target() == "/orders";
    while !house.upstream.seen().iter().any(is_asked) {
        assert!(back.elapsed() < SERVICE, "nobody asks it again");
        probe(&scene(&house, 0), Duration::from_millis(20), pause);
    }
}

/// Everything at once. Ten seconds, or `DOORWARD_SOAK_SECONDS`, with 300 slow
/// connections, or `DOORWARD_SOAK_CONNECTIONS`: `just soak`.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a long run is asked for by its environment"
)]
fn soak() {
    let number = |name: &str, usual: u64| {
        let text = std::env::var(name).ok();
        text.map_or(usual, |text| text.parse().unwrap())
    };
    let time = Duration::from_secs(number("DOORWARD_SOAK_SECONDS", 10));
    let crowd = number("DOORWARD_SOAK_CONNECTIONS", 300);
    let _alone = alone();
    let house = house();
    house.upstream.keep_nothing();
    let scene = scene(&house, usize::try_from(crowd).unwrap());
    let pause = Duration::from_millis(20);
    let rest = probe(&scene, EACH.max(time / 20), pause);
    tell("at rest", &rest, &rest);
    let mut attackers: Vec<_> = FAULTS.iter().map(|(_, fault)| fault(&scene)).collect();
    attackers.push(reload(&house, &scene, &Arc::default()));
    // The first quarter is for warming up.
    let quarters = ["first", "second", "third", "last"].map(|quarter| {
        let fared = probe(&scene, time / 4, pause);
        tell(&format!("all at once, {quarter} quarter"), &rest, &fared);
        println!("{} MB at most", fared.peak / MEGABYTE);
        fared.peak
    });
    end(&scene, attackers);
    assert!(
        quarters[3] < quarters[1] + quarters[1] / 10 + 32 * MEGABYTE,
        "memory grows: {quarters:?}"
    );
}
