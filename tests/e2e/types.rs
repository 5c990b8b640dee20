//! Types beside those of the scenarios, deleted and brought back by real Terraform: nothing of the operator's is about them
//! but the catalogue.

use sandbox::platform;
use serde_json::{Value, json};

use crate::world::{World, condition, in_turn, phase};

async fn text(world: &World, args: &[&str]) -> String {
    world.aws(&[args, &["--output", "text"]].concat()).await.trim().to_owned()
}

#[test]
fn further_types_come_back_by_the_catalogue_alone() {
    in_turn(async |world| {
        platform::apply(&world.sandbox).await.expect("applied, with an inventory");
        platform::govern(&world.sandbox).expect("a policy");
        for (r#type, call) in platform::breakages(&world.sandbox).await.expect("how it is broken") {
            let delete = async || {
                world.aws(&call.iter().map(String::as_str).collect::<Vec<_>>()).await;
            };
            let name = world.opened_by(r#type, delete).await;
            // What a responder may have done asks a human, whatever the policy says.
            let asked_or_ended = |i: &Value| phase(i) == "AwaitingApproval" || i["status"]["step"]["name"] == "Ended";
            let incident = world.until(&name, "asking or ended", asked_or_ended).await;
            if phase(&incident) == "AwaitingApproval" {
                world.approve(&name);
            }
            let incident = world.ended(&name).await;
            assert_eq!(phase(&incident), "Recovered", "{type}: {incident:#}");
        }
        let key = platform::key(&world.sandbox).await.expect("the platform's key");
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
