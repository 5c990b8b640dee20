//! AWS's limits: a request at each passes, and one past it is refused with the service's own code.
#![allow(missing_docs)]

mod edge_support;
use edge_support::World;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

/// One request, as it goes over the wire.
enum Ask {
    Json(&'static str, Value),
    Form(&'static str, Vec<(String, String)>),
    Rest(&'static str, &'static str, String, Vec<u8>),
}

/// Requests for the row of docs/limits.md with this name: at the limit, past it, and the error code.
struct Case(&'static str, Ask, Ask, &'static str);

async fn send(world: &World, ask: &Ask) -> (u16, String) {
    match ask {
        Ask::Json(target, input) => {
            let (status, answer) = world.json("AKIATERRAFORM", target, input.clone()).await;
            (status, answer.to_string())
        }
        Ask::Form(service, pairs) => {
            let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            world.form("AKIATERRAFORM", service, &pairs).await
        }
        Ask::Rest(service, method, path, body) => {
            world.rest("AKIATERRAFORM", service, method, path, body.clone()).await
        }
    }
}

/// The head of a long answer.
fn head(text: &str) -> String {
    text.chars().take(400).collect()
}

async fn hold(world: &World, cases: &[Case]) {
    for Case(name, at, past, code) in cases {
        let (status, answer) = send(world, at).await;
        assert!(status < 300, "{name}, at the limit: {status} {}", head(&answer));
        refused(world, name, past, code).await;
    }
}

async fn refused(world: &World, name: &str, past: &Ask, code: &str) -> String {
    let (status, answer) = send(world, past).await;
    let said = answer.contains(&format!("\"__type\":\"{code}\"")) || answer.contains(&format!("<Code>{code}</Code>"));
    assert!(status >= 400 && said, "{name}, past the limit: {status} {}", head(&answer));
    answer
}

fn form(service: &'static str, action: &str, pairs: &[(&str, &str)]) -> Ask {
    let action = [("Action".to_owned(), action.to_owned())];
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Ask::Form(service, action.into_iter().chain(pairs).collect())
}

/// `text` made longer by `x` where it has `{}`, to so many characters in all.
fn padded(text: &str, characters: usize) -> String {
    text.replace("{}", &"x".repeat(characters + 2 - text.len()))
}

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"{}"},"Action":"sts:AssumeRole"}]}"#;
/// A trust policy of a role that builds and functions may run under.
const TRUSTED: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["codebuild.amazonaws.com","lambda.amazonaws.com"]},"Action":"sts:AssumeRole"}]}"#;
const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::{}"}]}"#;
const RESOURCE_POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"{}","Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

fn project(name: &str, changes: &Value) -> Value {
    let mut input = json!({
        "name": name, "source": {"type": "NO_SOURCE", "buildspec": "phases: {}"}, "artifacts": {"type": "NO_ARTIFACTS"},
        "serviceRole": "arn:aws:iam::000000000000:role/limits",
        "environment": {"type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL"},
    });
    for (member, value) in changes.as_object().unwrap() {
        input[member] = value.clone();
    }
    input
}

fn codebuild() -> Vec<Case> {
    let spec = |characters: usize| json!({"source": {"type": "NO_SOURCE", "buildspec": "#".repeat(characters)}});
    let variable = |characters: usize| {
        json!({"environment": {"type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": [{"name": "A", "value": "ü".repeat(characters)}]}})
    };
    let create = |name, changes| Ask::Json("CodeBuild_20161006.CreateProject", project(name, &changes));
    let start = |changes| Ask::Json("CodeBuild_20161006.StartBuild", changes);
    let value = |characters: usize| json!([{"name": "A", "value": "x".repeat(characters)}]);
    let (spec_name, variable_name) =
        ("CodeBuild: inline buildspec", "CodeBuild: value of an environment variable, of a project or an override");
    vec![
        Case(spec_name, create("limits-spec", spec(25_600)), create("limits-s", spec(25_601)), "InvalidInputException"),
        Case(
            spec_name,
            start(json!({"projectName": "limits-spec", "buildspecOverride": "phases: {build: {commands: ['true']}}"})),
            start(json!({"projectName": "limits-spec", "buildspecOverride": "x".repeat(25_601)})),
            "InvalidInputException",
        ),
        Case(
            variable_name,
            create("limits-variable", variable(4_096)),
            create("limits-v", variable(4_097)),
            "InvalidInputException",
        ),
        Case(
            variable_name,
            start(json!({"projectName": "limits-spec", "environmentVariablesOverride": value(4_096)})),
            start(json!({"projectName": "limits-spec", "environmentVariablesOverride": value(4_097)})),
            "InvalidInputException",
        ),
        Case(
            "CodeBuild: a project's limit within the account's",
            create("limits-many", json!({"concurrentBuildLimit": 60})),
            create("limits-m", json!({"concurrentBuildLimit": 61})),
            "InvalidInputException",
        ),
    ]
}

