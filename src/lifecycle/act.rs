//! Does what was decided, after it was written: takes a workspace and starts a build, gives a workspace back, tells
//! people. Decides nothing; before a build it looks once more, live, at what the decision stood on.

use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use reforge_api::{BuildKind, Incident, LABEL_WORKSPACE, RecoveryPolicy, Time};
use reforge_core::incident::builds::NotStarted;
use reforge_core::incident::fences::{is_recent, looks_first, still_stands};
use reforge_core::incident::order::{apply_of, listed, order_of, project_of};
use reforge_core::plan::build::BuildState;
use reforge_core::policy::select;
use reforge_core::words::fault::Fault;
use reforge_core::words::ids::Id;
use serde_json::json;

use reforge_aws::accounts::UnknownAccount;
use reforge_aws::builds::BuildsError;
use reforge_cluster::clock;
use reforge_cluster::kube_call;

use super::controller::Context;

/// What came of starting a build.
#[derive(Debug)]
pub enum Started {
    /// It runs.
    Running(Box<BuildState>),
    /// It was not started; why, and it may be tried again.
    NotYet(NotStarted),
    /// It was not started, since the policy is no longer the one that the plan was judged by.
    Overtaken,
}

/// Starts the build that the Incident's status intends, or finds the one that was started before.
pub async fn start_build(ctx: &Context, incident: &Incident, kind: BuildKind) -> Started {
    match try_start(ctx, incident, kind).await {
        Ok(started) => started,
        Err(fault) => Started::NotYet(NotStarted::Fault(fault)),
    }
}

