//! A request as limits are measured on it: its members under the API's own names, secrets included.
//!
//! `Call` has CloudTrail's spelling and covers what a trail does not show; here nothing is covered, and nothing is kept.

use crate::edge::call::{Call, Protocol};
use crate::edge::http::Request;
use serde_json::{Map, Value};

/// One request.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The call that it is.
    pub call: &'a Call,
    /// The request as it came.
    pub request: &'a Request,
    /// The members: of the Query protocols under their dotted names, of S3 none.
    pub input: Value,
}

impl<'a> Asked<'a> {
    /// Reads the members.
    pub fn of(call: &'a Call, request: &'a Request) -> Self {
        let input = match call.protocol {
            Protocol::Query | Protocol::Ec2 => Value::Object(form(request)),
            Protocol::Json | Protocol::RestJson => request.json(),
            Protocol::S3 => Value::Null,
        };
        Self { call, request, input }
    }

    /// A member that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.input[name].as_str()
    }

    /// A member that is a number, or text that reads as one.
    pub fn number(&self, name: &str) -> Option<u64> {
        number(&self.input[name])
    }

    /// The objects of a member that is a list.
    pub fn list(&self, name: &str) -> &[Value] {
        self.input[name].as_array().map_or(&[], Vec::as_slice)
    }

    /// All members, of the Query protocols under their dotted names.
    pub fn members(&self) -> impl Iterator<Item = (&str, &str)> {
        self.input.as_object().into_iter().flatten().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
    }

    /// An attribute by its name: of a map, of `AttributeName` and `AttributeValue`, or of `Attributes.entry.N`.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        if let Some(value) = self.input["Attributes"][name].as_str() {
            return Some(value);
        }
        if self.text("AttributeName") == Some(name) {
            return self.text("AttributeValue");
        }
        let mut keys = self.members().filter_map(|(member, value)| Some((member.strip_suffix(".key")?, value)));
        let (entry, _) = keys.find(|(_, key)| *key == name)?;
        self.text(&format!("{entry}.value"))
    }
}

fn form(request: &Request) -> Map<String, Value> {
    let body = form_urlencoded::parse(&request.body).into_owned();
    body.chain(request.query_pairs()).map(|(name, value)| (name, Value::String(value))).collect()
}

/// A number, or text that reads as one.
pub fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Characters, of Unicode.
pub fn characters(text: &str) -> u64 {
    text.chars().count() as u64
}

/// Bytes, of UTF-8.
pub fn bytes(text: &str) -> u64 {
    text.len() as u64
}

/// Characters without white space, as IAM counts (IAM User Guide, "IAM and AWS STS quotas").
pub fn dense(text: &str) -> u64 {
    text.chars().filter(|c| !c.is_whitespace()).count() as u64
}
