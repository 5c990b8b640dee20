//! XML of the Query and S3 protocols as JSON.
//!
//! Reads what AWS and the emulator write: elements, text, the predefined entities. Attributes, comments and declarations are passed over.
//! An element with children becomes an object, one that repeats an array, one with text a string, an empty one `""`.

use serde_json::{Map, Value};

/// The document's root as (name, value), or nothing when the text is not XML.
pub fn parse(text: &str) -> Option<(String, Value)> {
    let mut rest = text;
    let Tag::Open { name, empty } = next_tag(&mut rest)? else { return None };
    let value = if empty { Value::String(String::new()) } else { content(&mut rest)? };
    Some((name, value))
}

/// The text of the first element of that name, however deep.
pub fn first_text(text: &str, name: &str) -> Option<String> {
    let start = text.find(&format!("<{name}>"))? + name.len() + 2;
    let end = text[start..].find(&format!("</{name}>"))?;
    Some(unescape(text[start..start + end].trim()))
}

enum Tag {
    Open { name: String, empty: bool },
    Close,
}

/// Moves past the next tag; what is neither an opening nor a closing tag is skipped.
fn next_tag(rest: &mut &str) -> Option<Tag> {
    loop {
        let tail = &rest[rest.find('<')?..];
        if let Some(comment) = tail.strip_prefix("<!--") {
            *rest = &comment[comment.find("-->")? + 3..];
            continue;
        }
        let end = tail.find('>')?;
        let inner = &tail[1..end];
        *rest = &tail[end + 1..];
        if inner.starts_with('/') {
            return Some(Tag::Close);
        }
        if inner.starts_with(['?', '!']) {
            continue;
        }
        let empty = inner.ends_with('/');
        let name = inner.trim_end_matches('/').split_whitespace().next()?;
        let name = name.rsplit(':').next()?.to_owned();
        return Some(Tag::Open { name, empty });
    }
}

fn content(rest: &mut &str) -> Option<Value> {
    let mut children = Map::new();
    let mut text = String::new();
    loop {
        text.push_str(&rest[..rest.find('<')?]);
        match next_tag(rest)? {
            Tag::Close if children.is_empty() => return Some(Value::String(unescape(text.trim()))),
            Tag::Close => return Some(Value::Object(children)),
            Tag::Open { name, empty } => {
                let value = if empty { Value::String(String::new()) } else { content(rest)? };
                add(&mut children, name, value);
            }
        }
    }
}

fn add(into: &mut Map<String, Value>, name: String, value: Value) {
    match into.get_mut(&name) {
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
        None => {
            into.insert(name, value);
        }
    }
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}
