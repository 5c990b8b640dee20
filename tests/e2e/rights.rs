//! Who may write what, by the chart's admission policies.

use sandbox::NAMESPACE;
use serde_json::json;

use crate::world::{in_turn, phase, scenario};

#[test]
fn an_open_incident_is_the_operators_alone() {
    in_turn(async |world| {
        world.patch_policy("ssm", &json!({"approval": {"mode": "Always"}}));
        let broken = async || scenario("ssm").break_it(&world.sandbox).await.expect("broken");
        let name = world.opened_by("ssm", broken).await;
        let waiting = world.until(&name, "waiting for a human", |i| phase(i) == "AwaitingApproval").await;
        let digest = waiting["status"]["plan"]["changeDigest"].as_str().expect("a digest");
        let plane = world.sandbox.plane();

        let status = json!({"status": {"phase": "Recovered"}}).to_string();
        let lie = ["patch", "incident", &name, "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", &status];
        let refused = plane.kubectl(&lie).expect_err("nobody else writes a status").to_string();
        assert!(refused.contains("written by Reforge only"), "{refused}");
        let refused =
            plane.kubectl(&["delete", "incident", &name, "-n", NAMESPACE]).expect_err("it is open").to_string();
        assert!(refused.contains("has not ended"), "{refused}");

        let decide = |by: &str, digest: &str| {
            let value = json!({"by": by, "decision": "Approve", "changeDigest": digest});
            json!([{"op": "add", "path": "/spec/approvals/-", "value": value}]).to_string()
        };
        let patch =
            |p: &str| world.kubectl_as("alice", &["patch", "incident", &name, "-n", NAMESPACE, "--type=json", "-p", p]);
        let alice = format!("system:serviceaccount:{NAMESPACE}:alice");
        let refused = patch(&decide("bob", digest)).expect_err("in another's name");
        assert!(refused.contains("in your own name"), "{refused}");
        let refused = patch(&decide(&alice, &"0".repeat(64))).expect_err("of another plan");
        assert!(refused.contains("the plan has changed"), "{refused}");
        patch(&decide(&alice, digest)).expect("in her own name, on this plan");
        let refused = patch(r#"[{"op":"remove","path":"/spec/approvals/0"}]"#).expect_err("decided is decided");
        assert!(refused.contains("cannot be taken back"), "{refused}");

        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        plane.kubectl(&["delete", "incident", &name, "-n", NAMESPACE]).expect("an ended Incident may go");
    });
}
