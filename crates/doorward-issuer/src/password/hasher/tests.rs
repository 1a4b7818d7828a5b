#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, Waker},
};

use super::{
    super::{NewPassword, Password, PasswordHash},
    Cost, HashError, Hasher, Hashing, HashingError, NotComputed, Salt, Verdict, Workspace,
};

const CHEAP: Hashing = Hashing {
    memory_kib: 64,
    passes: 1,
    parallel: 2,
    queue: 4,
};
const RIGHT: &str = "pelican umbrella voltage";

fn hasher(hashing: Hashing) -> Hasher {
    Hasher::new(hashing).unwrap()
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

async fn stored(hasher: &Hasher) -> PasswordHash {
    let new = NewPassword::choose(password(RIGHT), "alice").ok().unwrap();
    hasher.hash(new, Salt([1; 16])).await.unwrap()
}

fn poll_once<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn the_right_password_and_only_it_is_right() {
    let hasher = hasher(CHEAP);
    let hash = stored(&hasher).await;
    let ask = |text, stored| hasher.verify(password(text), stored, Salt([2; 16]));
    let right = ask(RIGHT, Some(&hash)).await.unwrap();
    assert!(matches!(right, Verdict::Right { rehash: None }));
    for (text, stored) in [("wrong", Some(&hash)), ("", Some(&hash)), (RIGHT, None)] {
        assert!(matches!(ask(text, stored).await.unwrap(), Verdict::Wrong));
    }
}

#[tokio::test]
async fn a_hash_of_other_parameters_is_renewed_only_after_success() {
    let old = hasher(Hashing { passes: 2, ..CHEAP });
    let hash = stored(&old).await;
    let now = hasher(CHEAP);
    let wrong = now.verify(password("wrong"), Some(&hash), Salt([3; 16]));
    assert!(matches!(wrong.await.unwrap(), Verdict::Wrong));
    let right = now.verify(password(RIGHT), Some(&hash), Salt([3; 16]));
    let Verdict::Right {
        rehash: Some(renewed),
    } = right.await.unwrap()
    else {
        panic!("not renewed");
    };
    assert!(renewed.to_text().contains("m=64,t=1,p=1"));
    let again = now.verify(password(RIGHT), Some(&renewed), Salt([4; 16]));
    assert!(matches!(
        again.await.unwrap(),
        Verdict::Right { rehash: None }
    ));
}

#[tokio::test]
async fn a_stored_hash_may_need_more_than_an_arena() {
    let large = hasher(Hashing {
        memory_kib: 256,
        ..CHEAP
    });
    let hash = stored(&large).await;
    let small = hasher(CHEAP);
    let right = small.verify(password(RIGHT), Some(&hash), Salt([5; 16]));
    assert!(matches!(
        right.await.unwrap(),
        Verdict::Right { rehash: Some(_) }
    ));
}

/// BRU-008 without a stopwatch: both ways compute a hash of the same cost.
#[tokio::test]
async fn bru_008_an_unknown_account_costs_what_a_known_one_does() {
    let hasher = hasher(CHEAP);
    let known = stored(&hasher).await;
    assert!(known.is_current(hasher.cost));
    assert!(PasswordHash::dummy(hasher.cost).is_current(hasher.cost));
    let length = |hash: &PasswordHash| hash.to_text().len();
    assert_eq!(length(&PasswordHash::dummy(hasher.cost)), length(&known));
}

#[tokio::test]
async fn dos_001_memory_stays_within_permits_times_arena() {
    let hasher = Arc::new(hasher(Hashing {
        queue: 500,
        ..CHEAP
    }));
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (hasher, running, most) = (hasher.clone(), running.clone(), most.clone());
            tokio::spawn(async move {
                let work = move |_: &mut [argon2::Block]| {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    running.fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                };
                hasher
                    .run(Workspace::Arena(hasher.cost.blocks()), work)
                    .await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert!(most.load(Ordering::SeqCst) <= CHEAP.parallel);
    let arenas = hasher.arenas.free.lock().unwrap();
    assert!(arenas.len() <= CHEAP.parallel);
    assert!(arenas.iter().all(|arena| arena.len() == 64));
}

#[tokio::test]
async fn dos_001_what_does_not_fit_in_the_queue_is_refused_at_once() {
    let hasher = hasher(CHEAP);
    // Hashes that end when the test says so.
    let gate = Arc::new(Mutex::new(()));
    let closed = gate.lock().unwrap();
    let mut waiting: Vec<_> = (0..hasher.capacity())
        .map(|_| {
            let gate = gate.clone();
            Box::pin(
                hasher.run(Workspace::Arena(hasher.cost.blocks()), move |_| {
                    drop(gate.lock());
                    Ok(())
                }),
            )
        })
        .collect();
    for future in &mut waiting {
        assert!(poll_once(future.as_mut()).is_pending());
    }
    let refused = pin!(hasher.verify(password("x"), None, Salt([0; 16])));
    let overloaded = HashError::Overloaded {
        retry_after_seconds: 1,
    };
    assert!(matches!(poll_once(refused), Poll::Ready(Err(error)) if error == overloaded));
    // Whoever hangs up while queued makes room for another.
    waiting.pop();
    let mut next = pin!(hasher.verify(password("x"), None, Salt([0; 16])));
    assert!(poll_once(next.as_mut()).is_pending());
    drop(closed);
    for future in waiting {
        future.await.unwrap();
    }
    assert!(matches!(next.await, Ok(Verdict::Wrong)));
}

#[tokio::test]
async fn dos_001_the_permit_is_held_until_the_hash_ends() {
    let hasher = hasher(Hashing {
        parallel: 1,
        ..CHEAP
    });
    let (end, ended) = mpsc::channel::<()>();
    {
        let work = move |_: &mut [argon2::Block]| {
            ended.recv().unwrap();
            Ok(())
        };
        let mut client = pin!(hasher.run(Workspace::Arena(hasher.cost.blocks()), work));
        assert!(poll_once(client.as_mut()).is_pending());
    }
    assert_eq!(
        hasher.permits.available_permits(),
        0,
        "a hang-up gave the permit back"
    );
    end.send(()).unwrap();
    let permit = hasher.permits.acquire().await.unwrap();
    assert_eq!(
        hasher.arenas.free.lock().unwrap().len(),
        1,
        "the arena was lost"
    );
    drop(permit);
}

#[tokio::test]
async fn a_worker_that_panics_gives_its_permit_back() {
    let hasher = hasher(Hashing {
        parallel: 1,
        ..CHEAP
    });
    let broken = hasher.run(
        Workspace::Arena(hasher.cost.blocks()),
        |_| -> Result<(), NotComputed> { panic!("on purpose") },
    );
    assert_eq!(broken.await, Err(HashError::Failed));
    assert!(
        hasher
            .verify(password("x"), None, Salt([0; 16]))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn arenas_are_kept_while_in_use_and_given_back_when_idle() {
    let hasher = hasher(CHEAP);
    let arenas = || hasher.arenas.free.lock().unwrap().len();
    stored(&hasher).await;
    hasher.rest();
    assert_eq!(arenas(), 1, "given back right after use");
    hasher.rest();
    assert_eq!(arenas(), 0, "kept although idle");
    stored(&hasher).await;
    assert_eq!(arenas(), 1);
}

#[test]
fn settings_that_could_check_nothing_are_refused() {
    let none = Hasher::new(Hashing {
        parallel: 0,
        ..CHEAP
    });
    assert_eq!(none.err(), Some(HashingError::NoParallel));
    let gigabyte = Hasher::new(Hashing {
        memory_kib: 1 << 20,
        ..CHEAP
    });
    assert!(matches!(gigabyte.err(), Some(HashingError::Cost(_))));
    assert!(Cost::new(Hashing::default().memory_kib, Hashing::default().passes, 1).is_ok());
}

/// Hashes that are computed alone take long; a flood of them leaves room for
/// who signs in with an ordinary one.
#[test]
fn dos_001_hashes_that_are_computed_alone_fill_a_quarter_of_the_queue() {
    let hasher = hasher(Hashing { queue: 8, ..CHEAP });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let (finish, wait) = mpsc::channel::<()>();
    let slow = |wait: Option<mpsc::Receiver<()>>| {
        hasher.run(Workspace::Own, move |_| {
            _ = wait.map(|wait| wait.recv());
            Ok(())
        })
    };
    let mut running = pin!(slow(Some(wait)));
    assert!(poll_once(running.as_mut()).is_pending());
    let (mut one, mut two) = (pin!(slow(None)), pin!(slow(None)));
    assert!(poll_once(one.as_mut()).is_pending() && poll_once(two.as_mut()).is_pending());
    let refused = poll_once(pin!(slow(None)).as_mut());
    assert!(matches!(
        refused,
        Poll::Ready(Err(HashError::Overloaded { .. }))
    ));
    let ordinary = hasher.verify(password("wrong"), None, Salt([7; 16]));
    assert!(matches!(runtime.block_on(ordinary), Ok(Verdict::Wrong)));
    finish.send(()).unwrap();
    runtime.block_on(async {
        running.await.unwrap();
        one.await.unwrap();
        two.await.unwrap();
        slow(None).await.unwrap();
    });
}
