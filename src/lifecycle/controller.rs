//! Wires the lifecycle to the cluster: which Incident is looked at, one reconcile at a time for each, a bounded number side by
//! side. Runs only while this replica leads.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use kube::api::Api;
use kube::{Client, ResourceExt};
use reforge_api::{Handling, Incident, IncidentStatus, RecoveryPolicy, StepName};
use reforge_cluster::{Incidents, Known, Next, Policies};
use reforge_core::catalog::Catalog;
use reforge_core::incident::builds;
use reforge_core::incident::compact::compact;
use reforge_core::incident::decide::decide;
use reforge_core::incident::fences::works;
use reforge_core::incident::start::POLL_BUILD;
use reforge_core::incident::view::{Effect, PolicyState, Seen, Step, View};
use reforge_core::index::Row;
use reforge_core::intake::plumbing::Plumbing;
use reforge_core::policy::limits::storm_window;
use reforge_core::words::ids::Id;
use tokio_util::sync::CancellationToken;

use crate::notify::Notifier;
use crate::runtime::metrics::Metrics;
use crate::runtime::settings::Settings;
use reforge_aws::classifier::Classifier;
use reforge_cluster::clock;
use reforge_cluster::{KubeCallError, kube_call};

use super::act::{self, Started};
use super::decided::Decided;
use super::observe;
use reforge_aws::clients::Clients;
use reforge_cluster::status::{self, Written};
use reforge_cluster::{Guard, Holds, Places, Taken, Workspaces};

/// Reconciles that run side by side; each waits mostly for the network.
const CONCURRENCY: usize = 32;
/// Steps that one reconcile takes at most before it lets others go first.
const MAX_STEPS: usize = 24;
/// How long what was decided may wait to be written together with what comes next.
const UNWRITTEN: Duration = Duration::from_millis(500);
/// The pauses of one that could not be read or written: while the apiserver is away, and where it will not change by waiting.
const AWAY: Next = Next::Failed(Duration::from_secs(1), Duration::from_secs(30));
const REFUSED: Next = Next::Failed(Duration::from_secs(10), Duration::from_secs(600));

/// What every reconcile works with.
pub struct Context {
    /// The apiserver.
    pub client: Client,
    /// The policies, as last seen.
    pub policies: Policies,
    /// The Incidents as the others see them, as last seen; never for deciding on one's own.
    pub incidents: Incidents,
    /// The operator's settings.
    pub settings: Settings,
    /// What is known of AWS's events and types.
    pub catalog: Arc<Catalog>,
    /// What Reforge itself stands on.
    pub plumbing: Plumbing,
    /// Builds, what they publish, and AWS's word on resources, in each account.
    pub clients: Arc<Clients>,
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
    /// The places among the applies of each policy.
    pub places: Places,
}

/// Runs until `stop`; reconciles in hand are finished.
pub async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    ctx.places.begin_term();
    let changes = ctx.incidents.listen();
    reforge_cluster::run(changes, CONCURRENCY, stop, move |id: Id| {
        let ctx = ctx.clone();
        async move {
            match reconcile(&ctx, &id).await {
                Ok(next) => next,
                Err(error) => failed(&ctx, &id, &error),
            }
        }
    })
    .await;
}

async fn reconcile(ctx: &Context, id: &Id) -> Result<Next, KubeCallError> {
    let api: Api<Incident> = Api::namespaced(ctx.client.clone(), &id.namespace);
    let known = ctx.incidents.look(|index| index.get(id).map(|row| row.version));
    let Some(stored) = kube_call(api.get_opt(&id.name)).await? else {
        // What was written while it was being deleted may have come after the word that it is gone.
        if let Some(version) = known {
            ctx.incidents.forget(id, version);
        }
        return Ok(Next::Change);
    };
    if stored.status.as_ref().is_some_and(|s| s.step.name == StepName::Ended) {
        return Ok(Next::Change);
    }
    let mut decided = Decided::of(stored);
    let mut published = None;
    for _ in 0..MAX_STEPS {
        let incident = decided.incident();
        let mut look = pin!(observe::observe(ctx, &incident, published));
        let mut view = match tokio::time::timeout(UNWRITTEN, &mut look).await {
            Ok(view) => view,
            Err(_) => {
                // Whoever is asked takes its time: people see meanwhile how far it is.
                if let Some(pause) = write_and_do(ctx, &api, &mut decided, None).await? {
                    return Ok(Next::After(pause));
                }
                let view = look.await;
                if decided.stored.metadata.generation != incident.metadata.generation {
                    // Somebody has decided meanwhile, and it was not looked at.
                    published = None;
                    continue;
                }
                view
            }
        };
        let (step, taken) = decide_on(ctx, &incident, &mut view).await?;
        published = view.seen.published();
        let goes_on = step.can_be_written_later(&view);
        decided.take(&view.status, step.status, step.effects);
        if goes_on {
            continue;
        }
        if let Some(pause) = write_and_do(ctx, &api, &mut decided, taken).await? {
            return Ok(Next::After(pause));
        }
        match step.wake {
            Some(0) => {}
            Some(millis) => return Ok(Next::After(Duration::from_millis(millis.unsigned_abs()))),
            None => return Ok(Next::Change),
        }
    }
    let pause = write_and_do(ctx, &api, &mut decided, None).await?;
    Ok(Next::After(pause.unwrap_or(Duration::from_millis(10))))
}

