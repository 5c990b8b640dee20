//! The statuses have a version, and nobody changes the one without the other.

use kube::CustomResourceExt;
use reforge_api::{Incident, RecoveryPolicy, STATUS_VERSION};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The version, and the first half of the digest of the fields that it has.
const FIELDS: (u32, &str) = (1, "e05aa934f1524c7ab3525dc2b128c6c1");

/// Every field below a schema, by its path.
fn fields(schema: &Value, path: &str, all: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        fields(field, &path, all);
        all.push(path);
    }
    if schema["items"].is_object() {
        fields(&schema["items"], path, all);
    }
}

#[test]
fn who_adds_a_field_to_a_status_raises_its_version() {
    let mut all = Vec::new();
    for (kind, crd) in [("Incident", Incident::crd()), ("RecoveryPolicy", RecoveryPolicy::crd())] {
        let crd = serde_json::to_value(crd).expect("JSON");
        let status = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
        fields(status, kind, &mut all);
    }
    assert!(all.len() > 100, "{all:#?}");
    all.sort();
    let digest = &hex::encode(Sha256::digest(all.join("\n")))[..32];
    assert_eq!(
        (STATUS_VERSION, digest),
        FIELDS,
        "the statuses have other fields: raise STATUS_VERSION, unless no release has the present one yet; then note both here"
    );
}
