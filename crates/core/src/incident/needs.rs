//! What must be looked at for an Incident's next decision, from what is known without a look. Whoever looks only answers.

use reforge_api::{
    BuildKind, Evidence, IncidentSpec, IncidentStatus, RecoveryPolicySpec, RollbackMode, StepName, Time,
};

use super::evidence::has_unjudged_record;
use super::fences::{is_held, may_have_started};
use super::trouble;
use super::view::PolicyState;

/// What is known without a look.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The Incident's status.
    pub status: &'a IncidentStatus,
    /// Its policy.
    pub policy: &'a PolicyState,
    /// Its spec, as it is judged with the evidence.
    pub spec: &'a IncidentSpec,
    /// What else was told of the same change.
    pub evidence: &'a [Evidence],
    /// Why nothing may be started for it.
    pub hold: Option<&'a str>,
    /// Whether an older Incident goes on in its place.
    pub has_elder: bool,
    /// Now.
    pub now: Time,
}

/// What must be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it waits for a time or for people, or it has ended.
    Nothing,
    /// Where the resource belongs, by the inventories of the policy's workspaces.
    Location,
    /// The verdict on the event.
    Verdict,
    /// Whether AWS has carried the change out.
    Settling,
    /// Whether the workspace is free for a build that is wanted.
    Workspace {
        /// Which build.
        kind: BuildKind,
        /// Whether an earlier try may have started it: then it is looked for first.
        may_have_started: bool,
        /// What the gate needs once more, where it is asked before such a start.
        gate: Option<ForGate>,
    },
    /// How far a build is; of one that is over, what it published.
    Build(BuildKind),
    /// The plan, and what else the gate depends on.
    Gate(ForGate),
    /// Whether the resource is back.
    Verification,
}

/// What the gate needs beside the plan and what was applied lately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForGate {
    /// Whether the apiserver checks who decides: asked where somebody has.
    pub guard: bool,
    /// A verdict on a record that came since the last one.
    pub verdict: bool,
}

/// What must be looked at for the next decision.
pub fn needs(known: &Known<'_>) -> Need {
    let PolicyState::Stands { spec: policy, .. } = known.policy else { return Need::Nothing };
    // What did not go well is not asked again before its time.
    let pauses = trouble::pause(known.status, known.now).is_some();
    if pauses || known.has_elder || is_held(known.status, policy, known.hold) {
        return Need::Nothing;
    }
    match known.status.step.name {
        StepName::Locate => Need::Location,
        StepName::Classify => Need::Verdict,
        StepName::Settle => Need::Settling,
        StepName::Plan => build(known, BuildKind::Plan),
        StepName::Gate => Need::Gate(for_gate(known)),
        StepName::Apply => build(known, BuildKind::Apply),
        StepName::Verify => Need::Verification,
        StepName::Ended => Need::Nothing,
    }
}

fn build(known: &Known<'_>, kind: BuildKind) -> Need {
    let recovery = &known.status.recovery;
    if recovery.next_attempt_time.is_some_and(|at| at > known.now) {
        return Need::Nothing;
    }
    if recovery.build.is_some() {
        return Need::Build(kind);
    }
    let gate = (kind == BuildKind::Apply).then(|| for_gate(known));
    Need::Workspace { kind, may_have_started: may_have_started(recovery), gate }
}

fn for_gate(known: &Known<'_>) -> ForGate {
    ForGate {
        guard: !known.spec.approvals.is_empty(),
        verdict: has_unjudged_record(known.status, known.spec, known.evidence),
    }
}