/// Decides. At the gate nobody of the policy comes between the look at the others and what is taken by the decision.
async fn decide_on(
    ctx: &Context,
    incident: &Incident,
    view: &mut View,
) -> Result<(Step, Option<Taken>), KubeCallError> {
    let (Seen::AtGate(_), PolicyState::Stands { spec, .. }) = (&view.seen, &view.policy) else {
        return Ok((decide(view), None));
    };
    let me = Row::from(incident);
    let policy = Id::new(&view.namespace, &incident.spec.policy_ref.name);
    let times = (view.now, view.now.plus_millis(-storm_window(&spec.limits)));
    let decided = ctx.places.decide((&policy, &me), times, |reserved| {
        observe::look_around(ctx, &me, view, reserved);
        let step = decide(view);
        let reserve = step.reserve;
        (step, reserve)
    });
    match decided.await {
        Err(error) if !error.is_conflict() => {
            view.seen = Seen::Trouble(error.fault(format!("reserving an apply of RecoveryPolicy {policy}")));
            Ok((decide(view), None))
        }
        decided => decided,
    }
}

/// Writes what was decided, which then says for itself what was taken for it, and does what is to be done; gives a pause back
/// where the write or an effect has to be tried again.
async fn write_and_do(
    ctx: &Context,
    api: &Api<Incident>,
    decided: &mut Decided,
    taken: Option<Taken>,
) -> Result<Option<Duration>, KubeCallError> {
    let (statuses, effects) = decided.unwritten();
    let Some((last, passed)) = statuses.split_last() else { return Ok(None) };
    match write(ctx, api, &decided.stored, last).await? {
        Written::Done(written) => decided.stored = written,
        Written::Refused(_, pause) => return Ok(Some(pause)),
    }
    passed.iter().for_each(|status| ctx.metrics.step(status));
    drop(taken);
    if last.step.name == StepName::Ended {
        // People are told of all that there was.
        decided.stored.status = Some(last.clone());
    }
    carry_out(ctx, api, &mut decided.stored, &effects).await
}

/// Carries the effects out, in order; gives a pause back where one has to be tried again, or runs now.
async fn carry_out(
    ctx: &Context,
    api: &Api<Incident>,
    incident: &mut Incident,
    effects: &[Effect],
) -> Result<Option<Duration>, KubeCallError> {
    for effect in effects {
        match effect {
            Effect::Tell(moment) => ctx.notifier.tell(incident, *moment, policy_of(ctx, incident).as_deref()),
            Effect::LabelWorkspace => act::label_workspace(ctx, api, incident).await,
            Effect::ReleaseWorkspace => act::release_workspace(ctx, incident).await,
            Effect::Wake(who) => {
                if let Some(id) = Id::parse(who) {
                    ctx.incidents.wake(id);
                }
            }
            Effect::NoteSuccess => act::note_success(ctx, incident).await,
            Effect::NoteBuild => {
                let build = incident.status.as_ref().and_then(|s| s.recovery.build.as_ref());
                if let Some((build, start)) = build.map(|b| (b.id.clone(), b.start)) {
                    act::note_build(ctx, incident, &build, start).await;
                }
            }
            Effect::StartBuild(kind) => {
                let before = incident.status.clone().unwrap_or_default();
                let (after, pause) = match act::start_build(ctx, incident, *kind).await {
                    Started::Running(build) => (
                        builds::started(&before, *kind, &build, clock::now()),
                        // It has only just begun, and its end is told of.
                        (!build.is_over()).then_some(Duration::from_millis(POLL_BUILD.unsigned_abs())),
                    ),
                    Started::Overtaken => (builds::overtaken(&before, clock::now()), None),
                    Started::NotYet(why) => {
                        tracing::warn!(incident = incident.name_any(), ?why, "a build was not started");
                        let (after, pause) = builds::not_started(&before, &why, &incident.name_any(), clock::now());
                        (after, Some(Duration::from_millis(pause.unsigned_abs())))
                    }
                };
                match write(ctx, api, incident, &after).await? {
                    Written::Done(written) => *incident = written,
                    Written::Refused(_, pause) => return Ok(Some(pause)),
                }
                if pause.is_some() {
                    if !works(&after) {
                        act::release_workspace(ctx, incident).await;
                    }
                    return Ok(pause);
                }
            }
        }
    }
    Ok(None)
}

/// Writes what comes next; of what has ended only what is kept of it.
async fn write(
    ctx: &Context,
    api: &Api<Incident>,
    incident: &Incident,
    to: &IncidentStatus,
) -> Result<Written, KubeCallError> {
    let before = incident.status.as_ref().map(|s| (s.phase, s.step));
    let writing = ctx.incidents.writing(Id::of(incident));
    let written = if to.step.name == StepName::Ended {
        status::write(api, incident, &compact(incident, to)).await?
    } else {
        status::write(api, incident, to).await?
    };
    let (Written::Done(now) | Written::Refused(now, _)) = &written;
    writing.done(now);
    if matches!(written, Written::Refused(..)) {
        return Ok(written);
    }
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
    match ctx.policies.get(&incident.namespace().unwrap_or_default(), &incident.spec.policy_ref.name)? {
        Known::Read(policy) => Some(policy),
        Known::Unreadable(_) => None,
    }
}

fn failed(ctx: &Context, id: &Id, error: &KubeCallError) -> Next {
    ctx.metrics.reconcile_errors.inc();
    if error.is_conflict() {
        // Somebody wrote since: decide again on what is there now.
        return Next::After(Duration::from_millis(50));
    }
    tracing::warn!(incident = %id, %error, "the Incident could not be worked on; it is tried again");
    if error.is_refusal() { REFUSED } else { AWAY }
}
