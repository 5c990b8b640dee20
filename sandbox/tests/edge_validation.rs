//! What AWS refuses by its API models alone is refused by the edge, in the words and the shape of the service; what is just within them passes.
#![allow(missing_docs)]

mod edge_support;
use edge_support::World;
use hyper::Request;
use serde_json::{Value, json};

const KEY: &str = "AKIATERRAFORM";

/// A call of a JSON protocol that is refused: code and message.
async fn refused(world: &World, target: &str, input: Value) -> (String, String) {
    let (status, answer) = world.json(KEY, target, input).await;
    assert_eq!(status, 400, "{target}: {answer}");
    (text(&answer["__type"]), text(&answer["message"]))
}

/// The code that a call of a JSON protocol is refused with, if it is; an emulator's refusal is as good as none of the edge's.
async fn code(world: &World, target: &str, input: Value) -> String {
    text(&world.json(KEY, target, input).await.1["__type"])
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// An element's text in an XML answer, empty without one.
fn element(xml: &str, name: &str) -> String {
    let inner = xml.split(&format!("<{name}>")).nth(1).and_then(|rest| rest.split(&format!("</{name}>")).next());
    inner.unwrap_or_default().to_owned()
}

async fn form_code(world: &World, service: &str, pairs: &[(&str, &str)]) -> (String, String) {
    let (_, xml) = world.form(KEY, service, pairs).await;
    (element(&xml, "Code"), element(&xml, "Message"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_service_refuses_what_is_missing_with_all_that_is_wrong() {
    let world = World::start().await;
    let (code, message) = refused(&world, "AmazonSSM.PutParameter", json!({"Name": "", "Type": "Text"})).await;
    assert_eq!(code, "ValidationException");
    assert!(message.starts_with("3 validation errors detected: "), "{message}");
    for wrong in [
        "Value '' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 1",
        "Value 'Text' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [String, StringList, SecureString]",
        "Value null at 'value' failed to satisfy constraint: Member must not be null",
    ] {
        assert!(message.contains(wrong), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_service_takes_a_text_as_long_as_its_model_says_and_none_longer() {
    let world = World::start().await;
    let put = |letters: usize| json!({"Name": "/valid/a", "Value": "v", "Type": "String", "Overwrite": true, "Description": "ü".repeat(letters)});
    assert_eq!(world.json(KEY, "AmazonSSM.PutParameter", put(1024)).await.0, 200);
    let (code, message) = refused(&world, "AmazonSSM.PutParameter", put(1025)).await;
    assert_eq!(code, "ValidationException");
    assert!(
        message.ends_with(
            "at 'description' failed to satisfy constraint: Member must have length less than or equal to 1024"
        ),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_service_refuses_another_pattern_and_says_which_element_it_is() {
    let world = World::start().await;
    let put = |key: &str| json!({"Name": "/valid/b", "Value": "v", "Type": "String", "Tags": [{"Key": "team", "Value": "a"}, {"Key": key, "Value": "b"}]});
    let (code, message) = refused(&world, "AmazonSSM.PutParameter", put("a;b")).await;
    assert_eq!(code, "ValidationException");
    assert!(message.contains("Value 'a;b' at 'tags.2.member.key' failed to satisfy constraint: Member must satisfy regular expression pattern: "), "{message}");
    assert_eq!(world.json(KEY, "AmazonSSM.PutParameter", put("größe a/b")).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_service_does_not_read_another_type() {
    let world = World::start().await;
    let (code, message) = refused(&world, "AmazonSSM.PutParameter", json!({"Name": 7, "Value": "v"})).await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("SerializationException", "NUMBER_VALUE can not be converted to String")
    );
    assert_eq!(refused(&world, "TrentService.ListKeys", json!({"Limit": "ten"})).await.0, "SerializationException");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_out_of_its_range_is_refused() {
    let world = World::start().await;
    let list = |limit: u32| json!({"Limit": limit});
    let (code, message) = refused(&world, "TrentService.ListKeys", list(1001)).await;
    assert_eq!(code, "ValidationException");
    assert_eq!(
        message,
        "1 validation error detected: Value '1001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 1000"
    );
    assert_eq!(world.json(KEY, "TrentService.ListKeys", list(1000)).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn codebuild_has_a_code_of_its_own() {
    let world = World::start().await;
    let start = "CodeBuild_20161006.StartBuild";
    assert_eq!(refused(&world, start, json!({})).await.0, "InvalidInputException");
    let sized = |size: &str| json!({"projectName": "never-was", "computeTypeOverride": size});
    assert_eq!(refused(&world, start, sized("BUILD_GENERAL1_HUGE")).await.0, "InvalidInputException");
    assert_eq!(refused(&world, start, sized("BUILD_GENERAL1_SMALL")).await.0, "ResourceNotFoundException");
    let named = |name: &str| json!({"names": [name]});
    assert_eq!(world.json(KEY, "CodeBuild_20161006.BatchGetProjects", named("a")).await.0, 200);
    let (code, message) = refused(&world, "CodeBuild_20161006.BatchGetProjects", named("")).await;
    assert_eq!(code, "InvalidInputException");
    assert_eq!(
        message,
        "1 validation error detected: Value '[]' at 'names' failed to satisfy constraint: Member must satisfy constraint: [Member must have length greater than or equal to 1]"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sqs_has_codes_and_words_of_its_own() {
    let world = World::start().await;
    let create = "AmazonSQS.CreateQueue";
    let missing = refused(&world, create, json!({})).await;
    assert_eq!(
        missing,
        ("MissingParameter".to_owned(), "The request must contain the parameter QueueName.".to_owned())
    );
    let queue = |attribute: &str| json!({"QueueName": "valid-c", "Attributes": {attribute: "30"}});
    let unknown = refused(&world, create, queue("VisibilityTimeOut")).await;
    let expected = ("InvalidAttributeName".to_owned(), "Unknown Attribute VisibilityTimeOut.".to_owned());
    assert_eq!(unknown, expected);
    assert_eq!(world.json(KEY, create, queue("VisibilityTimeout")).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_service_refuses_in_its_words() {
    let world = World::start().await;
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    let role = |name: &'static str| [("Action", "CreateRole"), ("RoleName", name), ("AssumeRolePolicyDocument", trust)];
    let (code, message) = form_code(&world, "iam", &role("valid d")[..2]).await;
    assert_eq!(code, "ValidationError");
    assert!(
        message.starts_with("2 validation errors detected: Value null at &apos;assumeRolePolicyDocument&apos; failed")
            || message.starts_with("2 validation errors detected: Value null at 'assumeRolePolicyDocument' failed"),
        "{message}"
    );
    assert!(message.ends_with("Member must satisfy regular expression pattern: [\\w+=,.@-]+"), "{message}");
    let long = "r".repeat(65).leak();
    let (code, message) = form_code(&world, "iam", &role(long)).await;
    assert_eq!(code, "ValidationError");
    assert!(message.ends_with("Member must have length less than or equal to 64"), "{message}");
    assert_eq!(form_code(&world, "iam", &role(&long[..64])).await.0, "");
    let key = |status| [("Action", "UpdateAccessKey"), ("AccessKeyId", "AKIA0123456789AB"), ("Status", status)];
    assert_eq!(form_code(&world, "iam", &key("Off")).await.0, "ValidationError");
    assert_ne!(form_code(&world, "iam", &key("Inactive")).await.0, "ValidationError");
}

#[tokio::test(flavor = "multi_thread")]
async fn ec2_refuses_in_its_words() {
    let world = World::start().await;
    let missing =
        form_code(&world, "ec2", &[("Action", "RunInstances"), ("ImageId", "ami-1"), ("MaxCount", "1")]).await;
    assert_eq!(missing, ("MissingParameter".to_owned(), "The request must contain the parameter MinCount".to_owned()));
    let run = |of| {
        [("Action", "RunInstances"), ("ImageId", "ami-1"), ("MinCount", "1"), ("MaxCount", "1"), ("InstanceType", of)]
    };
    assert_eq!(form_code(&world, "ec2", &run("t3.tiny")).await.0, "InvalidParameterValue");
    assert_eq!(form_code(&world, "ec2", &run("t3.nano")).await.0, "");
    let template = |name| {
        [("Action", "CreateLaunchTemplate"), ("LaunchTemplateName", name), ("LaunchTemplateData.ImageId", "ami-1")]
    };
    assert_eq!(form_code(&world, "ec2", &template("valid e")).await.0, "InvalidParameterValue");
    assert_eq!(form_code(&world, "ec2", &template("ab")).await.0, "InvalidParameterValue");
    assert_ne!(form_code(&world, "ec2", &template("abc")).await.0, "InvalidParameterValue");
    let count = form_code(&world, "ec2", &[("Action", "RunInstances"), ("MinCount", "one"), ("MaxCount", "1")]).await;
    assert_eq!(count.0, "InvalidParameterValue");
}

#[tokio::test(flavor = "multi_thread")]
async fn lambda_refuses_by_path_and_body() {
    let world = World::start().await;
    let change = async |name: &str, body: Value| {
        let path = format!("/2015-03-31/functions/{name}/configuration");
        let (status, answer) = world.rest(KEY, "lambda", "PUT", &path, body.to_string()).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        (status, text(&answer["__type"]), text(&answer["message"]))
    };
    let (status, code, message) = change("pay%20now", json!({})).await;
    assert_eq!((status, code.as_str()), (400, "ValidationException"));
    assert!(
        message.contains("Value 'pay now' at 'functionName' failed to satisfy constraint: Member must satisfy regular"),
        "{message}"
    );
    assert_eq!(change("pay", json!({"MemorySize": 127})).await.1, "ValidationException");
    assert_eq!(change("pay", json!({"Description": "d".repeat(257)})).await.1, "ValidationException");
    let (_, code, message) = change("pay", json!({"Runtime": "cobol"})).await;
    assert_eq!(code, "InvalidParameterValueException");
    assert!(
        message.starts_with(
            "Value cobol at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ["
        ),
        "{message}"
    );
    assert!(message.ends_with("] or be a valid ARN"), "{message}");
    let good = json!({"MemorySize": 128, "Description": "d".repeat(256), "Runtime": "python3.12"});
    assert_eq!(change("pay", good).await.0, 404, "a function that there is not");
    let (status, answer) =
        world.rest(KEY, "lambda", "POST", "/2015-03-31/functions", r#"{"FunctionName":"pay"}"#).await;
    assert_eq!(status, 400);
    assert!(answer.contains("Value null at 'role' failed to satisfy constraint: Member must not be null"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_refuses_what_does_not_fit_its_schema() {
    let world = World::start().await;
    world.rest(KEY, "s3", "PUT", "/valid-f", "").await;
    let put = async |place: &str, body: &str| {
        let (status, xml) = world.rest(KEY, "s3", "PUT", &format!("/valid-f{place}"), body.to_owned()).await;
        (status, element(&xml, "Code"))
    };
    let malformed = (400, "MalformedXML".to_owned());
    let versioning = |status| format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
    assert_eq!(put("?versioning", &versioning("On")).await, malformed);
    assert_eq!(put("?versioning", "<VersioningConfiguration><Status>").await, malformed);
    assert_eq!(put("?versioning", "<Versioning/>").await, malformed);
    assert_eq!(put("?versioning", &versioning("Suspended")).await.0, 200);
    let tags = |tag| format!("<Tagging><TagSet><Tag>{tag}</Tag></TagSet></Tagging>");
    assert_eq!(put("?tagging", &tags("<Value>v</Value>")).await, malformed);
    assert_eq!(put("?tagging", &tags("<Key></Key><Value>v</Value>")).await, malformed);
    assert_eq!(put("?tagging", "").await.1, "MissingRequestBodyError");
    assert_eq!(put("?tagging", &tags("<Key>k</Key><Value>v</Value>")).await.0, 204);
    let acl = async |acl: &str| {
        let request = Request::put(format!("{}/valid-f/object", world.edge.url())).header("x-amz-acl", acl);
        let (status, xml) = world.send(KEY, "s3", request, "body").await;
        (status, element(&xml, "Code"))
    };
    assert_eq!(acl("everyone").await, (400, "InvalidArgument".to_owned()));
    assert_eq!(acl("private").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_control_refuses_an_account_that_is_none() {
    let world = World::start().await;
    let block = async |account: &str| {
        let request = Request::get(format!("{}/v20180820/configuration/publicAccessBlock", world.edge.url()));
        world.send(KEY, "s3", request.header("x-amz-account-id", account), "").await
    };
    assert!(block("12").await.1.contains("<Code>InvalidArgument</Code>"));
    assert!(!block("000000000000").await.1.contains("<Code>InvalidArgument</Code>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_there_is_not_is_refused_as_the_protocol_does() {
    let world = World::start().await;
    assert_eq!(code(&world, "AmazonSSM.PutParametre", json!({})).await, "UnknownOperationException");
    assert_eq!(form_code(&world, "iam", &[("Action", "CreateRoll")]).await.0, "InvalidAction");
    let (code, message) = form_code(&world, "ec2", &[("Action", "RunInstance")]).await;
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("InvalidAction", "The action RunInstance is not valid for this web service.")
    );
    assert_eq!(world.rest(KEY, "lambda", "PUT", "/2015-03-31/function/pay", "").await.0, 404);
    assert_eq!(world.rest(KEY, "s3", "PATCH", "/valid-g", "").await.0, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_refused_and_not_shown() {
    let world = World::start().await;
    let create =
        |secret: String| json!({"Name": "valid-h", "ClientRequestToken": "1".repeat(32), "SecretString": secret});
    let (code, message) = refused(&world, "secretsmanager.CreateSecret", create("geheim".repeat(11_000))).await;
    assert_eq!(code, "ValidationException");
    assert_eq!(
        message,
        "1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to 65536"
    );
    assert_eq!(world.json(KEY, "secretsmanager.CreateSecret", create("g".repeat(65_536))).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_call_is_recorded_and_changes_nothing() {
    let world = World::start().await;
    let put = json!({"Name": "/valid/i", "Value": "v", "Type": "Text"});
    refused(&world, "AmazonSSM.PutParameter", put).await;
    let record = world.records("PutParameter").remove(0);
    assert_eq!(record["errorCode"], "ValidationException");
    assert!(record["errorMessage"].as_str().unwrap().starts_with("1 validation error detected: "));
    assert_eq!(code(&world, "AmazonSSM.GetParameter", json!({"Name": "/valid/i"})).await, "ParameterNotFound");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_a_model_passes() {
    let world = World::start().await;
    let request = Request::post(world.edge.url()).header("x-amz-target", "Shop_20260101.Sell");
    let (_, answer) = world.send(KEY, "shop", request, "{}").await;
    assert!(!answer.contains("UnknownOperationException"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_the_types_of_the_model() {
    let world = World::start().await;
    world.create_table("valid-j").await;
    world.ok("DynamoDB_20120810.DescribeTable", json!({"TableName": "valid-j"})).await;
    world.ok("AmazonSSM.PutParameter", json!({"Name": "/valid/j", "Value": "v", "Type": "String"})).await;
    world.ok("AmazonSSM.GetParameter", json!({"Name": "/valid/j"})).await;
    world.ok("AmazonSSM.DescribeParameters", json!({})).await;
    world.queue_for("valid-j", json!({"source": ["aws.ssm"]})).await;
    world.project("valid-j", "phases:\n  build:\n    commands: ['true']\n").await;
    world.ok("CodeBuild_20161006.BatchGetProjects", json!({"names": ["valid-j"]})).await;
    world.over(&world.build(json!({"projectName": "valid-j"})).await).await;
    assert_eq!(world.edge.faults().misshapen_answers(), Vec::<String>::new());
}
