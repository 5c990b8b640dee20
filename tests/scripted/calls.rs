//! Calls that AWS refuses.

use sandbox::incident::{message, phase, reason};
use serde_json::Value;

use crate::world::side_by_side;

#[test]
fn a_call_that_is_refused_is_told_and_not_hurried_and_goes_on_by_itself() {
    side_by_side(async |stage| {
        let here = stage.here();
        let inventory = format!("inventory/{}.json", stage.name);
        let faults = stage.sandbox.edge().faults();
        let asked = faults.refuse_about(("s3", "GetObject"), "reforge", &inventory, (1, "AccessDenied"));
        let name = stage.broken().await;
        let refused = here.until(&name, "refused", |i| reason(i) == "AccessDenied").await;
        let said = message(&refused);
        assert!(said.starts_with("reading s3://") && said.contains("Give the role that is named there"), "{said}");
        assert!(!said.contains("RequestId") && !said.contains("ServiceError"), "what people read is no dump: {said}");
        assert_eq!(refused["status"]["trouble"]["tries"], 1);
        let incident = here.until(&name, "past it", |i| i["status"]["trouble"].is_null()).await;
        assert_eq!(asked.calls(), 2, "once when it was refused, once when its time had come: {incident:#}");
        let incident = here.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    });
}

#[test]
fn a_build_that_cannot_start_is_tried_after_growing_pauses() {
    side_by_side(async |stage| {
        let here = stage.here();
        let (call, refusal) = (("codebuild", "StartBuild"), (2, "AccountLimitExceededException"));
        let started = stage.sandbox.edge().faults().refuse_about(call, "reforge", &stage.name, refusal);
        let name = stage.broken().await;
        let tries = |n: u32| move |i: &Value| i["status"]["trouble"]["tries"] == n;
        let refused = here.until(&name, "refused twice", tries(2)).await;
        assert_eq!((reason(&refused), started.calls()), ("Throttled", 2), "{refused:#}");
        let incident = here.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(started.calls(), 4, "the plan at the third try, and the apply");
    });
}
