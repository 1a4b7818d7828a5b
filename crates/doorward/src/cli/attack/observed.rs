//! Whether the target's own decision log holds what was sent: the other half
//! of a test is that an attack is noticed.

use bytes::Bytes;
use doorward_attack::{
    report::Report,
    verdict::{CaseResult, Seen},
};
use doorward_policy::decision::{Outcome, TraceId};
use http::{Request, header};

use crate::{
    admin_listener::{Explained, OperatorToken},
    cli::{Place, Workplace, explain::operator_token},
    client,
    exit::Failure,
};

/// Looks every request up that was answered with an id, at `admin` or at the
/// admin listener of the data folder.
pub(super) async fn look_up(
    place: &Place,
    admin: &str,
    report: &mut Report,
) -> Result<(), Failure> {
    let workplace = Workplace::open(place)?;
    let operator = operator_token(&workplace)?;
    let admin = match admin {
        "" => workplace.last_up.admin.clone(),
        admin => admin.trim_end_matches('/').to_owned(),
    };
    for result in &mut report.cases {
        if !result.traces.is_empty() {
            result.seen = Some(seen(&admin, &operator, result).await?);
        }
    }
    Ok(())
}

async fn seen(admin: &str, operator: &OperatorToken, result: &CaseResult) -> Result<Seen, Failure> {
    let mut seen = Seen {
        asked: 0,
        denied: 0,
    };
    for trace in &result.traces {
        let id = trace.answered.as_deref();
        let Some(id) = id.filter(|id| id.parse::<TraceId>().is_ok()) else {
            continue;
        };
        seen.asked += 1;
        let request = Request::get(format!("{admin}/api/decisions/{id}"))
            .header(header::AUTHORIZATION, operator.authorization())
            .body(Bytes::new())
            .map_err(|error| Failure::usage(format!("`{admin}` cannot be asked: {error}")))?;
        let answer = client::send(request).await?;
        match answer.status().as_u16() {
            200 => seen.denied += u32::from(is_denied(answer.body())),
            404 => {}
            status => {
                return Err(Failure::unreachable(format!("{admin} answered {status}"))
                    .hint("is it the admin address of the server of this data folder?"));
            }
        }
    }
    Ok(seen)
}

fn is_denied(body: &[u8]) -> bool {
    serde_json::from_slice::<Explained>(body)
        .is_ok_and(|explained| explained.decision.outcome == Outcome::Denied)
}
