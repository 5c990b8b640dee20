//! A model that does not do what it should: the resource still comes back.

use sandbox::edge::ModelMode;
use sandbox::incident::phase;

use crate::world::side_by_side;

fn with_model(mode: ModelMode, says: &str) {
    side_by_side(async |stage| {
        stage.sandbox.edge().faults().set_model_about(&stage.parameter, mode);
        let incident = stage.broken_and_ended().await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        let classification = &incident["status"]["classification"];
        assert_eq!(classification["by"], "Rules", "{classification:#}");
        assert_eq!(classification["verdict"], "Tampering");
        let reason = classification["reason"].as_str().expect("a reason");
        assert!(reason.contains(says), "it does not say so: {reason}");
    });
}

#[test]
fn a_silent_model_leaves_the_rules_verdict() {
    with_model(ModelMode::Silent, "no answer within 5 s");
}

#[test]
fn a_throttled_model_leaves_the_rules_verdict() {
    with_model(ModelMode::Throttled, "could not be used");
}

#[test]
fn a_model_that_talks_nonsense_leaves_the_rules_verdict() {
    with_model(ModelMode::Nonsense, "could not be used");
}

#[test]
fn a_model_that_was_talked_into_normal_dismisses_nothing() {
    with_model(ModelMode::TakenIn, "Normal");
}
