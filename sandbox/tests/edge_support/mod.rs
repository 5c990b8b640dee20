//! An edge of its own for each test, before one emulated AWS for all tests of a file; and AWS calls as plain HTTP, so that it shows what goes over the wire.
#![allow(dead_code, reason = "each test file uses its part")]

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::http::request::Builder;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use sandbox::Aws;
use sandbox::edge::{Config, Edge};
use serde_json::{Value, json};
use std::future::Future;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::OnceCell;

static AWS: OnceCell<Aws> = OnceCell::const_new();

pub struct World {
    pub edge: Edge,
    http: Client<HttpConnector, Full<Bytes>>,
    run_dir: TempDir,
}

impl World {
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// With an edge that is told more than the defaults.
    pub async fn start_with(tell: impl FnOnce(&mut Config)) -> Self {
        let aws = AWS.get_or_init(|| async { Aws::start().await.unwrap() }).await;
        let run_dir = tempfile::tempdir().unwrap();
        let mut config = Config::new(aws.url(), run_dir.path(), sandbox::parts::api_models().unwrap());
        config.times.delivery = Duration::from_millis(20);
        // A test that makes a role need not wait for it.
        config.times.settling = Duration::ZERO;
        tell(&mut config);
        let edge = Edge::start(config).await.unwrap();
        Self { edge, http: Client::builder(TokioExecutor::new()).build_http(), run_dir }
    }

    /// `signer` is an access key id, of us-east-1 unless `@` and a region follow it.
    pub async fn send(&self, signer: &str, service: &str, request: Builder, body: impl Into<Bytes>) -> (u16, String) {
        let (key, region) = signer.split_once('@').unwrap_or((signer, "us-east-1"));
        let credential =
            format!("AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/{service}/aws4_request, SignedHeaders=host");
        let request = request.header("authorization", credential).header("user-agent", "test/1");
        let response = self.http.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    /// A call of a JSON protocol: status and answer.
    pub async fn json(&self, signer: &str, target: &str, input: Value) -> (u16, Value) {
        let service = match target.split('.').next().unwrap() {
            "DynamoDB_20120810" => "dynamodb",
            "AmazonSSM" => "ssm",
            "AmazonSQS" => "sqs",
            "AWSEvents" => "events",
            "TrentService" => "kms",
            "CodeBuild_20161006" => "codebuild",
            "secretsmanager" => "secretsmanager",
            other if other.starts_with("CloudTrail_") => "cloudtrail",
            "com" if target.contains(".cloudtrail.") => "cloudtrail",
            other => panic!("no service for {other}"),
        };
        let request = Request::post(self.edge.url()).header("x-amz-target", target);
        let (status, text) = self.send(signer, service, request, input.to_string()).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// A call of a JSON protocol that must succeed.
    pub async fn ok(&self, target: &str, input: Value) -> Value {
        self.ok_as("AKIATERRAFORM", target, input).await
    }

    /// The same by somebody else.
    pub async fn ok_as(&self, signer: &str, target: &str, input: Value) -> Value {
        let (status, answer) = self.json(signer, target, input).await;
        assert!(status < 300, "{target}: {status} {answer}");
        answer
    }

    /// A call of the Query protocol: status and XML.
    pub async fn form(&self, signer: &str, service: &str, pairs: &[(&str, &str)]) -> (u16, String) {
        self.form_to(&self.edge.url(), signer, service, pairs).await
    }

    async fn form_to(&self, url: &str, signer: &str, service: &str, pairs: &[(&str, &str)]) -> (u16, String) {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let request = Request::post(url).header("content-type", "application/x-www-form-urlencoded");
        self.send(signer, service, request, body).await
    }

    /// A call of a REST protocol: status and body.
    pub async fn rest(
        &self,
        signer: &str,
        service: &str,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
    ) -> (u16, String) {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.edge.url()));
        self.send(signer, service, request, body).await
    }

