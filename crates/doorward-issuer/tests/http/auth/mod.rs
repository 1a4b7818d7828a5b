//! `/auth/*`.

mod guessing;
mod refresh;
mod report_api_key;
mod sign_in;
mod sign_out;
mod timing;
