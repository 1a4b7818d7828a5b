//! The single values: addresses, names, lifetimes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use doorward_gateway::identity::{IdentityHeader, IdentityHeaders};
use doorward_issuer::PostgresUrl;
use http::Uri;
use toml::de::{DeTable, DeValue};

use super::Config;
use super::document::Reader;
use super::problem::Fault;

/// Why a value is refused, and what to write instead.
pub(super) struct Refusal {
    why: String,
    help: String,
    /// Whether the value holds a secret and is not to be shown.
    secret: bool,
}

pub(super) fn refuse<T>(why: impl Into<String>, help: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal {
        why: why.into(),
        help: help.into(),
        secret: false,
    })
}

/// Refuses a URL with a user name and, as likely, a password in it.
pub(super) fn without_user(text: &str, key: &str) -> Result<(), Refusal> {
    match text.contains('@') {
        false => Ok(()),
        true => Err(Refusal {
            why: format!("`{key}` holds a user name or password"),
            help: "leave out what stands before the `@`, and the `@`".to_owned(),
            secret: true,
        }),
    }
}

/// Refuses a URL with a query, in which a key or a password is as likely.
pub(super) fn without_query(text: &str, key: &str, instead: &str) -> Result<(), Refusal> {
    match text.contains('?') {
        false => Ok(()),
        true => Err(Refusal {
            why: format!("`{key}` has a query"),
            help: instead.to_owned(),
            secret: true,
        }),
    }
}

/// Reads the string at `key` and turns it into a value.
pub(super) fn value<T>(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    key: &str,
    example: &str,
    parse: impl FnOnce(&str) -> Result<T, Refusal>,
) -> Option<T> {
    let word = reader.string(table.get(key)?, key, example)?;
    match parse(word.text) {
        Ok(value) => Some(value),
        Err(Refusal { why, help, secret }) => {
            let fault = Fault::at(word.span, why).help(help);
            reader.fault(if secret { fault.hidden() } else { fault });
            None
        }
    }
}

pub(super) fn listen(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    key: &str,
) -> Option<SocketAddr> {
    value(reader, table, key, "127.0.0.1:4180", |text| {
        text.parse().or_else(|_| {
            let why = format!("`{key}` must be an address and a port");
            match text.rsplit_once(':') {
                Some(("localhost", port)) => refuse(why, format!("write `127.0.0.1:{port}`")),
                Some(("", port)) => refuse(
                    why,
                    format!("write `127.0.0.1:{port}`, or `0.0.0.0:{port}` for every interface"),
                ),
                _ => refuse(why, "write it like `127.0.0.1:4180` or `[::1]:4180`"),
            }
        })
    })
}

/// Two listeners on one address cannot be.
pub(super) fn one_listener_each(reader: &mut Reader<'_>, table: &DeTable<'_>, config: &Config) {
    one_for_questions(reader, table, config);
    let (Some(public), Some(admin)) = (config.listen, config.admin_listen) else {
        return;
    };
    if public != admin || public.port() == 0 {
        return;
    }
    if let (Some(public), Some(admin)) = (table.get("listen"), table.get("admin_listen")) {
        reader.fault(
            Fault::at(admin.span(), "`admin_listen` is the address of `listen`")
                .label("taken")
                .related(public.span(), "by the gateway")
                .help("give the admin listener a port of its own, and keep it on loopback"),
        );
    }
}

fn one_for_questions(reader: &mut Reader<'_>, table: &DeTable<'_>, config: &Config) {
    let Some(asked_at) = config.forward_auth.as_ref().map(|asked| asked.listen) else {
        return;
    };
    for (key, taken) in [
        ("listen", config.listen),
        ("admin_listen", config.admin_listen),
    ] {
        let place = table.get("forward_auth").zip(table.get(key));
        if let (Some(taken), Some((section, other))) = (taken, place)
            && taken == asked_at
            && taken.port() != 0
        {
            reader.fault(
                Fault::at(
                    section.span(),
                    format!("[forward_auth] has the address of `{key}`"),
                )
                .label("taken")
                .related(other.span(), "by this")
                .help("give it a port of its own, like `127.0.0.1:4183`"),
            );
        }
    }
}

