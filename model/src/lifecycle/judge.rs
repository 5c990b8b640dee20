//! What must never happen, by the model's own judgement: from the world alone, and not by what the operator says of it.

use reforge_api::{Approval, ApprovalMode, BuildKind, Decision, IncidentStatus, StepName, StepRef, duration_millis};

use super::operator::Rules;
use super::view::now;
use super::world::{Build, Task, World, Wrong};

/// The most writes of one Incident while AWS answers with faults and nothing else happens: a try, what came of it, and what
/// becomes of an end that was seen before.
const MOST_WRITES: u8 = 3;

impl Rules {
    /// A status is about to be written over what is there.
    pub fn judge_write(&self, world: &mut World, incident: usize, status: &IncidentStatus) {
        let Some(before) = world.incidents[incident].as_ref().map(|stored| stored.status.clone()) else { return };
        let attempt = status.step.attempt;
        let of_attempt = |b: &&Build| (b.incident, b.attempt, b.kind) == (incident, attempt, BuildKind::Apply);
        // Only an apply that was not begun goes back to the gate.
        let unbegun = before.step == StepRef { attempt, name: StepName::Apply }
            && status.step.name == StepName::Gate
            && !world.builds.iter().any(|b| of_attempt(&b));
        let mut wrongs = Vec::new();
        if (status.step < before.step && !unbegun) || (before.step.name == StepName::Ended && *status != before) {
            wrongs.push(Wrong::WentBack);
        }
        let ends = status.step.name == StepName::Ended && before.step.name != StepName::Ended;
        if ends && world.builds.iter().filter(of_attempt).any(|b| !b.state.is_over()) {
            wrongs.push(Wrong::LeftRunning);
        }
        // The gate must be open at the write that asks for a start, however many there were before.
        if let Some(digest) = status.recovery.committed_to.as_ref().filter(|_| asks_for_a_start(&before, status)) {
            let asked = (incident, digest.clone());
            if self.gate_was_open(world, incident, status) {
                world.seen.opened.insert(asked);
            } else {
                world.seen.opened.remove(&asked);
            }
        }
        if world.aws.is_some() && *status != before {
            world.seen.writes[incident] = (world.seen.writes[incident] + 1).min(MOST_WRITES + 1);
            if world.seen.writes[incident] > MOST_WRITES {
                wrongs.push(Wrong::Restless);
            }
        }
        world.seen.wrongs.extend(wrongs);
    }

    /// A build is about to be started that was not before.
    pub fn judge_start(&self, world: &mut World, task: &Task, kind: BuildKind) {
        let (Some(plan), BuildKind::Apply) = (&task.status.plan, kind) else { return };
        let opened = world.seen.opened.contains(&(task.incident, plan.digest.clone()));
        let is_over = world.incidents[task.incident].as_ref().is_none_or(|i| i.status.step.name == StepName::Ended);
        let wrongs = [
            (!opened || Some(plan.policy_generation) != world.policies[task.incident], Wrong::Ungated),
            (world.hold, Wrong::StartedOnHold),
            (self.stage.is_closed(now(world)), Wrong::OutOfHours),
            (is_over, Wrong::LeftRunning),
        ];
        world.seen.wrongs.extend(wrongs.into_iter().filter(|(is, _)| *is).map(|(_, wrong)| wrong));
    }

    /// Whether the policy, the people and the hours let the plan go.
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
        !said(Decision::Deny) && (!asks || said(Decision::Approve)) && !self.stage.is_closed(decided)
    }
}

/// Whether a write of this status over that one asks for the start of an apply.
fn asks_for_a_start(before: &IncidentStatus, after: &IncidentStatus) -> bool {
    let tries = |s: &IncidentStatus| s.recovery.intent.as_ref().map_or(0, |i| i.tries);
    let same = before.step == after.step;
    after.step.name == StepName::Apply && tries(after) > if same { tries(before) } else { 0 }
}
