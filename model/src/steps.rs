//! What can happen in the modelled world, one step at a time. The operator's own functions decide; the rest of the world
//! does what AWS, the apiserver and people may do at the worst moment.

use reforge_api::{
    Approval, ApprovalMode, BuildKind, Decision, IncidentStatus, Phase, StepName, StepRef, WorkspaceRef,
    duration_millis,
};
use reforge_core::incident::builds::{self, NotStarted};
use reforge_core::incident::decide::decide;
use reforge_core::incident::fences::{is_recent, looks_first, still_stands};
use reforge_core::incident::transition;
use reforge_core::incident::view::{Effect, Seen, View};
use reforge_core::index::Work;
use reforge_core::index::own::{Ours, own_build};
use serde::Serialize;

use crate::view::{Stage, address, build_id, build_index, digest, held_by_other, now, state_of};
use crate::world::{Build, BuildProgress, INCIDENTS, Lease, Replica, Stored, TICK, Task, World, Wrong};

/// CodeBuild honours an idempotency token for this long.
const TOKEN_MILLIS: i64 = TICK * 1000;

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Happening {
    /// An event's message is received: the Incident is opened, or known already.
    Deliver(usize),
    /// A message about a build's own call is received.
    Echo(usize),
    /// A replica looks at an Incident and decides.
    Decide(usize, usize),
    /// A replica goes one step further with what it is in the middle of.
    Proceed(usize),
    /// A replica is killed, or its call fails.
    Crash(usize),
    /// A build ends its work, or an apply begins it.
    Build(usize),
    /// A build fails.
    Fail(usize),
    /// A person approves the present plan.
    Approve(usize),
    /// A person denies it.
    Deny(usize),
    /// The second policy is edited.
    EditPolicy,
    /// The second policy is deleted.
    DeletePolicy,
    /// Somebody else applies the Terraform: the state moves, and the first resource is back.
    ForeignApply,
    /// Time passes.
    Tick,
}

/// A way in which the operator could be broken; the checker must see each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// A status is written whatever was written since.
    WritesWithoutVersion,
    /// A plan is applied whatever the gate says.
    SkipsTheGate,
    /// An Incident speaks for every address of the workspace.
    ExplainsEverything,
    /// The workspace is taken whoever has it, and nothing outside keeps applies apart.
    IgnoresTheWorkspace,
    /// A build is started without looking for one that was started before, and without a token.
    StartsTwice,
    /// The policy is not read again before an apply.
    TrustsOldPolicies,
    /// What the gate cleared once is started, whatever was said since.
    TrustsOldClearance,
    /// Recovery's own calls are not known.
    ForgetsItsBuilds,
    /// An Incident that waits for a human says nothing.
    WaitsInSilence,
    /// An ended Incident is begun again.
    Reopens,
}

/// Every flaw.
pub const FLAWS: [Flaw; 10] = [
    Flaw::WritesWithoutVersion,
    Flaw::SkipsTheGate,
    Flaw::ExplainsEverything,
    Flaw::IgnoresTheWorkspace,
    Flaw::StartsTwice,
    Flaw::TrustsOldPolicies,
    Flaw::TrustsOldClearance,
    Flaw::ForgetsItsBuilds,
    Flaw::WaitsInSilence,
    Flaw::Reopens,
];

/// The rules by which the world moves.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What never changes.
    pub stage: Stage,
    /// How the operator is broken, if it is.
    pub flaw: Option<Flaw>,
}

