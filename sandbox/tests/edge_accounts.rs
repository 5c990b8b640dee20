//! Several accounts: whose session acts where, and what a role's account asks of those who assume it.
#![allow(missing_docs)]

mod edge_support;
use edge_support::{World, everything, within};
use serde_json::{Value, json};
use std::time::Duration;

const MEMBER: &str = "444455556666";

async fn role(world: &World, name: &str, condition: Value) -> String {
    let trust = json!({
        "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:role/reforge-operator"},
        "Action": "sts:AssumeRole", "Condition": condition,
    });
    world.role(MEMBER, name, &trust, &everything()).await
}

async fn assume(world: &World, role: &str, external_id: Option<&str>) -> (u16, String) {
    let mut pairs = vec![("Action", "AssumeRole"), ("RoleArn", role), ("RoleSessionName", "reforge-recovery")];
    pairs.extend(external_id.map(|id| ("ExternalId", id)));
    world.form("AKIAOPERATOR", "sts", &pairs).await
}

fn key(answer: &str) -> String {
    answer.split("<AccessKeyId>").nth(1).unwrap().split('<').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_acts_in_the_account_of_its_role() {
    let world = World::start().await;
    world.operator().await;
    let role = role(&world, "recover-a", json!({})).await;
    let session = key(&assume(&world, &role, None).await.1);
    let put = json!({"Name": "/accounts-a", "Value": "v", "Type": "String"});
    world.ok_as(&session, "AmazonSSM.PutParameter", put).await;

    let get = json!({"Name": "/accounts-a"});
    assert_eq!(world.json(MEMBER, "AmazonSSM.GetParameter", get.clone()).await.0, 200);
    assert_eq!(world.json("AKIAOPERATOR", "AmazonSSM.GetParameter", get).await.0, 400);
    let record = world.records("PutParameter").remove(0);
    assert_eq!(record["recipientAccountId"], MEMBER);
    assert_eq!(record["userIdentity"]["accountId"], MEMBER);
    assert_eq!(record["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"], json!(role));
    let who = world.form(&session, "sts", &[("Action", "GetCallerIdentity")]).await.1;
    assert!(who.contains("<Arn>arn:aws:sts::444455556666:assumed-role/recover-a/reforge-recovery</Arn>"), "{who}");
    assert_eq!(world.edge.faults().calls("ssm", "PutParameter", Some("reforge-recovery")), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_of_another_account_acts_in_it_and_is_not_seen_from_elsewhere() {
    let world = World::start().await;
    world.operator().await;
    let curl = "curl -sSf -X POST $AWS_ENDPOINT_URL -H \"authorization: AWS4-HMAC-SHA256 Credential=$AWS_ACCESS_KEY_ID/20260101/us-east-1/ssm/aws4_request, SignedHeaders=host, Signature=0\" -H 'x-amz-target: AmazonSSM.PutParameter' -d '{\"Name\":\"/accounts-b\",\"Value\":\"v\",\"Type\":\"String\"}'";
    let spec = json!({"version": 0.2, "phases": {"build": {"commands": [curl]}}});
    let project = json!({
        "name": "member-b", "source": {"type": "NO_SOURCE", "buildspec": spec.to_string()},
        "artifacts": {"type": "NO_ARTIFACTS"}, "serviceRole": format!("arn:aws:iam::{MEMBER}:role/recovery-role"),
        "environment": {"type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL"},
    });
    world.service_role(MEMBER, "recovery-role", "codebuild.amazonaws.com").await;
    world.ok_as(MEMBER, "CodeBuild_20161006.CreateProject", project).await;
    let start = json!({"projectName": "member-b"});
    let build = world.ok_as(MEMBER, "CodeBuild_20161006.StartBuild", start).await["build"]["id"].clone();
    let show = |signer: &'static str| world.ok_as(signer, "CodeBuild_20161006.BatchGetBuilds", json!({"ids": [build]}));
    assert_eq!(show("AKIAOPERATOR").await["buildsNotFound"], json!([build]));
    let over = || async {
        let shown = show(MEMBER).await["builds"][0].clone();
        (shown["buildComplete"] == json!(true)).then_some(shown)
    };
    let shown = within(Duration::from_secs(60), over).await;
    assert_eq!(shown["buildStatus"], "SUCCEEDED", "{}", world.log(&shown));
    assert_eq!(world.json(MEMBER, "AmazonSSM.GetParameter", json!({"Name": "/accounts-b"})).await.0, 200);
    assert_eq!(world.records("PutParameter")[0]["recipientAccountId"], MEMBER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_asks_for_an_external_id_is_assumed_with_that_one_only() {
    let world = World::start().await;
    world.operator().await;
    let role = role(&world, "recover-c", json!({"StringEquals": {"sts:ExternalId": ["other", "reforge-7"]}})).await;
    for wrong in [None, Some("reforge-8")] {
        let (status, answer) = assume(&world, &role, wrong).await;
        assert_eq!(status, 403);
        assert!(answer.contains("<Code>AccessDenied</Code>"), "{answer}");
        assert!(answer.contains(
            "not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::444455556666:role/recover-c"
        ));
    }
    assert_eq!(assume(&world, &role, Some("reforge-7")).await.0, 200);
}
