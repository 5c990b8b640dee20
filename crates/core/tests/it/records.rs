//! CloudTrail's records as they really are: what opens an Incident, and why the rest does not.

use std::sync::Arc;

use reforge_api::{Change, Handling, Origin, RecoveryPolicy, Time};
use reforge_core::catalog::Catalog;
use reforge_core::index::own::Ours;
use reforge_core::intake::candidate::Candidate;
use reforge_core::intake::detect::{Detection, DropReason, Surroundings, Way, detect, detect_notice};
use reforge_core::intake::event::{Message, Record, parse};
use reforge_core::intake::plumbing::{Part, Plumbing};
use reforge_core::intake::unreadable::Unreadable;
use reforge_core::policy::grants::{Grant, Grants};
use serde_json::{Value, json};

use crate::shape::{ACCOUNT, BUILD, ROLE, envelope, policy};

fn deleted_table() -> Value {
    envelope("dynamodb.amazonaws.com", "DeleteTable", &json!({"tableName": "orders"}))
}

fn record(envelope: &Value) -> Record {
    match parse(&envelope.to_string()) {
        Ok(Message::ApiCall(record)) => *record,
        other => panic!("not a record: {other:?}"),
    }
}

pub fn grants(account: &str) -> Grants {
    Grants(vec![Grant::new("shop".into(), vec![account.into()], vec!["eu-west-1".into()], vec!["aiops-*".into()])])
}

/// An install's own queue and canary.
fn plumbing() -> Plumbing {
    let plumbing = |r#type: &str, id: &str| Part { r#type: r#type.into(), id: id.into(), account_id: None };
    Plumbing {
        namespace: "reforge".into(),
        account: ACCOUNT.into(),
        region: "eu-west-1".into(),
        parts: vec![plumbing("sqs", "reforge-events"), plumbing("ssm", "/reforge/canary")],
        canary: Some("/reforge/canary".into()),
        since: Time::default(),
    }
}

fn judged(envelope: &Value, grants: &Grants, policies: &[Arc<RecoveryPolicy>]) -> Result<Detection, Unreadable> {
    judged_since(Time::default(), envelope, grants, policies)
}

/// The same by an operator that first started then.
fn judged_since(
    since: Time,
    envelope: &Value,
    grants: &Grants,
    policies: &[Arc<RecoveryPolicy>],
) -> Result<Detection, Unreadable> {
    detect(
        &record(envelope),
        &Surroundings {
            way: Way::Queue,
            catalog: Catalog::builtin(),
            policies,
            grants,
            plumbing: &Plumbing { since, ..plumbing() },
            recovery_roles: &[ROLE.to_owned()],
            is_own_build: &|uuid, _| if uuid == BUILD { Ours::Yes } else { Ours::No },
            open_of: &|_, _| 0,
        },
    )
}

fn policies() -> Vec<Arc<RecoveryPolicy>> {
    vec![Arc::new(serde_json::from_value(policy("shop")).expect("a policy"))]
}

fn detected(envelope: &Value) -> Detection {
    judged(envelope, &grants(ACCOUNT), &policies()).expect("a readable record")
}

fn opened(envelope: &Value) -> Vec<Candidate> {
    match detected(envelope) {
        Detection::Open(candidates) => candidates,
        other => panic!("no candidate: {other:?}"),
    }
}

fn ids(envelope: &Value) -> Vec<String> {
    opened(envelope).into_iter().map(|c| c.resource.id).collect()
}

#[test]
fn a_deleted_table_opens_an_incident() {
    let [candidate] = &opened(&deleted_table())[..] else { panic!("not one candidate") };
    assert_eq!((candidate.change, candidate.resource.id.as_str()), (Change::Deleted, "orders"));
    assert_eq!(candidate.resource.arn.as_deref(), Some("arn:aws:dynamodb:eu-west-1:111122223333:table/orders"));
    assert_eq!((candidate.namespace.as_str(), candidate.policy.name.as_str()), ("shop", "all"));
}

