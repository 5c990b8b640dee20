//! Builds that follow a script publish what builds that run Terraform publish.

use std::collections::BTreeMap;
use std::path::Path;

use sandbox::edge::{Resource, Script};
use sandbox::{Caller, name_of};
use serde_json::{Value, json};

use crate::world::{World, in_turn, message, phase, reason};

const ADDRESS: &str = "module.mode.aws_ssm_parameter.mode";
const PARAMETER: &str = "/myapp/config/mode";
/// What no two builds have in common, or what only Terraform knows.
const OF_ITS_OWN: [&str; 13] = [
    "build",
    "incident",
    "sourceVersion",
    "terraformVersion",
    "tarSha256",
    "changeDigestKeyed",
    "valueHash",
    "serial",
    "known",
    "modified",
    "lineage",
    "publishedAt",
    "digest",
];

/// A document without what is of each build's own: of that the kind is left, and the length of texts that are a digest.
fn common(document: &Value) -> Value {
    match document {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let kept = if OF_ITS_OWN.contains(&name.as_str()) { json!(kind(value)) } else { common(value) };
                (name.clone(), kept)
            })
            .collect(),
        Value::Array(items) => items.iter().map(common).collect(),
        other => other.clone(),
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::String(text) if text.len() == 64 => "a digest".to_owned(),
        Value::String(_) => "a text".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        other => other.to_string(),
    }
}

/// All that the builds of an Incident published, by key without the parts of each build's own, and the inventory.
async fn published(world: &World, incident: &str) -> BTreeMap<String, Value> {
    let bucket = world.sandbox.outputs().artifact_bucket.clone();
    let list = ["s3api", "list-objects-v2", "--bucket", &bucket, "--query", "Contents[].Key", "--output", "json"];
    let keys = world.sandbox.aws(Caller::Terraform, &list).await.expect("the keys");
    let keys: Vec<String> = serde_json::from_str(&keys).expect("JSON");
    let mut found = BTreeMap::from([("inventory".to_owned(), read(world, "inventory/ssm.json").await)]);
    let builds = world.builds(incident, "");
    let uuids: Vec<&str> = builds.iter().filter_map(|build| build.id.rsplit(':').next()).collect();
    let incident = world.incident(incident);
    let digest = incident["status"]["plan"]["digest"].as_str().unwrap_or("no digest");
    for key in keys {
        let Some(own) = uuids.iter().copied().chain([digest]).find(|own| key.contains(own)) else { continue };
        let document = if Path::new(&key).extension().is_some_and(|is| is == "tar") {
            Value::Null
        } else {
            read(world, &key).await
        };
        found.insert(key.replace(own, "*"), document);
    }
    found.into_iter().map(|(key, document)| (key, common(&document))).collect()
}

async fn read(world: &World, key: &str) -> Value {
    let from = format!("s3://{}/{key}", world.sandbox.outputs().artifact_bucket);
    let text = world.sandbox.aws(Caller::Terraform, &["s3", "cp", &from, "-"]).await.expect("an object");
    serde_json::from_str(&text).expect("JSON")
}

async fn tampered(world: &World) -> BTreeMap<String, Value> {
    let incident = world.broken_and_ended("ssm").await;
    assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    published(world, &name_of(&incident)).await
}

async fn deleted(world: &World) -> BTreeMap<String, Value> {
    let delete = async || {
        world.aws(&["ssm", "delete-parameter", "--name", PARAMETER]).await;
    };
    let name = world.opened_by("ssm", delete).await;
    let incident = world.ended(&name).await;
    assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    published(world, &name).await
}

/// What is published and said where the state is locked.
async fn locked(world: &World, lock: impl AsyncFnOnce(), unlock: impl AsyncFnOnce()) -> (Value, String) {
    lock().await;
    let name = world.broken("ssm").await;
    let waiting = world.until(&name, "waiting for the lock", |i| reason(i) == "StateLocked").await;
    let said = message(&waiting).split(';').next().unwrap_or_default().to_owned();
    let all = published(world, &name).await;
    unlock().await;
    let incident = world.ended(&name).await;
    assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    let mut failure = all["failures/ssm/*.json"].clone();
    // Terraform's words are its own; a script has its first line.
    let words = failure["said"].as_str().and_then(|said| said.lines().next()).unwrap_or_default().to_owned();
    failure["said"] = json!(words);
    (failure, said)
}

#[test]
fn a_scripted_build_publishes_what_one_that_runs_terraform_does() {
    in_turn(async |world| {
        let lock = json!({"ID": "3f3b2b1e-0000-4000-8000-00000000abcd", "Operation": "OperationTypeApply", "Info": "",
            "Who": "ann@laptop", "Version": "1.11.4", "Created": "2026-01-02T03:04:05.678901234Z", "Path": "ssm"});
        let bucket = world.sandbox.outputs().artifact_bucket.clone();
        let file = world.sandbox.folder().join("lock.json").display().to_string();
        std::fs::write(&file, lock.to_string()).expect("written");
        let at = ["--bucket", bucket.as_str(), "--key", "state/ssm/terraform.tfstate.tflock"];
        let by_terraform = async |verb: &str, more: &[&str]| {
            let call = [&["s3api", verb][..], &at, more].concat();
            world.sandbox.aws(Caller::Terraform, &call).await.expect("the lock file");
        };
        let real_lock = async || by_terraform("put-object", &["--body", &file]).await;
        let real = (
            tampered(world).await,
            deleted(world).await,
            locked(world, real_lock, async || by_terraform("delete-object", &[]).await).await,
        );

        let script = Script::of([Resource::parameter(ADDRESS, PARAMETER, "secure-mode")]);
        world.sandbox.edge().script("ssm", Some(script.clone()));
        world.sandbox.run_plan("ssm").await.expect("an inventory with the script's serial");
        let said = json!({"id": "3f3b2b1e-0000-4000-8000-00000000abcd", "operation": "OperationTypeApply",
            "who": "ann@laptop", "created": "2026-01-02 03:04:05.678901234 +0000 UTC"});
        let scripted = (
            tampered(world).await,
            deleted(world).await,
            locked(world, async || script.lock(Some(said)), async || script.lock(None)).await,
        );
        world.sandbox.edge().script("ssm", None);
        // The state has another serial than the script's.
        world.sandbox.run_plan("ssm").await.expect("an inventory with Terraform's serial");

        assert_eq!(real.0.len(), 5, "summary, tar, claim, result, inventory: {:#?}", real.0);
        assert_eq!(real.0, scripted.0, "of a change");
        assert_eq!(real.1, scripted.1, "of a deletion");
        assert_eq!(real.2, scripted.2, "of a lock");
    });
}