fn iam() -> Vec<Case> {
    let role =
        |name, trust: &str| form("iam", "CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", trust)]);
    let managed =
        |name, document: &str| form("iam", "CreatePolicy", &[("PolicyName", name), ("PolicyDocument", document)]);
    let inline = |name, document: &str| {
        form("iam", "PutRolePolicy", &[("RoleName", "limits-role"), ("PolicyName", name), ("PolicyDocument", document)])
    };
    // White space counts for nothing.
    let spaced = |text: &str, characters| {
        let document: Value = serde_json::from_str(&padded(text, characters)).unwrap();
        serde_json::to_string_pretty(&document).unwrap()
    };
    vec![
        Case(
            "IAM: trust policy of a role",
            role("limits-role", &spaced(TRUST, 2_048)),
            role("limits-r", &spaced(TRUST, 2_049)),
            "LimitExceeded",
        ),
        Case(
            "IAM: managed policy",
            managed("limits-managed", &spaced(POLICY, 6_144)),
            managed("limits-m", &spaced(POLICY, 6_145)),
            "LimitExceeded",
        ),
        Case(
            "IAM: grammar of policies",
            managed("limits-grammar", &padded(POLICY, 200)),
            managed("limits-g", &padded(POLICY, 200).replace("Allow", "allow")),
            "MalformedPolicyDocument",
        ),
        Case(
            "IAM: inline policies of a role, together",
            inline("a", &padded(POLICY, 6_000)),
            inline("b", &padded(POLICY, 4_241)),
            "LimitExceeded",
        ),
        // What is replaced counts no more.
        Case(
            "IAM: inline policies of a role, together",
            inline("b", &padded(POLICY, 4_240)),
            inline("b", &padded(POLICY, 4_241)),
            "LimitExceeded",
        ),
    ]
}

