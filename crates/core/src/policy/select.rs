//! Which policy takes an event, and whether a policy may be used at all.

use std::sync::Arc;

use kube::ResourceExt;
use reforge_api::{Event, Match, RecoveryPolicy, RecoveryPolicySpec, Resource, Time, reason};
use thiserror::Error;

use super::glob::matches_glob;
use super::grants::Grants;
use super::{expression, schedule, window};

/// Why a policy cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unusable {
    /// Nothing was granted to the namespace.
    #[error("namespace {0} was granted nothing")]
    Namespace(String),
    /// An account.
    #[error("account {0} is not granted to the namespace")]
    Account(String),
    /// A region.
    #[error("region {0} is not granted to the namespace")]
    Region(String),
    /// A project.
    #[error("CodeBuild project {0} is not granted to the namespace")]
    Project(String),
    /// It says something that cannot be read.
    #[error("{0}")]
    Invalid(String),
}

impl Unusable {
    /// The stable reason for conditions.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => reason::INVALID,
            Self::Namespace(_) | Self::Account(_) | Self::Region(_) | Self::Project(_) => reason::NOT_GRANTED,
        }
    }
}

/// Whether the namespace of a policy was granted all that it names, and whether it can be read.
pub fn validate(policy: &RecoveryPolicy, grants: &Grants) -> Result<(), Unusable> {
    let namespace = policy.namespace().unwrap_or_default();
    let granted: Vec<_> = grants.of(&namespace).collect();
    if granted.is_empty() {
        return Err(Unusable::Namespace(namespace));
    }
    let Match { accounts, regions, .. } = &policy.spec.r#match;
    if let Some(account) = accounts.iter().find(|a| !granted.iter().any(|g| g.has_account(a))) {
        return Err(Unusable::Account(account.clone()));
    }
    if let Some(region) = regions.iter().find(|r| !granted.iter().any(|g| g.has_region(r))) {
        return Err(Unusable::Region(region.clone()));
    }
    let mut projects = policy.spec.recovery.workspaces.iter().flat_map(|w| [&w.project, &w.plan_project]);
    match projects.find(|p| !grants.allows_project(&namespace, p)) {
        Some(project) => Err(Unusable::Project(project.clone())),
        None => readable(&policy.spec),
    }
}

/// What the schema cannot check: expressions and time zones.
fn readable(spec: &RecoveryPolicySpec) -> Result<(), Unusable> {
    let asked = spec.approval.iter().flat_map(|a| &a.when).map(|text| ("approval.when", text));
    let expected = spec.verification.expect.iter().map(|text| ("verification.expect", text));
    let broken = asked
        .chain(expected)
        .filter_map(|(field, text)| expression::invalid(text).map(|why| format!("{field} {text:?}: {why}")));
    let schedule = spec.drift.as_ref().and_then(schedule::invalid);
    match broken.chain(spec.windows.iter().filter_map(window::invalid)).chain(schedule).next() {
        Some(why) => Err(Unusable::Invalid(why)),
        None => Ok(()),
    }
}

/// The policy that takes an event.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    /// The policy.
    pub policy: &'a Arc<RecoveryPolicy>,
    /// Whether it can be used; else the Incident waits until it is mended.
    pub usable: bool,
}

/// The policy that takes the event: of those that match, the one of the highest priority, then the first by name. Grants of two
/// namespaces do not overlap, so the order between namespaces decides nothing that an owner would mind.
///
/// One that cannot be used takes what no other does, so that no event is lost by somebody's mistake. Before one that can be
/// used it goes only in the same namespace and with a higher priority: what was to be handled with care is not handled with
/// less while a mistake is in it, and no namespace comes to another's events by a policy that is broken on purpose.
pub fn select<'a>(
    policies: &'a [Arc<RecoveryPolicy>],
    grants: &Grants,
    event: &Event,
    resource: &Resource,
) -> Option<Taken<'a>> {
    let matches = |policy: &&Arc<RecoveryPolicy>| {
        let namespace = policy.metadata.namespace.as_deref().unwrap_or_default();
        // What costs least comes first: most events are no concern of most policies.
        is_match(&policy.spec.r#match, event, resource) && grants.allows(namespace, &event.account_id, &event.region)
    };
    let (usable, broken): (Vec<_>, Vec<_>) =
        policies.iter().filter(matches).partition(|policy| validate(policy, grants).is_ok());
    let order = |p: &&Arc<RecoveryPolicy>| (std::cmp::Reverse(p.spec.priority), p.namespace(), p.name_any());
    let best = usable.into_iter().min_by_key(order);
    let goes_before = |p: &&Arc<RecoveryPolicy>| {
        best.is_none_or(|best| p.namespace() == best.namespace() && p.spec.priority > best.spec.priority)
    };
    match broken.into_iter().filter(goes_before).min_by_key(order) {
        Some(policy) => Some(Taken { policy, usable: false }),
        None => best.map(|policy| Taken { policy, usable: true }),
    }
}

/// When the policy was created, to the second, where that was after what happened: nobody had agreed then to have it put back,
/// and it may have made room for what the policy is about. It may be the same policy made anew as well: only people can tell.
/// A policy of a file was always there.
pub fn created_after(policy: &RecoveryPolicy, event: &Event) -> Option<Time> {
    let created = policy.creation_timestamp().map(|t| Time(t.0.as_millisecond()))?;
    (created > event.time).then_some(created)
}

fn is_match(wanted: &Match, event: &Event, resource: &Resource) -> bool {
    let any = |list: &[String], value: &str| list.is_empty() || list.iter().any(|entry| entry == value);
    let r#type = wanted.resource_types.iter().any(|t| *t == resource.r#type || *t == resource.cloud_formation_type);
    let id = wanted.resource_ids.is_empty() || wanted.resource_ids.iter().any(|glob| matches_glob(glob, &resource.id));
    r#type
        && id
        && any(&wanted.events, &event.name)
        && any(&wanted.accounts, &event.account_id)
        && any(&wanted.regions, &event.region)
}

#[cfg(test)]
mod tests;
