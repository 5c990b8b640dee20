//! JSON bodies. Types must be those of the model, as AWS's own readers insist; `null` is as good as nothing.

use super::super::service::{Shape, Type};
use super::super::violation::Place;
use super::{Reader, put, wire_name};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// A whole body of a structure's shape; an empty one is an empty structure.
pub fn body(reader: &mut Reader<'_>, shape: &str, body: &[u8]) -> Value {
    let place = Place::default();
    if body.iter().all(u8::is_ascii_whitespace) {
        return Value::Object(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(wire) => value(reader, shape, wire, &place),
        Err(error) => {
            reader.unreadable(&place, format!("not JSON: {error}"));
            Value::Object(Map::new())
        }
    }
}

/// A value of a shape.
pub fn value(reader: &mut Reader<'_>, name: &str, wire: Value, place: &Place) -> Value {
    let Some(shape) = reader.shape(name) else { return wire };
    match (shape.kind, wire) {
        (_, Value::Null) => Value::Null,
        (Type::Structure, wire) if shape.document => wire,
        (Type::Structure, Value::Object(members)) => structure(reader, shape, members, place),
        (Type::List, Value::Array(items)) => {
            let inner = shape.member.as_ref().map_or("", |m| &m.shape);
            let items = items.into_iter().filter(|item| !item.is_null()).enumerate();
            Value::Array(items.map(|(at, item)| value(reader, inner, item, &place.element(at))).collect())
        }
        (Type::Map, Value::Object(entries)) => {
            let inner = shape.value.as_ref().map_or("", |m| &m.shape);
            let entries = entries.into_iter().filter(|(_, wire)| !wire.is_null());
            let read = entries.map(|(key, wire)| {
                let read = value(reader, inner, wire, &place.entry(&key));
                (key, read)
            });
            Value::Object(read.collect())
        }
        (kind, wire) if is_of(kind, &wire) => wire,
        (kind, wire) => {
            let wanted = format!("{kind:?}");
            reader.unreadable(place, format!("{} can not be converted to {wanted}", token(&wire)));
            Value::Null
        }
    }
}

pub fn structure(reader: &mut Reader<'_>, shape: &Shape, wire: Map<String, Value>, place: &Place) -> Value {
    let service = reader.service;
    let mut members = Map::new();
    for (wire_key, inner) in wire {
        let known = shape.members.iter().find(|(name, m)| wire_name(service, name, m) == wire_key);
        match known.filter(|(_, member)| member.location.is_none()) {
            Some((name, member)) => {
                let inner = value(reader, &member.shape, inner, &place.member(name));
                put(&mut members, name, inner);
            }
            None => reader.unknown(place, &wire_key),
        }
    }
    Value::Object(members)
}

fn is_of(kind: Type, wire: &Value) -> bool {
    match kind {
        Type::String | Type::Character => wire.is_string(),
        Type::Blob => wire.as_str().is_some_and(|text| STANDARD.decode(text).is_ok()),
        Type::Boolean => wire.is_boolean(),
        Type::Integer | Type::Long => wire.as_f64().is_some_and(|number| number.fract() == 0.0),
        Type::Float | Type::Double => {
            wire.is_number() || matches!(wire.as_str(), Some("NaN" | "Infinity" | "-Infinity"))
        }
        Type::Timestamp => wire.is_number() || wire.is_string(),
        Type::Structure | Type::List | Type::Map => false,
    }
}

/// What AWS's reader calls it.
fn token(wire: &Value) -> &'static str {
    match wire {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(number) if number.is_f64() => "DECIMAL_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    }
}
