//! The custom resources of group `reforge.dev`: types, their schema, and the vocabulary of conditions; nothing else. Knows no
//! client, no clock and no network.
//!
//! What is written here is what `kubectl explain` shows and what the apiserver enforces; `reforge crds` prints the
//! manifests, which are committed under `crds/` and in the chart, and checked for drift.

// kube reads a key that stands several times as a list.
#![allow(clippy::duplicated_attributes)]

mod conditions;
mod event;
mod incident;
mod incident_status;
mod recovery_policy;
mod safeguards;
mod time;

pub use conditions::{Condition, ConditionStatus, condition, reason, set_condition};
pub use event::{Actor, Change, Event, Origin, Resource};
pub use incident::*;
pub use incident_status::*;
pub use recovery_policy::*;
pub use safeguards::*;
pub use time::{Time, duration, duration_millis};

/// Which fields the statuses have: raised with each release that has others. A status is written whole, by one field manager, so
/// that a version that does not know a field erases it; so no replica leads of one lower than has led.
pub const STATUS_VERSION: u32 = 1;

/// The API group of every kind here.
pub const GROUP: &str = "reforge.dev";
/// The label with the catalogue's resource type.
pub const LABEL_TYPE: &str = "reforge.dev/resource-type";
/// The label with the name of the policy that took the event.
pub const LABEL_POLICY: &str = "reforge.dev/policy";
/// The label with the Terraform workspace that owns the resource.
pub const LABEL_WORKSPACE: &str = "reforge.dev/workspace";
/// The annotation that wakes an Incident whose build changed its state, or that there is evidence for: a hint to look, never
/// a fact.
pub const ANNOTATION_HINT: &str = "reforge.dev/build-hint";
