//! Query protocol (EC2, IAM, SNS, STS, RDS, ...): `Action=..&A.1.B=..` folded into CloudTrail's shapes.

use super::shape::{lower_first, lower_keys};
use serde_json::{Map, Value, json};

/// Numbers in the records although the protocol has only text.
const NUMBERS: [&str; 8] =
    ["minCount", "maxCount", "fromPort", "toPort", "allocatedStorage", "backupRetentionPeriod", "port", "volumeSize"];

/// EC2 calls whose parameters sit in an object of their own with the API's capitals, as seen in real records.
const WRAPPED: [&str; 8] = [
    "CreateNatGateway",
    "DeleteNatGateway",
    "CreateFlowLogs",
    "DeleteFlowLogs",
    "CreateVpcEndpoint",
    "DeleteVpcEndpoints",
    "ModifySecurityGroupRules",
    "CreateLaunchTemplate",
];

/// `requestParameters` of a call, without `Action` and `Version`.
pub fn parameters(service: &str, action: &str, pairs: &[(String, String)]) -> Value {
    let tree = tree(pairs);
    match service {
        "ec2" if WRAPPED.contains(&action) => {
            let mut wrapped = Map::new();
            wrapped.insert(format!("{action}Request"), wrapped_value(tree));
            Value::Object(wrapped)
        }
        "ec2" => ec2(action, tree),
        _ => typed(lower_keys(plain(tree))),
    }
}

/// The dotted names as nested objects; lists are still objects with number keys.
fn tree(pairs: &[(String, String)]) -> Value {
    let mut root = Map::new();
    for (name, value) in pairs.iter().filter(|(name, _)| name != "Action" && name != "Version") {
        let mut parts = name.split('.').peekable();
        let mut node = &mut root;
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                node.insert(part.to_owned(), Value::String(value.clone()));
                break;
            }
            let child = node.entry(part).or_insert_with(|| json!({}));
            if !child.is_object() {
                *child = json!({});
            }
            let Some(members) = child.as_object_mut() else { break };
            node = members;
        }
    }
    Value::Object(root)
}

/// The elements in order when the object is a list (all its keys are numbers).
fn list(members: &Map<String, Value>) -> Option<Vec<Value>> {
    let mut numbered: Vec<(u32, &Value)> =
        members.iter().map(|(key, value)| Some((key.parse().ok()?, value))).collect::<Option<_>>()?;
    numbered.sort_by_key(|(number, _)| *number);
    (!numbered.is_empty()).then(|| numbered.into_iter().map(|(_, value)| value.clone()).collect())
}

/// Lists and maps of IAM, SNS and RDS: `X.member.N`, `X.Tag.N` and `X.N` are lists, `X.entry.N.{key,value}` is a map.
fn plain(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    if let Some(items) = list(&members) {
        return Value::Array(items.into_iter().map(plain).collect());
    }
    if members.len() == 1
        && let Some((tag, Value::Object(inner))) = members.iter().next()
        && let Some(items) = list(inner)
    {
        return if tag == "entry" { map(items) } else { Value::Array(items.into_iter().map(plain).collect()) };
    }
    Value::Object(members.into_iter().map(|(name, member)| (name, plain(member))).collect())
}

fn map(entries: Vec<Value>) -> Value {
    let entries = entries.into_iter().filter_map(|entry| {
        let of = |names: [&str; 2]| names.iter().find_map(|n| entry.get(*n)).cloned();
        Some((of(["key", "Name"])?.as_str()?.to_owned(), of(["value", "Value"])?))
    });
    Value::Object(entries.collect())
}

fn ec2(action: &str, tree: Value) -> Value {
    let Value::Object(members) = tree else { return Value::Null };
    let mut parameters = Map::new();
    for (name, member) in members {
        let (name, member) = ec2_member(&name, member);
        parameters.insert(name, member);
    }
    if action == "RunInstances" {
        let item: Map<String, Value> = ["imageId", "minCount", "maxCount", "keyName"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), parameters.remove(name)?)))
            .collect();
        parameters.insert("instancesSet".to_owned(), json!({"items": [item]}));
    }
    Value::Object(parameters)
}

/// One parameter of EC2 by its name and value in a record: lists are sets of items.
fn ec2_member(name: &str, value: Value) -> (String, Value) {
    let lowered = lower_first(name);
    let Value::Object(members) = value else {
        let value = scalar(&lowered, value);
        return (lowered, value);
    };
    let Some(items) = list(&members) else {
        let inner = members.into_iter().map(|(n, v)| ec2_member(&n, v)).collect();
        return (lowered, Value::Object(inner));
    };
    let items: Vec<Value> = items.into_iter().map(|item| ec2_item(name, item)).collect();
    match name {
        // Seen so in records of RunInstances and CreateVpc: the tags of a specification are a bare list.
        "Tag" => ("tagSet".to_owned(), json!({"items": items})),
        "InstanceId" => ("instancesSet".to_owned(), json!({"items": items})),
        "ResourceId" => ("resourcesSet".to_owned(), json!({"items": items})),
        "SecurityGroupId" | "GroupId" => ("groupSet".to_owned(), json!({"items": items})),
        "IpPermissions" | "IpRanges" | "Ipv6Ranges" | "Groups" | "PrefixListIds" | "BlockDeviceMapping" => {
            (lowered, json!({"items": items}))
        }
        _ => (format!("{lowered}Set"), json!({"items": items})),
    }
}

fn ec2_item(list_name: &str, item: Value) -> Value {
    match item {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, member)| match (list_name, name.as_str(), &member) {
                    ("TagSpecification", "Tag", Value::Object(tags)) => {
                        ("tags".to_owned(), lower_keys(Value::Array(list(tags).unwrap_or_default())))
                    }
                    _ => ec2_member(&name, member),
                })
                .collect(),
        ),
        text => {
            let name = if list_name == "SecurityGroupId" { "groupId".to_owned() } else { lower_first(list_name) };
            json!({ name: text })
        }
    }
}

/// The shape of the wrapped calls: capitals kept, one element of a list is `{"content": .., "tag": N}`.
fn wrapped_value(value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    match list(&members) {
        Some(items) => {
            let tagged: Vec<Value> = items
                .into_iter()
                .zip(1..)
                .map(|(item, tag): (Value, i32)| match wrapped_value(item) {
                    Value::Object(mut inner) => {
                        inner.insert("tag".to_owned(), json!(tag));
                        Value::Object(inner)
                    }
                    text => json!({"content": text, "tag": tag}),
                })
                .collect();
            if tagged.len() == 1 { tagged.into_iter().next().unwrap_or_default() } else { Value::Array(tagged) }
        }
        None => Value::Object(members.into_iter().map(|(n, v)| (n, wrapped_value(v))).collect()),
    }
}

fn typed(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, member)| {
                    let member = if member.is_string() { scalar(&name, member) } else { typed(member) };
                    (name, member)
                })
                .collect(),
        ),
        other => other,
    }
}

fn scalar(name: &str, value: Value) -> Value {
    match value.as_str() {
        Some("true") => Value::Bool(true),
        Some("false") => Value::Bool(false),
        Some(text) if NUMBERS.contains(&name) => text.parse::<i64>().map_or(value.clone(), Value::from),
        _ => value,
    }
}
