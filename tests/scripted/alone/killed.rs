//! The operator killed where it hurts, and what it must remember all the same.

use sandbox::incident::{message, phase, reason};
use sandbox::name_of;
use serde_json::{Value, json};

use crate::world::{RIGHT, alone};

#[test]
fn killed_in_each_phase_it_finishes_with_one_apply_in_all() {
    alone(async |stage| {
        let here = stage.here();
        stage.patch_policy(&json!({"approval": {"mode": "Always"}}));
        // Detected: without S3 the inventory can't be read.
        let faults = stage.sandbox.edge().faults();
        faults.take_away("s3");
        let name = stage.broken().await;
        here.until(&name, "detected", |i| phase(i) == "Detected").await;
        stage.kill_operator();
        faults.bring_back("s3");
        // So that it is killed while the build runs, and not after it.
        stage.script.pause();
        stage.start_operator().await;

        let building = |i: &Value| i["status"]["recovery"]["build"]["status"] == "IN_PROGRESS";
        let planning = |i: &Value| phase(i) == "Classified" && building(i);
        here.until(&name, "planned", planning).await;
        stage.kill_operator();
        stage.script.go_on();
        stage.start_operator().await;

        here.until(&name, "waiting for a human", |i| phase(i) == "AwaitingApproval").await;
        stage.kill_operator();
        stage.approve(&name);
        stage.script.pause();
        stage.start_operator().await;

        here.until(&name, "recovering", |i| phase(i) == "Recovering").await;
        stage.kill_operator();
        stage.script.go_on();
        stage.start_operator().await;

        let incident = here.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(stage.value().await, RIGHT);
        assert_eq!(stage.builds(&name, "-plan").len(), 1, "planned once");
        assert_eq!(stage.builds(&name, "-recovery").len(), 1, "applied once");
        let told = stage.told(&name).await;
        let count = |what: &str| told.iter().filter(|m| m.contains(what)).count();
        assert!(count("The resource is back") >= 1, "{told:#?}");
    });
}

#[test]
fn a_resource_that_was_just_put_back_cools_down_first() {
    alone(async |stage| {
        let here = stage.here();
        let first = stage.broken_and_ended().await;
        assert_eq!(phase(&first), "Recovered", "{first:#}");
        stage.patch_policy(&json!({"limits": {"cooldown": "1h"}}));
        let name = stage.broken().await;
        let waiting = here.until(&name, "cooling down", |i| reason(i) == "Waiting").await;
        assert!(message(&waiting).contains("limits.cooldown is 1h"), "{waiting:#}");
        // What was applied is remembered by the operator's namespace, not by the Incident.
        stage.kubectl(&["delete", "incident", &name_of(&first), "-n", &stage.name]);
        stage.kill_operator();
        stage.start_operator().await;
        assert_eq!(reason(&here.incident(&name)), "Waiting");
        assert!(stage.builds(&name, "-recovery").is_empty());
        stage.patch_policy(&json!({"limits": {"cooldown": "0s"}}));
        let incident = here.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    });
}
