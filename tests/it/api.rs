//! The custom resources, as people meet them: what `kubectl explain` says, and what the apiserver refuses.

use serde_json::{Value, json};

use crate::shape::policy;
use crate::world::{namespace, plane};

fn apply(manifest: &Value) -> Result<String, String> {
    plane().kubectl_with(&manifest.to_string(), &["apply", "--server-side", "-f", "-"]).map_err(|e| e.to_string())
}

fn refused(change: impl Fn(&mut Value), says: &str) {
    let mut manifest = policy(&namespace());
    change(&mut manifest["spec"]);
    let error = apply(&manifest).expect_err("the apiserver refuses it");
    assert!(error.contains(says), "{says:?} is not in: {error}");
}

#[test]
fn explain_has_a_word_for_each_field() {
    for path in ["incident.status", "incident.spec.event", "recoverypolicy.spec", "recoverypolicy.spec.match"] {
        let text = plane().kubectl(&["explain", path]).expect("kubectl explain");
        assert!(!text.contains("<no description>"), "{text}");
        let fields = text.split("FIELDS:").nth(1).expect("fields").trim_matches('\n');
        let described = fields.lines().filter(|l| l.starts_with("    ") && !l.trim().is_empty()).count();
        let named = fields.lines().filter(|l| l.starts_with("  ") && !l.starts_with("   ")).count();
        assert!(named > 0 && described >= named, "{path}: {named} fields, {described} lines of words\n{text}");
    }
}

#[test]
fn a_valid_policy_is_taken_with_its_defaults() {
    let namespace = namespace();
    apply(&policy(&namespace)).expect("the policy is valid");
    let stored = plane().kubectl(&["get", "rpol", "all", "-n", &namespace, "-o", "json"]).expect("it is stored");
    let stored: Value = serde_json::from_str(&stored).expect("JSON");
    assert_eq!(stored["spec"]["plan"]["maxChanges"], 10);
    assert_eq!(stored["spec"]["verification"]["timeout"], "5m");
    assert_eq!(stored["spec"]["classification"]["criticality"], "Critical");
}

#[test]
fn a_policy_without_a_mode_only_observes() {
    let namespace = namespace();
    let mut manifest = policy(&namespace);
    manifest["spec"].as_object_mut().expect("a spec").remove("mode");
    apply(&manifest).expect("the policy is valid");
    let mode = plane().kubectl(&["get", "rpol", "all", "-n", &namespace, "-o", "jsonpath={.spec.mode}"]);
    assert_eq!(mode.expect("it is stored"), "Observe");
}

#[test]
fn an_account_that_is_none_is_refused_with_what_to_write() {
    refused(|spec| spec["match"]["accounts"] = json!(["12345678901x"]), "twelve digits, in quotes");
}

#[test]
fn a_duration_without_a_unit_is_refused_with_what_to_write() {
    refused(|spec| spec["verification"] = json!({"timeout": "300"}), "90s, 5m or 1h");
}

#[test]
fn a_glob_with_brackets_is_refused_with_what_to_write() {
    refused(|spec| spec["match"]["resourceIds"] = json!(["orders-[ab]"]), "plain characters, * and ?");
}

#[test]
fn a_type_in_the_wrong_spelling_is_refused_with_what_to_write() {
    refused(|spec| spec["match"]["resourceTypes"] = json!(["DynamoDB Table"]), "AWS::DynamoDB::Table");
}

#[test]
fn a_policy_without_types_or_workspaces_is_refused() {
    refused(|spec| spec["match"] = json!({"resourceTypes": []}), "resourceTypes");
    refused(|spec| spec["recovery"]["workspaces"] = json!([]), "workspaces");
}

#[test]
fn a_topic_that_is_none_is_refused_with_what_to_write() {
    refused(|spec| spec["notifications"] = json!([{"sns": {"topicArn": "my-topic"}}]), "the ARN of an SNS topic");
}

#[test]
fn an_unknown_field_is_refused() {
    refused(|spec| spec["aproval"] = json!({"mode": "Never"}), "aproval");
}

/// A valid Incident.
pub fn incident(namespace: &str) -> Value {
    json!({
        "apiVersion": "reforge.dev/v1alpha1",
        "kind": "Incident",
        "metadata": {"name": "dynamodb-1", "namespace": namespace},
        "spec": {
            "event": {
                "id": "e-1", "time": "2026-01-02T03:04:05Z", "name": "DeleteTable", "source": "dynamodb.amazonaws.com",
                "accountId": "111122223333", "region": "eu-west-1", "actor": {"type": "IAMUser"},
            },
            "resource": {"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": "orders"},
            "change": "Deleted",
            "policyRef": {"name": "all"},
        },
    })
}

#[test]
fn what_happened_cannot_be_changed_afterwards() {
    let namespace = namespace();
    apply(&incident(&namespace)).expect("the Incident is valid");
    for (pointer, value, says) in [
        ("/spec/event/name", json!("ListTables"), "an Incident's event cannot be changed"),
        ("/spec/resource/id", json!("other"), "an Incident's resource cannot be changed"),
        ("/spec/change", json!("Modified"), "an Incident's change cannot be changed"),
        ("/spec/policyRef/name", json!("other"), "an Incident's policy cannot be changed"),
    ] {
        let mut changed = incident(&namespace);
        *changed.pointer_mut(pointer).expect("the field") = value;
        let error = apply(&changed).expect_err("the apiserver refuses it");
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn incidents_can_be_listed_by_type_and_read_at_a_glance() {
    let namespace = namespace();
    apply(&incident(&namespace)).expect("the Incident is valid");
    let by_type = ["get", "inc", "-n", &namespace, "--field-selector=spec.resource.type=dynamodb"];
    let text = plane().kubectl(&by_type).expect("the field is selectable");
    for word in ["TYPE", "RESOURCE", "CHANGE", "VERDICT", "PHASE", "POLICY", "RECOVERY", "AGE", "orders", "Deleted"] {
        assert!(text.contains(word), "{word} is missing in {text}");
    }
    let none =
        plane().kubectl(&["get", "inc", "-n", &namespace, "--field-selector=spec.resource.type=s3", "-o", "name"]);
    assert_eq!(none.expect("the field is selectable"), "");
}
