//! People's word: whose counts, on what, and for how long.

use sandbox::NAMESPACE;
use serde_json::json;

use crate::gate::{approve, decide, put_back};
use crate::world::{World, in_turn, phase, reason, scenario, user_name};

const WORKSPACE: &str = "environments/sandbox/workspaces/ssm/main.tf";
const OTHER: &str = r#"
resource "aws_ssm_parameter" "other" {
  name  = "/myapp/config/other"
  type  = "String"
  value = "right"
}
"#;

/// Tampers with the parameter under a policy that asks, and waits until a human is asked.
async fn asked(world: &World, approval: &serde_json::Value) -> String {
    world.patch_policy("ssm", &json!({"approval": approval}));
    let broken = async || scenario("ssm").break_it(&world.sandbox).await.expect("broken");
    let name = world.opened_by("ssm", broken).await;
    world.until(&name, "waiting for a human", |i| phase(i) == "AwaitingApproval").await;
    name
}

#[test]
fn who_may_not_decide_is_refused_or_does_not_count() {
    in_turn(async |world| {
        let name = asked(world, &json!({"mode": "Always"})).await;

        let refused = decide(world, "carol", &name, "Approve").expect_err("carol lacks the verb");
        assert!(refused.contains("takes the verb approve"), "{refused}");
        let status = json!({"status": {"phase": "Recovered"}}).to_string();
        let lie = ["patch", "incident", &name, "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", &status];
        let refused = world.kubectl_as("carol", &lie).expect_err("only the operator writes a status");
        assert!(refused.contains("written by Reforge only"), "{refused}");
        let file = world.sandbox.folder().join("forged.json");
        let mut forged = world.incident(&name);
        forged["metadata"] = json!({"name": "forged", "namespace": NAMESPACE});
        std::fs::write(&file, forged.to_string()).expect("written");
        let refused =
            world.kubectl_as("carol", &["create", "-f", &file.display().to_string()]).expect_err("forged Incidents");
        assert!(refused.contains("are opened by Reforge"), "{refused}");

        // Mallory broke it, and holds the verb; a stranger cannot be told from Mallory.
        decide(world, "mal", &name, "Approve").expect("admission does not know who mal is in AWS");
        let said =
            |what: &'static str| move |i: &serde_json::Value| i["status"]["gate"]["reasons"].to_string().contains(what);
        world.until(&name, "told that the actor does not count", said("who made the change")).await;
        decide(world, "stranger", &name, "Approve").expect("admission does not know the stranger either");
        let waiting = world.until(&name, "told that two are needed", said("two are needed")).await;
        assert_eq!(phase(&waiting), "AwaitingApproval");
        assert!(world.builds(&name, "-recovery").is_empty());

        approve(world, &name);
        let refused = decide(world, "alice", &name, "Deny").expect_err("decided is decided");
        assert!(!refused.is_empty());
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        let approved = incident["status"]["gate"]["reasons"].to_string();
        assert!(approved.contains(&user_name("alice")) && !approved.contains(&user_name("mal")), "{approved}");
    });
}

