//! The status of policies: Ready as soon as the schema took the spec and the grants cover it, Stalled with NotGranted
//! otherwise, or with Unreadable, so that Flux fails at once; and how far the plans on its schedule came. Written by the leader,
//! when it differs.

use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Client, ResourceExt};
use reforge_api::{Condition, RecoveryPolicy, RecoveryPolicyStatus};
use reforge_cluster::{Known, Next};
use reforge_core::intake::pattern;
use reforge_core::policy::schedule;
use reforge_core::policy::status::{status_of, unreadable};
use reforge_core::words::ids::Id;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::watch::drift;
use reforge_cluster::clock;
use reforge_cluster::{KubeCallError, kube_call};

use super::controller::Context;
use reforge_cluster::status::FIELD_MANAGER;

/// The field manager of what is said of a policy that cannot be read: as another it owns, and can erase, nothing else.
const OF_UNREADABLE: &str = "reforge-unreadable";
/// Policies that are looked at side by side.
const CONCURRENCY: usize = 4;

/// Runs until `stop`.
pub async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    let changes = ctx.policies.listen();
    reforge_cluster::run(changes, CONCURRENCY, stop, move |id: Id| {
        let ctx = ctx.clone();
        async move {
            let done = match ctx.policies.get(&id.namespace, &id.name) {
                Some(Known::Read(policy)) => reconcile(&ctx, &policy).await,
                Some(Known::Unreadable(why)) => say_unreadable(&ctx.client, &id, &why).await.map(|()| Next::Change),
                None => Ok(Next::Change),
            };
            match done {
                Ok(next) => next,
                // The policy that is there now is on its way to here.
                Err(error) if error.is_conflict() => Next::After(Duration::from_millis(100)),
                Err(error) => {
                    tracing::warn!(policy = %id, %error, "the policy's status was not written");
                    Next::Failed(Duration::from_secs(2), Duration::from_secs(600))
                }
            }
        }
    })
    .await;
}

async fn reconcile(ctx: &Context, policy: &RecoveryPolicy) -> Result<Next, KubeCallError> {
    let now = clock::now();
    let undelivered = undelivered(ctx, policy);
    let (mut status, usable) = status_of(policy, &ctx.settings.grants(), undelivered.as_deref(), now);
    let wake = if usable { schedule::schedule(policy, &mut status.drift, now) } else { None };
    let policy = write(ctx, policy, &status).await?;
    if usable && status.drift.iter().any(|d| d.result.is_none()) {
        drift::go_on(ctx, &policy, &mut status.drift).await;
        write(ctx, &policy, &status).await?;
    }
    Ok(wake.map_or(Next::Change, |millis| Next::After(Duration::from_millis(millis.unsigned_abs()))))
}

/// Says in the status of a policy that this version cannot read it. What a newer version wrote there stays, all but the two
/// conditions that would say otherwise; and that the generation was looked at, so that whoever waits for it need not any more.
pub async fn say_unreadable(client: &Client, id: &Id, why: &str) -> Result<(), KubeCallError> {
    let kind = ApiResource::erase::<RecoveryPolicy>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &id.namespace, &kind);
    let Some(policy) = kube_call(api.get_opt(&id.name)).await? else { return Ok(()) };
    let said = policy.data.pointer("/status/conditions").and_then(Value::as_array);
    let said: Vec<Condition> =
        said.into_iter().flatten().filter_map(|c| serde_json::from_value(c.clone()).ok()).collect();
    let Some(conditions) = unreadable(&said, why, clock::now()) else { return Ok(()) };
    let patch = json!({
        "apiVersion": "reforge.dev/v1alpha1",
        "kind": "RecoveryPolicy",
        "metadata": {"name": id.name, "resourceVersion": policy.resource_version()},
        "status": {"observedGeneration": policy.metadata.generation, "conditions": conditions},
    });
    let params = PatchParams::apply(OF_UNREADABLE).force();
    kube_call(api.patch_status(&id.name, &params, &Patch::Apply(&patch))).await.map(|_| ())
}

/// The events that the policy matches and no rule sends; None where the settings do not say what the rules are.
fn undelivered(ctx: &Context, policy: &RecoveryPolicy) -> Option<Vec<String>> {
    let patterns = &ctx.settings.event_patterns;
    let missing = || pattern::undelivered(&pattern::wanted(&ctx.catalog, &[&policy.spec.r#match]), patterns);
    (!patterns.is_empty()).then(missing)
}

/// Writes the status where it differs.
async fn write(
    ctx: &Context,
    policy: &RecoveryPolicy,
    status: &RecoveryPolicyStatus,
) -> Result<RecoveryPolicy, KubeCallError> {
    if policy.status.as_ref() == Some(status) {
        return Ok(policy.clone());
    }
    let api: Api<RecoveryPolicy> = Api::namespaced(ctx.client.clone(), &policy.namespace().unwrap_or_default());
    let patch = json!({
        "apiVersion": "reforge.dev/v1alpha1",
        "kind": "RecoveryPolicy",
        "metadata": {"name": policy.name_any(), "resourceVersion": policy.resource_version()},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    kube_call(api.patch_status(&policy.name_any(), &params, &Patch::Apply(&patch))).await
}
