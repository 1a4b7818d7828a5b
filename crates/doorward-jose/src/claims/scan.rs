//! Reading the claims in place, without copying them.
//!
//! The rules are those of [`read`](super::read), and so are the reasons: what
//! is refused here is given to that reader, which names the claim. Should it
//! see nothing wrong, the token is refused all the same.

use crate::{
    error::{TokenError, TokenErrorKind},
    json::{
        Limits,
        scan::{Buffers, PADDING, Refused, Scanner, Span, Text},
    },
    time::UnixTime,
};

/// Containers inside the claims, which are one level themselves.
const DEPTH_INSIDE: usize = Limits::CLAIMS.max_depth - 1;

/// Where the claims lie, apart from those with many values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) iss: Span,
    pub(crate) sub: Span,
    pub(crate) aud: Many,
    pub(crate) exp: UnixTime,
    pub(crate) iat: UnixTime,
    pub(crate) nbf: Option<UnixTime>,
    pub(crate) jti: Span,
    pub(crate) sid: Option<Span>,
    pub(crate) client_id: Option<Span>,
    pub(crate) scope: Option<Span>,
    pub(crate) tenant: Option<Span>,
    pub(crate) roles: Many,
    pub(crate) permissions: Many,
    pub(crate) auth_time: Option<UnixTime>,
    pub(crate) acr: Option<Span>,
    pub(crate) amr: Many,
    pub(crate) cnf: Option<Span>,
}

/// A stretch of [`Tape::items`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Many {
    start: u16,
    end: u16,
}

impl Many {
    /// The items from `start` on. A text has fewer strings than bytes, so
    /// their number fits.
    fn since(start: usize, items: &[Span]) -> Result<Self, Refused> {
        let fitting = |number| u16::try_from(number).map_err(|_| Refused);
        Ok(Self {
            start: fitting(start)?,
            end: fitting(items.len())?,
        })
    }

    pub(crate) fn of(self, items: &[Span]) -> &[Span] {
        items
            .get(usize::from(self.start)..usize::from(self.end))
            .unwrap_or_default()
    }
}

/// What the claims point into, besides the text; grown once and used again.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    pub(crate) buffers: Buffers,
    /// The strings of the claims that are arrays.
    pub(crate) items: Vec<Span>,
    /// Name and value of the claims that are not registered.
    pub(crate) others: Vec<(Span, Span)>,
}

/// Reads the payload of a proven token: `padded` up to its [`PADDING`], which
/// is returned as the text that the claims lie in.
pub(crate) fn scan<'p>(padded: &'p [u8], tape: &mut Tape) -> Result<(&'p str, Found), TokenError> {
    std::str::from_utf8(padded)
        .map_err(|_| Refused)
        .and_then(|text| Ok((text, find(text, tape)?)))
        .map_err(|Refused| reason(padded))
}

#[cold]
fn reason(padded: &[u8]) -> TokenError {
    let end = padded.len().saturating_sub(PADDING);
    match super::parse(&padded[..end]) {
        Err(error) => error,
        Ok(_) => TokenErrorKind::Malformed.into(),
    }
}

/// [`scan`], without the reason for a refusal.
pub(crate) fn find(padded: &str, tape: &mut Tape) -> Result<Found, Refused> {
    let Tape {
        buffers,
        items,
        others,
    } = tape;
    items.clear();
    others.clear();
    let mut scanner = Scanner::new(padded, Limits::CLAIMS, buffers)?;
    let mut slots = Slots::new(items, others);
    scanner.object(|scanner, name| slots.claim(scanner, name))?;
    scanner.end()?;
    slots.finish()
}

/// What has been found so far.
struct Slots<'s> {
    items: &'s mut Vec<Span>,
    others: &'s mut Vec<(Span, Span)>,
    iss: Option<Span>,
    sub: Option<Span>,
    aud: Option<Many>,
    exp: Option<UnixTime>,
    iat: Option<UnixTime>,
    nbf: Option<UnixTime>,
    jti: Option<Span>,
    sid: Option<Span>,
    client_id: Option<Span>,
    scope: Option<Span>,
    tenant: Option<Span>,
    roles: Option<Many>,
    permissions: Option<Many>,
    auth_time: Option<UnixTime>,
    acr: Option<Span>,
    amr: Option<Many>,
    cnf: Option<Span>,
}

impl<'s> Slots<'s> {
    const fn new(items: &'s mut Vec<Span>, others: &'s mut Vec<(Span, Span)>) -> Self {
        Self {
            items,
            others,
            iss: None,
            sub: None,
            aud: None,
            exp: None,
            iat: None,
            nbf: None,
            jti: None,
            sid: None,
            client_id: None,
            scope: None,
            tenant: None,
            roles: None,
            permissions: None,
            auth_time: None,
            acr: None,
            amr: None,
            cnf: None,
        }
    }

