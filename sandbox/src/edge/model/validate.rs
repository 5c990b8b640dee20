//! A request's input held against its shape: what is missing, too long, too great, of another pattern, none of the values.
//!
//! Given an input in the API's spelling, it gives all violations, in the order of the members' names. What the model does not know it passes
//! over. It changes nothing and words nothing.

use super::pattern::Patterns;
use super::service::{Service, Shape, Type};
use super::violation::{Constraint, Place, Violation};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// All that is wrong with the input of an operation.
pub fn violations(service: &Service, patterns: &Patterns, shape: &str, input: &Value) -> Vec<Violation> {
    let mut judge = Judge { service, patterns, found: Vec::new() };
    judge.value(shape, input, &Place::default());
    judge.found
}

struct Judge<'m> {
    service: &'m Service,
    patterns: &'m Patterns,
    found: Vec<Violation>,
}

impl Judge<'_> {
    fn value(&mut self, name: &str, value: &Value, place: &Place) {
        let Some(shape) = self.service.shape(name) else { return };
        let broken = self.broken(shape, value);
        let shown = shown(self.service, name, value);
        for constraint in broken {
            self.add(place, shown.clone(), constraint);
        }
        match (shape.kind, value) {
            (Type::Structure, Value::Object(_)) if !shape.document => self.members(shape, value, place),
            (Type::List, Value::Array(items)) => self.elements(shape, items, value, place, shown.as_ref()),
            (Type::Map, Value::Object(entries)) => self.entries(shape, entries, place, shown.as_ref()),
            _ => {}
        }
    }

    fn add(&mut self, place: &Place, value: Option<Value>, constraint: Constraint) {
        let Place { path, member, root } = place.clone();
        self.found.push(Violation { path, member, root, value, constraint });
    }

    fn members(&mut self, shape: &Shape, value: &Value, place: &Place) {
        for (name, member) in &shape.members {
            match value.get(name) {
                Some(inner) if !inner.is_null() => self.value(&member.shape, inner, &place.member(name)),
                // A body that is not read whole is not in the input.
                None if member.is_streaming(self.service) => {}
                _ if shape.required.contains(name) => {
                    self.add(&place.member(name), Some(Value::Null), Constraint::NotNull);
                }
                _ => {}
            }
        }
        let set = shape.members.keys().filter(|name| value.get(*name).is_some_and(|v| !v.is_null())).count();
        if shape.union && set != 1 {
            self.add(place, None, Constraint::OneMember);
        }
    }

    fn elements(&mut self, shape: &Shape, items: &[Value], whole: &Value, place: &Place, shown: Option<&Value>) {
        let Some(member) = &shape.member else { return };
        let Some(inner) = self.service.shape(&member.shape) else { return };
        if is_scalar(inner) {
            if items.iter().any(|item| !self.broken(inner, item).is_empty()) {
                self.add(place, shown.map(|_| whole.clone()), Constraint::Elements(constraints(inner)));
            }
            return;
        }
        for (index, item) in items.iter().enumerate() {
            self.value(&member.shape, item, &place.element(index));
        }
    }

    fn entries(
        &mut self,
        shape: &Shape,
        entries: &serde_json::Map<String, Value>,
        place: &Place,
        shown: Option<&Value>,
    ) {
        if let Some(inner) = shape.key.as_ref().and_then(|k| self.service.shape(&k.shape))
            && entries.keys().any(|key| !self.broken(inner, &Value::String(key.clone())).is_empty())
        {
            self.add(place, shown.cloned(), Constraint::Keys(constraints(inner)));
        }
        let Some(member) = &shape.value else { return };
        let Some(inner) = self.service.shape(&member.shape) else { return };
        if is_scalar(inner) {
            if entries.values().any(|value| !self.broken(inner, value).is_empty()) {
                self.add(place, shown.cloned(), Constraint::Values(constraints(inner)));
            }
            return;
        }
        for (key, value) in entries {
            self.value(&member.shape, value, &place.entry(key));
        }
    }

    /// What a value is not that it must be, its members and elements left aside.
    fn broken(&self, shape: &Shape, value: &Value) -> Vec<Constraint> {
        constraints(shape).into_iter().filter(|constraint| !self.holds(constraint, shape, value)).collect()
    }

    fn holds(&self, constraint: &Constraint, shape: &Shape, value: &Value) -> bool {
        match constraint {
            Constraint::MinLength(least) => length(shape, value).is_none_or(|length| length >= *least),
            Constraint::MaxLength(most) => length(shape, value).is_none_or(|length| length <= *most),
            Constraint::MinValue(least) => value.as_f64().is_none_or(|number| number >= *least),
            Constraint::MaxValue(most) => value.as_f64().is_none_or(|number| number <= *most),
            Constraint::Pattern(pattern) => {
                value.as_str().is_none_or(|text| self.patterns.matches(pattern, text).unwrap_or(true))
            }
            Constraint::Enum(values) => value.as_str().is_none_or(|text| values.iter().any(|v| v == text)),
            _ => true,
        }
    }
}

/// What a shape says itself of its values, in the order in which AWS lists it.
fn constraints(shape: &Shape) -> Vec<Constraint> {
    let mut all = Vec::new();
    let is_number = matches!(shape.kind, Type::Integer | Type::Long | Type::Float | Type::Double);
    if is_number {
        all.extend(shape.max.map(Constraint::MaxValue));
        all.extend(shape.min.map(Constraint::MinValue));
    } else {
        all.extend(shape.max.map(Constraint::MaxLength));
        all.extend(shape.min.map(Constraint::MinLength));
    }
    all.extend(shape.pattern.clone().map(Constraint::Pattern));
    if !shape.values.is_empty() {
        all.push(Constraint::Enum(shape.values.clone()));
    }
    all
}

fn is_scalar(shape: &Shape) -> bool {
    !matches!(shape.kind, Type::Structure | Type::List | Type::Map)
}

#[allow(clippy::cast_precision_loss, reason = "no length comes near 2^52")]
fn length(shape: &Shape, value: &Value) -> Option<f64> {
    let length = match (shape.kind, value) {
        (Type::Blob, Value::String(text)) => STANDARD.decode(text).ok()?.len(),
        (_, Value::String(text)) => text.chars().count(),
        (_, Value::Array(items)) => items.len(),
        (_, Value::Object(entries)) => entries.len(),
        _ => return None,
    };
    Some(length as f64)
}

/// The value, if neither it nor anything in it is sensitive.
fn shown(service: &Service, name: &str, value: &Value) -> Option<Value> {
    (!holds_a_secret(service, name, value)).then(|| value.clone())
}

fn holds_a_secret(service: &Service, name: &str, value: &Value) -> bool {
    let Some(shape) = service.shape(name) else { return true };
    if shape.sensitive || shape.kind == Type::Blob {
        return true;
    }
    match (shape.kind, value) {
        (Type::Structure, Value::Object(members)) => members
            .iter()
            .any(|(name, value)| shape.members.get(name).is_some_and(|m| holds_a_secret(service, &m.shape, value))),
        (Type::List, Value::Array(items)) => {
            shape.member.as_ref().is_some_and(|m| items.iter().any(|item| holds_a_secret(service, &m.shape, item)))
        }
        (Type::Map, Value::Object(entries)) => {
            let key = shape.key.as_ref().is_some_and(|m| service.is_sensitive(&m.shape));
            let value = shape.value.as_ref();
            key || value.is_some_and(|m| entries.values().any(|v| holds_a_secret(service, &m.shape, v)))
        }
        _ => false,
    }
}
