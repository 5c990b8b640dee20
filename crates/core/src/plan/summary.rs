//! The summary of a plan: what would change, without values. Read from what the plan build published.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use reforge_api::Time;
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// SHA-256 of a summary's bytes, in lower-case hex. The summary holds the digest of the plan's tar, so this covers both.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlanDigest(String);

impl PlanDigest {
    /// The digest of a summary as it was published.
    pub fn of(summary: &[u8]) -> Self {
        Self(hex::encode(Sha256::digest(summary)))
    }

    /// The digest as text: 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlanDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `plans/<workspace>/<build>/summary.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The workspace that was planned.
    pub workspace: String,
    /// The UUID of the plan build.
    pub build: String,
    /// The Incident that it was planned for.
    pub incident: String,
    /// The attempt that it was planned for.
    pub attempt: u32,
    /// The commit that CodeBuild resolved, or the version of the object in S3; empty where it is not known.
    pub source_version: String,
    /// The addresses that the plan was limited to.
    #[serde(default)]
    pub targets: Vec<String>,
    /// What Terraform found changed outside of it.
    #[serde(default)]
    pub drift: Vec<Drift>,
    /// What would be done.
    pub changes: Vec<PlanChange>,
    /// The state that was planned on.
    #[serde(default)]
    pub state: StateRef,
    /// The addresses that the plan leaves alone: declared, and as they should be.
    #[serde(default)]
    pub unchanged: BTreeSet<String>,
    /// What the build offered to bring data back from.
    #[serde(default)]
    pub restore: Option<Restore>,
}

/// A Terraform state, as a plan found it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub struct StateRef {
    /// Its serial; every write makes it larger.
    #[serde(default)]
    pub serial: u64,
    /// The serial that the last build of ours in the workspace left, where one has.
    #[serde(default)]
    pub known: Option<u64>,
    /// When it was written last.
    #[serde(default)]
    pub modified: Option<Time>,
}

impl StateRef {
    /// Whether somebody else wrote the state after `event`: not a build of ours, and not long ago.
    pub fn moved_since(&self, event: Time) -> bool {
        self.known.is_some_and(|known| known != self.serial) && self.modified.is_some_and(|at| at >= event)
    }
}

/// What a build offered to bring data back from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
pub struct Restore {
    /// Whether the root module declares a variable that takes it.
    #[serde(default)]
    pub declared: bool,
}

/// One resource that was changed outside of Terraform.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
pub struct Drift {
    /// Its address.
    pub address: String,
    /// What happened to it: delete or update.
    pub actions: Vec<String>,
}

/// One change that a plan would make.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanChange {
    /// Its address.
    pub address: String,
    /// Its Terraform type.
    pub r#type: String,
    /// create, update, delete; a replacement has delete and create in either order.
    pub actions: Vec<String>,
    /// The names of the top-level attributes that differ.
    #[serde(default)]
    pub attributes: Vec<String>,
    /// For each attribute, the addresses that its expression refers to.
    #[serde(default)]
    pub references: BTreeMap<String, BTreeSet<String>>,
    /// A keyed hash of the values before and after, made inside the build.
    #[serde(default)]
    pub value_hash: String,
}

impl PlanChange {
    /// Whether the change removes an object.
    pub fn deletes(&self) -> bool {
        self.actions.iter().any(|a| a == "delete" || a == "forget")
    }

    /// Whether the change makes an object.
    pub fn creates(&self) -> bool {
        self.actions.iter().any(|a| a == "create")
    }
}

impl Summary {
    /// Reads a summary as it was published.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Whether Terraform found the object at `address` gone.
    pub fn is_gone(&self, address: &str) -> bool {
        self.drift.iter().any(|d| d.address == address && d.actions.iter().any(|a| a == "delete"))
    }

    /// What an approval is bound to: every change that would be made, the commit and the policy. Another plan that would
    /// do the same has the same digest, one that would do anything else has not.
    pub fn change_digest(&self, policy_uid: &str, policy_generation: i64) -> String {
        let mut changes: Vec<&PlanChange> = self.changes.iter().collect();
        changes.sort_by(|a, b| a.address.cmp(&b.address));
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update(text.len().to_be_bytes());
            hash.update(text.as_bytes());
        };
        add(&self.source_version);
        add(policy_uid);
        add(&policy_generation.to_string());
        for change in changes {
            add(&change.address);
            add(&change.r#type);
            add(&change.actions.join(","));
            add(&change.attributes.join(","));
            add(&change.value_hash);
        }
        hex::encode(hash.finalize())
    }
}

#[cfg(test)]
mod tests;
