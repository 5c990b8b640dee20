//! The chart's admission policies, weakened.

use sandbox::incident::phase;
use serde_json::json;

use crate::world::{Stage, alone};

#[test]
fn while_the_admission_policy_is_weakened_no_approval_counts() {
    alone(async |stage| {
        let here = stage.here();
        let name = stage.asked(&json!({"mode": "Always"})).await;
        let set = |actions: &str| {
            let patch = json!({"spec": {"validationActions": [actions]}}).to_string();
            let binding =
                ["patch", "validatingadmissionpolicybinding", "reforge-approvals", "--type=merge", "-p", &patch];
            stage.kubectl(&binding);
        };
        set("Audit");
        stage.approve(&name);
        let waiting = here.until(&name, "told so", Stage::gate_says("no approval counts")).await;
        assert_eq!(phase(&waiting), "AwaitingApproval", "{waiting:#}");
        assert!(stage.builds(&name, "-recovery").is_empty());

        stage.sandbox.upgrade_chart().await.expect("helm puts it back");
        set("Deny");
        let incident = here.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    });
}
