//! What must hold in every state of the lifecycle, and what must be reachable.

use reforge_api::{BuildKind, ConditionStatus, Phase, StepName, condition, reason};
use reforge_core::incident::decide::decide;
use reforge_core::incident::view::Effect;
use stateright::Property;

use super::Lifecycle;
use super::view::is_denied;
use super::world::{Build, INCIDENTS, Replica, TICK, World, Wrong};

/// The most looks until an Incident whose plan was denied ends: that nothing was started is found out first.
const MOST_LOOKS: usize = 3;

/// All of them.
pub fn all() -> Vec<Property<Lifecycle>> {
    vec![
        Property::always("an apply touches only what was cleared for its plan", |_, w| never(w, Wrong::Uncleared)),
        Property::always("no apply without a gate that was open for that very plan", |_, w| never(w, Wrong::Ungated)),
        Property::always("never two applies at once in a workspace", |_, w| never(w, Wrong::Overlapped)),
        Property::always("no plan is applied twice", |_, w| never(w, Wrong::Repeated)),
        Property::always("no Incident opens another", |_, w| never(w, Wrong::Echoed)),
        Property::always("attempt and step never decrease, and what ended stays ended", |_, w| {
            never(w, Wrong::WentBack)
        }),
        Property::always("no Incident ends while an apply of its own goes on", |_, w| never(w, Wrong::LeftRunning)),
        Property::always("no apply is started on hold", |_, w| never(w, Wrong::StartedOnHold)),
        Property::always("no apply is started while a window is closed", |_, w| never(w, Wrong::OutOfHours)),
        Property::always("while AWS answers with faults an Incident comes to rest", |_, w| never(w, Wrong::Restless)),
        Property::always("a denied plan of which nothing was started ends as Denied", denials_end),
        Property::always("no Incident waits without a named human or time", is_never_quiet),
        Property::sometimes("Recovered is reachable", |_, w| ready_says(w, reason::VERIFIED)),
        Property::sometimes("AttemptsExhausted is reachable", |_, w| ready_says(w, reason::ATTEMPTS_EXHAUSTED)),
        Property::sometimes("Denied is reachable", |_, w| ready_says(w, reason::DENIED)),
        Property::sometimes("Denied is reachable after the plan was cleared", is_denied_late),
        Property::sometimes("NothingToRestore is reachable", |_, w| ready_says(w, reason::NOTHING_TO_RESTORE)),
        Property::sometimes("ApprovalExpired is reachable", |_, w| ready_says(w, reason::APPROVAL_EXPIRED)),
        Property::sometimes("PolicyGone is reachable", |_, w| ready_says(w, reason::POLICY_GONE)),
        Property::sometimes("OnHold is reachable", |_, w| ready_says(w, reason::ON_HOLD)),
        Property::sometimes("Recovered is reachable after a hold", |model: &Lifecycle, w: &World| {
            model.trouble.budget.holds > w.budget.holds && !w.hold && ready_says(w, reason::VERIFIED)
        }),
        Property::sometimes("an apply is started after its window", |model: &Lifecycle, w: &World| {
            model.trouble.has_window
                && w.builds.iter().any(|b: &Build| b.kind == BuildKind::Apply && b.at.0 >= 2 * TICK * 1000)
        }),
        Property::sometimes("Recovered is reachable after faults", |model: &Lifecycle, w: &World| {
            model.trouble.budget.faults > w.budget.faults && w.aws.is_none() && ready_says(w, reason::VERIFIED)
        }),
    ]
}

fn never(world: &World, wrong: Wrong) -> bool {
    !world.seen.wrongs.contains(&wrong)
}

fn ready_says(world: &World, why: &str) -> bool {
    let conditions = world.incidents.iter().flatten().flat_map(|i| &i.status.conditions);
    conditions.into_iter().any(|c| c.r#type == condition::READY && c.reason == why)
}

fn is_denied_late(_: &Lifecycle, world: &World) -> bool {
    let late = |i: &usize| {
        let cleared = world.incidents[*i].as_ref().is_some_and(|s| s.status.timeline.recovering_at.is_some());
        cleared && !world.builds.iter().any(|b| (b.incident, b.kind) == (*i, BuildKind::Apply))
    };
    (0..INCIDENTS).any(|i| late(&i) && is_denied(world, i)) && ready_says(world, reason::DENIED)
}

/// With the replicas at rest, and nothing in the way: looked at again a while later, an Incident whose plan was denied ends,
/// and starts nothing before.
fn denials_end(model: &Lifecycle, world: &World) -> bool {
    let rests = world.replicas.iter().all(|r| *r == Replica::Idle) && !world.hold && world.aws.is_none();
    (0..INCIDENTS).filter(|_| rests).all(|i| {
        let Some(status) = world.incidents[i].as_ref().map(|stored| &stored.status) else { return true };
        let attempt = (i, status.step.attempt, BuildKind::Apply);
        let started = world.builds.iter().any(|b| (b.incident, b.attempt, b.kind) == attempt);
        let waits = matches!(status.step.name, StepName::Gate | StepName::Apply) && world.policies[i].is_some();
        started || !waits || !is_denied(world, i) || ends_as_denied(model, world, i)
    })
}

fn ends_as_denied(model: &Lifecycle, world: &World, incident: usize) -> bool {
    let mut later = World { ticks: world.ticks + 2, ..world.clone() };
    for _ in 0..MOST_LOOKS {
        let Some((view, step)) = model.rules.step(&later, incident) else { return false };
        if step.effects.iter().any(|e| matches!(e, Effect::StartBuild(_))) || step.status == view.status {
            return false;
        }
        let Some(stored) = &mut later.incidents[incident] else { return false };
        stored.status = step.status;
        if stored.status.step.name == StepName::Ended {
            return stored.status.conditions.iter().any(|c| c.r#type == condition::READY && c.reason == reason::DENIED);
        }
    }
    false
}

/// With both replicas at rest: whoever has not ended goes on by itself, at a time, or says which human it waits for.
fn is_never_quiet(model: &Lifecycle, world: &World) -> bool {
    if world.replicas.iter().any(|r| *r != Replica::Idle) {
        return true;
    }
    (0..INCIDENTS).all(|i| {
        let Some(view) = model.rules.stage.view(world, i) else { return true };
        if view.status.step.name == StepName::Ended {
            return true;
        }
        let step = decide(&view);
        let stalled = view
            .status
            .conditions
            .iter()
            .any(|c| c.r#type == condition::STALLED && c.status == ConditionStatus::True && !c.message.is_empty());
        let asks = view.status.phase != Phase::AwaitingApproval || stalled;
        asks && (step.status != view.status || step.wake.is_some() || stalled)
    })
}
