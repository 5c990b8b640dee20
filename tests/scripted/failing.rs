//! When it does not go well: each way in which a build ends has its own reason, and its own next step.

use sandbox::edge::{Ending, Mode};
use sandbox::incident::{condition, message, phase, reason};
use sandbox::{Caller, name_of};
use serde_json::{Value, json};

use crate::world::{RIGHT, Stage, side_by_side};

/// Tampers with the parameter where builds end as said and two attempts are all, and waits for the Incident's end.
async fn ended_with(stage: &Stage<'_>, mode: Mode, endings: &[Ending]) -> Value {
    stage.patch_policy(&json!({"recovery": {"maxAttempts": 2, "backoff": {"initial": "1s"}}}));
    for ending in endings {
        stage.script.next(mode, ending.clone());
    }
    stage.broken_and_ended().await
}

fn words() -> Ending {
    Ending::Fails("PlanFailed", "Error: Reference to undeclared input variable".to_owned())
}

#[test]
fn a_plan_that_fails_each_time_ends_with_its_words_and_a_human_told() {
    side_by_side(async |stage| {
        let incident = ended_with(stage, Mode::Plan, &[words(), words()]).await;
        assert_eq!((phase(&incident), reason(&incident)), ("Failed", "AttemptsExhausted"), "{incident:#}");
        assert_eq!(condition(&incident, "Stalled")["status"], "True");
        let failure = &incident["status"]["recovery"]["lastFailure"];
        assert_eq!(failure["reason"], "PlanFailed", "{incident:#}");
        assert!(failure["said"].as_str().is_some_and(|said| said.contains("undeclared input variable")), "{failure:#}");
        let name = name_of(&incident);
        assert_eq!(stage.builds(&name, "-plan").len(), 2, "each attempt had its plan");
        let told = stage.told(&name).await;
        assert!(told.iter().any(|m| m.starts_with("Failed") && m.contains("undeclared input variable")), "{told:#?}");
        assert_eq!(stage.value().await, "hacked", "nothing was applied");
    });
}

#[test]
fn a_plan_that_fails_once_is_made_again_and_applied() {
    side_by_side(async |stage| {
        let incident = ended_with(stage, Mode::Plan, &[words()]).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(stage.builds(&name_of(&incident), "-plan").len(), 2);
        assert_eq!(stage.value().await, RIGHT);
    });
}

#[test]
fn an_apply_that_fails_before_it_did_anything_is_planned_again() {
    side_by_side(async |stage| {
        let failing = Ending::Fails("ApplyFailed", "Error: putting SSM Parameter".to_owned());
        let incident = ended_with(stage, Mode::Apply, &[failing]).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        let name = name_of(&incident);
        assert_eq!((stage.builds(&name, "-plan").len(), stage.builds(&name, "-recovery").len()), (2, 2));
        assert_eq!(stage.value().await, RIGHT);
    });
}

#[test]
fn a_plan_build_that_publishes_nothing_that_can_be_read_has_made_no_plan() {
    side_by_side(async |stage| {
        stage.patch_policy(&json!({"recovery": {"maxAttempts": 3, "backoff": {"initial": "1s"}}}));
        stage.script.next(Mode::Plan, Ending::Silent);
        stage.script.next(Mode::Plan, Ending::Garbled);
        let incident = stage.broken_and_ended().await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        let name = name_of(&incident);
        assert_eq!((stage.builds(&name, "-plan").len(), stage.builds(&name, "-recovery").len()), (3, 1));
        assert_eq!(incident["status"]["recovery"]["failures"], 2, "{incident:#}");
        assert_eq!(stage.value().await, RIGHT);
    });
}

#[test]
fn a_plan_that_runs_out_of_time_is_made_again() {
    side_by_side(async |stage| {
        let incident = ended_with(stage, Mode::Plan, &[Ending::TimedOut]).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(incident["status"]["recovery"]["lastFailure"]["reason"], "TIMED_OUT", "{incident:#}");
        assert_eq!(stage.builds(&name_of(&incident), "-plan").len(), 2);
    });
}

