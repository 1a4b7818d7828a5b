//! The numbers of this process as OpenMetrics text, for Prometheus and what
//! reads like it (`docs/observability.md`).
//!
//! Nothing is counted here: the gateway's tally, the verifier's keys and feeds
//! are read when somebody asks. Every label is bounded by the configuration or
//! by a closed table; no path, caller, address or token becomes one.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use doorward_gateway::{
    Gateway,
    shadow::{self, Requests},
    tally::{BUCKETS, Place, PlaceTally, Tally, Timing, UpstreamState},
};
use doorward_policy::decision::Reason;
use doorward_verify::{
    clock::Clock as _,
    jose::time::UnixTime,
    key_source::Health,
    verifier::{TrustedIssuer, Verifier},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet, text},
    metrics::MetricType,
    registry::{Registry, Unit},
};

use crate::{system::SystemClock, traces::Counts};

/// OpenMetrics 1.0.
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that can be asked for.
pub(crate) struct Metrics(Registry);

impl Metrics {
    /// The numbers of a gateway, of what verifies its tokens, and of the spans
    /// that are sent to a collector, if there is one.
    pub(crate) fn of(
        gateway: Gateway,
        verifier: Arc<ArcSwap<Verifier>>,
        spans: Option<Arc<Counts>>,
    ) -> Self {
        let mut registry = Registry::with_prefix("doorward");
        registry.register_collector(Box::new(Sources {
            gateway,
            verifier,
            spans,
            started: SystemClock.now().unix(),
        }));
        Self(registry)
    }

    /// As the admin listener wants it.
    pub(crate) fn boxed(self) -> Box<dyn Fn() -> String + Send + Sync> {
        Box::new(move || self.text())
    }

    fn text(&self) -> String {
        let mut out = String::new();
        text::encode(&mut out, &self.0).expect("writing to a String cannot fail");
        out
    }
}

/// Where the numbers are.
struct Sources {
    gateway: Gateway,
    verifier: Arc<ArcSwap<Verifier>>,
    spans: Option<Arc<Counts>>,
    started: UnixTime,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.process(&mut page)?;
        self.spans.iter().try_for_each(|it| spans(it, &mut page))?;
        let tally = self.gateway.tally();
        requests(&tally, &mut page)?;
        upstreams(&tally, &self.gateway.upstreams(), &mut page)?;
        let verifier = self.verifier.load();
        tokens(&tally, &verifier, &mut page)?;
        trust(verifier.issuers(), SystemClock.now().unix(), &mut page)
    }
}

impl Sources {
    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        page.gauges(
            ("build", "The version that runs", None),
            [([("version", env!("CARGO_PKG_VERSION"))], 1.0)],
        )?;
        page.gauge(
            ("start_time", "When this process began", Some(Unit::Seconds)),
            float(self.started.as_secs()),
        )?;
        page.gauge(
            ("connections", "Connections of callers", None),
            count(self.gateway.connections()),
        )?;
        page.gauge(
            (
                "connections_resting",
                "Those of them in HTTP/1.1 that are held without more than the socket",
                None,
            ),
            count(self.gateway.resting()),
        )?;
        page.counter(
            "decisions_dropped",
            "Decisions that came faster than they could be written down",
            self.gateway.dropped_decisions(),
        )?;
        shadow(&self.gateway.shadow_counts().unwrap_or_default(), page)
    }
}

/// What came of the candidate beside the configuration. With another one it
/// begins anew.
fn shadow(counts: &shadow::Counts, page: &mut Page<'_>) -> fmt::Result {
    let Requests {
        same,
        opened,
        closed,
        other_reason,
        unknown,
        panicked,
    } = counts.requests;
    page.counters(
        "shadow_requests",
        "Requests by what the candidate beside the configuration would have said",
        [
            ([("result", "same")], same),
            ([("result", "opened")], opened),
            ([("result", "closed")], closed),
            ([("result", "other_reason")], other_reason),
            ([("result", "unknown")], unknown),
            ([("result", "panicked")], panicked),
        ],
    )?;
    let flips = counts.flips.iter().map(|((route, change), count)| {
        let route = route.as_deref().unwrap_or("(none)");
        ([("route", route), ("change", change.code())], *count)
    });
    page.counters(
        "shadow_flips",
        "Requests that the candidate would have decided otherwise, by route",
        flips,
    )
}

