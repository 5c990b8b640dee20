use reforge_api::{Check, Data, Phase, StepName, Verification};

use crate::incident::decide::decide;
use crate::incident::fixture::{self, ready};
use crate::incident::view::Seen;

use super::*;

/// An Incident whose apply build has ended like this.
fn view(ended: BuildState) -> View {
    let mut view = fixture::view(StepName::Apply);
    record_build(&mut view.status, build_ref(BuildKind::Apply, &ended));
    view.seen = Seen::Build(Some(ended));
    view
}

fn build(status: &str, error: Option<&str>) -> BuildState {
    let (status, error) = (BuildStatus::of(status), error.map(BuildError::of));
    BuildState { id: "apply:1".into(), status, error, ..BuildState::default() }
}

#[test]
fn each_way_of_failing_has_its_reason_and_its_next_step() {
    for (status, error, why, counts) in [
        ("FAILED", Some("ApplyFailed"), reason::BUILD_FAILED, true),
        ("FAILED", Some("Throttled"), reason::THROTTLED, true),
        ("FAULT", None, reason::BUILD_FAILED, true),
        ("TIMED_OUT", None, reason::BUILD_TIMED_OUT, true),
        ("STOPPED", None, reason::BUILD_STOPPED, true),
        ("FAILED", Some("StateLocked"), reason::STATE_LOCKED, false),
        ("FAILED", Some("StalePlan"), reason::PLAN_STALE, false),
    ] {
        let view = view(build(status, error));
        let step = decide(&view);
        assert_eq!(ready(&step.status).0, why, "{status} {error:?}");
        assert_eq!(step.status.recovery.failures, u32::from(counts), "{why}");
        assert_eq!((step.status.step.name, step.status.step.attempt), (StepName::Plan, 2), "{why}");
        assert!(step.effects.contains(&Effect::ReleaseWorkspace), "{why}");
    }
}

#[test]
fn a_plan_that_somebody_changed_is_refused_and_not_planned_again() {
    let step = decide(&view(build("FAILED", Some("DigestMismatch"))));
    assert_eq!((step.status.phase, ready(&step.status).0), (Phase::Failed, reason::REFUSED));
}

#[test]
fn a_lock_that_an_ended_build_of_ours_left_is_shown_with_the_command_that_frees_it() {
    let lock = Lock {
        id: "4711".into(),
        operation: "OperationTypeApply".into(),
        who: "root@build".into(),
        created: "1970-01-01 00:00:05.123456789 +0000 UTC".into(),
    };
    let mut locked = build("FAILED", Some("StateLocked"));
    locked.failure = Some(Box::new(Failure { said: String::new(), lock: Some(lock) }));
    let mut view = view(locked);
    let step = decide(&view);
    assert!(ready(&step.status).1.contains("root@build") && !ready(&step.status).1.contains("force-unlock"));
    view.builds_here = vec![BuildRef {
        kind: BuildKind::Apply,
        id: "apply:0".into(),
        url: None,
        status: "STOPPED".into(),
        start: Some(Time(1000)),
        end: Some(Time(9000)),
    }];
    (view.builds_here[0].start, view.builds_here[0].end) = (Some(Time(6000)), Some(Time(9000)));
    assert!(!ready(&decide(&view).status).1.contains("force-unlock"), "it began after the lock was taken");
    view.builds_here[0].start = Some(Time(1000));
    let step = decide(&view);
    let said = ready(&step.status).1;
    assert!(said.contains("apply:0") && said.contains("terraform force-unlock 4711"), "{said}");
}

#[test]
fn a_build_that_is_not_told_of_right_after_its_start_is_waited_for() {
    for step in [StepName::Plan, StepName::Apply] {
        let mut view = fixture::view(step);
        let kind = if step == StepName::Plan { BuildKind::Plan } else { BuildKind::Apply };
        let running = BuildState { start: Some(Time(900_000)), ..build("IN_PROGRESS", None) };
        record_build(&mut view.status, build_ref(kind, &running));
        view.seen = Seen::Build(None);
        let waits = decide(&view);
        assert_eq!((waits.status.step.name, waits.effects.len()), (step, 0), "it was started 100 s before");
        assert!(waits.wake.is_some_and(|wake| wake > 0));
        view.now = Time(900_000 + 120_000);
        let gone = decide(&view);
        assert_eq!((gone.status.step.attempt, gone.status.recovery.failures), (2, 1), "nobody knows it");
        assert_eq!(gone.status.recovery.builds[0].status, "UNKNOWN");
    }
}

