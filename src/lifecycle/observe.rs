//! Answers what core says that a decision needs ([`needs`]). All I/O into the lifecycle is here; a call that fails becomes
//! [`Seen::Trouble`], never an error that loses the Incident.

use std::sync::Arc;

use kube::ResourceExt;
use kube::api::Api;
use reforge_api::{
    BuildKind, BuildRef, Classification, Evidence, Incident, IncidentSpec, IncidentStatus, RecoveryPolicySpec, Time,
    WorkspaceRef, reason,
};
use reforge_aws::accounts::UnknownAccount;
use reforge_aws::artifacts::ArtifactError;
use reforge_aws::clients::Install;
use reforge_aws::verify::Verifier;
use reforge_cluster::{clock, kube_call};
use reforge_core::incident::needs::{ForGate, Known, Need, needs, needs_last_successful};
use reforge_core::incident::order::{listed, project_of};
use reforge_core::incident::view::{AtGate, PolicyState, Published, Seen, View};
use reforge_core::incident::{around, evidence, subject};
use reforge_core::index::{Key, Row};
use reforge_core::plan::inventory::{self, Location};
use reforge_core::policy::reserve::Reservations;
use reforge_core::policy::select;
use reforge_core::words::fault::Fault;
use reforge_core::words::ids::{Id, uuid_of};

use super::controller::Context;

