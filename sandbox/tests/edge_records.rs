//! CloudTrail: what a call leaves behind, and where its event goes.
#![allow(missing_docs)]

mod edge_support;
use edge_support::{World, within};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_changes_something_leaves_a_record_in_the_real_shape() {
    let world = World::start().await;
    world.create_table("orders-a").await;
    let (status, _) =
        world.json("AKIAMALLORY", "DynamoDB_20120810.DeleteTable", json!({"TableName": "orders-a"})).await;
    assert_eq!(status, 200);
    let record = world.records("DeleteTable").remove(0);
    assert_eq!(record["eventVersion"], "1.10");
    assert_eq!(record["eventSource"], "dynamodb.amazonaws.com");
    assert_eq!(record["awsRegion"], "us-east-1");
    assert_eq!(record["requestParameters"], json!({"tableName": "orders-a"}));
    assert_eq!(record["responseElements"]["tableDescription"]["tableStatus"], "DELETING");
    assert_eq!(record["userIdentity"]["type"], "IAMUser");
    assert_eq!(record["userIdentity"]["arn"], "arn:aws:iam::000000000000:user/mallory");
    assert_eq!(record["userAgent"], "test/1");
    assert_eq!((&record["readOnly"], &record["managementEvent"]), (&json!(false), &json!(true)));
    assert_eq!((&record["eventType"], &record["eventCategory"]), (&json!("AwsApiCall"), &json!("Management")));
    assert!(record.get("errorCode").is_none());
    let time: jiff::Timestamp = record["eventTime"].as_str().unwrap().parse().unwrap();
    assert_eq!(record["eventTime"].as_str().unwrap().len(), "2026-01-01T00:00:00Z".len(), "{time}");
    for member in ["eventID", "requestID", "recipientAccountId", "sourceIPAddress", "tlsDetails"] {
        assert!(!record[member].is_null(), "{member}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_call_leaves_a_record_with_its_error() {
    let world = World::start().await;
    world.json("test", "DynamoDB_20120810.DeleteTable", json!({"TableName": "never-was"})).await;
    let record = world.records("DeleteTable").remove(0);
    assert_eq!(record["errorCode"], "ResourceNotFoundException");
    assert!(record["errorMessage"].as_str().unwrap().contains("never-was"));
    assert_eq!(record["responseElements"], Value::Null);
    world.form("test", "ec2", &[("Action", "TerminateInstances"), ("InstanceId.1", "i-0123456789abcdef0")]).await;
    let record = world.records("TerminateInstances").remove(0);
    assert_eq!(record["errorCode"], "Client.InvalidInstanceID.NotFound");
    let items = json!([{"instanceId": "i-0123456789abcdef0"}]);
    assert_eq!(record["requestParameters"], json!({"instancesSet": {"items": items}}));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_protocol_is_read() {
    let world = World::start().await;
    world.operator().await;
    let key = "AKIAOPERATOR";
    world.rest(key, "lambda", "DELETE", "/2015-03-31/functions/pay", "").await;
    assert_eq!(world.records("DeleteFunction20150331")[0]["requestParameters"], json!({"functionName": "pay"}));
    world
        .rest(
            key,
            "lambda",
            "PUT",
            "/2015-03-31/functions/pay/configuration",
            r#"{"MemorySize":128,"Environment":{"Variables":{"A":"s"}}}"#,
        )
        .await;
    let changed = &world.records("UpdateFunctionConfiguration20150331v2")[0];
    assert_eq!(changed["requestParameters"], json!({"functionName": "pay", "memorySize": 128, "environment": {}}));
    let session = &changed["userIdentity"];
    assert_eq!(session["arn"], "arn:aws:sts::000000000000:assumed-role/reforge-operator/reforge");
    assert_eq!(session["sessionContext"]["sessionIssuer"]["arn"], "arn:aws:iam::000000000000:role/reforge-operator");

    world.rest(key, "s3", "PUT", "/shop-logs", "").await;
    world.rest(key, "s3", "PUT", "/shop-logs/object", "x").await;
    world
        .rest(
            key,
            "s3",
            "PUT",
            "/shop-logs?versioning",
            "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
        )
        .await;
    world.rest(key, "s3", "DELETE", "/shop-logs/object", "").await;
    world.rest(key, "s3", "DELETE", "/shop-logs", "").await;
    assert_eq!(world.records("CreateBucket")[0]["requestParameters"]["bucketName"], "shop-logs");
    let versioning = &world.records("PutBucketVersioning")[0]["requestParameters"];
    assert_eq!(versioning["VersioningConfiguration"]["Status"], "Enabled");
    assert_eq!(world.records("DeleteBucket")[0]["requestParameters"]["bucketName"], "shop-logs");
    assert!(
        world.edge.records().iter().all(|r| !r["eventName"].as_str().unwrap().contains("Object")),
        "objects are data events"
    );

    world.json(key, "AmazonSSM.PutParameter", json!({"Name": "/p", "Value": "geheim", "Type": "SecureString"})).await;
    let put = &world.records("PutParameter")[0];
    assert_eq!(put["requestParameters"]["value"], "HIDDEN_DUE_TO_SECURITY_REASONS");
    world
        .form(
            key,
            "rds",
            &[("Action", "DeleteDBInstance"), ("DBInstanceIdentifier", "db1"), ("SkipFinalSnapshot", "true")],
        )
        .await;
    let deleted = &world.records("DeleteDBInstance")[0]["requestParameters"];
    assert_eq!(*deleted, json!({"dBInstanceIdentifier": "db1", "skipFinalSnapshot": true}));
    world.rest(key, "eks", "DELETE", "/clusters/prod", "").await;
    assert_eq!(world.records("DeleteCluster")[0]["requestParameters"], json!({"name": "prod"}));
    let rule = [
        ("Action", "AuthorizeSecurityGroupIngress"),
        ("GroupId", "sg-1"),
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", "22"),
        ("IpPermissions.1.ToPort", "22"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
    ];
    world.form(key, "ec2", &rule).await;
    let permission =
        &world.records("AuthorizeSecurityGroupIngress")[0]["requestParameters"]["ipPermissions"]["items"][0];
    assert_eq!(
        *permission,
        json!({"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_goes_to_the_targets_of_the_rules_that_match() {
    let world = World::start().await;
    let detail = json!({"eventName": ["DeleteTable"], "requestParameters": {"tableName": ["matched-b"]}});
    let queue = world
        .queue_for(
            "rule-b",
            json!({"source": ["aws.dynamodb"], "detail-type": ["AWS API Call via CloudTrail"], "detail": detail}),
        )
        .await;
    for table in ["other-b", "matched-b"] {
        world.create_table(table).await;
        world.json("AKIAMALLORY", "DynamoDB_20120810.DeleteTable", json!({"TableName": table})).await;
    }
    let event = world.receive_all(&queue, 1).await.remove(0);
    assert_eq!(event["source"], "aws.dynamodb");
    assert_eq!(event["account"], "000000000000");
    assert_eq!(event["detail"]["userIdentity"]["userName"], "mallory");
    assert_eq!(event["detail"], world.records("DeleteTable")[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_can_be_doubled_and_held() {
    let world = World::start().await;
    let detail = json!({"requestParameters": {"tableName": [{"prefix": "c-"}]}, "eventName": ["DeleteTable"]});
    let queue = world.queue_for("rule-c", json!({"source": ["aws.dynamodb"], "detail": detail})).await;
    let faults = world.edge.faults();
    faults.set_delivery_twice(true);
    world.json("test", "DynamoDB_20120810.DeleteTable", json!({"TableName": "c-twice"})).await;
    let twice = world.receive_all(&queue, 2).await;
    assert_eq!(twice[0], twice[1]);
    faults.set_delivery_twice(false);
    faults.hold_delivery();
    world.json("test", "DynamoDB_20120810.DeleteTable", json!({"TableName": "c-1"})).await;
    world.json("test", "DynamoDB_20120810.DeleteTable", json!({"TableName": "c-2"})).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(world.receive(&queue).await.is_empty());
    faults.release_delivery();
    let held = world.receive_all(&queue, 2).await;
    assert_eq!(held[0]["detail"]["requestParameters"]["tableName"], "c-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_deleting_for_a_while() {
    let world = World::start().await;
    world.edge.faults().set_slow_deletes(Duration::from_millis(800));
    world.create_table("slow-d").await;
    world.ok("DynamoDB_20120810.DeleteTable", json!({"TableName": "slow-d"})).await;
    let shown = world.ok("DynamoDB_20120810.DescribeTable", json!({"TableName": "slow-d"})).await;
    assert_eq!(shown["Table"]["TableStatus"], "DELETING");
    let (status, refused) = world.create_table("slow-d").await;
    assert_eq!((status, &refused["__type"]), (400, &json!("ResourceInUseException")));
    let gone = || async {
        let (status, _) = world.json("test", "DynamoDB_20120810.DescribeTable", json!({"TableName": "slow-d"})).await;
        (status == 400).then_some(())
    };
    within(Duration::from_secs(5), gone).await;
    assert_eq!(world.create_table("slow-d").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_shuts_down_before_it_is_terminated() {
    let world = World::start().await;
    world.edge.faults().set_slow_deletes(Duration::from_millis(800));
    let id = world.instance("AKIATERRAFORM").await;
    let started = &world.records("RunInstances")[0];
    assert_eq!(started["requestParameters"]["instancesSet"]["items"][0]["imageId"], "ami-1");
    assert_eq!(started["responseElements"]["instancesSet"]["items"][0]["instanceId"], json!(id));
    let (_, xml) = world.form("AKIAMALLORY", "ec2", &[("Action", "TerminateInstances"), ("InstanceId.1", &id)]).await;
    assert!(xml.contains("shutting-down"), "{xml}");
    let ended = &world.records("TerminateInstances")[0]["responseElements"]["instancesSet"]["items"][0];
    assert_eq!(ended["currentState"], json!({"code": 32, "name": "shutting-down"}));
    let describe = [("Action", "DescribeInstances"), ("InstanceId.1", id.as_str())];
    assert!(world.form("test", "ec2", &describe).await.1.contains("shutting-down"));
    let over = || async { world.form("test", "ec2", &describe).await.1.contains("terminated").then_some(()) };
    within(Duration::from_secs(5), over).await;
}