#[test]
fn an_apply_that_nobody_knows_of_makes_the_next_plan_ask_a_human() {
    let mut view = fixture::planned(StepName::Gate, &["t.a"]);
    let unknown = build_ref(BuildKind::Apply, &build("UNKNOWN", None));
    record_build(&mut view.status, unknown);
    let status = decide(&view).status;
    assert_eq!(status.phase, Phase::AwaitingApproval);
    assert!(ready(&status).1.contains("nobody knows how the apply apply:1 ended"), "{}", ready(&status).1);
}

#[test]
fn no_build_of_an_incident_is_forgotten_so_that_one_that_was_stopped_still_asks() {
    let mut view = fixture::planned(StepName::Gate, &["t.a"]);
    for i in 0..62 {
        let stopped = if i == 0 { "STOPPED" } else { "FAILED" };
        let ended = BuildState { id: format!("plan:{i}"), ..build(stopped, None) };
        record_build(&mut view.status, build_ref(BuildKind::Plan, &ended));
    }
    let status = decide(&view).status;
    assert_eq!(status.phase, Phase::AwaitingApproval);
    assert!(ready(&status).1.contains("somebody stopped the build plan:0"), "{}", ready(&status).1);
}

/// An Incident whose plan has nothing to do, and whether an apply of its own was committed to and has succeeded.
fn nothing_left(committed: bool, applied: Option<&str>) -> View {
    let mut view = fixture::planned(StepName::Gate, &[]);
    let plan = view.status.plan.clone().expect("a plan");
    view.status.recovery.committed_to = Some(plan.digest).filter(|_| committed);
    view.status.recovery.applied_version = applied.map(str::to_owned);
    view
}

#[test]
fn only_an_apply_of_ours_that_succeeded_makes_an_empty_plan_read_as_put_back() {
    let status = decide(&nothing_left(true, None)).status;
    assert_eq!((status.phase, ready(&status).0), (Phase::Dismissed, reason::NOTHING_TO_RESTORE), "it never began");
    assert_eq!(decide(&nothing_left(false, Some("v1"))).status.step.name, StepName::Verify);
    let mut covered = nothing_left(false, None);
    let Seen::AtGate(seen) = &mut covered.seen else { panic!("at the gate") };
    seen.covered = true;
    assert_eq!(decide(&covered).status.step.name, StepName::Verify);
}

#[test]
fn a_commit_whose_apply_never_began_is_forgotten_with_its_attempt() {
    let view = fixture::planned(StepName::Apply, &["t.a"]);
    let status = overtaken(&view.status, view.now);
    assert_eq!((status.step.name, status.step.attempt, status.recovery.committed_to), (StepName::Plan, 2, None));
}

#[test]
fn the_version_that_is_noted_is_the_one_whose_apply_succeeded() {
    let mut view = fixture::planned(StepName::Apply, &["t.a"]);
    let succeeded = build("SUCCEEDED", None);
    record_build(&mut view.status, build_ref(BuildKind::Apply, &succeeded));
    view.seen = Seen::Build(Some(succeeded));
    view.status = decide(&view).status;
    assert_eq!(view.status.recovery.applied_version.as_deref(), Some("commit"));
    let check = Check { name: "there".into(), passed: true, detail: String::new() };
    let seen = Verification { checks: vec![check], new_id: None, new_arn: None, data: Data::Intact };
    view.seen = Seen::Verified(seen);
    assert!(decide(&view).effects.contains(&Effect::NoteSuccess));
    view.status.recovery.applied_version = None;
    let step = decide(&view);
    assert_eq!(step.status.phase, Phase::Recovered, "another's apply covered it");
    assert!(!step.effects.contains(&Effect::NoteSuccess), "of its own none was applied");
}

#[test]
fn a_plan_whose_summary_is_gone_is_made_again() {
    for step in [StepName::Gate, StepName::Apply] {
        let mut view = fixture::planned(step, &["t.a"]);
        view.seen = Seen::PlanGone;
        let status = decide(&view).status;
        assert_eq!((status.step.name, status.step.attempt), (StepName::Plan, 2), "{step:?}");
        assert!(ready(&status).1.contains("gone from the bucket"), "{}", ready(&status).1);
    }
}

#[test]
fn what_takes_aws_long_is_asked_for_seldomer() {
    let wakes = |view: &mut View, since: Option<Time>| {
        view.status.timeline.classified_at = since;
        view.status.timeline.planned_at = since;
        [1, 60, 200].map(|seconds| {
            view.now = Time(seconds * 1000);
            decide(view).wake
        })
    };
    let mut view = fixture::view(StepName::Settle);
    view.seen = Seen::Settling(Some("table orders is DELETING".into()));
    let growing = [Some(1_000), Some(6_000), Some(15_000)];
    assert_eq!(wakes(&mut view, Some(Time(0))), growing);
    view.status.step.name = StepName::Verify;
    let check = Check { name: "table is ACTIVE".into(), passed: false, detail: "CREATING".into() };
    view.seen = Seen::Verified(Verification { checks: vec![check], new_id: None, new_arn: None, data: Data::Empty });
    assert_eq!(wakes(&mut view, Some(Time(0))), growing);
}

