//! What the queue brings twice, or not at all: the sweep, the canary.

use std::time::{Duration, Instant};

use sandbox::incident::{has_ended, message, phase, reason};
use sandbox::name_of;
use serde_json::{Value, json};

use crate::world::alone;

fn origin(incident: &Value) -> &str {
    incident["spec"]["event"]["origin"].as_str().unwrap_or_default()
}

#[test]
fn an_event_that_is_delivered_twice_is_recovered_once() {
    alone(async |stage| {
        stage.sandbox.edge().faults().set_delivery_twice(true);
        let before = stage.here().names("ssm").await.len();
        let incident = stage.broken_and_ended().await;
        assert_eq!(phase(&incident), "Recovered");
        assert_eq!(stage.here().names("ssm").await.len(), before + 1);
        assert_eq!(stage.builds(&name_of(&incident), "-recovery").len(), 1);
        assert!(stage.metric("reforge_events_redelivered_total").await >= 1.0);
    });
}

#[test]
fn the_sweep_finds_what_the_queue_never_brought() {
    alone(async |stage| {
        stage.restart_with(|settings| settings["sweep"] = json!({"every": "1s", "lag": "2s"})).await;
        let faults = stage.sandbox.edge().faults();
        let lookups = || faults.calls("cloudtrail", "LookupEvents", None);
        let (start, before) = (Instant::now(), lookups());
        // What was before the first sweep of all is no gap.
        while lookups() == before {
            assert!(start.elapsed() < Duration::from_secs(60), "no sweep");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        faults.set_delivery_lost(true);
        let name = stage.broken().await;
        faults.set_delivery_lost(false);
        let incident = stage.here().ended(&name).await;
        assert_eq!((phase(&incident), origin(&incident)), ("Recovered", "CloudTrail"), "{incident:#}");
        assert!(stage.metric("reforge_events_missed_total ").await >= 1.0);
        // What the queue does bring is found again, and opens nothing.
        let missed = stage.metric("reforge_events_missed_total ").await;
        let other = stage.broken_and_ended().await;
        assert_eq!(phase(&other), "Recovered", "{other:#}");
        let seen = lookups();
        while lookups() < seen + 6 {
            assert!(start.elapsed() < Duration::from_secs(300), "the sweep stands still");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!((stage.metric("reforge_events_missed_total ").await - missed).abs() < 0.5);
        assert_eq!(faults.throttled_lookups(), 0, "never faster than CloudTrail allows");
    });
}

#[test]
fn a_canary_that_does_not_come_back_is_told() {
    alone(async |stage| {
        let canary = json!({"parameter": stage.sandbox.outputs().canary_parameter, "every": "12s", "patience": "6s"});
        stage.restart_with(|settings| settings["canary"] = canary).await;
        // It is nobody's resource: its Incidents are in the operator's own namespace.
        let operators = stage.operators();
        let is_back = |i: &Value| i["spec"]["handling"] == "Canary" && has_ended(i);
        let back = operators.found("ssm", "a canary that came back", is_back).await;
        assert_eq!((phase(&back), reason(&back)), ("Dismissed", "Canary"), "{back:#}");
        assert!(stage.messages(&name_of(&back)).await.is_empty(), "nobody is told of a canary");

        let before = operators.names("ssm").await;
        stage.sandbox.edge().faults().set_delivery_lost(true);
        let is_new = |i: &Value| !before.contains(&name_of(i));
        let is_lost = |i: &Value| i["spec"]["event"]["name"] == "CanaryLost" && phase(i) == "Failed" && is_new(i);
        let lost = operators.found("ssm", "a lost canary", is_lost).await;
        assert!(message(&lost).contains("events do not reach the queue"), "{lost:#}");
        let told = stage.told(&name_of(&lost)).await;
        assert_eq!(told.len(), 1, "people are told once: {told:?}");
    });
}