async fn try_start(ctx: &Context, incident: &Incident, kind: BuildKind) -> Result<Started, Fault> {
    let status = incident.status.clone().unwrap_or_default();
    let (Some(workspace), Some(intent)) = (&status.workspace, &status.recovery.intent) else {
        return Err(Fault::ours("starting a build", "the Incident intends no build"));
    };
    let policy = live_policy(ctx, incident).await?;
    // It may have been edited since it was looked at: what it names now was not granted by that.
    let name = &incident.spec.policy_ref.name;
    select::validate(&policy, &ctx.settings.grants())
        .map_err(|unusable| Fault::ours(format!("reading RecoveryPolicy {name}"), &unusable.to_string()))?;
    let listed = listed(&policy.spec, workspace)?;
    let project = project_of(listed, kind);

    let me = Id::of(incident);
    let taken = ctx.workspaces.take(&workspace.backend, &me).await.map_err(|e| e.fault("taking the workspace"))?;
    if let Err(other) = taken {
        let why = format!("waiting for {other}, which works on the same Terraform workspace");
        return Ok(Started::NotYet(NotStarted::Busy(why)));
    }

    let name = incident.name_any();
    let install = ctx.clients.install(&incident.spec.event.account_id).await.map_err(UnknownAccount::fault)?;
    let known = if looks_first(intent, clock::now()) {
        install.builds.find(project, &name, status.step.attempt).await?
    } else {
        None
    };
    let build = match known {
        Some(build) => build,
        None => {
            if kind == BuildKind::Apply {
                let (uid, generation) =
                    (policy.uid().unwrap_or_default(), policy.metadata.generation.unwrap_or_default());
                if !still_stands(&status, &uid, generation, policy.spec.suspend) {
                    return Ok(Started::Overtaken);
                }
                if !is_recent(intent, clock::now()) {
                    return Ok(Started::NotYet(NotStarted::Late));
                }
                let hold = ctx.holds.live(&incident.judged_spec()).await.map_err(|e| e.fault("asking for holds"))?;
                if let Some(hold) = hold {
                    return Ok(Started::NotYet(NotStarted::OnHold(hold)));
                }
                let noted = ctx
                    .workspaces
                    .note_apply(&workspace.backend, &me, &apply_of(incident, &status, clock::now()))
                    .await;
                noted.map_err(|e| e.fault("noting the apply in the workspace's ledger"))?;
            }
            let entry = ctx.catalog.entry(&incident.spec.resource.r#type);
            let order = order_of(incident, &status, (listed, intent, &policy.spec.recovery), entry, kind);
            match install.builds.start(&order).await {
                Ok(build) => build,
                Err(BuildsError::Changed(what)) => return Ok(Started::NotYet(NotStarted::Changed(what))),
                Err(BuildsError::Fault(fault)) => return Err(fault),
                Err(BuildsError::Start(fault)) => return Ok(Started::NotYet(NotStarted::Asked(fault))),
            }
        }
    };
    note_build(ctx, incident, &build.id, build.start).await;
    Ok(Started::Running(Box::new(build)))
}

/// Notes a build in the workspace's lease, so that it is known even when the Incident is gone.
pub async fn note_build(ctx: &Context, incident: &Incident, build: &str, start: Option<Time>) {
    let Some(workspace) = incident.status.as_ref().and_then(|s| s.workspace.as_ref()) else { return };
    let account = &incident.spec.event.account_id;
    let start = start.unwrap_or_else(clock::now);
    let noted = ctx.workspaces.note_build(&workspace.backend, &Id::of(incident), (account, build, start)).await;
    if let Err(error) = noted {
        tracing::warn!(%error, build, "the build could not be noted in the workspace's lease");
    }
}

/// Remembers the source version that was applied last, for a policy that may go back to it.
pub async fn note_success(ctx: &Context, incident: &Incident) {
    let status = incident.status.clone().unwrap_or_default();
    let (Some(workspace), Some(version)) = (&status.workspace, &status.recovery.applied_version) else { return };
    if version.is_empty() {
        // A source in S3 that was replaced while it was planned from: nobody can go back to it by a version.
        return;
    }
    if let Err(error) = ctx.workspaces.note_success(&workspace.backend, version).await {
        tracing::warn!(%error, incident = incident.name_any(), "the source version was not noted; an older one stands");
    }
}

/// Labels the Incident with its workspace, under a field manager of its own. A label that cannot be written is missed by
/// nobody but who lists by it.
pub async fn label_workspace(ctx: &Context, api: &Api<Incident>, incident: &mut Incident) {
    let Some(workspace) = incident.status.as_ref().and_then(|s| s.workspace.as_ref()) else { return };
    let patch = json!({"metadata": {"labels": {LABEL_WORKSPACE: workspace.name}}});
    let params = PatchParams { field_manager: Some("reforge-labels".to_owned()), ..PatchParams::default() };
    let writing = ctx.incidents.writing(Id::of(incident));
    match kube_call(api.patch(&incident.name_any(), &params, &Patch::Merge(&patch))).await {
        Ok(labelled) => {
            writing.done(&labelled);
            *incident = labelled;
        }
        Err(error) => tracing::warn!(incident = incident.name_any(), %error, "the workspace's label was not written"),
    }
}

/// Gives the Incident's workspace back, if it has it.
pub async fn release_workspace(ctx: &Context, incident: &Incident) {
    let Some(workspace) = incident.status.as_ref().and_then(|s| s.workspace.as_ref()) else { return };
    if let Err(error) = ctx.workspaces.release(&workspace.backend, &Id::of(incident)).await {
        // Whoever wants it next sees that this Incident is done with it.
        tracing::warn!(%error, incident = incident.name_any(), "the workspace's lease could not be given back");
    }
}

async fn live_policy(ctx: &Context, incident: &Incident) -> Result<RecoveryPolicy, Fault> {
    let namespace = incident.namespace().unwrap_or_default();
    let policies: Api<RecoveryPolicy> = Api::namespaced(ctx.client.clone(), &namespace);
    let name = &incident.spec.policy_ref.name;
    let doing = format!("reading RecoveryPolicy {name}");
    let found = kube_call(policies.get_opt(name)).await.map_err(|e| e.fault(&doing))?;
    found.ok_or_else(|| Fault::absent(doing, "it was deleted"))
}
