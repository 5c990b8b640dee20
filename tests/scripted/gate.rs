//! What the gate lets through, and what not.

use sandbox::edge::Resource;
use sandbox::incident::{phase, reason};
use sandbox::{Caller, name_of};
use serde_json::json;

use crate::world::{RIGHT, side_by_side};

#[test]
fn a_change_that_no_incident_explains_is_refused_where_the_policy_says_so() {
    side_by_side(async |stage| {
        stage.patch_policy(&json!({"plan": {"unexplained": "Refuse"}}));
        stage.script.declare(Resource::parameter(
            "aws_ssm_parameter.other",
            &format!("{}-other", stage.parameter),
            "new",
        ));
        let incident = stage.broken_and_ended().await;
        assert_eq!((phase(&incident), reason(&incident)), ("Failed", "Refused"), "{incident:#}");
        assert!(stage.builds(&name_of(&incident), "-recovery").is_empty());
        assert_eq!(stage.value().await, "hacked", "nothing was applied");
    });
}

#[test]
fn an_observing_policy_says_what_it_would_have_done() {
    side_by_side(async |stage| {
        stage.patch_policy(&json!({"mode": "Observe"}));
        let incident = stage.broken_and_ended().await;
        assert_eq!((phase(&incident), reason(&incident)), ("Dismissed", "ObserveOnly"), "{incident:#}");
        assert_eq!(incident["status"]["plan"]["changesTotal"], 1);
        assert!(stage.builds(&name_of(&incident), "-recovery").is_empty());
        assert_eq!(stage.value().await, "hacked", "nothing was applied");
    });
}

#[test]
fn what_its_owner_has_put_back_by_hand_is_no_recovery() {
    side_by_side(async |stage| {
        stage.patch_policy(&json!({"mode": "Observe"}));
        stage.broken_and_ended().await;
        let here = stage.here();
        let name = here.opened_by("ssm", async || stage.put(Caller::Terraform, &stage.parameter, RIGHT).await).await;
        let incident = here.ended(&name).await;
        assert_eq!((phase(&incident), reason(&incident)), ("Failed", "NotCoveredByTerraform"), "{incident:#}");
        assert!(stage.builds(&name, "-recovery").is_empty());
    });
}
