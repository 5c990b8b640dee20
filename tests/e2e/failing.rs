//! When it does not go well: each way of failing has its own reason, and its own next step.

use sandbox::{Caller, NAMESPACE};
use serde_json::json;

use crate::gate::put_back;
use crate::world::{condition, in_turn, message, phase, reason};

const WORKSPACE: &str = "modules/ssm/main.tf";
const BROKEN: &str = "\nresource \"aws_ssm_parameter\" \"broken\" {\n  name = var.there_is_none\n}\n";

#[test]
fn terraform_that_fails_ends_with_its_words_and_a_human_told() {
    in_turn(async |world| {
        world.patch_policy("ssm", &json!({"recovery": {"maxAttempts": 2, "backoff": {"initial": "1s"}}}));
        world.sandbox.edit_source(WORKSPACE, |text| format!("{text}{BROKEN}")).await.expect("edited");
        let name = world.broken("ssm").await;
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
        let name = world.broken("ssm").await;
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
fn somebody_elses_apply_since_the_event_is_waited_for() {
    in_turn(async |world| {
        let hold = ["create", "configmap", "reforge-hold", "-n", NAMESPACE];
        world.kubectl(&hold);
        let name = world.broken("ssm").await;
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
        world.approve(&name);
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(incident["status"]["verification"]["newId"], json!(id), "the same instance");
        assert_eq!(sandbox::scenario::running_instance(&world.sandbox).await.expect("it runs"), id);
    });
}
