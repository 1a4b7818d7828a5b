//! `/oauth2/*`.

mod introspect;
mod revoke;
mod token;
