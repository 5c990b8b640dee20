use reforge_api::{Criticality, Decision, FaultClass, Moment, Phase, Unexplained};
use serde_json::json;

use crate::incident::builds::{NotStarted, not_started};
use crate::incident::decide::decide;
use crate::incident::fences::{is_recent, works};
use crate::incident::fixture::{decides, planned, policy, ready, view};
use crate::incident::view::Seen;
use crate::plan::build::{BuildError, BuildStatus};
use crate::policy::limits::Opened;
use crate::policy::reserve::Reserve;
use crate::words::fault::Fault;

use super::*;

/// An apply that was cleared, and is about to be started in a free workspace, after so many tries of 10 s ago.
fn cleared(tries: u32) -> View {
    let mut view = planned(StepName::Apply, &["t.a"]);
    let intent = view.status.recovery.intent.as_mut().expect("an apply is wanted");
    intent.tries = tries;
    intent.last_try_time = (tries > 0).then_some(Time(990_000));
    view.status.timeline.recovering_at = Some(Time(950_000));
    view
}

fn starts(step: &Step) -> bool {
    step.effects.iter().any(|e| matches!(e, Effect::StartBuild(_)))
}

fn closed(view: &mut View) {
    let always = json!([{"deny": {"from": "00:00", "to": "00:00", "timeZone": "UTC"}}]);
    policy(view).windows = serde_json::from_value(always).expect("windows");
}

fn late(view: &mut View) {
    let approval = json!({"mode": "Always", "expiresAfter": "5m"});
    policy(view).approval = Some(serde_json::from_value(approval).expect("an approval"));
    decides(view, "ann", Decision::Approve);
    let asked = view.status.approval.as_mut().expect("it was asked");
    asked.asked_at = Some(Time(0));
    let change_digest = asked.change_digest.clone();
    asked.seen.push(reforge_api::SeenApproval { by: "ann".into(), change_digest, at: Time(100_000) });
}

fn overdone(view: &mut View) {
    policy(view).limits.storm_threshold = 1;
    policy(view).classification.criticality = Criticality::Standard;
    let Seen::AtGate(seen) = &mut view.seen else { panic!("at the gate") };
    seen.opened = (0..9).map(|i| Opened { at: Time(999_000), actor: i.to_string().into() }).collect();
}

fn edited(view: &mut View) {
    let PolicyState::Stands { generation, .. } = &mut view.policy else { panic!("it stands") };
    *generation = 2;
}

type Happens = fn(&mut View);

/// What may happen between the gate and the start, and what becomes of the Incident.
const HAPPENS: [(Happens, StepName, &str); 5] = [
    (closed, StepName::Gate, reason::WAITING),
    (overdone, StepName::Gate, reason::APPROVAL_NEEDED),
    (late, StepName::Ended, reason::APPROVAL_EXPIRED),
    (edited, StepName::Plan, reason::PLANNING),
    (|view| decides(view, "ben", Decision::Deny), StepName::Ended, reason::DENIED),
];

#[test]
fn an_apply_that_is_still_cleared_is_started_and_counted_first() {
    let step = decide(&cleared(0));
    let intent = step.status.recovery.intent.as_ref().expect("it is wanted");
    assert_eq!((intent.tries, intent.last_try_time), (1, Some(Time(1_000_000))));
    assert_eq!(step.effects, [Effect::StartBuild(BuildKind::Apply)], "and nobody is told a second time");
}

#[test]
fn what_was_cleared_is_judged_again_before_its_start_and_goes_back_with_the_workspace() {
    for (happens, next, why) in HAPPENS {
        let mut view = cleared(0);
        happens(&mut view);
        let step = decide(&view);
        assert!(!starts(&step), "{why}");
        assert_eq!((step.status.step.name, ready(&step.status).0), (next, why));
        assert_eq!(step.status.recovery.committed_to, None, "{why}: nothing is committed to");
        if next != StepName::Plan {
            assert!(step.effects.contains(&Effect::ReleaseWorkspace), "{why}: the workspace is given back");
        }
    }
}

