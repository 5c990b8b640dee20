//! The operator killed where it hurts.

use serde_json::json;

use crate::gate::approve;
use crate::world::{in_turn, phase, scenario};

#[test]
fn killed_in_each_phase_it_finishes_with_one_apply_in_all() {
    in_turn(async |world| {
        world.patch_policy("ssm", &json!({"approval": {"mode": "Always"}}));
        // Detected: without S3 the inventory can't be read.
        let faults = world.sandbox.edge().faults();
        faults.take_away("s3");
        let broken = async || scenario("ssm").break_it(&world.sandbox).await.expect("broken");
        let name = world.opened_by("ssm", broken).await;
        world.until(&name, "detected", |i| phase(i) == "Detected").await;
        world.kill_operator();
        faults.bring_back("s3");
        world.start_operator().await;

        let planning = |i: &serde_json::Value| phase(i) == "Classified" && !i["status"]["recovery"]["build"].is_null();
        world.until(&name, "planned", planning).await;
        world.kill_operator();
        world.start_operator().await;

        world.until(&name, "waiting for a human", |i| phase(i) == "AwaitingApproval").await;
        world.kill_operator();
        approve(world, &name);
        world.start_operator().await;

        world.until(&name, "recovering", |i| phase(i) == "Recovering").await;
        world.kill_operator();
        world.start_operator().await;

        let incident = world.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(world.parameter().await, "secure-mode");
        assert_eq!(world.builds(&name, "-plan").len(), 1, "planned once");
        assert_eq!(world.builds(&name, "-recovery").len(), 1, "applied once");
        let told = world.messages(&name).await;
        let count = |what: &str| told.iter().filter(|m| m.contains(what)).count();
        assert!(count("The resource is back") >= 1, "{told:#?}");
    });
}
