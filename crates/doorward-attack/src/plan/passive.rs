//! What the token and the answers tell by themselves (LNT, ISS-035).

use doorward_jose::json::{Object, Value};

use super::{Observation, Plan, Planner};
use crate::{target::TokenPlace, verdict::Verdict, wire::Answer};

pub(super) fn plan(planner: &Planner<'_>, id: &str) -> Option<Plan> {
    let about_the_token = match id {
        "LNT-001" => missing_claims,
        "LNT-002" => life,
        "LNT-003" => symmetric,
        "LNT-004" => personal,
        "LNT-005" => telling_kid,
        "LNT-006" => keys_in_the_header,
        _ => return about_answers(planner, id),
    };
    let Some(jws) = &planner.jws else {
        return Some(Plan::NotApplicable(
            "the token is not a compact JWS".to_owned(),
        ));
    };
    Some(Plan::Known(about_the_token(&jws.header, &jws.payload)))
}

fn missing_claims(header: &Object, claims: &Object) -> Vec<Observation> {
    let mut missing: Vec<&str> = ["exp", "iss", "aud", "jti"]
        .into_iter()
        .filter(|name| !claims.contains_key(*name))
        .collect();
    if !header.contains_key("typ") {
        missing.push("typ");
    }
    missing
        .into_iter()
        .map(|name| {
            let why = format!("`{name}` is missing, so nobody can check it");
            Observation::new(Verdict::Suspect, format!("no {name}"), why)
        })
        .collect()
}

fn life(_: &Object, claims: &Object) -> Vec<Observation> {
    let number = |name: &str| claims.get(name).and_then(Value::as_u64);
    let (Some(exp), Some(iat)) = (number("exp"), number("iat")) else {
        return Vec::new();
    };
    let minutes = exp.saturating_sub(iat) / 60;
    let (verdict, than) = match minutes {
        0..=60 => return Vec::new(),
        61..=1440 => (Verdict::Suspect, "an hour"),
        _ => (Verdict::Vulnerable, "a day"),
    };
    let why = format!("the token lives {minutes} minutes, more than {than}: stolen, it lasts");
    vec![Observation::new(verdict, "a long life", why)]
}

fn symmetric(header: &Object, _: &Object) -> Vec<Observation> {
    let name = header
        .get("alg")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if !name.starts_with("HS") {
        return Vec::new();
    }
    let why = format!("{name}: whoever checks tokens can also make them");
    vec![Observation::new(Verdict::Suspect, "a shared secret", why)]
}

fn personal(_: &Object, claims: &Object) -> Vec<Observation> {
    const NAMES: [&str; 16] = [
        "email",
        "phone",
        "phone_number",
        "address",
        "birthdate",
        "ssn",
        "password",
        "passwd",
        "pwd",
        "secret",
        "credit_card",
        "iban",
        "api_key",
        "given_name",
        "family_name",
        "hash",
    ];
    let mut seen = Vec::new();
    for (name, value) in claims {
        let text = value.as_str().unwrap_or_default();
        let is_inner = [".internal", ".local", ".svc", "://10.", "://192.168."]
            .iter()
            .any(|part| text.contains(part));
        let is_mail = text.contains('@')
            && text
                .rsplit('@')
                .next()
                .is_some_and(|host| host.contains('.'));
        let lower = name.to_ascii_lowercase();
        if NAMES.contains(&lower.as_str()) || is_mail {
            let why = format!(
                "the claim `{name}` holds personal or secret data that every bearer can read"
            );
            seen.push(Observation::new(
                Verdict::Suspect,
                format!("claim {name}"),
                why,
            ));
        } else if is_inner {
            let why = format!("the claim `{name}` names an inner host");
            seen.push(Observation::new(
                Verdict::Suspect,
                format!("claim {name}"),
                why,
            ));
        }
    }
    seen
}

fn telling_kid(header: &Object, _: &Object) -> Vec<Observation> {
    let Some(kid) = header.get("kid").and_then(Value::as_str) else {
        return Vec::new();
    };
    let like = match kid {
        _ if kid.contains("://") => "an address",
        _ if kid.contains('/') || kid.contains('\\') || kid.ends_with(".pem") => "a path",
        _ if kid.len() < 8 && kid.bytes().all(|byte| byte.is_ascii_digit()) => {
            "a number in a sequence or the key of a table"
        }
        _ => return Vec::new(),
    };
    let why = format!("`kid` looks like {like}: something may be looked up by it");
    vec![Observation::new(Verdict::Suspect, "a telling kid", why)]
}

