//! Collects what a decision needs, and only for the step that the Incident is in. All I/O into the lifecycle is here;
//! a call that fails becomes [`Seen::Trouble`], never an error that loses the Incident.

use std::sync::Arc;

use kube::ResourceExt;
use kube::api::Api;
use reforge_api::{
    BuildKind, BuildRef, Classification, Evidence, Incident, IncidentSpec, IncidentStatus, RecoveryPolicySpec,
    RollbackMode, StepName, Time, WorkspaceRef, reason,
};
use reforge_cluster::Known;
use reforge_core::catalog::Verify;
use reforge_core::incident::fences::{is_held, may_have_started};
use reforge_core::incident::order::{listed, project_of};
use reforge_core::incident::view::{AtGate, PolicyState, Published, Seen, View};
use reforge_core::incident::{around, evidence, trouble};
use reforge_core::index::{Key, Row};
use reforge_core::plan::build::BuildState;
use reforge_core::plan::inventory::{self, Location, Owned};
use reforge_core::plan::published::Changed;
use reforge_core::policy::select;
use reforge_core::words::fault::Fault;
use reforge_core::words::ids::{Id, uuid_of};

use crate::recover::artifacts::ArtifactError;
use crate::runtime::accounts::UnknownAccount;
use crate::runtime::clock;
use crate::runtime::kube_call;
use crate::verify::{ResourceIdentity, Verifier};

use super::controller::Context;
use super::reach::Install;

