//! EventBridge: what gets lost, what is faster than the records, and what goes on to other buses.
#![allow(missing_docs)]

mod edge_support;
use edge_support::World;
use serde_json::{Value, json};
use std::time::Duration;

fn deletions(prefix: &str) -> Value {
    json!({"source": ["aws.dynamodb"], "detail": {"eventName": ["DeleteTable"], "requestParameters": {"tableName": [{"prefix": prefix}]}}})
}

async fn delete(world: &World, signer: &str, table: &str) {
    world.json(signer, "DynamoDB_20120810.DeleteTable", json!({"TableName": table})).await;
}

fn states(events: &[Value]) -> Vec<&str> {
    events.iter().map(|e| e["detail"]["state"].as_str().unwrap_or("a record")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_lost_is_recorded_all_the_same() {
    let world = World::start().await;
    let queue = world.queue_for("lost-a", deletions("lost-a")).await;
    world.edge.faults().set_delivery_lost(true);
    delete(&world, "AKIAMALLORY", "lost-a1").await;
    world.edge.faults().set_delivery_lost(false);
    delete(&world, "AKIAMALLORY", "lost-a2").await;
    let delivered = world.receive_all(&queue, 1).await;
    assert_eq!(delivered[0]["detail"]["requestParameters"]["tableName"], "lost-a2");
    assert_eq!(world.records("DeleteTable").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_states_of_an_instance_arrive_in_order_and_before_the_record_of_the_call() {
    let world = World::start().await;
    let (slow, quick) = (world.instance("AKIATERRAFORM").await, world.instance("AKIATERRAFORM").await);
    let pattern = json!({"source": ["aws.ec2"], "$or": [
        {"detail": {"instance-id": [&slow, &quick]}},
        {"detail": {"requestParameters": {"instancesSet": {"items": {"instanceId": [&slow, &quick]}}}}},
    ]});
    let queue = world.queue_for("states-b", pattern).await;
    let faults = world.edge.faults();
    faults.set_instance_states(true);
    faults.hold_delivery();

    faults.set_slow_deletes(Duration::from_mins(60));
    for _ in 0..2 {
        world.form("AKIAMALLORY", "ec2", &[("Action", "TerminateInstances"), ("InstanceId.1", &slow)]).await;
    }
    let event = world.receive_all(&queue, 1).await.remove(0);
    let arn = format!("arn:aws:ec2:us-east-1:000000000000:instance/{slow}");
    assert_eq!(event["detail-type"], "EC2 Instance State-change Notification");
    assert_eq!(event["resources"], json!([arn]));
    assert_eq!(event["detail"], json!({"instance-id": slow, "state": "shutting-down"}));
    assert_eq!((&event["version"], &event["account"]), (&json!("0"), &json!("000000000000")));

    faults.set_slow_deletes(Duration::from_millis(100));
    world.form("AKIAMALLORY", "ec2", &[("Action", "TerminateInstances"), ("InstanceId.1", &quick)]).await;
    assert_eq!(states(&world.receive_all(&queue, 2).await), ["shutting-down", "terminated"]);
    let describe = [("Action", "DescribeInstances"), ("InstanceId.1", quick.as_str())];
    assert!(world.form("test", "ec2", &describe).await.1.contains("terminated"));

    faults.release_delivery();
    assert_eq!(states(&world.receive_all(&queue, 3).await), ["a record"; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_told_of_only_when_asked_for_and_only_when_it_changes() {
    let world = World::start().await;
    // An account of its own: the other tests' instances are on the default bus of theirs.
    let member = "222233334444";
    let (queue, arn) = world.queue("states-c").await;
    let pattern = json!({"detail-type": ["EC2 Instance State-change Notification"]});
    world.rule(member, "default", "states-c", &pattern, &arn).await;
    let id = world.instance(member).await;
    world.edge.faults().set_instance_states(true);
    for action in ["StopInstances", "StopInstances", "StartInstances"] {
        world.form(member, "ec2", &[("Action", action), ("InstanceId.1", &id)]).await;
    }
    let other = world.instance(member).await;
    let events = world.receive_all(&queue, 6).await;
    let of = |id: &str| events.iter().filter(|e| e["detail"]["instance-id"] == json!(id)).cloned().collect::<Vec<_>>();
    assert_eq!(states(&of(&id)), ["stopping", "stopped", "pending", "running"]);
    assert_eq!(states(&of(&other)), ["pending", "running"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_event_can_be_sent() {
    let world = World::start().await;
    let queue = world.queue_for("config-d", json!({"source": ["aws.config"]})).await;
    let detail = json!({"resourceType": "AWS::S3::Bucket", "resourceId": "shop-logs", "newEvaluationResult": {"complianceType": "NON_COMPLIANT"}});
    let rule = "arn:aws:config:us-east-1:000000000000:config-rule/config-rule-1".to_owned();
    world.edge.faults().hold_delivery();
    world.edge.send_event("Config Rules Compliance Change", "aws.config", std::slice::from_ref(&rule), &detail);
    let event = world.receive_all(&queue, 1).await.remove(0);
    assert_eq!(
        (&event["detail-type"], &event["source"]),
        (&json!("Config Rules Compliance Change"), &json!("aws.config"))
    );
    assert_eq!((&event["detail"], &event["resources"]), (&detail, &json!([rule])));
    assert_eq!((&event["account"], &event["region"]), (&json!("000000000000"), &json!("us-east-1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_another_account_and_region_is_forwarded_to_a_bus() {
    let world = World::start().await;
    world.ok("AWSEvents.CreateEventBus", json!({"Name": "central-e"})).await;
    let member = json!({"EventBusName": "central-e", "StatementId": "member", "Action": "events:PutEvents", "Principal": "444455556666"});
    world.ok("AWSEvents.PutPermission", member).await;
    let (queue, arn) = world.queue("bus-e").await;
    world.rule("AKIATERRAFORM", "central-e", "bus-e", &deletions("bus-e"), &arn).await;
    let (member, bus) = ("444455556666@eu-west-1", "arn:aws:events:us-east-1:000000000000:event-bus/central-e");
    world.rule(member, "default", "bus-e", &deletions("bus-e"), bus).await;
    delete(&world, "444455556666@eu-west-1", "bus-e1").await;
    let event = world.receive_all(&queue, 1).await.remove(0);
    assert_eq!((&event["account"], &event["region"]), (&json!("444455556666"), &json!("eu-west-1")));
    assert_eq!(event["detail"], world.records("DeleteTable")[0]);
    assert_eq!(event["detail"]["recipientAccountId"], "444455556666");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_forwarded_once_and_not_to_a_third_bus() {
    let world = World::start().await;
    for bus in ["second-f", "third-f"] {
        world.ok("AWSEvents.CreateEventBus", json!({"Name": bus})).await;
    }
    let bus = |name: &str| format!("arn:aws:events:us-east-1:000000000000:event-bus/{name}");
    let (second, second_arn) = world.queue("second-f").await;
    let (third, third_arn) = world.queue("third-f").await;
    let (signer, pattern) = ("AKIATERRAFORM", deletions("bus-f"));
    world.rule(signer, "default", "to-second-f", &pattern, &bus("second-f")).await;
    world.rule(signer, "second-f", "to-third-f", &pattern, &bus("third-f")).await;
    world.rule(signer, "second-f", "to-queue-f", &pattern, &second_arn).await;
    world.rule(signer, "third-f", "to-queue-f", &pattern, &third_arn).await;
    for table in ["bus-f1", "bus-f2"] {
        delete(&world, "AKIAMALLORY", table).await;
    }
    world.receive_all(&second, 2).await;
    assert!(world.receive(&third).await.is_empty());
}