    pub async fn create_table(&self, name: &str) -> (u16, Value) {
        let input = json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        });
        self.json("AKIATERRAFORM", "DynamoDB_20120810.CreateTable", input).await
    }

    /// The records of one event name, oldest first.
    pub fn records(&self, event_name: &str) -> Vec<Value> {
        self.edge.records().into_iter().filter(|r| r["eventName"] == json!(event_name)).collect()
    }

    /// A queue that gets what matches the pattern; returns its URL.
    pub async fn queue_for(&self, name: &str, pattern: Value) -> String {
        let (url, arn) = self.queue(name).await;
        self.rule("AKIATERRAFORM", "default", name, &pattern, &arn).await;
        url
    }

    /// A queue that every rule may send to; returns its URL and its ARN.
    pub async fn queue(&self, name: &str) -> (String, String) {
        let rules = json!({"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"});
        self.queue_with(name, &json!({"Statement": rules})).await
    }

    /// A queue with a policy; returns its URL and its ARN.
    pub async fn queue_with(&self, name: &str, policy: &Value) -> (String, String) {
        let input = json!({"QueueName": name, "Attributes": {"Policy": policy.to_string()}});
        let url = self.ok("AmazonSQS.CreateQueue", input).await["QueueUrl"].as_str().unwrap().to_owned();
        (url, format!("arn:aws:sqs:us-east-1:000000000000:{name}"))
    }

    /// A role of an account with a policy of its own, there before the edge was, so that no record tells of it; returns its ARN.
    pub async fn role(&self, account: &str, name: &str, trust: &Value, policy: &Value) -> String {
        let document = |statement: &Value| json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        let (trust, policy) = (document(trust), document(policy));
        let create = [("Action", "CreateRole"), ("RoleName", name), ("AssumeRolePolicyDocument", &trust)];
        let emulator = AWS.get().unwrap().url();
        let (status, answer) = self.form_to(&emulator, account, "iam", &create).await;
        assert!(status == 200 || answer.contains("EntityAlreadyExists"), "{answer}");
        let put = [("Action", "PutRolePolicy"), ("RoleName", name), ("PolicyName", "p"), ("PolicyDocument", &policy)];
        let (status, answer) = self.form_to(&emulator, account, "iam", &put).await;
        assert_eq!(status, 200, "{answer}");
        format!("arn:aws:iam::{account}:role/{name}")
    }

    /// A role that a service assumes and that may do everything; returns its ARN.
    pub async fn service_role(&self, account: &str, name: &str, service: &str) -> String {
        let trust = json!({"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"});
        self.role(account, name, &trust, &everything()).await
    }

    /// The operator's role, which may do everything here.
    pub async fn operator(&self) {
        self.service_role("000000000000", "reforge-operator", "pods.eks.amazonaws.com").await;
    }

    /// A rule of a bus that sends what matches to one target; to another bus under a role, as AWS asks for.
    pub async fn rule(&self, signer: &str, bus: &str, name: &str, pattern: &Value, target: &str) {
        let rule = json!({"Name": name, "EventBusName": bus, "EventPattern": pattern.to_string()});
        self.ok_as(signer, "AWSEvents.PutRule", rule).await;
        let mut target = json!({"Id": "t", "Arn": target});
        if target["Arn"].as_str().unwrap().contains(":event-bus/") {
            let account = signer.split('@').next().filter(|s| s.len() == 12).unwrap_or("000000000000");
            target["RoleArn"] = json!(self.service_role(account, "events", "events.amazonaws.com").await);
        }
        let targets = json!({"Rule": name, "EventBusName": bus, "Targets": [target]});
        self.ok_as(signer, "AWSEvents.PutTargets", targets).await;
    }

    /// Launches an instance; returns its id.
    pub async fn instance(&self, signer: &str) -> String {
        let run = [
            ("Action", "RunInstances"),
            ("ImageId", "ami-1"),
            ("MinCount", "1"),
            ("MaxCount", "1"),
            ("InstanceType", "t3.micro"),
        ];
        let (_, xml) = self.form(signer, "ec2", &run).await;
        xml.split("<instanceId>").nth(1).unwrap().split('<').next().unwrap().to_owned()
    }

    /// Takes what is in the queue now.
    pub async fn receive(&self, queue: &str) -> Vec<Value> {
        let answer = self.ok("AmazonSQS.ReceiveMessage", json!({"QueueUrl": queue, "MaxNumberOfMessages": 10})).await;
        let bodies = answer["Messages"].as_array().cloned().unwrap_or_default();
        bodies.iter().map(|m| serde_json::from_str(m["Body"].as_str().unwrap()).unwrap()).collect()
    }

    /// Takes from the queue until there are as many.
    pub async fn receive_all(&self, queue: &str, count: usize) -> Vec<Value> {
        let mut all = Vec::new();
        let start = Instant::now();
        while all.len() < count && start.elapsed() < Duration::from_secs(20) {
            all.extend(self.receive(queue).await);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        assert_eq!(all.len(), count, "messages in {queue}");
        all
    }

    /// A project without a source that runs this buildspec, under a role that may do everything.
    pub async fn project(&self, name: &str, buildspec: &str) {
        self.service_role("000000000000", "recovery-role", "codebuild.amazonaws.com").await;
        let input = json!({
            "name": name, "source": {"type": "NO_SOURCE", "buildspec": buildspec}, "artifacts": {"type": "NO_ARTIFACTS"},
            "serviceRole": "arn:aws:iam::000000000000:role/recovery-role",
            "environment": {"type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL",
                "environmentVariables": [{"name": "FROM_PROJECT", "value": "p"}, {"name": "OVERRIDDEN", "value": "p"}]},
        });
        self.ok("CodeBuild_20161006.CreateProject", input).await;
    }

    /// Starts a build and returns its id.
    pub async fn build(&self, input: Value) -> String {
        self.ok("CodeBuild_20161006.StartBuild", input).await["build"]["id"].as_str().unwrap().to_owned()
    }

    pub async fn show(&self, id: &str) -> Value {
        self.ok("CodeBuild_20161006.BatchGetBuilds", json!({"ids": [id]})).await["builds"][0].clone()
    }

    /// Waits until the build is over.
    pub async fn over(&self, id: &str) -> Value {
        let build = || async { Some(self.show(id).await).filter(|b| b["buildComplete"] == json!(true)) };
        within(Duration::from_mins(3), build).await
    }

    pub fn log(&self, build: &Value) -> String {
        let uuid = build["logs"]["streamName"].as_str().unwrap();
        std::fs::read_to_string(self.run_dir.path().join(format!("builds/{uuid}.log"))).unwrap()
    }
}

/// A statement that allows everything.
pub fn everything() -> Value {
    json!({"Effect": "Allow", "Action": "*", "Resource": "*"})
}

/// Asks again until there is an answer.
pub async fn within<T, F: Future<Output = Option<T>>>(patience: Duration, ask: impl Fn() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < patience, "nothing within {patience:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
