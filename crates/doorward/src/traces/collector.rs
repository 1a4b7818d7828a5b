//! Where spans are sent: what a collector is shown, and what its answer means.
//!
//! Its status decides: what may follow a good one says how many spans it has not,
//! and one that cannot be read says nothing.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use doorward_verify::{clock::Clock, jwks::trust_anchors::TrustAnchors};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use tokio_rustls::rustls::ClientConfig;

use crate::{
    config::CollectorUrl,
    one_request::{self, Body, Destination, Fault, Patience},
};

/// Ten seconds in all.
const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(3),
    answer: Duration::from_secs(7),
};

/// Far more than a collector has to say.
const MAX_ANSWER: usize = 64 * 1024;

/// Longest wait that a collector may ask for.
const MAX_WAIT: u64 = 60;

/// Where spans are sent. Holds secrets of an operator, so it cannot be printed.
pub(crate) struct Collector {
    url: CollectorUrl,
    headers: HeaderMap,
    tls: Option<Arc<ClientConfig>>,
}

/// What a collector made of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has all but so many.
    Taken { rejected: u64 },
    /// It will not have them, asked again or not.
    Refused(String),
    /// It could not take them now; it may have said how long to wait.
    Later(String, Option<Duration>),
}

impl Collector {
    /// The collector at `url`, which is shown `headers`. `https` needs
    /// `trust_anchors`, whose certificates are judged by `clock`.
    pub(crate) fn new(
        url: CollectorUrl,
        headers: HeaderMap,
        trust_anchors: Option<&TrustAnchors>,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let tls = trust_anchors.map(|anchors| anchors.client_config(Arc::clone(clock)));
        Self { url, headers, tls }
    }

    /// Its address.
    pub(super) fn url(&self) -> &CollectorUrl {
        &self.url
    }

    /// Sends one batch.
    pub(super) async fn post(&self, body: Bytes) -> Answer {
        let (head, body) = match self.exchange(body).await {
            Ok(answer) => answer.into_parts(),
            Err(why) => return Answer::Later(why, None),
        };
        let body = match head.status.is_success() {
            true => body.read(MAX_ANSWER).await.unwrap_or_default(),
            false => Bytes::new(),
        };
        judged(&Response::from_parts(head, body))
    }

    /// Sends `body`, and waits for the head of the answer.
    async fn exchange(&self, body: Bytes) -> Result<Response<Body>, String> {
        let tls = match (self.url.is_https, &self.tls) {
            (true, None) => return Err("no root certificates for https".to_owned()),
            (is_https, tls) => tls.as_ref().filter(|_| is_https),
        };
        let destination = Destination {
            host: &self.url.host,
            port: self.url.port,
            tls,
        };
        let request = self.request(body).map_err(|error| told(&error))?;
        let answer = one_request::send(destination, request, PATIENCE).await;
        answer.map_err(|fault| match fault {
            Fault::Unconnected(error) => told(&error),
            Fault::Broken(error) => told(&*error),
            Fault::Late => "no answer in time".to_owned(),
        })
    }

    fn request(&self, body: Bytes) -> Result<Request<Bytes>, http::Error> {
        let agent = concat!("doorward/", env!("CARGO_PKG_VERSION"));
        let mut request = Request::post(&self.url.path)
            .header(header::HOST, &self.url.authority)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, agent)
            .header(header::CONNECTION, "close")
            .body(body)?;
        request.headers_mut().extend(self.headers.clone());
        Ok(request)
    }
}

/// By the OTLP specification: 2xx is an answer, four of the others are worth
/// another try, and all else is final.
fn judged(answer: &Response<Bytes>) -> Answer {
    let status = answer.status();
    if status.is_success() {
        let rejected = rejected(answer.body()).unwrap_or(0);
        return Answer::Taken { rejected };
    }
    let why = format!("it answers {status}");
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Answer::Later(why, wait(answer.headers())),
        _ => Answer::Refused(why),
    }
}

/// `Retry-After` in seconds; a date is not worth a calendar.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let seconds: u64 = value.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(MAX_WAIT)))
}

/// `partialSuccess.rejectedSpans`: a text, as 64-bit numbers are, or a number.
fn rejected(body: &[u8]) -> Option<u64> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let rejected = answer.get("partialSuccess")?.get("rejectedSpans")?;
    let text = rejected.as_str().map(str::parse);
    text.and_then(Result::ok).or_else(|| rejected.as_u64())
}

