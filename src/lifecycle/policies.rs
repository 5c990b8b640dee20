//! The status of policies: Ready as soon as the schema took the spec and the grants cover it, Stalled with NotGranted
//! otherwise, so that Flux fails at once; and how far the plans on its schedule came. Written by the leader, when it differs.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::{Action, Config};
use kube::runtime::{Controller, watcher};
use reforge_api::{RecoveryPolicy, RecoveryPolicyStatus};
use reforge_core::intake::pattern;
use reforge_core::policy::schedule;
use reforge_core::policy::status::status_of;
use serde_json::json;

use crate::runtime::clock;
use crate::runtime::{KubeCallError, kube_call};
use crate::watch::drift;

use super::controller::Context;
use super::status::FIELD_MANAGER;

/// Runs until `stop` resolves.
pub async fn run(ctx: Arc<Context>, stop: impl Future<Output = ()> + Send + Sync + 'static) {
    let policies: Api<RecoveryPolicy> = Api::all(ctx.client.clone());
    Controller::new(policies, watcher::Config::default())
        .with_config(Config::default().concurrency(4))
        .graceful_shutdown_on(stop)
        .run(reconcile, on_error, ctx)
        .for_each(|_| async {})
        .await;
}

async fn reconcile(policy: Arc<RecoveryPolicy>, ctx: Arc<Context>) -> Result<Action, KubeCallError> {
    let now = clock::now();
    let undelivered = undelivered(&ctx, &policy);
    let (mut status, usable) = status_of(&policy, &ctx.settings.grants(), undelivered.as_deref(), now);
    let wake = if usable { schedule::schedule(&policy, &mut status.drift, now) } else { None };
    let policy = write(&ctx, &policy, &status).await?;
    if usable && status.drift.iter().any(|d| d.result.is_none()) {
        drift::go_on(&ctx, &policy, &mut status.drift).await;
        write(&ctx, &policy, &status).await?;
    }
    Ok(wake.map_or_else(Action::await_change, |millis| Action::requeue(Duration::from_millis(millis.unsigned_abs()))))
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

#[expect(clippy::needless_pass_by_value, reason = "the controller's signature")]
fn on_error(policy: Arc<RecoveryPolicy>, error: &KubeCallError, _: Arc<Context>) -> Action {
    if !error.is_conflict() {
        tracing::warn!(policy = policy.name_any(), %error, "the policy's status was not written");
    }
    Action::requeue(Duration::from_secs(2))
}
