//! A JSON answer held against the output's shape: SDKs drop what the model does not have, and stumble over another type.
//!
//! Given an answer's body, it takes out the members that the model does not know, and gives the places whose type is not the model's. XML
//! answers are not looked at: their readers go by names, and pass over what they do not know.

use super::service::{Member, Service, Shape, Type};
use serde_json::{Map, Value};

/// What was found in an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Members that were taken out.
    pub removed: Vec<String>,
    /// Places of another type than the model's.
    pub misshapen: Vec<String>,
}

/// Shapes a whole body.
pub fn shape(service: &Service, output: &Shape, body: &mut Value) -> Found {
    let mut found = Found::default();
    let payload = output.payload.as_ref().and_then(|name| output.members.get(name));
    match (payload, body) {
        (Some(payload), body) => value(service, payload, body, "", &mut found),
        (None, Value::Object(members)) => structure(service, output, members, "", &mut found),
        (None, _) => {}
    }
    found
}

fn structure(service: &Service, shape: &Shape, members: &mut Map<String, Value>, place: &str, found: &mut Found) {
    members.retain(|wire, inner| {
        let known = shape.members.iter().find(|(name, m)| m.location_name.as_deref().unwrap_or(name) == wire);
        let place = format!("{place}.{wire}");
        match known.filter(|(_, m)| m.location.is_none()) {
            Some((_, member)) => {
                value(service, member, inner, &place, found);
                true
            }
            None => {
                found.removed.push(place);
                false
            }
        }
    });
}

fn value(service: &Service, member: &Member, value_: &mut Value, place: &str, found: &mut Found) {
    let Some(shape) = service.shape(&member.shape) else { return };
    match (shape.kind, value_) {
        (_, Value::Null) => {}
        (Type::Structure, _) if shape.document => {}
        (Type::Structure, Value::Object(members)) => structure(service, shape, members, place, found),
        (Type::List, Value::Array(items)) => {
            let Some(inner) = &shape.member else { return };
            for item in items {
                value(service, inner, item, place, found);
            }
        }
        (Type::Map, Value::Object(entries)) => {
            let Some(inner) = &shape.value else { return };
            for entry in entries.values_mut() {
                value(service, inner, entry, place, found);
            }
        }
        (kind, other) => {
            let format = member.timestamp_format.as_ref().or(shape.timestamp_format.as_ref());
            if !is_of(kind, format.is_some_and(|f| f != "unixTimestamp"), other) {
                found.misshapen.push(format!("{place} is no {kind:?}"));
            }
        }
    }
}

fn is_of(kind: Type, written_time: bool, value: &Value) -> bool {
    match kind {
        Type::String | Type::Character | Type::Blob => value.is_string(),
        Type::Boolean => value.is_boolean(),
        Type::Integer | Type::Long => value.is_i64() || value.is_u64(),
        Type::Float | Type::Double => value.is_number() || value.is_string(),
        Type::Timestamp => {
            if written_time {
                value.is_string()
            } else {
                value.is_number()
            }
        }
        Type::Structure | Type::List | Type::Map => false,
    }
}
