use crate::catalog::{Catalog, Undo};
use crate::incident::fixture::{planned, policy, report};
use crate::incident::view::View;
use reforge_api::StepName;

use super::*;

/// An Incident about a resource of this type, lost by this call.
fn incident(view: &View, r#type: &str, call: &str) -> Incident {
    let mut incident = Incident::new("i", view.spec.clone());
    incident.metadata.uid = Some("uid".into());
    incident.spec.event.name = call.into();
    incident.spec.event.time = Time::parse("2026-01-02T03:04:05Z").expect("a time");
    incident.spec.resource.r#type = r#type.into();
    incident.status = Some(view.status.clone());
    incident
}

/// What a build is started with for it.
fn order(change: &dyn Fn(&mut View, &mut Incident), r#type: &str, call: &str, kind: BuildKind) -> Order {
    let mut view = planned(StepName::Apply, &["t.a"]);
    let mut incident = incident(&view, r#type, call);
    change(&mut view, &mut incident);
    let policy = policy(&mut view).clone();
    let listed = &policy.recovery.workspaces[0];
    let intent = view.status.recovery.intent.clone().expect("it is wanted");
    let entry = Catalog::builtin().entry(r#type);
    order_of(&incident, &view.status, (listed, &intent, &policy.recovery), entry, kind)
}

#[test]
fn a_plan_is_told_what_to_look_up_and_an_apply_only_which_plan() {
    let plan = order(&|_, _| {}, "dynamodb", "DeleteTable", BuildKind::Plan);
    assert_eq!((plan.project.as_str(), plan.plan.as_ref()), ("plan", None));
    assert_eq!(plan.restore.map(|r| r.time).as_deref(), Some("2026-01-02T03:04:04Z"));
    let apply = order(&|_, _| {}, "dynamodb", "DeleteTable", BuildKind::Apply);
    assert_eq!((apply.project.as_str(), apply.source_version.as_deref()), ("apply", Some("commit")));
    assert_eq!(apply.plan.map(|(build, _)| build).as_deref(), Some("1"));
    assert!(apply.restore.is_none() && apply.undo.is_none());
}

#[test]
fn an_undo_is_for_the_addresses_of_the_inventory_and_for_a_plan() {
    let stopped = |kind| order(&|_, _| {}, "ec2", "StopInstances", kind).undo;
    assert_eq!(stopped(BuildKind::Plan), Some((Undo::StartInstances, vec!["t.a".to_owned()])));
    assert_eq!(stopped(BuildKind::Apply), None);
}

#[test]
fn data_is_brought_back_where_there_was_some_and_its_loss_has_a_time() {
    let restored = |change: &dyn Fn(&mut View, &mut Incident), r#type: &str, call: &str| {
        order(change, r#type, call, BuildKind::Plan).restore.map(|r| r.time)
    };
    let time = Some("2026-01-02T03:04:04Z".to_owned());
    assert_eq!(restored(&|_, i| i.spec.event.origin = Origin::StateChange, "dynamodb", "DeleteTable"), time);
    assert_eq!(restored(&|_, i| i.spec.change = Change::Modified, "dynamodb", "UpdateTable"), None);
    assert_eq!(restored(&|_, _| {}, "lambda", "DeleteFunction"), None, "there is none");
    let late: &dyn Fn(&mut View, &mut Incident) = &|_, i| i.spec.event.origin = Origin::Config;
    assert_eq!(restored(late, "dynamodb", "ConfigResourceDeleted"), None, "nobody knows when");
    let recorded: &dyn Fn(&mut View, &mut Incident) = &|view, i| {
        late(view, i);
        i.status.as_mut().expect("it stands").evidence = vec![report(Origin::CloudTrail)];
    };
    assert_eq!(restored(recorded, "dynamodb", "ConfigResourceDeleted"), Some("1970-01-01T00:00:00Z".to_owned()));
}

#[test]
fn a_plan_is_made_from_what_recovered_well_else_from_what_the_policy_says() {
    let from = |change: &dyn Fn(&mut View), kind: BuildKind| {
        order(&|view, _| change(view), "dynamodb", "DeleteTable", kind).source_version
    };
    assert_eq!(from(&|_| {}, BuildKind::Plan), None, "what the project's source says");
    let pinned: &dyn Fn(&mut View) = &|view| policy(view).recovery.workspaces[0].source_version = Some("pinned".into());
    assert_eq!(from(pinned, BuildKind::Plan).as_deref(), Some("pinned"));
    let rolled_back: &dyn Fn(&mut View) = &|view| {
        pinned(view);
        view.status.recovery.rolled_back_to = Some("good".into());
    };
    assert_eq!(from(rolled_back, BuildKind::Plan).as_deref(), Some("good"));
    let unknown: &dyn Fn(&mut View) = &|view| view.status.plan.as_mut().expect("a plan").source_version = String::new();
    assert_eq!(from(unknown, BuildKind::Apply), None, "an empty version is none");
}

#[test]
fn each_attempt_and_kind_of_an_incident_has_a_token_of_its_own_that_stays() {
    let token = |attempt: u32, kind: BuildKind| {
        order(&|view, _| view.status.step.attempt = attempt, "dynamodb", "DeleteTable", kind).token
    };
    let first = token(1, BuildKind::Plan);
    assert_eq!((first.len(), token(1, BuildKind::Plan)), (64, first.clone()));
    assert_ne!(token(2, BuildKind::Plan), first);
    assert_ne!(token(1, BuildKind::Apply), first);
    let another: &dyn Fn(&mut View, &mut Incident) = &|_, i| i.metadata.uid = Some("another".into());
    assert_ne!(order(another, "dynamodb", "DeleteTable", BuildKind::Plan).token, first, "made again under its name");
}

#[test]
fn a_workspace_is_what_the_policy_lists_under_its_name_now() {
    let mut view = planned(StepName::Plan, &["t.a"]);
    let mut workspace = view.status.workspace.clone().expect("a workspace");
    let policy = policy(&mut view).clone();
    assert_eq!(listed(&policy, &workspace).map(|w| w.project.as_str()).ok(), Some("apply"));
    workspace.name = "bank".into();
    let fault = listed(&policy, &workspace).expect_err("it is not listed").to_string();
    assert!(fault.contains("looking for workspace bank") && fault.contains("no longer lists it"), "{fault}");
}
