//! The task itself, in turned time: no socket, no waiting.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use doorward_jose::algorithm::Algorithm;
use doorward_verify::{
    clock::{Clock, Timestamp},
    jwks::{
        remote::{BoxFuture, RemoteKeys, Resolver, Surroundings},
        url::JwksUrl,
    },
};
use tokio::time::Instant;

/// The runtime's paused time as a wall clock.
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        let elapsed = u64::try_from(self.0.elapsed().as_millis()).unwrap();
        Timestamp::from_millis(1_800_000_000_000 + elapsed)
    }
}

/// Never finds anything and writes down when it was asked.
struct Nowhere {
    began: Instant,
    asked: Mutex<Vec<u64>>,
}

impl Resolver for Nowhere {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        self.asked
            .lock()
            .unwrap()
            .push(self.began.elapsed().as_secs());
        Box::pin(async { Err(io::ErrorKind::NotFound.into()) })
    }
}

#[tokio::test(start_paused = true)]
async fn the_task_backs_off_by_itself_and_ends_with_its_source() {
    let began = Instant::now();
    let nowhere = Arc::new(Nowhere {
        began,
        asked: Mutex::default(),
    });
    let url = JwksUrl::parse("https://id.example/jwks.json").unwrap();
    let (source, follower) = RemoteKeys::new(url, [Algorithm::Es256])
        .resolver(Arc::clone(&nowhere) as _)
        .follow(Surroundings {
            clock: Arc::new(PausedClock(began)),
            random: Arc::new(|| 0),
        });
    let task = tokio::spawn(follower.run());
    tokio::time::advance(Duration::from_millis(1)).await;
    let hour = tokio::time::sleep(Duration::from_secs(1000));
    hour.await;
    let wanted = [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811];
    assert_eq!(*nowhere.asked.lock().unwrap(), wanted);
    drop(source);
    task.await.unwrap();
    assert_eq!(
        began.elapsed().as_secs(),
        1000,
        "at once, not after a pause"
    );
}
