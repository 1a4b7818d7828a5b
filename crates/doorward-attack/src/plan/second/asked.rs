//! What the first caller asks for, and how: lists, tenants, spellings, caches.

use doorward_jose::json::Value;

use super::{super::Planner, Theirs, claim, named, tenant, their_route};
use crate::probe::{Expect, Probe, Question};

/// Ways to ask a list for more than one's own.
pub(super) fn lists(planner: &Planner<'_>, theirs: &Theirs) -> Vec<Probe> {
    let second = planner.extras.second_token.as_deref().unwrap_or_default();
    let mut questions: Vec<(String, String)> = [
        ("all", "true"),
        ("scope", "all"),
        ("owner", "*"),
        ("include", "all"),
        ("limit", "100000"),
        ("per_page", "100000"),
        ("offset", "0"),
        ("sort", "owner"),
        ("order", "desc"),
        ("format", "csv"),
        ("export", "true"),
        ("deleted", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let sub = claim(second, "sub").unwrap_or_default();
    for name in [
        "owner",
        "user",
        "user_id",
        "userId",
        "sub",
        "account",
        "customer",
        "filter[owner]",
        "q",
        "search",
    ] {
        questions.push((name.to_owned(), sub.clone()));
    }
    if let Some(Value::String(tenant)) = tenant(second) {
        for name in ["tenant", "tenant_id", "org", "org_id"] {
            questions.push((name.to_owned(), tenant.clone()));
        }
    }
    let mut probes: Vec<Probe> = questions
        .into_iter()
        .map(|(name, value)| {
            let target = planner.with_query(&name, &value);
            let what = format!("the first caller's list with {name}={value}");
            theirs.probe(planner, &what, planner.at(&target, Some(planner.token)))
        })
        .collect();
    let path = planner.target.path.trim_end_matches('/');
    for tail in ["", "/export", "/all", "/search", "/count", ".csv"] {
        let target = format!("{path}{tail}");
        let what = format!("the first caller asks for {target}");
        probes.push(theirs.probe(planner, &what, planner.at(&target, Some(planner.token))));
    }
    probes
}

/// The first caller's token beside the second one's tenant.
pub(super) fn tenants(planner: &Planner<'_>, theirs: &Theirs) -> Vec<Probe> {
    let route = their_route(planner);
    let asks = || planner.at(&route, Some(planner.token));
    let mut probes = Vec::new();
    if let Some(host) = &planner.extras.second.host {
        let what = format!("the first caller's token at {host}");
        probes.push(theirs.probe(planner, &what, named(asks(), host)));
        for name in ["X-Forwarded-Host", "X-Original-Host", "X-Host"] {
            let what = format!("{name} names {host}");
            probes.push(theirs.probe(planner, &what, asks().with(name, host.as_str())));
        }
    }
    let second = planner.extras.second_token.as_deref().unwrap_or_default();
    if let Some(Value::String(tenant)) = tenant(second) {
        let own = || planner.target.request(Some(planner.token));
        for name in [
            "X-Tenant-Id",
            "X-Tenant",
            "X-TenantId",
            "X-Org-Id",
            "X-Organization-Id",
            "X-Scope-OrgID",
        ] {
            let what = format!("{name} names the second caller's tenant");
            probes.push(theirs.probe(planner, &what, own().with(name, tenant.as_str())));
        }
        for name in ["tenant", "tenant_id", "org_id"] {
            let target = planner.with_query(name, &tenant);
            let what = format!("{name} in the query names the second caller's tenant");
            probes.push(theirs.probe(planner, &what, planner.at(&target, Some(planner.token))));
        }
    }
    probes
}

/// Other ways to write the last segment of `theirs`, beside that of `own`.
pub(super) fn other_spellings(own: &str, theirs: &str) -> Vec<String> {
    let Some((parent, id)) = theirs.rsplit_once('/') else {
        return Vec::new();
    };
    let own = own.rsplit_once('/').map_or("", |(_, own)| own);
    let mut ids = vec![
        format!("{own},{id}"),
        format!("{id},{own}"),
        format!("[{id}]"),
        format!("{id}%20"),
        format!("%20{id}"),
        format!("{id}%00"),
        format!("{id}%0a"),
        format!("{id}.json"),
        format!("{id};x=1"),
        format!("{own}?id={id}"),
        format!("{own}?id={own}&id={id}"),
        format!("{own}%26id={id}"),
        id.bytes().map(|byte| format!("%{byte:02x}")).collect(),
    ];
    match id.parse::<u64>() {
        Ok(number) => ids.extend([
            format!("0{id}"),
            format!("+{id}"),
            format!("{id}.0"),
            format!("{id}e0"),
            format!("0x{number:x}"),
            format!("-{id}"),
        ]),
        Err(_) => {
            let turned = [id.to_uppercase(), id.to_lowercase(), id.replace('-', "")];
            ids.extend(turned.into_iter().filter(|other| other != id));
        }
    }
    ids.into_iter().map(|id| format!("{parent}/{id}")).collect()
}

/// The first caller asks, and then somebody else at the same address.
pub(super) fn cached(planner: &Planner<'_>, second: &str, is_refused: bool) -> Vec<Probe> {
    let (ours, token) = (&planner.calibration.answers[0], planner.token);
    let query = |number: u32| planner.with_query("doorward", &planner.noise(621_000 + number));
    let as_if_still = |number: u32| {
        let path = planner.target.path.trim_end_matches('/');
        format!("{path}/{}.css", planner.noise(622_000 + number))
    };
    let kept = ours.body.clone();
    let question = Question::new(move |answer| {
        let is_kept = answer.is_success() && answer.body == kept && !kept.is_empty();
        is_kept.then(|| "what was kept for the first caller is given to somebody else".to_owned())
    });
    let after = |what: &str, target: &str, other: Option<&str>| {
        let first = planner.at(target, Some(token));
        Probe::with_valid(what, first, Expect::Ask(question.clone()), token)
            .then(planner.at(target, other))
            .hiding(second)
    };
    let mut probes = vec![
        after("the second caller after the first", &query(1), Some(second)),
        after("nobody after the first caller", &query(2), None),
        after(
            "nobody, at what looks like a style sheet",
            &as_if_still(1),
            None,
        ),
        after(
            "the second caller, at what looks like a style sheet",
            &as_if_still(2),
            Some(second),
        ),
    ];
    if let (Some(etag), true) = (ours.header("etag"), is_refused) {
        let request = planner
            .target
            .request(Some(second))
            .with("If-None-Match", etag);
        let unchanged = Question::new(|answer| {
            let is_told = answer.status == 304;
            is_told.then(|| "somebody who is refused is told that nothing changed".to_owned())
        });
        let what = "the second caller with the first one's ETag";
        probes.push(Probe::with_valid(
            what,
            request,
            Expect::Ask(unchanged),
            second,
        ));
    }
    probes
}

#[cfg(test)]
mod tests {
    use super::other_spellings;

    #[test]
    fn identifiers_are_spelled_anew() {
        let spelled = other_spellings("/orders/7", "/orders/42");
        for one in [
            "/orders/042",
            "/orders/0x2a",
            "/orders/7,42",
            "/orders/%34%32",
        ] {
            assert!(spelled.contains(&one.to_owned()), "{one}: {spelled:?}");
        }
        assert!(!spelled.contains(&"/orders/42".to_owned()));
    }
}
