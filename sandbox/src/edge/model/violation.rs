//! What a request has wrong, as data: where, which value, which constraint. Says nothing of how a service words it.

use serde_json::Value;

/// What a value must be.
#[derive(Debug, Clone, PartialEq)]
pub enum Constraint {
    /// There at all.
    NotNull,
    /// This long: letters, bytes, elements or entries.
    MinLength(f64),
    /// No longer.
    MaxLength(f64),
    /// This great.
    MinValue(f64),
    /// No greater.
    MaxValue(f64),
    /// Matched by Java's regular expression.
    Pattern(String),
    /// One of these.
    Enum(Vec<String>),
    /// A union with one member.
    OneMember,
    /// A list whose elements are all of that.
    Elements(Vec<Constraint>),
    /// A map whose keys are all of that.
    Keys(Vec<Constraint>),
    /// A map whose values are all of that.
    Values(Vec<Constraint>),
}

/// A value that is not what it must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// As AWS's validation writes it: `tags.1.member.key`.
    pub path: String,
    /// The name of the innermost member in the API's spelling: `Key`.
    pub member: String,
    /// The name of the outermost.
    pub root: String,
    /// The value, unless it is not to be shown.
    pub value: Option<Value>,
    /// What it must be.
    pub constraint: Constraint,
}

/// A value of another type than the model says, or a body that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The name of the innermost member in the API's spelling.
    pub member: String,
    /// What is wrong.
    pub why: String,
}

/// A place in a value.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// As in [`Violation`].
    pub path: String,
    /// As in [`Violation`].
    pub member: String,
    /// As in [`Violation`].
    pub root: String,
}

impl Place {
    /// A member of what is here.
    pub fn member(&self, name: &str) -> Self {
        let root = if self.root.is_empty() { name } else { &self.root };
        Self { path: self.below(&lower_first(name)), member: name.to_owned(), root: root.to_owned() }
    }

    /// An element of what is here, counted from 0.
    pub fn element(&self, index: usize) -> Self {
        Self { path: self.below(&format!("{}.member", index + 1)), ..self.clone() }
    }

    /// An entry of what is here.
    pub fn entry(&self, key: &str) -> Self {
        Self { path: self.below(&format!("{key}.member")), ..self.clone() }
    }

    fn below(&self, step: &str) -> String {
        if self.path.is_empty() { step.to_owned() } else { format!("{}.{step}", self.path) }
    }
}

fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
