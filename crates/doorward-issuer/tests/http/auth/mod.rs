//! `/auth/*`.

mod guessing;
mod refresh;
mod sign_in;
mod sign_out;
mod timing;