#[test]
fn a_failed_call_is_dropped() {
    let mut event = deleted_table();
    event["detail"]["errorCode"] = json!("AccessDenied");
    assert_eq!(detected(&event), Detection::Drop(DropReason::FailedCall));
}

#[test]
fn a_read_only_call_is_dropped_in_either_spelling() {
    for spelling in [json!(true), json!("true"), json!("True")] {
        let mut event = deleted_table();
        event["detail"]["readOnly"] = spelling;
        assert_eq!(detected(&event), Detection::Drop(DropReason::ReadOnly));
    }
}

#[test]
fn null_request_parameters_are_no_crash() {
    let event = envelope("ssm.amazonaws.com", "PutParameter", &Value::Null);
    assert_eq!(detected(&event), Detection::Drop(DropReason::NoId));
}

#[test]
fn a_list_of_three_instances_opens_three_incidents() {
    let items = json!([{"instanceId": "i-0e35eb936c3e975e8"}, {"instanceId": "i-0aaaaaaaaaaaaaaa1"}, {"instanceId": "i-0aaaaaaaaaaaaaaa2"}]);
    let event = envelope("ec2.amazonaws.com", "TerminateInstances", &json!({"instancesSet": {"items": items}}));
    let candidates = opened(&event);
    let names: std::collections::BTreeSet<String> =
        candidates.iter().map(reforge_core::intake::naming::name_of).collect();
    assert_eq!((candidates.len(), names.len()), (3, 3));
}

#[test]
fn a_versioned_lambda_name_is_the_same_event() {
    for name in ["DeleteFunction20150331", "UpdateFunctionConfiguration20150331v2", "DeleteFunction"] {
        let event = envelope("lambda.amazonaws.com", name, &json!({"functionName": "aiops-monitored-function"}));
        assert_eq!(ids(&event), ["aiops-monitored-function"], "{name}");
    }
}

#[test]
fn an_arn_as_function_name_is_the_function() {
    let arn = "arn:aws:lambda:eu-west-1:111122223333:function:pay:live";
    let event = envelope("lambda.amazonaws.com", "DeleteFunction20150331", &json!({"functionName": arn}));
    assert_eq!(ids(&event), ["pay"]);
}

#[test]
fn every_event_of_the_catalogue_opens_its_incident() {
    for (source, name, parameters, id) in [
        (
            "ec2",
            "StopInstances",
            json!({"instancesSet": {"items": [{"instanceId": "i-0e35eb936c3e975e8"}]}}),
            "i-0e35eb936c3e975e8",
        ),
        ("s3", "DeleteBucket", json!({"bucketName": "aiops-data"}), "aiops-data"),
        ("s3", "PutBucketPolicy", json!({"bucketName": "aiops-data", "bucketPolicy": {}}), "aiops-data"),
        (
            "ssm",
            "PutParameter",
            json!({"name": "/myapp/config/mode", "value": "HIDDEN_DUE_TO_SECURITY_REASONS"}),
            "/myapp/config/mode",
        ),
        ("ssm", "DeleteParameter", json!({"name": "/myapp/config/mode"}), "/myapp/config/mode"),
        ("rds", "DeleteDBInstance", json!({"dBInstanceIdentifier": "orders-db"}), "orders-db"),
        ("eks", "DeleteCluster", json!({"name": "prod"}), "prod"),
    ] {
        let event = envelope(&format!("{source}.amazonaws.com"), name, &parameters);
        assert_eq!(ids(&event), [id], "{name}");
    }
}

#[test]
fn an_unknown_event_and_a_namesake_of_another_service_are_dropped() {
    // DeleteQueue is SQS's in the catalogue, and MediaConvert's outside of it.
    for (source, name) in [("dynamodb.amazonaws.com", "TagResource"), ("mediaconvert.amazonaws.com", "DeleteQueue")] {
        let event = envelope(source, name, &json!({"tableName": "orders"}));
        assert_eq!(detected(&event), Detection::Drop(DropReason::NotInCatalogue), "{source} {name}");
    }
}