#[test]
fn after_a_try_that_may_have_started_something_it_is_first_found_out_whether_it_has() {
    for (happens, next, why) in HAPPENS {
        let mut view = cleared(1);
        happens(&mut view);
        let step = decide(&view);
        assert!(!starts(&step), "{why}");
        assert_eq!(step.status.step.name, StepName::Apply, "{why}: it is looked for");
        assert!(works(&step.status), "{why}: the workspace is kept meanwhile");
        assert!(step.wake.is_some_and(|wake| wake > 0), "{why}");
        view.now = Time(990_000 + 300_000);
        let step = decide(&view);
        assert!(!starts(&step), "{why}");
        assert_eq!(step.status.step.name, next, "{why}: nothing was started");
    }
}

#[test]
fn on_hold_a_start_that_may_have_been_carried_out_is_looked_for_and_nothing_more_started() {
    for kind in [BuildKind::Plan, BuildKind::Apply] {
        let mut view = cleared(1);
        if kind == BuildKind::Plan {
            view.status.step.name = StepName::Plan;
            view.seen = Seen::Workspace(None);
        }
        view.hold = Some("on hold".into());
        let step = decide(&view);
        assert!(!starts(&step) && works(&step.status), "{kind:?}");
        assert!(ready(&step.status).1.contains("on hold"), "{:?}", ready(&step.status));
        view.now = Time(990_000 + 300_000);
        view.status = decide(&view).status;
        let step = decide(&view);
        assert_eq!(ready(&step.status).0, reason::ON_HOLD, "{kind:?}");
        assert!(!works(&step.status) && step.effects.contains(&Effect::ReleaseWorkspace), "{kind:?}");
    }
}

#[test]
fn a_build_that_a_try_has_started_is_recorded_and_seen_to_its_end_whatever_came_since() {
    for (happens, _, why) in HAPPENS {
        let mut view = cleared(1);
        happens(&mut view);
        let running = BuildState { id: "apply:1".into(), ..BuildState::default() };
        view.seen = Seen::Build(Some(running));
        let step = decide(&view);
        assert_eq!(step.status.recovery.build.as_ref().map(|b| b.id.as_str()), Some("apply:1"), "{why}");
        assert_eq!((step.status.step.name, step.effects), (StepName::Apply, vec![Effect::NoteBuild]), "{why}");
    }
}

#[test]
fn a_window_that_closed_before_the_start_opens_for_the_same_plan_and_nobody_is_told_twice() {
    let mut view = cleared(0);
    closed(&mut view);
    view.status = decide(&view).status;
    policy(&mut view).windows.clear();
    let step = decide(&view);
    assert_eq!((step.status.step.name, step.status.step.attempt), (StepName::Apply, 1));
    assert!(!step.effects.contains(&Effect::Tell(Moment::Recovering)));
    assert!(step.status.recovery.committed_to.is_some());
}

#[test]
fn its_own_place_among_the_applies_of_the_policy_is_not_asked_for_twice() {
    let mut view = cleared(0);
    let Seen::AtGate(seen) = &mut view.seen else { panic!("at the gate") };
    seen.applying = 9;
    assert!(starts(&decide(&view)), "two that wait for each other would never start");
}

#[test]
fn what_clears_says_what_it_takes_also_where_a_storm_has_come_since() {
    let gate = planned(StepName::Gate, &["t.a"]);
    let alone = Reserve { in_storm: false, is_stored: false };
    assert_eq!(decide(&gate).reserve, Some(alone), "one workspace has one writer");
    let mut view = cleared(0);
    assert_eq!(decide(&view).reserve, Some(alone));
    overdone(&mut view);
    assert_eq!(decide(&view).reserve, None, "it asks");
    policy(&mut view).classification.criticality = Criticality::Critical;
    let step = decide(&view);
    assert!(starts(&step));
    assert_eq!(step.reserve, Some(Reserve { in_storm: true, is_stored: true }));
}

#[test]
fn the_pauses_of_a_start_that_does_not_go_well_grow_though_the_gate_is_asked_in_between() {
    let mut view = cleared(0);
    let refused = NotStarted::Fault(Fault::new("starting", FaultClass::Denied, "no"));
    let mut pauses = Vec::new();
    for _ in 0..3 {
        view.status = decide(&view).status;
        let (status, pause) = not_started(&view.status, &refused, "i", view.now);
        assert!(!works(&status), "nothing of it runs, so that nobody waits for it");
        (view.status, view.now) = (status, view.now.plus_millis(pause));
        pauses.push(pause);
    }
    assert!(pauses[0] < pauses[1] && pauses[1] < pauses[2], "{pauses:?}");
}

