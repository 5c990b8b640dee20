//! What the queue does not bring, or brings by another way: state changes, the sweep, the canary, drift; and what Reforge
//! itself stands on.

use std::time::{Duration, Instant};

use sandbox::{Caller, NAMESPACE, name_of};
use serde_json::{Value, json};

use crate::gate::decide;
use crate::world::{World, condition, in_turn, message, phase, reason, scenario};

fn origin(incident: &Value) -> &str {
    incident["spec"]["event"]["origin"].as_str().unwrap_or_default()
}

/// Waits for an Incident of a type that is as wanted.
async fn found(world: &World, resource_type: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    world.incidents().await.find(resource_type, Duration::from_secs(180), wanted).await.expect(what)
}

#[test]
fn a_state_change_and_its_record_are_one_incident() {
    in_turn(async |world| {
        let faults = world.sandbox.edge().faults();
        faults.set_instance_states(true);
        faults.hold_delivery();
        let broken = async || scenario("ec2").break_it(&world.sandbox).await.expect("broken");
        let name = world.opened_by("ec2", broken).await;
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

#[test]
fn the_sweep_finds_what_the_queue_never_brought() {
    in_turn(async |world| {
        world.restart_with(|settings| settings["sweep"] = json!({"every": "1s", "lag": "2s"})).await;
        let faults = world.sandbox.edge().faults();
        let lookups = || faults.calls("cloudtrail", "LookupEvents", None);
        let start = Instant::now();
        // What was before the first sweep of all is no gap.
        while lookups() == 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "no sweep");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        faults.set_delivery_lost(true);
        let broken = async || scenario("ssm").break_it(&world.sandbox).await.expect("broken");
        let name = world.opened_by("ssm", broken).await;
        faults.set_delivery_lost(false);
        let incident = world.ended(&name).await;
        assert_eq!((phase(&incident), origin(&incident)), ("Recovered", "CloudTrail"), "{incident:#}");
        assert!(world.metric("reforge_events_missed_total ").await >= 1.0);
        // What the queue does bring is found again, and opens nothing.
        let missed = world.metric("reforge_events_missed_total ").await;
        let other = world.broken_and_ended("ssm").await;
        assert_eq!(phase(&other), "Recovered", "{other:#}");
        let seen = lookups();
        while lookups() < seen + 6 {
            assert!(start.elapsed() < Duration::from_secs(300), "the sweep stands still");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!((world.metric("reforge_events_missed_total ").await - missed).abs() < 0.5);
        assert_eq!(faults.throttled_lookups(), 0, "never faster than CloudTrail allows");
    });
}

#[test]
fn a_canary_that_does_not_come_back_is_told() {
    in_turn(async |world| {
        let canary = json!({"parameter": world.sandbox.outputs().canary_parameter, "every": "12s", "patience": "6s"});
        world.restart_with(|settings| settings["canary"] = canary).await;
        let is_back = |i: &Value| i["spec"]["handling"] == "Canary" && i["status"]["step"]["name"] == "Ended";
        let back = found(world, "ssm", "a canary that came back", is_back).await;
        assert_eq!((phase(&back), reason(&back)), ("Dismissed", "Canary"), "{back:#}");
        assert!(world.messages(&name_of(&back)).await.is_empty(), "nobody is told of a canary");

        let before = world.names("ssm").await;
        world.sandbox.edge().faults().set_delivery_lost(true);
        let is_new = |i: &Value| !before.contains(&name_of(i));
        let is_lost = |i: &Value| i["spec"]["event"]["name"] == "CanaryLost" && phase(i) == "Failed" && is_new(i);
        let lost = found(world, "ssm", "a lost canary", is_lost).await;
        assert!(message(&lost).contains("events do not reach the queue"), "{lost:#}");
        let told = world.told(&name_of(&lost)).await;
        assert_eq!(told.len(), 1, "people are told once: {told:?}");
    });
}

#[test]
fn what_reforge_stands_on_is_told_and_never_put_back() {
    in_turn(async |world| {
        let url = world.sandbox.outputs().queue_url.clone();
        let change = ["sqs", "set-queue-attributes", "--queue-url", &url, "--attributes", "VisibilityTimeout=61"];
        let changed = async || {
            world.aws(&change).await;
        };
        let name = world.opened_by("sqs", changed).await;
        let alert = world.ended(&name).await;
        assert_eq!((phase(&alert), reason(&alert)), ("Failed", "Plumbing"), "{alert:#}");
        assert!(message(&alert).contains("mallory") && message(&alert).contains("reforge-events"), "{alert:#}");
        assert!(world.builds(&name, "").is_empty(), "nothing is put back");
        assert_eq!(world.told(&name).await.len(), 1);
        let back = ["sqs", "set-queue-attributes", "--queue-url", &url, "--attributes", "VisibilityTimeout=60"];
        world.sandbox.aws(Caller::Terraform, &back).await.expect("put back");
    });
}

#[test]
fn a_project_that_was_changed_is_not_built() {
    in_turn(async |world| {
        let project = "aiops-ssm-plan";
        let role = async |arn: &str| {
            // A new role is of no use to CodeBuild for some seconds.
            let start = Instant::now();
            let update = ["codebuild", "update-project", "--name", project, "--service-role", arn];
            while let Err(error) = world.sandbox.aws(Caller::Mallory, &update).await {
                assert!(start.elapsed() < Duration::from_secs(60), "{error:#}");
            }
        };
        let trust = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": {"Service": "codebuild.amazonaws.com"}, "Action": "sts:AssumeRole",
        }});
        let make = ["iam", "create-role", "--role-name", "mallorys-own", "--assume-role-policy-document"];
        world.aws(&[&make[..], &[&trust.to_string()]].concat()).await;
        let read = ["codebuild", "batch-get-projects", "--names", project, "--query", "projects[0].serviceRole"];
        let before = world.aws(&[&read[..], &["--output", "text"]].concat()).await.trim().to_owned();
        role("arn:aws:iam::000000000000:role/mallorys-own").await;
        let broken = async || scenario("ssm").break_it(&world.sandbox).await.expect("broken");
        let name = world.opened_by("ssm", broken).await;
        let waiting = world.until(&name, "refusing the project", |i| reason(i) == "ProjectChanged").await;
        assert!(message(&waiting).contains("not as the install made it"), "{waiting:#}");
        assert!(world.builds(&name, "").is_empty(), "no build of it is started");
        role(&before).await;
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    });
}

