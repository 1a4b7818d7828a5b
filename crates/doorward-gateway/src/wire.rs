//! What comes over the wire, before the HTTP library reads it.
//!
//! hyper parses HTTP/1.1 well but leniently: it drops a second Content-Length
//! and one that stands beside Transfer-Encoding, cuts a fragment off the
//! target, takes bare line feeds. By the time a request is a value, that is
//! no longer to be seen, and it is what request smuggling is made of. So the
//! bytes pass a strict lint first ([`framing`]), and only a head that a strict
//! reader finds without fault reaches hyper ([`watch`]). Two parsers must
//! agree on every boundary; where they could not, the connection ends.
//!
//! This is not a second HTTP implementation: nothing here is forwarded, and
//! no value read here takes part in a decision. RFC 9112 sections 2 to 7.

pub(crate) mod exchange;
pub(crate) mod frames;
pub(crate) mod framing;
pub(crate) mod head;
pub(crate) mod pace;
pub(crate) mod slices;
pub(crate) mod stall;
pub(crate) mod transport;
pub(crate) mod watch;

use doorward_policy::decision::Reason;

/// What is wrong with the bytes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The head breaks a rule of RFC 9112; says which.
    Head(&'static str),
    /// More than one reading of where the body ends; says which.
    Framing(&'static str),
    /// The chunked body breaks a rule; says which.
    Body(&'static str),
    /// The head is longer than the limit, or has too many fields.
    HeadTooLarge,
    /// The target is longer than the limit.
    TargetTooLong,
    /// The head did not arrive in time.
    HeadTimeout,
    /// The body stopped arriving.
    BodyTimeout,
    /// The connection ended inside the body.
    BodyCut,
}

impl Fault {
    /// The reason under which the request is turned away.
    pub(crate) const fn reason(self) -> Reason {
        match self {
            Self::Head(_) | Self::Framing(_) | Self::Body(_) | Self::BodyCut => Reason::BadRequest,
            Self::HeadTooLarge => Reason::HeadersTooLarge,
            Self::TargetTooLong => Reason::TargetTooLong,
            Self::HeadTimeout | Self::BodyTimeout => Reason::RequestTimeout,
        }
    }

    /// What was seen.
    pub(crate) const fn seen(self) -> &'static str {
        match self {
            Self::Head(what) | Self::Framing(what) | Self::Body(what) => what,
            Self::HeadTooLarge => "a head above the limit",
            Self::TargetTooLong => "a target above the limit",
            Self::HeadTimeout => "an unfinished head",
            Self::BodyTimeout => "a body that stopped arriving",
            Self::BodyCut => "the end of the connection inside the body",
        }
    }

    /// What was wanted.
    pub(crate) const fn wanted(self) -> &'static str {
        match self {
            Self::Head(_) => "a head as in RFC 9112",
            Self::Framing(_) => "one Content-Length of digits, or one Transfer-Encoding: chunked",
            Self::Body(_) => "chunks as in RFC 9112 section 7.1, without extensions",
            Self::HeadTooLarge => "fewer or shorter header fields",
            Self::TargetTooLong => "a shorter target",
            Self::HeadTimeout => "a whole head within the time limit",
            Self::BodyTimeout | Self::BodyCut => "the whole body",
        }
    }
}
