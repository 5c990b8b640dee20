//! XML bodies of REST services (Smithy, "AWS restXml protocol"), attributes included: S3 keeps a grantee's type in one.

use super::super::service::{Member, Shape, Type};
use super::super::violation::Place;
use super::{Reader, put, wire_name};
use quick_xml::Reader as Tokens;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

/// A whole body of a shape, whose root must have this name if one is given; an empty one is nothing.
pub fn body(reader: &mut Reader<'_>, shape: &Shape, root: Option<&str>, text: &[u8], place: &Place) -> Value {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Value::Null;
    }
    match Element::parse(text) {
        Some(element) if root.is_none_or(|name| name == element.name) => whole(reader, shape, &element, place),
        Some(element) => {
            reader.unreadable(place, format!("{} is not the root element", element.name));
            Value::Null
        }
        None => {
            reader.unreadable(place, "not well-formed");
            Value::Null
        }
    }
}

fn whole(reader: &mut Reader<'_>, shape: &Shape, element: &Element, place: &Place) -> Value {
    match shape.kind {
        Type::Structure => structure(reader, shape, element, place),
        _ => Value::Null,
    }
}

/// An element with what is in it.
#[derive(Debug, Default)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Element>,
    text: String,
}

impl Element {
    fn parse(text: &[u8]) -> Option<Self> {
        let mut tokens = Tokens::from_reader(text);
        let mut open: Vec<Self> = Vec::new();
        loop {
            let done = match tokens.read_event().ok()? {
                Event::Start(start) => {
                    open.push(Self::of(&start)?);
                    continue;
                }
                Event::Empty(start) => Self::of(&start)?,
                Event::End(_) => open.pop()?,
                Event::Text(text) => {
                    if let Some(current) = open.last_mut() {
                        current.text.push_str(&text.decode().ok()?);
                    }
                    continue;
                }
                Event::CData(text) => {
                    open.last_mut()?.text.push_str(&String::from_utf8_lossy(&text));
                    continue;
                }
                Event::GeneralRef(reference) => {
                    let letter = match reference.resolve_char_ref().ok()? {
                        Some(letter) => letter.to_string(),
                        None => quick_xml::escape::resolve_predefined_entity(&reference.decode().ok()?)?.to_owned(),
                    };
                    open.last_mut()?.text.push_str(&letter);
                    continue;
                }
                Event::Eof => return None,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => continue,
            };
            match open.last_mut() {
                Some(parent) => parent.children.push(done),
                None => return Some(done),
            }
        }
    }

    fn of(start: &BytesStart<'_>) -> Option<Self> {
        let name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned();
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.ok()?;
            let name = String::from_utf8_lossy(attribute.key.as_ref()).into_owned();
            Some((name, attribute.unescape_value().ok()?.into_owned()))
        });
        Some(Self { name, attributes: attributes.collect::<Option<_>>()?, ..Self::default() })
    }

    fn all<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    fn first(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }
}

fn structure(reader: &mut Reader<'_>, shape: &Shape, element: &Element, place: &Place) -> Value {
    let service = reader.service;
    let mut members = Map::new();
    let mut known = Vec::new();
    for (name, member) in shape.members.iter().filter(|(_, m)| m.location.is_none()) {
        let wire = wire_name(service, name, member);
        known.push(wire);
        let place = place.member(name);
        let value = if member.xml_attribute {
            let attribute = element.attributes.iter().find(|(n, _)| n == wire);
            attribute.map_or(Value::Null, |(_, text)| Value::String(text.clone()))
        } else {
            inner(reader, member, wire, element, &place)
        };
        put(&mut members, name, value);
    }
    for child in element.children.iter().filter(|child| !known.contains(&child.name.as_str())) {
        reader.unknown(place, &child.name);
    }
    Value::Object(members)
}

/// A member's value, which for a flattened list is in several elements.
fn inner(reader: &mut Reader<'_>, member: &Member, wire: &str, element: &Element, place: &Place) -> Value {
    let Some(shape) = reader.shape(&member.shape) else { return Value::Null };
    if shape.kind == Type::List && member.is_flattened(reader.service) {
        let found: Vec<&Element> = element.all(wire).collect();
        return if found.is_empty() { Value::Null } else { items(reader, shape, &found, place) };
    }
    match element.first(wire) {
        Some(child) => value(reader, shape, child, place),
        None => Value::Null,
    }
}

fn value(reader: &mut Reader<'_>, shape: &Shape, element: &Element, place: &Place) -> Value {
    match shape.kind {
        Type::Structure => structure(reader, shape, element, place),
        Type::List => {
            let tag = shape.member.as_ref().and_then(|m| m.location_name.as_deref()).unwrap_or("member");
            let found: Vec<&Element> = element.all(tag).collect();
            items(reader, shape, &found, place)
        }
        Type::Map => map(reader, shape, element, place),
        _ => reader.text(shape, &element.text, place),
    }
}

fn items(reader: &mut Reader<'_>, shape: &Shape, elements: &[&Element], place: &Place) -> Value {
    let Some(inner) = shape.member.as_ref().and_then(|m| reader.shape(&m.shape)) else { return Value::Null };
    let items = elements.iter().enumerate();
    Value::Array(items.map(|(at, element)| value(reader, inner, element, &place.element(at))).collect())
}

fn map(reader: &mut Reader<'_>, shape: &Shape, element: &Element, place: &Place) -> Value {
    let (Some(key), Some(member)) = (&shape.key, &shape.value) else { return Value::Null };
    let Some(inner) = reader.shape(&member.shape) else { return Value::Null };
    let mut read = Map::new();
    for entry in element.all("entry") {
        let name = entry.first(key.location_name.as_deref().unwrap_or("key")).map(|k| k.text.clone());
        let wire = entry.first(member.location_name.as_deref().unwrap_or("value"));
        if let (Some(name), Some(wire)) = (name, wire) {
            let value = value(reader, inner, wire, &place.entry(&name));
            read.insert(name, value);
        }
    }
    Value::Object(read)
}