/// Looks at all that the next decision depends on. `known` is the plan that was read a moment ago: it is not read again.
pub async fn observe(ctx: &Context, incident: &Incident, known: Option<Published>) -> View {
    let status = incident.status.clone().unwrap_or_default();
    let entry = ctx.catalog.entry(&incident.spec.resource.r#type);
    let (policy, policy_since) = policy(ctx, incident);
    let me = Row::from(incident);
    let reports = reports(ctx, &me, &status).await;
    let is_new = status.step.name == StepName::Locate;
    let elder = if is_new { ctx.incidents.look(|index| evidence::elder(index, &me)) } else { None };
    let (reports, trouble) = match reports {
        Ok(reports) => (reports, None),
        Err(fault) => ((status.evidence.clone(), status.evidence_total), Some(fault)),
    };
    let spec = incident.spec.with_evidence(&reports.0);
    let hold = ctx.holds.of(&spec);
    let seen = match &policy {
        // What does not go well is not asked again before its time.
        _ if trouble::pause(&status, clock::now()).is_some() => Seen::Nothing,
        PolicyState::Stands { spec: policy, .. } if !is_held(&status, policy, hold.as_deref()) && elder.is_none() => {
            match trouble {
                Some(fault) => Seen::Trouble(fault),
                None => {
                    let judged = (&spec, &reports.0[..]);
                    look(ctx, incident, judged, (&status, policy), known).await.unwrap_or_else(Seen::Trouble)
                }
            }
        }
        _ => Seen::Nothing,
    };
    let last_successful = match &policy {
        PolicyState::Stands { spec, .. } => last_successful(ctx, &status, spec).await,
        _ => None,
    };
    let own_build = match &seen {
        Seen::Location(Location::Owned(workspace)) => own_build(ctx, &me, workspace).await,
        _ => None,
    };
    let builds_here = builds_here(ctx, &status, &seen).await;
    let now = clock::now();
    let created = incident.creation_timestamp().map_or(now, |t| Time(t.0.as_millisecond()));
    View {
        now,
        created,
        generation: incident.metadata.generation.unwrap_or_default(),
        name: incident.name_any(),
        namespace: incident.namespace().unwrap_or_default(),
        elder: elder.map(|id| id.to_string()),
        own_build,
        status,
        policy,
        // A type that the catalogue no longer has is treated as one that holds data: the careful side.
        stateful: entry.is_none_or(|e| e.stateful),
        containment: entry.is_none_or(|e| {
            let mut calls = reports.0.iter().map(|report| &report.name).chain([&spec.event.name]);
            calls.any(|call| e.is_containment(call))
        }),
        policy_since,
        late: around::late(created, spec.event.time, ctx.settings.retention.longest()),
        has_verb: entry.is_some_and(|e| e.undo_of(&spec.event.name).is_some()),
        spec,
        evidence: reports,
        attachments: entry.map(|e| e.attachments.clone()).unwrap_or_default(),
        identities: ctx.settings.identities.clone(),
        hold,
        last_successful,
        builds_here,
        seen,
    }
}

/// What else was told of the same change. Others are read only once each.
async fn reports(ctx: &Context, me: &Row, status: &IncidentStatus) -> Result<(Vec<Evidence>, u32), Fault> {
    let (fresh, all) = ctx.incidents.look(|index| evidence::reports(index, me, &status.evidence));
    let mut read = Vec::new();
    for id in fresh {
        read.extend(other(ctx, &id).await?);
    }
    Ok(evidence::evidence(status, read.iter(), all))
}

/// The build of ours that may have done it, by its id. One that cannot be read is named by its Incident.
async fn own_build(ctx: &Context, me: &Row, workspace: &WorkspaceRef) -> Option<String> {
    let (id, build) = ctx.incidents.look(|index| evidence::own_build(index, me, workspace))?;
    let incident = other(ctx, &id).await.ok().flatten();
    let mut ids = incident.map(builds_of).unwrap_or_default().into_iter().map(|b| b.id);
    let found = ids.find(|id| Key::of_build(id) == build);
    Some(found.unwrap_or_else(|| format!("of {id}")))
}

/// The builds of whoever may have left the lock that a build has found.
async fn builds_here(ctx: &Context, status: &IncidentStatus, seen: &Seen) -> Vec<BuildRef> {
    let (Some(at), Some(workspace)) = (seen.locked_at(), &status.workspace) else { return Vec::new() };
    let mut builds = Vec::new();
    for id in ctx.incidents.look(|index| around::at_work_here(index, &workspace.backend, at)) {
        // For people only: without it the lock's own word for who holds it is still there.
        if let Ok(Some(incident)) = other(ctx, &id).await {
            builds.extend(builds_of(incident));
        }
    }
    builds
}

fn builds_of(incident: Incident) -> Vec<BuildRef> {
    incident.status.map(|s| s.recovery.builds).unwrap_or_default()
}

async fn other(ctx: &Context, id: &Id) -> Result<Option<Incident>, Fault> {
    let api: Api<Incident> = Api::namespaced(ctx.client.clone(), &id.namespace);
    kube_call(api.get_opt(&id.name)).await.map_err(|e| e.fault(format!("reading Incident {id}")))
}

/// Asked only where it may be gone back to. Not knowing means: nothing to go back to.
async fn last_successful(ctx: &Context, status: &IncidentStatus, policy: &RecoveryPolicySpec) -> Option<String> {
    let may_fail = matches!(status.step.name, StepName::Plan | StepName::Apply | StepName::Verify);
    let workspace =
        status.workspace.as_ref().filter(|_| may_fail && policy.recovery.rollback.mode != RollbackMode::None)?;
    match ctx.workspaces.last_successful(&workspace.backend).await {
        Ok(version) => version,
        Err(error) => {
            tracing::warn!(%error, "reading the source version that recovered well last");
            None
        }
    }
}

/// The policy, and since when there is one, where that is after what happened.
fn policy(ctx: &Context, incident: &Incident) -> (PolicyState, Option<Time>) {
    match ctx.policies.get(&incident.namespace().unwrap_or_default(), &incident.spec.policy_ref.name) {
        None => (PolicyState::Gone, None),
        Some(Known::Read(policy)) => {
            let since = select::created_after(&policy, &incident.spec.event);
            (PolicyState::of(Some(&policy), &ctx.settings.grants()), since)
        }
        Some(Known::Unreadable(why)) => {
            let what = format!("this version of Reforge cannot read it: {why}");
            (PolicyState::Unusable { why: reason::INVALID, what }, None)
        }
    }
}

/// What the others of the policy do, anew: asked once more right before the gate decides, in its turn.
pub fn look_around(ctx: &Context, incident: &Incident, view: &mut View) {
    let PolicyState::Stands { spec: policy, .. } = &view.policy else { return };
    let Seen::AtGate(seen) = &mut view.seen else { return };
    let (me, kept) = (Row::from(incident), ctx.settings.retention.longest());
    ctx.incidents.look(|index| {
        seen.opened = around::opened(index, &me, policy, (ctx.holds.storm_over(), kept), view.now);
        seen.applying = index.applying_beside(&me);
    });
}

async fn look(
    ctx: &Context,
    incident: &Incident,
    judged: Judged<'_>,
    (status, policy): (&IncidentStatus, &RecoveryPolicySpec),
    known: Option<Published>,
) -> Result<Seen, Fault> {
    match status.step.name {
        StepName::Locate => locate(ctx, incident, policy).await,
        StepName::Classify => Ok(Seen::Verdict(judge(ctx, judged, policy).await)),
        StepName::Settle => {
            let resource = &incident.spec.resource;
            let settle =
                verifier(ctx, incident).await?.settled(&resource.r#type, &resource.id, incident.spec.change).await;
            settle.map(Seen::Settling)
        }
        StepName::Plan | StepName::Apply => build(ctx, incident, judged, (status, policy), known).await,
        StepName::Gate => at_gate(ctx, incident, judged, (status, policy), known).await,
        StepName::Verify => verify(ctx, incident, status, &policy.verification.expect).await,
        StepName::Ended => Ok(Seen::Nothing),
    }
}

async fn install(ctx: &Context, incident: &Incident) -> Result<Install, Fault> {
    ctx.reach.install(&incident.spec.event.account_id).await.map_err(UnknownAccount::fault)
}

async fn verifier(ctx: &Context, incident: &Incident) -> Result<Arc<Verifier>, Fault> {
    let event = &incident.spec.event;
    ctx.reach.verifier(&event.account_id, &event.region).await.map_err(UnknownAccount::fault)
}

async fn locate(ctx: &Context, incident: &Incident, policy: &RecoveryPolicySpec) -> Result<Seen, Fault> {
    let (event, resource) = (&incident.spec.event, &incident.spec.resource);
    let entry = ctx.catalog.entry(&resource.r#type).ok_or_else(|| {
        Fault::ours(
            format!("looking for type {} in the catalogue", resource.r#type),
            "it is not there; was it removed by an upgrade?",
        )
    })?;
    let Install { artifacts, .. } = install(ctx, incident).await?;
    let mut inventories = Vec::new();
    for workspace in &policy.recovery.workspaces {
        let found = artifacts.inventory(&workspace.name).await?;
        inventories.push((workspace.name.clone(), found));
    }
    Ok(Seen::Location(inventory::locate(&inventories, entry, &event.account_id, &event.region, &resource.id)))
}

async fn build(
    ctx: &Context,
    incident: &Incident,
    judged: Judged<'_>,
    (status, policy): (&IncidentStatus, &RecoveryPolicySpec),
    known: Option<Published>,
) -> Result<Seen, Fault> {
    let kind = if status.step.name == StepName::Apply { BuildKind::Apply } else { BuildKind::Plan };
    if status.recovery.next_attempt_time.is_some_and(|at| at > clock::now()) {
        return Ok(Seen::Nothing);
    }
    let Some(workspace) = &status.workspace else {
        return Err(Fault::ours("looking at the Incident", "it has no workspace"));
    };
    let Some(build) = &status.recovery.build else {
        if let Some(found) = started_before(ctx, incident, (status, policy), kind).await? {
            return Ok(Seen::Build(Some(found)));
        }
        let other = ctx.workspaces.held_by_other(&workspace.backend, &Id::of(incident)).await;
        return match other.map_err(|e| e.fault("reading the workspace's lease"))? {
            None if kind == BuildKind::Apply => at_gate(ctx, incident, judged, (status, policy), known).await,
            other => Ok(Seen::Workspace(other)),
        };
    };
    let Install { builds, artifacts } = install(ctx, incident).await?;
    let state = builds.get(&build.id).await?;
    match state {
        Some(state) if kind == BuildKind::Plan && state.succeeded() => {
            let summary = published(artifacts.summary(&workspace.name, uuid_of(&state.id)).await)?;
            Ok(Seen::Planned(Box::new(state), summary.map(Box::new)))
        }
        Some(mut state) if state.is_over() && !state.succeeded() => {
            // For people only: without it the build's own word for why is still there.
            let failure = artifacts.failure(&workspace.name, uuid_of(&state.id)).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "what a failed build said cannot be read");
                None
            });
            state.failure = failure.map(Box::new);
            Ok(Seen::Build(Some(state)))
        }
        state => Ok(Seen::Build(state)),
    }
}

