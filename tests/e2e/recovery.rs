//! The five scenarios, and what must not become one.

use sandbox::scenario::SCENARIOS;
use serde_json::Value;

use crate::world::{World, in_turn, phase, reason};

#[test]
fn all_five_come_back_at_once_and_their_builds_open_no_incident() {
    in_turn(async |world| {
        let mut before = Vec::new();
        for s in SCENARIOS {
            before.push(world.names(s.name).await.len());
        }
        let [a, b, c, d, e] = SCENARIOS.map(|s| s.name);
        let all = tokio::join!(
            world.broken_and_ended(a),
            world.broken_and_ended(b),
            world.broken_and_ended(c),
            world.broken_and_ended(d),
            world.broken_and_ended(e)
        );
        for incident in [&all.0, &all.1, &all.2, &all.3, &all.4] {
            assert_eq!(phase(incident), "Recovered", "{incident:#}");
        }
        assert_eq!(all.4["status"]["classification"]["verdict"], "Tampering");
        assert_eq!(world.parameter().await, "secure-mode");

        // The recovery of the parameter was a PutParameter too, by a build's session.
        let ours = |r: &Value| {
            let arn = r["userIdentity"]["arn"].as_str().unwrap_or_default();
            r["eventName"] == "PutParameter" && arn.contains("/AWSCodeBuild-")
        };
        assert!(world.sandbox.edge().records().iter().any(ours), "the build's call left a record");
        assert!(world.metric("reforge_events_dropped_total{reason=\"OwnAction\"}").await >= 1.0);
        for (s, before) in SCENARIOS.iter().zip(before) {
            assert_eq!(world.names(s.name).await.len(), before + 1, "one Incident of type {}", s.name);
        }
    });
}

#[test]
fn a_recovered_instance_is_told_with_its_old_and_new_id() {
    in_turn(async |world| {
        let incident = world.broken_and_ended("ec2").await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(incident["metadata"]["labels"]["reforge.dev/workspace"], "ec2");
        let old = incident["spec"]["resource"]["id"].as_str().expect("an id").to_owned();
        let new = incident["status"]["verification"]["newId"].as_str().expect("a new id").to_owned();
        assert_ne!(old, new);
        let messages = told(world, &incident).await;
        let [_, _, last] = &messages[..] else { panic!("three messages, got {}: {messages:#?}", messages.len()) };
        let build = incident["status"]["recovery"]["build"]["id"].as_str().expect("a build");
        for part in [
            "TerminateInstances",
            "user/mallory",
            "FAILURE",
            build,
            "aiops-ec2-recovery",
            &old,
            &new,
            "Timeline",
            "Data",
        ] {
            assert!(last.contains(part), "{part} is not in:\n{last}");
        }
        let events = world.kubectl(&["get", "events", "-n", "reforge", "-o", "json"]);
        let name = incident["metadata"]["name"].as_str().expect("a name");
        assert!(events.contains(name), "Kubernetes Events tell of it too");
    });
}

#[test]
fn an_instance_that_no_terraform_owns_starts_no_build() {
    in_turn(async |world| {
        let run = [
            "ec2",
            "run-instances",
            "--image-id",
            "ami-0c55b159cbfafe1f0",
            "--query",
            "Instances[0].InstanceId",
            "--output",
            "text",
        ];
        let id = world.aws(&run).await.trim().to_owned();
        let name = world
            .opened_by("ec2", async || {
                world.aws(&["ec2", "terminate-instances", "--instance-ids", &id]).await;
            })
            .await;
        let incident = world.ended(&name).await;
        assert_eq!((phase(&incident), reason(&incident)), ("Dismissed", "NotManaged"));
        assert!(world.builds(&name, "").is_empty());
    });
}

#[test]
fn what_terraform_does_not_have_of_a_bucket_ends_with_a_human_told() {
    in_turn(async |world| {
        let cors = r#"{"CORSRules":[{"AllowedMethods":["GET"],"AllowedOrigins":["https://example.com"]}]}"#;
        let bucket = "aiops-data-bucket-000000000000";
        let name = world
            .opened_by("s3", async || {
                world.aws(&["s3api", "put-bucket-cors", "--bucket", bucket, "--cors-configuration", cors]).await;
            })
            .await;
        let incident = world.ended(&name).await;
        world.aws(&["s3api", "delete-bucket-cors", "--bucket", bucket]).await;
        assert_eq!((phase(&incident), reason(&incident)), ("Failed", "NotCoveredByTerraform"), "{incident:#}");
        assert!(world.builds(&name, "-recovery").is_empty());
        let messages = told(world, &incident).await;
        assert!(messages.last().is_some_and(|m| m.contains("by hand")), "{messages:#?}");
    });
}

#[test]
fn a_bucket_policy_that_somebody_opened_is_replaced_by_that_of_terraform() {
    in_turn(async |world| {
        let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::444455556666:root"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::aiops-data-bucket-000000000000/*"}]}"#;
        let bucket = "aiops-data-bucket-000000000000";
        let name = world
            .opened_by("s3", async || {
                world.aws(&["s3api", "put-bucket-policy", "--bucket", bucket, "--policy", policy]).await;
            })
            .await;
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        let now = world.aws(&["s3api", "get-bucket-policy", "--bucket", bucket, "--output", "text"]).await;
        assert!(now.contains("OnlyTls") && !now.contains("444455556666"), "{now}");
    });
}

#[test]
fn what_its_owner_no_longer_declares_and_deletes_is_not_brought_back() {
    in_turn(async |world| {
        const WORKSPACE: &str = "environments/sandbox/workspaces/ssm/main.tf";
        let other = "\nresource \"aws_ssm_parameter\" \"other\" {\n  name  = \"/myapp/config/other\"\n  type  = \"String\"\n  value = \"right\"\n}\n";
        world.sandbox.edit_source(WORKSPACE, |text| format!("{text}{other}")).await.expect("edited");
        let apply = async || world.sandbox.apply_workspace("ssm").await.expect("applied");
        let made = world.opened_by("ssm", apply).await;
        world.ended(&made).await;
        world.sandbox.run_plan("ssm").await.expect("the inventory has both");
        world.sandbox.restore_source().await.expect("the source is as it was");
        // The deletion by its owner's Terraform is an event too; nothing is left to restore.
        let name = world.opened_by("ssm", apply).await;
        let incident = world.ended(&name).await;
        assert_eq!((phase(&incident), reason(&incident)), ("Dismissed", "NothingToRestore"), "{incident:#}");
        assert_eq!(incident["status"]["classification"]["verdict"], "Normal", "the Terraform no longer declares it");
        world.sandbox.run_plan("ssm").await.expect("the inventory is as it was");
    });
}

/// Messages about an Incident, in the order of what they tell.
async fn told(world: &World, incident: &Value) -> Vec<String> {
    world.messages(incident["metadata"]["name"].as_str().expect("a name")).await
}
