//! What was judged, by who asked: for whoever wants to know which rights are used, missing, or never needed.

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// An action that was allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// `service:Action`.
    pub action: String,
    /// How often.
    pub times: u64,
    /// On how many resources.
    pub resources: usize,
}

/// An action that was denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Denied {
    /// `service:Action`.
    pub action: String,
    /// On which resource.
    pub resource: String,
    /// The operation that needed it, `service:Operation`.
    pub operation: String,
    /// Why, in AWS's words.
    pub why: String,
    /// How often.
    pub times: u64,
}

/// All about one role or service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActorReport {
    /// The role's ARN, or the service's name.
    pub actor: String,
    /// What it was allowed.
    pub seen: Vec<Seen>,
    /// What it was denied.
    pub denied: Vec<Denied>,
    /// Operations for which the edge does not know what AWS asks, and asked for `service:Operation` on `*`.
    pub unmapped: Vec<String>,
}

/// What was judged so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct IamReport {
    /// By role or service, in the order of their names.
    pub actors: Vec<ActorReport>,
}

impl IamReport {
    /// What one role or service did; nothing when it did nothing.
    pub fn of(&self, actor: &str) -> Option<&ActorReport> {
        self.actors.iter().find(|a| a.actor == actor)
    }
}

#[derive(Debug, Default)]
struct Actor {
    seen: BTreeMap<String, (u64, BTreeSet<String>)>,
    denied: BTreeMap<(String, String, String, String), u64>,
    unmapped: BTreeSet<String>,
}

/// The counts behind a report.
#[derive(Debug, Default)]
pub struct Counts(BTreeMap<String, Actor>);

impl Counts {
    fn actor(&mut self, actor: &str) -> &mut Actor {
        self.0.entry(actor.to_owned()).or_default()
    }

    /// Counts an action that was allowed.
    pub fn allowed(&mut self, actor: &str, action: &str, resource: &str) {
        let (times, resources) = self.actor(actor).seen.entry(action.to_owned()).or_default();
        *times += 1;
        resources.insert(resource.to_owned());
    }

    /// Counts an action that was denied.
    pub fn denied(&mut self, actor: &str, action: &str, resource: &str, operation: &str, why: &str) {
        let key = [action, resource, operation, why].map(str::to_owned).into();
        *self.actor(actor).denied.entry(key).or_default() += 1;
    }

    /// Notes an operation that no table knows.
    pub fn unmapped(&mut self, actor: &str, operation: &str) {
        self.actor(actor).unmapped.insert(operation.to_owned());
    }

    /// The report.
    pub fn report(&self) -> IamReport {
        let actors = self.0.iter().map(|(name, actor)| ActorReport {
            actor: name.clone(),
            seen: actor
                .seen
                .iter()
                .map(|(action, (times, resources))| Seen {
                    action: action.clone(),
                    times: *times,
                    resources: resources.len(),
                })
                .collect(),
            denied: actor
                .denied
                .iter()
                .map(|((action, resource, operation, why), times)| Denied {
                    action: action.clone(),
                    resource: resource.clone(),
                    operation: operation.clone(),
                    why: why.clone(),
                    times: *times,
                })
                .collect(),
            unmapped: actor.unmapped.iter().cloned().collect(),
        });
        IamReport { actors: actors.collect() }
    }
}
