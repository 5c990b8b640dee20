use serde_json::{Value, json};

use crate::policy::grants::Grant;

use super::*;

fn grants() -> Grants {
    let grant = |namespace: &str, account: &str| {
        Grant::new(namespace.into(), vec![account.into()], vec!["eu-west-1".into()], vec!["aiops-*".into()])
    };
    Grants(vec![grant("shop", "111122223333"), grant("bank", "111122223333"), grant("far", "999999999999")])
}

/// What is changed of a policy.
type Edit = fn(&mut Value);

/// One that takes tables, changed as said.
fn policy(namespace: &str, name: &str, change: &dyn Fn(&mut Value)) -> Arc<RecoveryPolicy> {
    let mut policy = json!({
        "apiVersion": "reforge.dev/v1alpha1", "kind": "RecoveryPolicy",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2026-01-02T00:00:00Z"},
        "spec": {
            "match": {"resourceTypes": ["dynamodb"]},
            "recovery": {"workspaces": [{"name": "w", "project": "aiops-apply", "planProject": "aiops-plan"}]},
        },
    });
    change(&mut policy["spec"]);
    Arc::new(serde_json::from_value(policy).expect("a policy"))
}

fn plain(_: &mut Value) {}

fn broken(spec: &mut Value) {
    spec["approval"] = json!({"mode": "When", "when": ["chnage == 'Deleted'"]});
}

fn of_priority(priority: i32, and: Edit) -> impl Fn(&mut Value) {
    move |spec| {
        spec["priority"] = priority.into();
        and(spec);
    }
}

fn event() -> (Event, Resource) {
    let event = json!({"id": "e", "time": "2026-01-02T03:04:05Z", "name": "DeleteTable", "source": "s",
        "accountId": "111122223333", "region": "eu-west-1", "actor": {"type": "IAMUser"}});
    let resource = json!({"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": "orders-eu"});
    (serde_json::from_value(event).expect("an event"), serde_json::from_value(resource).expect("a resource"))
}

/// Who takes the event, and whether it can be used.
fn taken_by(policies: &[Arc<RecoveryPolicy>]) -> Option<(String, bool)> {
    let (event, resource) = event();
    let taken = select(policies, &grants(), &event, &resource)?;
    Some((taken.policy.name_any(), taken.usable))
}

fn taken(name: &str, usable: bool) -> Option<(String, bool)> {
    Some((name.to_owned(), usable))
}

#[test]
fn a_policy_takes_what_all_that_it_names_agrees_with() {
    let one = |r#match: Value| taken_by(&[policy("shop", "p", &|spec| spec["match"] = r#match.clone())]).is_some();
    for r#match in [
        json!({"resourceTypes": ["dynamodb"]}),
        json!({"resourceTypes": ["s3", "AWS::DynamoDB::Table"]}),
        json!({"resourceTypes": ["dynamodb"], "events": ["UpdateTable", "DeleteTable"], "accounts": ["111122223333"],
            "regions": ["eu-west-1"], "resourceIds": ["users", "orders-*"]}),
    ] {
        assert!(one(r#match.clone()), "{match}");
    }
    for (field, other) in [
        ("resourceTypes", "s3"),
        ("events", "UpdateTable"),
        ("accounts", "999999999999"),
        ("regions", "us-east-1"),
        ("resourceIds", "orders"),
    ] {
        let mut r#match = json!({"resourceTypes": ["dynamodb"]});
        r#match[field] = json!([other]);
        assert!(!one(r#match.clone()), "{match}");
    }
}

#[test]
fn no_policy_takes_what_its_namespace_was_not_granted() {
    assert_eq!(taken_by(&[policy("far", "p", &plain), policy("nobody", "q", &plain)]), None);
}

#[test]
fn of_several_the_highest_priority_takes_it_and_then_the_first_name() {
    let policies =
        [policy("shop", "b", &plain), policy("shop", "a", &plain), policy("shop", "c", &of_priority(1, plain))];
    assert_eq!(taken_by(&policies[..2]), taken("a", true));
    assert_eq!(taken_by(&policies), taken("c", true));
}

#[test]
fn one_that_cannot_be_used_takes_what_no_other_does_and_goes_before_those_of_its_own_namespace_alone() {
    let usable = policy("shop", "usable", &plain);
    let with = |broken: Arc<RecoveryPolicy>| taken_by(&[usable.clone(), broken]);
    assert_eq!(taken_by(&[policy("shop", "broken", &broken)]), taken("broken", false));
    assert_eq!(with(policy("shop", "broken", &of_priority(1, broken))), taken("broken", false));
    assert_eq!(with(policy("shop", "broken", &broken)), taken("usable", true), "of the same priority");
    assert_eq!(with(policy("shop", "broken", &of_priority(-1, broken))), taken("usable", true));
    assert_eq!(with(policy("bank", "broken", &of_priority(1, broken))), taken("usable", true), "of another team");
}

#[test]
fn a_policy_that_names_more_than_was_granted_says_what() {
    let refused = |namespace: &str, change: &dyn Fn(&mut Value)| {
        let unusable = validate(&policy(namespace, "p", change), &grants()).expect_err("it is refused");
        (unusable.to_string(), unusable.reason())
    };
    assert_eq!(validate(&policy("shop", "p", &plain), &grants()), Ok(()));
    let cases: [(Edit, &str); 3] = [
        (|spec| spec["match"]["accounts"] = json!(["111122223333", "5"]), "account 5"),
        (|spec| spec["match"]["regions"] = json!(["eu-west-1", "us-east-1"]), "region us-east-1"),
        (|spec| spec["recovery"]["workspaces"][0]["planProject"] = "other".into(), "project other"),
    ];
    for (change, what) in cases {
        let (said, reason) = refused("shop", &change);
        assert!(said.contains(what), "{said}");
        assert_eq!(reason, reason::NOT_GRANTED);
    }
    assert_eq!(refused("nobody", &plain), ("namespace nobody was granted nothing".to_owned(), reason::NOT_GRANTED));
}

#[test]
fn a_policy_that_cannot_be_read_says_where() {
    let cases: [(Edit, &str); 4] = [
        (broken, "approval.when"),
        (|spec| spec["verification"] = json!({"expect": ["resource.id =="]}), "verification.expect"),
        (|spec| spec["drift"] = json!({"schedule": "every day"}), "drift.schedule"),
        (
            |spec| spec["windows"] = json!([{"deny": {"from": "00:00", "to": "01:00", "timeZone": "Mars/Base"}}]),
            "windows: \"Mars/Base\"",
        ),
    ];
    for (change, what) in cases {
        let unusable = validate(&policy("shop", "p", &change), &grants()).expect_err("it is refused");
        assert!(unusable.to_string().starts_with(what), "{unusable}");
        assert_eq!(unusable.reason(), reason::INVALID);
    }
}

#[test]
fn what_happened_before_the_policy_was_created_is_known_by_its_date() {
    let policy = policy("shop", "p", &plain);
    let created = Time::parse("2026-01-02T00:00:00Z").expect("a time");
    let at = |time: Time| created_after(&policy, &Event { time, ..event().0 });
    assert_eq!(at(created.plus_millis(-1)), Some(created));
    assert_eq!((at(created), at(created.plus_millis(1))), (None, None));
    let mut of_a_file = RecoveryPolicy::clone(&policy);
    of_a_file.metadata.creation_timestamp = None;
    assert_eq!(created_after(&of_a_file, &Event { time: Time(0), ..event().0 }), None, "it was always there");
}
