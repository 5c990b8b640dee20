//! What holds work back: holds, windows, cool-downs. Each names what it waits for, and goes on when that is over.

use sandbox::NAMESPACE;
use serde_json::json;

use crate::world::{in_turn, message, phase, reason, scenario};

#[test]
fn on_hold_nothing_is_started_until_the_hold_is_lifted() {
    in_turn(async |world| {
        let hold = ["create", "configmap", "reforge-hold", "-n", NAMESPACE, "--from-literal=reason=a drill"];
        world.kubectl(&[&hold[..], &["--from-literal=resources=/myapp/*"]].concat());
        let broken = async || scenario("ssm").break_it(&world.sandbox).await.expect("broken");
        let name = world.opened_by("ssm", broken).await;
        let held = world.until(&name, "on hold", |i| reason(i) == "OnHold").await;
        let said = message(&held).to_owned();
        assert!(said.contains("a drill") && said.contains("kubectl delete configmap reforge-hold"), "{said}");
        assert!(world.builds(&name, "").is_empty());
        let elsewhere = world.broken_and_ended("dynamodb").await;
        assert_eq!(phase(&elsewhere), "Recovered", "the hold is on something else: {elsewhere:#}");
        assert_eq!(reason(&world.incident(&name)), "OnHold");

        world.kubectl(&["delete", "configmap", "reforge-hold", "-n", NAMESPACE]);
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    });
}

#[test]
fn a_suspended_policy_starts_nothing_until_it_goes_on() {
    in_turn(async |world| {
        world.patch_policy("ssm", &json!({"suspend": true}));
        let broken = async || scenario("ssm").break_it(&world.sandbox).await.expect("broken");
        let name = world.opened_by("ssm", broken).await;
        let held = world.until(&name, "suspended", |i| reason(i) == "Suspended").await;
        assert!(message(&held).contains("kubectl patch rpol ssm"), "{held:#}");
        assert!(world.builds(&name, "").is_empty());
        world.patch_policy("ssm", &json!({"suspend": false}));
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    });
}

#[test]
fn a_storm_asks_humans_until_one_says_that_it_is_over() {
    in_turn(async |world| {
        let limits = json!({"limits": {"stormThreshold": 1, "stormWindow": "1h"}});
        world.patch_policy("ssm", &limits);
        let broken = async || scenario("ssm").break_it(&world.sandbox).await.expect("broken");
        let first = world.opened_by("ssm", broken).await;
        let name = world.opened_by("ssm", broken).await;
        let asked = world.until(&name, "asking a human", |i| phase(i) == "AwaitingApproval").await;
        assert!(message(&asked).contains("flood") || message(&asked).contains("storm"), "{asked:#}");
        world.kubectl(&["create", "configmap", "reforge-storm-over", "-n", NAMESPACE]);
        for name in [&first, &name] {
            let incident = world.ended(name).await;
            assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        }
    });
}

#[test]
fn outside_of_its_window_an_incident_says_when_it_goes_on() {
    in_turn(async |world| {
        let never = json!([{"deny": {"from": "00:00", "to": "00:00", "timeZone": "Europe/Berlin"}}]);
        world.patch_policy("ssm", &json!({"windows": never}));
        let broken = async || scenario("ssm").break_it(&world.sandbox).await.expect("broken");
        let name = world.opened_by("ssm", broken).await;
        let waiting = world.until(&name, "waiting for its window", |i| reason(i) == "Waiting").await;
        assert!(message(&waiting).contains("denies changes daily from 00:00 to 00:00 Europe/Berlin"), "{waiting:#}");
        assert!(world.builds(&name, "-recovery").is_empty());
        world.patch_policy("ssm", &json!({"windows": null}));
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    });
}

#[test]
fn a_resource_that_was_just_put_back_cools_down_first() {
    in_turn(async |world| {
        let first = world.broken_and_ended("ssm").await;
        assert_eq!(phase(&first), "Recovered", "{first:#}");
        world.patch_policy("ssm", &json!({"limits": {"cooldown": "1h"}}));
        let broken = async || scenario("ssm").break_it(&world.sandbox).await.expect("broken");
        let name = world.opened_by("ssm", broken).await;
        let waiting = world.until(&name, "cooling down", |i| reason(i) == "Waiting").await;
        assert!(message(&waiting).contains("limits.cooldown is 1h"), "{waiting:#}");
        // What was applied is remembered by the operator's namespace, not by the Incident.
        let before = first["metadata"]["name"].as_str().expect("a name");
        world.kubectl(&["delete", "incident", before, "-n", NAMESPACE]);
        world.kill_operator();
        world.start_operator().await;
        assert_eq!(reason(&world.incident(&name)), "Waiting");
        assert!(world.builds(&name, "-recovery").is_empty());
        world.patch_policy("ssm", &json!({"limits": {"cooldown": "0s"}}));
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    });
}

#[test]
fn a_policy_that_cannot_be_read_says_what_is_wrong() {
    in_turn(async |world| {
        let odd = json!({"windows": [{"deny": {"from": "10:00", "to": "11:00", "timeZone": "Europe/Atlantis"}}]});
        world.patch_policy("ssm", &odd);
        let wait = ["wait", "-n", NAMESPACE, "--for=condition=Stalled", "recoverypolicy/ssm", "--timeout=30s"];
        world.kubectl(&wait);
        let said = world.kubectl(&["get", "recoverypolicy", "ssm", "-n", NAMESPACE, "-o", "yaml"]);
        assert!(said.contains("Europe/Atlantis") && said.contains("reason: Invalid"), "{said}");
        world.patch_policy(
            "ssm",
            &json!({"windows": null, "approval": {"mode": "When", "when": ["resource.idd == 1 &&"]}}),
        );
        let invalid = |text: &str| text.contains("approval.when");
        let mut said = String::new();
        for _ in 0..300 {
            said = world.kubectl(&["get", "recoverypolicy", "ssm", "-n", NAMESPACE, "-o", "yaml"]);
            if invalid(&said) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        assert!(invalid(&said), "{said}");
    });
}
