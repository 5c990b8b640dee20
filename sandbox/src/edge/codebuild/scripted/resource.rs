//! What scripted workspaces declare. Pure.

use super::terraform::Place;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The types that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// An SSM parameter; its value is what can be tampered with.
    Parameter,
    /// A DynamoDB table, which is there or not.
    Table,
    /// A Lambda function; of it, its description.
    Function,
    /// An EC2 instance, which runs or is gone; a new one has another id.
    Instance,
}

impl Kind {
    /// Terraform's name of the type.
    pub fn terraform(self) -> &'static str {
        match self {
            Self::Parameter => "aws_ssm_parameter",
            Self::Table => "aws_dynamodb_table",
            Self::Function => "aws_lambda_function",
            Self::Instance => "aws_instance",
        }
    }

    /// What a plan sets of a new one.
    pub fn attributes(self) -> &'static [&'static str] {
        match self {
            Self::Parameter => &["description", "name", "region", "tags", "tags_all", "type", "value"],
            Self::Table => &["attribute", "billing_mode", "hash_key", "name"],
            Self::Function => &["description", "function_name", "handler", "role", "runtime"],
            Self::Instance => &["ami", "instance_type"],
        }
    }

    /// What a plan sets of one that was tampered with.
    pub fn value(self) -> &'static str {
        match self {
            Self::Parameter => "value",
            Self::Function => "description",
            Self::Table | Self::Instance => "tags",
        }
    }
}

/// A resource of a Terraform configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Its type.
    pub kind: Kind,
    /// Its address.
    pub address: String,
    /// Its name in AWS, or its id.
    pub name: String,
    /// What it is to be like, as far as that can be tampered with.
    pub value: String,
}

impl Resource {
    /// A resource.
    pub fn new(kind: Kind, address: &str, name: &str, value: &str) -> Self {
        Self { kind, address: address.to_owned(), name: name.to_owned(), value: value.to_owned() }
    }

    /// An SSM parameter.
    pub fn parameter(address: &str, name: &str, value: &str) -> Self {
        Self::new(Kind::Parameter, address, name, value)
    }

    /// What identifies one that is there: a text that is not encrypted has no key.
    pub fn identity(&self, place: &Place) -> Value {
        let (id, arn) = (&self.name, self.arn(place));
        match self.kind {
            Kind::Parameter => json!({"id": id, "arn": arn, "name": id, "key_id": ""}),
            Kind::Table => json!({"id": id, "arn": arn, "name": id}),
            Kind::Function => json!({"id": id, "arn": arn, "function_name": id}),
            Kind::Instance => json!({"id": id, "arn": arn}),
        }
    }

    /// What is known of one that is to be made.
    pub fn identity_to_be(&self) -> Value {
        match self.kind {
            Kind::Parameter | Kind::Table => json!({"name": self.name}),
            Kind::Function => json!({"function_name": self.name}),
            Kind::Instance => json!({}),
        }
    }

    /// Its ARN.
    pub fn arn(&self, place: &Place) -> String {
        let (service, rest) = match self.kind {
            Kind::Parameter => ("ssm", format!("parameter/{}", self.name.trim_start_matches('/'))),
            Kind::Table => ("dynamodb", format!("table/{}", self.name)),
            Kind::Function => ("lambda", format!("function:{}", self.name)),
            Kind::Instance => ("ec2", format!("instance/{}", self.name)),
        };
        format!("arn:aws:{service}:{}:{}:{rest}", place.region, place.account)
    }
}