impl Rules {
    /// What can happen next.
    pub fn happenings(&self, world: &World, list: &mut Vec<Happening>) {
        for (r, replica) in world.replicas.iter().enumerate() {
            if *replica == Replica::Idle {
                let open = |i: &usize| world.incidents[*i].is_some();
                list.extend((0..INCIDENTS).filter(open).map(|i| Happening::Decide(r, i)));
            } else {
                list.push(Happening::Proceed(r));
                if world.budget.crashes > 0 {
                    list.push(Happening::Crash(r));
                }
            }
        }
        for i in 0..INCIDENTS {
            if world.deliveries[i] > 0 {
                list.push(Happening::Deliver(i));
            }
            if let Some(stored) = world.incidents[i].as_ref().filter(|s| s.status.step.name != StepName::Ended) {
                let decided = |by: &str| {
                    let digest = stored.status.plan.as_ref().map(|p| p.change_digest.as_str());
                    digest.is_none_or(|d| stored.approvals.iter().any(|a| a.by == by && a.change_digest == d))
                };
                if world.budget.approvals > 0 && !decided("ann") && stored.status.approval.is_some() {
                    list.push(Happening::Approve(i));
                }
                if world.budget.denials > 0 && !decided("ben") {
                    list.push(Happening::Deny(i));
                }
            }
        }
        for (b, build) in world.builds.iter().enumerate() {
            match build.state {
                BuildProgress::Queued if build.kind == BuildKind::Apply && self.must_queue(world, b) => {}
                BuildProgress::Queued | BuildProgress::Applying => {
                    list.push(Happening::Build(b));
                    if world.budget.failures > 0 {
                        list.push(Happening::Fail(b));
                    }
                }
                BuildProgress::Succeeded(..) | BuildProgress::Failed(_) => {}
            }
        }
        list.extend(world.echoes.iter().map(|b| Happening::Echo(*b)));
        let budget = &world.budget;
        for (left, what) in [
            (budget.edits, Happening::EditPolicy),
            (budget.deletions, Happening::DeletePolicy),
            (budget.foreign, Happening::ForeignApply),
            (budget.ticks, Happening::Tick),
        ] {
            if left > 0 {
                list.push(what);
            }
        }
    }

    /// What the world is like after something happened; None: it changed nothing.
    pub fn after(&self, before: &World, what: &Happening) -> Option<World> {
        let mut world = before.clone();
        match what {
            Happening::Deliver(i) => {
                world.deliveries[*i] -= 1;
                world.incidents[*i]
                    .get_or_insert_with(|| Stored { approvals: Vec::new(), status: IncidentStatus::default() });
            }
            Happening::Echo(b) => self.echo(&mut world, *b)?,
            Happening::Decide(r, i) => self.decide(&mut world, *r, *i)?,
            Happening::Proceed(r) => self.proceed(&mut world, *r),
            Happening::Crash(r) => {
                world.budget.crashes -= 1;
                world.replicas[*r] = Replica::Idle;
            }
            Happening::Build(b) => self.build(&mut world, *b),
            Happening::Fail(b) => {
                world.budget.failures -= 1;
                world.builds[*b].state = BuildProgress::Failed(None);
            }
            Happening::Approve(i) => {
                world.budget.approvals -= 1;
                say(&mut world, *i, "ann", Decision::Approve);
            }
            Happening::Deny(i) => {
                world.budget.denials -= 1;
                say(&mut world, *i, "ben", Decision::Deny);
            }
            Happening::EditPolicy => {
                world.budget.edits -= 1;
                world.policies[1] = world.policies[1].map(|generation| generation + 1);
            }
            Happening::DeletePolicy => {
                world.budget.deletions -= 1;
                world.policies[1] = None;
            }
            Happening::ForeignApply => {
                world.budget.foreign -= 1;
                world.serial += 1;
                world.lost[0] = false;
            }
            Happening::Tick => {
                world.budget.ticks -= 1;
                world.ticks += 1;
            }
        }
        (world != *before).then(|| world.canonical())
    }

    /// CodeBuild runs one apply of a project at a time, and Terraform's lock lets no other work on the state.
    fn must_queue(&self, world: &World, index: usize) -> bool {
        let applying = |(i, b): (usize, &Build)| i != index && b.state == BuildProgress::Applying;
        self.flaw != Some(Flaw::IgnoresTheWorkspace) && world.builds.iter().enumerate().any(applying)
    }