/// An error with its causes.
fn told(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The fields of a file, `Name: value` in each line. Its content is not said in
/// an error.
pub(crate) fn fields(text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let lines = (1..).zip(text.lines().map(str::trim));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let wrong = || format!("line {number} is not `Name: value`");
        let (name, value) = line.split_once(':').ok_or_else(wrong)?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| wrong())?;
        let mut value = HeaderValue::try_from(value.trim()).map_err(|_| wrong())?;
        if RESERVED.contains(&name) {
            return Err(format!("line {number}: `{name}` is not to be chosen"));
        }
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// What the exchange itself says.
const RESERVED: [HeaderName; 6] = [
    header::HOST,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::USER_AGENT,
];

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::{sync::Arc, time::Duration};

    use bytes::Bytes;
    use doorward_verify::clock::Clock;
    use http::{HeaderMap, Response};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::{Answer, Collector, fields, judged};
    use crate::{config::CollectorUrl, system::SystemClock};

    fn answered(status: u16, wait: Option<&str>, body: &'static str) -> Answer {
        let mut answer = Response::builder().status(status);
        if let Some(wait) = wait {
            answer = answer.header("retry-after", wait);
        }
        judged(&answer.body(Bytes::from_static(body.as_bytes())).unwrap())
    }

    #[test]
    fn only_four_answers_are_worth_another_try() {
        for status in [429, 502, 503, 504] {
            let later = answered(status, Some("7"), "");
            assert!(matches!(later, Answer::Later(_, Some(wait)) if wait.as_secs() == 7));
        }
        for status in [301, 400, 401, 403, 404, 413, 500, 501] {
            let answer = answered(status, Some("7"), "");
            assert!(matches!(answer, Answer::Refused(_)), "{status}");
        }
        for (wait, wanted) in [
            ("100000", Some(Duration::from_secs(60))),
            ("Sun, 22 Nov 2026 12:00:00 GMT", None),
            ("-1", None),
        ] {
            let answer = answered(503, Some(wait), "");
            assert!(
                matches!(answer, Answer::Later(_, seen) if seen == wanted),
                "{wait}"
            );
        }
    }

    /// Sent again they would be there twice.
    #[tokio::test]
    async fn what_a_collector_took_is_taken_however_the_answer_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let url = CollectorUrl::parse(&url).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let collector = Collector::new(url, HeaderMap::new(), None, &clock);
        let long = format!("Content-Length: 70000\r\n\r\n{}", " ".repeat(70_000));
        let answers = [
            ("200 OK", "Content-Length: 9\r\n\r\n{", true),
            ("200 OK", &long, true),
            ("503 Busy", "Content-Length: 9\r\n\r\n{", false),
        ];
        for (status, rest, is_taken) in answers {
            let answering = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut seen = Vec::new();
                while !seen.ends_with(b"{}") {
                    assert_ne!(stream.read_buf(&mut seen).await.unwrap(), 0);
                }
                let answer = format!("HTTP/1.1 {status}\r\n{rest}");
                // Nobody has to read all of it.
                let _ = stream.write_all(answer.as_bytes()).await;
            };
            let posted = collector.post(Bytes::from_static(b"{}"));
            let ((), answer) = tokio::join!(answering, posted);
            let taken = answer == Answer::Taken { rejected: 0 };
            assert_eq!(taken, is_taken, "{status}: {answer:?}");
        }
    }

    #[test]
    fn a_collector_may_take_a_part() {
        for (body, rejected) in [
            ("{}", 0),
            ("", 0),
            ("no json", 0),
            (r#"{"partialSuccess":{"rejectedSpans":"3"}}"#, 3),
            (r#"{"partialSuccess":{"rejectedSpans":3}}"#, 3),
            (r#"{"partialSuccess":{"errorMessage":"slow down"}}"#, 0),
        ] {
            assert_eq!(
                answered(200, None, body),
                Answer::Taken { rejected },
                "{body}"
            );
        }
    }

    #[test]
    fn a_file_of_fields_says_its_faults_and_no_secret() {
        let good = fields("# of the collector\nAuthorization: Basic YTpi\n\nX-Org: 7\n").unwrap();
        assert_eq!(good["authorization"], "Basic YTpi");
        assert!(!format!("{good:?}").contains("YTpi"));
        for bad in ["secret", "A B: secret", "X: \u{1}secret", "Host: secret"] {
            let why = fields(&format!("\n{bad}")).unwrap_err();
            assert!(why.contains("line 2") && !why.contains("secret"), "{why}");
        }
    }
}
