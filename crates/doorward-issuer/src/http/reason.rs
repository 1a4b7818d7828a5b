//! `GET /.well-known/doorward/reasons/{code}`: what a problem document's
//! `type` resolves to, in plain words.
//!
//! Every reason has its page, also those that strangers never hear by name:
//! the list of reasons is public, only which of them applied is not.

use axum::{
    extract::{Path, rejection::PathRejection},
    response::Response,
};
use doorward_policy::decision::{Audience, Reason};
use http::HeaderMap;

use super::{answer::Document, error::Refusal};

/// Where it is; `doorward_verify::problem` makes the links.
pub(super) const PATH: &str = "/.well-known/doorward/reasons/{code}";

/// Pages change with the version of Doorward, not in between.
const MAX_AGE: u64 = 24 * 3600;

pub(super) async fn get(
    code: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    // A code that is not UTF-8 is one that does not exist.
    let text = code.ok().and_then(|Path(code)| page(&code));
    let text = text.ok_or(Refusal::new(Reason::NoRoute))?;
    let document = Document {
        media_type: "text/plain; charset=utf-8",
        max_age: MAX_AGE,
        text,
    };
    Ok(document.answer(&headers))
}

fn page(code: &str) -> Option<String> {
    if code == "invalid_token" {
        return Some(INVALID_TOKEN.to_owned());
    }
    let reason = Reason::ALL
        .iter()
        .copied()
        .find(|reason| reason.code() == code)?;
    let told = match reason.audience() {
        Audience::Anyone => "anyone",
        Audience::ProvenCaller => "a caller whose token is proven; anyone else hears invalid_token",
        Audience::Operator => "the operator only; callers hear the general word of the status",
    };
    Some(format!(
        "{code} ({status})\n\n{title}.\n{advice}\nTold to: {told}.\n",
        status = reason.status(),
        title = sentence(reason.title()),
        advice = advice(reason),
    ))
}

const INVALID_TOKEN: &str = "invalid_token (401)\n\n\
    The token is not accepted.\n\
    Sign in, or refresh, and send the new access token. Whoever runs this server finds the exact \
    reason with `doorward explain TRACE-ID`; the trace id is in the answer.\n\n\
    Told to: anyone.\n";

fn sentence(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// What the caller can do, by what is wrong.
fn advice(reason: Reason) -> &'static str {
    match reason {
        Reason::NoToken | Reason::MalformedCredential | Reason::AmbiguousCredential => {
            "Send one header `Authorization: Bearer TOKEN`, and the token nowhere else.\n"
        }
        Reason::TokenExpired | Reason::UserChanged => {
            "Refresh (POST /auth/refresh) and try again with the new access token.\n"
        }
        Reason::PreconditionFailed => {
            "Read it again and send the change with its new entity tag.\n"
        }
        Reason::BeyondOwnRights | Reason::ApiKeyNotAllowed => {
            "Ask somebody who holds those permissions, or whoever runs this server.\n"
        }
        Reason::SignInExpired => "Begin again: POST /auth/sign-in.\n",
        Reason::ResetRefused => {
            "Ask whoever runs this server for another reset token; each works once, and not for long.\n"
        }
        Reason::WrongCode => {
            "Wait for the next code of the authenticator, or use one of the recovery codes.\n"
        }
        Reason::WeakPassword => {
            "Choose 15 characters or more that are not made of common words, names or patterns; a few \
             unrelated words do well.\n"
        }
        Reason::SessionRevoked
        | Reason::TokenRevoked
        | Reason::InvalidGrant
        | Reason::RefreshReused => "Sign in again.\n",
        Reason::MissingPermission => {
            "Ask whoever runs this server for a role with the permission named in `detail`.\n"
        }
        Reason::WrongTenant | Reason::ConditionFailed => {
            "The token is good, but not for this resource; sign in to the resource's tenant.\n"
        }
        Reason::AmbiguousPath => {
            "Send the path in its plain form: no `//`, no `.` or `..` segments, no encoded slashes, \
             no `;`.\n"
        }
        Reason::Throttled
        | Reason::Overloaded
        | Reason::StoreUnavailable
        | Reason::ShuttingDown => "Wait as long as `Retry-After` says and try again.\n",
        Reason::ApiKeyExpired | Reason::ApiKeyRevoked | Reason::ApiKeyOwner => {
            "Ask whoever runs this server for another API key.\n"
        }
        Reason::UpstreamUnreachable | Reason::UpstreamBroken | Reason::UpstreamTimeout => {
            "The API behind the gateway is at fault; the request was allowed.\n"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use doorward_policy::decision::{Reason, Spoken};

    use super::page;

    #[test]
    fn every_word_that_a_problem_document_can_say_has_a_page() {
        for reason in Reason::ALL {
            for proven in [false, true] {
                let spoken: Spoken = reason.public(proven);
                assert!(page(spoken.code()).is_some(), "{}", spoken.code());
            }
            assert!(page(reason.code()).is_some(), "{}", reason.code());
        }
        assert!(page("nonsense").is_none());
    }
}
