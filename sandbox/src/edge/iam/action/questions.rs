//! What AWS asks about a call, call by call.

use super::{Access, Ask, of};
use crate::edge::call::Call;
use crate::edge::http::Request;
use hyper::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

const ARN: &str = "us-east-1:000000000000";

fn request(service: &str, method: &str, target: &str, body: &str) -> Request {
    let scope = format!("AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/us-east-1/{service}/aws4_request, Signature=0");
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(&scope).unwrap());
    headers.insert("host", HeaderValue::from_static("localhost:4566"));
    Request {
        method: method.parse().unwrap(),
        target: target.to_owned(),
        headers,
        body: body.to_owned().into(),
        peer: "127.0.0.1".to_owned(),
        at: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn asked(request: &Request) -> Vec<Access> {
    let call = Call::of(request).unwrap();
    let mapped = of(&Ask::new(request, &call));
    assert!(mapped.known, "{} is known", call.operation);
    mapped.accesses
}

/// `action resource` of each question.
fn questions(accesses: &[Access]) -> Vec<String> {
    accesses.iter().map(|a| format!("{} {}", a.action, a.resource.replace(ARN, "~"))).collect()
}

fn json_call(service: &str, operation: &str, input: &Value) -> Vec<Access> {
    let mut request = request(service, "POST", "/", &input.to_string());
    request.headers.insert("x-amz-target", HeaderValue::from_str(&format!("X.{operation}")).unwrap());
    asked(&request)
}

fn form_call(service: &str, body: &str) -> Vec<Access> {
    let mut request = request(service, "POST", "/", body);
    request.headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    asked(&request)
}

#[test]
fn of_s3() {
    for (method, target, expected) in [
        ("GET", "/", "s3:ListAllMyBuckets *"),
        ("GET", "/b?list-type=2&prefix=p", "s3:ListBucket arn:aws:s3:::b"),
        ("HEAD", "/b", "s3:ListBucket arn:aws:s3:::b"),
        ("PUT", "/b", "s3:CreateBucket arn:aws:s3:::b"),
        ("DELETE", "/b", "s3:DeleteBucket arn:aws:s3:::b"),
        ("GET", "/b?encryption", "s3:GetEncryptionConfiguration arn:aws:s3:::b"),
        ("GET", "/b?lifecycle", "s3:GetLifecycleConfiguration arn:aws:s3:::b"),
        ("GET", "/b?replication", "s3:GetReplicationConfiguration arn:aws:s3:::b"),
        ("GET", "/b?accelerate", "s3:GetAccelerateConfiguration arn:aws:s3:::b"),
        ("GET", "/b?location", "s3:GetBucketLocation arn:aws:s3:::b"),
        ("GET", "/b?object-lock", "s3:GetBucketObjectLockConfiguration arn:aws:s3:::b"),
        ("DELETE", "/b?encryption", "s3:PutEncryptionConfiguration arn:aws:s3:::b"),
        ("DELETE", "/b?policy", "s3:DeleteBucketPolicy arn:aws:s3:::b"),
        ("HEAD", "/b/k/l", "s3:GetObject arn:aws:s3:::b/k/l"),
        ("GET", "/b/k?versionId=v", "s3:GetObjectVersion arn:aws:s3:::b/k"),
        ("PUT", "/b/k?partNumber=1&uploadId=u", "s3:PutObject arn:aws:s3:::b/k"),
        ("POST", "/b/k?uploads", "s3:PutObject arn:aws:s3:::b/k"),
        ("DELETE", "/b/k?uploadId=u", "s3:AbortMultipartUpload arn:aws:s3:::b/k"),
        ("DELETE", "/b/k", "s3:DeleteObject arn:aws:s3:::b/k"),
        ("GET", "/v20180820/tags/arn%3Aaws%3As3%3A%3A%3Ab", "s3:ListTagsForResource arn:aws:s3:::b"),
    ] {
        assert_eq!(questions(&asked(&request("s3", method, target, ""))), [expected], "{method} {target}");
    }
}

#[test]
fn of_json_services() {
    let tags = json!([{"Key": "k", "Value": "v"}]);
    let url = "http://localhost/444455556666/q";
    for (service, operation, input, expected) in [
        (
            "dynamodb",
            "CreateTable",
            json!({"TableName": "t", "Tags": tags}),
            vec!["dynamodb:CreateTable arn:aws:dynamodb:~:table/t", "dynamodb:TagResource arn:aws:dynamodb:~:table/t"],
        ),
        (
            "dynamodb",
            "DescribeTable",
            json!({"TableName": "t"}),
            vec!["dynamodb:DescribeTable arn:aws:dynamodb:~:table/t"],
        ),
        ("ssm", "DescribeParameters", json!({}), vec!["ssm:DescribeParameters arn:aws:ssm:~:*"]),
        (
            "ssm",
            "GetParameters",
            json!({"Names": ["/a", "b"]}),
            vec!["ssm:GetParameters arn:aws:ssm:~:parameter/a", "ssm:GetParameters arn:aws:ssm:~:parameter/b"],
        ),
        (
            "ssm",
            "PutParameter",
            json!({"Name": "/a/b", "Tags": tags}),
            vec!["ssm:PutParameter arn:aws:ssm:~:parameter/a/b", "ssm:AddTagsToResource arn:aws:ssm:~:parameter/a/b"],
        ),
        (
            "sqs",
            "SendMessageBatch",
            json!({"QueueUrl": url}),
            vec!["sqs:SendMessage arn:aws:sqs:us-east-1:444455556666:q"],
        ),
        (
            "sqs",
            "CreateQueue",
            json!({"QueueName": "q", "tags": {"k": "v"}}),
            vec!["sqs:CreateQueue arn:aws:sqs:~:q", "sqs:TagQueue arn:aws:sqs:~:q"],
        ),
        ("logs", "DescribeLogGroups", json!({}), vec!["logs:DescribeLogGroups arn:aws:logs:~:log-group::log-stream:"]),
        (
            "logs",
            "ListTagsForResource",
            json!({"resourceArn": format!("arn:aws:logs:{ARN}:log-group:/g")}),
            vec!["logs:ListTagsForResource arn:aws:logs:~:log-group:/g"],
        ),
        ("cloudtrail", "LookupEvents", json!({}), vec!["cloudtrail:LookupEvents *"]),
        (
            "cloudcontrolapi",
            "GetResource",
            json!({"TypeName": "AWS::SQS::Queue"}),
            vec!["cloudformation:GetResource arn:aws:cloudformation:~:resource/*"],
        ),
        (
            "kms",
            "CreateKey",
            json!({"Tags": [{"TagKey": "k", "TagValue": "v"}]}),
            vec!["kms:CreateKey *", "kms:TagResource *"],
        ),
        (
            "kms",
            "CreateAlias",
            json!({"AliasName": "alias/a", "TargetKeyId": "1"}),
            vec!["kms:CreateAlias arn:aws:kms:~:alias/a", "kms:CreateAlias arn:aws:kms:~:key/1"],
        ),
        (
            "codebuild",
            "BatchGetBuilds",
            json!({"ids": ["p:1", "p2:2"]}),
            vec![
                "codebuild:BatchGetBuilds arn:aws:codebuild:~:project/p",
                "codebuild:BatchGetBuilds arn:aws:codebuild:~:project/p2",
            ],
        ),
        (
            "codebuild",
            "CreateProject",
            json!({"name": "p", "serviceRole": "r"}),
            vec![
                "codebuild:CreateProject arn:aws:codebuild:~:project/p",
                "iam:PassRole arn:aws:iam::000000000000:role/r",
            ],
        ),
        (
            "events",
            "PutTargets",
            json!({"Rule": "r", "EventBusName": "b", "Targets": [{"RoleArn": "arn:aws:iam::0:role/e"}]}),
            vec!["events:PutTargets arn:aws:events:~:rule/b/r", "iam:PassRole arn:aws:iam::0:role/e"],
        ),
        (
            "secretsmanager",
            "DescribeSecret",
            json!({"SecretId": "s"}),
            vec!["secretsmanager:DescribeSecret arn:aws:secretsmanager:~:secret:s"],
        ),
    ] {
        assert_eq!(questions(&json_call(service, operation, &input)), expected, "{operation}");
    }
}

#[test]
fn of_forms() {
    for (service, body, expected) in [
        ("sts", "Action=GetCallerIdentity", vec![]),
        (
            "sts",
            "Action=AssumeRole&RoleArn=r&RoleSessionName=s&Tags.member.1.Key=k&Tags.member.1.Value=v",
            vec!["sts:AssumeRole r", "sts:TagSession r"],
        ),
        (
            "iam",
            "Action=CreateRole&RoleName=r&Path=/p/&Tags.member.1.Key=k&Tags.member.1.Value=v",
            vec!["iam:CreateRole arn:aws:iam::000000000000:role/p/r", "iam:TagRole arn:aws:iam::000000000000:role/p/r"],
        ),
        ("iam", "Action=ListRolePolicies&RoleName=r", vec!["iam:ListRolePolicies arn:aws:iam::000000000000:role/r"]),
        ("sns", "Action=Publish&TopicArn=t&Message=m", vec!["sns:Publish t"]),
        (
            "sns",
            "Action=GetSubscriptionAttributes&SubscriptionArn=arn:aws:sns:r:a:t:1",
            vec!["sns:GetSubscriptionAttributes arn:aws:sns:r:a:t"],
        ),
        ("ec2", "Action=DescribeInstances&InstanceId.1=i-1", vec!["ec2:DescribeInstances *"]),
        ("ec2", "Action=StartInstances&InstanceId.1=i-1", vec!["ec2:StartInstances arn:aws:ec2:~:instance/i-1"]),
        (
            "ec2",
            "Action=CreateTags&ResourceId.1=vol-1&Tag.1.Key=k&Tag.1.Value=v",
            vec!["ec2:CreateTags arn:aws:ec2:~:volume/vol-1"],
        ),
    ] {
        assert_eq!(questions(&form_call(service, body)), expected, "{body}");
    }
}

#[test]
fn of_a_launch() {
    let body = "Action=RunInstances&ImageId=ami-1&SubnetId=subnet-1&SecurityGroupId.1=sg-1&KeyName=k\
                &TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=Name&TagSpecification.1.Tag.1.Value=web";
    let accesses = form_call("ec2", body);
    let launch = ["instance/*", "volume/*", "network-interface/*", "subnet/subnet-1", "security-group/sg-1"];
    let mut expected: Vec<String> = launch.iter().map(|r| format!("ec2:RunInstances arn:aws:ec2:~:{r}")).collect();
    expected.push("ec2:RunInstances arn:aws:ec2:us-east-1::image/ami-1".to_owned());
    expected.push("ec2:RunInstances arn:aws:ec2:~:key-pair/k".to_owned());
    expected.push("ec2:CreateTags arn:aws:ec2:~:instance/*".to_owned());
    assert_eq!(questions(&accesses), expected);
    let tagging = &accesses.last().unwrap().context;
    assert_eq!(tagging.get("ec2:CreateAction").unwrap(), ["RunInstances"]);
    assert_eq!(tagging.get("aws:RequestTag/Name").unwrap(), ["web"]);
}

#[test]
fn of_paths() {
    let function = "lambda arn:aws:lambda:~:function:f";
    for (service, method, target, action) in [
        ("lambda", "GET", "/2015-03-31/functions/f", "GetFunction"),
        ("lambda", "GET", "/2015-03-31/functions/f/configuration", "GetFunctionConfiguration"),
        ("lambda", "GET", "/2020-06-30/functions/f/code-signing-config", "GetFunctionCodeSigningConfig"),
        ("lambda", "GET", "/2015-03-31/functions/f/versions", "ListVersionsByFunction"),
        ("lambda", "POST", "/2015-03-31/functions/f/policy", "AddPermission"),
        ("lambda", "POST", "/2015-03-31/functions/f/invocations", "InvokeFunction"),
    ] {
        let expected = function.replacen("lambda", &format!("lambda:{action}"), 1);
        assert_eq!(questions(&asked(&request(service, method, target, ""))), [expected], "{target}");
    }
    let created = asked(&request(
        "lambda",
        "POST",
        "/2015-03-31/functions",
        r#"{"FunctionName":"f","Role":"arn:aws:iam::0:role/r","Tags":{"k":"v"}}"#,
    ));
    let expected = [
        "lambda:CreateFunction arn:aws:lambda:~:function:f",
        "lambda:TagResource arn:aws:lambda:~:function:f",
        "iam:PassRole arn:aws:iam::0:role/r",
    ];
    assert_eq!(questions(&created), expected);
    assert_eq!(created[2].context.get("iam:PassedToService").unwrap(), ["lambda.amazonaws.com"]);
    let cluster = asked(&request("eks", "GET", "/clusters/c", ""));
    assert_eq!(questions(&cluster), ["eks:DescribeCluster arn:aws:eks:~:cluster/c"]);
    let model = asked(&request("bedrock", "POST", "/model/amazon.nova-lite-v1%3A0/converse", "{}"));
    assert_eq!(
        questions(&model),
        ["bedrock:InvokeModel arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0"]
    );
}

#[test]
fn of_a_build_each_override_is_a_key() {
    let variables = json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]);
    let input = json!({"projectName": "p", "environmentVariablesOverride": variables, "imageOverride": "i", "sourceAuthOverride": {"type": "OAUTH"}, "sourceVersion": "v"});
    let start = json_call("codebuild", "StartBuild", &input).remove(0);
    assert_eq!(start.resource, format!("arn:aws:codebuild:{ARN}:project/p"));
    assert_eq!(start.context.get("codebuild:environment.environmentVariables.name").unwrap(), ["A", "B"]);
    assert_eq!(start.context.get("codebuild:environment.image").unwrap(), ["i"]);
    assert_eq!(start.context.get("codebuild:source.auth.type").unwrap(), ["OAUTH"]);
    for absent in ["source.auth.resource", "source.buildspec", "serviceRole", "source.location", "logsConfig"] {
        assert!(start.context.get(&format!("codebuild:{absent}")).is_none(), "{absent}");
    }
}

#[test]
fn an_unknown_operation_asks_for_its_own_name_and_says_so() {
    let mut request = request("ssm", "POST", "/", "{}");
    request.headers.insert("x-amz-target", HeaderValue::from_static("AmazonSSM.InventThis"));
    let mapped = of(&Ask::new(&request, &Call::of(&request).unwrap()));
    assert!(!mapped.known);
    assert_eq!(questions(&mapped.accesses), ["ssm:InventThis *"]);
}
