//! What no event of a resource tells: drift; and what Reforge itself stands on.

use std::time::{Duration, Instant};

use sandbox::Caller;
use sandbox::incident::{condition, message, phase, reason};
use serde_json::json;

use crate::world::{RIGHT, side_by_side};

#[test]
fn drift_without_an_event_opens_an_incident_and_asks() {
    side_by_side(async |stage| {
        let here = stage.here();
        // Nobody hears of what is planted.
        stage.plant(&stage.parameter, "hacked").await;
        let scheduled = async || stage.patch_policy(&json!({"drift": {"schedule": "* * * * *"}}));
        let name = here.opened_by("ssm", scheduled).await;
        let asked = here.until(&name, "asking a human", |i| phase(i) == "AwaitingApproval").await;
        assert_eq!(
            (asked["spec"]["event"]["origin"].as_str(), asked["spec"]["change"].as_str()),
            (Some("Drift"), Some("Modified")),
            "{asked:#}"
        );
        let why = condition(&asked, "Approved")["message"].to_string();
        assert!(why.contains("no record says who did it"), "{why}");
        // It may have been either of them, so both have to say so.
        here.decide("alice", &name, "Approve").expect("alice may");
        here.decide("bob", &name, "Approve").expect("bob may");
        let incident = here.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(stage.value().await, RIGHT);
        let drift = ["get", "rpol", &stage.policy, "-n", &stage.name, "-o", "jsonpath={.status.drift}"];
        let policy = stage.kubectl(&drift);
        assert!(policy.contains(&name), "the policy's status says what was found: {policy}");
    });
}

#[test]
fn what_reforge_stands_on_is_told_and_never_put_back() {
    side_by_side(async |stage| {
        let operators = stage.operators();
        let url = stage.sandbox.outputs().queue_url.clone();
        let change = ["sqs", "set-queue-attributes", "--queue-url", &url, "--attributes", "VisibilityTimeout=61"];
        let changed = async || {
            stage.aws(&change).await;
        };
        let name = operators.opened_by("sqs", changed).await;
        let alert = operators.ended(&name).await;
        assert_eq!((phase(&alert), reason(&alert)), ("Failed", "Plumbing"), "{alert:#}");
        assert!(message(&alert).contains("mallory") && message(&alert).contains("reforge-events"), "{alert:#}");
        assert!(stage.builds(&name, "").is_empty(), "nothing is put back");
        assert_eq!(stage.told(&name).await.len(), 1);
        let back = ["sqs", "set-queue-attributes", "--queue-url", &url, "--attributes", "VisibilityTimeout=60"];
        stage.sandbox.aws(Caller::Terraform, &back).await.expect("put back");
    });
}

#[test]
fn a_project_that_was_changed_is_not_built() {
    side_by_side(async |stage| {
        let here = stage.here();
        let project = format!("aiops-{}-plan", stage.name);
        let role = async |arn: &str| {
            // A new role is of no use to CodeBuild for some seconds.
            let start = Instant::now();
            let update = ["codebuild", "update-project", "--name", &project, "--service-role", arn];
            while let Err(error) = stage.sandbox.aws(Caller::Mallory, &update).await {
                assert!(start.elapsed() < Duration::from_secs(60), "{error:#}");
            }
        };
        let trust = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": {"Service": "codebuild.amazonaws.com"}, "Action": "sts:AssumeRole",
        }});
        let make = ["iam", "create-role", "--role-name", "mallorys-own", "--assume-role-policy-document"];
        stage.aws(&[&make[..], &[&trust.to_string()]].concat()).await;
        let read = ["codebuild", "batch-get-projects", "--names", &project, "--query", "projects[0].serviceRole"];
        let before = stage.aws(&[&read[..], &["--output", "text"]].concat()).await.trim().to_owned();
        role("arn:aws:iam::000000000000:role/mallorys-own").await;
        let name = stage.broken().await;
        let waiting = here.until(&name, "refusing the project", |i| reason(i) == "ProjectChanged").await;
        assert!(message(&waiting).contains("not as the install made it"), "{waiting:#}");
        assert!(stage.builds(&name, "").is_empty(), "no build of it is started");
        role(&before).await;
        let incident = here.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    });
}
