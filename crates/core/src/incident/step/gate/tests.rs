use reforge_api::{Classification, Decision, Phase};
use serde_json::json;

use crate::incident::decide::decide;
use crate::incident::fixture::{decides, planned, policy, ready, report};
use crate::policy::limits::Apply;

use super::*;

/// At the gate, told of by a source that does not say who did it, at a time; the event was at the first.
fn nobody_known(origin: Origin, now: i64) -> View {
    let mut view = planned(StepName::Gate, &["t.a"]);
    view.spec.event.origin = origin;
    view.now = Time(now);
    view
}

#[test]
fn what_nobody_is_known_to_have_done_waits_as_long_as_a_record_may_come_and_then_asks() {
    for origin in [Origin::StateChange, Origin::Config] {
        let waits = decide(&nobody_known(origin, 899_999));
        assert_eq!((ready(&waits.status).0, waits.wake), (reason::WAITING, Some(1)), "{origin:?}");
        let asks = decide(&nobody_known(origin, 900_000)).status;
        assert!(ready(&asks).1.contains("no record says who did it"), "{origin:?}: {}", ready(&asks).1);
    }
    let drift = decide(&nobody_known(Origin::Drift, 0)).status;
    assert_eq!(drift.phase, Phase::AwaitingApproval, "no record will come of what a plan found");
}

#[test]
fn one_record_says_who_did_it_and_two_do_not() {
    let with = |reports: Vec<Evidence>| {
        let mut view = nobody_known(Origin::StateChange, 600_000);
        view.evidence = (reports, 0);
        decide(&view).status
    };
    let (record, notice) = (report(Origin::CloudTrail), report(Origin::Config));
    assert_eq!(with(vec![record.clone(), notice.clone()]).step.name, StepName::Apply);
    assert_eq!(ready(&with(vec![notice])).0, reason::WAITING);
    let several = with(vec![record.clone(), record]);
    assert!(ready(&several).1.contains("several calls may have done it"), "{}", ready(&several).1);
}

#[test]
fn people_are_asked_once_and_reminded_once_halfway() {
    let mut view = planned(StepName::Gate, &["t.a"]);
    policy(&mut view).approval =
        Some(serde_json::from_value(json!({"mode": "Always", "expiresAfter": "4m"})).expect("an approval"));
    let told = Effect::Tell(Moment::AwaitingApproval);
    for (seconds, wake, is_told, begins) in [
        (0, 120_000, true, "A human"),
        (60, 60_000, false, "A human"),
        (120, 120_000, true, "Reminder: a human"),
        (180, 60_000, false, "Reminder"),
    ] {
        view.now = Time(1_000_000 + seconds * 1000);
        let step = decide(&view);
        assert_eq!((step.wake, step.effects.contains(&told)), (Some(wake), is_told), "after {seconds} s");
        assert!(ready(&step.status).1.starts_with(begins), "after {seconds} s: {}", ready(&step.status).1);
        view.status = step.status;
    }
}

#[test]
fn a_decision_counts_from_when_it_was_first_seen() {
    let mut view = planned(StepName::Gate, &["t.a"]);
    policy(&mut view).approval =
        Some(serde_json::from_value(json!({"mode": "Always", "approvers": 3})).expect("an approval"));
    let seen = |view: &View| {
        let asked = view.status.approval.as_ref().expect("it is asked");
        asked.seen.iter().map(|s| (s.by.clone(), s.at.0)).collect::<Vec<_>>()
    };
    decides(&mut view, "ann", Decision::Approve);
    view.status = decide(&view).status;
    decides(&mut view, "ben", Decision::Approve);
    decides(&mut view, "cleo", Decision::Approve);
    view.spec.approvals[2].change_digest = "of another plan".into();
    view.now = view.now.plus_seconds(60);
    view.status = decide(&view).status;
    assert_eq!(seen(&view), [("ann".to_owned(), 1_000_000), ("ben".to_owned(), 1_060_000)]);
}

