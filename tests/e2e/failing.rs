//! When it does not go well: each way of failing has its own reason, and its own next step.

use sandbox::{Caller, NAMESPACE};
use serde_json::{Value, json};

use crate::gate::{approve, put_back};
use crate::world::{World, condition, in_turn, message, phase, reason, scenario};

const WORKSPACE: &str = "modules/ssm/main.tf";
const BROKEN: &str = "\nresource \"aws_ssm_parameter\" \"broken\" {\n  name = var.there_is_none\n}\n";

/// Breaks the parameter, and waits for its Incident.
async fn broken(world: &World) -> String {
    world.opened_by("ssm", async || scenario("ssm").break_it(&world.sandbox).await.expect("broken")).await
}

#[test]
fn terraform_that_fails_ends_with_its_words_and_a_human_told() {
    in_turn(async |world| {
        world.patch_policy("ssm", &json!({"recovery": {"maxAttempts": 2, "backoff": {"initial": "1s"}}}));
        world.sandbox.edit_source(WORKSPACE, |text| format!("{text}{BROKEN}")).await.expect("edited");
        let name = broken(world).await;
        let incident = world.ended(&name).await;
        assert_eq!((phase(&incident), reason(&incident)), ("Failed", "AttemptsExhausted"), "{incident:#}");
        assert_eq!(condition(&incident, "Stalled")["status"], "True");
        let failure = &incident["status"]["recovery"]["lastFailure"];
        assert_eq!(failure["reason"], "PlanFailed", "{incident:#}");
        assert!(failure["said"].as_str().is_some_and(|s| s.contains("there_is_none")), "{failure:#}");
        assert_eq!(world.builds(&name, "-plan").len(), 2, "each attempt had its plan");
        let told = world.messages(&name).await;
        assert!(told.iter().any(|m| m.starts_with("Failed") && m.contains("there_is_none")), "{told:#?}");
        put_back(world).await;
    });
}

#[test]
fn after_the_last_attempt_the_version_that_recovered_well_before_is_applied() {
    in_turn(async |world| {
        let well = world.broken_and_ended("ssm").await;
        assert_eq!(phase(&well), "Recovered", "{well:#}");
        let good = well["status"]["plan"]["sourceVersion"].clone();
        world.patch_policy("ssm", &json!({"recovery": {"maxAttempts": 1, "rollback": {"mode": "LastSuccessful"}}}));
        world.sandbox.edit_source(WORKSPACE, |text| format!("{text}{BROKEN}")).await.expect("edited");
        let incident = world.broken_and_ended("ssm").await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(incident["status"]["recovery"]["rolledBackTo"], good);
        assert_eq!(incident["status"]["plan"]["sourceVersion"], good);
        assert_eq!(world.parameter().await, "secure-mode");
    });
}

#[test]
fn a_locked_state_is_waited_for_and_never_unlocked() {
    in_turn(async |world| {
        let bucket = world.sandbox.outputs().artifact_bucket.clone();
        let key = "state/ssm/terraform.tfstate.tflock";
        let file = world.sandbox.folder().join("lock.json");
        let lock = json!({"ID": "3f3b2b1e-0000-4000-8000-00000000abcd", "Operation": "OperationTypeApply", "Info": "",
            "Who": "ann@laptop", "Version": "1.11.4", "Created": "2026-01-02T03:04:05.678901234Z", "Path": key});
        std::fs::write(&file, lock.to_string()).expect("written");
        let file = file.display().to_string();
        let put = ["s3api", "put-object", "--bucket", &bucket, "--key", key, "--body", &file];
        world.sandbox.aws(Caller::Terraform, &put).await.expect("locked");
        let name = broken(world).await;
        let waiting = world.until(&name, "waiting for the lock", |i| reason(i) == "StateLocked").await;
        let said = message(&waiting);
        assert!(said.contains("ann@laptop") && said.contains("3f3b2b1e") && said.contains("never broken"), "{said}");
        let head = ["s3api", "head-object", "--bucket", &bucket, "--key", key];
        world.sandbox.aws(Caller::Terraform, &head).await.expect("the lock is still there");
        let unlock = ["s3api", "delete-object", "--bucket", &bucket, "--key", key];
        world.sandbox.aws(Caller::Terraform, &unlock).await.expect("ann is done");
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert!(incident["status"]["recovery"].get("failures").is_none_or(|f| *f == 0), "waiting is no failure");
    });
}

