//! What bodies look like, said once: the code that writes or reads them and
//! the OpenAPI document both come from here.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::attribute::{Attributes, MAX_ATTRIBUTES, MAX_NAME, MAX_NUMBER, MAX_TEXT};

/// A JSON object with named members.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) members: &'static [Member],
}

/// One member.
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
    pub(super) about: &'static str,
}

/// What a member can be.
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    Texts,
    TextOrNull,
    NumberOrNull,
    TextsOrNull,
    Values,
    ValuesOrNull,
    ListOf(&'static Shape),
}

/// A type of members of answers.
pub(super) trait Kinded {
    const KIND: Kind;
}

/// An answer.
pub(super) trait Documented: Serialize {
    const SHAPE: Shape;
}

macro_rules! kinds {
    ($($of:ty => $kind:ident;)+) => {$(
        impl Kinded for $of {
            const KIND: Kind = Kind::$kind;
        }
    )+};
}

kinds! {
    String => Text;
    u64 => Number;
    bool => Flag;
    Vec<String> => Texts;
    Option<String> => TextOrNull;
    Option<u64> => NumberOrNull;
    Option<Vec<String>> => TextsOrNull;
    Attributes => Values;
}

impl<D: Documented> Kinded for Vec<D> {
    const KIND: Kind = Kind::ListOf(&D::SHAPE);
}

/// A struct that is an answer, with what its members mean.
macro_rules! answer {
    ($(#[doc = $about:literal])+ $name:ident {
        $(#[doc = $what:literal] $member:ident: $kind:ty,)+
    }) => {
        $(#[doc = $about])+
        #[derive(serde::Serialize)]
        pub(super) struct $name {
            $(#[doc = $what] pub(super) $member: $kind,)+
        }

        impl $crate::http::admin::shape::Documented for $name {
            const SHAPE: $crate::http::admin::shape::Shape = $crate::http::admin::shape::Shape {
                name: stringify!($name),
                members: &[$($crate::http::admin::shape::Member {
                    name: stringify!($member),
                    kind: <$kind as $crate::http::admin::shape::Kinded>::KIND,
                    is_required: true,
                    about: $what,
                },)+],
            };
        }
    };
}

pub(super) use answer;

/// A member of a body that must be there.
pub(super) const fn required(name: &'static str, kind: Kind, about: &'static str) -> Member {
    Member {
        name,
        kind,
        is_required: true,
        about,
    }
}

/// A member of a body that may be there.
pub(super) const fn optional(name: &'static str, kind: Kind, about: &'static str) -> Member {
    Member {
        name,
        kind,
        is_required: false,
        about,
    }
}

impl Shape {
    /// The names of its members.
    pub(super) fn names(&self) -> Vec<&'static str> {
        self.members.iter().map(|member| member.name).collect()
    }

    /// Its JSON Schema, and those of the shapes inside it, into `schemas`.
    pub(super) fn describe(&self, schemas: &mut Map<String, Value>) {
        let mut properties = Map::new();
        for member in self.members {
            let mut schema = member.kind.schema();
            schema["description"] = member.about.trim().into();
            properties.insert(member.name.to_owned(), schema);
            if let Kind::ListOf(shape) = member.kind {
                shape.describe(schemas);
            }
        }
        let needed = self.members.iter().filter(|member| member.is_required);
        let needed: Vec<_> = needed.map(|member| member.name).collect();
        let schema = json!({
            "type": "object", "properties": properties, "required": needed,
            "additionalProperties": false,
        });
        schemas.insert(self.name.to_owned(), schema);
    }
}

impl Kind {
    fn schema(&self) -> Value {
        match self {
            Self::Text => json!({ "type": "string" }),
            Self::Number => json!({ "type": "integer", "minimum": 0 }),
            Self::Flag => json!({ "type": "boolean" }),
            Self::Texts => json!({ "type": "array", "items": { "type": "string" } }),
            Self::TextOrNull => json!({ "type": ["string", "null"] }),
            Self::NumberOrNull => json!({ "type": ["integer", "null"], "minimum": 0 }),
            Self::TextsOrNull => {
                json!({ "type": ["array", "null"], "items": { "type": "string" } })
            }
            Self::Values => {
                let mut schema = values(&["string", "integer", "boolean"]);
                schema["maxProperties"] = MAX_ATTRIBUTES.into();
                schema
            }
            Self::ValuesOrNull => values(&["string", "integer", "boolean", "null"]),
            Self::ListOf(shape) => {
                json!({ "type": "array", "items": reference(shape) })
            }
        }
    }
}

/// Attributes by their names. How many they may be is not said here: a change
/// that takes some away may name more than a user may have.
fn values(kinds: &[&str]) -> Value {
    json!({
        "type": "object",
        "additionalProperties": {
            "type": kinds, "minLength": 1, "maxLength": MAX_TEXT,
            "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER,
        },
        "propertyNames": { "pattern": format!("^[a-z][a-z0-9_]{{0,{}}}$", MAX_NAME - 1) },
    })
}

/// Where the schema of a shape is in the document.
pub(super) fn reference(shape: &Shape) -> Value {
    json!({ "$ref": format!("#/components/schemas/{}", shape.name) })
}