fn keys_in_the_header(header: &Object, _: &Object) -> Vec<Observation> {
    ["jku", "x5u", "jwk", "x5c"]
        .into_iter()
        .filter(|name| header.contains_key(*name))
        .map(|name| {
            let why = format!("the issuer puts `{name}` into the header: verifiers may believe it");
            Observation::new(Verdict::Suspect, format!("header {name}"), why)
        })
        .collect()
}

fn about_answers(planner: &Planner<'_>, id: &str) -> Option<Plan> {
    let [valid, none] = &planner.calibration.answers;
    let seen = match id {
        "LNT-007" => exposed(planner),
        "LNT-008" => telling(&planner.calibration.refusals()),
        "LNT-009" => challenge(none),
        "LNT-010" => cacheable(valid),
        "ISS-035" => hygiene(planner),
        _ => return None,
    };
    Some(Plan::Known(seen))
}

fn exposed(planner: &Planner<'_>) -> Vec<Observation> {
    match &planner.target.place {
        TokenPlace::Query(name) => vec![Observation::new(
            Verdict::Vulnerable,
            format!("the token goes into the query as {name}"),
            "addresses end up in logs, histories and referrers",
        )],
        _ => Vec::new(),
    }
}

/// Words of a refusal that help whoever is forging.
fn telling(refusals: &[Answer]) -> Vec<Observation> {
    const WORDS: [&str; 14] = [
        "invalid signature",
        "signature verification failed",
        "jwt malformed",
        "jwt expired",
        "invalid algorithm",
        "not enough segments",
        "unexpected end of json",
        "jsonwebtokenerror",
        "jwt.exceptions",
        "pyjwt",
        "jose.exceptions",
        "nimbusds",
        "illegal base64",
        "signatureverificationfailed",
    ];
    let mut seen: Vec<Observation> = Vec::new();
    for answer in refusals {
        let mut text = answer.text().to_ascii_lowercase();
        text.push_str(
            &answer
                .header("www-authenticate")
                .unwrap_or_default()
                .to_ascii_lowercase(),
        );
        for word in WORDS.iter().filter(|word| text.contains(**word)) {
            let what = format!("the refusal says `{word}`");
            if seen.iter().all(|known| known.what != what) {
                let why = "a stranger learns which check failed, or which library checks";
                seen.push(Observation::new(Verdict::Suspect, what, why));
            }
        }
    }
    seen
}

fn challenge(none: &Answer) -> Vec<Observation> {
    if none.status == 403 {
        let why = "403 says that the caller is known; a missing token is 401";
        return vec![Observation::new(
            Verdict::Suspect,
            "403 without a token",
            why,
        )];
    }
    if none.status == 401 && none.header("www-authenticate").is_none() {
        let why = "401 without WWW-Authenticate: clients cannot know what is asked for";
        return vec![Observation::new(Verdict::Suspect, "no challenge", why)];
    }
    Vec::new()
}

fn cacheable(valid: &Answer) -> Vec<Observation> {
    let control = valid
        .header("cache-control")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_private = ["no-store", "private", "no-cache"]
        .iter()
        .any(|word| control.contains(word));
    if is_private || !valid.is_success() {
        return Vec::new();
    }
    // A shared cache must not keep the answer to a request with Authorization
    // (RFC 9111 section 3.5), unless it is told to.
    let (verdict, why) = match control.contains("public") || control.contains("s-maxage") {
        true => (
            Verdict::Vulnerable,
            "shared caches are told to keep an answer that needed a token",
        ),
        false => (
            Verdict::Suspect,
            "nothing keeps caches from storing an answer that needed a token",
        ),
    };
    vec![Observation::new(verdict, "cacheable", why)]
}

/// Errors that show the inside.
fn hygiene(planner: &Planner<'_>) -> Vec<Observation> {
    const SIGNS: [&str; 12] = [
        "Traceback (most recent call last)",
        "    at Object.",
        "node_modules/",
        "org.springframework",
        "java.lang.",
        "System.Web.",
        "SQLSTATE",
        "syntax error at or near",
        "panicked at",
        "goroutine 1 [",
        "Werkzeug Debugger",
        "Whitelabel Error Page",
    ];
    let mut seen: Vec<Observation> = Vec::new();
    for answer in planner.calibration.refusals() {
        let text = answer.text();
        for sign in SIGNS.iter().filter(|sign| text.contains(**sign)) {
            let what = format!("an error shows `{}`", sign.trim());
            if seen.iter().all(|known| known.what != what) {
                let why = format!("status {}: the inside is shown to strangers", answer.status);
                seen.push(Observation::new(Verdict::Vulnerable, what, why));
            }
        }
    }
    seen
}