#[test]
fn a_build_that_somebody_stopped_makes_the_next_plan_ask_a_human() {
    in_turn(async |world| {
        world.patch_policy("ssm", &json!({"recovery": {"backoff": {"initial": "1s"}}}));
        let name = broken(world).await;
        let running = |i: &Value| i["status"]["recovery"]["build"]["status"] == "IN_PROGRESS";
        let incident = world.until(&name, "planning", running).await;
        let build = incident["status"]["recovery"]["build"]["id"].as_str().expect("an id").to_owned();
        world.sandbox.aws(Caller::Terraform, &["codebuild", "stop-build", "--id", &build]).await.expect("stopped");
        let asked = world.until(&name, "asking a human", |i| phase(i) == "AwaitingApproval").await;
        assert_eq!(asked["status"]["recovery"]["lastFailure"]["reason"], "STOPPED", "{asked:#}");
        assert!(message(&asked).contains("somebody stopped the build"), "{}", message(&asked));
        approve(world, &name);
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    });
}

#[test]
fn somebody_elses_apply_since_the_event_is_waited_for() {
    in_turn(async |world| {
        let hold = ["create", "configmap", "reforge-hold", "-n", NAMESPACE];
        world.kubectl(&hold);
        let name = broken(world).await;
        world.until(&name, "on hold", |i| reason(i) == "OnHold").await;
        let root = world.sandbox.terraform_folder().join("environments/sandbox/workspaces/ssm");
        let apply = ["apply", "-refresh-only", "-input=false", "-auto-approve"];
        world
            .sandbox
            .terraform(Caller::Terraform.access_key(), &root, &apply)
            .await
            .expect("the owner takes the drift into the state");
        world.kubectl(&["delete", "configmap", "reforge-hold", "-n", NAMESPACE]);
        let waiting = world.until(&name, "waiting for the other", |i| reason(i) == "StateMoved").await;
        assert!(message(&waiting).contains("somebody else applied"), "{waiting:#}");
        assert!(world.builds(&name, "-recovery").is_empty());
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(incident["status"]["step"]["attempt"], 2);
    });
}

#[test]
fn a_call_that_is_refused_is_told_and_not_hurried_and_goes_on_by_itself() {
    in_turn(async |world| {
        let faults = world.sandbox.edge().faults();
        let asked = || faults.calls("s3", "GetObject", Some("reforge"));
        let before = asked();
        faults.refuse_next("s3", "GetObject", 1, "AccessDenied");
        let name = broken(world).await;
        let refused = world.until(&name, "refused", |i| reason(i) == "AccessDenied").await;
        let said = message(&refused);
        assert!(said.starts_with("reading s3://") && said.contains("Give the role that is named there"), "{said}");
        assert!(!said.contains("RequestId") && !said.contains("ServiceError"), "what people read is no dump: {said}");
        assert_eq!(refused["status"]["trouble"]["tries"], 1);
        let incident = world.until(&name, "past it", |i| i["status"]["trouble"].is_null()).await;
        assert_eq!(asked() - before, 2, "once when it was refused, once when its time had come: {incident:#}");
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    });
}

#[test]
fn a_build_that_cannot_start_is_tried_after_growing_pauses() {
    in_turn(async |world| {
        let faults = world.sandbox.edge().faults();
        let started = || faults.calls("codebuild", "StartBuild", Some("reforge"));
        let before = started();
        faults.refuse_next("codebuild", "StartBuild", 2, "AccountLimitExceededException");
        let name = broken(world).await;
        let tries = |n: u32| move |i: &Value| i["status"]["trouble"]["tries"] == n;
        let refused = world.until(&name, "refused twice", tries(2)).await;
        assert_eq!((reason(&refused), started() - before), ("Throttled", 2), "{refused:#}");
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(started() - before, 4, "the plan at the third try, and the apply");
    });
}

#[test]
fn a_stopped_instance_is_started_again_once_a_human_approves() {
    in_turn(async |world| {
        let id = sandbox::scenario::running_instance(&world.sandbox).await.expect("an instance");
        let stop = async || {
            world.aws(&["ec2", "stop-instances", "--instance-ids", &id]).await;
        };
        let name = world.opened_by("ec2", stop).await;
        // Who stops an instance may be containing an attack, whatever the policy says of approval.
        let asked = world.until(&name, "asking a human", |i| phase(i) == "AwaitingApproval").await;
        assert_eq!(asked["spec"]["change"], "Stopped");
        assert_eq!(asked["status"]["plan"]["changes"][0]["actions"], json!(["StartInstances"]), "{asked:#}");
        assert!(message(&asked).contains("contains an attack"), "{}", message(&asked));
        approve(world, &name);
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(incident["status"]["verification"]["newId"], json!(id), "the same instance");
        assert_eq!(sandbox::scenario::running_instance(&world.sandbox).await.expect("it runs"), id);
    });
}
