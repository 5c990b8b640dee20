//! The operator in the modelled world: its own functions decide, and what it does between them can be stopped anywhere.

use reforge_api::{BuildKind, Decision, FaultClass, IncidentStatus, Phase, StepName, WorkspaceRef};
use reforge_core::incident::builds;
use reforge_core::incident::decide::decide;
use reforge_core::incident::transition;
use reforge_core::incident::view::{Effect, PolicyState, Seen, Step, View};

use super::act::Answer;
use super::flaw::Flaw;
use super::view::{Stage, address, build_index, is_denied, now, state_of};
use super::world::{INCIDENTS, Replica, Task, World};

/// The rules by which the world moves.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What never changes.
    pub stage: Stage,
    /// How AWS answers where it does not as it should.
    pub fault: FaultClass,
    /// How the operator is broken, if it is.
    pub flaw: Option<Flaw>,
}

impl Rules {
    /// Whether the operator is broken in this way.
    pub fn is(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// What the operator sees.
    fn view(&self, world: &World, incident: usize) -> Option<View> {
        let mut view = match self.flaw {
            Some(Flaw::IgnoresTheWorkspace) => self.stage.view(&World { lease: None, ..world.clone() }, incident)?,
            Some(Flaw::StartsTwice) => self.stage.view(&without_tries(world, incident), incident)?,
            Some(Flaw::DeniesWithoutLooking) if is_denied(world, incident) => {
                self.stage.view(&without_tries(world, incident), incident)?
            }
            Some(Flaw::HurriesFaults) => self.stage.view(&without_pauses(world, incident), incident)?,
            Some(Flaw::IgnoresHolds) => self.stage.view(&World { hold: false, ..world.clone() }, incident)?,
            _ => self.stage.view(world, incident)?,
        };
        match (self.flaw, &mut view.status.workspace, &mut view.policy) {
            (Some(Flaw::ExplainsEverything), Some(WorkspaceRef { addresses, .. }), _) => {
                *addresses = (0..INCIDENTS).map(address).collect();
            }
            (Some(Flaw::IgnoresWindows), _, PolicyState::Stands { spec, .. }) => spec.windows.clear(),
            (Some(Flaw::DeniesAtTheGateOnly), ..) if view.status.step.name == StepName::Apply => {
                view.spec.approvals.retain(|a| a.decision == Decision::Approve);
            }
            _ => {}
        }
        Some(view)
    }

    /// What the operator would do next about an Incident.
    pub fn step(&self, world: &World, incident: usize) -> Option<(View, Step)> {
        let view = self.view(world, incident)?;
        let mut step = decide(&view);
        self.break_it(&view, &mut step.status, &mut step.effects);
        Some((view, step))
    }

    /// A replica looks at an Incident and decides.
    pub fn decide(&self, world: &mut World, replica: usize, incident: usize) -> Option<()> {
        let stored = world.incidents[incident].as_ref()?;
        let task = Task { incident, version: stored.version(), status: stored.status.clone() };
        world.replicas[replica] = self.go_on(world, task, Vec::new());
        Some(())
    }

    /// Decides on what was decided last, whether that is written yet or not. The first steps concern nobody else: taken as one.
    fn go_on(&self, world: &World, mut task: Task, mut effects: Vec<Effect>) -> Replica {
        loop {
            let Some((view, step)) = self.step(&with_status(world, &task), task.incident) else { return Replica::Idle };
            let (goes_on, is_early) = (step.can_be_written_later(&view), view.status.step.name < StepName::Plan);
            if step.status != view.status {
                effects.extend(step.effects.into_iter().filter(|e| !is_harmless(e)));
                task.status = step.status;
            }
            if !goes_on {
                let is_new = world.incidents[task.incident].as_ref().is_some_and(|s| s.status != task.status);
                return if is_new { Replica::Decided(task, effects) } else { Replica::Idle };
            }
            if !is_early {
                return Replica::Deciding(task, effects);
            }
        }
    }

    fn break_it(&self, view: &View, status: &mut IncidentStatus, effects: &mut Vec<Effect>) {
        let waits = status.phase == Phase::AwaitingApproval;
        let asks_again = view.status.step.name == StepName::Apply && matches!(view.seen, Seen::AtGate(_));
        match self.flaw {
            Some(Flaw::TrustsOldClearance | Flaw::SkipsTheGate) if asks_again => {
                status.clone_from(&view.status);
                if let Some(intent) = &mut status.recovery.intent {
                    intent.tries += 1;
                    intent.last_try_time = Some(view.now);
                }
                *effects = vec![Effect::StartBuild(BuildKind::Apply)];
            }
            Some(Flaw::SkipsTheGate) if waits => {
                status.recovery.committed_to = status.plan.as_ref().map(|p| p.digest.clone());
                status.step.name = StepName::Apply;
                transition::want(status, BuildKind::Apply, Vec::new(), view.now);
                effects.clear();
            }
            Some(Flaw::WaitsInSilence) if waits => {
                status.conditions.retain(|c| c.r#type != "Stalled");
                status.approval.clone_from(&view.status.approval);
            }
            Some(Flaw::Reopens) if view.status.step.name == StepName::Ended => {
                transition::plan_again(status, Vec::new(), "Planning", "", view.now);
            }
            _ => {}
        }
    }

    /// Writes a status; false: somebody else wrote first.
    pub fn write(&self, world: &mut World, incident: usize, version: u64, status: &IncidentStatus) -> bool {
        let Some(stored) = &world.incidents[incident] else { return false };
        if stored.version() != version && !self.is(Flaw::WritesWithoutVersion) {
            return false;
        }
        self.judge_write(world, incident, status);
        if let Some(stored) = &mut world.incidents[incident] {
            stored.status = status.clone();
        }
        true
    }

    /// A replica goes one step further.
    pub fn proceed(&self, world: &mut World, replica: usize) {
        world.replicas[replica] = match std::mem::take(&mut world.replicas[replica]) {
            Replica::Idle => Replica::Idle,
            Replica::Deciding(task, effects) => self.go_on(world, task, effects),
            Replica::Decided(task, effects) => {
                if self.write(world, task.incident, task.version, &task.status) {
                    carry_on(world, task, effects)
                } else {
                    Replica::Idle
                }
            }
            Replica::Acting(task, mut effects) => match effects.remove(0) {
                Effect::ReleaseWorkspace => {
                    if world.lease.as_ref().is_some_and(|l| l.holder == task.incident) {
                        world.lease = None;
                    }
                    rest(task, effects)
                }
                Effect::NoteBuild => {
                    let build = task.status.recovery.build.as_ref().and_then(|b| build_index(&b.id));
                    if let Some(lease) = world.lease.as_mut().filter(|l| l.holder == task.incident) {
                        lease.build = build;
                    }
                    rest(task, effects)
                }
                Effect::StartBuild(kind) => self.take(world, task, kind),
                Effect::Tell(_) | Effect::LabelWorkspace | Effect::NoteSuccess | Effect::Wake(_) => rest(task, effects),
            },
            Replica::Starting(task, kind) => self.start(world, task, kind, Answer::Given),
            Replica::Started(task, kind, index) => {
                let build = state_of(index, &world.builds[index]);
                let status = builds::started(&task.status, kind, &build, now(world));
                self.write(world, task.incident, task.version, &status);
                Replica::Idle
            }
        };
    }
}

/// The world to who has decided, and not written.
fn with_status(world: &World, task: &Task) -> World {
    let mut world = world.clone();
    if let Some(stored) = &mut world.incidents[task.incident] {
        stored.status.clone_from(&task.status);
    }
    world
}

/// The world to who forgets that a start was tried.
fn without_tries(world: &World, incident: usize) -> World {
    let mut world = world.clone();
    let intent = world.incidents[incident].as_mut().and_then(|stored| stored.status.recovery.intent.as_mut());
    if let Some(intent) = intent {
        intent.tries = 0;
    }
    world
}

/// The world to who does not wait.
fn without_pauses(world: &World, incident: usize) -> World {
    let mut world = world.clone();
    let now = now(&world);
    if let Some(stored) = world.incidents[incident].as_mut() {
        stored.status.recovery.next_attempt_time = None;
        if let Some(trouble) = &mut stored.status.trouble {
            trouble.next_try_time = now;
        }
    }
    world
}

fn is_harmless(effect: &Effect) -> bool {
    matches!(effect, Effect::Tell(_) | Effect::LabelWorkspace | Effect::NoteSuccess)
}

/// After a write: the version is the written one.
pub fn carry_on(world: &World, mut task: Task, effects: Vec<Effect>) -> Replica {
    let Some(stored) = &world.incidents[task.incident] else { return Replica::Idle };
    task.version = stored.version();
    rest(task, effects)
}

fn rest(task: Task, effects: Vec<Effect>) -> Replica {
    if effects.is_empty() { Replica::Idle } else { Replica::Acting(task, effects) }
}
