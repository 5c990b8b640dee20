//! CloudTrail's LookupEvents: what was recorded can be looked up, delivered or not.
#![allow(missing_docs)]

mod edge_support;
use edge_support::{World, within};
use serde_json::{Value, json};
use std::time::Duration;

/// As the operator's SDK names it; botocore, and so the CLI, puts a package before.
const LOOKUP: &str = "CloudTrail_20131101.LookupEvents";
const QUALIFIED: &str = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents";

/// Looks up, again when throttled.
async fn lookup(world: &World, signer: &str, input: Value) -> (u16, Value) {
    let ask = || async {
        let (status, answer) = world.json(signer, LOOKUP, input.clone()).await;
        (answer["__type"] != "ThrottlingException").then_some((status, answer))
    };
    within(Duration::from_secs(10), ask).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_call_is_known_by_either_of_its_names() {
    let world = World::start().await;
    for target in [LOOKUP, QUALIFIED] {
        let (status, answer) = world.json("AKIAMALLORY", target, json!({})).await;
        assert_eq!((status, &answer["Events"]), (200, &json!([])), "{target}");
    }
    let (status, answer) = world.json("AKIAMALLORY", "CloudTrail_2013.LookupEvents", json!({})).await;
    assert_eq!((status, answer["__type"].as_str()), (400, Some("UnknownOperationException")));
}

/// The events' tables, in the order of the answer.
fn tables(answer: &Value) -> Vec<String> {
    let events = answer["Events"].as_array().unwrap().iter();
    let records = events.map(|e| serde_json::from_str::<Value>(e["CloudTrailEvent"].as_str().unwrap()).unwrap());
    records.map(|r| r["requestParameters"]["tableName"].as_str().unwrap().to_owned()).collect()
}

async fn delete(world: &World, signer: &str, table: &str) {
    world.json(signer, "DynamoDB_20120810.DeleteTable", json!({"TableName": table})).await;
}

fn by(key: &str, value: &str) -> Value {
    json!({"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_can_be_looked_up_in_the_real_shape() {
    let world = World::start().await;
    world.operator().await;
    delete(&world, "AKIAMALLORY", "lookup-a").await;
    let (status, answer) = lookup(&world, "AKIAOPERATOR", by("ReadOnly", "false")).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer.get("NextToken").is_none());
    let (record, event) = (world.records("DeleteTable").remove(0), &answer["Events"][0]);
    let time: jiff::Timestamp = record["eventTime"].as_str().unwrap().parse().unwrap();
    let expected = json!({
        "EventId": record["eventID"], "EventName": "DeleteTable", "ReadOnly": "false", "AccessKeyId": "AKIAMALLORY",
        "EventTime": time.as_second(), "EventSource": "dynamodb.amazonaws.com", "Username": "mallory", "Resources": [],
        "CloudTrailEvent": record.to_string(),
    });
    assert_eq!(*event, expected);
    assert_eq!(world.edge.records().len(), 1, "looking up leaves no record");
    assert_eq!(world.edge.faults().calls("cloudtrail", "LookupEvents", Some("reforge")), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_found_newest_first_by_attribute_and_time() {
    let world = World::start().await;
    world.operator().await;
    for table in ["lookup-b1", "lookup-b2"] {
        delete(&world, "AKIAMALLORY", table).await;
    }
    world.json("AKIAOPERATOR", "AmazonSSM.DeleteParameter", json!({"Name": "/lookup-b"})).await;
    let key = "AKIAOPERATOR";
    assert_eq!(tables(&lookup(&world, key, by("EventName", "DeleteTable")).await.1), ["lookup-b2", "lookup-b1"]);
    assert_eq!(tables(&lookup(&world, key, by("Username", "mallory")).await.1).len(), 2);
    let first = world.records("DeleteTable").remove(0);
    let one = lookup(&world, key, by("EventId", first["eventID"].as_str().unwrap())).await.1;
    assert_eq!(tables(&one), ["lookup-b1"]);
    let time = first["eventTime"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    let in_time = |start, end| json!({"StartTime": start, "EndTime": end});
    assert_eq!(lookup(&world, key, in_time(time, time + 60)).await.1["Events"].as_array().unwrap().len(), 3);
    assert_eq!(lookup(&world, key, in_time(time - 60, time - 1)).await.1["Events"], json!([]));
    assert_eq!(lookup(&world, key, by("ReadOnly", "true")).await.1["Events"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_where_the_last_one_ended() {
    let world = World::start().await;
    world.operator().await;
    for table in ["lookup-c1", "lookup-c2", "lookup-c3"] {
        delete(&world, "AKIAMALLORY", table).await;
    }
    let first = lookup(&world, "AKIAOPERATOR", json!({"MaxResults": 2})).await.1;
    assert_eq!(tables(&first), ["lookup-c3", "lookup-c2"]);
    delete(&world, "AKIAMALLORY", "lookup-c4").await;
    let next = json!({"MaxResults": 2, "NextToken": first["NextToken"]});
    let second = lookup(&world, "AKIAOPERATOR", next).await.1;
    assert_eq!(tables(&second), ["lookup-c1"]);
    assert!(second.get("NextToken").is_none());
    let mixed_up = json!({"MaxResults": 3, "NextToken": first["NextToken"]});
    let refused = lookup(&world, "AKIAOPERATOR", mixed_up).await;
    assert_eq!((refused.0, &refused.1["__type"]), (400, &json!("InvalidNextTokenException")));
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_another_account_or_region_are_not_found() {
    let world = World::start().await;
    world.operator().await;
    for signer in ["AKIAMALLORY", "AKIAMALLORY@eu-west-1", "444455556666"] {
        delete(&world, signer, &format!("lookup-{}", signer.len())).await;
    }
    assert_eq!(tables(&lookup(&world, "AKIAOPERATOR", json!({})).await.1), ["lookup-11"]);
    assert_eq!(tables(&lookup(&world, "AKIAOPERATOR@eu-west-1", json!({})).await.1), ["lookup-21"]);
    assert_eq!(tables(&lookup(&world, "444455556666", json!({})).await.1), ["lookup-12"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_two_lookups_a_second_are_throttled() {
    let world = World::start().await;
    world.operator().await;
    let ask = || world.json("AKIAOPERATOR", LOOKUP, json!({}));
    let answers = tokio::join!(ask(), ask(), ask(), ask(), ask(), ask());
    let answers = [answers.0, answers.1, answers.2, answers.3, answers.4, answers.5];
    let throttled = answers.iter().filter(|(status, a)| *status == 400 && a["__type"] == "ThrottlingException").count();
    assert!(throttled > 0);
    assert_eq!(world.edge.faults().throttled_lookups(), throttled as u64);
    assert_eq!(world.json("AKIAOPERATOR@eu-west-1", LOOKUP, json!({})).await.0, 200, "each region has its own limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused() {
    let world = World::start().await;
    world.operator().await;
    let two = json!([{"AttributeKey": "EventName", "AttributeValue": "A"}, {"AttributeKey": "ReadOnly", "AttributeValue": "false"}]);
    for (input, code) in [
        (json!({"LookupAttributes": two}), "InvalidLookupAttributesException"),
        (by("ResourceName", "orders"), "InvalidLookupAttributesException"),
        (json!({"MaxResults": 51}), "InvalidMaxResultsException"),
        (json!({"StartTime": 2, "EndTime": 1}), "InvalidTimeRangeException"),
    ] {
        let (status, answer) = lookup(&world, "AKIAOPERATOR", input).await;
        assert_eq!((status, &answer["__type"]), (400, &json!(code)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_found_when_its_delay_is_over() {
    let world = World::start_with(|config| config.times.lookup = Duration::from_hours(1)).await;
    delete(&world, "AKIAMALLORY", "lookup-late").await;
    let question = by("EventName", "DeleteTable");
    let (_, answer) = lookup(&world, "AKIAOPERATOR", question.clone()).await;
    assert_eq!((tables(&answer).len(), world.records("DeleteTable").len()), (0, 1), "{answer}");
    world.edge.faults().set_lookup_delay(Duration::ZERO);
    let (_, answer) = lookup(&world, "AKIAOPERATOR", question).await;
    assert_eq!(tables(&answer), ["lookup-late"]);
}
