use reforge_api::{BuildKind, Check, Classification, Data, FaultClass, Origin, Time, Trouble, Verification};
use serde_json::json;

use crate::incident::builds::build_ref;
use crate::incident::fixture::{self, planned, ready};
use crate::incident::step::locate::POLL_RECORD;
use crate::incident::transition::{record_build, want};
use crate::plan::build::{BuildError, BuildState, BuildStatus};
use crate::plan::inventory::Location;
use crate::plan::summary::{PlanDigest, Summary};

use super::*;

#[test]
fn what_no_terraform_owns_is_one_write_and_nobody_hears_of_it() {
    let mut view = fixture::view(StepName::Locate);
    view.status.workspace = None;
    view.seen = Seen::Location(Location::NotManaged);
    let step = decide(&view);
    assert_eq!((step.status.step.name, ready(&step.status).0), (StepName::Ended, reason::NOT_MANAGED));
    assert!(step.effects.iter().all(|effect| *effect == Effect::ReleaseWorkspace), "{:?}", step.effects);
    view.spec.handling = Handling::Alert;
    assert!(decide(&view).effects.contains(&Effect::Tell(Moment::Failed)), "an alert is told");
}

fn verdict(verdict: &str) -> Classification {
    let said = json!({"verdict": verdict, "confidencePercent": 90, "by": "Rules", "reason": "it looks like it"});
    serde_json::from_value(said).expect("a verdict")
}

/// A resource that a workspace owns, as the look into the inventories says.
fn located(own_build: Option<&str>, now: i64) -> View {
    let mut view = fixture::view(StepName::Locate);
    view.seen = Seen::Location(Location::Owned(view.status.workspace.take().expect("a workspace")));
    view.spec.event.origin = Origin::StateChange;
    view.own_build = own_build.map(str::to_owned);
    view.now = Time(now);
    view
}

#[test]
fn a_new_incident_notes_when_it_happened_and_when_it_was_seen() {
    let mut view = fixture::view(StepName::Locate);
    view.status = IncidentStatus::default();
    (view.created, view.seen) = (Time(61_000), Seen::Nothing);
    let status = decide(&view).status;
    let line = &status.timeline;
    assert_eq!((line.event_time, line.detected_at), (Some(Time(0)), Some(Time(61_000))));
    assert_eq!(line.time_to_detect.as_deref(), Some("1m01s"));
    assert_eq!((status.step.attempt, status.phase), (1, Phase::Detected));
    assert!(ready(&status).1.contains("Looking for the Terraform workspace"));
}

#[test]
fn where_nothing_was_seen_and_nothing_changes_it_is_looked_again_in_a_second() {
    let mut view = fixture::view(StepName::Settle);
    view.seen = Seen::Nothing;
    let first = decide(&view);
    assert_eq!(first.wake, Some(0), "the status has changed");
    view.status = first.status;
    assert_eq!(decide(&view).wake, Some(POLL_AGAIN));
    view.seen = Seen::Settling(None);
    assert_eq!(decide(&view).wake, Some(0), "it goes on at once");
    view.seen = Seen::Settling(Some("DELETING".into()));
    view.status = decide(&view).status;
    view.status.timeline.classified_at = Some(Time(0));
    assert_eq!(decide(&view).wake, Some(15_000), "as long as was said");
}

#[test]
fn a_duplicate_ends_before_anything_is_done_and_wakes_the_one_that_goes_on() {
    let mut view = fixture::view(StepName::Locate);
    view.elder = Some("n/elder".into());
    let step = decide(&view);
    assert_eq!((step.status.phase, ready(&step.status).0), (Phase::Dismissed, reason::DUPLICATE));
    assert_eq!(step.status.duplicate_of.as_deref(), Some("n/elder"));
    assert_eq!((step.effects, step.wake), (vec![Effect::Wake("n/elder".into())], None));
    let mut later = planned(StepName::Gate, &["t.a"]);
    later.elder = Some("n/elder".into());
    assert_eq!(decide(&later).status.step.name, StepName::Apply, "one that is at work is not taken back");
}

