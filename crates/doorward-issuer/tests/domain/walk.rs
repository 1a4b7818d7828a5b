//! Random walks: whatever order old and new tokens come in, a session has
//! exactly one live leaf, or none.

use doorward_issuer::{RefreshError, session::FIRST_PARTY_CLIENT};
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, prop_oneof},
    test_runner::{Config, TestRunner},
};

use crate::harness::{World, sign_in};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Present the token `back` generations before the newest.
    Refresh { back: usize },
    /// Let time pass.
    Wait { seconds: u64 },
    /// Restart the issuer.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Refresh { back: 0 }),
        3 => Just(Step::Refresh { back: 1 }),
        1 => (2..4usize).prop_map(|back| Step::Refresh { back }),
        2 => prop_oneof![Just(1), Just(19), Just(20), Just(21), Just(400)]
            .prop_map(|seconds| Step::Wait { seconds }),
        1 => Just(Step::Restart),
    ]
}

/// What must be true, told by the rule of the product page alone.
struct Model {
    tokens: Vec<String>,
    rotated: u64,
    now: u64,
    over: bool,
}

#[test]
fn one_live_leaf_or_none() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (world, issuer) = runtime.block_on(World::with_alice());
    let issuer = std::cell::RefCell::new(issuer);
    let mut runner = TestRunner::new(Config {
        cases: 64,
        ..Config::default()
    });
    let outcome = runner.run(&vec(step(), 1..14), |steps| {
        runtime.block_on(walk(&world, &issuer, &steps));
        Ok(())
    });
    outcome.unwrap();
}

async fn walk(world: &World, issuer: &std::cell::RefCell<doorward_issuer::Issuer>, steps: &[Step]) {
    let current = issuer.borrow().clone();
    let first = sign_in(&current, "alice").await.refresh_token;
    drop(current);
    let mut model = Model {
        tokens: vec![first],
        rotated: 0,
        now: 0,
        over: false,
    };
    for step in steps {
        match *step {
            Step::Wait { seconds } => {
                world.clock.turn(seconds);
                model.now += seconds;
            }
            Step::Restart => {
                let fresh = world.open().await;
                issuer.replace(fresh);
            }
            Step::Refresh { back } => {
                let current = issuer.borrow().clone();
                present(&current, &mut model, back).await;
            }
        }
    }
    // The newest token is the only one that goes on, unless all is over.
    let current = issuer.borrow().clone();
    present(&current, &mut model, 0).await;
}

async fn present(issuer: &doorward_issuer::Issuer, model: &mut Model, back: usize) {
    let Some(index) = (model.tokens.len() - 1).checked_sub(back) else {
        return;
    };
    let outcome = issuer
        .refresh(&model.tokens[index], FIRST_PARTY_CLIENT)
        .await;
    match outcome {
        _ if model.over => assert!(matches!(outcome, Err(RefreshError::Invalid))),
        Ok(refreshed) if back == 0 => {
            assert!(!refreshed.repeated);
            model.tokens.push(refreshed.answer.refresh_token);
            model.rotated = model.now;
        }
        Ok(refreshed) => {
            assert!(
                back == 1 && model.now - model.rotated <= 20,
                "reuse was accepted"
            );
            assert!(refreshed.repeated);
            assert_eq!(
                refreshed.answer.refresh_token,
                model.tokens[index + 1],
                "a second branch"
            );
        }
        Err(RefreshError::Reused(_)) => {
            let honest = back == 0 || (back == 1 && model.now - model.rotated <= 20);
            assert!(!honest, "an honest client was thrown out");
            model.over = true;
        }
        Err(error) => panic!("{error}"),
    }
}
