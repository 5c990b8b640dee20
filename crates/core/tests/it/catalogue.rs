//! Every event of the catalogue, read from a record in the real shape; and entries of one's own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use reforge_api::{Change, RecoveryPolicy};
use reforge_core::catalog::{Catalog, Entry};
use reforge_core::intake::event;
use reforge_core::policy::expression;
use serde::Deserialize;
use serde_json::{Value, json};

/// What CloudTrail would record, and what is to be read from it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Sample {
    source: String,
    name: String,
    change: Change,
    ids: Vec<String>,
    #[serde(default)]
    region: Option<String>,
    request_parameters: Value,
    response_elements: Value,
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).expect(folder);
    let mut files: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == extension));
    files.sort();
    files
}

fn samples() -> Vec<Sample> {
    let read = |path: &PathBuf| -> Vec<Sample> {
        let text = fs::read_to_string(path).expect("a file");
        serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    files("tests/records", "yaml").iter().flat_map(read).collect()
}

fn record(sample: &Sample) -> Value {
    json!({
        "eventVersion": "1.10",
        "userIdentity": {"type": "IAMUser", "principalId": "AIDA", "arn": "arn:aws:iam::111122223333:user/mallory",
            "accountId": "111122223333", "accessKeyId": "AKIA", "userName": "mallory"},
        "eventTime": "2026-01-02T03:04:05Z",
        "eventSource": sample.source,
        "eventName": sample.name,
        "awsRegion": sample.region.as_deref().unwrap_or("eu-west-1"),
        "sourceIPAddress": "203.0.113.7",
        "userAgent": "aws-cli/2.15.0",
        "requestParameters": sample.request_parameters,
        "responseElements": sample.response_elements,
        "requestID": "r",
        "eventID": "e",
        "readOnly": false,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": "111122223333",
        "eventCategory": "Management",
    })
}

#[test]
fn every_event_of_the_catalogue_is_read_from_its_record() {
    let catalog = Catalog::builtin();
    let mut seen = BTreeSet::new();
    for sample in samples() {
        let read = event::of_log(record(&sample)).expect("a record");
        let what = format!("{} {}", sample.source, sample.name);
        let found = catalog.find(&sample.source, &read.event.name, &read.detail).unwrap_or_else(|| panic!("{what}"));
        assert_eq!((&found.ids, found.change), (&sample.ids, sample.change), "{what}");
        assert!(found.invalid.is_empty(), "{what}: {:?}", found.invalid);
        seen.insert((sample.source.clone(), read.event.name.clone()));
    }
    let all: BTreeSet<(String, String)> =
        catalog.events().map(|(source, name)| (source.to_owned(), name.to_owned())).collect();
    assert_eq!(all.difference(&seen).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "events without a record");
    assert!(catalog.entries().len() >= 60 && all.len() >= 200);
}

#[test]
fn null_parameters_name_no_resource_and_are_no_crash() {
    for mut sample in samples() {
        (sample.request_parameters, sample.response_elements) = (Value::Null, Value::Null);
        let read = event::of_log(record(&sample)).expect("a record");
        let found = Catalog::builtin().find(&sample.source, &read.event.name, &read.detail).expect("it is known");
        // What is always about the account's one thing of its kind needs no parameters.
        assert!(
            found.ids.is_empty() || ["PutPermission", "RemovePermission"].contains(&sample.name.as_str()),
            "{} {:?}",
            sample.name,
            found.ids
        );
    }
}

#[test]
fn no_id_pattern_lets_anything_through_that_could_be_an_order() {
    for entry in Catalog::builtin().entries() {
        let pattern = regex::Regex::new(&entry.id_pattern).expect("a pattern");
        for hostile in
            ["", " ", "a b", "a\n", "a;b", "$(id)", "`id`", "a'b", "a\"b", "a\0b", "a|b", "a&b", "\u{202e}a", "-"]
        {
            assert!(!pattern.is_match(hostile) || hostile == "-", "{}: {hostile:?}", entry.r#type);
        }
        assert!(entry.id_pattern.starts_with('^') && entry.id_pattern.ends_with('$'), "{}", entry.r#type);
    }
}

#[test]
fn what_the_catalogue_names_is_in_the_inventory() {
    let script = fs::read_to_string(root().join("terraform/modules/reforge/build/inventory.jq")).expect("the script");
    for entry in Catalog::builtin().entries() {
        for attribute in entry.identity.iter().chain([&entry.cloud_control_id]) {
            assert!(script.contains(&format!("\"{attribute}\"")), "{}: {attribute} is not published", entry.r#type);
        }
    }
}

fn own(change: impl FnOnce(&mut Value)) -> Entry {
    let mut entry = json!({
        "type": "trainer", "cloudFormationType": "Custom::Trainer", "terraformTypes": ["acme_trainer"],
        "identity": ["id"], "stateful": false, "normalise": "AsIs", "idPattern": "^t-[0-9]+$", "verify": "Plan",
        "events": [{"source": "train.example.com", "name": "DeleteTrainer", "change": "Deleted", "ids": "requestParameters.id"}],
    });
    change(&mut entry);
    serde_json::from_value(entry).expect("an entry")
}

#[test]
fn an_entry_of_ones_own_is_added_or_takes_the_place_of_a_built_in_one() {
    let added = Catalog::with(&[own(|_| {})]).expect("a catalogue");
    assert_eq!(added.entries().len(), Catalog::builtin().entries().len() + 1);
    let found = added.find("train.example.com", "DeleteTrainer", &json!({"requestParameters": {"id": "t-7"}}));
    assert_eq!(found.expect("it is known").ids, ["t-7"]);

    let replaced = Catalog::with(&[own(|e| {
        e["type"] = json!("dynamodb");
        e["events"][0]["source"] = json!("s3.amazonaws.com");
        e["events"][0]["name"] = json!("DeleteBucket");
    })])
    .expect("a catalogue");
    assert_eq!(replaced.entry("dynamodb").expect("it is there").terraform_types, ["acme_trainer"]);
    let found = replaced.find("s3.amazonaws.com", "DeleteBucket", &json!({})).expect("it is known");
    assert_eq!(found.entry.r#type, "dynamodb", "an event that it names is its own");
}

#[test]
fn an_entry_that_cannot_be_used_says_what_is_wrong() {
    let error = |change: fn(&mut Value)| Catalog::with(&[own(change)]).expect_err("it cannot be used").to_string();
    assert!(error(|e| e["idPattern"] = json!("(")).contains("trainer: ( does not compile"));
    assert!(error(|e| e["events"][0]["ids"] = json!("a[")).contains("a[ does not compile"));
    assert!(error(|e| e["type"] = json!("Trainer")).contains("no name of a type"));
}

#[test]
fn every_example_is_a_policy_that_the_operator_reads() {
    let types: BTreeSet<&str> = Catalog::builtin().entries().iter().map(|e| e.r#type.as_str()).collect();
    let mut count = 0;
    for file in files("docs/examples", "yaml") {
        let text = fs::read_to_string(&file).expect("a file");
        for document in serde_yaml::Deserializer::from_str(&text) {
            let policy = RecoveryPolicy::deserialize(document).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            for r#type in &policy.spec.r#match.resource_types {
                assert!(types.contains(r#type.as_str()) || r#type.contains("::"), "{}: {}", file.display(), r#type);
            }
            let spec = &policy.spec;
            for text in spec.approval.iter().flat_map(|a| &a.when).chain(&spec.verification.expect) {
                assert_eq!(expression::invalid(text), None, "{}: {text}", file.display());
            }
            count += 1;
        }
    }
    assert!(count >= 10, "{count} examples");
}