#[test]
fn whoever_waits_gives_the_workspace_back() {
    let fault = Fault::new("reading", FaultClass::Denied, "no");
    for step in [StepName::Plan, StepName::Gate, StepName::Apply] {
        let mut waits = planned(step, &["t.a"]);
        waits.seen = Seen::Trouble(fault.clone());
        let step = decide(&waits);
        assert!(!works(&step.status) && step.effects == [Effect::ReleaseWorkspace], "{step:?}");
    }
    for error in ["StateLocked", "ApplyFailed"] {
        let mut failed = view(StepName::Apply);
        let ended = BuildState {
            id: "apply:1".into(),
            status: BuildStatus::Failed,
            error: Some(BuildError::of(error)),
            ..BuildState::default()
        };
        failed.status = started(&failed.status, BuildKind::Apply, &ended, failed.now);
        failed.seen = Seen::Build(Some(ended));
        let step = decide(&failed);
        assert!(step.status.recovery.next_attempt_time.is_some(), "{error}: it waits");
        assert!(!works(&step.status) && step.effects.contains(&Effect::ReleaseWorkspace), "{error}");
    }
    let mut runs = view(StepName::Plan);
    let build = BuildState { id: "plan:1".into(), ..BuildState::default() };
    runs.status = started(&runs.status, BuildKind::Plan, &build, runs.now);
    runs.seen = Seen::Trouble(fault);
    let step = decide(&runs);
    assert!(works(&step.status) && step.effects.is_empty(), "its build runs all the same");
}

#[test]
fn a_second_question_gives_the_workspace_back_like_the_first() {
    let mut view = planned(StepName::Gate, &["t.a"]);
    policy(&mut view).approval = None;
    view.status.approval.as_mut().expect("it is asked").asked_at = Some(Time(999_000));
    let step = decide(&view);
    assert_eq!(step.status.phase, Phase::AwaitingApproval);
    assert_eq!(step.effects, [Effect::ReleaseWorkspace]);
}

#[test]
fn what_was_decided_long_ago_is_not_carried_out_but_decided_again() {
    let status = decide(&cleared(0)).status;
    let intent = status.recovery.intent.as_ref().expect("it is wanted");
    assert!(is_recent(intent, Time(1_060_000)) && !is_recent(intent, Time(1_060_001)));
    let (status, _) = not_started(&status, &NotStarted::Late, "i", Time(2_000_000));
    assert_eq!(status.recovery.intent.map(|i| i.tries), Some(0), "it has certainly started nothing");
}

#[test]
fn what_people_are_asked_stands_once_and_whole() {
    let addresses: Vec<String> = (0..5).map(|i| format!("t.{}{i}", "a".repeat(1000))).collect();
    let addresses: Vec<&str> = std::iter::once("t.a").chain(addresses.iter().map(String::as_str)).collect();
    let mut view = planned(StepName::Gate, &addresses);
    policy(&mut view).plan.unexplained = Unexplained::Ask;
    let status = decide(&view).status;
    let said = ready(&status).1;
    assert!(said.contains("kubectl reforge approve i -n n") && said.ends_with("}]'"), "{said}");
    for condition in status.conditions.iter().filter(|c| c.r#type != "Ready") {
        assert!(!condition.message.contains("kubectl"), "{condition:?}");
        assert!(!condition.message.is_empty(), "{condition:?}");
    }
}

#[test]
fn an_apply_is_started_by_nothing_but_the_gates_answer() {
    for seen in [Seen::Workspace(None), Seen::Nothing, Seen::Workspace(Some("n/other".into()))] {
        let mut view = cleared(0);
        view.seen = seen.clone();
        assert!(!starts(&decide(&view)), "{seen:?}");
    }
}