fn sqs(url: &str) -> Vec<Case> {
    let call = |operation: &'static str, mut input: Value| {
        input["QueueUrl"] = json!(url);
        Ask::Json(operation, input)
    };
    let create = |name: String| Ask::Json("AmazonSQS.CreateQueue", json!({"QueueName": name}));
    // The name, the type and the value of an attribute count as well.
    let message = |bytes: usize| {
        let attribute = json!({"abc": {"DataType": "String", "StringValue": "d"}});
        call("AmazonSQS.SendMessage", json!({"MessageBody": "x".repeat(bytes - 10), "MessageAttributes": attribute}))
    };
    let batch = |count: usize, bytes: usize| {
        let entries: Vec<Value> =
            (0..count).map(|i| json!({"Id": i.to_string(), "MessageBody": "x".repeat(bytes)})).collect();
        call("AmazonSQS.SendMessageBatch", json!({"Entries": entries}))
    };
    let attributes = |count: usize| {
        let attribute = json!({"DataType": "String", "StringValue": "v"});
        let all: serde_json::Map<String, Value> = (0..count).map(|i| (format!("a{i}"), attribute.clone())).collect();
        call("AmazonSQS.SendMessage", json!({"MessageBody": "x", "MessageAttributes": all}))
    };
    let receive = |input| call("AmazonSQS.ReceiveMessage", input);
    let delay = |seconds: u32| call("AmazonSQS.SendMessage", json!({"MessageBody": "x", "DelaySeconds": seconds}));
    let set = |name: &str, value: String| call("AmazonSQS.SetQueueAttributes", json!({"Attributes": {name: value}}));
    let value = "InvalidParameterValue";
    vec![
        Case("SQS: queue name", create("q".repeat(80)), create("q".repeat(81)), value),
        Case("SQS: queue name", create("limits_q.fifo".to_owned()), create("limits.q".to_owned()), value),
        Case("SQS: message with its attributes", message(1_048_576), message(1_048_577), value),
        Case(
            "SQS: messages of a batch, together",
            batch(8, 131_072),
            batch(8, 131_073),
            "AWS.SimpleQueueService.BatchRequestTooLong",
        ),
        Case(
            "SQS: entries of a batch",
            batch(10, 1),
            batch(11, 1),
            "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        ),
        Case("SQS: attributes of a message", attributes(10), attributes(11), value),
        // There are messages, so that nothing is waited for.
        Case(
            "SQS: long poll",
            receive(json!({"WaitTimeSeconds": 20, "VisibilityTimeout": 0})),
            receive(json!({"WaitTimeSeconds": 21})),
            value,
        ),
        Case(
            "SQS: messages of a receive",
            receive(json!({"MaxNumberOfMessages": 10})),
            receive(json!({"MaxNumberOfMessages": 11})),
            value,
        ),
        Case(
            "SQS: visibility timeout",
            receive(json!({"VisibilityTimeout": 43_200})),
            receive(json!({"VisibilityTimeout": 43_201})),
            value,
        ),
        Case("SQS: delay of a message", delay(900), delay(901), value),
        Case(
            "SQS: policy of a queue",
            set("Policy", padded(RESOURCE_POLICY, 8_192)),
            set("Policy", padded(RESOURCE_POLICY, 8_193)),
            "InvalidAttributeValue",
        ),
        Case(
            "SQS: size, retention, delay, wait and visibility of a queue",
            set("MessageRetentionPeriod", "1209600".to_owned()),
            set("MessageRetentionPeriod", "1209601".to_owned()),
            "InvalidAttributeValue",
        ),
    ]
}

fn sns(topic: &str) -> Vec<Case> {
    let create = |name: String| form("sns", "CreateTopic", &[("Name", &name)]);
    let publish = |subject: &str, message: &str| {
        form("sns", "Publish", &[("TopicArn", topic), ("Subject", subject), ("Message", message)])
    };
    let policy = |bytes| {
        let policy = padded(RESOURCE_POLICY, bytes);
        let pairs = [("TopicArn", topic), ("AttributeName", "Policy"), ("AttributeValue", &policy)];
        form("sns", "SetTopicAttributes", &pairs)
    };
    let code = "InvalidParameter";
    vec![
        Case("SNS: topic name", create("t".repeat(256)), create("t".repeat(257)), code),
        Case("SNS: subject", publish(&"s".repeat(100), "m"), publish(&"s".repeat(101), "m"), code),
        Case("SNS: form of a subject", publish("[a] b: c", "m"), publish("a\nb", "m"), code),
        Case("SNS: form of a subject", publish("1", "m"), publish("ü", "m"), code),
        Case(
            "SNS: message with its attributes",
            publish("s", &"m".repeat(262_144)),
            publish("s", &"m".repeat(262_145)),
            code,
        ),
        Case("SNS: policy of a topic", policy(30_720), policy(30_721), code),
    ]
}