/// What a build published. What cannot be read stays so: it counts as nothing.
fn published<T>(read: Result<Option<T>, ArtifactError>) -> Result<Option<T>, Fault> {
    match read {
        Err(error) if !error.is_retryable() => {
            tracing::error!(%error, "a build published something that nobody can read");
            Ok(None)
        }
        read => read.map_err(ArtifactError::fault),
    }
}

/// The build that a try has started whose answer nobody saw.
async fn started_before(
    ctx: &Context,
    incident: &Incident,
    (status, policy): (&IncidentStatus, &RecoveryPolicySpec),
    kind: BuildKind,
) -> Result<Option<BuildState>, Fault> {
    let Some(workspace) = status.workspace.as_ref().filter(|_| may_have_started(&status.recovery)) else {
        return Ok(None);
    };
    let listed = listed(policy, workspace)?;
    let Install { builds, .. } = install(ctx, incident).await?;
    builds.find(project_of(listed, kind), &incident.name_any(), status.step.attempt).await
}

/// The spec as it is judged with the evidence, and the evidence.
type Judged<'a> = (&'a IncidentSpec, &'a [Evidence]);

async fn judge(ctx: &Context, (spec, reports): Judged<'_>, policy: &RecoveryPolicySpec) -> Classification {
    let verdict = ctx.classifier.classify(spec, &policy.classification, &ctx.settings.recovery_roles).await;
    Classification { record: evidence::later_record(spec, reports).map(|r| r.id.clone()), ..verdict }
}

