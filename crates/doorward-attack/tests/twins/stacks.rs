//! Sound APIs with libraries and servers that people use: nothing is found.

use doorward_attack::{
    report::{End, Report},
    verdict::Verdict,
};

use crate::harness::{Twin, why};

const STACKS: &str = include_str!("python/stacks.py");

fn python(stack: &str, package: &str) -> Option<Twin> {
    Twin::python_with(
        &[package, "cryptography"],
        stack,
        &format!("STACK = {stack:?}\n{STACKS}"),
    )
}

/// Nothing proven, and nothing suspect that is more than worth knowing.
fn holds(twin: &Twin, report: &Report) {
    assert_eq!(report.end, End::Complete, "{:#?}", why(report));
    assert_eq!(
        report.found(),
        [""; 0],
        "{}: {:#?}",
        twin.name(),
        why(report)
    );
    assert_eq!(
        report.actionable(),
        0,
        "{}: {:#?}",
        twin.name(),
        why(report)
    );
    let safe = report.count(Verdict::Safe);
    assert!(safe > 50, "{}: {safe} safe", twin.name());
}

#[test]
fn pyjwt_holds() {
    if let Some(twin) = python("pyjwt", "jwt") {
        holds(&twin, &twin.with_jwks());
    }
}

#[test]
fn joserfc_holds() {
    if let Some(twin) = python("joserfc", "joserfc") {
        holds(&twin, &twin.with_jwks());
    }
}

#[test]
fn jose_for_node_holds() {
    if let Some(twin) = Twin::node_with("jose", "jose", include_str!("node/jose.cjs")) {
        holds(&twin, &twin.with_jwks());
    }
}

fn express() -> Option<Twin> {
    let script = include_str!("node/express.cjs");
    Twin::node_with("jsonwebtoken", "express and jsonwebtoken", script)
}

#[test]
fn express_with_jsonwebtoken_holds() {
    if let Some(twin) = express() {
        holds(&twin, &twin.with_jwks());
    }
}

#[test]
fn nginx_that_asks_another_server_holds() {
    let Some(pyjwt) = python("pyjwt", "jwt") else {
        return;
    };
    if let Some(nginx) = Twin::nginx("nginx", &pyjwt, "auth_request /check;") {
        holds(&nginx, &nginx.with_jwks());
    }
}

/// `return` belongs to a phase before the one that asks.
#[test]
fn nginx_that_answers_before_it_asks_is_auz_001() {
    let Some(pyjwt) = python("pyjwt", "jwt") else {
        return;
    };
    let guard = r#"auth_request /check; return 200 '{"orders":[{"id":7}]}';"#;
    if let Some(nginx) = Twin::nginx("nginx that returns", &pyjwt, guard) {
        nginx.must_have(&["AUZ-001"]);
    }
}

/// Whoever can sign finds how generous the libraries are themselves: true, and
/// told; the versions are pinned.
#[test]
fn what_the_libraries_take_from_a_signer_is_told() {
    let lax: [(Option<Twin>, &[&str]); 4] = [
        (
            python("pyjwt", "jwt"),
            &["CLM-003", "CLM-015", "PAR-001", "PAR-011"],
        ),
        (
            python("joserfc", "joserfc"),
            &["HDR-012", "PAR-001", "PAR-011"],
        ),
        (
            Twin::node_with("jose", "jose", include_str!("node/jose.cjs")),
            &["CLM-015", "PAR-001", "PAR-010", "PAR-011"],
        ),
        (
            express(),
            &[
                "HDR-011", "HDR-012", "HDR-013", "CLM-015", "PAR-001", "PAR-010",
            ],
        ),
    ];
    for (twin, found) in lax {
        let Some(twin) = twin else { continue };
        let report = twin.with_staging_key();
        assert_eq!(
            report.found(),
            found,
            "{}: {:#?}",
            twin.name(),
            why(&report)
        );
    }
}
