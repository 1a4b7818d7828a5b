//! An API, Doorward, and another proxy before both; and what must hold whichever
//! it is.

use std::{fs, net::SocketAddr, path::Path, process::Command};

use serde_json::Value;

use crate::harness::{Answer, Part, Place, Recorder, Server, request, send_raw};

const PAGE: &str = "../../docs/beside-other-proxies.md";

pub(super) const ROUTES: &str = r#"
[roles.reader]
permissions = ["orders:read"]

[roles.editor]
inherits = ["reader"]
permissions = ["orders:delete"]

[[route]]
match = "GET /orders/{id}"
allow = "orders:read"

[[route]]
match = "DELETE /orders/{id}"
allow = "orders:delete"

[[route]]
match = "GET /tenants/{tenant}/orders"
allow = "orders:read"
where = { tenant = "{tenant}" }

[[route]]
match = "GET /files/{*rest}"
public = true
"#;

/// The page's block in `language`.
fn block(language: &str) -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap();
    let opening = format!("\n```{language}\n");
    let (_, rest) = page.split_once(&opening).expect("the page has the block");
    let (block, _) = rest.split_once("\n```").expect("the block ends");
    format!("{block}\n")
}

/// An API, Doorward, and another proxy before both.
pub(super) struct House {
    pub(super) api: Recorder,
    pub(super) doorward: Server,
    pub(super) proxy: Part,
    pub(super) place: Place,
}

impl House {
    /// `start` gets the folder, the proxy's address, and the page's addresses
    /// replaced by those of this house in whatever it reads.
    pub(super) fn before(
        proxy: &str,
        start: impl FnOnce(&Path, SocketAddr, &dyn Fn(&str) -> String) -> Command,
    ) -> Self {
        Self::with(proxy, ROUTES, start)
    }

    pub(super) fn with(
        proxy: &str,
        routes: &str,
        start: impl FnOnce(&Path, SocketAddr, &dyn Fn(&str) -> String) -> Command,
    ) -> Self {
        let api = Recorder::start();
        let section = block("toml")
            .replace("127.0.0.1:4182", "127.0.0.1:0")
            .replace("proxy = \"nginx\"", &format!("proxy = \"{proxy}\""));
        let place = Place::with_demo_users().configured(&format!("{section}\n{routes}"));
        let config = place.config();
        let doorward = Server::start(&place.data(), &["--config", config.to_str().unwrap()]);
        let asked_at = doorward.ready["forward_auth"].as_str().unwrap();
        let asked_at = asked_at.trim_start_matches("http://");
        let asked_at = asked_at.trim_end_matches("/forward-auth");
        let folder = place.path().to_owned();
        let proxy = Part::start(|address| {
            let mended = |language: &str| {
                block(language)
                    .replace("127.0.0.1:4182", asked_at)
                    .replace("port_value: 4182", &port_of(asked_at))
                    .replace("port_value: 4180", &port_of(&doorward.gateway.to_string()))
                    .replace("port_value: 9000", &port_of(&api.address.to_string()))
                    .replace("127.0.0.1:4180", &doorward.gateway.to_string())
                    .replace("127.0.0.1:9000", &api.address.to_string())
                    .replace("/etc/haproxy", folder.to_str().unwrap())
                    .replace("bind :8080", &format!("bind {address}"))
                    .replace("listen 8080", &format!("listen {address}"))
                    .replace(
                        ":8080 {",
                        &format!("http://:{} {{\n\tbind 127.0.0.1", address.port()),
                    )
            };
            start(&folder, address, &mended)
        });
        Self {
            api,
            doorward,
            proxy,
            place,
        }
    }

    pub(super) fn call(
        &self,
        method: &str,
        target: &str,
        token: Option<&str>,
        more: &[(&str, &str)],
    ) -> Answer {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let mut headers = more.to_vec();
        headers.extend(bearer.as_deref().map(|bearer| ("Authorization", bearer)));
        request(self.proxy.address, method, target, &headers, b"")
    }

