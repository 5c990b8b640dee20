//! Who may write what, by the chart's admission policies.

use sandbox::incident::phase;
use sandbox::user_name;
use serde_json::json;

use crate::world::side_by_side;

#[test]
fn an_open_incident_is_the_operators_alone() {
    side_by_side(async |stage| {
        let name = stage.asked(&json!({"mode": "Always"})).await;
        let here = stage.here();
        let waiting = here.incident(&name);
        let digest = waiting["status"]["plan"]["changeDigest"].as_str().expect("a digest");
        let plane = stage.sandbox.plane();
        let this = ["incident", &name, "-n", &stage.name];

        let status = json!({"status": {"phase": "Recovered"}}).to_string();
        let lie = [&["patch"][..], &this, &["--subresource=status", "--type=merge", "-p", &status]].concat();
        let refused = plane.kubectl(&lie).expect_err("nobody else writes a status").to_string();
        assert!(refused.contains("written by Reforge only"), "{refused}");
        let delete = [&["delete"][..], &this].concat();
        let refused = plane.kubectl(&delete).expect_err("it is open").to_string();
        assert!(refused.contains("has not ended"), "{refused}");
        let refused = stage.kubectl_as("reforge", &delete).expect_err("nor does the operator");
        assert!(refused.contains("has not ended"), "{refused}");

        let decide = |by: &str, digest: &str| {
            let value = json!({"by": by, "decision": "Approve", "changeDigest": digest});
            json!([{"op": "add", "path": "/spec/approvals/-", "value": value}]).to_string()
        };
        let patch = |p: &str| stage.kubectl_as("alice", &[&["patch"][..], &this, &["--type=json", "-p", p]].concat());
        let alice = user_name("alice");
        let refused = patch(&decide("bob", digest)).expect_err("in another's name");
        assert!(refused.contains("in your own name"), "{refused}");
        let refused = patch(&decide(&alice, &"0".repeat(64))).expect_err("of another plan");
        assert!(refused.contains("the plan has changed"), "{refused}");
        patch(&decide(&alice, digest)).expect("in her own name, on this plan");
        let refused = patch(r#"[{"op":"remove","path":"/spec/approvals/0"}]"#).expect_err("decided is decided");
        assert!(refused.contains("cannot be taken back"), "{refused}");

        let incident = here.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        plane.kubectl(&delete).expect("an ended Incident may go");
    });
}
