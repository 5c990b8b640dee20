//! Types beside those of the scenarios, deleted and brought back by real Terraform: nothing of the operator's is about them
//! but the catalogue.

use sandbox::{ACCOUNT, PLATFORM, REGION, scenario};
use serde_json::{Value, json};

use crate::gate::approve;
use crate::world::{World, condition, in_turn, phase};

/// Applies the workspace, publishes its inventory, and puts its policy in force.
async fn platform(world: &World) {
    world.sandbox.apply_workspace(PLATFORM).await.expect("applied");
    world.sandbox.run_plan(PLATFORM).await.expect("an inventory");
    world.sandbox.plane().kubectl_with(scenario::PLATFORM_POLICY, &["apply", "-f", "-"]).expect("a policy");
    let ready = ["wait", "-n", "reforge", "--for=condition=Ready", "recoverypolicy/platform", "--timeout=30s"];
    world.kubectl(&ready);
}

async fn text(world: &World, args: &[&str]) -> String {
    world.aws(&[args, &["--output", "text"]].concat()).await.trim().to_owned()
}

#[test]
fn further_types_come_back_by_the_catalogue_alone() {
    in_turn(async |world| {
        platform(world).await;
        let queue = text(world, &["sqs", "get-queue-url", "--queue-name", "platform-jobs"]).await;
        let group = ["ec2", "describe-security-groups", "--filters", "Name=group-name,Values=platform-web"];
        let group = text(world, &[&group[..], &["--query", "SecurityGroups[0].GroupId"]].concat()).await;
        let keys: Value =
            serde_json::from_str(&world.aws(&["kms", "list-keys", "--output", "json"]).await).expect("JSON");
        let keys = keys["Keys"].as_array().expect("keys");
        let mut key = None;
        for id in keys.iter().filter_map(|k| k["KeyId"].as_str()) {
            let said =
                text(world, &["kms", "describe-key", "--key-id", id, "--query", "KeyMetadata.Description"]).await;
            key = (said == "Data of the platform").then(|| id.to_owned()).or(key);
        }
        let key = key.expect("the platform's key");
        let topic = format!("arn:aws:sns:{REGION}:{ACCOUNT}:platform-news");
        let policy = format!("arn:aws:iam::{ACCOUNT}:policy/platform-read");
        let broken: [(&str, &[&str]); 9] = [
            ("sqs", &["sqs", "delete-queue", "--queue-url", &queue]),
            ("sns", &["sns", "delete-topic", "--topic-arn", &topic]),
            ("iam-role", &["iam", "delete-role", "--role-name", "platform-worker"]),
            ("iam-policy", &["iam", "delete-policy", "--policy-arn", &policy]),
            ("security-group", &["ec2", "delete-security-group", "--group-id", &group]),
            ("log-group", &["logs", "delete-log-group", "--log-group-name", "/platform/app"]),
            ("event-rule", &["events", "delete-rule", "--name", "platform-nightly"]),
            ("secret", &["secretsmanager", "delete-secret", "--secret-id", "platform/token"]),
            ("kms-key", &["kms", "schedule-key-deletion", "--key-id", &key, "--pending-window-in-days", "7"]),
        ];
        for (r#type, call) in broken {
            let delete = async || {
                world.aws(call).await;
            };
            let name = world.opened_by(r#type, delete).await;
            // What a responder may have done asks a human, whatever the policy says.
            let asked_or_ended = |i: &Value| phase(i) == "AwaitingApproval" || i["status"]["step"]["name"] == "Ended";
            let incident = world.until(&name, "asking or ended", asked_or_ended).await;
            if phase(&incident) == "AwaitingApproval" {
                approve(world, &name);
            }
            let incident = world.ended(&name).await;
            assert_eq!(phase(&incident), "Recovered", "{type}: {incident:#}");
        }
        let state = text(world, &["kms", "describe-key", "--key-id", &key, "--query", "KeyMetadata.KeyState"]).await;
        assert_eq!(state, "Enabled", "the same key, and not another one");
        world.aws(&["secretsmanager", "describe-secret", "--secret-id", "platform/token"]).await;
    });
}

#[test]
fn what_a_policy_expects_of_the_resource_must_hold() {
    in_turn(async |world| {
        let expect = json!({"verification": {"timeout": "2s", "expect": ["resource.BillingMode == 'PAY_PER_REQUEST'"]},
            "recovery": {"maxAttempts": 1}});
        world.patch_policy("dynamodb", &expect);
        let faults = world.sandbox.edge().faults();
        let says = |mode: &str| {
            faults.set_cloud_control("AWS::DynamoDB::Table", "AiOpsDataTable", json!({"BillingMode": mode}));
        };
        says("PAY_PER_REQUEST");
        let incident = world.broken_and_ended("dynamodb").await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        says("PROVISIONED");
        let incident = world.broken_and_ended("dynamodb").await;
        assert_eq!(phase(&incident), "Failed", "{incident:#}");
        let said = condition(&incident, "Ready")["message"].to_string();
        assert!(said.contains("resource.BillingMode == 'PAY_PER_REQUEST': it is not so"), "{said}");
    });
}
