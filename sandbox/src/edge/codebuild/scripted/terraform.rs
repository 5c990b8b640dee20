//! What Terraform and `terraform/modules/reforge/build` would make of declared resources. Pure.
//!
//! Given what is declared, what the state holds and what AWS has, it gives a plan, and the documents that builds publish.

use super::resource::{Kind, Resource};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// A Terraform state.
#[derive(Debug, Clone)]
pub struct State {
    /// What it holds, by address.
    pub held: BTreeMap<String, Resource>,
    /// Its serial.
    pub serial: u64,
    /// When it was written.
    pub modified: Timestamp,
}

impl State {
    /// It was written again.
    pub fn written(&mut self) {
        self.serial += 1;
        self.modified = Timestamp::now();
    }
}

/// Where the resources are.
#[derive(Debug)]
pub struct Place {
    /// The account.
    pub account: String,
    /// The region.
    pub region: String,
}

/// What a plan would do at one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The address.
    pub address: String,
    /// As Terraform's JSON has them.
    pub actions: Vec<String>,
    /// What is there and goes, or is changed.
    pub before: Option<Resource>,
    /// What is there afterwards.
    pub after: Option<Resource>,
}

/// A plan; as JSON it is what a real one's tar is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The state's serial that it was made on: good for no other.
    pub serial: u64,
    /// What it would do.
    pub changes: Vec<Change>,
    /// Addresses that it leaves alone.
    pub unchanged: Vec<String>,
    /// What was changed outside of Terraform: address, type and action.
    pub drift: Vec<(String, Kind, String)>,
}

impl Plan {
    /// A plan of `declared` on `state`, where AWS has the values `now` by name; for `targets` only, unless there are none.
    pub fn of(
        declared: &BTreeMap<String, Resource>,
        state: &State,
        now: &BTreeMap<String, String>,
        targets: &[String],
    ) -> Self {
        let is_wanted = |address: &String| targets.is_empty() || targets.contains(address);
        let mut plan = Self { serial: state.serial, changes: Vec::new(), unchanged: Vec::new(), drift: Vec::new() };
        for (address, held) in state.held.iter().filter(|(address, _)| is_wanted(address)) {
            match now.get(&held.name) {
                None => plan.drift.push((address.clone(), held.kind, "delete".to_owned())),
                Some(value) if *value != held.value => {
                    plan.drift.push((address.clone(), held.kind, "update".to_owned()));
                }
                Some(_) => {}
            }
        }
        let addresses: Vec<&String> = {
            let mut all: Vec<&String> = declared.keys().chain(state.held.keys()).filter(|a| is_wanted(a)).collect();
            all.sort();
            all.dedup();
            all
        };
        for address in addresses {
            let held = state
                .held
                .get(address)
                .and_then(|held| now.get(&held.name).map(|value| Resource { value: value.clone(), ..held.clone() }));
            let (before, after) = (held, declared.get(address).cloned());
            let actions: &[&str] = match (&before, &after) {
                (None, None) => continue,
                (Some(before), Some(after)) if before == after => {
                    plan.unchanged.push(address.clone());
                    continue;
                }
                (Some(before), Some(after)) if before.name != after.name => &["delete", "create"],
                (Some(_), Some(_)) => &["update"],
                (Some(_), None) => &["delete"],
                (None, Some(_)) => &["create"],
            };
            let actions = actions.iter().map(|&action| action.to_owned()).collect();
            plan.changes.push(Change { address: address.clone(), actions, before, after });
        }
        plan
    }
}

