//! What holds work back: holds, storms, windows. Each names what it waits for, and goes on when that is over.

use sandbox::incident::{message, phase, reason};
use sandbox::{Caller, NAMESPACE, name_of};
use serde_json::{Value, json};

use crate::world::side_by_side;

#[test]
fn on_hold_nothing_is_started_until_the_hold_is_lifted() {
    side_by_side(async |stage| {
        let here = stage.here();
        let other = stage.declare("other").await;
        let resources = format!("--from-literal=resources={}", stage.parameter);
        let hold = ["create", "configmap", "reforge-hold", "-n", NAMESPACE, "--from-literal=reason=a drill"];
        stage.kubectl(&[&hold[..], &[&resources]].concat());
        let name = stage.broken().await;
        let held = here.until(&name, "on hold", |i| reason(i) == "OnHold").await;
        let said = message(&held).to_owned();
        assert!(said.contains("a drill") && said.contains("kubectl delete configmap reforge-hold"), "{said}");
        assert!(stage.builds(&name, "").is_empty());
        let elsewhere = async || stage.put(Caller::Mallory, &other, "hacked").await;
        let elsewhere = here.opened_by("ssm", elsewhere).await;
        let planned = here.until(&elsewhere, "planned", |i| !i["status"]["recovery"]["build"].is_null()).await;
        assert_ne!(reason(&planned), "OnHold", "the hold is on something else: {planned:#}");
        assert_eq!(reason(&here.incident(&name)), "OnHold");
        assert!(stage.builds(&name, "").is_empty());

        stage.kubectl(&["delete", "configmap", "reforge-hold", "-n", NAMESPACE]);
        for name in [&name, &elsewhere] {
            let incident = here.ended(name).await;
            assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        }
    });
}

#[test]
fn a_suspended_policy_starts_nothing_until_it_goes_on() {
    side_by_side(async |stage| {
        stage.patch_policy(&json!({"suspend": true}));
        let name = stage.broken().await;
        let held = stage.here().until(&name, "suspended", |i| reason(i) == "Suspended").await;
        assert!(message(&held).contains(&format!("kubectl patch rpol {}", stage.policy)), "{held:#}");
        assert!(stage.builds(&name, "").is_empty());
        stage.patch_policy(&json!({"suspend": false}));
        let incident = stage.here().ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    });
}

#[test]
fn a_storm_asks_humans_until_one_says_that_it_is_over() {
    side_by_side(async |stage| {
        let here = stage.here();
        stage.patch_policy(&json!({"limits": {"stormThreshold": 1, "stormWindow": "1h"}}));
        // Both are there before a plan of the first is: its apply would cover the second as well.
        stage.script.pause();
        let first = stage.broken().await;
        let name = stage.broken().await;
        stage.script.go_on();
        let asked = here.until(&name, "asking a human", |i| phase(i) == "AwaitingApproval").await;
        assert!(message(&asked).contains("flood") || message(&asked).contains("storm"), "{asked:#}");
        stage.kubectl(&["create", "configmap", "reforge-storm-over", "-n", NAMESPACE]);
        for name in [&first, &name] {
            let incident = here.ended(name).await;
            assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        }
    });
}

#[test]
fn with_more_workspaces_than_places_each_clear_is_reserved_and_the_place_is_free_after() {
    side_by_side(async |stage| {
        let projects = ["recovery", "plan"].map(|kind| format!("aiops-{}-{kind}", stage.name));
        let workspace = |name: &str| json!({"name": name, "project": projects[0], "planProject": projects[1]});
        let workspaces = [workspace(&stage.name), workspace("of-nothing")];
        stage.patch_policy(&json!({"limits": {"maxConcurrent": 1}, "recovery": {"workspaces": workspaces}}));
        let policy = format!("{}/{}", stage.name, stage.policy);
        for _ in 0..2 {
            let incident = stage.broken_and_ended().await;
            assert_eq!(phase(&incident), "Recovered", "{incident:#}");
            let leases = stage.kubectl(&["get", "leases", "-n", NAMESPACE, "-o", "json"]);
            let leases: Value = serde_json::from_str(&leases).expect("JSON");
            let annotations = leases["items"].as_array().expect("Leases").iter().map(|l| &l["metadata"]["annotations"]);
            let ours = annotations.filter(|a| a["reforge.dev/policy"] == policy.as_str());
            let reserved: Vec<&str> = ours.filter_map(|a| a["reforge.dev/reservations"].as_str()).collect();
            let who = format!("{}/{}", stage.name, name_of(&incident));
            assert!(matches!(reserved[..], [one] if one.contains(&who)), "{who}: {reserved:?}");
            assert_eq!(reserved[0].matches("incident").count(), 1, "nobody else has a place: {reserved:?}");
        }
    });
}

#[test]
fn outside_of_its_window_an_incident_says_when_it_goes_on() {
    side_by_side(async |stage| {
        let never = json!([{"deny": {"from": "00:00", "to": "00:00", "timeZone": "Europe/Berlin"}}]);
        stage.patch_policy(&json!({"windows": never}));
        let name = stage.broken().await;
        let waiting = stage.here().until(&name, "waiting for its window", |i| reason(i) == "Waiting").await;
        assert!(message(&waiting).contains("denies changes daily from 00:00 to 00:00 Europe/Berlin"), "{waiting:#}");
        assert!(stage.builds(&name, "-recovery").is_empty());
        stage.patch_policy(&json!({"windows": null}));
        let incident = stage.here().ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    });
}

#[test]
fn a_policy_that_cannot_be_read_says_what_is_wrong() {
    side_by_side(async |stage| {
        let policy = format!("recoverypolicy/{}", stage.policy);
        let odd = json!({"windows": [{"deny": {"from": "10:00", "to": "11:00", "timeZone": "Europe/Atlantis"}}]});
        stage.patch_policy(&odd);
        let said = stage.kubectl(&["get", &policy, "-n", &stage.name, "-o", "yaml"]);
        assert!(said.contains("Europe/Atlantis") && said.contains("reason: Invalid"), "{said}");
        stage.patch_policy(&json!({"windows": null, "approval": {"mode": "When", "when": ["resource.idd == 1 &&"]}}));
        let said = stage.kubectl(&["get", &policy, "-n", &stage.name, "-o", "yaml"]);
        assert!(said.contains("approval.when"), "{said}");
    });
}