/// Whether the source version that recovered well last is needed: only where an attempt may fail, and the policy goes back to it.
pub fn needs_last_successful(status: &IncidentStatus, policy: &RecoveryPolicySpec) -> bool {
    matches!(status.step.name, StepName::Plan | StepName::Apply | StepName::Verify)
        && policy.recovery.rollback.mode != RollbackMode::None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::fixture::{self, planned};
    use crate::incident::transition::want;
    use crate::incident::view::View;
    use reforge_api::{Decision, FaultClass};

    fn need(view: &View) -> Need {
        let (evidence, _) = &view.evidence;
        needs(&Known {
            status: &view.status,
            policy: &view.policy,
            spec: &view.spec,
            evidence,
            hold: view.hold.as_deref(),
            has_elder: view.elder.is_some(),
            now: view.now,
        })
    }

    #[test]
    fn each_step_needs_its_own_look() {
        for (step, expected) in [
            (StepName::Locate, Need::Location),
            (StepName::Classify, Need::Verdict),
            (StepName::Settle, Need::Settling),
            (StepName::Gate, Need::Gate(ForGate { guard: false, verdict: false })),
            (StepName::Verify, Need::Verification),
            (StepName::Ended, Need::Nothing),
        ] {
            assert_eq!(need(&fixture::view(step)), expected, "{step:?}");
        }
    }

    #[test]
    fn who_waits_looks_at_nothing() {
        for step in [StepName::Locate, StepName::Settle, StepName::Gate] {
            let plain = fixture::view(step);
            let mut in_trouble = plain.clone();
            trouble::note(&mut in_trouble.status, FaultClass::Denied, "i", plain.now);
            let held = View { hold: Some("no".into()), ..plain.clone() };
            let duplicate = View { elder: Some("n/older".into()), ..plain.clone() };
            let orphan = View { policy: PolicyState::Gone, ..plain };
            for view in [in_trouble, held, duplicate, orphan] {
                assert_eq!(need(&view), Need::Nothing, "{step:?}: {view:?}");
            }
        }
    }

    #[test]
    fn a_wanted_build_is_looked_for_where_a_try_may_have_started_it_and_an_apply_asks_the_gate_again() {
        for (step, kind) in [(StepName::Plan, BuildKind::Plan), (StepName::Apply, BuildKind::Apply)] {
            let mut view = planned(step, &["t.a"]);
            view.status.recovery.build = None;
            view.status.recovery.intent = None;
            want(&mut view.status, kind, Vec::new(), view.now);
            let gate = (kind == BuildKind::Apply).then_some(ForGate { guard: false, verdict: false });
            assert_eq!(need(&view), Need::Workspace { kind, may_have_started: false, gate });
            view.status.recovery.intent.as_mut().expect("it is wanted").tries = 1;
            assert_eq!(need(&view), Need::Workspace { kind, may_have_started: true, gate });
            view.status.recovery.build = Some(fixture::running(kind));
            assert_eq!(need(&view), Need::Build(kind));
            view.status.recovery.next_attempt_time = Some(view.now.plus_millis(1));
            assert_eq!(need(&view), Need::Nothing);
            view.status.recovery.next_attempt_time = Some(view.now);
            assert_eq!(need(&view), Need::Build(kind));
        }
    }

    #[test]
    fn what_was_running_when_work_was_put_on_hold_is_looked_at_to_its_end() {
        let mut view = fixture::view(StepName::Plan);
        view.hold = Some("no".into());
        view.status.recovery.build = Some(fixture::running(BuildKind::Plan));
        assert_eq!(need(&view), Need::Build(BuildKind::Plan));
    }

    #[test]
    fn whether_the_apiserver_checks_is_asked_where_somebody_has_decided() {
        let mut view = planned(StepName::Gate, &["t.a"]);
        fixture::decides(&mut view, "ana", Decision::Approve);
        assert_eq!(need(&view), Need::Gate(ForGate { guard: true, verdict: false }));
    }

    #[test]
    fn the_last_good_version_is_asked_for_only_where_it_may_be_gone_back_to() {
        let PolicyState::Stands { spec: mut policy, .. } = fixture::view(StepName::Plan).policy else { unreachable!() };
        let status = |step| fixture::view(step).status;
        assert!(!needs_last_successful(&status(StepName::Apply), &policy));
        policy.recovery.rollback.mode = RollbackMode::LastSuccessful;
        for (step, needed) in [(StepName::Gate, false), (StepName::Plan, true), (StepName::Apply, true)] {
            assert_eq!(needs_last_successful(&status(step), &policy), needed, "{step:?}");
        }
    }
}
