//! From an HTTP request to the AWS call that it is: service, operation, CloudTrail's parameters; and from its answer to error and response elements.
//!
//! Knows no state: the same request is always the same call.

mod query;
mod rest;
mod s3;
mod shape;
mod xml;

pub use s3::bucket_and_key;
pub use xml::{first_text as xml_text, parse as parse_xml};

use super::http::{Reply, Request};
use super::principal::Credential;
use serde_json::Value;

/// How a service speaks, which decides how an error must look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// `X-Amz-Target` and JSON.
    Json,
    /// `Action=` and XML.
    Query,
    /// EC2's own variant of Query.
    Ec2,
    /// Paths and JSON.
    RestJson,
    /// S3.
    S3,
}

/// What a trail makes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Changes something: recorded and delivered.
    Write,
    /// Only reads: EventBridge does not get it by default.
    Read,
    /// A data event: not in a trail unless asked for.
    Data,
}

/// An AWS call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who signed it, where, for which service.
    pub credential: Credential,
    /// The service as it is signed for, and the first part of `eventSource`.
    pub service: String,
    /// `eventName` without an API version.
    pub operation: String,
    /// `eventName`.
    pub event_name: String,
    /// `requestParameters`.
    pub parameters: Value,
    /// The protocol.
    pub protocol: Protocol,
    /// What a trail makes of it.
    pub kind: Kind,
}

/// What a protocol's own reader found out.
#[derive(Debug)]
pub struct Found {
    event_name: String,
    parameters: Value,
    data: bool,
}

impl Found {
    fn new(event_name: &str, parameters: Value) -> Self {
        Self { event_name: event_name.to_owned(), parameters, data: false }
    }

    fn data(event_name: &str, parameters: Value) -> Self {
        Self { data: true, ..Self::new(event_name, parameters) }
    }
}

impl Call {
    /// The call that the request is, or nothing for a request of no AWS service that the edge knows how to read.
    pub fn of(request: &Request) -> Option<Self> {
        let credential = Credential::of(request);
        let (service, protocol, found) = read(request, &credential)?;
        let operation = without_version(&found.event_name).to_owned();
        let kind = kind(&service, &operation, found.data);
        let mut parameters = found.parameters;
        if let Value::Object(members) = &mut parameters {
            shape::cover(&service, &operation, members);
            if members.is_empty() {
                parameters = Value::Null;
            }
        }
        Some(Self { credential, service, operation, event_name: found.event_name, parameters, protocol, kind })
    }

    /// `eventSource`.
    pub fn event_source(&self) -> String {
        format!("{}.amazonaws.com", self.service)
    }

    /// The region that the record comes in: IAM's come in us-east-1, whatever the region of the rest.
    pub fn region(&self) -> &str {
        if self.service == "iam" { "us-east-1" } else { &self.credential.region }
    }

    /// `errorCode` and `errorMessage` of a failed call.
    pub fn error(&self, reply: &Reply) -> Option<(String, String)> {
        if reply.is_success() {
            return None;
        }
        let text = reply.text();
        let header = reply.headers.get("x-amzn-errortype").and_then(|v| v.to_str().ok()).unwrap_or("");
        let body = reply.json_body();
        let member = |names: [&str; 2]| names.iter().find_map(|n| body.get(*n)?.as_str().map(str::to_owned));
        let code = member(["__type", "code"])
            .or_else(|| xml::first_text(&text, "Code"))
            .or_else(|| (!header.is_empty()).then(|| header.to_owned()))
            .unwrap_or_else(|| {
                if reply.status >= 500 { "ServiceUnavailable".to_owned() } else { "ClientError".to_owned() }
            });
        let code = code.rsplit('#').next().unwrap_or_default().split(':').next().unwrap_or_default().to_owned();
        let message = member(["message", "Message"]).or_else(|| xml::first_text(&text, "Message")).unwrap_or_default();
        // Seen in real records: EC2's codes say whose fault it was, IAM's are the exception's name, and what is denied is AccessDenied.
        let code = match (self.protocol, code.as_str()) {
            (Protocol::Ec2, _) if reply.status >= 500 => format!("Server.{code}"),
            (Protocol::Ec2, _) => format!("Client.{code}"),
            (_, "NoSuchEntity" | "EntityAlreadyExists" | "DeleteConflict") => format!("{code}Exception"),
            (_, "AccessDeniedException") => "AccessDenied".to_owned(),
            _ => code,
        };
        Some((code, message))
    }

    /// `responseElements` of a call that changed something; `null` for reads, failures and empty answers.
    pub fn response_elements(&self, reply: &Reply) -> Value {
        if self.kind != Kind::Write || !reply.is_success() {
            return Value::Null;
        }
        let elements = match self.protocol {
            Protocol::Json | Protocol::RestJson => shape::lower_keys(reply.json_body()),
            Protocol::Query | Protocol::Ec2 => {
                xml::parse(&reply.text()).map_or(Value::Null, |(_, root)| shape::xml_elements(&root))
            }
            Protocol::S3 => Value::Null,
        };
        match elements {
            Value::Object(mut members) => {
                shape::cover(&self.service, &self.operation, &mut members);
                if members.is_empty() { Value::Null } else { Value::Object(members) }
            }
            _ => Value::Null,
        }
    }