#[test]
fn an_event_that_is_older_than_incidents_are_kept_never_goes_by_itself() {
    let mut view = fixture::planned(StepName::Gate, &["t.a"]);
    assert_eq!(decide(&view).status.step.name, StepName::Apply);
    view.late = Some(31 * 86_400_000);
    let status = decide(&view).status;
    assert_eq!(status.phase, Phase::AwaitingApproval);
    assert!(ready(&status).1.contains("744h00m old when it came"), "{}", ready(&status).1);
}

#[test]
fn what_happened_before_its_policy_was_created_never_goes_by_itself() {
    let mut view = fixture::planned(StepName::Gate, &["t.a"]);
    view.policy_since = Some(Time(500_000));
    let status = decide(&view).status;
    assert_eq!(status.phase, Phase::AwaitingApproval);
    assert!(ready(&status).1.contains("before the policy was created at 1970-01-01T00:08:20"), "{}", ready(&status).1);
}

#[test]
fn people_read_how_a_build_ended_and_where_its_log_is() {
    let mut ended = build("FAILED", Some("ApplyFailed"));
    assert_eq!(describe(&ended), "FAILED (ApplyFailed)");
    ended.url = Some("https://log".into());
    assert_eq!(describe(&ended), "FAILED (ApplyFailed), log: https://log");
    ended.error = None;
    assert_eq!(describe(&ended), "FAILED, log: https://log");
    assert!(ready(&decide(&view(ended)).status).1.contains("apply:1 ended as FAILED, log: https://log"));
}

#[test]
fn a_build_that_was_started_is_said_to_be_at_work() {
    for (kind, said) in [(BuildKind::Plan, "Build apply:1 plans"), (BuildKind::Apply, "Build apply:1 applies the plan")]
    {
        let status = started(&fixture::view(StepName::Plan).status, kind, &build("IN_PROGRESS", None), Time(0));
        assert_eq!(ready(&status).1, said);
    }
}

#[test]
fn the_longer_others_work_on_a_state_the_later_it_is_planned_again() {
    let pause = |attempt: u32| {
        let mut status = IncidentStatus::default();
        status.step.attempt = attempt;
        replan_later(&mut status, reason::STATE_LOCKED, "Locked", Time(0));
        status.recovery.next_attempt_time.map(|at| at.0 / 1000)
    };
    assert_eq!([1, 2, 3, 4, 5, 6, 19].map(pause), [30, 60, 120, 240, 480, 600, 600].map(Some));
    assert_eq!(pause(20), None, "a human is needed");
}

#[test]
fn a_start_that_did_not_come_about_says_why_and_counts_where_it_may_have_all_the_same() {
    let fault = |class| Fault::new("starting CodeBuild project shop", class, "no");
    let cases = [
        (NotStarted::Busy("n/other is at work".into()), reason::WORKSPACE_BUSY, 0),
        (NotStarted::OnHold("on hold".into()), reason::ON_HOLD, 0),
        (NotStarted::Changed("it is not as it was".into()), reason::PROJECT_CHANGED, 0),
        (NotStarted::Fault(fault(FaultClass::Transient)), fault(FaultClass::Transient).reason(), 0),
        (NotStarted::Asked(fault(FaultClass::Denied)), reason::ACCESS_DENIED, 0),
        (NotStarted::Asked(fault(FaultClass::Transient)), fault(FaultClass::Transient).reason(), 1),
    ];
    for (why, word, tries) in cases {
        let mut view = fixture::planned(StepName::Apply, &["t.a"]);
        view.status.recovery.intent.as_mut().expect("it is wanted").tries = 1;
        let (status, pause) = not_started(&view.status, &why, "i", Time(0));
        assert_eq!(
            (ready(&status).0, status.recovery.intent.as_ref().map(|i| i.tries)),
            (word, Some(tries)),
            "{why:?}"
        );
        assert_eq!(status.recovery.next_attempt_time, Some(Time(pause)), "{why:?}");
        let stalled = status.conditions.iter().find(|c| c.r#type == "Stalled").expect("it says").status;
        assert_eq!(stalled == reforge_api::ConditionStatus::True, word == reason::PROJECT_CHANGED, "{why:?}");
    }
}