#[test]
fn two_approvers_are_needed_and_their_word_outlives_another_incidents_apply() {
    in_turn(async |world| {
        world.sandbox.edit_source(WORKSPACE, |text| format!("{text}{OTHER}")).await.expect("edited");
        world.sandbox.apply_workspace("ssm").await.expect("applied");
        world.sandbox.run_plan("ssm").await.expect("the inventory has both");
        let mut second: serde_json::Value =
            serde_json::from_str(&world.kubectl(&["get", "recoverypolicy", "ssm", "-n", NAMESPACE, "-o", "json"]))
                .expect("JSON");
        second["metadata"] = json!({"name": "ssm-other", "namespace": NAMESPACE});
        second["spec"]["match"]["resourceIds"] = json!(["/myapp/config/other"]);
        second["spec"]["priority"] = json!(10);
        world.sandbox.plane().kubectl_with(&second.to_string(), &["apply", "-f", "-"]).expect("a second policy");

        let name = asked(world, &json!({"mode": "Always", "approvers": 2})).await;
        let digest = world.incident(&name)["status"]["plan"]["changeDigest"].clone();
        approve(world, &name);
        let one_of_two = |i: &serde_json::Value| i["status"]["gate"]["reasons"].to_string().contains("1 of 2");
        world.until(&name, "approved once", one_of_two).await;

        let put = ["ssm", "put-parameter", "--name", "/myapp/config/other", "--value", "wrong", "--overwrite"];
        let tampered = async || {
            world.aws(&put).await;
        };
        let other = world.opened_by("ssm", tampered).await;
        let other = world.ended(&other).await;
        assert_eq!(phase(&other), "Recovered", "the other one went by itself: {other:#}");
        assert_eq!(world.parameter().await, "hacked", "and did not carry this one along");

        decide(world, "bob", &name, "Approve").expect("bob may approve");
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(incident["status"]["plan"]["changeDigest"], digest, "the same was approved and done");
        assert!(
            incident["status"]["step"]["attempt"].as_u64() > Some(1),
            "the state had moved, so it was planned again"
        );
        assert_eq!(world.parameter().await, "secure-mode");

        world.kubectl(&["delete", "recoverypolicy", "ssm-other", "-n", NAMESPACE]);
        world.sandbox.restore_source().await.expect("the source is as it was");
        // The deletion by its owner's Terraform is an event too; nothing is left to restore.
        let gone = async || world.sandbox.apply_workspace("ssm").await.expect("applied");
        let name = world.opened_by("ssm", gone).await;
        let incident = world.ended(&name).await;
        assert_eq!((phase(&incident), reason(&incident)), ("Dismissed", "NothingToRestore"), "{incident:#}");
        assert_eq!(incident["status"]["classification"]["verdict"], "Normal", "the Terraform no longer declares it");
        world.sandbox.run_plan("ssm").await.expect("the inventory is as it was");
    });
}

#[test]
fn while_the_admission_policy_is_weakened_no_approval_counts() {
    in_turn(async |world| {
        let name = asked(world, &json!({"mode": "Always"})).await;
        let weaken = ["patch", "validatingadmissionpolicybinding", "reforge-approvals", "--type=merge", "-p"];
        world.kubectl(&[&weaken[..], &[r#"{"spec":{"validationActions":["Audit"]}}"#]].concat());
        approve(world, &name);
        let said = |i: &serde_json::Value| i["status"]["gate"]["reasons"].to_string().contains("no approval counts");
        let waiting = world.until(&name, "told that no approval counts", said).await;
        assert_eq!(phase(&waiting), "AwaitingApproval", "{waiting:#}");
        assert!(world.builds(&name, "-recovery").is_empty());

        world.sandbox.upgrade_chart().await.expect("helm puts it back");
        world.kubectl(&[
            "patch",
            "validatingadmissionpolicybinding",
            "reforge-approvals",
            "--type=merge",
            "-p",
            r#"{"spec":{"validationActions":["Deny"]}}"#,
        ]);
        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    });
}

#[test]
fn the_plugin_shows_the_plan_and_a_denial_is_final() {
    in_turn(async |world| {
        let name = asked(world, &json!({"mode": "Always"})).await;
        let refused = world.plugin_as("alice", &["approve", &name, "-n", NAMESPACE]).expect_err("nobody can be asked");
        assert!(refused.contains("--yes"), "{refused}");
        let refused = world.plugin_as("carol", &["deny", &name, "-n", NAMESPACE, "--yes"]).expect_err("no verb");
        assert!(refused.contains("takes the verb approve"), "{refused}");
        let deny = ["deny", &name, "-n", NAMESPACE, "--reason", "it was me", "--yes"];
        let shown = world.plugin_as("alice", &deny).expect("alice may deny");
        for part in
            ["/myapp/config/mode", "user/mallory", "module.mode.aws_ssm_parameter.mode", "approval.mode is Always"]
        {
            assert!(shown.contains(part), "{part} is missing in\n{shown}");
        }
        let incident = world.ended(&name).await;
        assert_eq!((phase(&incident), reason(&incident)), ("Dismissed", "Denied"), "{incident:#}");
        let refused = world.plugin_as("bob", &["approve", &name, "-n", NAMESPACE, "--yes"]).expect_err("it has ended");
        assert!(refused.contains("has ended"), "{refused}");
        assert!(world.builds(&name, "-recovery").is_empty());
        put_back(world).await;
    });
}
