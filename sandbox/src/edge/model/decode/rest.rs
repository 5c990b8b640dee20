//! REST protocols: members in the path, the query, the headers and the body.

use super::super::service::{Member, Service, Shape, Type};
use super::super::violation::Place;
use super::{Decoded, Reader, json, put, wire_name, xml};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use serde_json::{Map, Value};

/// What a body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// JSON.
    Json,
    /// XML.
    Xml,
}

/// A request in its parts.
#[derive(Debug)]
pub struct Parts<'r> {
    /// Members of the path.
    pub labels: &'r [(String, String)],
    /// The query, decoded.
    pub query: &'r [(String, String)],
    /// The headers.
    pub headers: &'r HeaderMap,
    /// The body.
    pub body: &'r [u8],
    /// What it is written in.
    pub written: Body,
}

/// The input that the request says.
pub fn input(service: &Service, shape: &str, parts: &Parts<'_>) -> Decoded {
    let mut reader = Reader::new(service);
    let mut members = Map::new();
    if let Some(shape) = reader.shape(shape) {
        located(&mut reader, shape, parts, &mut members);
        body(&mut reader, shape, parts, &mut members);
    }
    reader.finish(Value::Object(members))
}

/// What is not in the body.
fn located(reader: &mut Reader<'_>, shape: &Shape, parts: &Parts<'_>, members: &mut Map<String, Value>) {
    for (name, member) in &shape.members {
        let wire = wire_name(reader.service, name, member);
        let place = Place::default().member(name);
        let value = match member.location.as_deref() {
            Some("uri") => {
                let label = parts.labels.iter().find(|(n, _)| n == wire);
                label.map_or(Value::Null, |(_, text)| scalar(reader, member, text, &place))
            }
            Some("querystring") => from_query(reader, member, wire, parts.query, &place),
            Some("header") => match header(parts.headers, wire) {
                Some(text) => from_header(reader, member, &text, &place),
                None => Value::Null,
            },
            Some("headers") => prefixed(parts.headers, wire),
            _ => continue,
        };
        put(members, name, value);
    }
}

fn scalar(reader: &mut Reader<'_>, member: &Member, text: &str, place: &Place) -> Value {
    match reader.shape(&member.shape) {
        Some(shape) => reader.text(shape, text, place),
        None => Value::String(text.to_owned()),
    }
}

fn from_query(
    reader: &mut Reader<'_>,
    member: &Member,
    wire: &str,
    query: &[(String, String)],
    place: &Place,
) -> Value {
    let mut texts = query.iter().filter(|(name, _)| name == wire).map(|(_, text)| text);
    match reader.shape(&member.shape) {
        Some(Shape { kind: Type::List, member: Some(element), .. }) => {
            let items: Vec<Value> = texts.map(|text| scalar(reader, element, text, place)).collect();
            if items.is_empty() { Value::Null } else { Value::Array(items) }
        }
        // All of the query that no other member has; not told apart here.
        Some(Shape { kind: Type::Map, .. }) => Value::Null,
        _ => texts.next().map_or(Value::Null, |text| scalar(reader, member, text, place)),
    }
}

fn from_header(reader: &mut Reader<'_>, member: &Member, text: &str, place: &Place) -> Value {
    match reader.shape(&member.shape) {
        Some(Shape { kind: Type::List, member: Some(element), .. }) => {
            Value::Array(text.split(',').map(|item| scalar(reader, element, item.trim(), place)).collect())
        }
        _ => scalar(reader, member, text, place),
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(String::from_utf8_lossy(headers.get(name.to_ascii_lowercase())?.as_bytes()).into_owned())
}

/// Headers with a prefix, by what follows it.
fn prefixed(headers: &HeaderMap, prefix: &str) -> Value {
    let prefix = prefix.to_ascii_lowercase();
    let found: Map<String, Value> = headers
        .iter()
        .filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix(&prefix)?.to_owned();
            Some((name, Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned())))
        })
        .collect();
    if found.is_empty() { Value::Null } else { Value::Object(found) }
}

fn body(reader: &mut Reader<'_>, shape: &Shape, parts: &Parts<'_>, members: &mut Map<String, Value>) {
    if let Some((name, member)) = shape.payload.as_ref().and_then(|name| Some((name, shape.members.get(name)?))) {
        if !member.is_streaming(reader.service) && !parts.body.is_empty() {
            let payload = payload(reader, name, member, parts);
            put(members, name, payload);
        }
        return;
    }
    if shape.members.values().all(|member| member.location.is_some()) {
        return;
    }
    let read = match parts.written {
        Body::Json => match serde_json::from_slice(parts.body) {
            Ok(Value::Object(wire)) => json::structure(reader, shape, wire, &Place::default()),
            _ if parts.body.iter().all(u8::is_ascii_whitespace) => return,
            _ => {
                reader.unreadable(&Place::default(), "not a JSON object");
                return;
            }
        },
        Body::Xml => xml::body(reader, shape, None, parts.body, &Place::default()),
    };
    if let Value::Object(read) = read {
        members.extend(read);
    }
}

fn payload(reader: &mut Reader<'_>, name: &str, member: &Member, parts: &Parts<'_>) -> Value {
    let place = Place::default().member(name);
    let Some(shape) = reader.shape(&member.shape) else { return Value::Null };
    match (shape.kind, parts.written) {
        (Type::Structure | Type::List | Type::Map, Body::Xml) => {
            let root = wire_name(reader.service, name, member);
            xml::body(reader, shape, Some(root), parts.body, &place)
        }
        (Type::Structure | Type::List | Type::Map, Body::Json) => match serde_json::from_slice(parts.body) {
            Ok(wire) => json::value(reader, &member.shape, wire, &place),
            Err(error) => {
                reader.unreadable(&place, format!("not JSON: {error}"));
                Value::Null
            }
        },
        (Type::Blob, _) => Value::String(STANDARD.encode(parts.body)),
        _ => Value::String(String::from_utf8_lossy(parts.body).into_owned()),
    }
}