fn spans(counts: &Counts, page: &mut Page<'_>) -> fmt::Result {
    page.counter("spans_sent", "Spans that the collector has", counts.sent())?;
    let lost = counts.lost();
    page.counters(
        "spans_lost",
        "Spans that no collector has, and why",
        lost.iter().map(|(why, count)| ([("reason", *why)], *count)),
    )
}

fn requests(tally: &Tally, page: &mut Page<'_>) -> fmt::Result {
    let places = || {
        tally
            .places
            .iter()
            .map(|(place, tally)| (name(place), tally))
    };
    page.counters(
        "requests",
        "Requests that came to their end, by class of the status",
        places().flat_map(|(route, tally)| by_status(route, tally)),
    )?;
    page.counters(
        "decisions",
        "Why requests ended as they did",
        places().flat_map(|(route, tally)| by_reason(route, tally)),
    )?;
    let took = ("request_duration", "From a request's head to its answer's");
    page.histograms(
        took,
        places().map(|(route, tally)| ([("route", route)], tally.took)),
    )?;
    let judging = ("judging_duration", "From a request's head to its verdict");
    page.histogram(judging, tally.judging)?;
    let upstream = (
        "upstream_duration",
        "From the verdict to the head of the upstream's answer",
    );
    page.histogram(upstream, tally.upstream)
}

/// How a place is called where names are labels. No pattern begins so.
fn name(place: &Place) -> &str {
    match place {
        Place::Route(pattern) => pattern,
        Place::Own => "(doorward)",
        Place::Nowhere => "(none)",
        Place::Further => "(further)",
    }
}

type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

fn by_status<'a>(
    route: &'a str,
    tally: &PlaceTally,
) -> impl Iterator<Item = (Labels<'a, 2>, u64)> + use<'a> {
    let classes = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
    let counted = classes.into_iter().zip(tally.statuses);
    counted
        .filter(|(_, count)| *count > 0)
        .map(move |(class, count)| ([("route", route), ("status", class)], count))
}

fn by_reason<'a>(
    route: &'a str,
    tally: &'a PlaceTally,
) -> impl Iterator<Item = (Labels<'a, 3>, u64)> {
    tally.reasons.iter().map(move |(reason, count)| {
        let labels = [
            ("route", route),
            ("decision", decision(*reason)),
            ("reason", reason.code()),
        ];
        (labels, *count)
    })
}

const fn decision(reason: Reason) -> &'static str {
    match reason.status() {
        ..400 => "allowed",
        400..500 => "denied",
        _ => "failed",
    }
}

fn upstreams(tally: &Tally, states: &[UpstreamState], page: &mut Page<'_>) -> fmt::Result {
    page.counters(
        "upstream_requests",
        "Requests sent to the upstream, by the connection that they went on",
        [
            ([("connection", "new")], tally.connections_opened),
            ([("connection", "reused")], tally.connections_reused),
        ],
    )?;
    page.counters(
        "upstream_failures",
        "How often a server could not be reached or gave no whole answer",
        states.iter().map(|state| (at(state), state.failures)),
    )?;
    page.gauges(
        (
            "upstream_in_progress",
            "Requests in progress at a server",
            None,
        ),
        states
            .iter()
            .map(|state| (at(state), count(state.in_progress))),
    )?;
    page.gauges(
        (
            "upstream_available",
            "Whether a server is asked while others can be",
            None,
        ),
        states
            .iter()
            .map(|state| (at(state), f64::from(u8::from(state.is_available)))),
    )
}

fn at(state: &UpstreamState) -> Labels<'_, 1> {
    [("upstream", &state.origin)]
}

fn tokens(tally: &Tally, verifier: &Verifier, page: &mut Page<'_>) -> fmt::Result {
    page.counters(
        "tokens",
        "Good tokens: signature checked, or remembered from an earlier request",
        [
            ([("verified", "now")], tally.tokens_checked),
            ([("verified", "before")], tally.tokens_remembered),
        ],
    )?;
    let (remembered, bytes) = verifier.cached();
    page.gauge(
        ("tokens_remembered", "Tokens that are remembered", None),
        count(remembered),
    )?;
    page.gauge(
        (
            "tokens_remembered_size",
            "What they take, by estimate",
            Some(Unit::Bytes),
        ),
        float(bytes),
    )
}

