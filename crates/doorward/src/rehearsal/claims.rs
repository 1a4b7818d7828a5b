//! Who asks in a rehearsal, and the token that says so.

use doorward_policy::{decision::Caller, role::Roles};
use doorward_verify::clock::Timestamp;
use serde_json::{Map, Value, json};

use crate::config::OtherIssuer;

/// How long a token of a rehearsal lives, in seconds.
const LIFETIME: u64 = 300;

/// What a caller's token says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims {
    /// `iss`, where that is not ours.
    pub(crate) issuer: Option<String>,
    /// `aud`, where that is not the issuer's usual one.
    pub(crate) audience: Option<Vec<String>>,
    pub(crate) subject: String,
    pub(crate) tenant: Option<String>,
    pub(crate) roles: Vec<String>,
    /// What it grants besides what the roles do.
    pub(crate) permissions: Vec<String>,
    pub(crate) client: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) acr: Option<String>,
    /// Seconds since the sign-in.
    pub(crate) auth_age: Option<u64>,
    /// Claims besides these.
    pub(crate) others: Map<String, Value>,
}

impl Claims {
    /// Those of a recorded caller, who asked at `at_ms`.
    pub(crate) fn recorded(caller: &Caller, at_ms: u64) -> Self {
        let age = |auth_time: u64| (at_ms / 1000).saturating_sub(auth_time);
        Self {
            issuer: caller.issuer.clone(),
            audience: None,
            subject: caller.subject.clone(),
            tenant: caller.tenant.clone(),
            roles: caller.roles.clone(),
            permissions: caller.permissions.clone(),
            client: caller.client.clone(),
            session: caller.session.clone(),
            acr: caller.acr.clone(),
            auth_age: caller.auth_time.map(age),
            others: Map::new(),
        }
    }

    /// The claims of a token of ours, with what its `roles` grant written out as
    /// the issuer does.
    pub(super) fn of_ours(
        &self,
        (issuer, audience): (&str, &str),
        roles: &Roles,
        now: Timestamp,
    ) -> Value {
        let mut claims = self.common(issuer, audience, now);
        let granted = roles.effective(&self.roles);
        let granted = granted.iter().map(ToString::to_string);
        let permissions: Vec<_> = granted.chain(self.permissions.iter().cloned()).collect();
        let mut put = |name: &str, value: Value| {
            claims.insert(name.to_owned(), value);
        };
        put("roles", json!(self.roles));
        put("permissions", json!(permissions));
        if let Some(tenant) = &self.tenant {
            put("tenant", json!(tenant));
        }
        claims.extend(self.others.clone());
        Value::Object(claims)
    }

    /// The claims of a token of `other`, in the places where its mapping looks.
    pub(super) fn of_another(&self, other: &OtherIssuer, now: Timestamp) -> Value {
        let mut claims = self.common(&other.issuer, &other.audience, now);
        for (place, value) in [
            (&other.permissions_claim, json!(self.permissions)),
            (&other.roles_claim, json!(self.roles)),
            (&other.tenant_claim, json!(self.tenant)),
        ] {
            if let Some(place) = place.as_deref().filter(|_| !value.is_null()) {
                put_at(&mut claims, place, value);
            }
        }
        claims.extend(self.others.clone());
        Value::Object(claims)
    }

    fn common(&self, issuer: &str, audience: &str, now: Timestamp) -> Map<String, Value> {
        let now = now.unix().as_secs();
        let usual = || json!(audience);
        let claims = json!({
            "iss": issuer,
            "aud": self.audience.as_ref().map_or_else(usual, |named| json!(named)),
            "sub": self.subject,
            "client_id": self.client.as_deref().unwrap_or("rehearsal"),
            "jti": "rehearsal",
            "iat": now,
            "exp": now.saturating_add(LIFETIME),
        });
        let Value::Object(mut claims) = claims else {
            return Map::new();
        };
        for (name, value) in [
            ("sid", json!(self.session)),
            ("acr", json!(self.acr)),
            (
                "auth_time",
                json!(self.auth_age.map(|age| now.saturating_sub(age))),
            ),
        ] {
            if !value.is_null() {
                claims.insert(name.to_owned(), value);
            }
        }
        claims
    }
}

/// Puts `value` where a mapping finds it: at a name, or at a JSON pointer.
fn put_at(claims: &mut Map<String, Value>, place: &str, value: Value) {
    let Some(pointer) = place.strip_prefix('/') else {
        claims.insert(place.to_owned(), value);
        return;
    };
    let names = pointer
        .split('/')
        .map(|name| name.replace("~1", "/").replace("~0", "~"));
    let mut names: Vec<String> = names.collect();
    let Some(last) = names.pop() else { return };
    let mut within = claims;
    for name in names {
        let next = within.entry(name).or_insert_with(|| json!({}));
        match next {
            Value::Object(members) => within = members,
            // Two places that contradict each other; the token says the first.
            _ => return,
        }
    }
    within.insert(last, value);
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::put_at;

    #[test]
    fn values_go_where_a_mapping_looks_for_them() {
        let mut claims = Map::new();
        put_at(&mut claims, "scope", json!(["a"]));
        put_at(&mut claims, "/realm_access/roles", json!(["b"]));
        put_at(&mut claims, "/realm_access/x~1y", json!("c"));
        put_at(&mut claims, "/scope/deeper", json!("nowhere"));
        assert_eq!(
            Value::Object(claims),
            json!({ "scope": ["a"], "realm_access": { "roles": ["b"], "x/y": "c" } })
        );
    }
}
