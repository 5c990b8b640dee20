//! The status of policies: Ready as soon as the schema took the spec and the grants cover it, Stalled with NotGranted
//! otherwise, so that Flux fails at once; and how far the plans on its schedule came. Written by the leader, when it differs.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::{Action, Config};
use kube::runtime::{Controller, watcher};
use reforge_api::{ConditionStatus, RecoveryPolicy, RecoveryPolicyStatus, Time, condition, reason, set_condition};
use serde_json::json;

use crate::intake::pattern;
use crate::policy::select::validate;
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
    let (mut status, usable) = said(&policy, &ctx, now);
    let wake = if usable { drift::schedule(&policy, &mut status.drift, now) } else { None };
    let policy = write(&ctx, &policy, &status).await?;
    if usable && status.drift.iter().any(|d| d.result.is_none()) {
        drift::go_on(&ctx, &policy, &mut status.drift).await;
        write(&ctx, &policy, &status).await?;
    }
    Ok(wake.map_or_else(Action::await_change, |millis| Action::requeue(Duration::from_millis(millis.unsigned_abs()))))
}

/// What the conditions say, and whether the policy can be used.
fn said(policy: &RecoveryPolicy, ctx: &Context, now: Time) -> (RecoveryPolicyStatus, bool) {
    let mut status = policy.status.clone().unwrap_or_default();
    status.observed_generation = policy.metadata.generation.unwrap_or_default();
    let (ready, stalled, why, message) = match validate(policy, &ctx.settings.grants()) {
        Ok(()) => (ConditionStatus::True, ConditionStatus::False, reason::SUCCEEDED, "The policy is used".to_owned()),
        Err(unusable) => (
            ConditionStatus::False,
            ConditionStatus::True,
            unusable.reason(),
            format!("{unusable}; change the policy, or extend settings.grants of the operator"),
        ),
    };
    set_condition(&mut status.conditions, condition::READY, ready, why, message.clone(), now);
    set_condition(&mut status.conditions, condition::STALLED, stalled, why, message, now);
    if let Some((delivered, why, message)) = events(ctx, policy) {
        set_condition(&mut status.conditions, condition::EVENTS_DELIVERED, delivered, why, message, now);
    }
    (status, ready == ConditionStatus::True)
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

/// Whether the rules send what the policy matches. It does not make the policy unusable: a rule of somebody else's may.
fn events(ctx: &Context, policy: &RecoveryPolicy) -> Option<(ConditionStatus, &'static str, String)> {
    let patterns = &ctx.settings.event_patterns;
    if patterns.is_empty() {
        return None;
    }
    let wanted = pattern::wanted(&ctx.catalog, &[&policy.spec.r#match]);
    let missing = pattern::undelivered(&wanted, patterns);
    if missing.is_empty() {
        return Some((ConditionStatus::True, reason::SUCCEEDED, "Rules send every event that it matches".to_owned()));
    }
    let shown = missing.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
    let message = format!(
        "No rule of settings.eventPatterns sends {shown}{}; give the Terraform module what reforge event-pattern --policies prints",
        if missing.len() > 5 { format!(" and {} more", missing.len() - 5) } else { String::new() }
    );
    Some((ConditionStatus::False, reason::NO_RULE, message))
}

#[expect(clippy::needless_pass_by_value, reason = "the controller's signature")]
fn on_error(policy: Arc<RecoveryPolicy>, error: &KubeCallError, _: Arc<Context>) -> Action {
    if !error.is_conflict() {
        tracing::warn!(policy = policy.name_any(), %error, "the policy's status was not written");
    }
    Action::requeue(Duration::from_secs(2))
}
