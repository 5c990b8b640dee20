//! CloudTrail's spelling of parameters: the first letter lower, the rest as the API has it (`KMSKeyId` is `kMSKeyId`, `DBInstanceIdentifier` is `dBInstanceIdentifier`).

use serde_json::{Map, Value, json};

/// What a record shows in place of a secret.
pub const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// Objects under these names are maps whose keys are data, not parameter names.
const MAPS: [&str; 6] = ["attributes", "tags", "variables", "labels", "parameters", "expressionAttributeNames"];

/// A name with its first letter lowered.
pub fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// A value of the API as CloudTrail shows it.
pub fn lower_keys(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, member)| {
                    let name = lower_first(&name);
                    let is_map = member.is_object() && MAPS.contains(&name.as_str());
                    let member = if is_map { member } else { lower_keys(member) };
                    (name, member)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(lower_keys).collect()),
        other => other,
    }
}

/// Removes or covers what CloudTrail does not show: secret values, code, environment variables.
pub fn cover(service: &str, operation: &str, parameters: &mut Map<String, Value>) {
    let covered: &[&str] = match (service, operation) {
        ("ssm", "PutParameter") => &["value"],
        ("secretsmanager", _) => &["secretString", "secretBinary"],
        ("rds", _) => &["masterUserPassword"],
        _ => &[],
    };
    for name in covered {
        if let Some(value) = parameters.get_mut(*name) {
            *value = json!(HIDDEN);
        }
    }
    if service == "lambda" {
        parameters.remove("zipFile");
        for name in ["environment", "code"] {
            if let Some(value) = parameters.get_mut(name) {
                *value = json!({});
            }
        }
    }
}

/// An XML answer as `responseElements`: wrappers (`XResponse`, `XResult`) gone, `item` lists as `items`, names lowered.
pub fn xml_elements(root: &Value) -> Value {
    let Value::Object(members) = root else { return Value::Null };
    let inner = members.iter().find(|(name, _)| name.ends_with("Result")).map(|(_, v)| v);
    match inner {
        Some(inner) => lower_keys(members_of(inner.clone(), "member")),
        None if members.keys().all(|k| k == "ResponseMetadata") => Value::Null,
        None => items(root.clone()),
    }
}

/// Lists of the Query protocol: `{"member": [..]}` is the list itself.
fn members_of(value: Value, tag: &str) -> Value {
    match value {
        Value::Object(mut members) if members.len() == 1 && members.contains_key(tag) => match members.remove(tag) {
            Some(Value::Array(list)) => Value::Array(list.into_iter().map(|v| members_of(v, tag)).collect()),
            Some(one) => Value::Array(vec![members_of(one, tag)]),
            None => Value::Null,
        },
        Value::Object(members) => Value::Object(members.into_iter().map(|(k, v)| (k, members_of(v, tag))).collect()),
        other => other,
    }
}

/// Lists of EC2: `{"item": ..}` becomes `{"items": [..]}`; codes are numbers.
fn items(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let members = members.into_iter().map(|(name, member)| match (name.as_str(), member) {
        ("item", Value::Array(list)) => ("items".to_owned(), Value::Array(list.into_iter().map(items).collect())),
        ("item", one) => ("items".to_owned(), Value::Array(vec![items(one)])),
        ("code", Value::String(text)) => (name, text.parse::<i64>().map_or(Value::String(text), Value::from)),
        (_, member) => (lower_first(&name), items(member)),
    });
    Value::Object(members.collect())
}
