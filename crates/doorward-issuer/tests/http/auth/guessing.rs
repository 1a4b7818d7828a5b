//! Guessing and flooding at `POST /auth/sign-in`.

use doorward_issuer::password::Hashing;
use http::StatusCode;
use tokio::task::JoinSet;

use crate::harness::{Answered, CAFE, CHEAP, HOME, House, PASSWORD, call, sign_in};

async fn all(
    house: &House,
    requests: impl Iterator<Item = (String, &'static str, String)>,
) -> Vec<Answered> {
    let mut calls = JoinSet::new();
    for (username, password, peer) in requests {
        calls.spawn(call(house.router(), sign_in(&username, password, &peer)));
    }
    calls.join_all().await
}

fn count(answers: &[Answered], status: u16) -> usize {
    answers
        .iter()
        .filter(|answer| answer.status.as_u16() == status)
        .count()
}

#[tokio::test]
async fn bru_001_the_guesser_is_slowed_and_the_owner_still_enters() {
    let house = House::new().await;
    for _ in 0..10 {
        let answer = house.call(sign_in("alice", "wrong", CAFE)).await;
        assert_eq!(answer.verdict(), (401, "wrong_credentials"));
    }
    let slowed = house.call(sign_in("alice", PASSWORD, CAFE)).await;
    assert_eq!(slowed.verdict(), (429, "throttled"));
    assert_eq!(slowed.retry_after(), 30);
    let owner = house.call(sign_in("alice", PASSWORD, HOME)).await;
    assert_eq!(owner.status, StatusCode::OK);
    let other_spelling = house.call(sign_in("ALICE ", PASSWORD, CAFE)).await;
    assert_eq!(other_spelling.status, StatusCode::TOO_MANY_REQUESTS);
    house.turn_clock(30);
    let after = house.call(sign_in("alice", PASSWORD, CAFE)).await;
    assert_eq!(after.status, StatusCode::OK);
}

#[tokio::test]
async fn bru_002_parallel_guesses_get_no_more_tries() {
    let house = House::new().await;
    let guesses = (0..100).map(|_| ("alice".to_owned(), "wrong", CAFE.to_owned()));
    let answers = all(&house, guesses).await;
    assert_eq!((count(&answers, 401), count(&answers, 429)), (10, 90));
    let refused = answers.iter().filter(|answer| answer.status == 429);
    assert!(refused.into_iter().all(|answer| answer.retry_after() >= 1));
}

#[tokio::test]
async fn bru_009_an_unknown_account_is_slowed_alike() {
    let house = House::new().await;
    let mut seen = Vec::new();
    for username in ["alice", "nobody"] {
        let mut answers = Vec::new();
        for _ in 0..12 {
            let answer = house.call(sign_in(username, "wrong", CAFE)).await;
            answers.push((
                answer.verdict(),
                answer.header("retry-after").map(str::to_owned),
            ));
        }
        seen.push(answers);
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn bru_006_forwarding_headers_and_a_64_give_no_fresh_tries() {
    let house = House::new().await;
    let mut statuses = Vec::new();
    for guess in 0..20 {
        let mut request = sign_in("alice", "wrong", &format!("2001:db8:1:2::{guess:x}"));
        let forged = format!("203.0.113.{guess}").parse().unwrap();
        request.headers_mut().insert("x-forwarded-for", forged);
        statuses.push(house.call(request).await.status.as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 10);
}

#[tokio::test]
async fn dos_001_a_flood_is_shed_and_leaves_room_for_the_honest() {
    let few = Hashing {
        parallel: 1,
        queue: 7,
        ..CHEAP
    };
    let house = House::with(few, 1).await;
    let flood = (0..500).map(|number| (format!("user{number}"), "wrong", CAFE.to_owned()));
    let answers = all(&house, flood).await;
    let (tried, throttled, shed) = (
        count(&answers, 401),
        count(&answers, 429),
        count(&answers, 503),
    );
    assert_eq!(tried + throttled + shed, 500);
    assert!(
        throttled + shed > 400,
        "{tried} of 500 were let through at once"
    );
    let refused = answers.iter().filter(|answer| answer.status != 401);
    assert!(refused.into_iter().all(|answer| answer.retry_after() >= 1));
    let everywhere = (0..500).map(|number| {
        let network = format!("10.1.{}.{}", number / 250, number % 250);
        (format!("user{number}"), "wrong", network)
    });
    let answers = all(&house, everywhere).await;
    assert!(count(&answers, 503) > 400);
    assert_eq!(
        house.try_sign_in("alice", PASSWORD).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn dos_001_clients_that_hang_up_leave_nothing_behind() {
    let house = House::with(
        Hashing {
            parallel: 1,
            queue: 7,
            ..CHEAP
        },
        1,
    )
    .await;
    let mut calls = JoinSet::new();
    for number in 0..5_000_u32 {
        let peer = format!("10.{}.{}.1", number / 250, number % 250);
        calls.spawn(call(
            house.router(),
            sign_in(&format!("user{number}"), "wrong", &peer),
        ));
        if number % 8 == 0 {
            tokio::task::yield_now().await;
        }
        calls.abort_all();
    }
    while calls.join_next().await.is_some() {}
    assert_eq!(
        house.try_sign_in("alice", PASSWORD).await.status,
        StatusCode::OK
    );
}