#[test]
fn a_canary_ends_unheard_and_a_lost_one_is_told_as_such() {
    let mut view = fixture::view(StepName::Locate);
    view.spec.handling = Handling::Canary;
    let step = decide(&view);
    assert_eq!((step.status.phase, ready(&step.status).0), (Phase::Dismissed, reason::CANARY));
    assert_eq!(step.effects, [Effect::ReleaseWorkspace]);
    view.spec.handling = Handling::Alert;
    let said = |view: &View| ready(&decide(view).status).1.to_owned();
    assert!(said(&view).contains("DeleteTable by AWSService changed the dynamodb orders"), "{}", said(&view));
    view.spec.event.name = CANARY_LOST.into();
    assert!(said(&view).contains("has not come back"), "{}", said(&view));
}

#[test]
fn people_are_told_how_it_ended() {
    let told = |view: &View| {
        decide(view).effects.into_iter().find_map(|e| if let Effect::Tell(m) = e { Some(m) } else { None })
    };
    let mut view = fixture::view(StepName::Verify);
    let check = Check { name: "there".into(), passed: true, detail: String::new() };
    view.seen = Seen::Verified(Verification { checks: vec![check], new_id: None, new_arn: None, data: Data::Intact });
    assert_eq!(told(&view), Some(Moment::Recovered));
    let mut view = fixture::view(StepName::Classify);
    view.seen = Seen::Verdict(verdict("Normal"));
    assert_eq!(told(&view), Some(Moment::Dismissed));
    let mut view = fixture::view(StepName::Apply);
    view.seen = Seen::Build(Some(BuildState {
        id: "apply:1".into(),
        status: BuildStatus::Failed,
        error: Some(BuildError::DigestMismatch),
        ..BuildState::default()
    }));
    record_build(
        &mut view.status,
        build_ref(BuildKind::Apply, &BuildState { id: "apply:1".into(), ..BuildState::default() }),
    );
    assert_eq!(told(&view), Some(Moment::Failed));
}

#[test]
fn a_verdict_lets_it_go_on_or_ends_it() {
    let mut view = fixture::view(StepName::Classify);
    view.seen = Seen::Verdict(verdict("Failure"));
    let step = decide(&view);
    assert_eq!((step.status.step.name, step.status.phase), (StepName::Settle, Phase::Classified));
    assert_eq!(
        (step.status.timeline.classified_at, step.effects),
        (Some(view.now), vec![Effect::Tell(Moment::Detected)])
    );
    assert_eq!(step.status.classification, Some(verdict("Failure")));
    view.seen = Seen::Verdict(verdict("Normal"));
    let status = decide(&view).status;
    assert_eq!((status.phase, ready(&status)), (Phase::Dismissed, (reason::NORMAL, "it looks like it")));
}

#[test]
fn what_an_apply_of_ours_may_have_done_waits_for_its_record() {
    let waits = |view: &View| decide(view).status.step.name == StepName::Locate;
    let view = located(Some("apply:1"), 899_999);
    assert!(waits(&view));
    let step = decide(&view);
    assert!(ready(&step.status).1.contains("The build apply:1 of ours was at work on it then"));
    assert_eq!(step.wake, Some(1), "until the record would be there");
    assert_eq!(decide(&located(Some("apply:1"), 600_000)).wake, Some(POLL_RECORD));
    assert!(!waits(&located(None, 600_000)), "no build of ours was at work");
    assert!(!waits(&located(Some("apply:1"), 900_000)), "no record will come any more");
    let mut known = located(Some("apply:1"), 600_000);
    known.evidence = (vec![fixture::report(Origin::CloudTrail)], 1);
    assert!(!waits(&known), "a record says who did it");
    known.evidence = (vec![fixture::report(Origin::Config)], 1);
    assert!(waits(&known), "another notice does not");
}

