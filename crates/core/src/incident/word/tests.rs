use reforge_api::{FaultClass, Phase, Time};

use crate::incident::decide::decide;
use crate::incident::fixture::{decides, planned, policy, ready};
use crate::words::fault::Fault;

use super::*;

/// An Incident whose people were asked 5 minutes before the present, and have so long to decide.
fn asked(patience: &str) -> View {
    let mut view = planned(StepName::Gate, &["t.a"]);
    let approval = serde_json::json!({"mode": "Always", "expiresAfter": patience});
    policy(&mut view).approval = serde_json::from_value(approval).expect("an approval");
    let now = std::mem::replace(&mut view.now, Time(700_000));
    view.status = decide(&view).status;
    assert_eq!(view.status.phase, Phase::AwaitingApproval);
    view.now = now;
    let fault = Fault::new("reading the summary", FaultClass::Denied, "no");
    view.seen = Seen::Trouble(fault);
    view
}

#[test]
fn a_denial_counts_at_the_gate_though_nothing_can_be_looked_at() {
    let mut view = asked("4h");
    view.status = decide(&view).status;
    view.seen = Seen::Nothing;
    assert!(decide(&view).wake.is_some_and(|wake| wake > 0), "it pauses");
    decides(&mut view, "ben", Decision::Deny);
    let status = decide(&view).status;
    assert_eq!((status.phase, ready(&status).0), (Phase::Dismissed, reason::DENIED));
}

#[test]
fn it_is_too_late_at_its_time_though_nothing_can_be_looked_at() {
    let mut view = asked("6m");
    let step = decide(&view);
    assert_eq!(step.status.step.name, StepName::Gate, "there is a minute left");
    assert_eq!(step.wake, Some(60_000), "and not longer than that is paused");
    (view.status, view.seen, view.now) = (step.status, Seen::Nothing, view.now.plus_seconds(60));
    let status = decide(&view).status;
    assert_eq!((status.phase, ready(&status).0), (Phase::Failed, reason::APPROVAL_EXPIRED));
    assert!(ready(&status).1.contains("approval.mode is Always"), "{}", ready(&status).1);
}

#[test]
fn an_approval_that_counts_is_not_too_late_while_nothing_can_be_looked_at() {
    let mut view = asked("4m");
    decides(&mut view, "ann", Decision::Approve);
    assert_eq!(decide(&view).status.step.name, StepName::Gate);
}

#[test]
fn a_denial_counts_before_a_start_though_nothing_can_be_looked_at() {
    let mut view = planned(StepName::Apply, &["t.a"]);
    view.seen = Seen::Trouble(Fault::new("reading the summary", FaultClass::Denied, "no"));
    decides(&mut view, "ben", Decision::Deny);
    assert_eq!(ready(&decide(&view).status).0, reason::DENIED);
    view.status.recovery.intent.as_mut().expect("it is wanted").tries = 1;
    assert_eq!(decide(&view).status.step.name, StepName::Apply, "a start may have been carried out");
}

#[test]
fn nobodys_time_runs_out_who_is_not_asked() {
    let mut view = asked("6m");
    assert_eq!(time_left(&view), Some(60_000));
    let mut applies = view.clone();
    applies.status.step.name = StepName::Apply;
    assert_eq!(time_left(&applies), None, "it was approved");
    let waiting = view.status.conditions.iter_mut().find(|c| c.r#type == condition::APPROVED).expect("it says");
    waiting.reason = reason::WAITING.into();
    assert_eq!(time_left(&view), None, "it waits for its window");
}
