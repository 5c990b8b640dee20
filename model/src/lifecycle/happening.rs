//! What can happen in the modelled world, one step at a time. The rest of the world does what AWS, the apiserver and people
//! may do at the worst moment.

use reforge_api::{Approval, BuildKind, Decision, FaultClass, IncidentStatus, StepName};

use super::operator::Rules;
use super::world::{BuildProgress, INCIDENTS, Replica, Stored, World};

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
    /// What a replica looks at next takes its time: it writes first what it has decided.
    WriteFirst(usize),
    /// A replica is killed, or its call fails.
    Crash(usize),
    /// CodeBuild starts what a replica asks for, and its answer is lost.
    Unanswered(usize),
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
    /// Somebody puts all work on hold, or lifts that.
    Hold,
    /// AWS begins to answer every call with a fault, or answers again.
    Aws(Option<FaultClass>),
    /// Time passes.
    Tick,
}

impl Happening {
    /// Whether it is the operator's own doing, and nothing of its world changes but by that.
    fn is_the_operators(&self) -> bool {
        matches!(self, Self::Decide(..) | Self::Proceed(_) | Self::WriteFirst(_) | Self::Crash(_) | Self::Unanswered(_))
    }
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
                if matches!(replica, Replica::Deciding(..)) {
                    list.push(Happening::WriteFirst(r));
                }
                if world.budget.crashes > 0 {
                    list.push(Happening::Crash(r));
                }
                if world.aws == Some(FaultClass::Transient) && matches!(replica, Replica::Starting(..)) {
                    list.push(Happening::Unanswered(r));
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
            (budget.holds, Happening::Hold),
            (budget.faults, Happening::Aws(world.aws.xor(Some(self.fault)))),
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
        if !what.is_the_operators() {
            world.seen.writes = [0; INCIDENTS];
        }
        match what {
            Happening::Deliver(i) => {
                world.deliveries[*i] -= 1;
                world.incidents[*i]
                    .get_or_insert_with(|| Stored { approvals: Vec::new(), status: IncidentStatus::default() });
            }
            Happening::Echo(b) => self.echo(&mut world, *b)?,
            Happening::Decide(r, i) => self.decide(&mut world, *r, *i)?,
            Happening::Proceed(r) => self.proceed(&mut world, *r),
            Happening::WriteFirst(r) => {
                if let Replica::Deciding(task, effects) = std::mem::take(&mut world.replicas[*r]) {
                    world.replicas[*r] = Replica::Decided(task, effects);
                }
            }
            Happening::Crash(r) => {
                world.budget.crashes -= 1;
                world.replicas[*r] = Replica::Idle;
            }
            Happening::Unanswered(r) => self.unanswered(&mut world, *r),
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
            Happening::Hold => {
                world.budget.holds -= 1;
                world.hold = !world.hold;
            }
            Happening::Aws(fault) => {
                world.budget.faults -= 1;
                world.aws = *fault;
            }
            Happening::Tick => {
                world.budget.ticks -= 1;
                world.ticks += 1;
            }
        }
        (world != *before).then(|| world.canonical())
    }
}

fn say(world: &mut World, incident: usize, by: &str, decision: Decision) {
    let Some(stored) = &mut world.incidents[incident] else { return };
    let Some(plan) = &stored.status.plan else { return };
    // Admission lets only decisions on the present plan in.
    let change_digest = plan.change_digest.clone();
    stored.approvals.push(Approval { by: by.to_owned(), decision, change_digest, reason: None });
}
