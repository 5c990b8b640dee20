//! `act` in the modelled world: what the operator does between a decision and the build that it starts, call by call.

use reforge_api::BuildKind;
use reforge_core::incident::builds::{self, NotStarted};
use reforge_core::incident::fences::{is_recent, looks_first, still_stands, works};
use reforge_core::incident::view::Effect;
use reforge_core::words::fault::Fault;

use super::flaw::Flaw;
use super::operator::{Rules, carry_on};
use super::view::{build_index, fault_of, held_by_other, now};
use super::world::{Build, BuildProgress, Lease, Replica, TICK, Task, World};

/// CodeBuild honours an idempotency token for this long.
const TOKEN_MILLIS: i64 = TICK * 1000;

/// Whether CodeBuild's answer is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is.
    Given,
    /// It is not.
    Lost,
}

impl Rules {
    /// CodeBuild starts the build, and nobody hears of it.
    pub fn unanswered(&self, world: &mut World, replica: usize) {
        if let Replica::Starting(task, kind) = std::mem::take(&mut world.replicas[replica]) {
            world.replicas[replica] = self.start(world, task, kind, Answer::Lost);
        }
    }

    /// `act`: takes the workspace, if its policy is still there.
    pub fn take(&self, world: &mut World, task: Task, kind: BuildKind) -> Replica {
        if world.policies[task.incident].is_none() {
            let gone = Fault::absent("reading the policy", "it was deleted");
            return self.not_started(world, &task, &NotStarted::Fault(gone));
        }
        if let Some(other) = held_by_other(world, task.incident).filter(|_| !self.is(Flaw::IgnoresTheWorkspace)) {
            return self.not_started(world, &task, &NotStarted::Busy(format!("waiting for i{other}")));
        }
        if world.lease.as_ref().is_none_or(|l| l.holder != task.incident) {
            world.lease = Some(Lease { holder: task.incident, build: None });
        }
        Replica::Starting(task, kind)
    }

    /// `act`: finds the build that was started before, or starts it.
    pub fn start(&self, world: &mut World, task: Task, kind: BuildKind, answer: Answer) -> Replica {
        let (Some(generation), Some(intent)) = (world.policies[task.incident], &task.status.recovery.intent) else {
            return Replica::Idle;
        };
        let looks = looks_first(intent, now(world));
        if let Some(fault) = fault_of(world).filter(|_| looks) {
            return self.not_started(world, &task, &NotStarted::Fault(fault));
        }
        let attempt = task.status.step.attempt;
        let same = |b: &Build| (b.incident, b.attempt, b.kind) == (task.incident, attempt, kind);
        let before = world.builds.iter().position(same).filter(|_| !self.is(Flaw::StartsTwice));
        let found = before.filter(|_| looks);
        if found.is_none() && kind == BuildKind::Apply {
            if !self.is(Flaw::TrustsOldPolicies) && !still_stands(&task.status, "uid", generation, false) {
                let status = builds::overtaken(&task.status, now(world));
                self.write(world, task.incident, task.version, &status);
                return Replica::Idle;
            }
            let trusts = self.is(Flaw::TrustsOldClearance) || self.is(Flaw::StartsLate);
            if !trusts && !is_recent(intent, now(world)) {
                return self.not_started(world, &task, &NotStarted::Late);
            }
            let trusts = self.is(Flaw::TrustsOldHolds) || self.is(Flaw::IgnoresHolds);
            if world.hold && !trusts {
                return self.not_started(world, &task, &NotStarted::OnHold("on hold".to_owned()));
            }
        }
        let fault = fault_of(world);
        if let Some(fault) = fault.clone().filter(|_| answer == Answer::Given) {
            return self.not_started(world, &task, &NotStarted::Asked(fault));
        }
        let by_token = before.filter(|b| now(world).millis_since(world.builds[*b].at) < TOKEN_MILLIS);
        let index = found.or(by_token).unwrap_or_else(|| self.begin(world, &task, kind));
        if let Some(fault) = fault {
            let why =
                if self.is(Flaw::TakesSilenceForNo) { NotStarted::Fault(fault) } else { NotStarted::Asked(fault) };
            return self.not_started(world, &task, &why);
        }
        if let Some(lease) = world.lease.as_mut().filter(|l| l.holder == task.incident) {
            lease.build = Some(index);
        }
        Replica::Started(task, kind, index)
    }

    /// CodeBuild has a new build.
    fn begin(&self, world: &mut World, task: &Task, kind: BuildKind) -> usize {
        let plan = task.status.plan.as_ref().filter(|_| kind == BuildKind::Apply);
        let plan = plan.and_then(|p| Some((build_index(&p.build)?, p.digest.clone())));
        self.judge_start(world, task, kind);
        world.builds.push(Build {
            incident: task.incident,
            attempt: task.status.step.attempt,
            kind,
            targets: task.status.recovery.intent.as_ref().map(|i| i.targets.clone()).unwrap_or_default(),
            plan,
            at: now(world),
            state: BuildProgress::Queued,
        });
        world.builds.len() - 1
    }

    /// Says why nothing was started; whoever waits gives the workspace back.
    fn not_started(&self, world: &mut World, task: &Task, why: &NotStarted) -> Replica {
        let (status, _) = builds::not_started(&task.status, why, "i", now(world));
        if !self.write(world, task.incident, task.version, &status) || works(&status) {
            return Replica::Idle;
        }
        carry_on(world, Task { status, ..task.clone() }, vec![Effect::ReleaseWorkspace])
    }
}