#[test]
fn broken_json_is_unreadable() {
    for body in ["", "{", "[]", "null", "{\"detail-type\": 7}"] {
        assert!(matches!(parse(body), Err(Unreadable::NotAnEvent(_))), "{body}");
    }
}

#[test]
fn a_record_without_its_parts_is_unreadable() {
    for part in ["eventID", "eventTime", "eventName", "eventSource"] {
        let mut event = deleted_table();
        event["detail"].as_object_mut().expect("a record").remove(part);
        assert_eq!(parse(&event.to_string()).expect_err("unreadable"), Unreadable::Part(part));
    }
}

#[test]
fn an_account_or_region_that_does_not_agree_with_its_envelope_is_refused() {
    for (field, value) in [("recipientAccountId", "999999999999"), ("awsRegion", "us-east-1")] {
        let mut event = deleted_table();
        event["detail"][field] = json!(value);
        assert_eq!(parse(&event.to_string()).expect_err("refused").word(), "AccountMismatch");
    }
}

#[test]
fn a_foreign_account_and_an_event_without_a_policy_are_dropped() {
    let foreign = judged(&deleted_table(), &grants("999999999999"), &policies());
    assert_eq!(foreign, Ok(Detection::Drop(DropReason::ForeignAccount)));
    let nobody = judged(&deleted_table(), &grants(ACCOUNT), &[]);
    assert_eq!(nobody, Ok(Detection::Drop(DropReason::NoPolicy)));
}

/// A policy of a namespace that cannot be used for this reason, with so much priority.
fn broken(namespace: &str, name: &str, priority: i32, why: &str) -> Arc<RecoveryPolicy> {
    let mut manifest = policy(namespace);
    manifest["metadata"]["name"] = json!(name);
    manifest["spec"]["priority"] = json!(priority);
    match why {
        "its expression" => manifest["spec"]["approval"] = json!({"mode": "When", "when": ["1 +"]}),
        "its project" => manifest["spec"]["recovery"]["workspaces"][0]["project"] = json!("somebody-elses"),
        "another account" => manifest["spec"]["match"]["accounts"] = json!([ACCOUNT, "999999999999"]),
        other => panic!("{other}"),
    }
    Arc::new(serde_json::from_value(manifest).expect("a policy"))
}

fn taken_by(policies: &[Arc<RecoveryPolicy>], grants: &Grants) -> String {
    match judged(&deleted_table(), grants, policies) {
        Ok(Detection::Open(candidates)) => format!("{}/{}", candidates[0].namespace, candidates[0].policy.name),
        other => format!("{other:?}"),
    }
}

#[test]
fn what_a_policy_takes_that_cannot_be_used_waits_for_it() {
    for why in ["its expression", "its project", "another account"] {
        assert_eq!(taken_by(&[broken("shop", "broken", 0, why)], &grants(ACCOUNT)), "shop/broken", "{why}");
    }
}

#[test]
fn a_policy_that_cannot_be_used_goes_before_one_that_can_by_its_owners_order_alone() {
    let both = |priority| [policies(), vec![broken("shop", "broken", priority, "its expression")]].concat();
    assert_eq!(taken_by(&both(0), &grants(ACCOUNT)), "shop/all");
    assert_eq!(taken_by(&both(1), &grants(ACCOUNT)), "shop/broken", "it was to be handled with more care");
}

#[test]
fn no_namespace_comes_to_anothers_events_by_a_broken_policy() {
    let mallory = broken("zoo", "all", 1_000_000, "its expression");
    let policies = [policies(), vec![mallory.clone()]].concat();
    assert_eq!(taken_by(&policies, &grants(ACCOUNT)), "shop/all", "without a grant");
    let mut both = grants(ACCOUNT);
    both.0.push(Grant::new("zoo".into(), vec![ACCOUNT.into()], vec!["eu-west-1".into()], vec![]));
    assert_eq!(taken_by(&policies, &both), "shop/all", "with a grant");
    let dropped = format!("{:?}", Ok::<_, Unreadable>(Detection::Drop(DropReason::NoPolicy)));
    assert_eq!(taken_by(&[mallory], &grants(ACCOUNT)), dropped, "without a grant nothing waits for it either");
}

