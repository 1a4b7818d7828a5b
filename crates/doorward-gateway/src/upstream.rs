//! Forwarding to the API behind the gateway.
//!
//! Takes only a [`Permitted`] request. Bodies stream both ways with
//! back-pressure; nothing is collected. A request is sent a second time, and
//! never a third, if the connection died before a byte of the answer and the
//! request is idempotent and has no body (or was never put on the wire at all).
//! The connection must have come from the pool, or have been a new one of
//! HTTP/1.1 that ended at once, with another server to ask: what works for long
//! and then hangs up may be the request's doing. RFC 9110 section 9.2.2, RFC 9112
//! section 9.3.1.

mod address;
mod body;
mod connection;
mod forwarding;
mod line;
mod member;
mod outcome;
mod overheard;
mod pool;
mod sending;
mod trip;
mod upload;

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use doorward_policy::{decision::Reason, permit::Permitted};
use doorward_verify::principal::Principal;
use http::{
    HeaderValue, Request, Response, StatusCode, Version,
    header::{CONNECTION, HOST, UPGRADE},
    uri::PathAndQuery,
};
use hyper::body::{Body as _, Incoming};
use tokio::time::{Instant, MissedTickBehavior, interval};

pub(crate) use address::{is_at, is_origin, is_tls};
pub(crate) use body::Relayed;
use body::{Outgoing, Upload};
pub(crate) use connection::Switched;
use connection::{Connection, Heard};
pub(crate) use forwarding::Forwarding;
pub use line::{NoRoots, UpstreamRoots};
pub(crate) use member::Member;
use outcome::{Failed, judged, may_trail};
use pool::Pool;
use sending::Sending;
use trip::{Copied, Ours, Trip, is_idempotent};

use crate::{
    arrival::Caller,
    config::{Limits, UpstreamProtocol},
    fields::Field,
    gate::{Screened, upgrade},
    gateway::Inner,
    hop::{self, Inbound},
    identity::Identity,
    tally::Counting,
    trace::Trace,
    tunnel::Tunnel,
    wire::exchange::Exchange,
};

/// The API behind the gateway, as one worker reaches it.
#[derive(Debug)]
pub(crate) struct Upstream {
    inner: Arc<Inner>,
    /// Of each member.
    pools: Vec<Rc<Pool>>,
    turn: Cell<usize>,
    limits: Arc<Limits>,
    counting: Rc<Counting>,
}

/// Where a request comes from.
pub(crate) struct Origin {
    /// Whose it is.
    pub(crate) caller: Caller,
    /// The caller's connection.
    pub(crate) exchange: Rc<Exchange>,
    /// Who was proven to ask.
    pub(crate) principal: Option<Principal>,
    /// The trace that it belongs to.
    pub(crate) trace: Trace,
    /// When it was found to be permitted: just now.
    pub(crate) since: Instant,
}

/// Why a permitted request got no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    /// By blame: the caller's 4xx, the upstream's 502 or 504.
    pub(crate) reason: Reason,
    /// What happened.
    pub(crate) seen: String,
}

impl Failure {
    fn new(reason: Reason, seen: impl Into<String>) -> Self {
        Self {
            reason,
            seen: seen.into(),
        }
    }
}

impl Upstream {
    /// The API at `members`.
    pub(crate) fn new(inner: Arc<Inner>, limits: Arc<Limits>, counting: Rc<Counting>) -> Self {
        let (config, members) = (&inner.config, &inner.members);
        // The processes' file descriptors were counted for all of them.
        let share = limits.upstream_idle_connections.div_ceil(members.len());
        let pool = |(home, member): (usize, &Arc<Member>)| {
            Pool::new(
                (home, share),
                &member.origin,
                (config.upstream_protocol, config.upstream_roots.clone()),
                Arc::clone(&limits),
            )
        };
        Self {
            pools: members.iter().enumerate().map(pool).collect(),
            turn: Cell::new(0),
            limits,
            counting,
            inner,
        }
    }