    /// What every proxy must do with this page.
    pub(super) fn is_sound(&self, denied: u16) {
        let (reader, editor) = (self.token("reader"), self.token("editor"));
        let none = self.call("GET", "/orders/7", None, &[]);
        assert_eq!(none.status, 401);
        assert_eq!(none.header("www-authenticate"), Some("Bearer"));
        assert_eq!(
            self.call("GET", "/orders/7", Some("made.up.token"), &[])
                .status,
            401
        );
        assert_eq!(
            self.call("DELETE", "/orders/7", Some(&reader), &[]).status,
            403
        );
        assert_eq!(
            self.call("GET", "/nowhere", Some(&reader), &[]).status,
            denied
        );
        assert_eq!(
            self.call("GET", "/tenants/other/orders", Some(&reader), &[])
                .status,
            403
        );
        assert_eq!(self.api.count(), 0, "{:?}", self.api.heads());

        assert_eq!(
            self.call("GET", "/orders/7?x=1", Some(&reader), &[]).status,
            200
        );
        assert_eq!(
            self.call("DELETE", "/orders/7", Some(&editor), &[]).status,
            200
        );
        let heads = self.api.heads();
        assert!(heads[0].starts_with("GET /orders/7?x=1 "), "{}", heads[0]);
        assert!(heads[1].starts_with("DELETE /orders/7 "), "{}", heads[1]);
        assert!(
            field(&heads[0], "x-doorward-subject").is_some(),
            "{}",
            heads[0]
        );
        assert_eq!(field(&heads[0], "x-doorward-tenant"), Some("acme"));
        assert_eq!(field(&heads[0], "x-doorward-roles"), Some("reader"));
        for gone in ["authorization", "x-api-key", "dpop"] {
            assert_eq!(field(&heads[0], gone), None, "{}", heads[0]);
        }
        self.nobody_writes_the_identity(&reader);
        self.nothing_overrides(&reader);
        self.judged_is_served(&reader);
        self.sign_out_counts_at_once();
    }

    /// GWY-012: neither on a public route, where Doorward vouches for nobody,
    /// nor beside a token.
    fn nobody_writes_the_identity(&self, reader: &str) {
        let forged = [
            ("X-Doorward-Subject", "root"),
            ("X-Doorward-Roles", "admin"),
            ("X-Doorward-Issuer", "https://evil.test"),
            ("X-Original-Method", "GET"),
            ("X-Api-Key", "not one"),
        ];
        for (target, token) in [("/files/a", None), ("/orders/7", Some(reader))] {
            let before = self.api.count();
            // A key beside a token is refused, so there it is left out.
            let forged = &forged[..if token.is_some() { 4 } else { 5 }];
            let answer = self.call("GET", target, token, forged);
            assert_eq!(answer.status, 200, "{answer:?}");
            let head = &self.api.heads()[before];
            assert!(!head.contains("root") && !head.contains("evil"), "{head}");
            assert!(
                !head.contains("admin") && !head.contains("not one"),
                "{head}"
            );
            // An empty one is Caddy's way to say that there is none.
            let subject = field(head, "x-doorward-subject").unwrap_or_default();
            assert_eq!(!subject.is_empty(), token.is_some(), "{head}");
        }
        // One proxy drops it, another refuses it.
        for alias in [
            "x_doorward_subject",
            "X-Doorward_Subject",
            "X_Doorward-Roles",
            "X.Doorward.Subject",
            "X-Doorward-Other",
            "X-User-Id",
            "X-User_Id",
            "Remote-User",
            "Remote_User",
            "X-SSL-Client-Verify",
        ] {
            self.never_arrives(reader, (alias, "root"));
        }
    }

    /// The API's framework would take another method or path from them than
    /// the judged one.
    fn nothing_overrides(&self, reader: &str) {
        for name in [
            "X-HTTP-Method-Override",
            "X-HTTP-Method_Override",
            "X_HTTP_Method_Override",
            "X-HTTP-Method",
            "X-Method-Override",
            "X-Original-Method",
            "X-Forwarded-Method",
            "X_Forwarded_Method",
        ] {
            self.never_arrives(reader, (name, "DELETE"));
        }
        for name in [
            "X-Original-URL",
            "X-Original_URL",
            "X-Rewrite-URL",
            "X_Rewrite-URL",
            "X-HTTP-Path-Override",
            "X-Original-URI",
            "X-Forwarded-Uri",
            "X-Forwarded_Uri",
        ] {
            self.never_arrives(reader, (name, "/admin"));
        }
        // The address as well, where the server takes both for one.
        for name in [
            "X_Forwarded_For",
            "X-Forwarded_For",
            "X_Forwarded-For",
            "X.Forwarded.For",
            "X_Real_IP",
        ] {
            self.never_arrives(reader, (name, "192.0.2.66"));
        }
    }

