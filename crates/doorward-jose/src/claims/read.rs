//! Reading the claims of a token whose signature held, in one pass.
//!
//! A registered claim has its type or the token is refused: what cannot be
//! read is never taken for absent (the mistake of CVE-2026-25537).

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::Claims;
use crate::{
    error::{TokenError, TokenErrorKind},
    json::{Limits, Object, StrictValue, Value},
    time::UnixTime,
};

/// Reads the payload of a proven token.
pub(crate) fn parse(payload: &[u8]) -> Result<Claims, TokenError> {
    if payload.len() > Limits::CLAIMS.max_bytes {
        return Err(TokenErrorKind::TooLarge.into());
    }
    let mut reader = Reader::default();
    let mut deserializer = serde_json::Deserializer::from_slice(payload);
    let read = deserializer
        .deserialize_map(&mut reader)
        .and_then(|()| deserializer.end());
    match read {
        Ok(()) => reader.finish(),
        // Good JSON of the wrong type; anything else is no JSON at all.
        Err(error) if error.classify() == Category::Data => Err(reader.reading.map_or_else(
            || TokenErrorKind::Malformed.into(),
            |claim| TokenErrorKind::MalformedClaim(claim).into(),
        )),
        Err(_) => Err(TokenErrorKind::Malformed.into()),
    }
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    /// The claim whose value is being read: the one to blame.
    reading: Option<&'static str>,
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Vec<String>>,
    exp: Option<UnixTime>,
    iat: Option<UnixTime>,
    nbf: Option<UnixTime>,
    jti: Option<String>,
    sid: Option<String>,
    client_id: Option<String>,
    scope: Option<String>,
    tenant: Option<String>,
    roles: Option<Vec<String>>,
    permissions: Option<Vec<String>>,
    auth_time: Option<UnixTime>,
    acr: Option<String>,
    amr: Option<Vec<String>>,
    cnf: Option<Object>,
    others: Object,
}

impl Reader {
    fn finish(self) -> Result<Claims, TokenError> {
        let missing = TokenErrorKind::MissingClaim;
        let claims = Claims {
            iss: self.iss.ok_or(missing("iss"))?,
            sub: self.sub.ok_or(missing("sub"))?,
            aud: self.aud.ok_or(missing("aud"))?,
            exp: self.exp.ok_or(missing("exp"))?,
            iat: self.iat.ok_or(missing("iat"))?,
            nbf: self.nbf,
            jti: self.jti.ok_or(missing("jti"))?,
            sid: self.sid,
            client_id: self.client_id,
            scope: self.scope,
            tenant: self.tenant,
            roles: self.roles.unwrap_or_default(),
            permissions: self.permissions.unwrap_or_default(),
            auth_time: self.auth_time,
            acr: self.acr,
            amr: self.amr.unwrap_or_default(),
            cnf: self.cnf.map(Value::Object),
            others: self.others,
        };
        if claims.exp < claims.iat {
            return Err(TokenErrorKind::MalformedClaim("exp").into());
        }
        Ok(claims)
    }

    /// Reads the value of the claim called `name`.
    fn claim<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        members: &mut A,
    ) -> Result<(), A::Error> {
        let at = &mut self.reading;
        match name {
            "iss" => once(at, "iss", &mut self.iss, Text, members),
            "sub" => once(at, "sub", &mut self.sub, Text, members),
            "aud" => once(at, "aud", &mut self.aud, OneOrMany, members),
            "exp" => once(at, "exp", &mut self.exp, NumericDate, members),
            "iat" => once(at, "iat", &mut self.iat, NumericDate, members),
            "nbf" => once(at, "nbf", &mut self.nbf, NumericDate, members),
            "jti" => once(at, "jti", &mut self.jti, Text, members),
            "sid" => once(at, "sid", &mut self.sid, Text, members),
            "client_id" => once(at, "client_id", &mut self.client_id, Text, members),
            "scope" => once(at, "scope", &mut self.scope, Scope, members),
            "tenant" => once(at, "tenant", &mut self.tenant, Text, members),
            "roles" => once(at, "roles", &mut self.roles, Texts, members),
            "permissions" => once(at, "permissions", &mut self.permissions, Texts, members),
            "auth_time" => once(at, "auth_time", &mut self.auth_time, NumericDate, members),
            "acr" => once(at, "acr", &mut self.acr, Text, members),
            "amr" => once(at, "amr", &mut self.amr, Texts, members),
            "cnf" => once(at, "cnf", &mut self.cnf, JsonObject, members),
            _ => self.other(name, members),
        }
    }

    fn other<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        members: &mut A,
    ) -> Result<(), A::Error> {
        if self.others.contains_key(name) {
            return Err(duplicate());
        }
        let value = members.next_value_seed(INSIDE)?;
        self.others.insert(name.to_owned(), value);
        Ok(())
    }
}

/// A value inside the claims, which are one level themselves.
const INSIDE: StrictValue = StrictValue {
    depth_left: Limits::CLAIMS.max_depth - 1,
};

fn duplicate<E: de::Error>() -> E {
    E::custom("duplicate claim")
}

fn once<'de, A: MapAccess<'de>, S: DeserializeSeed<'de>>(
    reading: &mut Option<&'static str>,
    name: &'static str,
    slot: &mut Option<S::Value>,
    seed: S,
    members: &mut A,
) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(duplicate());
    }
    *reading = Some(name);
    *slot = Some(members.next_value_seed(seed)?);
    *reading = None;
    Ok(())
}

impl<'de> Visitor<'de> for &mut Reader {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of claims")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            self.claim(&name, &mut members)?;
        }
        Ok(())
    }
}

/// A string that is not empty and has no control characters: it may become a
/// header field or a log line (CLM-027).
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string that is not empty, without control characters")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(E::invalid_value(de::Unexpected::Str(""), &self));
        }
        Ok(text.to_owned())
    }
}

/// An array of [`Text`]s, which may be empty.
struct Texts;

impl<'de> DeserializeSeed<'de> for Texts {
    type Value = Vec<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<String>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element_seed(Text)? {
            texts.push(text);
        }
        Ok(texts)
    }
}

/// One [`Text`] or an array of at least one (RFC 7519 section 4.1.3).
struct OneOrMany;

impl<'de> DeserializeSeed<'de> for OneOrMany {
    type Value = Vec<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<String>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OneOrMany {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of at least one")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<String>, E> {
        Text.visit_str(text).map(|only| vec![only])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Vec<String>, A::Error> {
        let texts = Texts.visit_seq(items)?;
        if texts.is_empty() {
            return Err(de::Error::invalid_length(0, &self));
        }
        Ok(texts)
    }
}

/// Scope values separated by single spaces, or nothing (RFC 6749 section 3.3).
struct Scope;

impl<'de> DeserializeSeed<'de> for Scope {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Scope {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scope values separated by single spaces")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        if !super::is_scope(text) {
            return Err(E::invalid_value(de::Unexpected::Str(""), &self));
        }
        Ok(text.to_owned())
    }
}

/// See [`UnixTime`].
struct NumericDate;

impl<'de> DeserializeSeed<'de> for NumericDate {
    type Value = UnixTime;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<UnixTime, D::Error> {
        de::Deserialize::deserialize(deserializer)
    }
}

/// A strict object.
struct JsonObject;

impl<'de> DeserializeSeed<'de> for JsonObject {
    type Value = Object;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Object, D::Error> {
        match INSIDE.deserialize(deserializer)? {
            Value::Object(object) => Ok(object),
            _ => Err(de::Error::custom("not an object")),
        }
    }
}

#[cfg(test)]
mod tests;