    fn members(&self) -> &[Arc<Member>] {
        &self.inner.members
    }

    /// Drops idle connections that are too old, for ever.
    pub(crate) async fn sweep(&self) {
        let mut ticks = interval(self.limits.upstream_idle_timeout.max(SHORTEST_TICK));
        loop {
            ticks.tick().await;
            for pool in &self.pools {
                pool.sweep();
            }
        }
    }

    /// Asks every member for `path`, for ever.
    pub(crate) async fn probe(&self, path: &PathAndQuery) {
        let mut ticks = interval(self.limits.health_interval.max(SHORTEST_TICK));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for (member, pool) in self.members().iter().zip(&self.pools) {
                member.checked(pool.is_healthy(path).await);
            }
        }
    }

    /// A connection to the member with the least to do. Where one cannot be
    /// reached the next is asked: nothing was sent yet.
    async fn checkout(
        &self,
        how: Checkout,
        tried: &mut Vec<usize>,
    ) -> Result<Box<Connection>, Failure> {
        loop {
            let turn = self.turn.get();
            self.turn.set(turn.wrapping_add(1) % self.members().len());
            let home = member::choose(self.members(), tried, turn);
            let member = &self.members()[home];
            let Some(load) = member.enter(self.limits.upstream_requests) else {
                // It has the least to do, so all are full.
                let seen = "as many requests at the upstream as allowed";
                return Err(Failure::new(Reason::Overloaded, seen));
            };
            let connected = match how {
                Checkout::Any => self.pools[home].checkout().await,
                Checkout::New => self.pools[home].renew().await,
                Checkout::Changing => self.pools[home].connect(UpstreamProtocol::Http1).await,
            };
            match connected {
                Ok(connection) => return Ok(connection.bearing(load)),
                Err(failure) => {
                    member.failed();
                    tried.push(home);
                    if self
                        .members()
                        .iter()
                        .enumerate()
                        .all(|(index, _)| tried.contains(&index))
                    {
                        return Err(failure);
                    }
                }
            }
        }
    }

    /// The connection that waits where `checkout` would look first, if there is
    /// one: mostly there is, and nothing has to be waited for.
    fn at_hand(&self, now: Instant) -> Option<Box<Connection>> {
        let turn = self.turn.get();
        let home = member::choose(self.members(), &[], turn);
        let load = self.members()[home].enter(self.limits.upstream_requests)?;
        let connection = self.pools[home].at_hand(now)?;
        self.turn.set(turn.wrapping_add(1) % self.members().len());
        Some(connection.bearing(load))
    }

    /// Sends the request; what comes is the answer's head with its body
    /// streaming behind it.
    pub(crate) fn forward(
        self: &Rc<Self>,
        permitted: Permitted<Screened<Incoming>>,
        identity: Option<Identity>,
        origin: Origin,
    ) -> Forwarding {
        let upstream = Rc::clone(self);
        let since = origin.since;
        let principal = origin.principal.clone();
        let (request, trip) = self.prepare(permitted, identity, origin);
        if trip.may_switch {
            return Forwarding::rare(
                async move { upstream.change(request, trip, principal).await },
            );
        }
        if trip.waits_for_its_body {
            return Forwarding::rare(async move {
                upstream.begin_upload(request, trip, principal).await
            });
        }
        match self.at_hand(since) {
            Some(connection) => Forwarding::usual(upstream, connection, request, trip),
            None => Forwarding::rare(async move { upstream.connect(request, trip).await }),
        }
    }

    /// Where no connection waits.
    async fn connect(
        &self,
        request: Request<Outgoing>,
        trip: Box<Trip>,
    ) -> Result<Response<Relayed>, Failure> {
        let mut tried = Vec::new();
        let mut connection = self.checkout(Checkout::Any, &mut tried).await?;
        trip.sending.touch();
        match self.send(&mut connection, request, &trip).await {
            Ok(answer) => Ok(self.relay(connection, answer, trip)),
            Err(failed) => self.again(connection, failed, trip).await,
        }
    }

    /// The request as the upstream gets it.
    fn prepare(
        &self,
        permitted: Permitted<Screened<Incoming>>,
        identity: Option<Identity>,
        origin: Origin,
    ) -> (Request<Outgoing>, Box<Trip>) {
        let Screened { request, fields } = permitted.into_inner();
        let (mut head, incoming) = request.into_parts();
        let protocol = match fields.have(Field::Upgrade) {
            true => upgrade::protocol(&head.headers, &self.inner.config.upgrades),
            false => None,
        };
        let may_switch = protocol.is_some();
        let host = head.headers.get(HOST);
        let ours = Ours {
            version: head.version,
            introduction: host.and_then(|host| origin.exchange.introduce(origin.caller, host)),
            trace: origin.trace,
            identity,
        };
        let is_bodiless = incoming.is_end_stream();
        let inbound = Inbound {
            is_streamed: head.version == Version::HTTP_2 && !is_bodiless,
            protocol,
        };
        // Without a length it may be one half of a conversation, whose other half the
        // caller waits for; and who expects to be asked sends nothing before.
        let waits_for_its_body = !is_bodiless
            && head.version != Version::HTTP_2
            && !fields.have(Field::Expect)
            && fields.have(Field::ContentLength);
        hop::to_upstream(&mut head.headers, fields, inbound, &self.inner.names);
        let sending = match is_bodiless {
            true => Sending::nothing(origin.since),
            false => Sending::upload(origin.since),
        };
        let may_repeat = is_bodiless && is_idempotent(&head.method) && !may_switch;
        let trip = Box::new(Trip {
            method: head.method,
            target: head.uri,
            repeat: may_repeat.then(|| Copied::of(&head.headers)),
            ours,
            may_switch,
            waits_for_its_body,
            sending,
            exchange: origin.exchange,
        });
        let body = match is_bodiless {
            true => Outgoing::Empty,
            false => self.upload(incoming, &trip),
        };
        (trip.request(head.headers, body), trip)
    }

    fn upload(&self, incoming: Incoming, trip: &Trip) -> Outgoing {
        let (sending, exchange) = (trip.sending.clone(), Rc::clone(&trip.exchange));
        let upload = Upload::new(incoming, sending, exchange, Arc::clone(&self.inner.names));
        Outgoing::Upload(Box::new(match trip.ours.version {
            // The wire watches the only body of an HTTP/1.1 connection.
            Version::HTTP_2 => upload.watched(Arc::clone(&self.limits)),
            _ => upload,
        }))
    }

    /// Asks for a change of protocol, on a connection of its own. The upstream
    /// may answer in HTTP all the same.
    async fn change(
        &self,
        request: Request<Outgoing>,
        trip: Box<Trip>,
        principal: Option<Principal>,
    ) -> Result<Response<Relayed>, Failure> {
        let asked = request.headers().get(UPGRADE).cloned();
        let mut connection = self.checkout(Checkout::Changing, &mut Vec::new()).await?;
        let handed_over = connection.hand_over();
        trip.sending.touch();
        let sent = self.send(&mut connection, request, &trip).await;
        let mut answer = sent.map_err(|failed| failed.failure)?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            connection.stay();
            return Ok(self.relay(connection, answer, trip));
        }
        let named = answer.headers().get(UPGRADE);
        let is_asked = |(asked, named): (&HeaderValue, &HeaderValue)| {
            asked.as_bytes().eq_ignore_ascii_case(named.as_bytes())
        };
        if !asked.as_ref().zip(named).is_some_and(is_asked) {
            let seen = "a change to a protocol that nobody asked for";
            return Err(Failure::new(Reason::UpstreamBroken, seen));
        }
        let headers = answer.headers_mut();
        hop::to_caller(headers);
        headers.extend(asked.map(|asked| (UPGRADE, asked)));
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        trip.exchange.open(Tunnel {
            upstream: handed_over,
            principal,
        });
        let stall = self.limits.answer_stall_timeout;
        Ok(answer.map(|body| Relayed::new(body, None, stall, trip.exchange)))
    }

    /// A second try, where that is safe.
    async fn again(
        &self,
        connection: Box<Connection>,
        failed: Box<Failed>,
        trip: Box<Trip>,
    ) -> Result<Response<Relayed>, Failure> {
        let (was_reused, home) = (connection.is_reused(), connection.home());
        let ended_at_once = connection.is_exclusive() && trip.sending.is_recent(AT_ONCE);
        drop(connection);
        let may_repeat = was_reused || ended_at_once && self.has_another(home);
        let Failed {
            failure,
            unsent,
            was_silent,
        } = *failed;
        let again = match unsent {
            Some(unsent) => Some(unsent),
            None if was_silent && may_repeat => trip.repeated(),
            None => None,
        };
        let Some(request) = again else {
            return Err(failure);
        };
        // Another server, if there is one: this one hung up.
        let mut tried = match self.members().len() {
            1 => Vec::new(),
            _ => vec![home],
        };
        let fresh = self.checkout(Checkout::New, &mut tried).await;
        // What went wrong first says more than that nobody else could be asked.
        let mut fresh = fresh.map_err(|_| failure)?;
        trip.sending.touch();
        match self.send(&mut fresh, request, &trip).await {
            Ok(answer) => Ok(self.relay(fresh, answer, trip)),
            Err(failed) => Err(failed.failure),
        }
    }

    /// Whether a server that seems well is there besides the one at `home`.
    fn has_another(&self, home: usize) -> bool {
        let others = self
            .members()
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != home);
        others
            .map(|(_, member)| member)
            .any(|member| member.is_available())
    }

    async fn send(
        &self,
        connection: &mut Connection,
        request: Request<Outgoing>,
        trip: &Trip,
    ) -> Result<Response<Incoming>, Box<Failed>> {
        self.counting.sent(connection.is_reused());
        let limit = self.limits.answer_timeout;
        let answer = connection.answer(request, &trip.sending, limit).await;
        self.credit(answer, connection, trip)
    }

    /// What came back, which the server is remembered for.
    fn credit(
        &self,
        answer: Option<Heard>,
        connection: &Connection,
        trip: &Trip,
    ) -> Result<Response<Incoming>, Box<Failed>> {
        let member = &self.members()[connection.home()];
        let sent = judged(answer, connection, trip);
        match &sent {
            Ok(_) => member.succeeded(),
            // What died while it waited for work says nothing of the server.
            Err(failed) if connection.is_reused() && failed.was_silent => {}
            Err(failed) if failed.failure.reason.is_failure() => member.failed(),
            Err(_) => {}
        }
        sent
    }

    fn relay(
        &self,
        connection: Box<Connection>,
        answer: Response<Incoming>,
        trip: Box<Trip>,
    ) -> Response<Relayed> {
        let (mut head, body) = answer.into_parts();
        // An HTTP/1.0 answer makes hyper speak HTTP/1.0 on that connection
        // from then on, which has no chunked requests.
        let is_kept = head.version == Version::HTTP_11 && !may_trail(&trip.method, &head);
        let pool = &self.pools[connection.home()];
        let lease = pool.lease(connection, trip.sending, is_kept);
        hop::to_caller(&mut head.headers);
        head.version = Version::HTTP_11;
        trip.exchange.begin_answer();
        let stall = self.limits.answer_stall_timeout;
        Response::from_parts(head, Relayed::new(body, Some(lease), stall, trip.exchange))
    }
}

/// Which connection is wanted.
#[derive(Clone, Copy)]
enum Checkout {
    /// One that waits, or a new one.
    Any,
    New,
    /// One that may change the protocol.
    Changing,
}

/// A connection that ends within this time was not ended by what was asked.
const AT_ONCE: Duration = Duration::from_secs(1);

/// An interval may not be zero.
const SHORTEST_TICK: Duration = Duration::from_millis(100);