    /// Neither on a public route nor beside a token: either the request goes on
    /// without the field, or not at all.
    fn never_arrives(&self, reader: &str, forged: (&str, &str)) {
        for (target, token) in [("/files/a", None), ("/orders/7", Some(reader))] {
            let before = self.api.count();
            let answer = self.call("GET", target, token, &[forged]);
            let heads = self.api.heads()[before..].concat();
            assert!(!heads.contains(forged.1), "{forged:?}: {heads}");
            let went_on = answer.status == 200;
            assert_eq!(went_on, !heads.is_empty(), "{forged:?}: {answer:?}");
            assert!(went_on || matches!(answer.status, 400 | 403), "{answer:?}");
        }
    }

    /// GWY-008: whatever the spelling, the path that was judged is the one that
    /// the API is asked for; or the API is not asked.
    fn judged_is_served(&self, reader: &str) {
        assert_eq!(self.call("GET", "/files/now", None, &[]).status, 200);
        while self.doorward.next_decision()["decision"]["path"] != "/files/now" {}
        for target in [
            "/orders/7",
            "/orders/%37",
            "/%6frders/7",
            "//orders/7",
            "/files/../orders/7",
            "/files/..%2forders/7",
            "/files/%2e%2e/orders/7",
            "/files/%252e%252e/orders/7",
            "/files/..;/orders/7",
            "/files/.%2e/orders/7",
            "/files\\..\\orders",
            "/files/a%00",
            "/files/a;b=c",
            "/files/a?/orders/7",
            "/files//a",
            "/files/%C3%A9",
            "/files/%c3%a9",
            "/orders/7/",
            "/orders/7.",
            "/orders/7%20",
            "/ORDERS/7",
            "/auth/../orders/7",
            "/auth/..%2forders/7",
            "http://api.test/orders/7",
            "*",
        ] {
            let before = self.api.count();
            let message = format!(
                "GET {target} HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\
                 Authorization: Bearer {reader}\r\n\r\n"
            );
            let answer = send_raw(self.proxy.address, message.as_bytes());
            let heads = self.api.heads();
            let status = answer.map(|answer| answer.status);
            if heads.len() == before {
                assert_ne!(status, Some(200), "{target}: nobody served it");
                continue;
            }
            let head = &heads[before];
            let asked_for = head.split(' ').nth(1).unwrap();
            let path = asked_for.split('?').next().unwrap();
            let decision = self.next_allowed();
            assert_eq!(decision["path"], path, "{target} was served as {asked_for}");
        }
    }

    /// Denied ones in between are of requests that were not served.
    fn next_allowed(&self) -> Value {
        loop {
            let decision = &self.doorward.next_decision()["decision"];
            if decision["outcome"] == "allowed" {
                return decision.clone();
            }
        }
    }

    fn sign_out_counts_at_once(&self) {
        let session = self.doorward.sign_in("reader");
        let token = session["access_token"].as_str().unwrap();
        assert_eq!(self.call("GET", "/orders/7", Some(token), &[]).status, 200);
        // Through the proxy, as callers do.
        let answer = self.call("POST", "/auth/sign-out", Some(token), &[]);
        assert_eq!(answer.status, 204, "{answer:?}");
        assert_eq!(self.call("GET", "/orders/7", Some(token), &[]).status, 401);
    }

    /// Whoever is let in by nobody is let in nowhere.
    pub(super) fn ends_with_doorward(self, status: u16) {
        let Self {
            api,
            doorward,
            proxy,
            place: _place,
        } = self;
        let before = api.count();
        doorward.kill();
        let answer = request(proxy.address, "GET", "/files/a", &[], b"");
        assert_eq!(answer.status, status);
        assert_eq!(api.count(), before);
    }

    pub(super) fn token(&self, username: &str) -> String {
        self.doorward.access_token(username)
    }
}

/// As Envoy's page writes it.
fn port_of(address: &str) -> String {
    let port = address.rsplit(':').next().unwrap();
    format!("port_value: {port}")
}

pub(super) fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().skip(1).find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}
