//! From a request as it came over the wire to its input in the API's spelling.
//!
//! Given an operation's input shape and a request, it gives the members by the names that the API reference has, numbers and booleans as such,
//! blobs in base64; with it the names that the model does not know, and the first thing that could not be read. It judges no value.

mod json;
mod query;
mod rest;
mod xml;

pub use query::input as query;
pub use rest::{Body, Parts, input as rest};

use super::service::{Member, Service, Shape, Type};
use super::violation::{Place, Unreadable};
use serde_json::{Map, Value, json};

/// What a request says.
#[derive(Debug, Default)]
pub struct Decoded {
    /// The input in the API's spelling.
    pub input: Value,
    /// Names that the model does not have.
    pub unknown: Vec<String>,
    /// What could not be read, first of all.
    pub unreadable: Option<Unreadable>,
}

impl Decoded {
    /// Of an operation without input.
    pub fn nothing() -> Self {
        Self { input: json!({}), ..Self::default() }
    }
}

/// The input of a JSON protocol, whose body it is.
pub fn json(service: &Service, shape: &str, body: &[u8]) -> Decoded {
    let mut reader = Reader::new(service);
    let input = json::body(&mut reader, shape, body);
    reader.finish(input)
}

/// What all protocols' readers share: the model, and what they came across.
#[derive(Debug)]
struct Reader<'m> {
    service: &'m Service,
    unknown: Vec<String>,
    unreadable: Option<Unreadable>,
}

impl<'m> Reader<'m> {
    fn new(service: &'m Service) -> Self {
        Self { service, unknown: Vec::new(), unreadable: None }
    }

    fn finish(self, input: Value) -> Decoded {
        Decoded { input, unknown: self.unknown, unreadable: self.unreadable }
    }

    fn shape(&self, name: &str) -> Option<&'m Shape> {
        self.service.shape(name)
    }

    fn unknown(&mut self, place: &Place, name: &str) {
        self.unknown.push(if place.path.is_empty() { name.to_owned() } else { format!("{}.{name}", place.path) });
    }

    fn unreadable(&mut self, place: &Place, why: impl Into<String>) {
        let member = place.member.clone();
        self.unreadable.get_or_insert_with(|| Unreadable { member, why: why.into() });
    }

    /// A value that the protocol has only as text.
    fn text(&mut self, shape: &Shape, text: &str, place: &Place) -> Value {
        let trimmed = text.trim();
        let value = match shape.kind {
            Type::Boolean => trimmed.to_ascii_lowercase().parse::<bool>().ok().map(Value::Bool),
            Type::Integer | Type::Long => trimmed.parse::<i64>().ok().map(Value::from),
            Type::Float | Type::Double => trimmed.parse::<f64>().ok().map(|number| json!(number)),
            _ => Some(Value::String(text.to_owned())),
        };
        value.unwrap_or_else(|| {
            self.unreadable(place, format!("{:?} expected", shape.kind).to_ascii_lowercase());
            Value::Null
        })
    }
}

/// A member's name on the wire of all protocols but EC2's.
fn wire_name<'m>(service: &'m Service, name: &'m str, member: &'m Member) -> &'m str {
    let of_shape = || service.shape(&member.shape).and_then(|s| s.location_name.as_deref());
    member.location_name.as_deref().or_else(of_shape).unwrap_or(name)
}

/// Adds a member that is there.
fn put(into: &mut Map<String, Value>, name: &str, value: Value) {
    if !value.is_null() {
        into.insert(name.to_owned(), value);
    }
}
