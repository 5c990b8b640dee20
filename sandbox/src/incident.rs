//! How an Incident stands, as the apiserver has it. Pure.

use serde_json::Value;

/// Its phase.
pub fn phase(incident: &Value) -> &str {
    incident["status"]["phase"].as_str().unwrap_or_default()
}

/// One of its conditions; null when it has none such.
pub fn condition<'a>(incident: &'a Value, r#type: &str) -> &'a Value {
    let conditions = incident["status"]["conditions"].as_array();
    conditions.and_then(|all| all.iter().find(|c| c["type"] == r#type)).unwrap_or(&Value::Null)
}

/// The reason of its Ready condition.
pub fn reason(incident: &Value) -> &str {
    condition(incident, "Ready")["reason"].as_str().unwrap_or_default()
}

/// The message of its Ready condition.
pub fn message(incident: &Value) -> &str {
    condition(incident, "Ready")["message"].as_str().unwrap_or_default()
}

/// Whether it has ended.
pub fn has_ended(incident: &Value) -> bool {
    incident["status"]["step"]["name"] == "Ended"
}
