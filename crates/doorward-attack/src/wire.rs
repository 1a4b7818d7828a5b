//! One request, one answer, as bytes.
//!
//! Requests are written by hand, because half of them are such as no client
//! library sends; answers are read by `httparse`, the parser under hyper, with
//! a bound on everything. One connection each: what one probe leaves behind
//! must not colour the answer to the next. No redirect is followed.

mod answer;
mod network;
mod request;
mod tls;

pub use self::{
    answer::{Answer, Outcome},
    network::{Network, NetworkError},
    request::Request,
    tls::{Clock, Roots},
};