/// Looks at all that the next decision depends on. `known` is the plan that was read a moment ago: it is not read again.
pub async fn observe(ctx: &Context, incident: &Incident, known: Option<Published>) -> View {
    let status = incident.status.clone().unwrap_or_default();
    let entry = ctx.catalog.entry(&incident.spec.resource.r#type);
    let (policy, policy_since) = policy(ctx, incident);
    let me = Row::from(incident);
    let reports = reports(ctx, &me, &status).await;
    let gives_way = evidence::may_give_way(&status);
    let elder = if gives_way { ctx.incidents.look(|index| evidence::elder(index, &me)) } else { None };
    let (reports, trouble) = match reports {
        Ok(reports) => (reports, None),
        Err(fault) => ((status.evidence.clone(), status.evidence_total), Some(fault)),
    };
    let spec = incident.spec.with_evidence(&reports.0);
    let hold = ctx.holds.of(&spec);
    let need = needs(&Known {
        status: &status,
        policy: &policy,
        spec: &spec,
        evidence: &reports.0,
        hold: hold.as_deref(),
        has_elder: elder.is_some(),
        now: clock::now(),
    });
    let seen = match (&policy, trouble) {
        (PolicyState::Stands { .. }, Some(fault)) if need != Need::Nothing => Seen::Trouble(fault),
        (PolicyState::Stands { spec: policy, .. }, _) => {
            let look = Look { ctx, incident, status: &status, policy, spec: &spec, evidence: &reports.0, known };
            look.at(need).await.unwrap_or_else(Seen::Trouble)
        }
        _ => Seen::Nothing,
    };
    let last_successful = match &policy {
        PolicyState::Stands { spec, .. } if needs_last_successful(&status, spec) => last_successful(ctx, &status).await,
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

/// Not knowing means: nothing to go back to.
async fn last_successful(ctx: &Context, status: &IncidentStatus) -> Option<String> {
    match ctx.workspaces.last_successful(&status.workspace.as_ref()?.backend).await {
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
        Some(reforge_cluster::Known::Read(policy)) => {
            let since = select::created_after(&policy, &incident.spec.event);
            (PolicyState::of(Some(&policy), &ctx.settings.grants()), since)
        }
        Some(reforge_cluster::Known::Unreadable(why)) => {
            let what = format!("this version of Reforge cannot read it: {why}");
            (PolicyState::Unusable { why: reason::INVALID, what }, None)
        }
    }
}

/// What the others of the policy do and have been cleared to, anew: looked at once more right before the gate decides.
pub fn look_around(ctx: &Context, me: &Row, view: &mut View, reserved: &Reservations) {
    let PolicyState::Stands { spec: policy, .. } = &view.policy else { return };
    let Seen::AtGate(seen) = &mut view.seen else { return };
    let kept = ctx.settings.retention.longest();
    seen.reserved = reserved.clone();
    ctx.incidents.look(|index| {
        seen.opened = around::opened(index, me, policy, (ctx.holds.storm_over(), kept), view.now);
        seen.applying = around::applying(index, me, reserved);
    });
}

/// A look at what one Incident needs.
struct Look<'a> {
    ctx: &'a Context,
    incident: &'a Incident,
    status: &'a IncidentStatus,
    policy: &'a RecoveryPolicySpec,
    /// The spec as it is judged with the evidence.
    spec: &'a IncidentSpec,
    evidence: &'a [Evidence],
    /// The plan that was read a moment ago.
    known: Option<Published>,
}

impl Look<'_> {
    async fn at(&self, need: Need) -> Result<Seen, Fault> {
        match need {
            Need::Nothing => Ok(Seen::Nothing),
            Need::Location => self.location().await,
            Need::Verdict => Ok(Seen::Verdict(self.verdict().await)),
            Need::Settling => {
                let resource = &self.incident.spec.resource;
                let verifier = self.verifier().await?;
                verifier.settled(&resource.r#type, &resource.id, self.incident.spec.change).await.map(Seen::Settling)
            }
            Need::Workspace { kind, may_have_started, gate } => self.workspace(kind, may_have_started, gate).await,
            Need::Build(kind) => self.build(kind).await,
            Need::Gate(needed) => self.gate(needed).await,
            Need::Verification => self.verification().await,
        }
    }

    async fn install(&self) -> Result<Install, Fault> {
        let account = &self.incident.spec.event.account_id;
        self.ctx.clients.install(account).await.map_err(UnknownAccount::fault)
    }

    async fn verifier(&self) -> Result<Arc<Verifier>, Fault> {
        let event = &self.incident.spec.event;
        self.ctx.clients.verifier(&event.account_id, &event.region).await.map_err(UnknownAccount::fault)
    }

    /// Where the Incident works, which it knows since it was located.
    fn place(&self) -> Result<&WorkspaceRef, Fault> {
        let workspace = self.status.workspace.as_ref();
        workspace.ok_or_else(|| Fault::ours("looking at the Incident", "it has no workspace"))
    }

    async fn location(&self) -> Result<Seen, Fault> {
        let (event, resource) = (&self.incident.spec.event, &self.incident.spec.resource);
        let entry = self.ctx.catalog.entry(&resource.r#type).ok_or_else(|| {
            Fault::ours(
                format!("looking for type {} in the catalogue", resource.r#type),
                "it is not there; was it removed by an upgrade?",
            )
        })?;
        let Install { artifacts, .. } = self.install().await?;
        let mut inventories = Vec::new();
        for workspace in &self.policy.recovery.workspaces {
            let found = artifacts.inventory(&workspace.name).await?;
            inventories.push((workspace.name.clone(), found));
        }
        Ok(Seen::Location(inventory::locate(&inventories, entry, &event.account_id, &event.region, &resource.id)))
    }

    async fn verdict(&self) -> Classification {
        let (policy, roles) = (&self.policy.classification, &self.ctx.settings.recovery_roles);
        let verdict = self.ctx.classifier.classify(self.spec, policy, roles).await;
        Classification { record: evidence::later_record(self.spec, self.evidence).map(|r| r.id.clone()), ..verdict }
    }

    async fn workspace(&self, kind: BuildKind, may_have_started: bool, gate: Option<ForGate>) -> Result<Seen, Fault> {
        let workspace = self.place()?;
        if may_have_started {
            let listed = listed(self.policy, workspace)?;
            let Install { builds, .. } = self.install().await?;
            let (name, attempt) = (self.incident.name_any(), self.status.step.attempt);
            if let Some(found) = builds.find(project_of(listed, kind), &name, attempt).await? {
                return Ok(Seen::Build(Some(found)));
            }
        }
        let other = self.ctx.workspaces.held_by_other(&workspace.backend, &Id::of(self.incident)).await;
        match (other.map_err(|e| e.fault("reading the workspace's lease"))?, gate) {
            (None, Some(needed)) => self.gate(needed).await,
            (other, _) => Ok(Seen::Workspace(other)),
        }
    }

    async fn build(&self, kind: BuildKind) -> Result<Seen, Fault> {
        let workspace = self.place()?;
        let Some(build) = &self.status.recovery.build else { return Ok(Seen::Nothing) };
        let Install { builds, artifacts } = self.install().await?;
        match builds.get(&build.id).await? {
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

    async fn gate(&self, needed: ForGate) -> Result<Seen, Fault> {
        let (ctx, workspace) = (self.ctx, self.place()?);
        let Some(plan) = &self.status.plan else {
            return Err(Fault::ours("looking at the Incident", "it has no plan"));
        };
        let known = self.known.as_ref().filter(|(summary, _)| summary.build == uuid_of(&plan.build));
        let found = match known {
            Some(known) => Some(known.clone()),
            None => {
                let Install { artifacts, .. } = self.install().await?;
                published(artifacts.summary(&workspace.name, uuid_of(&plan.build)).await)?
            }
        };
        let Some((summary, digest)) = found else { return Ok(Seen::PlanGone) };
        let ledger = ctx.workspaces.ledger(&workspace.backend).await.map_err(|e| e.fault("reading the ledger"))?;
        let unchecked = match needed.guard {
            true => ctx.guard.trouble().await.map_err(|e| e.fault("reading the admission policies"))?,
            false => None,
        };
        let judged_again = match needed.verdict {
            true => Some(self.verdict().await),
            false => None,
        };
        Ok(Seen::AtGate(Box::new(AtGate {
            summary,
            digest,
            covered: ctx.incidents.look(|index| around::covered(index, &Row::from(self.incident), workspace)),
            judged_again,
            unchecked,
            ledger,
            // Looked at right before the decision: [`look_around`].
            opened: Vec::new(),
            applying: 0,
            reserved: Reservations::default(),
        })))
    }

    async fn verification(&self) -> Result<Seen, Fault> {
        let workspace = self.place()?;
        let Install { artifacts, .. } = self.install().await?;
        let result = match subject::apply_of(self.status) {
            Some(build) => published(artifacts.result(&workspace.name, uuid_of(build)).await)?,
            None => None,
        };
        let entry = self.ctx.catalog.entry(&self.incident.spec.resource.r#type);
        let inventory = match subject::needs_inventory(self.status, entry, result.as_ref()) {
            true => artifacts.inventory(&workspace.name).await?,
            false => None,
        };
        let (incident, known) = ((&self.incident.spec, self.status), (result.as_ref(), inventory.as_deref()));
        let expect = &self.policy.verification.expect;
        let Some(subject) = subject::subject(incident, entry, known, expect) else { return Ok(Seen::Nothing) };
        self.verifier().await?.verify(&subject).await.map(Seen::Verified)
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
