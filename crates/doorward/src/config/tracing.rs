//! `[tracing]`: the collector that spans are sent to, and which ones.

use std::{net::IpAddr, path::PathBuf};

use doorward_gateway::sampling::Ratio;
use http::Uri;
use toml::de::{DeTable, DeValue};

use super::{
    bounds::count,
    document::{Reader, wrong_type},
    problem::Fault,
    settings::{is_stated, refuse, value, without_query, without_user},
};

const EXAMPLE: &str = "http://127.0.0.1:4318/v1/traces";

/// Spans in one second when the file says nothing.
const PER_SECOND: u32 = 100;

/// What `[tracing]` says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tracing {
    /// Where spans go.
    pub(crate) endpoint: CollectorUrl,
    /// Of requests without a caller's trace, how many.
    pub(crate) ratio: Ratio,
    /// Spans in one second, over all.
    pub(crate) per_second: u32,
    /// `service.name`.
    pub(crate) service_name: String,
    /// The file with fields that the collector is shown.
    pub(crate) headers_file: Option<PathBuf>,
    /// Whose certificates are believed of the collector.
    pub(crate) ca_file: Option<PathBuf>,
    /// Whether spans name their subject.
    pub(crate) subject: bool,
}

/// The address of a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CollectorUrl {
    /// Whether it is `https`.
    pub(crate) is_https: bool,
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    /// Where it listens.
    pub(crate) port: u16,
    /// Host and port as they are written.
    pub(crate) authority: String,
    /// Its path: a query would be shown wherever the address is.
    pub(crate) path: String,
}

impl CollectorUrl {
    /// Reads a whole URL, path included; none if it is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host();
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let is_path = !text.contains(['#', '?']) && uri.path().len() > 1;
        let is_whole = is_path && !host.is_empty();
        is_whole.then(|| Self {
            is_https,
            host: bare.unwrap_or(host).to_owned(),
            port: uri.port_u16().unwrap_or(if is_https { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: uri.path().to_owned(),
        })
    }

    /// Whether what is sent can be read on the way.
    fn is_exposed(&self) -> bool {
        let address: Option<IpAddr> = self.host.parse().ok();
        let is_here = address.map_or(self.host == "localhost", |it| it.is_loopback());
        !self.is_https && !is_here
    }
}

impl std::fmt::Display for CollectorUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

/// Where spans go; nowhere without the section, and where it is not whole.
pub(super) fn tracing(reader: &mut Reader<'_>, table: &DeTable<'_>) -> Option<Tracing> {
    let written = table.get("tracing")?;
    let help = "write `[tracing]`, and its keys in the lines below";
    let section = reader.table(written, "tracing", help)?;
    let keys = [
        "endpoint",
        "ratio",
        "max_per_second",
        "service_name",
        "headers_file",
        "ca_file",
        "subject",
    ];
    reader.unknown_keys(section, "[tracing]", &keys);
    if section.get("endpoint").is_none() {
        let missing = Fault::at(written.span(), "[tracing] lacks `endpoint`");
        reader.fault(missing.help(format!("name the collector: `endpoint = \"{EXAMPLE}\"`")));
    }
    let endpoint = endpoint(reader, section);
    let headers_file = file(reader, section, "headers_file", "collector.headers");
    let subject = is_stated(reader, section, "subject");
    let is_exposed = endpoint.as_ref().is_some_and(CollectorUrl::is_exposed);
    for (key, is_asked, what) in [
        ("headers_file", true, "what the file holds"),
        ("subject", subject, "who calls"),
    ] {
        if let Some(place) = section.get(key).filter(|_| is_exposed && is_asked) {
            let title = format!("`{key}` and an `http://` endpoint on another machine");
            let help = format!("whoever is on the way reads {what}; write `https://`");
            reader.fault(Fault::at(place.span(), title).help(help));
        }
    }
    let (ratio, per_second) = (ratio(reader, section), per_second(reader, section));
    let service_name = service_name(reader, section);
    Some(Tracing {
        ca_file: file(reader, section, "ca_file", "ca.pem"),
        subject,
        ratio,
        per_second,
        service_name,
        headers_file,
        endpoint: endpoint?,
    })
}

fn endpoint(reader: &mut Reader<'_>, section: &DeTable<'_>) -> Option<CollectorUrl> {
    value(reader, section, "endpoint", EXAMPLE, |text| {
        without_user(text, "endpoint")?;
        let instead = "what the collector wants to see goes into `headers_file`: a field in a line";
        without_query(text, "endpoint", instead)?;
        CollectorUrl::parse(text).map_or_else(
            || {
                refuse(
                    "`endpoint` must be the whole URL of a collector's traces",
                    format!("OTLP over HTTP, with its path: `{EXAMPLE}`"),
                )
            },
            Ok,
        )
    })
}

/// A number from 0 to 1.
fn ratio(reader: &mut Reader<'_>, section: &DeTable<'_>) -> Ratio {
    let Some(value) = section.get("ratio") else {
        return Ratio::default();
    };
    let text = match value.get_ref() {
        DeValue::Float(number) => number.as_str(),
        DeValue::Integer(number) => number.as_str(),
        other => {
            let wrong = wrong_type(value, "ratio", "a number", other);
            reader.fault(wrong.help("write `ratio = 0.1` for one request in ten"));
            return Ratio::default();
        }
    };
    let ratio = text.parse().ok().and_then(Ratio::of);
    if ratio.is_none() {
        let fault = Fault::at(value.span(), "`ratio` must be from 0 to 1");
        reader.fault(fault.help("write `ratio = 0.1` for one request in ten"));
    }
    ratio.unwrap_or_default()
}

fn per_second(reader: &mut Reader<'_>, section: &DeTable<'_>) -> u32 {
    let count = count(reader, section, "max_per_second");
    count.map_or(PER_SECOND, |count| u32::try_from(count).unwrap_or(u32::MAX))
}

fn service_name(reader: &mut Reader<'_>, section: &DeTable<'_>) -> String {
    let name = value(reader, section, "service_name", "orders-gateway", |text| {
        if text.is_empty() || text.len() > 255 || text.contains(char::is_control) {
            let help = "write it as you want to find it, like `orders-gateway`";
            return refuse("`service_name` must be a name of 1 to 255 bytes", help);
        }
        Ok(text.to_owned())
    });
    name.unwrap_or_else(|| "doorward".to_owned())
}

fn file(
    reader: &mut Reader<'_>,
    section: &DeTable<'_>,
    key: &str,
    example: &str,
) -> Option<PathBuf> {
    value(reader, section, key, example, |text| match text {
        "" => refuse(
            format!("`{key}` must name a file"),
            format!("write it like `{example}`"),
        ),
        text => Ok(PathBuf::from(text)),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::CollectorUrl;

    #[test]
    fn an_address_is_whole() {
        let url = CollectorUrl::parse("http://[::1]:4318/v1/traces").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("::1", 4318));
        assert_eq!(url.to_string(), "http://[::1]:4318/v1/traces");
        for (text, exposed) in [
            ("http://127.0.0.1:4318/v1/traces", false),
            ("http://localhost/v1/traces", false),
            ("http://collector:4318/v1/traces", true),
            ("https://collector/v1/traces", false),
        ] {
            let url = CollectorUrl::parse(text).unwrap();
            assert_eq!(url.is_exposed(), exposed, "{text}");
        }
        for text in [
            "collector:4318",
            "grpc://a/b",
            "http://a",
            "http://a/",
            "http:///x",
            "http://a/b#c",
            "http://a/b?key=c",
            "",
        ] {
            assert_eq!(CollectorUrl::parse(text), None, "{text}");
        }
    }
}