#[test]
fn the_same_plan_stays_asked_about_and_another_says_what_is_different() {
    let plan = |change: &dyn Fn(&mut serde_json::Value)| -> Plan {
        let mut plan = json!({"build": "p:0", "digest": "d", "changeDigest": "same", "sourceVersion": "c1",
            "policyGeneration": 1, "policyUid": "u", "changesTotal": 1,
            "changes": [{"address": "t.a", "type": "t", "actions": ["create"]}]});
        change(&mut plan);
        serde_json::from_value(plan).expect("a plan")
    };
    let before = plan(&|_| {});
    let asked = || {
        let mut status = IncidentStatus::default();
        renew(&mut status, None, &before);
        status.approval.as_mut().expect("it is asked").asked_at = Some(Time(1));
        status
    };
    let mut status = asked();
    renew(&mut status, Some(&before), &plan(&|p| p["build"] = "p:1".into()));
    assert_eq!(status, asked());
    let cases: [(&dyn Fn(&mut serde_json::Value), &str); 6] = [
        (
            &|p| p["changes"][0]["actions"] = json!(["update"]),
            "it would also update t.a; it would no longer create t.a",
        ),
        (&|p| p["changes"] = json!([]), "it would no longer create t.a"),
        (&|p| p["sourceVersion"] = "c2".into(), "the Terraform is of c2 and not of c1"),
        (&|p| p["policyGeneration"] = 2.into(), "the policy was changed"),
        (&|p| p["policyUid"] = "v".into(), "the policy was changed"),
        (&|_| {}, "other values would be written to the same attributes"),
    ];
    for (change, said) in cases {
        let mut status = asked();
        let other = plan(&|p| {
            p["changeDigest"] = "another".into();
            change(p);
        });
        renew(&mut status, Some(&before), &other);
        let approval = status.approval.expect("it is asked");
        assert_eq!((approval.asked_at, approval.changed.as_deref()), (None, Some(said)));
    }
    let mut unasked = IncidentStatus::default();
    renew(&mut unasked, Some(&before), &before);
    assert_eq!(unasked.approval.and_then(|a| a.changed), None, "nobody was asked about the plan before");
}

#[test]
fn what_is_undone_again_and_again_is_tampering() {
    let after = |verdict: &str| {
        let mut view = planned(StepName::Gate, &["t.a"]);
        let said = json!({"verdict": verdict, "confidencePercent": 90, "by": "Rules", "reason": "a slip"});
        view.status.classification = Some(serde_json::from_value(said).expect("a verdict"));
        let Seen::AtGate(seen) = &mut view.seen else { panic!("at the gate") };
        let resource = limits::resource_key(&view.spec);
        let actor = limits::actor_key(&view.spec.event.actor);
        let apply = |i: u32| Apply {
            at: Time(0),
            incident: format!("n/{i}"),
            attempt: 1,
            resource: resource.clone(),
            actor: actor.clone(),
        };
        seen.ledger.0 = (0..3).map(apply).collect();
        let classification: Classification = decide(&view).status.classification.expect("a verdict");
        (classification.verdict, classification.reason)
    };
    assert_eq!(after("Failure"), (Verdict::Tampering, "It was undone again and again. At first: a slip".to_owned()));
    assert_eq!(after("Tampering"), (Verdict::Tampering, "a slip".to_owned()), "it was known");
}

#[test]
fn where_an_apply_of_ours_did_not_end_well_it_may_have_put_the_resource_back() {
    let said = |kind: Option<&str>| {
        let mut view = planned(StepName::Gate, &[]);
        let Seen::AtGate(seen) = &mut view.seen else { panic!("at the gate") };
        seen.summary.unchanged.insert("t.a".into());
        let build = |kind| json!({"kind": kind, "id": "b:1", "status": "FAILED"});
        view.status.recovery.builds =
            kind.map(|k| serde_json::from_value(build(k)).expect("a build")).into_iter().collect();
        ready(&decide(&view).status).1.to_owned()
    };
    assert!(said(Some("Apply")).contains("may have put it back"));
    assert!(!said(Some("Plan")).contains("may have put it back") && !said(None).contains("may have put it back"));
}