    /// A refusal in the call's own protocol.
    pub fn refusal(&self, status: u16, code: &str, message: &str) -> Reply {
        let xml = "text/xml";
        match self.protocol {
            Protocol::Json | Protocol::RestJson => Reply::json_error(status, code, message),
            Protocol::Query => Reply::new(
                status,
                xml,
                format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>0</RequestId></ErrorResponse>"
                ),
            ),
            Protocol::Ec2 => Reply::new(
                status,
                xml,
                format!(
                    "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors><RequestID>0</RequestID></Response>"
                ),
            ),
            Protocol::S3 => Reply::new(
                status,
                "application/xml",
                format!("<Error><Code>{code}</Code><Message>{message}</Message><RequestId>0</RequestId></Error>"),
            ),
        }
    }
}

fn read(request: &Request, credential: &Credential) -> Option<(String, Protocol, Found)> {
    let target = request.header("x-amz-target");
    if let Some((prefix, operation)) = target.rsplit_once('.') {
        let parameters = match (target_service(prefix, &credential.service), operation) {
            (_, "") => return None,
            (service, _) => (service, shape::lower_keys(request.json())),
        };
        let (service, parameters) = parameters;
        return Some((service, Protocol::Json, Found::new(operation, parameters)));
    }
    let pairs = form(request);
    if let Some((_, action)) = pairs.iter().find(|(name, _)| name == "Action") {
        let service = if credential.service.is_empty() { "sts" } else { &credential.service };
        let protocol = if service == "ec2" { Protocol::Ec2 } else { Protocol::Query };
        let parameters = query::parameters(service, action, &pairs);
        return Some((service.to_owned(), protocol, Found::new(action, parameters)));
    }
    match credential.service.as_str() {
        "lambda" => Some(("lambda".to_owned(), Protocol::RestJson, rest::lambda(request)?)),
        "eks" => Some(("eks".to_owned(), Protocol::RestJson, rest::eks(request)?)),
        "s3" => Some(("s3".to_owned(), Protocol::S3, s3::find(request)?)),
        "bedrock" if request.path().starts_with("/model/") => {
            Some(("bedrock".to_owned(), Protocol::RestJson, Found::data("Converse", Value::Null)))
        }
        _ => None,
    }
}

fn form(request: &Request) -> Vec<(String, String)> {
    if request.header("content-type").starts_with("application/x-www-form-urlencoded") {
        form_urlencoded::parse(&request.body).into_owned().collect()
    } else {
        request.query_pairs()
    }
}

/// The service of a target's prefix, for requests that are not signed; the signed name is taken where there is one.
fn target_service(prefix: &str, signed: &str) -> String {
    if !signed.is_empty() {
        return signed.to_owned();
    }
    match prefix {
        p if p.starts_with("DynamoDB") => "dynamodb",
        p if p.starts_with("CodeBuild") => "codebuild",
        p if p.contains("CloudTrail") => "cloudtrail",
        "AmazonSSM" => "ssm",
        "AmazonSQS" => "sqs",
        "AWSEvents" => "events",
        "TrentService" => "kms",
        p if p.starts_with("Logs") => "logs",
        other => other,
    }
    .to_ascii_lowercase()
}

/// Event names of Lambda carry an API version (`DeleteFunction20150331`, `..20150331v2`).
fn without_version(name: &str) -> &str {
    let base = name
        .rsplit_once('v')
        .filter(|(_, v)| !v.is_empty() && v.bytes().all(|b| b.is_ascii_digit()))
        .map_or(name, |(b, _)| b);
    match base.len().checked_sub(8).and_then(|at| base.split_at_checked(at)) {
        Some((stem, digits)) if !stem.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => stem,
        _ => name,
    }
}

fn kind(service: &str, operation: &str, data: bool) -> Kind {
    const READS: [&str; 19] = [
        "Get",
        "List",
        "Describe",
        "Head",
        "BatchGet",
        "Lookup",
        "Search",
        "Query",
        "Scan",
        "Select",
        "Test",
        "Validate",
        "Check",
        "Simulate",
        "Preview",
        "Estimate",
        "AssumeRole",
        "Decrypt",
        "Encrypt",
    ];
    let is_data = data
        || match service {
            "dynamodb" => {
                ["Item", "Statement", "Transaction", "Items"].iter().any(|end| operation.ends_with(end))
                    || matches!(operation, "Query" | "Scan")
            }
            "sqs" => ["SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility"]
                .iter()
                .any(|p| operation.starts_with(p)),
            "sns" => operation.starts_with("Publish"),
            "events" => operation == "PutEvents",
            "logs" => operation == "PutLogEvents",
            "kinesis" => operation.starts_with("PutRecord"),
            "lambda" => operation == "Invoke",
            "kms" => operation.starts_with("GenerateDataKey"),
            _ => false,
        };
    if is_data {
        Kind::Data
    } else if READS.iter().any(|prefix| operation.starts_with(prefix)) {
        Kind::Read
    } else {
        Kind::Write
    }
}

/// Percent-decoding of a path segment, where `+` is a plus.
pub fn percent_decode(text: &str) -> String {
    let escaped = text.replace('+', "%2B").replace('=', "%3D").replace('&', "%26");
    form_urlencoded::parse(escaped.as_bytes()).next().map_or_else(String::new, |(name, _)| name.into_owned())
}
