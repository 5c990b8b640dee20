//! The status of policies: Ready as soon as the schema took the spec and the grants cover it, Stalled with NotGranted
//! otherwise, so that Flux fails at once. Written by the leader, when it differs.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::controller::{Action, Config};
use kube::runtime::{Controller, watcher};
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::api::{ConditionStatus, RecoveryPolicy, Time, condition, reason, set_condition};
use crate::intake::catalog::Catalog;
use crate::intake::pattern;
use crate::policy::grants::Grants;
use crate::policy::select::validate;
use crate::runtime::{KubeCallError, kube_call};

use super::status::FIELD_MANAGER;

struct Context {
    client: Client,
    grants: Grants,
    delivery: Delivery,
}

/// What the rules of the install deliver.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The catalogue.
    pub catalog: Arc<Catalog>,
    /// The rules' patterns; empty: they are not known, and nothing is said of them.
    pub patterns: Vec<String>,
}

/// Runs until `stop` resolves.
pub async fn run(
    client: Client,
    grants: Grants,
    delivery: Delivery,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let policies: Api<RecoveryPolicy> = Api::all(client.clone());
    Controller::new(policies, watcher::Config::default())
        .with_config(Config::default().concurrency(4))
        .graceful_shutdown_on(stop)
        .run(reconcile, on_error, Arc::new(Context { client, grants, delivery }))
        .for_each(|_| async {})
        .await;
}

async fn reconcile(policy: Arc<RecoveryPolicy>, ctx: Arc<Context>) -> Result<Action, KubeCallError> {
    let mut status = policy.status.clone().unwrap_or_default();
    status.observed_generation = policy.metadata.generation.unwrap_or_default();
    let (ready, stalled, why, message) = match validate(&policy, &ctx.grants) {
        Ok(()) => (ConditionStatus::True, ConditionStatus::False, reason::SUCCEEDED, "The policy is used".to_owned()),
        Err(unusable) => (
            ConditionStatus::False,
            ConditionStatus::True,
            unusable.reason(),
            format!("{unusable}; change the policy, or extend settings.grants of the operator"),
        ),
    };
    let now = Time::now();
    set_condition(&mut status.conditions, condition::READY, ready, why, message.clone(), now);
    set_condition(&mut status.conditions, condition::STALLED, stalled, why, message, now);
    if let Some((delivered, why, message)) = events(&ctx.delivery, &policy) {
        set_condition(&mut status.conditions, condition::EVENTS_DELIVERED, delivered, why, message, now);
    }
    if policy.status.as_ref() != Some(&status) {
        let api: Api<RecoveryPolicy> = Api::namespaced(ctx.client.clone(), &policy.namespace().unwrap_or_default());
        let patch = json!({
            "apiVersion": "reforge.dev/v1alpha1",
            "kind": "RecoveryPolicy",
            "metadata": {"name": policy.name_any(), "resourceVersion": policy.resource_version()},
            "status": status,
        });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        kube_call(api.patch_status(&policy.name_any(), &params, &Patch::Apply(&patch))).await?;
    }
    Ok(Action::await_change())
}

/// Whether the rules send what the policy matches. It does not make the policy unusable: a rule of somebody else's may.
fn events(delivery: &Delivery, policy: &RecoveryPolicy) -> Option<(ConditionStatus, &'static str, String)> {
    if delivery.patterns.is_empty() {
        return None;
    }
    let wanted = pattern::wanted(&delivery.catalog, &[&policy.spec.r#match]);
    let missing = pattern::undelivered(&wanted, &delivery.patterns);
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