    fn view(&self, world: &World, incident: usize) -> Option<View> {
        let mut view = match self.flaw {
            Some(Flaw::IgnoresTheWorkspace) => self.stage.view(&World { lease: None, ..world.clone() }, incident)?,
            Some(Flaw::StartsTwice) => self.stage.view(&without_tries(world, incident), incident)?,
            _ => self.stage.view(world, incident)?,
        };
        if self.flaw == Some(Flaw::ExplainsEverything)
            && let Some(WorkspaceRef { addresses, .. }) = &mut view.status.workspace
        {
            *addresses = (0..INCIDENTS).map(address).collect();
        }
        Some(view)
    }

    fn decide(&self, world: &mut World, replica: usize, incident: usize) -> Option<()> {
        let mut version = world.incidents[incident].as_ref()?.version();
        let mut view = self.view(world, incident)?;
        let mut step = decide(&view);
        // The first steps have no effects and concern nobody else: taken as one.
        while view.status.step.name < StepName::Plan
            && step.status != view.status
            && step.effects.iter().all(is_harmless)
        {
            self.write(world, incident, version, &step.status);
            version = world.incidents[incident].as_ref()?.version();
            view = self.view(world, incident)?;
            step = decide(&view);
        }
        self.break_it(&view, &mut step.status, &mut step.effects);
        if step.status == view.status {
            return Some(());
        }
        let effects = step.effects.into_iter().filter(|e| !is_harmless(e)).collect();
        world.replicas[replica] = Replica::Decided(Task { incident, version, status: step.status }, effects);
        Some(())
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
    fn write(&self, world: &mut World, incident: usize, version: u64, status: &IncidentStatus) -> bool {
        let gate_was_open = self.gate_was_open(world, incident, status);
        let Some(stored) = &mut world.incidents[incident] else { return false };
        if stored.version() != version && self.flaw != Some(Flaw::WritesWithoutVersion) {
            return false;
        }
        let before = &stored.status;
        let attempt = status.step.attempt;
        let begun = |b: &Build| (b.incident, b.attempt, b.kind) == (incident, attempt, BuildKind::Apply);
        // Only an apply that was not begun goes back to the gate.
        let unbegun = before.step == StepRef { attempt, name: StepName::Apply }
            && status.step.name == StepName::Gate
            && !world.builds.iter().any(begun);
        if (status.step < before.step && !unbegun) || (before.step.name == StepName::Ended && status != before) {
            world.seen.wrongs.insert(Wrong::WentBack);
        }
        // The gate must be open at the write that asks for a start, however many there were before.
        if let Some(digest) = status.recovery.committed_to.as_ref().filter(|_| asks_for_a_start(before, status)) {
            let asked = (incident, digest.clone());
            if gate_was_open {
                world.seen.opened.insert(asked);
            } else {
                world.seen.opened.remove(&asked);
            }
        }
        stored.status = status.clone();
        true
    }

    /// The model's own judgement, from the policy and the people alone.
    fn gate_was_open(&self, world: &World, incident: usize, status: &IncidentStatus) -> bool {
        let (Some(stored), Some(plan)) = (&world.incidents[incident], &status.plan) else { return false };
        let asks = self.stage.policy(incident).approval.as_ref().is_some_and(|a| a.mode == ApprovalMode::Always);
        let patience = self.stage.policy(incident).approval.as_ref().and_then(|a| duration_millis(&a.expires_after));
        // A decision that is written late is seen to be late where it is carried out.
        let decided = status.recovery.intent.as_ref().and_then(|i| i.last_try_time).unwrap_or_else(|| now(world));
        let seen = status.approval.as_ref().map(|a| a.seen.as_slice()).unwrap_or_default();
        let expired = |by: &str| {
            let at = seen.iter().find(|s| s.by == by && s.change_digest == plan.change_digest).map(|s| s.at);
            at.zip(patience).is_some_and(|(at, patience)| decided.millis_since(at) >= patience)
        };
        let said = |decision: Decision| {
            let on_it = |a: &&Approval| a.decision == decision && a.change_digest == plan.change_digest;
            stored.approvals.iter().filter(on_it).any(|a| decision == Decision::Deny || !expired(&a.by))
        };
        !said(Decision::Deny) && (!asks || said(Decision::Approve))
    }

    fn proceed(&self, world: &mut World, replica: usize) {
        world.replicas[replica] = match std::mem::take(&mut world.replicas[replica]) {
            Replica::Idle => Replica::Idle,
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
            Replica::Starting(task, kind) => self.start(world, task, kind),
            Replica::Started(task, kind, index) => {
                let build = state_of(index, &world.builds[index]);
                let status = builds::started(&task.status, kind, &build, now(world));
                self.write(world, task.incident, task.version, &status);
                Replica::Idle
            }
        };
    }

    /// `act`: takes the workspace, if its policy is still there.
    fn take(&self, world: &mut World, task: Task, kind: BuildKind) -> Replica {
        if world.policies[task.incident].is_none() {
            return Replica::Idle;
        }
        if held_by_other(world, task.incident).is_some() && self.flaw != Some(Flaw::IgnoresTheWorkspace) {
            return Replica::Idle;
        }
        if world.lease.as_ref().is_none_or(|l| l.holder != task.incident) {
            world.lease = Some(Lease { holder: task.incident, build: None });
        }
        Replica::Starting(task, kind)
    }

    /// `act`: finds the build that was started before, or starts it.
    fn start(&self, world: &mut World, task: Task, kind: BuildKind) -> Replica {
        let (Some(generation), Some(intent)) = (world.policies[task.incident], &task.status.recovery.intent) else {
            return Replica::Idle;
        };
        let attempt = task.status.step.attempt;
        let same = |b: &Build| (b.incident, b.attempt, b.kind) == (task.incident, attempt, kind);
        let looks = looks_first(intent, now(world));
        let known =
            world.builds.iter().position(|b| same(b) && (looks || now(world).millis_since(b.at) < TOKEN_MILLIS));
        let known = known.filter(|_| self.flaw != Some(Flaw::StartsTwice));
        if known.is_none() && kind == BuildKind::Apply {
            let trusts = self.flaw == Some(Flaw::TrustsOldPolicies);
            if !trusts && !still_stands(&task.status, "uid", generation, false) {
                let status = builds::overtaken(&task.status, now(world));
                self.write(world, task.incident, task.version, &status);
                return Replica::Idle;
            }
            if self.flaw != Some(Flaw::TrustsOldClearance) && !is_recent(intent, now(world)) {
                let (status, _) = builds::not_started(&task.status, &NotStarted::Late, "i", now(world));
                self.write(world, task.incident, task.version, &status);
                return Replica::Idle;
            }
        }
        let index = known.unwrap_or(world.builds.len());
        if known.is_none() {
            let plan = task.status.plan.as_ref().filter(|_| kind == BuildKind::Apply);
            let plan = plan.and_then(|p| Some((build_index(&p.build)?, p.digest.clone())));
            if let Some((_, digest)) = &plan {
                let judged = task.status.plan.as_ref().map(|p| p.policy_generation);
                let open = world.seen.opened.contains(&(task.incident, digest.clone())) && judged == Some(generation);
                if !open {
                    world.seen.wrongs.insert(Wrong::Ungated);
                }
            }
            world.builds.push(Build {
                incident: task.incident,
                attempt,
                kind,
                targets: intent.targets.clone(),
                plan,
                at: now(world),
                state: BuildProgress::Queued,
            });
        }
        if let Some(lease) = world.lease.as_mut().filter(|l| l.holder == task.incident) {
            lease.build = Some(index);
        }
        Replica::Started(task, kind, index)
    }

    /// A build goes on: a plan publishes, an apply claims its digest and works, then ends.
    fn build(&self, world: &mut World, index: usize) {
        let build = world.builds[index].clone();
        let ended = match (build.kind, &build.plan) {
            (BuildKind::Apply, Some((plan, digest))) => self.apply(world, index, *plan, digest),
            _ => {
                let wanted = |i: &usize| build.targets.is_empty() || build.targets.contains(&address(*i));
                let changes = (0..INCIDENTS).filter(|i| world.lost[*i]).filter(wanted).collect();
                BuildProgress::Succeeded(changes, world.serial)
            }
        };
        world.builds[index].state = ended;
    }

    fn apply(&self, world: &mut World, index: usize, plan: usize, digest_of_order: &str) -> BuildProgress {
        let BuildProgress::Succeeded(changes, serial) = world.builds[plan].state.clone() else {
            return BuildProgress::Failed(Some("DigestMismatch"));
        };
        if world.builds[index].state == BuildProgress::Applying {
            for i in &changes {
                world.lost[*i] = false;
            }
            world.serial += 1;
            world.echoes.insert(index);
            return BuildProgress::Succeeded(changes, world.serial);
        }
        if digest(plan, &changes, serial).as_str() != digest_of_order {
            return BuildProgress::Failed(Some("DigestMismatch"));
        }
        let claims = world.builds.iter().enumerate().filter(|(i, b)| {
            *i != index
                && b.plan.as_ref().is_some_and(|(_, d)| d == digest_of_order)
                && b.state != BuildProgress::Queued
        });
        if claims.count() > 0 && self.flaw != Some(Flaw::StartsTwice) {
            return BuildProgress::Failed(Some("AlreadyClaimed"));
        }
        if serial != world.serial && self.flaw != Some(Flaw::StartsTwice) {
            return BuildProgress::Failed(Some("StalePlan"));
        }
        let incident = world.builds[index].incident;
        let mut wrongs = Vec::new();
        if world.builds.iter().any(|b| b.state == BuildProgress::Applying) {
            wrongs.push(Wrong::Overlapped);
        }
        let worked_before = world.builds.iter().enumerate().any(|(i, b)| {
            let worked = matches!(b.state, BuildProgress::Applying | BuildProgress::Succeeded(..));
            i != index && worked && b.plan.as_ref().is_some_and(|(_, d)| d == digest_of_order)
        });
        if worked_before {
            wrongs.push(Wrong::Repeated);
        }
        // What is touched must be the Incident's own, for it alone was cleared for this digest.
        if changes.iter().any(|i| *i != incident) {
            wrongs.push(Wrong::Uncleared);
        }
        world.seen.wrongs.extend(wrongs);
        BuildProgress::Applying
    }

    /// The call of a recovery comes back as an event.
    fn echo(&self, world: &mut World, build: usize) -> Option<()> {
        let works: Vec<Work> = world.incidents.iter().flatten().map(|i| Work::from(&i.status)).collect();
        let ours = match self.flaw {
            Some(Flaw::ForgetsItsBuilds) => Ours::No,
            _ => own_build(works.iter(), build_id(build).rsplit(':').next().unwrap_or_default(), now(world)),
        };
        match ours {
            Ours::NotYetKnown => return None,
            Ours::Yes => {}
            Ours::No => {
                world.seen.wrongs.insert(Wrong::Echoed);
            }
        }
        world.echoes.remove(&build);
        Some(())
    }
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

/// Whether a write of this status over that one asks for the start of an apply.
fn asks_for_a_start(before: &IncidentStatus, after: &IncidentStatus) -> bool {
    let tries = |s: &IncidentStatus| s.recovery.intent.as_ref().map_or(0, |i| i.tries);
    let same = before.step == after.step;
    after.step.name == StepName::Apply && tries(after) > if same { tries(before) } else { 0 }
}

fn is_harmless(effect: &Effect) -> bool {
    matches!(effect, Effect::Tell(_) | Effect::LabelWorkspace | Effect::NoteSuccess)
}

/// After a write: the version is the written one.
fn carry_on(world: &World, mut task: Task, effects: Vec<Effect>) -> Replica {
    let Some(stored) = &world.incidents[task.incident] else { return Replica::Idle };
    task.version = stored.version();
    rest(task, effects)
}

fn rest(task: Task, effects: Vec<Effect>) -> Replica {
    if effects.is_empty() { Replica::Idle } else { Replica::Acting(task, effects) }
}

fn say(world: &mut World, incident: usize, by: &str, decision: Decision) {
    let Some(stored) = &mut world.incidents[incident] else { return };
    let Some(plan) = &stored.status.plan else { return };
    // Admission lets only decisions on the present plan in.
    let change_digest = plan.change_digest.clone();
    stored.approvals.push(Approval { by: by.to_owned(), decision, change_digest, reason: None });
}