#[test]
fn an_apply_that_says_nothing_is_believed_by_what_aws_has() {
    side_by_side(async |stage| {
        stage.patch_policy(&json!({"verification": {"timeout": "1s"}}));
        let incident = ended_with(stage, Mode::Apply, &[Ending::Silent]).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert_eq!(stage.builds(&name_of(&incident), "-recovery").len(), 2, "the first one did nothing");
        assert_eq!(stage.value().await, RIGHT);
    });
}

#[test]
fn an_apply_whose_result_nobody_can_read_is_believed_by_what_terraform_finds_after_it() {
    side_by_side(async |stage| {
        stage.patch_policy(&json!({"verification": {"timeout": "1s"}}));
        let incident = ended_with(stage, Mode::Apply, &[Ending::Garbled]).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        let name = name_of(&incident);
        assert_eq!((stage.builds(&name, "-plan").len(), stage.builds(&name, "-recovery").len()), (2, 1));
        assert_eq!(stage.value().await, RIGHT);
    });
}

#[test]
fn somebody_elses_apply_since_the_plan_is_waited_for_and_no_failure() {
    side_by_side(async |stage| {
        let here = stage.here();
        let name = stage.asked(&json!({"mode": "Always"})).await;
        stage.script.write_state();
        stage.approve(&name);
        let waiting = here.until(&name, "waiting for the other", |i| reason(i) == "StateMoved").await;
        assert!(message(&waiting).contains("somebody else applied"), "{waiting:#}");
        assert_eq!(stage.value().await, "hacked", "the plan that was approved is stale");
        let incident = here.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert!(incident["status"]["recovery"].get("failures").is_none_or(|f| *f == 0), "{incident:#}");
        assert_eq!(stage.value().await, RIGHT);
    });
}

#[test]
fn a_build_that_somebody_stopped_makes_the_next_plan_ask_a_human() {
    side_by_side(async |stage| {
        let here = stage.here();
        stage.patch_policy(&json!({"recovery": {"backoff": {"initial": "1s"}}}));
        stage.script.pause();
        let name = stage.broken().await;
        let running = |i: &Value| i["status"]["recovery"]["build"]["status"] == "IN_PROGRESS";
        let incident = here.until(&name, "planning", running).await;
        let build = incident["status"]["recovery"]["build"]["id"].as_str().expect("an id").to_owned();
        stage.sandbox.aws(Caller::Terraform, &["codebuild", "stop-build", "--id", &build]).await.expect("stopped");
        stage.script.go_on();
        let asked = here.until(&name, "asking a human", |i| phase(i) == "AwaitingApproval").await;
        assert_eq!(asked["status"]["recovery"]["lastFailure"]["reason"], "STOPPED", "{asked:#}");
        assert!(message(&asked).contains("somebody stopped the build"), "{}", message(&asked));
        stage.approve(&name);
        let incident = here.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
    });
}

#[test]
fn a_locked_state_is_waited_for_and_is_no_failure() {
    side_by_side(async |stage| {
        let here = stage.here();
        let created = "2026-01-02 03:04:05.678901234 +0000 UTC";
        let lock =
            json!({"id": "3f3b2b1e", "operation": "OperationTypeApply", "who": "ann@laptop", "created": created});
        stage.script.lock(Some(lock));
        let name = stage.broken().await;
        let waiting = here.until(&name, "waiting for the lock", |i| reason(i) == "StateLocked").await;
        let said = message(&waiting);
        assert!(said.contains("ann@laptop") && said.contains("3f3b2b1e") && said.contains("never broken"), "{said}");
        stage.script.lock(None);
        let incident = here.ended(&name).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        assert!(incident["status"]["recovery"].get("failures").is_none_or(|f| *f == 0), "waiting is no failure");
    });
}