#[test]
fn a_summary_counts_for_the_incident_and_the_attempt_that_it_was_made_for() {
    let after = |incident: &str, attempt: u32| {
        let mut view = fixture::view(StepName::Plan);
        let summary = Summary { incident: incident.into(), attempt, ..Summary::default() };
        let build = BuildState { id: "plan:1".into(), status: BuildStatus::Succeeded, ..BuildState::default() };
        view.seen = Seen::Planned(Box::new(build), Some(Box::new((summary, PlanDigest::of(b"summary")))));
        decide(&view).status
    };
    let planned = after("i", 1);
    assert_eq!((planned.step.name, planned.recovery.failures), (StepName::Gate, 0));
    assert_eq!(planned.timeline.planned_at, Some(Time(1_000_000)));
    for other in [after("other", 1), after("i", 2), after("other", 2)] {
        assert_eq!((other.step.name, other.recovery.failures, other.plan.is_none()), (StepName::Plan, 1, true));
        assert!(ready(&other).1.contains("of another Incident or attempt"));
    }
}

#[test]
fn people_read_which_checks_are_open_and_not_those_that_passed() {
    let mut view = fixture::view(StepName::Verify);
    view.status.timeline.planned_at = Some(view.now);
    let check = |name: &str, passed| Check { name: name.into(), passed, detail: "said".into() };
    let checks = vec![check("there", true), check("ACTIVE", false)];
    view.seen = Seen::Verified(Verification { checks, new_id: None, new_arn: None, data: Data::Intact });
    assert_eq!(ready(&decide(&view).status).1, "Waiting for AWS: ACTIVE: said");
}

#[test]
fn what_did_not_go_well_is_forgotten_once_something_was_seen_and_not_before_a_start_went_well() {
    let trouble = |mut view: View| {
        let next_try_time = view.now.plus_seconds(-1);
        view.status.trouble = Some(Trouble { class: FaultClass::Throttled, tries: 3, since: Time(0), next_try_time });
        decide(&view).status.trouble.is_some()
    };
    assert!(!trouble(planned(StepName::Gate, &["t.a"])));
    assert!(trouble(planned(StepName::Apply, &["t.a"])), "the gate is open, and the start was refused");
    let mut free = fixture::view(StepName::Plan);
    want(&mut free.status, BuildKind::Plan, Vec::new(), Time(0));
    free.seen = Seen::Workspace(None);
    assert!(trouble(free), "the workspace is free, and the start was refused");
    let mut seen = fixture::view(StepName::Verify);
    seen.seen = Seen::Verified(Verification { checks: Vec::new(), new_id: None, new_arn: None, data: Data::Intact });
    assert!(!trouble(seen));
}

#[test]
fn an_older_one_that_is_known_late_is_given_way_to_and_the_workspace_with_it() {
    let mut view = fixture::planned(StepName::Gate, &["t.a"]);
    view.elder = Some("n/elder".to_owned());
    let step = decide(&view);
    assert_eq!((step.status.step.name, ready(&step.status).0), (StepName::Ended, reason::DUPLICATE));
    assert_eq!(step.effects, [Effect::ReleaseWorkspace, Effect::Wake("n/elder".to_owned())]);
    let mut cleared = fixture::planned(StepName::Apply, &["t.a"]);
    cleared.elder = Some("n/elder".to_owned());
    assert_ne!(decide(&cleared).status.step.name, StepName::Ended, "what is cleared is seen to its end");
}

#[test]
fn what_is_written_later_starts_nothing_and_is_counted_by_nobody() {
    let goes_on = |mut view: View, seen: Seen| {
        view.seen = seen;
        let step = decide(&view);
        assert_ne!(step.status, view.status);
        step.can_be_written_later(&view)
    };
    assert!(goes_on(fixture::view(StepName::Settle), Seen::Settling(None)), "a plan is wanted");
    assert!(!goes_on(fixture::view(StepName::Settle), Seen::Settling(Some("it deletes".into()))), "it waits");
    assert!(!goes_on(fixture::view(StepName::Locate), Seen::Location(Location::NotManaged)), "it has ended");
    let mut planning = fixture::view(StepName::Settle);
    planning.seen = Seen::Settling(None);
    planning.status = decide(&planning).status;
    assert!(!goes_on(planning, Seen::Workspace(None)), "a build is started");
    let gate = fixture::planned(StepName::Gate, &["t.a"]);
    let seen = gate.seen.clone();
    assert!(!goes_on(gate, seen), "others at the gate count it");
}
