//! Collects what a decision needs, and only for the step that the Incident is in. All I/O into the lifecycle is here;
//! a call that fails becomes [`Seen::Trouble`], never an error that loses the Incident.

use std::sync::Arc;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use reforge_api::{
    BuildKind, BuildRef, Classification, Evidence, Incident, IncidentSpec, IncidentStatus, Origin, Phase,
    RecoveryPolicySpec, RollbackMode, StepName, Time,
};

use crate::fault::Fault;
use crate::intake::catalog::Verify;
use crate::policy::limits::{self, Opened};
use crate::policy::select;
use crate::recover::artifacts::{ArtifactError, Changed};
use crate::recover::codebuild::uuid_of;
use crate::recover::inventory::{self, Location, Owned};
use crate::runtime::accounts::UnknownAccount;
use crate::runtime::clock;
use crate::verify::{ResourceIdentity, Verifier};

use super::controller::Context;
use super::decide::{AtGate, PolicyState, Seen, View, is_held};
use super::reach::Install;
use super::same;
use super::trouble;
use super::workspace::Holder;

/// Looks at all that the next decision depends on.
pub async fn observe(ctx: &Context, incident: &Incident) -> View {
    let status = incident.status.clone().unwrap_or_default();
    let entry = ctx.catalog.entry(&incident.spec.resource.r#type);
    let policy = policy(ctx, incident);
    let all = ctx.incidents.state();
    let others = || all.iter().map(AsRef::as_ref);
    let evidence = same::evidence(incident, others());
    let is_new = status.step.name == StepName::Locate;
    let elder = if is_new { same::elder(incident, others()) } else { None };
    let spec = incident.spec.with_evidence(&evidence.0);
    let hold = ctx.holds.of(&spec);
    let seen = match &policy {
        // What does not go well is not asked again before its time.
        _ if trouble::pause(&status, clock::now()).is_some() => Seen::Nothing,
        PolicyState::Stands { spec: policy, .. } if !is_held(&status, policy, hold.as_deref()) && elder.is_none() => {
            look(ctx, incident, (&spec, &evidence.0), &status, policy).await.unwrap_or_else(Seen::Trouble)
        }
        _ => Seen::Nothing,
    };
    let last_successful = match &policy {
        PolicyState::Stands { spec, .. } => last_successful(ctx, &status, spec).await,
        _ => None,
    };
    let own_build = match &seen {
        Seen::Location(Location::Owned(workspace)) => {
            same::own_build(&incident.spec, workspace, others().filter_map(|i| i.status.as_ref()))
        }
        _ => None,
    };
    let builds_here = if failed_locked(&seen) { builds_here(ctx, &status) } else { Vec::new() };
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
            let mut calls = evidence.0.iter().map(|report| &report.name).chain([&spec.event.name]);
            calls.any(|call| e.is_containment(call))
        }),
        has_verb: entry.is_some_and(|e| e.undo_of(&spec.event.name).is_some()),
        spec,
        evidence,
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

fn failed_locked(seen: &Seen) -> bool {
    matches!(seen, Seen::Build(Some(build)) if build.failure.as_ref().is_some_and(|f| f.lock.is_some()))
}

/// The builds of all Incidents in the same Terraform state that have ended.
fn builds_here(ctx: &Context, status: &IncidentStatus) -> Vec<BuildRef> {
    let backend = status.workspace.as_ref().map(|w| w.backend.as_str());
    let all = ctx.incidents.state();
    let here = all.iter().filter_map(|i| i.status.as_ref());
    let here = here.filter(|s| s.workspace.as_ref().map(|w| w.backend.as_str()) == backend);
    here.flat_map(|s| s.recovery.builds.iter().filter(|b| b.end.is_some()).cloned()).collect()
}

