//! Faults, and the scripted model.
#![allow(missing_docs)]

mod edge_support;
use edge_support::World;
use sandbox::edge::{Aim, Manner, ModelMode};
use serde_json::{Value, json};
use std::time::Duration;

async fn ask(world: &World, model: &str, event: &str, system: bool) -> (u16, Value) {
    let mut body = json!({"messages": [{"role": "user", "content": [{"text": format!("<event>\n{}\n</event>", json!({"eventName": event}))}]}]});
    if system {
        body["system"] = json!([{"text": "You classify."}]);
    }
    let (status, text) =
        world.rest("AKIAOPERATOR", "bedrock", "POST", &format!("/model/{model}/converse"), body.to_string()).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn verdict(answer: &Value) -> Value {
    serde_json::from_str(answer["output"]["message"]["content"][0]["text"].as_str().unwrap()).unwrap_or(Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_answers_by_the_events_name_and_misbehaves_when_told() {
    let world = World::start().await;
    world.operator().await;
    let (nova, faults) = ("amazon.nova-lite-v1%3A0", world.edge.faults());
    let (_, answer) = ask(&world, nova, "DeleteTable", true).await;
    assert_eq!(verdict(&answer)["verdict"], "FAILURE");
    assert!(answer["usage"]["inputTokens"].as_u64().unwrap() > 0);
    assert_eq!(verdict(&ask(&world, nova, "PutBucketPolicy", true).await.1)["verdict"], "TAMPERING");
    faults.set_model(ModelMode::TakenIn);
    assert_eq!(verdict(&ask(&world, nova, "DeleteTable", true).await.1)["verdict"], "NORMAL");
    faults.set_model(ModelMode::Nonsense);
    assert_eq!(verdict(&ask(&world, nova, "DeleteTable", true).await.1), Value::Null);
    faults.set_model(ModelMode::Throttled);
    assert_eq!(ask(&world, nova, "DeleteTable", true).await.0, 429);
    faults.set_model(ModelMode::Down);
    assert_eq!(ask(&world, nova, "DeleteTable", true).await.0, 503);
    faults.set_model(ModelMode::Silent);
    let silence = tokio::time::timeout(Duration::from_millis(300), ask(&world, nova, "DeleteTable", true)).await;
    assert!(silence.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn titan_refuses_a_system_prompt() {
    let world = World::start().await;
    world.operator().await;
    let titan = "amazon.titan-text-express-v1";
    let (status, refused) = ask(&world, titan, "DeleteTable", true).await;
    assert_eq!((status, &refused["__type"]), (400, &json!("ValidationException")));
    assert_eq!(ask(&world, titan, "DeleteTable", false).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_can_be_refused_and_counted_and_a_service_taken_away() {
    let world = World::start().await;
    let faults = world.edge.faults();
    faults.refuse_next("ssm", "PutParameter", 1, "ThrottlingException");
    let put = json!({"Name": "/faults/a", "Value": "v", "Type": "String"});
    assert_eq!(world.json("AKIAMALLORY", "AmazonSSM.PutParameter", put.clone()).await.0, 429);
    assert_eq!(world.json("AKIAMALLORY", "AmazonSSM.PutParameter", put.clone()).await.0, 200);
    let records = world.records("PutParameter");
    assert_eq!(
        (&records[0]["errorCode"], &records[0]["requestParameters"]),
        (&json!("ThrottlingException"), &Value::Null)
    );
    assert!(records[1].get("errorCode").is_none());
    faults.take_away("ssm");
    assert_eq!(world.json("test", "AmazonSSM.PutParameter", put.clone()).await.0, 503);
    faults.bring_back("ssm");
    assert_eq!(faults.calls("ssm", "PutParameter", Some("mallory")), 2);
    assert_eq!(faults.calls("ssm", "PutParameter", None), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_about_one_thing_go_wrong_and_those_about_another_do_not() {
    let world = World::start().await;
    world.operator().await;
    let faults = world.edge.faults();
    let get = async |name: &str| {
        let named = json!({"ParameterFilters": [{"Key": "Name", "Option": "Equals", "Values": [name]}]});
        world.json("AKIAOPERATOR", "AmazonSSM.DescribeParameters", named).await
    };
    let about = |about| Aim { service: "ssm", operation: None, principal: "reforge", about };
    let denied = faults.strike(&about("/faults/denied"), Manner::Denied);
    faults.strike(&about("/faults/throttled"), Manner::Throttled);
    faults.strike(&about("/faults/failing"), Manner::ServerError);
    let (status, said) = get("/faults/denied").await;
    let message = said["message"].as_str().unwrap_or_default();
    assert_eq!((status, &said["__type"]), (400, &json!("AccessDeniedException")));
    assert!(
        message.contains("role/reforge-operator/reforge is not authorized to perform: ssm:DescribeParameters"),
        "{said}"
    );
    assert_eq!(get("/faults/throttled").await.1["__type"], "ThrottlingException");
    assert_eq!(get("/faults/failing").await.0, 500);
    assert_eq!(get("/faults/other").await.0, 200);
    denied.end();
    assert_eq!((get("/faults/denied").await.0, denied.calls()), (200, 2));
}
