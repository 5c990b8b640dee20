//! An Incident to open: what becomes of an event that concerns somebody.

use reforge_api::{Change, Event, Handling, IncidentSpec, PolicyRef, Resource};

/// An Incident to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The policy's namespace, and so the Incident's.
    pub namespace: String,
    /// The policy that takes it.
    pub policy: PolicyRef,
    /// The event.
    pub event: Event,
    /// The resource.
    pub resource: Resource,
    /// What happened.
    pub change: Change,
    /// What the Incident is for.
    pub handling: Handling,
}

impl Candidate {
    /// The Incident that it becomes.
    pub fn spec(&self) -> IncidentSpec {
        IncidentSpec {
            event: self.event.clone(),
            resource: self.resource.clone(),
            change: self.change,
            policy_ref: self.policy.clone(),
            handling: self.handling,
            approvals: Vec::new(),
        }
    }
}
