//! How much one caller may ask, and whose word is taken for who it is.

use std::time::Duration;

use doorward_gateway::{
    Config, Limits,
    rate::{Per, RateLimit},
};

use crate::harness::{House, Plan, Tokens, request, tokens::FOREIGN_ISSUER};

fn limit(per: Per, requests: u32) -> RateLimit {
    RateLimit {
        name: "calls".into(),
        per,
        requests,
        window: Duration::from_secs(3600),
    }
}

fn house(config: impl FnOnce(&mut Config) + 'static) -> House {
    House::start(Plan {
        config: Box::new(config),
        ..Plan::default()
    })
}

#[test]
fn requests_of_an_address_run_out_and_are_told() {
    let mut house = house(|config| config.rates = vec![limit(Per::Address, 2)]);
    for left in [1, 0] {
        let reply = house.get("/health", &[]);
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.field("ratelimit-policy"),
            Some("\"calls\";q=2;w=3600")
        );
        let told = reply.field("ratelimit").unwrap().to_owned();
        assert!(
            told.starts_with(&format!("\"calls\";r={left};t=")),
            "{told}"
        );
        house.decision();
    }
    let reply = house.get("/health", &[]);
    assert_eq!(reply.status, 429);
    let seconds: u64 = reply.field("retry-after").unwrap().parse().unwrap();
    assert!((1_700..=1_800).contains(&seconds), "{seconds}");
    assert!(reply.text().contains("throttled"));
    let decision = house.decision();
    assert_eq!(decision.reason.code(), "throttled");
    assert_eq!(
        decision.checks.last().unwrap().seen,
        "more than 2 in 3600 s"
    );
    assert_eq!(house.upstream.seen().len(), 2);
}

#[test]
fn each_subject_and_each_client_has_its_own() {
    for per in [Per::Subject, Per::Client] {
        let house = house(move |config| config.rates = vec![limit(per, 1)]);
        let ask = |subject: &str, client: &str| {
            let mut claims = Tokens::claims(subject, &["orders:read"]);
            claims["client_id"] = client.into();
            let bearer = format!("Authorization: Bearer {}", house.tokens.sign(&claims));
            house.get("/orders", &[&bearer]).status
        };
        assert_eq!(ask("ann", "one"), 200);
        assert_eq!(ask("ann", "one"), 429, "{per:?}");
        let (other_client, other_subject) = (ask("ann", "two"), ask("bob", "one"));
        let by_subject = per == Per::Subject;
        assert_eq!(other_client == 429, by_subject);
        assert_eq!(other_subject == 429, !by_subject);
        assert_eq!(
            house.get("/health", &[]).status,
            200,
            "nobody is asked there"
        );
    }
}

#[test]
fn equal_names_of_two_issuers_do_not_spend_each_others() {
    for per in [Per::Subject, Per::Client] {
        let theirs = Tokens::new();
        let house = House::start(Plan {
            more_issuers: vec![theirs.foreign()],
            config: Box::new(move |config| config.rates = vec![limit(per, 1)]),
            ..Plan::default()
        });
        let ours = Tokens::claims("ann", &["orders:read"]);
        let mut foreign = ours.clone();
        foreign["iss"] = FOREIGN_ISSUER.into();
        let ask = |token: String| {
            let bearer = format!("Authorization: Bearer {token}");
            house.get("/orders", &[&bearer]).status
        };
        assert_eq!(ask(theirs.sign(&foreign)), 200, "{per:?}");
        assert_eq!(ask(theirs.sign(&foreign)), 429, "{per:?}");
        assert_eq!(ask(house.tokens.sign(&ours)), 200, "{per:?}: somebody else");
    }
}

#[test]
fn dos_002_tokens_of_unknown_keys_run_out_too() {
    let house = House::start(Plan {
        no_keys: true,
        config: Box::new(|config| config.rates = vec![limit(Per::Failure, 3)]),
        ..Plan::default()
    });
    for number in 0..6 {
        let reply = house.get_as_reader("/orders", &[]);
        assert_eq!(reply.status, if number < 3 { 401 } else { 429 });
    }
}