#[test]
fn so_many_wait_for_a_policy_that_cannot_be_used_and_no_more() {
    let policies = [broken("shop", "broken", 0, "its expression")];
    let (record, grants, plumbing) = (record(&deleted_table()), grants(ACCOUNT), plumbing());
    let with = |policies: &[Arc<RecoveryPolicy>], open: usize| {
        let around = Surroundings {
            way: Way::Queue,
            catalog: Catalog::builtin(),
            policies,
            grants: &grants,
            plumbing: &plumbing,
            recovery_roles: &[],
            is_own_build: &|_, _| Ours::No,
            open_of: &|namespace, name| if (namespace, name) == ("shop", "broken") { open } else { 1_000 },
        };
        detect(&record, &around).expect("a readable record")
    };
    assert!(matches!(with(&policies, 99), Detection::Open(_)));
    assert_eq!(with(&policies, 100), Detection::Drop(DropReason::TooManyWait));
    assert!(matches!(with(&self::policies(), 0), Detection::Open(_)), "one that can be used takes any number");
}

fn by_session(role: &str, session: &str) -> Value {
    let mut event = deleted_table();
    event["detail"]["userIdentity"] = json!({
        "type": "AssumedRole", "arn": format!("arn:aws:sts::111122223333:assumed-role/aiops-shop-recovery/{session}"),
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": role}, "attributes": {"mfaAuthenticated": "false"}},
    });
    event
}

#[test]
fn a_builds_own_calls_open_nothing() {
    let event = by_session(ROLE, &format!("AWSCodeBuild-{BUILD}"));
    assert_eq!(detected(&event), Detection::Drop(DropReason::OwnAction));
}

#[test]
fn the_recovery_role_without_a_build_of_ours_opens_an_incident() {
    let stranger = "AWSCodeBuild-00000000-0000-4000-8000-000000000000";
    for event in [by_session(ROLE, stranger), by_session(ROLE, "console")] {
        assert_eq!(opened(&event).len(), 1);
    }
}

#[test]
fn a_session_named_like_a_build_under_another_role_opens_an_incident() {
    let event = by_session("arn:aws:iam::111122223333:role/mallory", &format!("AWSCodeBuild-{BUILD}"));
    assert_eq!(opened(&event).len(), 1);
}

#[test]
fn odd_identities_are_no_crash() {
    for identity in
        [Value::Null, json!({}), json!({"type": "AssumedRole", "sessionContext": {"sessionIssuer": {}}}), json!("x")]
    {
        let mut event = deleted_table();
        event["detail"]["userIdentity"] = identity;
        assert_eq!(opened(&event).len(), 1);
    }
}

#[test]
fn an_id_that_is_none_is_refused() {
    let event = envelope("dynamodb.amazonaws.com", "DeleteTable", &json!({"tableName": "$(rm -rf /)"}));
    let error = judged(&event, &grants(ACCOUNT), &policies()).expect_err("refused");
    assert_eq!(error.word(), "InvalidId");
}

#[test]
fn events_that_aws_did_not_send_open_nothing() {
    let mut forged = deleted_table();
    for source in ["com.example.shop", "", "AWS.dynamodb"] {
        forged["source"] = json!(source);
        assert!(matches!(parse(&forged.to_string()), Err(Unreadable::NotFromAws(_))), "{source}");
    }
    forged.as_object_mut().expect("an object").remove("source");
    assert!(matches!(parse(&forged.to_string()), Err(Unreadable::NotFromAws(_))));
}