/// `key = true`, or nothing.
pub(super) fn is_stated(reader: &mut Reader<'_>, table: &DeTable<'_>, key: &str) -> bool {
    table
        .get(key)
        .is_some_and(|value| reader.stated(value, key))
}

/// Protocols that a request may change to, in lower case.
pub(super) fn upgrades(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Vec<String> {
    let Some(value) = table.get("upgrade") else {
        return Vec::new();
    };
    let mut upgrades = Vec::new();
    for word in reader.strings(value, "upgrade", "websocket") {
        let lower = word.text.to_ascii_lowercase();
        let is_token = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
        let fault = if lower.is_empty() || !lower.chars().all(is_token) {
            Fault::at(word.span, "this is not the name of a protocol")
        } else if lower.starts_with("h2") || lower.starts_with("http") || lower.starts_with("tls") {
            // A tunnel of requests that nobody judges.
            Fault::at(
                word.span,
                "requests inside another protocol would be judged by nobody",
            )
        } else {
            upgrades.push(lower);
            continue;
        };
        reader.fault(fault.help("the usual is `upgrade = [\"websocket\"]`"));
    }
    upgrades
}

/// The servers with the API: one, or an array of several.
pub(super) fn upstreams(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Vec<Uri> {
    const EXAMPLE: &str = "http://127.0.0.1:9000";
    let Some(value) = table.get("upstream") else {
        return Vec::new();
    };
    let words = match value.get_ref() {
        DeValue::Array(_) => reader.strings(value, "upstream", EXAMPLE),
        _ => reader
            .string(value, "upstream", EXAMPLE)
            .into_iter()
            .collect(),
    };
    let mut upstreams = Vec::new();
    for word in words {
        match upstream(word.text) {
            Ok(uri) => upstreams.push(uri),
            Err(Refusal { why, help, secret }) => {
                let fault = Fault::at(word.span, why).help(help);
                reader.fault(if secret { fault.hidden() } else { fault });
            }
        }
    }
    upstreams
}

fn upstream(text: &str) -> Result<Uri, Refusal> {
    without_user(text, "upstream")?;
    let example = "write it like `http://127.0.0.1:9000`";
    let Ok(uri) = text.parse::<Uri>() else {
        return refuse("`upstream` must be a URL", example);
    };
    let Some(authority) = uri.authority() else {
        return refuse("`upstream` must be a whole URL", example);
    };
    let Some(scheme @ ("http" | "https")) = uri.scheme_str() else {
        return refuse("`upstream` must be an `http://` or `https://` URL", example);
    };
    if uri.path() != "/" || uri.query().is_some() || text.contains('#') {
        return refuse(
            "`upstream` is a server, without a path",
            format!("write `{scheme}://{authority}`; requests keep their own path"),
        );
    }
    Ok(uri)
}

/// Whose certificates are believed of an `https://` upstream.
pub(super) fn upstream_ca(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Option<PathBuf> {
    value(reader, table, "upstream_ca", "ca.pem", |text| match text {
        "" => refuse(
            "`upstream_ca` must name a PEM file",
            "write it like `ca.pem`",
        ),
        text => Ok(PathBuf::from(text)),
    })
}

const IDENTITY_HEADERS: [(&str, IdentityHeader); 4] = [
    ("subject", IdentityHeader::Subject),
    ("tenant", IdentityHeader::Tenant),
    ("roles", IdentityHeader::Roles),
    ("session", IdentityHeader::Session),
];

/// What upstreams are told of a proven caller; all of it, if nothing is said.
pub(super) fn identity_headers(reader: &mut Reader<'_>, table: &DeTable<'_>) -> IdentityHeaders {
    let Some(value) = table.get("identity_headers") else {
        return IdentityHeaders::default();
    };
    let mut told = Vec::new();
    for word in reader.strings(value, "identity_headers", "subject") {
        let known = |(name, _): &&(&str, _)| *name == word.text;
        match IDENTITY_HEADERS.iter().find(known) {
            Some((_, header)) => told.push(*header),
            None => reader.fault(
                Fault::at(word.span, format!("`{}` is no identity header", word.text)).help(
                    "what can stand here is `subject`, `tenant`, `roles` and `session`; another \
                     issuer's `issuer` is always told",
                ),
            ),
        }
    }
    told.into_iter().collect()
}

pub(super) fn database(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Option<PostgresUrl> {
    let example = "postgres://doorward@db.internal/doorward";
    value(reader, table, "database", example, |text| {
        let secret = |why: String, help: &str| Refusal {
            why,
            help: help.to_owned(),
            secret: true,
        };
        let url = PostgresUrl::parse(text).map_err(|error| {
            secret(
                format!("`database` is not the address of a PostgreSQL database: {error}"),
                "write it like `postgres://doorward@db.internal/doorward`; without it the state \
                 is a SQLite file in the data folder",
            )
        })?;
        match url.has_password() {
            true => Err(secret(
                "`database` holds a password".to_owned(),
                "leave it out, and give it in PGPASSWORD, in ~/.pgpass, or with the whole address \
                 in DOORWARD_DATABASE",
            )),
            false => Ok(url),
        }
    })
}

pub(super) fn issuer(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Option<String> {
    origin(reader, table, "issuer", "https://auth.example.com")
}

pub(super) fn public_origin(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Option<String> {
    origin(reader, table, "public_origin", "https://api.example.com")
}

/// Scheme, host and port. Compared byte for byte, so there is one way to write
/// it.
fn origin(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    key: &str,
    example: &str,
) -> Option<String> {
    value(reader, table, key, example, |text| {
        without_user(text, key)?;
        let help = format!("write it like `{example}`");
        let (Ok(uri), false) = (text.parse::<Uri>(), text.contains('#')) else {
            return refuse(format!("`{key}` must be a URL"), help);
        };
        let (Some(scheme @ ("https" | "http")), Some(authority)) =
            (uri.scheme_str(), uri.authority())
        else {
            return refuse(format!("`{key}` must be an `https://` URL"), help);
        };
        let origin = format!("{scheme}://{authority}");
        if text != origin || authority.as_str().contains('@') {
            return refuse(
                format!("`{key}` is an origin: scheme, host and port, nothing after it"),
                match authority.as_str().contains('@') {
                    true => help,
                    false => format!("write `{origin}`"),
                },
            );
        }
        Ok(origin)
    })
}

/// `[dpop]`: whether a proof of possession must carry a nonce.
pub(super) fn dpop_nonce(reader: &mut Reader<'_>, table: &DeTable<'_>) -> bool {
    let read = |reader: &mut Reader<'_>| {
        let help = "write `[dpop]`, and its keys in the lines below";
        let dpop = reader.table(table.get("dpop")?, "dpop", help)?;
        reader.unknown_keys(dpop, "[dpop]", &["nonce"]);
        value(reader, dpop, "nonce", "required", |text| match text {
            "required" => Ok(true),
            "off" => Ok(false),
            _ => refuse(
                "`nonce` must be `required` or `off`",
                "write `nonce = \"required\"`, or leave it out",
            ),
        })
    };
    read(reader).unwrap_or(false)
}

pub(super) fn audience(reader: &mut Reader<'_>, table: &DeTable<'_>, key: &str) -> Option<String> {
    value(reader, table, key, "orders-api", |text| {
        let unfit = |c: char| c.is_whitespace() || c.is_control();
        if text.is_empty() || text.len() > 255 || text.contains(unfit) {
            return refuse(
                format!("`{key}` must be a name of 1 to 255 bytes without blanks"),
                "name the API that the tokens are for, like `orders-api`",
            );
        }
        Ok(text.to_owned())
    })
}

/// Reads `30s`, `5m`, `12h` or `7d`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let split = text.len().checked_sub(1)?;
    let seconds = match text.get(split..)? {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    let number = text.get(..split)?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok()?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        for (text, seconds) in [
            ("30s", 30),
            ("5m", 300),
            ("12h", 43_200),
            ("7d", 604_800),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in [
            "",
            "s",
            "5",
            "5 m",
            "-5m",
            "+5m",
            "5M",
            "1.5h",
            "5ms",
            "5µ",
            "99999999999999999999d",
            "18446744073709551615d",
        ] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
