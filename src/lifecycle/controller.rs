//! Wires the lifecycle to the cluster: which object changed, one reconcile at a time for each Incident, a bounded
//! number side by side. Runs only while this replica leads.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::api::Api;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{Controller, watcher};
use kube::{Client, ResourceExt};
use reforge_api::{Handling, Incident, RecoveryPolicy, StepName};
use reforge_core::catalog::Catalog;
use reforge_core::incident::builds;
use reforge_core::incident::decide::decide;
use reforge_core::incident::view::Effect;
use reforge_core::intake::plumbing::Plumbing;

use crate::classify::Classifier;
use crate::notify::Notifier;
use crate::runtime::clock;
use crate::runtime::metrics::Metrics;
use crate::runtime::settings::Settings;
use crate::runtime::{KubeCallError, kube_call};

use super::act::{self, Started};
use super::guard::Guard;
use super::holds::Holds;
use super::reach::Reach;
use super::workspace::Workspaces;
use super::{observe, status};

/// Reconciles that run side by side; each waits mostly for the network.
const CONCURRENCY: u16 = 32;
/// Steps that one reconcile takes at most before it lets others go first.
const MAX_STEPS: usize = 24;

/// What every reconcile works with.
pub struct Context {
    /// The apiserver.
    pub client: Client,
    /// The policies, from the cache.
    pub policies: Store<RecoveryPolicy>,
    /// The Incidents, from the cache; for looking at others, never for deciding on one's own.
    pub incidents: Store<Incident>,
    /// The operator's settings.
    pub settings: Settings,
    /// What is known of AWS's events and types.
    pub catalog: Arc<Catalog>,
    /// What Reforge itself stands on.
    pub plumbing: Plumbing,
    /// Builds, what they publish, and AWS's word on resources, in each account.
    pub reach: Arc<Reach>,
    /// Whether the apiserver checks who decides.
    pub guard: Guard,
    /// What people put on hold.
    pub holds: Holds,
    /// The workspaces' leases.
    pub workspaces: Workspaces,
    /// Rules and model.
    pub classifier: Classifier,
    /// Who tells people.
    pub notifier: Notifier,
    /// What is counted.
    pub metrics: Metrics,
}

/// Runs until `stop` resolves; reconciles in hand are finished.
pub async fn run(ctx: Arc<Context>, stop: impl Future<Output = ()> + Send + Sync + 'static) {
    let incidents: Api<Incident> = Api::all(ctx.client.clone());
    let policies: Api<RecoveryPolicy> = Api::all(ctx.client.clone());
    let cache = ctx.incidents.clone();
    Controller::new(incidents, watcher::Config::default())
        .with_config(Config::default().concurrency(CONCURRENCY))
        .watches(policies, watcher::Config::default(), move |policy| {
            let namespace = policy.namespace();
            let open = cache.state().into_iter().filter(move |i| {
                i.namespace() == namespace && i.spec.policy_ref.name == policy.name_any() && !is_ended(i)
            });
            open.map(|i| ObjectRef::from_obj(&*i)).collect::<Vec<_>>()
        })
        .graceful_shutdown_on(stop)
        .run(reconcile, on_error, ctx)
        .for_each(|_| async {})
        .await;
}

fn is_ended(incident: &Incident) -> bool {
    incident.status.as_ref().is_some_and(|s| s.step.name == StepName::Ended)
}