#[test]
fn what_reforge_stands_on_opens_an_alert_whatever_the_policies_say() {
    let url = format!("https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/reforge-events");
    let event = envelope("sqs.amazonaws.com", "SetQueueAttributes", &json!({"queueUrl": url}));
    let nobodys = judged(&event, &grants("999999999999"), &[]).expect("a readable record");
    let Detection::Open(candidates) = nobodys else { panic!("an alert") };
    let [candidate] = &candidates[..] else { panic!("one") };
    assert_eq!((candidate.handling, candidate.namespace.as_str()), (Handling::Alert, "reforge"));
    assert_eq!(candidate.resource.id, "reforge-events");
    let canary = envelope("ssm.amazonaws.com", "PutParameter", &json!({"name": "/reforge/canary"}));
    assert_eq!(opened(&canary)[0].handling, Handling::Canary);
    let other = envelope("ssm.amazonaws.com", "PutParameter", &json!({"name": "/app/mode"}));
    assert_eq!(opened(&other)[0].handling, Handling::Recover);
}

#[test]
fn what_made_the_install_is_counted_and_alarms_nobody() {
    let url = format!("https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/reforge-events");
    let event = envelope("sqs.amazonaws.com", "SetQueueAttributes", &json!({"queueUrl": url}));
    let at = record(&event).event.time;
    let judged = |since: Time| judged_since(since, &event, &grants(ACCOUNT), &policies()).expect("a readable record");
    assert_eq!(judged(at.plus_seconds(1)), Detection::Drop(DropReason::OfTheInstall));
    assert!(matches!(judged(at), Detection::Open(_)), "from the operator's first second on it alarms");
    let names = json!({"names": ["/reforge/canary", "/app/mode"]});
    let both = envelope("ssm.amazonaws.com", "DeleteParameters", &names);
    let after = record(&both).event.time.plus_seconds(1);
    let Ok(Detection::Open(candidates)) = judged_since(after, &both, &grants(ACCOUNT), &policies()) else {
        panic!("what a policy takes is nobody's install")
    };
    assert_eq!(candidates.iter().map(|c| c.resource.id.as_str()).collect::<Vec<_>>(), ["/app/mode"]);
}

#[test]
fn what_a_sweep_finds_from_before_its_policy_is_counted_and_what_the_queue_brings_is_opened() {
    let created = |name: &str, priority: i64, at: &str| -> Arc<RecoveryPolicy> {
        let mut policy = policy("shop");
        policy["metadata"]["name"] = json!(name);
        policy["metadata"]["creationTimestamp"] = json!(at);
        policy["spec"]["priority"] = json!(priority);
        Arc::new(serde_json::from_value(policy).expect("a policy"))
    };
    // The record is of 03:04:05.
    let careful = created("careful", 100, "2026-01-02T03:04:06Z");
    let elder = created("elder", 1, "2026-01-02T03:04:05Z");
    let record = record(&deleted_table());
    let judged = |way: Way, policies: &[Arc<RecoveryPolicy>]| {
        let around = Surroundings {
            way,
            catalog: Catalog::builtin(),
            policies,
            grants: &grants(ACCOUNT),
            plumbing: &plumbing(),
            recovery_roles: &[],
            is_own_build: &|_, _| Ours::No,
            open_of: &|_, _| 0,
        };
        match detect(&record, &around).expect("a readable record") {
            Detection::Open(taken) => Ok(taken.into_iter().map(|c| c.policy.name).collect::<Vec<_>>()),
            other => Err(other),
        }
    };
    let both = [careful.clone(), elder.clone()];
    assert_eq!(judged(Way::Sweep, &both), Err(Detection::Drop(DropReason::BeforePolicy)));
    assert_eq!(
        judged(Way::Queue, &both),
        Ok(vec!["careful".to_owned()]),
        "it is not handed down to one with less care"
    );
    assert_eq!(judged(Way::Sweep, &[elder]), Ok(vec!["elder".to_owned()]), "it was there in that very second");
}

#[test]
fn what_reforge_stands_on_takes_nothing_else_of_a_call_with_it() {
    let names = json!({"names": ["/reforge/canary", "/app/mode"]});
    let candidates = opened(&envelope("ssm.amazonaws.com", "DeleteParameters", &names));
    let what: Vec<_> = candidates.iter().map(|c| (c.resource.id.as_str(), c.handling)).collect();
    assert_eq!(what, [("/reforge/canary", Handling::Alert), ("/app/mode", Handling::Recover)]);
}