async fn at_gate(
    ctx: &Context,
    incident: &Incident,
    judged: Judged<'_>,
    (status, policy): (&IncidentStatus, &RecoveryPolicySpec),
    known: Option<Published>,
) -> Result<Seen, Fault> {
    let (Some(workspace), Some(plan)) = (&status.workspace, &status.plan) else {
        return Err(Fault::ours("looking at the Incident", "it has no plan"));
    };
    let found = match known.filter(|(summary, _)| summary.build == uuid_of(&plan.build)) {
        Some(known) => Some(known),
        None => {
            let Install { artifacts, .. } = install(ctx, incident).await?;
            published(artifacts.summary(&workspace.name, uuid_of(&plan.build)).await)?
        }
    };
    let Some((summary, digest)) = found else { return Ok(Seen::PlanGone) };
    let ledger = ctx.workspaces.ledger(&workspace.backend).await.map_err(|e| e.fault("reading the ledger"))?;
    let unchecked = if incident.spec.approvals.is_empty() {
        None
    } else {
        ctx.guard.trouble().await.map_err(|e| e.fault("reading the admission policies"))?
    };
    let judged_again = if evidence::has_unjudged_record(status, judged.0, judged.1) {
        Some(judge(ctx, judged, policy).await)
    } else {
        None
    };
    Ok(Seen::AtGate(Box::new(AtGate {
        summary,
        digest,
        covered: ctx.incidents.look(|index| around::covered(index, &Row::from(incident), workspace)),
        judged_again,
        unchecked,
        ledger,
        // Looked at in its turn: [`look_around`].
        opened: Vec::new(),
        applying: 0,
    })))
}