#[test]
fn a_record_that_was_judged_before_a_start_is_not_judged_again_before_the_next() {
    let mut view = cleared(0);
    let verdict =
        json!({"verdict": "Tampering", "confidencePercent": 90, "by": "Rules", "record": "r", "reason": "it says who"});
    let Seen::AtGate(seen) = &mut view.seen else { panic!("at the gate") };
    seen.judged_again = Some(serde_json::from_value(verdict).expect("a verdict"));
    let step = decide(&view);
    assert!(starts(&step));
    assert_eq!(step.status.classification.and_then(|c| c.record).as_deref(), Some("r"));
}

#[test]
fn without_a_policy_a_start_that_may_have_been_carried_out_keeps_the_workspace_until_it_would_be_over() {
    let mut view = cleared(1);
    (view.policy, view.seen) = (PolicyState::Gone, Seen::Nothing);
    let step = decide(&view);
    assert!(works(&step.status) && step.effects.is_empty(), "nobody can look for it");
    assert_eq!(step.wake, Some(28_790_000));
    (view.status, view.now) = (step.status, view.now.plus_millis(28_790_000));
    let step = decide(&view);
    assert_eq!((ready(&step.status).0, works(&step.status)), (reason::POLICY_GONE, false));
    assert_eq!(step.effects, [Effect::ReleaseWorkspace]);
}

#[test]
fn a_next_attempt_begins_at_its_time_and_not_before() {
    let mut view = cleared(0);
    let at = |ms: i64| Some(Time(1_000_000 + ms));
    view.status.recovery.next_attempt_time = at(1);
    let waits = decide(&view);
    assert_eq!((starts(&waits), waits.wake), (false, Some(1)));
    for come in [at(0), at(-1)] {
        view.status.recovery.next_attempt_time = come;
        assert!(starts(&decide(&view)), "{come:?}");
    }
}

#[test]
fn who_waits_for_the_workspace_says_for_whom() {
    let mut view = cleared(0);
    view.seen = Seen::Workspace(Some("n/other".into()));
    let step = decide(&view);
    assert_eq!((ready(&step.status).0, step.wake), (reason::WORKSPACE_BUSY, Some(POLL_WORKSPACE)));
    assert!(ready(&step.status).1.contains("n/other"));
}

#[test]
fn a_build_that_runs_is_looked_at_again_and_said_to_be_at_work_once_that_is_seen() {
    let mut runs = view(StepName::Apply);
    let running = BuildState { id: "apply:1".into(), ..BuildState::default() };
    runs.status = started(&runs.status, BuildKind::Apply, &running, runs.now);
    runs.seen = Seen::Build(Some(running));
    let step = decide(&runs);
    assert_eq!((step.status.step.name, step.wake), (StepName::Apply, Some(POLL_BUILD)));
    assert_eq!(step.status.recovery.failures, 0);
    let fault = Fault::new("asking CodeBuild", FaultClass::Transient, "no");
    super::super::trouble::tell(&mut runs.status, &fault, "i", Time(0));
    runs.now = Time(100_000);
    let step = decide(&runs);
    assert_eq!((ready(&step.status).1, step.wake), ("Build apply:1 applies the plan", Some(POLL_BUILD)));
}

#[test]
fn what_is_being_started_and_what_is_looked_for_is_named_by_its_kind() {
    for (kind, name, why) in
        [(BuildKind::Plan, StepName::Plan, reason::PLANNING), (BuildKind::Apply, StepName::Apply, reason::APPLYING)]
    {
        let mut view = cleared(0);
        view.status.step.name = name;
        if kind == BuildKind::Plan {
            view.seen = Seen::Workspace(None);
        }
        let step = decide(&view);
        assert_eq!((ready(&step.status).0, step.effects), (why, vec![Effect::StartBuild(kind)]));
        let intent = view.status.recovery.intent.as_mut().expect("it is wanted");
        (intent.tries, intent.last_try_time) = (1, Some(Time(990_000)));
        policy(&mut view).suspend = true;
        let step = decide(&view);
        assert!(!starts(&step), "{kind:?}");
        assert_eq!(ready(&step.status).0, why);
        assert!(ready(&step.status).1.ends_with("the policy is suspended"), "{}", ready(&step.status).1);
    }
}

#[test]
fn a_plan_is_started_by_no_look_at_the_gate() {
    let mut view = cleared(0);
    view.status.step.name = StepName::Plan;
    let step = decide(&view);
    assert_eq!((starts(&step), step.status.step.name), (false, StepName::Plan));
}