/// What the documents say of the build that publishes them.
#[derive(Debug)]
pub struct About {
    /// The workspace.
    pub workspace: String,
    /// The build's UUID.
    pub build: String,
    /// The Incident.
    pub incident: String,
    /// The attempt.
    pub attempt: u64,
    /// The source's version.
    pub source_version: String,
    /// Account and region.
    pub place: Place,
    /// Bucket and key of the state.
    pub backend: (String, String),
}

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn whole_seconds(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// `plans/<workspace>/<build>/summary.json`, as summary.jq makes it. `known` is the serial of the inventory that was there.
pub fn summary(about: &About, plan: &Plan, targets: &[String], tar: &[u8], state: &State, known: &Value) -> Value {
    let values = json!(plan.changes).to_string();
    json!({
        "version": 1,
        "workspace": about.workspace,
        "build": about.build,
        "incident": about.incident,
        "attempt": about.attempt,
        "sourceVersion": about.source_version,
        "terraformVersion": "1.11.0",
        "targets": targets,
        "tarSha256": sha256(tar),
        "changeDigestKeyed": sha256(values.as_bytes()),
        "drift": plan.drift.iter().map(|(address, kind, action)| json!({"address": address, "type": kind.terraform(), "actions": [action]})).collect::<Vec<_>>(),
        "state": {"serial": state.serial, "known": known, "modified": whole_seconds(state.modified)},
        "unchanged": plan.unchanged,
        "restore": null,
        "undoInstead": false,
        "undo": [],
        "changes": plan.changes.iter().map(|change| summary_change(change, &about.place)).collect::<Vec<_>>(),
        "outputs": [],
    })
}

fn summary_change(change: &Change, place: &Place) -> Value {
    let Some(kind) = change.after.as_ref().or(change.before.as_ref()).map(|resource| resource.kind) else {
        return Value::Null;
    };
    let (attributes, replaced): (Vec<&str>, &[&str]) = match (&change.before, &change.after) {
        (Some(before), Some(after)) if before.name != after.name && before.value != after.value => {
            (vec!["name", kind.value()], &["name"])
        }
        (Some(before), Some(after)) if before.name != after.name => (vec!["name"], &["name"]),
        (Some(_), Some(_)) => (vec![kind.value()], &[]),
        _ => (kind.attributes().to_vec(), &[]),
    };
    let identity = match (&change.before, &change.after) {
        (Some(before), _) => before.identity(place),
        (None, Some(after)) => after.identity_to_be(),
        (None, None) => json!({}),
    };
    json!({
        "address": change.address,
        "type": kind.terraform(),
        "mode": "managed",
        "actions": change.actions,
        "attributes": attributes,
        "replacePaths": replaced,
        "identity": identity,
        "references": {},
        "valueHash": sha256(json!(change).to_string().as_bytes()),
    })
}

/// `inventory/<workspace>.json`, as inventory.jq makes it.
pub fn inventory(about: &About, state: &State) -> Value {
    let resources = state.held.values().map(|held| {
        let arn = held.arn(&about.place);
        json!({
            "address": held.address, "type": held.kind.terraform(), "id": held.name, "arn": arn, "name": held.name,
            "attributes": held.identity(&about.place),
        })
    });
    json!({
        "version": 1,
        "workspace": about.workspace,
        "accountId": about.place.account,
        "region": about.place.region,
        "backend": {"bucket": about.backend.0, "key": about.backend.1},
        "serial": state.serial,
        "lineage": "scripted",
        "sourceVersion": about.source_version,
        "build": about.build,
        "publishedAt": whole_seconds(Timestamp::now()),
        "resources": resources.collect::<Vec<_>>(),
    })
}

/// `results/<workspace>/<build>.json`, as result.jq makes it.
pub fn result(about: &About, digest: &str, plan: &Plan, applied: bool, remaining: &[String], state: &State) -> Value {
    let changed = plan.changes.iter().filter(|change| change.after.is_some());
    let resources = changed
        .filter_map(|change| state.held.get(&change.address))
        .map(|held| json!({"address": held.address, "type": held.kind.terraform(), "id": held.name, "arn": held.arn(&about.place)}));
    json!({
        "version": 1,
        "workspace": about.workspace,
        "incident": about.incident,
        "digest": digest,
        "applied": applied,
        "emptyAfter": remaining.is_empty(),
        "remaining": remaining,
        "resources": resources.collect::<Vec<_>>(),
    })
}

/// `failures/<workspace>/<build>.json`.
pub fn failure(reason: &str, said: &str, lock: Option<&Value>) -> Value {
    json!({"reason": reason, "said": said, "lock": lock.cloned().unwrap_or(Value::Null)})
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODE: &str = "aws_ssm_parameter.mode";

    fn all(parameters: &[Resource]) -> BTreeMap<String, Resource> {
        parameters.iter().map(|p| (p.address.clone(), p.clone())).collect()
    }

    fn plan(declared: &[Resource], held: &[Resource], now: &[(&str, &str)], targets: &[&str]) -> Plan {
        let state = State { held: all(held), serial: 1, modified: Timestamp::UNIX_EPOCH };
        let now = now.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let targets: Vec<String> = targets.iter().map(|&t| t.to_owned()).collect();
        Plan::of(&all(declared), &state, &now, &targets)
    }

    fn actions(plan: &Plan) -> Vec<(&str, String)> {
        plan.changes.iter().map(|c| (c.address.as_str(), c.actions.join(","))).collect()
    }

    #[test]
    fn each_difference_has_terraforms_actions() {
        let mode = Resource::parameter(MODE, "/mode", "right");
        let held = [mode.clone()];
        assert_eq!(actions(&plan(&held, &held, &[("/mode", "right")], &[])), []);
        assert_eq!(actions(&plan(&held, &held, &[("/mode", "wrong")], &[])), [(MODE, "update".to_owned())]);
        let gone = plan(&held, &held, &[], &[]);
        assert_eq!(actions(&gone), [(MODE, "create".to_owned())]);
        assert_eq!(gone.drift, [(MODE.to_owned(), Kind::Parameter, "delete".to_owned())]);
        assert_eq!(actions(&plan(&[], &held, &[("/mode", "right")], &[])), [(MODE, "delete".to_owned())]);
        let renamed = [Resource::parameter(MODE, "/mode-2", "right")];
        assert_eq!(actions(&plan(&renamed, &held, &[("/mode", "right")], &[])), [(MODE, "delete,create".to_owned())]);
    }

    #[test]
    fn a_plan_for_targets_leaves_the_rest_out() {
        let declared = [
            Resource::parameter(MODE, "/mode", "right"),
            Resource::parameter("aws_ssm_parameter.other", "/other", "x"),
        ];
        let targeted = plan(&declared, &declared, &[("/mode", "wrong"), ("/other", "wrong")], &[MODE]);
        assert_eq!(actions(&targeted), [(MODE, "update".to_owned())]);
        assert_eq!(targeted.drift.len(), 1);
    }
}