fn trust(issuers: &[TrustedIssuer], now: UnixTime, page: &mut Page<'_>) -> fmt::Result {
    let of = |issuer: &'_ TrustedIssuer| issuer.keys().health(now);
    let states = [
        (Health::Fresh, "fresh"),
        (Health::Stale, "stale"),
        (Health::Expired, "expired"),
    ];
    let health = issuers.iter().flat_map(|issuer| {
        states.map(|(state, word)| {
            let labels = [("issuer", issuer.issuer()), ("state", word)];
            (labels, f64::from(u8::from(of(issuer) == state)))
        })
    });
    page.gauges(
        ("keys", "How far an issuer's keys can be relied on", None),
        health,
    )?;
    let fresh_until = issuers.iter().filter_map(|issuer| {
        let until = issuer.keys().fresh_until()?;
        Some(([("issuer", issuer.issuer())], float(until.as_secs())))
    });
    let until = (
        "keys_fresh_until",
        "Until when an issuer's keys need not be fetched again",
        Some(Unit::Seconds),
    );
    page.gauges(until, fresh_until)?;
    let ages = issuers.iter().filter_map(|issuer| {
        let age = issuer.feed()?.age_millis(now)?;
        Some(([("issuer", issuer.issuer())], float(age) / 1e3))
    });
    let age = (
        "revocations_age",
        "How old what is known of an issuer's revocations is",
        Some(Unit::Seconds),
    );
    page.gauges(age, ages)
}

fn count(count: usize) -> f64 {
    float(u64::try_from(count).unwrap_or(u64::MAX))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 285 years in microseconds, and whatever is counted here"
)]
const fn float(number: u64) -> f64 {
    number as f64
}

/// Name without prefix and unit, help, unit.
type Gauge = (&'static str, &'static str, Option<Unit>);

/// What is being written.
struct Page<'e>(DescriptorEncoder<'e>);

impl Page<'_> {
    fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        let mut family = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, u64, u64>(&count, None)
    }

    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in rows {
            let mut row = family.encode_family(&labels)?;
            row.encode_counter::<NoLabelSet, u64, u64>(&count, None)?;
        }
        Ok(())
    }

    fn gauge(&mut self, (name, help, unit): Gauge, value: f64) -> fmt::Result {
        let kind = MetricType::Gauge;
        let mut family = self.0.encode_descriptor(name, help, unit.as_ref(), kind)?;
        family.encode_gauge(&value)
    }

    fn gauges<L: EncodeLabelSet>(
        &mut self,
        (name, help, unit): Gauge,
        rows: impl IntoIterator<Item = (L, f64)>,
    ) -> fmt::Result {
        let kind = MetricType::Gauge;
        let mut family = self.0.encode_descriptor(name, help, unit.as_ref(), kind)?;
        for (labels, value) in rows {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn histogram(&mut self, (name, help): (&str, &str), timing: Timing) -> fmt::Result {
        let (unit, kind) = (Unit::Seconds, MetricType::Histogram);
        let mut family = self.0.encode_descriptor(name, help, Some(&unit), kind)?;
        let Distribution {
            sum,
            count,
            buckets,
        } = Distribution::of(timing);
        family.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn histograms<L: EncodeLabelSet>(
        &mut self,
        (name, help): (&str, &str),
        rows: impl IntoIterator<Item = (L, Timing)>,
    ) -> fmt::Result {
        let (unit, kind) = (Unit::Seconds, MetricType::Histogram);
        let mut family = self.0.encode_descriptor(name, help, Some(&unit), kind)?;
        for (labels, timing) in rows {
            let Distribution {
                sum,
                count,
                buckets,
            } = Distribution::of(timing);
            let mut row = family.encode_family(&labels)?;
            row.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

/// A [`Timing`] in seconds.
struct Distribution {
    sum: f64,
    count: u64,
    buckets: Vec<(f64, u64)>,
}

impl Distribution {
    fn of(timing: Timing) -> Self {
        let seconds = |micros| float(micros) / 1e6;
        let bounds = BUCKETS.into_iter().map(seconds);
        let bounds = bounds.chain([f64::INFINITY]);
        Self {
            sum: seconds(timing.micros),
            count: timing.counts.iter().sum(),
            buckets: bounds.zip(timing.counts).collect(),
        }
    }
}
