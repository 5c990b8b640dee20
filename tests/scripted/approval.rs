//! People's word: whose counts, on what, and for how long.

use sandbox::incident::{phase, reason};
use sandbox::{Caller, user_name};
use serde_json::json;

use crate::world::{ADDRESS, RIGHT, Stage, side_by_side};

#[test]
fn who_may_not_decide_is_refused_or_does_not_count() {
    side_by_side(async |stage| {
        let name = stage.asked(&json!({"mode": "Always"})).await;
        let here = stage.here();

        let refused = here.decide("carol", &name, "Approve").expect_err("carol lacks the verb");
        assert!(refused.contains("takes the verb approve"), "{refused}");
        let status = json!({"status": {"phase": "Recovered"}}).to_string();
        let lie =
            ["patch", "incident", &name, "-n", &stage.name, "--subresource=status", "--type=merge", "-p", &status];
        let refused = stage.kubectl_as("carol", &lie).expect_err("only the operator writes a status");
        assert!(refused.contains("written by Reforge only"), "{refused}");
        let file = stage.sandbox.folder().join("forged.json");
        let mut forged = here.incident(&name);
        forged["metadata"] = json!({"name": "forged", "namespace": stage.name});
        std::fs::write(&file, forged.to_string()).expect("written");
        let refused =
            stage.kubectl_as("carol", &["create", "-f", &file.display().to_string()]).expect_err("forged Incidents");
        assert!(refused.contains("are opened by Reforge"), "{refused}");

        // Mallory broke it, and holds the verb; a stranger cannot be told from Mallory.
        here.decide("mal", &name, "Approve").expect("admission does not know who mal is in AWS");
        here.until(&name, "told that the actor does not count", Stage::gate_says("who made the change")).await;
        here.decide("stranger", &name, "Approve").expect("admission does not know the stranger either");
        let waiting = here.until(&name, "told that two are needed", Stage::gate_says("two are needed")).await;
        assert_eq!(phase(&waiting), "AwaitingApproval");
        assert!(stage.builds(&name, "-recovery").is_empty());

        stage.approve(&name);
        let refused = here.decide("alice", &name, "Deny").expect_err("decided is decided");
        assert!(!refused.is_empty());
        let incident = here.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        let approved = incident["status"]["gate"]["reasons"].to_string();
        assert!(approved.contains(&user_name("alice")) && !approved.contains(&user_name("mal")), "{approved}");
    });
}

#[test]
fn two_approvers_are_needed_and_their_word_outlives_another_incidents_apply() {
    side_by_side(async |stage| {
        let here = stage.here();
        let other = stage.declare("other").await;
        let mut second = stage.spec();
        second["match"]["resourceIds"] = json!([other]);
        second["priority"] = json!(10);
        stage.apply(&format!("{}-other", stage.policy), &second);

        let name = stage.asked(&json!({"mode": "Always", "approvers": 2})).await;
        let digest = here.incident(&name)["status"]["plan"]["changeDigest"].clone();
        stage.approve(&name);
        here.until(&name, "approved once", Stage::gate_says("1 of 2")).await;

        let other = here.opened_by("ssm", async || stage.put(Caller::Mallory, &other, "wrong").await).await;
        let other = here.ended(&other).await;
        assert_eq!(phase(&other), "Recovered", "the other one went by itself: {other:#}");
        assert_eq!(stage.value().await, "hacked", "and did not carry this one along");

        here.decide("bob", &name, "Approve").expect("bob may approve");
        let incident = here.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(incident["status"]["plan"]["changeDigest"], digest, "the same was approved and done");
        assert!(
            incident["status"]["step"]["attempt"].as_u64() > Some(1),
            "the state had moved, so it was planned again"
        );
        assert_eq!(stage.value().await, RIGHT);
    });
}

#[test]
fn the_plugin_shows_the_plan_and_a_denial_is_final() {
    side_by_side(async |stage| {
        let name = stage.asked(&json!({"mode": "Always"})).await;
        let namespace = stage.name.as_str();
        let refused = stage.plugin_as("alice", &["approve", &name, "-n", namespace]).expect_err("nobody can be asked");
        assert!(refused.contains("--yes"), "{refused}");
        let refused = stage.plugin_as("carol", &["deny", &name, "-n", namespace, "--yes"]).expect_err("no verb");
        assert!(refused.contains("takes the verb approve"), "{refused}");
        let deny = ["deny", &name, "-n", namespace, "--reason", "it was me", "--yes"];
        let shown = stage.plugin_as("alice", &deny).expect("alice may deny");
        for part in [&stage.parameter, "user/mallory", ADDRESS, "approval.mode is Always"] {
            assert!(shown.contains(part), "{part} is missing in\n{shown}");
        }
        let incident = stage.here().ended(&name).await;
        assert_eq!((phase(&incident), reason(&incident)), ("Dismissed", "Denied"), "{incident:#}");
        let refused = stage.plugin_as("bob", &["approve", &name, "-n", namespace, "--yes"]).expect_err("it has ended");
        assert!(refused.contains("has ended"), "{refused}");
        assert!(stage.builds(&name, "-recovery").is_empty());
        assert_eq!(stage.value().await, "hacked", "nothing was applied");
    });
}
