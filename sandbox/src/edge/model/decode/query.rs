//! The Query protocol and EC2's: `A.member.1.B=..` folded into the input's members (Smithy, "AWS Query protocol", "AWS EC2 Query protocol").

use super::super::service::{Member, Protocol, Service, Shape, Type};
use super::super::violation::Place;
use super::{Decoded, Reader, put, wire_name};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The input that the pairs of a form say.
pub fn input(service: &Service, shape: &str, pairs: &[(String, String)]) -> Decoded {
    let mut root = Node::default();
    for (name, text) in pairs.iter().filter(|(name, _)| !is_envelope(name)) {
        root.add(name, text);
    }
    let mut reader = Reader::new(service);
    let input = match reader.shape(shape) {
        Some(shape) => structure(&mut reader, shape, &root, &Place::default()),
        None => Value::Object(Map::new()),
    };
    reader.finish(input)
}

/// Names beside the input: the operation, and the signature of a presigned request.
fn is_envelope(name: &str) -> bool {
    matches!(name, "Action" | "Version" | "AWSAccessKeyId" | "Timestamp" | "Signature")
        || name.starts_with("X-Amz-")
        || name.starts_with("Signature")
}

/// The dotted names as a tree.
#[derive(Debug, Default)]
struct Node {
    text: Option<String>,
    children: BTreeMap<String, Node>,
}

impl Node {
    fn add(&mut self, name: &str, text: &str) {
        let mut node = self;
        for part in name.split('.') {
            node = node.children.entry(part.to_owned()).or_default();
        }
        node.text = Some(text.to_owned());
    }

    /// The numbered children, in order.
    fn numbered(&self) -> Vec<&Node> {
        let mut numbered: Vec<(u32, &Node)> =
            self.children.iter().filter_map(|(name, node)| Some((name.parse().ok()?, node))).collect();
        numbered.sort_by_key(|(number, _)| *number);
        numbered.into_iter().map(|(_, node)| node).collect()
    }
}

fn structure(reader: &mut Reader<'_>, shape: &Shape, node: &Node, place: &Place) -> Value {
    let service = reader.service;
    let mut members = Map::new();
    let mut known = Vec::new();
    for (name, member) in &shape.members {
        let wire = member_name(service, name, member);
        if let Some(child) = node.children.get(&wire) {
            let inner = value(reader, member, child, &place.member(name));
            put(&mut members, name, inner);
        }
        known.push(wire);
    }
    for name in node.children.keys().filter(|name| !known.contains(name)) {
        reader.unknown(place, name);
    }
    Value::Object(members)
}

fn value(reader: &mut Reader<'_>, member: &Member, node: &Node, place: &Place) -> Value {
    let Some(shape) = reader.shape(&member.shape) else { return Value::Null };
    match shape.kind {
        Type::Structure => structure(reader, shape, node, place),
        Type::List => list(reader, shape, member, node, place),
        Type::Map => map(reader, shape, member, node, place),
        _ => match &node.text {
            Some(text) => reader.text(shape, text, place),
            None => {
                reader.unreadable(place, "a value expected");
                Value::Null
            }
        },
    }
}

fn list(reader: &mut Reader<'_>, shape: &Shape, member: &Member, node: &Node, place: &Place) -> Value {
    let Some(element) = &shape.member else { return Value::Null };
    let bare = reader.service.metadata.protocol == Protocol::Ec2 || member.is_flattened(reader.service);
    let tag = element.location_name.as_deref().unwrap_or("member");
    let numbered = if bare { node.numbered() } else { node.children.get(tag).map(Node::numbered).unwrap_or_default() };
    let items = numbered.into_iter().enumerate();
    Value::Array(items.map(|(at, item)| value(reader, element, item, &place.element(at))).collect())
}

fn map(reader: &mut Reader<'_>, shape: &Shape, member: &Member, node: &Node, place: &Place) -> Value {
    let (Some(key), Some(inner)) = (&shape.key, &shape.value) else { return Value::Null };
    let flattened = member.is_flattened(reader.service);
    let entries = if flattened { Some(node) } else { node.children.get("entry") };
    let mut read = Map::new();
    for entry in entries.map(Node::numbered).unwrap_or_default() {
        let of =
            |member: &Member, default: &str| entry.children.get(member.location_name.as_deref().unwrap_or(default));
        let Some(name) = of(key, "key").and_then(|n| n.text.clone()) else { continue };
        if let Some(wire) = of(inner, "value") {
            let inner = value(reader, inner, wire, &place.entry(&name));
            read.insert(name, inner);
        }
    }
    Value::Object(read)
}

/// A member's name in a form.
fn member_name(service: &Service, name: &str, member: &Member) -> String {
    if service.metadata.protocol == Protocol::Ec2 {
        let capital = |name: &str| {
            let mut letters = name.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        };
        return match &member.query_name {
            Some(name) => name.clone(),
            None => capital(wire_name(service, name, member)),
        };
    }
    // The name of a flattened list's elements takes the place of the list's own.
    let elements = service.shape(&member.shape).and_then(|s| s.member.as_ref()).and_then(|m| m.location_name.clone());
    match elements.filter(|_| member.is_flattened(service)) {
        Some(name) => name,
        None => wire_name(service, name, member).to_owned(),
    }
}
