//! What a build of an Incident is started with, and what is noted of an apply before it is.

use kube::ResourceExt;
use reforge_api::{
    BuildKind, Change, Evidence, Incident, IncidentStatus, Intent, Origin, RecoveryPolicySpec, RecoverySpec, Time,
    Workspace, WorkspaceRef,
};
use sha2::{Digest, Sha256};

use crate::catalog::Entry;
use crate::plan::build::{Order, RestorePoint};
use crate::policy::limits::{self, Apply};
use crate::words::fault::Fault;
use crate::words::ids::{Id, uuid_of};

/// The project that a build of this kind is one of.
pub fn project_of(workspace: &Workspace, kind: BuildKind) -> &str {
    match kind {
        BuildKind::Plan => &workspace.plan_project,
        BuildKind::Apply => &workspace.project,
    }
}

/// The workspace as the policy lists it now.
///
/// # Errors
/// When it no longer does.
pub fn listed<'a>(policy: &'a RecoveryPolicySpec, workspace: &WorkspaceRef) -> Result<&'a Workspace, Fault> {
    let found = policy.recovery.workspaces.iter().find(|w| w.name == workspace.name);
    found.ok_or_else(|| {
        Fault::absent(format!("looking for workspace {}", workspace.name), "the policy no longer lists it")
    })
}

/// What the build is started with. A plan is told what the catalogue and the policy have for it, an apply only which plan.
pub fn order_of(
    incident: &Incident,
    status: &IncidentStatus,
    (listed, intent, recovery): (&Workspace, &Intent, &RecoverySpec),
    entry: Option<&Entry>,
    kind: BuildKind,
) -> Order {
    let event = incident.judged_spec().event;
    let is_plan = kind == BuildKind::Plan;
    let addresses = status.workspace.as_ref().map(|w| w.addresses.clone()).unwrap_or_default();
    let lost_data = incident.spec.change == Change::Deleted && entry.is_some_and(|e| e.stateful);
    Order {
        project: project_of(listed, kind).to_owned(),
        incident: incident.name_any(),
        attempt: status.step.attempt,
        token: token(incident, status.step.attempt, kind),
        source_version: if is_plan {
            status.recovery.rolled_back_to.clone().or_else(|| listed.source_version.clone())
        } else {
            status.plan.as_ref().map(|p| p.source_version.clone()).filter(|version| !version.is_empty())
        },
        targets: intent.targets.clone(),
        undo: entry.filter(|_| is_plan).and_then(|e| e.undo_of(&event.name)).map(|verb| (verb, addresses)),
        restore: lost_at(incident)
            .filter(|_| is_plan && lost_data)
            .map(|at| RestorePoint::before(at, recovery.restore.snapshot.clone())),
        plan: status.plan.as_ref().filter(|_| !is_plan).map(|p| (uuid_of(&p.build).to_owned(), p.digest.clone())),
    }
}

/// When the resource was lost, where somebody said so: AWS Config and drift are late.
fn lost_at(incident: &Incident) -> Option<Time> {
    let evidence = incident.status.as_ref().map(|s| s.evidence.as_slice()).unwrap_or_default();
    let event = &incident.spec.event;
    match event.origin {
        Origin::CloudTrail | Origin::StateChange => Some(event.time),
        _ => Evidence::only_record(evidence).map(|record| record.time),
    }
}

/// An apply as the workspace's ledger notes it.
pub fn apply_of(incident: &Incident, status: &IncidentStatus, now: Time) -> Apply {
    let spec = incident.judged_spec();
    Apply {
        at: now,
        incident: Id::of(incident).to_string(),
        attempt: status.step.attempt,
        resource: limits::resource_key(&spec),
        actor: limits::actor_key(&spec.event.actor),
    }
}

fn token(incident: &Incident, attempt: u32, kind: BuildKind) -> String {
    let text = format!("{}/{attempt}/{kind:?}", incident.uid().unwrap_or_default());
    hex::encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests;
