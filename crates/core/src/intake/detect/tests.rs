use serde_json::{Value, json};

use crate::intake::fixture::{ACCOUNT, envelope, read};
use crate::intake::plumbing::Part;
use crate::policy::grants::Grant;

use super::*;

const OURS: &str = "i-0123456789abcdef0";
const THEIRS: &str = "i-0123456789abcdef1";
const ROLE: &str = "arn:aws:iam::111122223333:role/recovery";

fn terminated(ids: &[&str]) -> Value {
    let items: Vec<Value> = ids.iter().map(|id| json!({"instanceId": id})).collect();
    envelope("ec2.amazonaws.com", "TerminateInstances", &json!({"instancesSet": {"items": items}}))
}

/// The same by a build of which nobody knows yet whose it is.
fn by_a_build(mut envelope: Value) -> Value {
    envelope["detail"]["userIdentity"] = json!({
        "type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/recovery/AWSCodeBuild-1",
        "sessionContext": {"sessionIssuer": {"arn": ROLE}},
    });
    envelope
}

/// What a record amounts to where one instance and one queue are the install's own and a policy takes others by their ids.
fn detected(envelope: &Value, resource_ids: &[&str]) -> Result<Detection, Unreadable> {
    let policy = json!({
        "apiVersion": "reforge.dev/v1alpha1", "kind": "RecoveryPolicy", "metadata": {"name": "p", "namespace": "shop"},
        "spec": {
            "match": {"resourceTypes": ["ec2", "dynamodb"], "resourceIds": resource_ids},
            "recovery": {"workspaces": [{"name": "w", "project": "a", "planProject": "p"}]},
        },
    });
    let part = |r#type: &str, id: &str| Part { r#type: r#type.into(), id: id.into(), account_id: None };
    let plumbing = Plumbing {
        namespace: "reforge".into(),
        account: ACCOUNT.into(),
        region: "eu-west-1".into(),
        parts: vec![part("ec2", OURS), part("sqs", "reforge-events")],
        ..Plumbing::default()
    };
    detect(
        &read(envelope),
        &Surroundings {
            way: Way::Queue,
            catalog: Catalog::builtin(),
            policies: &[Arc::new(serde_json::from_value(policy).expect("a policy"))],
            grants: &Grants(vec![Grant::everything("shop".into())]),
            plumbing: &plumbing,
            recovery_roles: &[ROLE.to_owned()],
            is_own_build: &|_, _| Ours::NotYetKnown,
            open_of: &|_, _| 0,
        },
    )
}

fn opened(detection: Result<Detection, Unreadable>) -> Vec<Candidate> {
    match detection {
        Ok(Detection::Open(candidates)) => candidates,
        other => panic!("it opens: {other:?}"),
    }
}

fn ids(candidates: &[Candidate]) -> Vec<&str> {
    candidates.iter().map(|c| c.resource.id.as_str()).collect()
}

#[test]
fn what_may_open_an_incident_changes_something_that_is_known_and_went_well() {
    let of = |change: &dyn Fn(&mut Value)| {
        let mut envelope = terminated(&[THEIRS]);
        change(&mut envelope["detail"]);
        is_of_interest(&read(&envelope), Catalog::builtin())
    };
    assert!(of(&|_| {}));
    assert!(!of(&|d| d["errorCode"] = "AccessDenied".into()));
    assert!(!of(&|d| d["readOnly"] = true.into()));
    assert!(!of(&|d| d["eventName"] = "DescribeInstances".into()));
}

#[test]
fn of_several_resources_those_are_opened_that_a_policy_takes() {
    let candidates = opened(detected(&terminated(&[THEIRS, "i-0123456789abcdef2"]), &[THEIRS]));
    assert_eq!(ids(&candidates), [THEIRS]);
    let parameters = candidates[0].event.request_parameters.as_deref().unwrap_or_default();
    assert!(parameters.contains("i-0123456789abcdef2"), "the call as it was: {parameters}");
    assert_eq!(detected(&terminated(&[THEIRS]), &["i-other"]), Ok(Detection::Drop(DropReason::NoPolicy)));
}

#[test]
fn an_id_that_nobody_can_read_is_kept_though_no_policy_takes_the_others() {
    let Ok(Detection::OpenSome(candidates, unreadable)) = detected(&terminated(&[THEIRS, "x y"]), &["i-other"]) else {
        panic!("the others can be read")
    };
    assert_eq!((candidates, unreadable), (vec![], Unreadable::Id("x y".into())));
    assert_eq!(detected(&terminated(&["x y"]), &["*"]), Err(Unreadable::Id("x y".into())));
}

#[test]
fn what_a_build_does_to_the_install_is_told_at_once_and_for_the_rest_its_build_has_to_be_known() {
    let own = opened(detected(&by_a_build(terminated(&[OURS])), &["*"]));
    assert_eq!((ids(&own), own[0].handling), (vec![OURS], Handling::Alert));
    for instances in [&[THEIRS][..], &[OURS, THEIRS]] {
        assert_eq!(detected(&by_a_build(terminated(instances)), &["*"]), Ok(Detection::Later), "{instances:?}");
    }
}

#[test]
fn an_alert_says_what_was_done_to_what_reforge_stands_on() {
    let change = |call: &str| {
        let queue = json!({"queueUrl": "https://sqs.eu-west-1.amazonaws.com/111122223333/reforge-events"});
        opened(detected(&envelope("sqs.amazonaws.com", call, &queue), &["*"]))[0].change
    };
    assert_eq!((change("DeleteQueue"), change("SetQueueAttributes")), (Change::Deleted, Change::Modified));
}
