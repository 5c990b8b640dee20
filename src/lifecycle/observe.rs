//! Collects what a decision needs, and only for the step that the Incident is in. All I/O into the lifecycle is here;
//! a call that fails becomes [`Seen::Trouble`], never an error that loses the Incident.

use std::sync::Arc;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use reforge_api::{
    BuildKind, Classification, Evidence, Incident, IncidentSpec, IncidentStatus, RecoveryPolicySpec, RollbackMode,
    StepName, Time,
};
use reforge_core::catalog::Verify;
use reforge_core::incident::fences::is_held;
use reforge_core::incident::view::{AtGate, PolicyState, Seen, View};
use reforge_core::incident::{around, evidence, trouble};
use reforge_core::plan::inventory::{self, Location, Owned};
use reforge_core::plan::published::Changed;
use reforge_core::words::fault::Fault;
use reforge_core::words::ids::{Holder, uuid_of};

use crate::recover::artifacts::ArtifactError;
use crate::runtime::accounts::UnknownAccount;
use crate::runtime::clock;
use crate::verify::{ResourceIdentity, Verifier};

use super::controller::Context;
use super::reach::Install;

/// Looks at all that the next decision depends on.
pub async fn observe(ctx: &Context, incident: &Incident) -> View {
    let status = incident.status.clone().unwrap_or_default();
    let entry = ctx.catalog.entry(&incident.spec.resource.r#type);
    let policy = policy(ctx, incident);
    let all = ctx.incidents.state();
    let others = || all.iter().map(AsRef::as_ref);
    let reports = evidence::evidence(incident, others());
    let is_new = status.step.name == StepName::Locate;
    let elder = if is_new { evidence::elder(incident, others()) } else { None };
    let spec = incident.spec.with_evidence(&reports.0);
    let hold = ctx.holds.of(&spec);
    let seen = match &policy {
        // What does not go well is not asked again before its time.
        _ if trouble::pause(&status, clock::now()).is_some() => Seen::Nothing,
        PolicyState::Stands { spec: policy, .. } if !is_held(&status, policy, hold.as_deref()) && elder.is_none() => {
            look(ctx, incident, (&spec, &reports.0), &status, policy).await.unwrap_or_else(Seen::Trouble)
        }
        _ => Seen::Nothing,
    };
    let last_successful = match &policy {
        PolicyState::Stands { spec, .. } => last_successful(ctx, &status, spec).await,
        _ => None,
    };
    let statuses = || others().filter_map(|i| i.status.as_ref());
    let own_build = match &seen {
        Seen::Location(Location::Owned(workspace)) => evidence::own_build(&incident.spec, workspace, statuses()),
        _ => None,
    };
    let builds_here = if seen.is_locked() { around::builds_here(&status, statuses()) } else { Vec::new() };
    let now = clock::now();
    let created = incident.creation_timestamp().map_or(now, |t| Time(t.0.as_millisecond()));
    View {
        now,
        created,
        generation: incident.metadata.generation.unwrap_or_default(),
        name: incident.name_any(),
        namespace: incident.namespace().unwrap_or_default(),
        elder,
        own_build,
        status,
        policy,
        // A type that the catalogue no longer has is treated as one that holds data: the careful side.
        stateful: entry.is_none_or(|e| e.stateful),
        containment: entry.is_none_or(|e| {
            let mut calls = reports.0.iter().map(|report| &report.name).chain([&spec.event.name]);
            calls.any(|call| e.is_containment(call))
        }),
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

fn policy(ctx: &Context, incident: &Incident) -> PolicyState {
    let namespace = incident.namespace().unwrap_or_default();
    let reference = ObjectRef::new(&incident.spec.policy_ref.name).within(&namespace);
    PolicyState::of(ctx.policies.get(&reference).as_deref(), &ctx.settings.grants())
}

async fn look(
    ctx: &Context,
    incident: &Incident,
    judged: Judged<'_>,
    status: &IncidentStatus,
    policy: &RecoveryPolicySpec,
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
        StepName::Plan => build(ctx, incident, status, BuildKind::Plan).await,
        StepName::Apply => build(ctx, incident, status, BuildKind::Apply).await,
        StepName::Gate => at_gate(ctx, incident, judged, status, policy).await,
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

async fn build(ctx: &Context, incident: &Incident, status: &IncidentStatus, kind: BuildKind) -> Result<Seen, Fault> {
    if status.recovery.next_attempt_time.is_some_and(|at| at > clock::now()) {
        return Ok(Seen::Nothing);
    }
    let Some(workspace) = &status.workspace else {
        return Err(Fault::ours("looking at the Incident", "it has no workspace"));
    };
    let Some(build) = &status.recovery.build else {
        let other = ctx.workspaces.held_by_other(&workspace.backend, &Holder::of(incident)).await;
        return other.map(Seen::Workspace).map_err(|e| e.fault("reading the workspace's lease"));
    };
    let Install { builds, artifacts } = install(ctx, incident).await?;
    let state = builds.get(&build.id).await?;
    match state {
        Some(state) if kind == BuildKind::Plan && state.succeeded() => {
            let summary = artifacts.summary(&workspace.name, uuid_of(&state.id)).await;
            match summary {
                Ok(summary) => Ok(Seen::Planned(Box::new(state), summary.map(Box::new))),
                // What is malformed stays so: it counts as a build that published nothing.
                Err(e) if !e.is_retryable() => {
                    tracing::error!(error = %e, "a plan build published something else than a summary");
                    Ok(Seen::Planned(Box::new(state), None))
                }
                Err(e) => Err(e.fault()),
            }
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
    status: &IncidentStatus,
    policy: &RecoveryPolicySpec,
) -> Result<Seen, Fault> {
    let (Some(workspace), Some(plan)) = (&status.workspace, &status.plan) else {
        return Err(Fault::ours("looking at the Incident", "it has no plan"));
    };
    let Install { artifacts, .. } = install(ctx, incident).await?;
    let found = artifacts.summary(&workspace.name, uuid_of(&plan.build)).await.map_err(ArtifactError::fault)?;
    let (summary, digest) = found
        .ok_or_else(|| Fault::absent(format!("reading the summary of {}", plan.build), "it is gone from the bucket"))?;
    let ledger = ctx.workspaces.ledger(&workspace.backend).await.map_err(|e| e.fault("reading the ledger"))?;
    let unchecked = if incident.spec.approvals.is_empty() {
        None
    } else {
        ctx.guard.trouble().await.map_err(|e| e.fault("reading the admission policies"))?
    };
    let all = ctx.incidents.state();
    let others = || all.iter().map(AsRef::as_ref).filter(|other| around::is_of_the_policy(incident, other));
    let judged_again = if evidence::has_unjudged_record(status, judged.0, judged.1) {
        Some(judge(ctx, judged, policy).await)
    } else {
        None
    };
    Ok(Seen::AtGate(Box::new(AtGate {
        summary,
        digest,
        covered: around::covered(incident, &workspace.backend, all.iter().map(AsRef::as_ref)),
        judged_again,
        unchecked,
        ledger,
        opened: around::opened(others().chain([incident]), ctx.holds.storm_over()),
        applying: around::applying(others()),
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
        Some(build) => artifacts.result(&workspace.name, uuid_of(&build.id)).await.map_err(ArtifactError::fault)?,
        None => None,
    };
    let owned = artifacts.inventory(&workspace.name).await?;
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
