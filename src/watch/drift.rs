//! Plans on a policy's schedule: what Terraform finds changed in resources that it owns, and no event told of, opens
//! Incidents too. Such a plan applies nothing; each Incident is planned and judged again as any other.
//!
//! What is scheduled, and which build does it, is in the policy's status before anything is started.

use std::sync::Arc;

use kube::ResourceExt;
use reforge_api::{DriftStatus, RecoveryPolicy, Time, Workspace};
use reforge_core::intake::candidate::Candidate;
use reforge_core::intake::naming;
use reforge_core::plan::build::{BuildState, Order};
use reforge_core::plan::inventory::Inventory;
use reforge_core::plan::summary::Summary;
use reforge_core::policy::select;
use reforge_core::watch::drift::candidates;
use reforge_core::words::ids::uuid_of;
use reforge_core::words::text::shorten;
use sha2::{Digest, Sha256};

use crate::intake::open::{self, Stored};
use crate::lifecycle::controller::Context;
use reforge_aws::clients::Install;
use reforge_cluster::clock;

/// How long a build that could not be started is tried for, in seconds.
const GIVE_UP: i64 = 3600;

/// Takes what is scheduled a step further: starts its build, or looks what became of it.
pub async fn go_on(ctx: &Context, policy: &RecoveryPolicy, drift: &mut [DriftStatus]) {
    for entry in drift.iter_mut().filter(|d| d.result.is_none()) {
        let Some(workspace) = policy.spec.recovery.workspaces.iter().find(|w| w.name == entry.workspace) else {
            continue;
        };
        match step(ctx, policy, workspace, entry).await {
            Ok(()) => {}
            Err(error) if clock::now() > entry.last_schedule_time.plus_seconds(GIVE_UP) => {
                entry.result = Some(shorten(&format!("Given up: {error}"), 512));
            }
            Err(error) => {
                tracing::warn!(policy = policy.name_any(), workspace = workspace.name, error, "looking for drift");
            }
        }
    }
}

async fn step(
    ctx: &Context,
    policy: &RecoveryPolicy,
    workspace: &Workspace,
    entry: &mut DriftStatus,
) -> Result<(), String> {
    let Some((install, inventory)) = owner(ctx, policy, workspace).await? else {
        entry.result = Some("No build has published an inventory of the workspace yet".to_owned());
        return Ok(());
    };
    let Some(build) = &entry.build else {
        if let Some(hold) = ctx.holds.of_everything() {
            return Err(hold);
        }
        let order = order(policy, workspace, entry.last_schedule_time);
        entry.build = Some(install.builds.start(&order).await.map_err(|e| e.to_string())?.id);
        return Ok(());
    };
    match install.builds.get(build).await.map_err(|e| e.to_string())? {
        Some(state) if !state.is_over() => {}
        Some(state) if state.succeeded() => {
            let found = install.artifacts.summary(&workspace.name, uuid_of(build)).await.map_err(|e| e.to_string())?;
            let (summary, _) = found.ok_or("the build published no summary")?;
            let (opened, refused) = open_all(ctx, policy, (&summary, inventory.as_ref()), &state).await?;
            entry.result = Some(shorten(&said(&opened, &refused), 512));
        }
        Some(state) => entry.result = Some(format!("The build {build} ended as {}", state.status.word())),
        // Right after its start it may not be told of yet.
        None => return Err(format!("CodeBuild does not tell of the build {build}")),
    }
    Ok(())
}

fn said(opened: &[String], refused: &[String]) -> String {
    match (opened.len(), refused.len()) {
        (0, 0) => "No drift that a policy is concerned by".to_owned(),
        (n, 0) => format!("{n} found: {}", opened.join(", ")),
        (n, m) => format!("{n} found, and {m} that cannot be stored: {}", refused.join("; ")),
    }
}

/// Of the accounts that the policy is about, the one whose install has the workspace.
async fn owner(
    ctx: &Context,
    policy: &RecoveryPolicy,
    workspace: &Workspace,
) -> Result<Option<(Install, Arc<Inventory>)>, String> {
    let named = &policy.spec.r#match.accounts;
    let grants = ctx.settings.grants();
    let namespace = policy.namespace().unwrap_or_default();
    let granted: Vec<String> = grants.of(&namespace).flat_map(|g| g.accounts.clone()).collect();
    for account in if named.is_empty() { &granted } else { named } {
        // An account that the settings do not have is none of those that the workspace can be in.
        let Ok(install) = ctx.clients.install(account).await else { continue };
        if let Some(inventory) = install.artifacts.inventory(&workspace.name).await.map_err(|e| e.to_string())? {
            return Ok(Some((install, inventory)));
        }
    }
    Ok(None)
}

fn order(policy: &RecoveryPolicy, workspace: &Workspace, at: Time) -> Order {
    let token = format!("{}/{}/{}", policy.uid().unwrap_or_default(), workspace.name, at.0);
    Order {
        project: workspace.plan_project.clone(),
        incident: format!("drift-{}", policy.name_any()),
        attempt: 0,
        token: hex::encode(Sha256::digest(token)),
        source_version: workspace.source_version.clone(),
        targets: Vec::new(),
        undo: None,
        restore: None,
        plan: None,
    }
}

/// Opens the Incidents of what a plan found; gives back their names, and why others cannot be stored.
async fn open_all(
    ctx: &Context,
    policy: &RecoveryPolicy,
    (summary, inventory): (&Summary, &Inventory),
    build: &BuildState,
) -> Result<(Vec<String>, Vec<String>), String> {
    let (policies, grants) = (ctx.policies.all(), ctx.settings.grants());
    let at = build.start.unwrap_or_else(clock::now);
    let (mut opened, mut refused) = (Vec::new(), Vec::new());
    let found = ctx.incidents.look(|index| candidates(&ctx.catalog, policy, (summary, inventory), index, at));
    for candidate in found {
        let Candidate { event, resource, .. } = &candidate;
        let takes = select::select(policies.as_ref(), &grants, event, resource);
        // What Reforge itself stands on is an alert's, and its own event's.
        let is_ours = ctx.plumbing.handling(&resource.r#type, &resource.id, event).is_some();
        if is_ours || takes.is_none_or(|t| t.policy.uid() != policy.uid()) {
            continue;
        }
        match open::open(&ctx.client, &candidate).await {
            Ok(Stored::New) => ctx.metrics.opened(&resource.r#type),
            Ok(Stored::Known) => {}
            Err(error) => {
                ctx.metrics.refused(error.set_aside().ok_or_else(|| error.to_string())?);
                tracing::error!(policy = policy.name_any(), %error, "an Incident of drift cannot be stored");
                refused.push(error.to_string());
                continue;
            }
        }
        opened.push(naming::name_of(&candidate));
    }
    Ok((opened, refused))
}
