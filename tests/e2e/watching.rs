//! What comes by another way than CloudTrail's.

use std::time::Duration;

use sandbox::{BuildInfo, NAMESPACE, name_of};
use serde_json::Value;

use crate::world::{in_turn, message, phase, reason};

fn origin(incident: &Value) -> &str {
    incident["spec"]["event"]["origin"].as_str().unwrap_or_default()
}

#[test]
fn a_state_change_and_its_record_are_one_incident() {
    in_turn(async |world| {
        // What happens within a minute of an apply of ours may be its doing, and waits for that.
        let is_recent = |build: &BuildInfo| {
            let ended = build.end.map_or(0, |end| jiff::Timestamp::now().duration_since(end).as_secs());
            build.project == "aiops-ec2-recovery" && ended <= 61
        };
        while world.sandbox.edge().builds().iter().any(is_recent) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let faults = world.sandbox.edge().faults();
        faults.set_instance_states(true);
        faults.hold_delivery();
        let name = world.broken("ec2").await;
        let told = world.incident(&name);
        assert_eq!(origin(&told), "StateChange", "the record is held back: {told:#}");
        // Planned already, it waits for who did it.
        let waits = |i: &Value| i["status"]["gate"]["decision"] == "Wait";
        let waiting = world.until(&name, "waiting for its record", waits).await;
        assert!(message(&waiting).contains("says who did it"), "{waiting:#}");
        assert!(world.builds(&name, "-recovery").is_empty());

        let before = world.names("ec2").await;
        faults.release_delivery();
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        let evidence = &incident["status"]["evidence"][0];
        assert_eq!(evidence["origin"], "CloudTrail", "{incident:#}");
        assert!(evidence["actor"]["arn"].as_str().is_some_and(|arn| arn.contains("mallory")), "{evidence:#}");
        let after = world.names("ec2").await;
        let younger: Vec<&String> = after.difference(&before).collect();
        let [younger] = &younger[..] else { panic!("the record opens one Incident: {younger:?}") };
        let younger = world.ended(younger).await;
        assert_eq!((phase(&younger), reason(&younger)), ("Dismissed", "Duplicate"), "{younger:#}");
        assert_eq!(younger["status"]["duplicateOf"], format!("{NAMESPACE}/{name}"));
        assert!(world.builds(&name_of(&younger), "").is_empty(), "the younger one starts nothing");
        assert!(world.told(&name).await.iter().any(|m| m.contains("mallory")), "people hear who did it");
    });
}
