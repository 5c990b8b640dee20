//! What the gate and the apply build let through, and what not.

use sandbox::{BuildInfo, Caller};
use serde_json::json;

use crate::world::{World, in_turn, phase, reason};

const PARAMETER: &str = "modules/ssm/main.tf";

#[test]
fn a_plan_that_would_destroy_is_not_applied() {
    in_turn(async |world| {
        // Another name means: delete the parameter and create another.
        world
            .sandbox
            .edit_source(PARAMETER, |text| text.replace("var.name", "\"${var.name}-2\""))
            .await
            .expect("edited");
        let incident = world.broken_and_ended("ssm").await;
        let name = incident["metadata"]["name"].as_str().expect("a name");
        assert_eq!(phase(&incident), "Failed", "{incident:#}");
        assert_eq!(reason(&incident), "Refused");
        assert!(world.builds(name, "-recovery").is_empty(), "nothing was applied");
        assert_eq!(world.parameter().await, "hacked");
        put_back(world).await;
    });
}

#[test]
fn a_change_that_no_incident_explains_is_left_out() {
    in_turn(async |world| {
        let more = "\nresource \"aws_ssm_parameter\" \"other\" {\n  name  = \"/myapp/config/other\"\n  type  = \"String\"\n  value = \"new\"\n}\n";
        world.sandbox.edit_source(PARAMETER, |text| format!("{text}{more}")).await.expect("edited");
        let incident = world.broken_and_ended("ssm").await;
        let name = incident["metadata"]["name"].as_str().expect("a name");
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(incident["status"]["step"]["attempt"], 2, "it was planned again");
        let plans = world.builds(name, "-plan");
        let targets = |build: &BuildInfo| build.overrides.iter().find(|(name, _)| name == "REFORGE_TARGETS").cloned();
        let targets: Vec<String> = plans.iter().map(|build| targets(build).expect("it has targets").1).collect();
        assert_eq!(targets, ["[]", r#"["module.mode.aws_ssm_parameter.mode"]"#]);
        assert_eq!(world.parameter().await, "secure-mode");
        let other = ["ssm", "get-parameter", "--name", "/myapp/config/other"];
        assert!(world.sandbox.aws(Caller::Mallory, &other).await.is_err(), "the other parameter was not created");
    });
}

#[test]
fn a_saved_plan_that_was_swapped_is_not_applied() {
    in_turn(async |world| {
        world.patch_policy("ssm", &json!({"approval": {"mode": "Always"}}));
        let name = world.broken("ssm").await;
        let waiting = world.until(&name, "waiting for a human", |i| phase(i) == "AwaitingApproval").await;
        let build = waiting["status"]["plan"]["build"].as_str().expect("a build");
        let uuid = build.rsplit(':').next().expect("a uuid");
        let bucket = world.sandbox.outputs().artifact_bucket.clone();
        let key = format!("plans/ssm/{uuid}/plan.tar");
        let file = world.sandbox.folder().join("swapped.tar");
        std::fs::write(&file, "another plan").expect("written");
        let file = file.display().to_string();
        let swap = ["s3api", "put-object", "--bucket", &bucket, "--key", &key, "--body", &file];
        world.sandbox.aws(Caller::Terraform, &swap).await.expect("swapped");
        world.approve(&name);
        let incident = world.ended(&name).await;
        assert_eq!((phase(&incident), reason(&incident)), ("Failed", "Refused"), "{incident:#}");
        assert_eq!(world.parameter().await, "hacked", "nothing was applied");
        put_back(world).await;
    });
}

/// Puts the parameter back by hand, as the owner: what Reforge sees of it is a change that is not its own, with nothing
/// in the plan to undo it.
pub async fn put_back(world: &World) {
    world.sandbox.restore_source().await.expect("the source is as it was");
    let name = world.opened_by("ssm", async || world.sandbox.apply_workspace("ssm").await.expect("applied")).await;
    let incident = world.ended(&name).await;
    assert_eq!(world.parameter().await, "secure-mode");
    assert_eq!(reason(&incident), "NotCoveredByTerraform", "{incident:#}");
}