#[test]
fn dos_002_bad_tokens_run_out_before_they_are_looked_at() {
    let mut house = house(|config| config.rates = vec![limit(Per::Failure, 3)]);
    for _ in 0..5 {
        assert_eq!(
            house.get("/orders", &[]).status,
            401,
            "no token is no failure"
        );
        assert_eq!(house.get_as_reader("/orders", &[]).status, 200);
        house.decision();
        house.decision();
    }
    for number in 0..10 {
        let bad = format!("{}{number}", house.tokens.reader());
        let reply = house.get("/orders", &[&format!("Authorization: Bearer {bad}")]);
        assert_eq!(reply.status, if number < 3 { 401 } else { 429 });
        let decision = house.decision();
        if number >= 3 {
            assert_eq!(decision.checks.len(), 1, "nothing else was looked at");
        }
    }
}

#[test]
fn dos_015_one_address_does_not_take_every_place() {
    let house = House::with_limits(Limits {
        connections_per_address: Some(2),
        ..Limits::default()
    });
    let mut kept = [house.client(), house.client()];
    while house.gateway.connections() < 2 {
        std::thread::yield_now();
    }
    assert_eq!(house.client().reply().status, 503);
    for client in &mut kept {
        client.write(request("GET", "/health", &[]));
        assert_eq!(client.reply().status, 200);
    }
    drop(kept);
    while house.gateway.connections() > 0 {
        std::thread::yield_now();
    }
    assert_eq!(house.get("/health", &[]).status, 200);
}

#[test]
fn gwy_014_a_trusted_proxy_says_who_asks_and_a_stranger_does_not() {
    for (trusted, address) in [("127.0.0.0/8", "192.0.2.7"), ("10.0.0.0/8", "127.0.0.1")] {
        let mut house = house(move |config| {
            config.trusted_proxies = vec![trusted.parse().unwrap()];
            config.rates = vec![limit(Per::Address, 2)];
        });
        let fields = [
            "X-Forwarded-For: 198.51.100.1, 192.0.2.7",
            "Forwarded: for=203.0.113.9",
            "X-Forwarded-Host: evil.test",
        ];
        assert_eq!(house.get("/health", &fields).status, 200);
        let seen = house.upstream.only();
        assert_eq!(seen.field("x-forwarded-for"), Some(address));
        assert_eq!(seen.field("x-forwarded-host"), Some("api.test"));
        assert!(!seen.head.contains("203.0.113.9") && !seen.head.contains("198.51.100.1"));
        assert_eq!(house.decision().peer.unwrap().to_string(), address);
        // The limit follows the address that counts.
        let other = "X-Forwarded-For: 192.0.2.8";
        let statuses = [(); 3].map(|()| house.get("/health", &[other]).status);
        let spoofed = trusted.starts_with("10");
        assert_eq!(
            statuses,
            if spoofed {
                [200, 429, 429]
            } else {
                [200, 200, 429]
            }
        );
    }
}

#[test]
fn gwy_014_the_proxy_protocol_is_asked_of_trusted_proxies_only() {
    let introduced = |trusted: &'static str, bytes: &str| {
        let house = house(move |config| {
            config.trusted_proxies = vec![trusted.parse().unwrap()];
            config.proxy_protocol = true;
        });
        let mut client = house.client();
        client.write(bytes);
        let reply = client.try_reply(false).map(|reply| reply.status);
        let seen = house.upstream.seen();
        let address = seen.first().and_then(|seen| seen.field("x-forwarded-for"));
        (reply, address.map(str::to_owned))
    };
    let asked = request("GET", "/health", &[]);
    let line = "PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n";
    let (status, address) = introduced("127.0.0.1", &format!("{line}{asked}"));
    assert_eq!((status, address.as_deref()), (Some(200), Some("192.0.2.7")));
    let (status, address) = introduced("127.0.0.1", &asked);
    assert_eq!(
        (status, address),
        (None, None),
        "a proxy that does not say who asks"
    );
    let (status, address) = introduced("10.0.0.1", &format!("{line}{asked}"));
    assert_eq!(
        (status, address),
        (Some(400), None),
        "a stranger that says so"
    );
    let (status, address) = introduced("10.0.0.1", &asked);
    assert_eq!((status, address.as_deref()), (Some(200), Some("127.0.0.1")));
}
