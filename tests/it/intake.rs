//! Opening Incidents on a real apiserver.

use reforge::intake::open::{OpenError, Stored, open};
use reforge_api::Incident;
use reforge_core::intake::candidate::Candidate;
use reforge_core::intake::naming::name_of;
use serde_json::json;

use crate::world::{client, namespace, plane};

fn candidate(namespace: &str, table: &str) -> Candidate {
    let event = json!({
        "id": "5f8a1b2c-0000-4000-8000-00000000e001", "time": "2026-01-02T03:04:05Z", "name": "DeleteTable",
        "source": "dynamodb.amazonaws.com", "accountId": "111122223333", "region": "eu-west-1",
        "actor": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/mallory"},
    });
    let resource = json!({"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": table});
    Candidate {
        namespace: namespace.to_owned(),
        policy: serde_json::from_value(json!({"name": "all"})).expect("a reference"),
        event: serde_json::from_value(event).expect("an event"),
        resource: serde_json::from_value(resource).expect("a resource"),
        change: reforge_api::Change::Deleted,
        handling: reforge_api::Handling::Recover,
    }
}

#[tokio::test]
async fn a_redelivered_event_opens_no_second_incident() {
    let (client, namespace) = (client(plane()).await, namespace());
    let candidate = candidate(&namespace, "orders");
    assert_eq!(open(&client, &candidate).await.expect("stored"), Stored::New);
    assert_eq!(open(&client, &candidate).await.expect("found"), Stored::Known);
    let list = plane().kubectl(&["get", "inc", "-n", &namespace, "-o", "name"]).expect("a list");
    assert_eq!(list.lines().count(), 1);
}

#[tokio::test]
async fn an_event_that_another_policy_takes_by_now_is_still_the_same_event() {
    let (client, namespace) = (client(plane()).await, namespace());
    let mut candidate = candidate(&namespace, "orders");
    open(&client, &candidate).await.expect("stored");
    candidate.policy.name = "other".into();
    assert_eq!(open(&client, &candidate).await.expect("found"), Stored::Known);
}

#[tokio::test]
async fn a_name_that_somebody_took_for_something_else_is_an_error() {
    let (client, namespace) = (client(plane()).await, namespace());
    let wanted = candidate(&namespace, "orders");
    let other = candidate(&namespace, "somebody-elses");
    let api: kube::Api<Incident> = kube::Api::namespaced(client.clone(), &namespace);
    open(&client, &other).await.expect("stored");
    let mut squatter = api.get(&name_of(&other)).await.expect("stored");
    squatter.metadata = kube::api::ObjectMeta { name: Some(name_of(&wanted)), ..Default::default() };
    api.create(&kube::api::PostParams::default(), &squatter).await.expect("created");
    assert!(matches!(open(&client, &wanted).await, Err(OpenError::Other { .. })));
}
