//! The claims of a verified token, read where they lie.

use super::{
    Claims,
    scan::{Found, Many, Tape},
};
use crate::{
    error::{TokenError, TokenErrorKind},
    json::{Limits, Object, Value, scan::Span, strict_value},
    time::UnixTime,
};

/// The claims of a verified token, borrowed from the
/// [`Scratch`](crate::scratch::Scratch) that it was verified in. What each
/// means is told at [`Claims`].
#[derive(Clone, Copy, Debug)]
pub struct BorrowedClaims<'s> {
    text: &'s str,
    tape: &'s Tape,
    found: Found,
}

/// The JSON text of a claim that this crate does not know, read only when it
/// is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawClaim<'s>(&'s str);

impl<'s> BorrowedClaims<'s> {
    /// `found` in `text` and on `tape`, by the same scan. What may follow the
    /// JSON in `text` is never looked at.
    pub(crate) const fn new(text: &'s str, tape: &'s Tape, found: Found) -> Self {
        Self { text, tape, found }
    }

    /// `iss`.
    pub fn issuer(&self) -> &'s str {
        self.resolve(self.found.iss)
    }

    /// `sub`.
    pub fn subject(&self) -> &'s str {
        self.resolve(self.found.sub)
    }

    /// `aud`; never empty.
    pub fn audience(&self) -> impl Iterator<Item = &'s str> + use<'s> {
        self.many(self.found.aud)
    }

    /// `exp`.
    pub const fn expires_at(&self) -> UnixTime {
        self.found.exp
    }

    /// `iat`.
    pub const fn issued_at(&self) -> UnixTime {
        self.found.iat
    }

    /// `nbf`.
    pub const fn not_before(&self) -> Option<UnixTime> {
        self.found.nbf
    }

    /// `jti`.
    pub fn token_id(&self) -> &'s str {
        self.resolve(self.found.jti)
    }

    /// `sid`.
    pub fn session_id(&self) -> Option<&'s str> {
        self.found.sid.map(|span| self.resolve(span))
    }

    /// `client_id`.
    pub fn client_id(&self) -> Option<&'s str> {
        self.found.client_id.map(|span| self.resolve(span))
    }

    /// `scope`, as written.
    pub fn scope(&self) -> Option<&'s str> {
        self.found.scope.map(|span| self.resolve(span))
    }

    /// The scope's values, one by one.
    pub fn scopes(&self) -> impl Iterator<Item = &'s str> + use<'s> {
        self.scope()
            .into_iter()
            .flat_map(|scope| scope.split(' '))
            .filter(|one| !one.is_empty())
    }

    /// `tenant`.
    pub fn tenant(&self) -> Option<&'s str> {
        self.found.tenant.map(|span| self.resolve(span))
    }

    /// `roles`.
    pub fn roles(&self) -> impl Iterator<Item = &'s str> + use<'s> {
        self.many(self.found.roles)
    }

    /// `permissions`.
    pub fn permissions(&self) -> impl Iterator<Item = &'s str> + use<'s> {
        self.many(self.found.permissions)
    }

    /// `auth_time`.
    pub const fn auth_time(&self) -> Option<UnixTime> {
        self.found.auth_time
    }

    /// `acr`.
    pub fn acr(&self) -> Option<&'s str> {
        self.found.acr.map(|span| self.resolve(span))
    }

    /// `amr`.
    pub fn amr(&self) -> impl Iterator<Item = &'s str> + use<'s> {
        self.many(self.found.amr)
    }

    /// `cnf`: an object.
    pub fn confirmation(&self) -> Option<RawClaim<'s>> {
        self.found.cnf.map(|span| RawClaim(self.resolve(span)))
    }

    /// Every other claim, by name.
    pub fn others(&self) -> impl Iterator<Item = (&'s str, RawClaim<'s>)> + use<'s> {
        let claims = *self;
        let resolve = move |(name, value): &(Span, Span)| {
            (claims.resolve(*name), RawClaim(claims.resolve(*value)))
        };
        self.tape.others.iter().map(resolve)
    }

    /// A copy that outlives the scratch.
    ///
    /// # Errors
    ///
    /// As [`RawClaim::parse`].
    pub fn to_owned(&self) -> Result<Claims, TokenError> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let mut others = Object::new();
        for (name, value) in self.others() {
            others.insert(name.to_owned(), value.parse()?);
        }
        Ok(Claims {
            iss: self.issuer().to_owned(),
            sub: self.subject().to_owned(),
            aud: self.audience().map(str::to_owned).collect(),
            exp: self.expires_at(),
            iat: self.issued_at(),
            nbf: self.not_before(),
            jti: self.token_id().to_owned(),
            sid: owned(self.session_id()),
            client_id: owned(self.client_id()),
            scope: owned(self.scope()),
            tenant: owned(self.tenant()),
            roles: self.roles().map(str::to_owned).collect(),
            permissions: self.permissions().map(str::to_owned).collect(),
            auth_time: self.auth_time(),
            acr: owned(self.acr()),
            amr: self.amr().map(str::to_owned).collect(),
            cnf: self.confirmation().map(|cnf| cnf.parse()).transpose()?,
            others,
        })
    }

    fn resolve(&self, span: Span) -> &'s str {
        span.resolve(self.text, &self.tape.buffers.unescaped)
    }

    fn many(&self, many: Many) -> impl Iterator<Item = &'s str> + use<'s> {
        let claims = *self;
        many.of(&self.tape.items)
            .iter()
            .map(move |span| claims.resolve(*span))
    }
}

impl<'s> RawClaim<'s> {
    /// The JSON text.
    pub const fn json(self) -> &'s str {
        self.0
    }

    /// The value.
    ///
    /// # Errors
    ///
    /// [`TokenErrorKind::Malformed`] if the two readers of this crate disagree
    /// about the text, which would be a mistake of ours.
    pub fn parse(self) -> Result<Value, TokenError> {
        strict_value(self.0.as_bytes(), Limits::CLAIMS)
            .map_err(|_| TokenErrorKind::Malformed.into())
    }
}
