//! What a caller may not choose while signing in: tenant, role, and the name
//! of the server.

use doorward_jose::{json::Value, token::Inspected};

use super::{
    Step,
    conversation::{Conversation, Halt},
    endpoint::Values,
    judge::{Came, Found},
};
use crate::wire::Answer;

type Talk<'t, 'c, 'r> = &'t mut Conversation<'c, 'r>;

const CANARY: &str = "doorward-attack.example";

pub(super) async fn play(talk: Talk<'_, '_, '_>, id: &str) -> Result<Came, Halt> {
    match id {
        "ISS-021" => host(talk).await,
        _ => chosen(talk).await,
    }
}

/// ISS-021: a server that believes `Host` signs and mails links to anywhere.
async fn host(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let forwarded = format!("host={CANARY};proto=http");
    let fields: [(&str, &str); 6] = [
        ("Host", CANARY),
        ("X-Forwarded-Host", CANARY),
        ("Forwarded", &forwarded),
        ("X-Original-Host", CANARY),
        ("X-Forwarded-Server", CANARY),
        ("X-Host", CANARY),
    ];
    let plain = talk.sign_in(&talk.login.values()).await?;
    if shows(&plain.answer, CANARY) {
        return Err(Halt::Unclear(
            "the canary is in the honest answer".to_owned(),
        ));
    }
    for (name, value) in fields {
        let values = talk.login.values().field(name, value);
        let answer = talk.ask(Step::SignIn, &values).await?;
        if shows(&answer, CANARY) {
            return Ok(Found::proof(
                Step::SignIn,
                format!("signing in with {name}: {value}"),
                "the answer, or the token in it, names that host as the server's own",
            )
            .seen_in(&answer));
        }
    }
    let is_mail_seen = talk.login.endpoint(Step::ResetRequest).is_some()
        && talk.login.endpoint(Step::Mailbox).is_some()
        && talk.login.allows(super::Leave::SendMail);
    match is_mail_seen {
        // Each costs a mail, and there should not be many of those (BRU-014).
        true => mailed(talk, &fields[..2]).await,
        false => Ok(Came::Held(
            "links in mails were not seen: that takes [reset_request], [mailbox] and leave to \
             send mail"
                .to_owned(),
        )),
    }
}

/// The links of a reset's mail.
async fn mailed(talk: Talk<'_, '_, '_>, fields: &[(&str, &str)]) -> Result<Came, Halt> {
    for (name, value) in fields {
        let values = talk.login.values().field(name, value);
        let answer = talk.ask(Step::ResetRequest, &values).await?;
        let values = talk.login.values();
        let mail = talk.ask(Step::Mailbox, &values).await?;
        if shows(&answer, CANARY) || mail.text().contains(CANARY) {
            return Ok(Found::proof(
                Step::ResetRequest,
                format!("asking for a reset with {name}: {value}"),
                "the mail links to that host: the token in it goes to whoever runs it",
            )
            .seen_in(&answer));
        }
    }
    Ok(Came::HELD)
}

/// Whether the text stands in the answer or in a claim of a token inside it.
fn shows(answer: &Answer, text: &str) -> bool {
    let in_fields = answer.headers.iter().any(|(_, value)| value.contains(text));
    in_fields
        || answer.text().contains(text)
        || tokens(answer).iter().any(|claims| claims.contains(text))
}

/// The claims of every token in the answer, as text.
fn tokens(answer: &Answer) -> Vec<String> {
    let text = answer.text();
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
    let jws = words
        .filter(|word| word.starts_with("eyJ"))
        .filter_map(|word| Inspected::parse(word).ok());
    jws.map(|jws| Value::Object(jws.payload).to_string())
        .collect()
}

/// ISS-036: a tenant or role that the caller names and has no part in.
async fn chosen(talk: Talk<'_, '_, '_>) -> Result<Came, Halt> {
    let tenant = talk
        .login
        .other_tenant
        .clone()
        .unwrap_or_else(|| "doorward-attack".to_owned());
    let role = "doorward-attack-admin".to_owned();
    let members = [
        ("tenant", &tenant),
        ("tenant_id", &tenant),
        ("tid", &tenant),
        ("org", &tenant),
        ("org_id", &tenant),
        ("organization", &tenant),
        ("role", &role),
        ("roles", &role),
        ("scope", &role),
    ];
    let fields = [
        ("X-Tenant", &tenant),
        ("X-Tenant-Id", &tenant),
        ("X-Org-Id", &tenant),
        ("X-Roles", &role),
        ("X-Doorward-Tenant", &tenant),
        ("X-Doorward-Roles", &role),
    ];
    let in_body = members.iter().map(|(name, value)| {
        (
            format!("member `{name}`"),
            talk.login.values().member(name, value.as_str()),
            *value,
        )
    });
    let in_header = fields.iter().map(|(name, value)| {
        (
            format!("header {name}"),
            talk.login.values().field(name, value),
            *value,
        )
    });
    let all: Vec<(String, Values, &String)> = in_body.chain(in_header).collect();
    let plain = talk.sign_in(&talk.login.values()).await?;
    if claimed(&plain.access, &tenant) || claimed(&plain.access, &role) {
        return Err(Halt::NotApplicable(
            "the account has that tenant already; name another by `other_tenant`".to_owned(),
        ));
    }
    for (what, values, value) in all {
        let Some(tokens) = talk.may_sign_in(&values).await? else {
            continue;
        };
        if claimed(&tokens.access, value) {
            return Ok(Found::proof(
                Step::SignIn,
                format!("{what} of the sign-in names {value}"),
                "the token claims it: the caller chooses whose rights it has",
            )
            .seen_in(&tokens.answer));
        }
    }
    Ok(match talk.login.other_tenant {
        Some(_) => Came::HELD,
        None => Came::Held(
            "tried with a tenant that does not exist; `other_tenant` names one that does"
                .to_owned(),
        ),
    })
}

/// Whether a claim of the token is this value, or a list that holds it.
fn claimed(token: &str, value: &str) -> bool {
    let Ok(jws) = Inspected::parse(token) else {
        return false;
    };
    let is = |claim: &Value| match claim {
        Value::String(text) => text.split(' ').any(|word| word == value),
        Value::Array(items) => items.iter().any(|item| item == value),
        _ => false,
    };
    jws.payload.values().any(is)
}