fn notice(kind: &str, source: &str, detail: &Value) -> Value {
    json!({
        "version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602", "detail-type": kind, "source": source,
        "account": ACCOUNT, "time": "2026-01-02T03:04:05Z", "region": "eu-west-1", "resources": [], "detail": detail,
    })
}

fn told(event: &Value) -> Detection {
    let Ok(Message::Notice(notice)) = parse(&event.to_string()) else { panic!("not a notice: {event}") };
    let policies = policies();
    let around = Surroundings {
        way: Way::Queue,
        catalog: Catalog::builtin(),
        policies: &policies,
        grants: &grants(ACCOUNT),
        plumbing: &plumbing(),
        recovery_roles: &[],
        is_own_build: &|_, _| Ours::No,
        open_of: &|_, _| 0,
    };
    detect_notice(&notice, &around).expect("a readable notice")
}

#[test]
fn an_instances_state_opens_an_incident_without_an_actor() {
    let of = |state: &str| {
        notice(
            "EC2 Instance State-change Notification",
            "aws.ec2",
            &json!({"instance-id": "i-0123456789abcdef0", "state": state}),
        )
    };
    for (state, change) in [("shutting-down", Change::Deleted), ("stopping", Change::Stopped)] {
        let Detection::Open(candidates) = told(&of(state)) else { panic!("an Incident") };
        let event = &candidates[0].event;
        assert_eq!((candidates[0].change, event.origin), (change, Origin::StateChange));
        assert_eq!((event.actor.arn.as_deref(), event.actor.r#type.as_str()), (None, "Unknown"));
    }
    for state in ["pending", "running", "terminated", "stopped"] {
        assert!(matches!(parse(&of(state).to_string()), Ok(Message::Harmless)), "{state}");
    }
}

#[test]
fn what_aws_config_tells_is_read_by_its_cloudformation_type() {
    let item = |status: &str, change: &str, r#type: &str, id: &str, name: &str| {
        notice(
            "Config Configuration Item Change",
            "aws.config",
            &json!({
                "recordVersion": "1.3", "messageType": "ConfigurationItemChangeNotification",
                "configurationItemDiff": {"changedProperties": {}, "changeType": change},
                "configurationItem": {"configurationItemStatus": status, "resourceType": r#type, "resourceId": id,
                    "resourceName": name, "awsAccountId": ACCOUNT, "awsRegion": "eu-west-1"},
            }),
        )
    };
    let Detection::Open(deleted) =
        told(&item("ResourceDeleted", "DELETE", "AWS::S3::Bucket", "shop-data", "shop-data"))
    else {
        panic!("an Incident")
    };
    assert_eq!((deleted[0].resource.id.as_str(), deleted[0].change), ("shop-data", Change::Deleted));
    let role = told(&item("OK", "UPDATE", "AWS::IAM::Role", "AROAEXAMPLE1234567890", "worker"));
    assert_eq!(role, Detection::Drop(DropReason::NoPolicy), "known, and no policy has the type");
    let created = item("ResourceDiscovered", "CREATE", "AWS::S3::Bucket", "shop-data", "shop-data");
    assert!(matches!(parse(&created.to_string()), Ok(Message::Harmless)));
    let unknown = told(&item("OK", "UPDATE", "AWS::Unknown::Thing", "x", "x"));
    assert_eq!(unknown, Detection::Drop(DropReason::NotInCatalogue));

    let finding = |compliance: &str| {
        notice(
            "Config Rules Compliance Change",
            "aws.config",
            &json!({"resourceType": "AWS::DynamoDB::Table", "resourceId": "orders", "configRuleName": "encrypted",
                "messageType": "ComplianceChangeNotification", "newEvaluationResult": {"complianceType": compliance}}),
        )
    };
    let Detection::Open(broken) = told(&finding("NON_COMPLIANT")) else { panic!("an Incident") };
    assert_eq!((broken[0].resource.id.as_str(), broken[0].change), ("orders", Change::Modified));
    assert!(matches!(parse(&finding("COMPLIANT").to_string()), Ok(Message::Harmless)));
}