#[test]
fn drift_without_an_event_opens_an_incident_and_asks() {
    in_turn(async |world| {
        let faults = world.sandbox.edge().faults();
        faults.set_delivery_lost(true);
        scenario("ssm").break_it(&world.sandbox).await.expect("broken");
        faults.set_delivery_lost(false);
        let scheduled = async || world.patch_policy("ssm", &json!({"drift": {"schedule": "* * * * *"}}));
        let name = world.opened_by("ssm", scheduled).await;
        let asked = world.until(&name, "asking a human", |i| phase(i) == "AwaitingApproval").await;
        assert_eq!((origin(&asked), asked["spec"]["change"].as_str()), ("Drift", Some("Modified")), "{asked:#}");
        let why = condition(&asked, "Approved")["message"].to_string();
        assert!(why.contains("no record says who did it"), "{why}");
        // It may have been either of them, so both have to say so.
        decide(world, "alice", &name, "Approve").expect("alice may");
        decide(world, "bob", &name, "Approve").expect("bob may");
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(world.parameter().await, "secure-mode");
        let policy = world.kubectl(&["get", "rpol", "ssm", "-n", NAMESPACE, "-o", "jsonpath={.status.drift}"]);
        assert!(policy.contains(&name), "the policy's status says what was found: {policy}");
    });
}