fn events() -> Vec<Case> {
    let rule = |characters| {
        let pattern = padded(r#"{"source":["{}"]}"#, characters);
        Ask::Json("AWSEvents.PutRule", json!({"Name": "limits-pattern", "EventPattern": pattern}))
    };
    let targets = |ids: std::ops::Range<usize>| {
        let arn = "arn:aws:sqs:us-east-1:000000000000:limits";
        let targets: Vec<Value> = ids.map(|i| json!({"Id": i.to_string(), "Arn": arn})).collect();
        Ask::Json("AWSEvents.PutTargets", json!({"Rule": "limits-pattern", "Targets": targets}))
    };
    let policy = |characters| {
        let policy = padded(RESOURCE_POLICY, characters);
        Ask::Json("AWSEvents.PutPermission", json!({"EventBusName": "limits-bus", "Policy": policy}))
    };
    let put = |bytes: usize| {
        let detail = padded(r#"{"a":"{}"}"#, bytes - 2);
        Ask::Json("AWSEvents.PutEvents", json!({"Entries": [{"Source": "s", "DetailType": "t", "Detail": detail}]}))
    };
    vec![
        Case("EventBridge: event pattern", rule(2_048), rule(2_049), "LimitExceededException"),
        Case("EventBridge: targets of a rule", targets(0..5), targets(4..6), "LimitExceededException"),
        // What is there already is no more than it was.
        Case("EventBridge: targets of a rule", targets(0..5), targets(0..6), "LimitExceededException"),
        Case("EventBridge: policy of a bus", policy(10_240), policy(10_241), "PolicyLengthExceededException"),
        Case("EventBridge: events of a PutEvents, together", put(1_048_576), put(1_048_577), "ValidationException"),
    ]
}

fn stores(key_id: &str) -> Vec<Case> {
    let put = |path: String, body: String| Ask::Rest("s3", "PUT", path, body.into_bytes());
    let bucket = |name: String| put(format!("/{name}"), String::new());
    let object = |bytes: usize| put(format!("/limits-bucket/{}", "k".repeat(bytes)), "x".to_owned());
    let bucket_policy = |bytes| {
        let policy = RESOURCE_POLICY.replace(r#""Resource":"*""#, r#""Resource":"arn:aws:s3:::limits-bucket/*""#);
        put("/limits-bucket?policy".to_owned(), padded(&policy, bytes))
    };
    let parameter = |name: &str, value: usize, tier: &str| {
        let input =
            json!({"Name": name, "Value": "v".repeat(value), "Type": "String", "Tier": tier, "Overwrite": true});
        Ask::Json("AmazonSSM.PutParameter", input)
    };
    let long = |characters: usize| {
        let start = "arn:aws:ssm:us-east-1:000000000000:parameter/".len();
        parameter(&"p".repeat(characters - start), 1, "Standard")
    };
    let deep = |levels| parameter(&"/l".repeat(levels), 1, "Standard");
    let key = |bytes| Ask::Json("TrentService.CreateKey", json!({"Policy": padded(RESOURCE_POLICY, bytes)}));
    let alias = |name: &str| Ask::Json("TrentService.CreateAlias", json!({"AliasName": name, "TargetKeyId": key_id}));
    let user_data = |groups: usize| {
        let data = "AAAA".repeat(groups);
        let pairs = [("ImageId", "ami-1"), ("MinCount", "1"), ("MaxCount", "1"), ("UserData", data.as_str())];
        form("ec2", "RunInstances", &pairs)
    };
    let validation = "ValidationException";
    vec![
        Case("S3: bucket name", bucket("b".repeat(63)), bucket("b".repeat(64)), "InvalidBucketName"),
        Case("S3: bucket name", bucket("limits-bucket".to_owned()), bucket("Limits".to_owned()), "InvalidBucketName"),
        Case("S3: object key", object(1_024), object(1_025), "KeyTooLongError"),
        Case("S3: bucket policy", bucket_policy(20_480), bucket_policy(20_481), "PolicyTooLarge"),
        Case(
            "SSM: value of a standard parameter",
            parameter("/limits/s", 4_096, "Standard"),
            parameter("/limits/s", 4_097, "Standard"),
            validation,
        ),
        Case(
            "SSM: value of an advanced parameter",
            parameter("/limits/a", 8_192, "Advanced"),
            parameter("/limits/a", 8_193, "Advanced"),
            validation,
        ),
        Case("SSM: parameter name, with the rest of its ARN", long(1_011), long(1_012), validation),
        Case(
            "SSM: form of a parameter name",
            parameter("/limits/a.b-c_d", 1, "Standard"),
            parameter("AWS-limits", 1, "Standard"),
            validation,
        ),
        Case("SSM: levels of a parameter name", deep(15), deep(16), "HierarchyLevelLimitExceededException"),
        Case("KMS: key policy", key(32_768), key(32_769), "LimitExceededException"),
        Case("EC2: user data", user_data(5_461), user_data(5_462), "InvalidParameterValue"),
        Case("KMS: alias", alias("alias/limits"), alias("alias/aws/limits"), validation),
    ]
}

fn lambda() -> Vec<Case> {
    let create = |name: String, variable: usize| {
        let environment = json!({"Variables": {"AB": "x".repeat(variable)}});
        let input = json!({
            "FunctionName": name, "Runtime": "python3.12", "Handler": "a.b", "Environment": environment,
            "Role": "arn:aws:iam::000000000000:role/limits", "Code": {"ZipFile": zipped()},
        });
        Ask::Rest("lambda", "POST", "/2015-03-31/functions".to_owned(), input.to_string().into_bytes())
    };
    // `{"AB":""}` has nine characters.
    let environment = |bytes: usize| create("limits-environment".to_owned(), bytes - 9);
    vec![
        Case("Lambda: function name", create("f".repeat(64), 1), create("f".repeat(65), 1), "ValidationException"),
        Case(
            "Lambda: environment variables, together",
            environment(4_096),
            environment(4_097),
            "InvalidParameterValueException",
        ),
    ]
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A zip with one file, in base64.
fn zipped() -> String {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("a.py", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(b"def b(e, c): pass\n").unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    let digit = |chunk: &[u8], at: usize| {
        let bits = chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        if at > chunk.len() { '=' } else { char::from(BASE64[((bits >> (18 - 6 * at)) & 63) as usize]) }
    };
    bytes.chunks(3).flat_map(|chunk| (0..4).map(move |at| digit(chunk, at))).collect()
}

fn tags() -> Vec<Case> {
    let queue = |tags: Value| Ask::Json("AmazonSQS.CreateQueue", json!({"QueueName": "limits-tags", "tags": tags}));
    let many = |count: usize| {
        let all: serde_json::Map<String, Value> = (0..count).map(|i| (format!("k{i}"), json!("v"))).collect();
        Ask::Json("AmazonSQS.CreateQueue", json!({"QueueName": "limits-many-tags", "tags": all}))
    };
    // Of a service whose API model has no length for it.
    let keyed = |length: usize| {
        Ask::Json("AmazonSQS.CreateQueue", json!({"QueueName": "limits-tag-key", "tags": {"k".repeat(length): "v"}}))
    };
    let rule = |value: usize| {
        let tags = json!([{"Key": "k", "Value": "v".repeat(value)}]);
        let rule = json!({"Name": "limits-tags", "EventPattern": "{\"source\":[\"a\"]}", "Tags": tags});
        Ask::Json("AWSEvents.PutRule", rule)
    };
    let bucket = |key: &str| {
        let body = format!("<Tagging><TagSet><Tag><Key>{key}</Key><Value>v</Value></Tag></TagSet></Tagging>");
        Ask::Rest("s3", "PUT", "/limits-bucket?tagging".to_owned(), body.into_bytes())
    };
    vec![
        Case("Tags: of a resource, in one request", many(50), many(51), "InvalidParameterValue"),
        Case("Tags: key", keyed(128), keyed(129), "InvalidParameterValue"),
        Case("Tags: value", rule(256), rule(257), "ValidationException"),
        Case("Tags: whose", queue(json!({})), queue(json!({"aws:a": "v"})), "InvalidParameterValue"),
        Case("Tags: whose", bucket("a:aws"), bucket("AWS:a"), "InvalidTag"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn codebuild_refuses_what_is_past_its_limits() {
    let world = World::start().await;
    world.service_role("000000000000", "limits", "codebuild.amazonaws.com").await;
    hold(&world, &codebuild()).await;
    world.edge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn iam_refuses_what_is_past_its_limits() {
    let world = World::start().await;
    hold(&world, &iam()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_has_ten_managed_policies_and_a_policy_five_versions() {
    let world = World::start().await;
    let create = |name: &str, member, document: &str, action| {
        form(
            "iam",
            action,
            &[(if action == "CreateRole" { "RoleName" } else { "PolicyName" }, name), (member, document)],
        )
    };
    let role = create("limits-holder", "AssumeRolePolicyDocument", &padded(TRUST, 200), "CreateRole");
    assert!(send(&world, &role).await.0 < 300);
    let arn = |i: usize| format!("arn:aws:iam::000000000000:policy/limits-held-{i}");
    let attach = |i: usize| form("iam", "AttachRolePolicy", &[("RoleName", "limits-holder"), ("PolicyArn", &arn(i))]);
    for i in 0..11 {
        let policy = create(&format!("limits-held-{i}"), "PolicyDocument", &padded(POLICY, 200), "CreatePolicy");
        assert!(send(&world, &policy).await.0 < 300);
    }
    for i in 0..10 {
        assert!(send(&world, &attach(i)).await.0 < 300, "policy {i}");
    }
    assert!(send(&world, &attach(9)).await.0 < 300, "one that is attached already");
    let words = refused(&world, "IAM: managed policies of a role", &attach(10), "LimitExceeded").await;
    assert!(words.contains("Cannot exceed quota for PoliciesPerRole: 10"), "{words}");
    let version =
        || form("iam", "CreatePolicyVersion", &[("PolicyArn", &arn(0)), ("PolicyDocument", &padded(POLICY, 201))]);
    for i in 2..=5 {
        assert!(send(&world, &version()).await.0 < 300, "version {i}");
    }
    let words = refused(&world, "IAM: versions of a managed policy", &version(), "LimitExceeded").await;
    assert!(words.contains("up to 5 versions"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sqs_and_sns_refuse_what_is_past_their_limits() {
    let world = World::start().await;
    let (url, _) = world.queue("limits").await;
    hold(&world, &sqs(&url)).await;
    send(&world, &form("sns", "CreateTopic", &[("Name", "limits")])).await;
    hold(&world, &sns("arn:aws:sns:us-east-1:000000000000:limits")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eventbridge_refuses_what_is_past_its_limits() {
    let world = World::start().await;
    world.ok("AWSEvents.CreateEventBus", json!({"Name": "limits-bus"})).await;
    hold(&world, &events()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_has_three_hundred_rules() {
    let world = World::start().await;
    world.ok("AWSEvents.CreateEventBus", json!({"Name": "limits-rules"})).await;
    let rule = |i: usize| {
        let rule =
            json!({"Name": format!("r{i}"), "EventBusName": "limits-rules", "EventPattern": "{\"source\":[\"a\"]}"});
        Ask::Json("AWSEvents.PutRule", rule)
    };
    for i in 0..300 {
        assert!(send(&world, &rule(i)).await.0 < 300, "rule {i}");
    }
    assert!(send(&world, &rule(7)).await.0 < 300, "one that is there already");
    refused(&world, "EventBridge: rules of a bus", &rule(300), "LimitExceededException").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_and_functions_refuse_what_is_past_their_limits() {
    let world = World::start().await;
    let key = world.ok("TrentService.CreateKey", json!({})).await;
    hold(&world, &stores(key["KeyMetadata"]["KeyId"].as_str().unwrap())).await;
    hold(&world, &lambda()).await;
    hold(&world, &tags()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_runs_so_many_builds_at_once() {
    let world = World::start_with(|config| config.concurrent_builds = 2).await;
    for name in ["limits-one", "limits-two"] {
        world.project(name, "phases:\n  build:\n    commands: ['sleep 300']\n").await;
    }
    let start = |name: &str| Ask::Json("CodeBuild_20161006.StartBuild", json!({"projectName": name}));
    for name in ["limits-one", "limits-two"] {
        assert_eq!(send(&world, &start(name)).await.0, 200);
    }
    let words = refused(&world, "builds at once", &start("limits-two"), "AccountLimitExceededException").await;
    assert!(words.contains("Cannot have more than 2 builds in queue for the account"), "{words}");
    world.edge.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_was_just_made_is_of_no_use_yet() {
    let world = World::start_with(|config| config.times.settling = Duration::from_hours(1)).await;
    world.service_role("000000000000", "limits-old", "codebuild.amazonaws.com").await;
    let role = [("RoleName", "limits-fresh"), ("AssumeRolePolicyDocument", TRUSTED)];
    assert!(send(&world, &form("iam", "CreateRole", &role)).await.0 < 300);
    let profile = form("iam", "CreateInstanceProfile", &[("InstanceProfileName", "limits-fresh")]);
    assert!(send(&world, &profile).await.0 < 300);
    let arn = "arn:aws:iam::000000000000:role/limits-fresh";
    let create = |role: &str| {
        Ask::Json("CodeBuild_20161006.CreateProject", project("limits-fresh", &json!({"serviceRole": role})))
    };
    let words = refused(&world, "CodeBuild", &create(arn), "InvalidInputException").await;
    assert!(words.contains("CodeBuild is not authorized to perform: sts:AssumeRole on"), "{words}");
    assert_eq!(send(&world, &create("arn:aws:iam::000000000000:role/limits-old")).await.0, 200);
    let function = json!({
        "FunctionName": "limits-fresh", "Runtime": "python3.12", "Handler": "a.b", "Role": arn, "Code": {"ZipFile": zipped()},
    });
    let function = Ask::Rest("lambda", "POST", "/2015-03-31/functions".to_owned(), function.to_string().into_bytes());
    let words = refused(&world, "Lambda", &function, "InvalidParameterValueException").await;
    assert!(words.contains("The role defined for the function cannot be assumed by Lambda."), "{words}");
    let instance =
        [("ImageId", "ami-1"), ("MinCount", "1"), ("MaxCount", "1"), ("IamInstanceProfile.Name", "limits-fresh")];
    let words = refused(&world, "EC2", &form("ec2", "RunInstances", &instance), "InvalidParameterValue").await;
    assert!(words.contains("Invalid IAM Instance Profile name"), "{words}");
    let session = [("RoleArn", arn), ("RoleSessionName", "limits")];
    refused(&world, "STS", &form("sts", "AssumeRole", &session), "AccessDenied").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_of_use_at_once_where_nothing_has_to_settle() {
    let world = World::start_with(|config| config.times.settling = Duration::ZERO).await;
    let role = [("RoleName", "limits-settled"), ("AssumeRolePolicyDocument", TRUSTED)];
    assert!(send(&world, &form("iam", "CreateRole", &role)).await.0 < 300);
    let role = json!({"serviceRole": "arn:aws:iam::000000000000:role/limits-settled"});
    let create = Ask::Json("CodeBuild_20161006.CreateProject", project("limits-settled", &role));
    assert_eq!(send(&world, &create).await.0, 200);
}

#[test]
fn each_limit_of_a_request_is_tried_here() {
    let all = [codebuild(), iam(), sqs(""), sns(""), events(), stores(""), lambda(), tags()];
    let mut tried: BTreeSet<&str> = all.iter().flatten().map(|case| case.0).collect();
    // By tests of their own.
    tried.extend([
        "IAM: managed policies of a role",
        "IAM: versions of a managed policy",
        "EventBridge: rules of a bus",
    ]);
    let rows = sandbox::edge::limit_rows();
    let cell = |row: &str, at: usize| row.split('|').nth(at).unwrap().trim().to_owned();
    // `edge`, or `edge, by what is there`, and who else keeps to it; not another file of the edge, nor the API's model.
    let here = |row: &&String| {
        let place = cell(row, 4);
        let place = place.split(';').next().unwrap();
        place == "edge" || place == "edge, by what is there"
    };
    let missing: Vec<String> =
        rows.iter().filter(here).map(|row| cell(row, 1)).filter(|name| !tried.contains(name.as_str())).collect();
    assert_eq!(missing, Vec::<String>::new());
}
