//! What holds work back: holds, storms, windows. Each names what it waits for, and goes on when that is over.

use sandbox::incident::{message, phase, reason};
use sandbox::{Caller, NAMESPACE};
use serde_json::json;

use crate::world::{alone, side_by_side};

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
fn in_a_storm_a_critical_resource_draws_on_what_is_left_and_the_next_one_asks() {
    // Alone, since others say that a storm is over.
    alone(async |stage| {
        let here = stage.here();
        stage.patch_policy(&json!({"limits": {"stormThreshold": 1, "stormWindow": "1h"}}));
        let other = stage.declare("other").await;
        // Both are there before a plan of the first is, by two actors: neither floods.
        stage.script.pause();
        let first = stage.broken().await;
        let elsewhere = async || stage.put(Caller::Terraform, &other, "hacked").await;
        let second = here.opened_by("ssm", elsewhere).await;
        stage.script.go_on();
        let asks = async |name: &str| {
            let looked = here.until(name, "asking or over", |i| ["AwaitingApproval", "Recovered"].contains(&phase(i)));
            phase(&looked.await) == "AwaitingApproval"
        };
        let asked = [asks(&first).await, asks(&second).await];
        assert_eq!(asked.iter().filter(|asked| **asked).count(), 1, "one of them has drawn all that is left");

        let leases = ["get", "leases", "-n", NAMESPACE, "-o", "json"];
        let leases: serde_json::Value = serde_json::from_str(&stage.kubectl(&leases)).expect("JSON");
        let policy = format!("{}/{}", stage.name, stage.policy);
        let annotations = |lease: &serde_json::Value| lease["metadata"]["annotations"].clone();
        let mut all = leases["items"].as_array().expect("Leases").iter().map(annotations);
        let ours = all.find(|a| a["reforge.dev/policy"] == policy.as_str()).expect("a Lease of the policy");
        let reserved = ours["reforge.dev/reservations"].as_str().expect("it says who");
        let drawn = if asked[0] { &second } else { &first };
        assert!(reserved.contains(drawn.as_str()) && reserved.contains("inStorm"), "{reserved}");
        let waits = if asked[0] { &first } else { &second };
        stage.approve(waits);
        let incident = here.ended(waits).await;
        assert_eq!(phase(&incident), "Recovered", "a human's word goes before a limit: {incident:#}");
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
