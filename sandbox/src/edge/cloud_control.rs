//! Cloud Control's GetResource. The emulator answers it from a store of its own and not from its resources, so the edge says
//! of every type that Cloud Control does not read it, unless a test has told it what to answer.

use super::faults::Faults;
use super::http::{Reply, Request};
use serde_json::json;

/// The answer to a call.
pub fn answer(request: &Request, faults: &Faults) -> Reply {
    let input = request.json();
    let text = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
    let (type_name, identifier) = (text("TypeName"), text("Identifier"));
    match faults.cloud_control(&type_name, &identifier) {
        Some(properties) => Reply::json(&json!({
            "TypeName": type_name,
            "ResourceDescription": {"Identifier": identifier, "Properties": properties.to_string()},
        })),
        None => Reply::json_error(
            400,
            "UnsupportedActionException",
            &format!("Resource type {type_name} does not support READ action"),
        ),
    }
}