    /// Reads the value of the claim called `name`. A registered one is kept
    /// from coming twice by its slot.
    fn claim(&mut self, scanner: &mut Scanner<'_>, name: Text) -> Result<(), Refused> {
        let items = &mut *self.items;
        // As bytes: compared without a call for each.
        match scanner.name(name) {
            b"iss" => once(&mut self.iss, scanner, text),
            b"sub" => once(&mut self.sub, scanner, text),
            b"aud" => once(&mut self.aud, scanner, |scanner| {
                one_or_many(scanner, items)
            }),
            b"exp" => once(&mut self.exp, scanner, Scanner::date),
            b"iat" => once(&mut self.iat, scanner, Scanner::date),
            b"nbf" => once(&mut self.nbf, scanner, Scanner::date),
            b"jti" => once(&mut self.jti, scanner, text),
            b"sid" => once(&mut self.sid, scanner, text),
            b"client_id" => once(&mut self.client_id, scanner, text),
            b"scope" => once(&mut self.scope, scanner, scope),
            b"tenant" => once(&mut self.tenant, scanner, text),
            b"roles" => once(&mut self.roles, scanner, |scanner| texts(scanner, items)),
            b"permissions" => once(&mut self.permissions, scanner, |scanner| {
                texts(scanner, items)
            }),
            b"auth_time" => once(&mut self.auth_time, scanner, Scanner::date),
            b"acr" => once(&mut self.acr, scanner, text),
            b"amr" => once(&mut self.amr, scanner, |scanner| texts(scanner, items)),
            b"cnf" => once(&mut self.cnf, scanner, json_object),
            _ => {
                scanner.note_name(name);
                let value = scanner.value(DEPTH_INSIDE)?;
                self.others.push((name.span, value));
                Ok(())
            }
        }
    }

    fn finish(self) -> Result<Found, Refused> {
        let found = Found {
            iss: self.iss.ok_or(Refused)?,
            sub: self.sub.ok_or(Refused)?,
            aud: self.aud.ok_or(Refused)?,
            exp: self.exp.ok_or(Refused)?,
            iat: self.iat.ok_or(Refused)?,
            nbf: self.nbf,
            jti: self.jti.ok_or(Refused)?,
            sid: self.sid,
            client_id: self.client_id,
            scope: self.scope,
            tenant: self.tenant,
            roles: self.roles.unwrap_or_default(),
            permissions: self.permissions.unwrap_or_default(),
            auth_time: self.auth_time,
            acr: self.acr,
            amr: self.amr.unwrap_or_default(),
            cnf: self.cnf,
        };
        match found.exp < found.iat {
            true => Err(Refused),
            false => Ok(found),
        }
    }
}

#[inline]
fn once<'t, T>(
    slot: &mut Option<T>,
    scanner: &mut Scanner<'t>,
    read: impl FnOnce(&mut Scanner<'t>) -> Result<T, Refused>,
) -> Result<(), Refused> {
    if slot.is_some() {
        return Err(Refused);
    }
    *slot = Some(read(scanner)?);
    Ok(())
}

/// A string that is not empty and has no control characters (CLM-027).
#[inline]
fn text(scanner: &mut Scanner<'_>) -> Result<Span, Refused> {
    let Text { span, is_plain } = scanner.string()?;
    let has_controls = || scanner.resolve(span).chars().any(char::is_control);
    match span.is_empty() || (!is_plain && has_controls()) {
        true => Err(Refused),
        false => Ok(span),
    }
}

/// An array of [`text`]s, which may be empty.
fn texts(scanner: &mut Scanner<'_>, items: &mut Vec<Span>) -> Result<Many, Refused> {
    let start = items.len();
    scanner.array(|scanner| {
        items.push(text(scanner)?);
        Ok(())
    })?;
    Many::since(start, items)
}

/// One [`text`] or an array of at least one (RFC 7519 section 4.1.3).
fn one_or_many(scanner: &mut Scanner<'_>, items: &mut Vec<Span>) -> Result<Many, Refused> {
    let start = items.len();
    if scanner.next_token() == b'[' {
        let many = texts(scanner, items)?;
        return if !many.of(items).is_empty() {
            Ok(many)
        } else {
            Err(Refused)
        };
    }
    items.push(text(scanner)?);
    Many::since(start, items)
}

/// Scope values separated by single spaces, or nothing (RFC 6749 section 3.3).
fn scope(scanner: &mut Scanner<'_>) -> Result<Span, Refused> {
    let Text { span, .. } = scanner.string()?;
    match super::is_scope(scanner.resolve(span)) {
        true => Ok(span),
        false => Err(Refused),
    }
}

fn json_object(scanner: &mut Scanner<'_>) -> Result<Span, Refused> {
    match scanner.next_token() {
        b'{' => scanner.value(DEPTH_INSIDE),
        _ => Err(Refused),
    }
}

#[cfg(test)]
pub(crate) mod tests;