async fn verify(ctx: &Context, incident: &Incident, status: &IncidentStatus, expect: &[String]) -> Result<Seen, Fault> {
    let Some(workspace) = &status.workspace else {
        return Err(Fault::ours("looking at the Incident", "it has no workspace"));
    };
    let resource = &incident.spec.resource;
    let entry = ctx.catalog.entry(&resource.r#type);
    let apply = status.recovery.build.as_ref().filter(|b| b.kind == BuildKind::Apply);
    let Install { artifacts, .. } = install(ctx, incident).await?;
    let result = match apply {
        Some(build) => published(artifacts.result(&workspace.name, uuid_of(&build.id)).await)?,
        None => None,
    };
    // What the apply reports of all that is the Incident's leaves nothing to look up, but what Cloud Control calls it.
    let reports = |address: &String| result.iter().flat_map(|r| &r.resources).any(|r| r.address == *address);
    let is_told = workspace.addresses_unlisted == 0 && workspace.addresses.iter().all(reports);
    let owned = if is_told && entry.is_none_or(|e| e.verify != Verify::CloudControl) {
        None
    } else {
        artifacts.inventory(&workspace.name).await?
    };
    let listed = owned.iter().flat_map(|inventory| &inventory.resources);
    let owned: Vec<&Owned> = listed.filter(|r| workspace.addresses.contains(&r.address)).collect();
    let is_main = |r: &&&Owned| entry.is_some_and(|e| e.terraform_types.contains(&r.r#type));
    let identifier = |r: &Owned| entry.and_then(|e| r.attributes.get(&e.cloud_control_id).cloned());
    let cloud_control_id = owned.iter().find(is_main).and_then(|r| identifier(r));
    let mut now: Vec<ResourceIdentity> = owned
        .into_iter()
        .map(|r| ResourceIdentity {
            id: r.attributes.get("id").cloned(),
            arn: r.attributes.get("arn").cloned(),
            address: r.address.clone(),
            terraform_type: r.r#type.clone(),
        })
        .collect();
    // What the apply itself reports is newer than any inventory.
    for Changed { address, r#type, id, arn } in result.iter().flat_map(|r| r.resources.clone()) {
        now.retain(|r| r.address != address);
        now.push(ResourceIdentity { address, terraform_type: r#type, id, arn });
    }
    let empty = match (&result, apply) {
        // What is not listed may be the resource's all the same.
        (Some(result), _) if workspace.addresses_unlisted > 0 => result.remaining.is_empty(),
        (Some(result), _) => !result.remaining.iter().any(|a| workspace.addresses.contains(a)),
        // Without an apply of its own the Incident came here because its plan was empty.
        (None, None) => true,
        (None, Some(_)) => false,
    };
    let question = crate::verify::Question {
        resource_type: &resource.r#type,
        cloud_formation_type: &resource.cloud_formation_type,
        verify: entry.map_or(Verify::Plan, |e| e.verify),
        cloud_control_id: cloud_control_id.as_deref(),
        expect,
        change: incident.spec.change,
        old_id: &resource.id,
        now: &now,
        plan_is_empty: empty,
        stateful: entry.is_none_or(|e| e.stateful),
        restores_data: status.plan.as_ref().is_some_and(|p| p.restores_data),
    };
    verifier(ctx, incident).await?.verify(&question).await.map(Seen::Verified)
}