async fn reconcile(cached: Arc<Incident>, ctx: Arc<Context>) -> Result<Action, KubeCallError> {
    if is_ended(&cached) {
        return Ok(Action::await_change());
    }
    let api: Api<Incident> = Api::namespaced(ctx.client.clone(), &cached.namespace().unwrap_or_default());
    let Some(mut incident) = kube_call(api.get_opt(&cached.name_any())).await? else {
        return Ok(Action::await_change());
    };
    for _ in 0..MAX_STEPS {
        let view = observe::observe(&ctx, &incident).await;
        let step = decide(&view);
        if step.status != view.status {
            incident = write(&ctx, &api, &incident, &step.status).await?;
            if let Some(pause) = carry_out(&ctx, &api, &mut incident, &step.effects).await? {
                return Ok(Action::requeue(pause));
            }
        }
        match step.wake {
            Some(0) => {}
            Some(millis) => return Ok(Action::requeue(Duration::from_millis(millis.unsigned_abs()))),
            None => return Ok(Action::await_change()),
        }
    }
    Ok(Action::requeue(Duration::from_millis(10)))
}

/// Carries the effects out, in order; gives a pause back where one has to be tried again.
async fn carry_out(
    ctx: &Context,
    api: &Api<Incident>,
    incident: &mut Incident,
    effects: &[Effect],
) -> Result<Option<Duration>, KubeCallError> {
    for effect in effects {
        match effect {
            Effect::Tell(moment) => ctx.notifier.tell(incident, *moment, policy_of(ctx, incident).as_deref()),
            Effect::LabelWorkspace => act::label_workspace(api, incident).await,
            Effect::ReleaseWorkspace => act::release_workspace(ctx, incident).await,
            Effect::Wake(who) => act::wake(ctx, who).await,
            Effect::NoteSuccess => act::note_success(ctx, incident).await,
            Effect::StartBuild(kind) => {
                let before = incident.status.clone().unwrap_or_default();
                let (after, pause) = match act::start_build(ctx, incident, *kind).await {
                    Started::Running(build) => (builds::started(&before, *kind, &build, clock::now()), None),
                    Started::Overtaken => (builds::overtaken(&before, clock::now()), None),
                    Started::NotYet(why) => {
                        tracing::warn!(incident = incident.name_any(), ?why, "a build was not started");
                        let (after, pause) = builds::not_started(&before, &why, &incident.name_any(), clock::now());
                        (after, Some(Duration::from_millis(pause.unsigned_abs())))
                    }
                };
                *incident = write(ctx, api, incident, &after).await?;
                if pause.is_some() {
                    return Ok(pause);
                }
            }
        }
    }
    Ok(None)
}

async fn write(
    ctx: &Context,
    api: &Api<Incident>,
    incident: &Incident,
    to: &reforge_api::IncidentStatus,
) -> Result<Incident, KubeCallError> {
    let before = incident.status.as_ref().map(|s| (s.phase, s.step));
    let written = status::write(api, incident, to).await?;
    if before != Some((to.phase, to.step)) {
        ctx.metrics.step(to);
        tracing::info!(
            event_id = incident.spec.event.id,
            incident = incident.name_any(),
            phase = ?to.phase,
            attempt = to.step.attempt,
            step = ?to.step.name,
            message = to.conditions.iter().find(|c| c.r#type == reforge_api::condition::READY).map(|c| c.message.as_str()),
            "the Incident moved on"
        );
    }
    Ok(written)
}

/// The Incident's policy. What concerns Reforge itself has none, whatever a policy is called.
fn policy_of(ctx: &Context, incident: &Incident) -> Option<Arc<RecoveryPolicy>> {
    if incident.spec.handling != Handling::Recover {
        return None;
    }
    let reference = ObjectRef::new(&incident.spec.policy_ref.name).within(&incident.namespace().unwrap_or_default());
    ctx.policies.get(&reference)
}

#[expect(clippy::needless_pass_by_value, reason = "the controller's signature")]
fn on_error(incident: Arc<Incident>, error: &KubeCallError, ctx: Arc<Context>) -> Action {
    ctx.metrics.reconcile_errors.inc();
    if error.is_conflict() {
        // Somebody wrote since: decide again on what is there now.
        return Action::requeue(Duration::from_millis(50));
    }
    tracing::warn!(incident = incident.name_any(), %error, "the Incident could not be worked on; it is tried again");
    Action::requeue(Duration::from_secs(2))
}