fn policy(ctx: &Context, incident: &Incident) -> PolicyState {
    let namespace = incident.namespace().unwrap_or_default();
    let reference = ObjectRef::new(&incident.spec.policy_ref.name).within(&namespace);
    let Some(policy) = ctx.policies.get(&reference) else { return PolicyState::Gone };
    match select::validate(&policy, &ctx.settings.grants()) {
        Ok(()) => PolicyState::Stands {
            uid: policy.uid().unwrap_or_default(),
            generation: policy.metadata.generation.unwrap_or_default(),
            spec: Box::new(policy.spec.clone()),
        },
        Err(unusable) => PolicyState::Unusable { why: unusable.reason(), what: unusable.to_string() },
    }
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
        let found = artifacts.inventory(&workspace.name).await.map_err(ArtifactError::fault)?;
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

async fn judge(ctx: &Context, (spec, evidence): Judged<'_>, policy: &RecoveryPolicySpec) -> Classification {
    let verdict = ctx.classifier.classify(spec, &policy.classification, &ctx.settings.recovery_roles).await;
    Classification { record: later_record(spec, evidence).map(|r| r.id.clone()), ..verdict }
}

/// A record that came later is judged, once.
async fn judge_again(
    ctx: &Context,
    judged: Judged<'_>,
    status: &IncidentStatus,
    policy: &RecoveryPolicySpec,
) -> Option<Classification> {
    let record = later_record(judged.0, judged.1)?;
    let before = status.classification.as_ref().and_then(|c| c.record.as_ref());
    if before == Some(&record.id) { None } else { Some(judge(ctx, judged, policy).await) }
}

fn later_record<'a>(spec: &IncidentSpec, evidence: &'a [Evidence]) -> Option<&'a Evidence> {
    Evidence::only_record(evidence).filter(|_| spec.event.origin != Origin::CloudTrail)
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
    let covered = covered(ctx, incident, &workspace.backend);
    let others = others(ctx, incident);
    let applying = others.iter().filter(|i| i.status.as_ref().is_some_and(|s| s.step.name == StepName::Apply)).count();
    let counts = |i: &&Incident| i.status.as_ref().is_none_or(|s| s.duplicate_of.is_none());
    let opened = others.iter().map(AsRef::as_ref).chain([incident]).filter(counts).filter_map(|i| {
        let at = i.creation_timestamp().map(|t| Time(t.0.as_millisecond()))?;
        Some(Opened { at, actor: limits::actor_key(&i.judged_spec()) })
    });
    let opened = opened.filter(|o| ctx.holds.storm_over().is_none_or(|over| o.at > over));
    Ok(Seen::AtGate(Box::new(AtGate {
        summary,
        digest,
        covered,
        judged_again: judge_again(ctx, judged, status, policy).await,
        unchecked,
        ledger,
        opened: opened.collect(),
        applying: u32::try_from(applying).unwrap_or(u32::MAX),
    })))
}

/// The other Incidents of the same policy, ended ones too.
fn others(ctx: &Context, incident: &Incident) -> Vec<Arc<Incident>> {
    let same = |other: &Arc<Incident>| {
        other.namespace() == incident.namespace()
            && other.spec.policy_ref == incident.spec.policy_ref
            && other.uid() != incident.uid()
    };
    ctx.incidents.state().into_iter().filter(same).collect()
}

/// Whether another Incident of the same workspace was recovered by an apply that began after this event, and had the
/// same addresses.
fn covered(ctx: &Context, incident: &Incident, backend: &str) -> bool {
    let mine = incident.status.as_ref().and_then(|s| s.workspace.as_ref());
    let addresses = mine.map(|w| w.addresses.as_slice()).unwrap_or_default();
    ctx.incidents.state().iter().any(|other| {
        let Some(status) = other.status.as_ref().filter(|s| s.phase == Phase::Recovered) else { return false };
        let same = status
            .workspace
            .as_ref()
            .is_some_and(|w| w.backend == backend && addresses.iter().all(|a| w.addresses.contains(a)));
        let applied = status.recovery.builds.iter().any(|b| {
            b.kind == BuildKind::Apply
                && b.status == "SUCCEEDED"
                && b.start.is_some_and(|start| start >= incident.spec.event.time)
        });
        same && applied && other.uid() != incident.uid()
    })
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
    let owned = artifacts.inventory(&workspace.name).await.map_err(ArtifactError::fault)?;
    let mut owned = owned.map(|inventory| inventory.resources).unwrap_or_default();
    owned.retain(|r| workspace.addresses.contains(&r.address));
    let is_main = |r: &&Owned| entry.is_some_and(|e| e.terraform_types.contains(&r.r#type));
    let identifier = |r: &Owned| entry.and_then(|e| r.attributes.get(&e.cloud_control_id).cloned());
    let cloud_control_id = owned.iter().find(is_main).and_then(identifier);
    let mut now: Vec<ResourceIdentity> = owned
        .into_iter()
        .map(|r| ResourceIdentity {
            id: r.attributes.get("id").cloned(),
            arn: r.attributes.get("arn").cloned(),
            address: r.address,
            terraform_type: r.r#type,
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
