//! `reforge crds`.

use anyhow::Result;
use kube::CustomResourceExt;
use reforge_api::{Incident, RecoveryPolicy};
use serde_json::Value;

/// The manifests of both kinds, each with its file name: what `crds/` and the chart hold.
pub fn manifests() -> Result<Vec<(&'static str, String)>> {
    let manifest = |crd| -> Result<String> {
        let mut value = serde_json::to_value(crd)?;
        known_formats(&mut value);
        Ok(serde_yaml::to_string(&value)?)
    };
    Ok(vec![
        ("incidents.yaml", manifest(Incident::crd())?),
        ("recoverypolicies.yaml", manifest(RecoveryPolicy::crd())?),
    ])
}

/// Both manifests as one YAML stream.
pub fn all_manifests() -> Result<String> {
    let documents: Vec<String> = manifests()?.into_iter().map(|(_, text)| format!("---\n{text}")).collect();
    Ok(documents.concat())
}

/// The apiserver warns of the formats of Rust's unsigned integers; their minimum is in the schema anyway.
fn known_formats(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
                object.insert("format".into(), "int64".into());
            }
            object.values_mut().for_each(known_formats);
        }
        Value::Array(list) => list.iter_mut().for_each(known_formats),
        _ => {}
    }
}
