//! AWS is asked for many Incidents at once, as often as is Reforge's share, and to the end of what it has to say.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_config::Region;
use aws_sdk_ssm::types::ParameterType;
use futures::future::{join_all, ready};
use reforge_api::Change;
use reforge_aws::accounts::s3_client;
use reforge_aws::builds::Builds;
use reforge_aws::verify::Verifier;
use reforge_core::catalog::Verify;
use reforge_core::incident::subject::Subject;
use sandbox::Aws;
use serde_json::json;

use crate::fake::{Fake, answer};

const GOING: &str = r#"<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><reservationSet><item><instancesSet><item><instanceId>i-0a</instanceId><instanceState><code>32</code><name>shutting-down</name></instanceState></item></instancesSet></item></reservationSet></DescribeInstancesResponse>"#;

/// Whether something is back that was deleted, and that no Terraform says more of.
fn subject() -> Subject<'static> {
    Subject {
        resource_type: "",
        cloud_formation_type: "",
        verify: Verify::Plan,
        cloud_control_id: None,
        change: Change::Deleted,
        old_id: "",
        now: Vec::new(),
        plan_is_empty: true,
        stateful: false,
        restores_data: false,
        expect: &[],
    }
}

#[tokio::test]
async fn instances_of_many_incidents_are_looked_at_with_one_call() {
    let ec2 = Fake::start(|_| ready(answer(200, GOING))).await;
    let verifier = Verifier::new(&ec2.config, s3_client(&ec2.config));
    let settled = join_all(["i-0a", "i-0b", "i-0a"].map(|id| verifier.settled("ec2", id, Change::Deleted))).await;
    let settled: Vec<Option<String>> = settled.into_iter().map(|settled| settled.expect("an answer")).collect();
    let going = Some("instance i-0a is shutting-down".to_owned());
    assert_eq!(settled, [going.clone(), None, going], "one that is gone keeps nobody from the other's answer");
    let calls = ec2.calls();
    let [call] = &calls[..] else { panic!("{} calls", calls.len()) };
    assert!(call.body.contains("Filter.1.Value.1=i-0a&Filter.1.Value.2=i-0b"), "{}", call.body);
}

#[tokio::test]
async fn builds_of_many_incidents_are_read_with_one_call() {
    let known = json!({"builds": [{"id": "plan:1", "buildStatus": "SUCCEEDED"}], "buildsNotFound": ["plan:2"]});
    let codebuild = Fake::start(move |_| ready(answer(200, known.to_string()))).await;
    let client = aws_sdk_codebuild::Client::new(&codebuild.config);
    let builds = Builds::new(client, Arc::new(BTreeMap::new()));
    let read = join_all(["plan:1", "plan:2", "plan:1"].map(|id| builds.get(id))).await;
    let read: Vec<Option<String>> =
        read.into_iter().map(|build| build.expect("an answer").map(|build| build.status.word().to_owned())).collect();
    assert_eq!(read, [Some("SUCCEEDED".to_owned()), None, Some("SUCCEEDED".to_owned())]);
    let asked: Vec<String> = codebuild.calls().into_iter().map(|call| call.body).collect();
    assert_eq!(asked, [r#"{"ids":["plan:1","plan:2"]}"#]);
}

#[tokio::test]
async fn a_parameter_is_found_behind_a_page_with_nothing_on_it() {
    let ssm = Fake::start(|call| {
        let is_first = !call.body.contains("NextToken");
        let page = if is_first { json!({"NextToken": "more"}) } else { json!({"Parameters": [{"Name": "/a"}]}) };
        ready(answer(200, page.to_string()))
    });
    let ssm = ssm.await;
    let verifier = Verifier::new(&ssm.config, s3_client(&ssm.config));
    let subject = Subject { resource_type: "ssm", old_id: "/a", ..subject() };
    assert!(verifier.verify(&subject).await.expect("an answer").passed());
    assert_eq!(ssm.calls().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_and_what_is_not_is_told_apart_by_each_service() {
    let aws = Aws::start().await.expect("the emulated AWS starts");
    let nobody = Fake::start(|_| ready(answer(500, ""))).await;
    let config = nobody.config.to_builder().region(Region::new("us-east-1")).endpoint_url(aws.url()).build();
    let verifier = Verifier::new(&config, s3_client(&config));
    let found = async |resource_type: &str, id: &str| {
        let subject = Subject { resource_type, old_id: id, ..subject() };
        let verified = verifier.verify(&subject).await.expect("an answer");
        (verified.checks[0].name.clone(), verified.checks[0].passed)
    };
    let says = |name: &str, passed: bool| (name.to_owned(), passed);
    assert_eq!(found("s3", "shop-data").await, says("bucket exists", false));
    assert_eq!(found("ssm", "/shop/mode").await, says("parameter exists", false));
    assert_eq!(found("dynamodb", "orders").await, says("table is ACTIVE", false));
    assert_eq!(found("lambda", "orders").await, says("function is Active", false));
    assert_eq!(verifier.settled("ec2", "i-0123456789abcdef0", Change::Deleted).await, Ok(None));

    s3_client(&config).create_bucket().bucket("shop-data").send().await.expect("a bucket");
    let ssm = aws_sdk_ssm::Client::new(&config);
    let parameter = ssm.put_parameter().name("/shop/mode").value("v").r#type(ParameterType::String);
    parameter.send().await.expect("a parameter");
    assert_eq!(found("s3", "shop-data").await, says("bucket exists", true));
    assert_eq!(found("ssm", "/shop/mode").await, says("parameter exists", true));
}
