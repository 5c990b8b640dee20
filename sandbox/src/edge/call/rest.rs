//! REST protocols: Lambda and EKS, where method and path say the operation.

use super::shape::lower_keys;
use super::{Found, percent_decode};
use crate::edge::http::Request;
use hyper::Method;
use serde_json::{Map, Value, json};

/// What a Lambda request does. Event names carry the API's version, as in real records.
pub fn lambda(request: &Request) -> Option<Found> {
    let parts = segments(request.path());
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let method = &request.method;
    if *method == Method::GET {
        return Some(Found::new(if parts.len() > 2 { "GetFunction" } else { "ListFunctions" }, Value::Null));
    }
    let (event, id) = match (method.as_str(), parts.as_slice()) {
        ("POST", [_, "functions"]) => ("CreateFunction20150331", json!({})),
        ("DELETE", [_, "functions", name]) => ("DeleteFunction20150331", json!({"functionName": name})),
        ("PUT", [_, "functions", name, "configuration"]) => {
            ("UpdateFunctionConfiguration20150331v2", json!({"functionName": name}))
        }
        ("PUT", [_, "functions", name, "code"]) => ("UpdateFunctionCode20150331v2", json!({"functionName": name})),
        ("POST", [_, "functions", name, "policy"]) => ("AddPermission20150331v2", json!({"functionName": name})),
        ("DELETE", [_, "functions", name, "policy", sid]) => {
            ("RemovePermission20150331v2", json!({"functionName": name, "statementId": sid}))
        }
        ("POST", [_, "functions", name, "versions"]) => ("PublishVersion20150331", json!({"functionName": name})),
        ("POST", [_, "functions", name, "aliases"]) => ("CreateAlias20150331", json!({"functionName": name})),
        ("PUT", [_, "functions", name, "aliases", alias]) => {
            ("UpdateAlias20150331", json!({"functionName": name, "name": alias}))
        }
        ("DELETE", [_, "functions", name, "aliases", alias]) => {
            ("DeleteAlias20150331", json!({"functionName": name, "name": alias}))
        }
        ("PUT", [_, "functions", name, "concurrency"]) => {
            ("PutFunctionConcurrency20171031", json!({"functionName": name}))
        }
        ("DELETE", [_, "functions", name, "concurrency"]) => {
            ("DeleteFunctionConcurrency20171031", json!({"functionName": name}))
        }
        ("POST", [_, "functions", name, "invocations"]) => ("Invoke", json!({"functionName": name})),
        ("POST", [_, "tags", arn]) => ("TagResource20170331v2", json!({"resource": arn})),
        ("DELETE", [_, "tags", arn]) => ("UntagResource20170331v2", json!({"resource": arn})),
        ("POST", [_, "event-source-mappings"]) => ("CreateEventSourceMapping20150331", json!({})),
        ("PUT", [_, "event-source-mappings", id]) => ("UpdateEventSourceMapping20150331", json!({"uUID": id})),
        ("DELETE", [_, "event-source-mappings", id]) => ("DeleteEventSourceMapping20150331", json!({"uUID": id})),
        _ => return None,
    };
    Some(Found::new(event, with_body(request, id)))
}

/// What an EKS request does.
pub fn eks(request: &Request) -> Option<Found> {
    let parts = segments(request.path());
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let (event, id) = match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["clusters"]) => ("ListClusters", json!({})),
        ("GET", _) => ("DescribeCluster", json!({})),
        ("POST", ["clusters"]) => ("CreateCluster", json!({})),
        ("DELETE", ["clusters", name]) => ("DeleteCluster", json!({"name": name})),
        ("POST", ["clusters", name, "update-config"]) => ("UpdateClusterConfig", json!({"name": name})),
        ("POST", ["clusters", name, "updates"]) => ("UpdateClusterVersion", json!({"name": name})),
        ("POST", ["clusters", name, "node-groups"]) => ("CreateNodegroup", json!({"name": name})),
        ("DELETE", ["clusters", name, "node-groups", group]) => {
            ("DeleteNodegroup", json!({"name": name, "nodegroupName": group}))
        }
        ("POST", ["clusters", name, "node-groups", group, "update-config"]) => {
            ("UpdateNodegroupConfig", json!({"name": name, "nodegroupName": group}))
        }
        _ => return None,
    };
    Some(Found::new(event, with_body(request, id)))
}

/// The body's members, lowered, with those of the path over them.
fn with_body(request: &Request, path: Value) -> Value {
    let mut parameters = match lower_keys(request.json()) {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    if let Value::Object(members) = path {
        parameters.extend(members);
    }
    Value::Object(parameters)
}

fn segments(path: &str) -> Vec<String> {
    path.split('/').filter(|s| !s.is_empty()).map(percent_decode).collect()
}
