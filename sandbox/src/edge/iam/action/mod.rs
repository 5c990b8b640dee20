//! From a call to what AWS asks IAM about it: actions, the resources of each, and condition keys, by the Service Authorization Reference. Pure.
//!
//! An operation that no table here knows becomes `service:Operation` on `*`, and says that it was not known.

mod codebuild;
mod data;
mod ec2;
mod events;
mod iam;
mod kms;
#[cfg(test)]
mod questions;
mod queues;
mod rest;
mod s3;

pub use data::parameter_arn;
pub use ec2::instance_profile;
pub use kms::key_arn;
pub use s3::{bucket_of, is_object_read};

use super::context::Context;
use crate::edge::call::Call;
use crate::edge::http::Request;
use serde_json::Value;

/// One question to IAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// `service:Action`.
    pub action: String,
    /// The ARN, or `*` where AWS knows no resource for the action.
    pub resource: String,
    /// The condition keys of this question alone.
    pub context: Context,
}

impl Access {
    /// A question without condition keys of its own.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self { action: action.into(), resource: resource.into(), context: Context::default() }
    }

    /// The same with a condition key.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.context.set(key, value);
        self
    }
}

/// What a call asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// The questions, all of which must be answered with yes.
    pub accesses: Vec<Access>,
    /// Whether a table knows the operation.
    pub known: bool,
}

/// A call with what its questions are made from.
#[derive(Debug)]
pub struct Ask<'a> {
    request: &'a Request,
    /// The service as it is signed for.
    service: &'a str,
    operation: &'a str,
    account: &'a str,
    region: &'a str,
    /// The body of a JSON protocol.
    input: Value,
    /// The parameters of a Query protocol.
    form: Vec<(String, String)>,
}

impl<'a> Ask<'a> {
    /// Reads a call.
    pub fn new(request: &'a Request, call: &'a Call) -> Self {
        let form = if request.header("content-type").starts_with("application/x-www-form-urlencoded") {
            form_urlencoded::parse(&request.body).into_owned().collect()
        } else {
            request.query_pairs()
        };
        Self {
            request,
            service: &call.service,
            operation: &call.operation,
            account: &call.credential.account,
            region: &call.credential.region,
            input: request.json(),
            form,
        }
    }

    /// A member of a JSON body, empty when absent.
    fn text(&self, name: &str) -> &str {
        self.input[name].as_str().unwrap_or_default()
    }

    /// A parameter of a form, empty when absent.
    fn field(&self, name: &str) -> &str {
        self.form.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// The values of the parameters `NAME.1`, `NAME.2`, ...
    fn fields(&self, name: &str) -> Vec<&str> {
        let is_item = |n: &str| n.strip_prefix(name).and_then(|n| n.strip_prefix('.')).is_some_and(is_number);
        self.form.iter().filter(|(n, _)| is_item(n)).map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a parameter begins with this name.
    fn has_field(&self, prefix: &str) -> bool {
        self.form.iter().any(|(name, _)| name.starts_with(prefix))
    }

    /// An ARN of the caller's account and region.
    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }

    /// The operation's own action.
    fn own(&self, service: &str) -> String {
        format!("{service}:{}", self.operation)
    }

    /// Keys `aws:RequestTag/..` and `aws:TagKeys` of the tags that a call gives, in the shapes that services have for them.
    fn tags(&self) -> Context {
        let mut context = Context::default();
        let mut keys = Vec::new();
        for (key, value) in self.tag_pairs() {
            context.set(&format!("aws:RequestTag/{key}"), value);
            keys.push(key);
        }
        if !keys.is_empty() {
            context.set_all("aws:TagKeys", keys);
        }
        context
    }

    fn tag_pairs(&self) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for name in ["Tags", "tags"] {
            for (key, value) in self.input[name].as_object().into_iter().flatten() {
                pairs.push((key.clone(), value.as_str().unwrap_or_default().to_owned()));
            }
            for tag in self.input[name].as_array().into_iter().flatten() {
                let of = |names: [&str; 3]| names.iter().find_map(|n| tag[*n].as_str()).unwrap_or_default().to_owned();
                pairs.push((of(["Key", "key", "TagKey"]), of(["Value", "value", "TagValue"])));
            }
        }
        for (name, key) in self.form.iter().filter(|(name, _)| name.contains("Tag") && name.ends_with(".Key")) {
            let value = self.field(&format!("{}.Value", name.trim_end_matches(".Key")));
            pairs.push((key.clone(), value.to_owned()));
        }
        pairs
    }

    /// `iam:PassRole` for a role that the call hands to a service; nothing when it hands none over.
    fn pass_role(&self, role: &str, to: &str) -> Option<Access> {
        if role.is_empty() {
            return None;
        }
        let role = if role.starts_with("arn:") {
            role.to_owned()
        } else {
            format!("arn:aws:iam::{}:role/{role}", self.account)
        };
        Some(pass_role(&role, to))
    }
}

/// `iam:PassRole` of a role to a service (IAM User Guide, "Grant a user permissions to pass a role to an AWS service").
pub fn pass_role(role_arn: &str, to: &str) -> Access {
    Access::new("iam:PassRole", role_arn).with("iam:PassedToService", to)
}

/// The questions of a call.
pub fn of(ask: &Ask<'_>) -> Mapped {
    let accesses = match ask.service {
        "s3" => s3::accesses(ask),
        "ec2" => ec2::accesses(ask),
        "iam" => iam::accesses(ask),
        "sts" => iam::sts(ask),
        "kms" => kms::accesses(ask),
        "sqs" => queues::sqs(ask),
        "sns" => queues::sns(ask),
        "events" => events::accesses(ask),
        "codebuild" => codebuild::accesses(ask),
        "lambda" => rest::lambda(ask),
        "eks" => rest::eks(ask),
        "bedrock" => rest::bedrock(ask),
        "dynamodb" => data::dynamodb(ask),
        "ssm" => data::ssm(ask),
        "secretsmanager" => data::secrets(ask),
        "logs" => data::logs(ask),
        "cloudtrail" => data::cloudtrail(ask),
        "cloudcontrolapi" => Some(data::cloud_control(ask)),
        "rds" => data::rds(ask),
        _ => None,
    };
    match accesses {
        Some(accesses) => Mapped { accesses, known: true },
        None => Mapped { accesses: vec![Access::new(ask.own(ask.service), "*")], known: false },
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}
