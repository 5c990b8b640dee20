//! What the catalogue says of one type of resource, and what follows from it for an id.

use reforge_api::Change;
use serde::{Deserialize, Serialize};

/// One type of resource.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    /// The name that policies and Incidents use, e.g. dynamodb.
    pub r#type: String,
    /// The CloudFormation name.
    pub cloud_formation_type: String,
    /// The Terraform types that are the resource itself.
    pub terraform_types: Vec<String>,
    /// The Terraform types that hang on the resource, and belong to it.
    #[serde(default)]
    pub attachments: Vec<String>,
    /// The inventory's attributes that name the resource.
    pub identity: Vec<String>,
    /// How the ARN follows from the id; empty where it does not.
    #[serde(default)]
    pub arn: String,
    /// Whether it holds data that Terraform does not bring back.
    pub stateful: bool,
    /// Whether its events come in one region, whatever the region of the rest: IAM's, CloudFront's, Route 53's.
    #[serde(default)]
    pub global: bool,
    /// How the id is brought into its one form.
    pub normalise: Normalise,
    /// What a valid id looks like: a regular expression.
    pub id_pattern: String,
    /// How it is verified that the resource is back.
    pub verify: Verify,
    /// The Terraform attribute that Cloud Control identifies the resource by.
    #[serde(default = "id")]
    pub cloud_control_id: String,
    /// The events.
    pub events: Vec<EventRule>,
}

fn id() -> String {
    "id".to_owned()
}

/// How it is verified that a resource is back, beside the plan made after the apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Verify {
    /// The service itself is asked, by code of ours.
    Service,
    /// Cloud Control is asked for the resource.
    CloudControl,
    /// The plan's word is all there is.
    Plan,
}

/// How an id is brought into its one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Normalise {
    /// As it is.
    AsIs,
    /// The part of an ARN or a URL after the last slash; else as it is.
    AfterSlash,
    /// An ARN's part after the last colon; else as it is.
    AfterColons,
    /// A Lambda function's name from a name, a partial or a whole ARN, with or without a qualifier.
    FunctionName,
    /// An SSM parameter's name from a name or an ARN; a name with a path keeps its leading slash.
    Parameter,
    /// A rule's name, with its bus before it where that is not the default one, from names or the bus's ARN.
    RuleOfBus,
    /// A secret's name from a name or an ARN, whose six random characters at the end are not part of the name.
    Secret,
}

/// One event of a type.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EventRule {
    /// CloudTrail's eventSource.
    pub source: String,
    /// CloudTrail's eventName, without an API version.
    pub name: String,
    /// What the call does.
    pub change: Change,
    /// JMESPath over the record: a text or a list of texts.
    pub ids: String,
    /// Whether responders make this call to contain an attack.
    #[serde(default)]
    pub containment: bool,
    /// What undoes the call where applying the Terraform does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
    /// Where the path to the ids was taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<TakenFrom>,
}

/// Where a path to ids was taken from; docs/catalogue.md names the sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum TakenFrom {
    /// A real record.
    Record,
    /// Another project's test data.
    TestData,
    /// The API's model, by CloudTrail's rule for names.
    ApiModel,
}

/// A call that undoes another one, made by the apply build. The list is fixed here and in the build's script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum Undo {
    /// Starts a stopped instance.
    StartInstances,
    /// Takes a secret out of its recovery window.
    RestoreSecret,
    /// Takes a key out of its waiting period, and enables it.
    CancelKeyDeletion,
}

impl Entry {
    /// Whether a call is one that responders make to contain an attack.
    pub fn is_containment(&self, event: &str) -> bool {
        self.events.iter().any(|e| e.name == event && e.containment)
    }

    /// What undoes a call where applying the Terraform does not.
    pub fn undo_of(&self, event: &str) -> Option<Undo> {
        self.events.iter().find(|e| e.name == event)?.undo
    }
}

impl Entry {
    /// The one form of an id that may come as a name or an ARN.
    pub fn normalised(&self, id: &str) -> String {
        let is_arn = id.starts_with("arn:");
        let is_url = id.starts_with("https://") || id.starts_with("http://");
        let after = |separator: char| id.rsplit(separator).next().unwrap_or(id).to_owned();
        match self.normalise {
            Normalise::AfterSlash if is_arn || is_url => after('/'),
            Normalise::AfterColons if is_arn => after(':'),
            Normalise::AsIs | Normalise::AfterSlash | Normalise::AfterColons => id.to_owned(),
            Normalise::FunctionName => function_name(id),
            Normalise::Parameter => parameter(id),
            Normalise::RuleOfBus => rule_of_bus(id),
            Normalise::Secret => secret(id),
        }
    }

    /// The ARN of the resource with this id, where it follows from it.
    pub fn arn_of(&self, region: &str, account: &str, id: &str) -> Option<String> {
        if self.arn.is_empty() {
            return None;
        }
        let arn = self
            .arn
            .replace("{partition}", partition(region))
            .replace("{region}", region)
            .replace("{account}", account);
        // The one slash that a parameter's name begins with stands in its ARN already.
        let id = if self.normalise == Normalise::Parameter { id.trim_start_matches('/') } else { id };
        Some(arn.replace("{id}", id))
    }
}

/// The partition of a region (AWS General Reference, "Amazon Resource Names"; botocore's `partitions.json`).
fn partition(region: &str) -> &'static str {
    const BY_PREFIX: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("eu-isoe-", "aws-iso-e"),
        ("eusc-", "aws-eusc"),
    ];
    BY_PREFIX.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}

/// `name`, `name:qualifier`, `account:function:name`, or an ARN with or without a qualifier.
fn function_name(id: &str) -> String {
    let rest = id.split_once(":function:").map_or(id, |(_, rest)| rest);
    let rest = rest.strip_prefix("function:").unwrap_or(rest);
    rest.split(':').next().unwrap_or(rest).to_owned()
}

/// `rule`, `bus/rule`, or `arn:aws:events:<region>:<account>:event-bus/<bus>/<rule>`.
fn rule_of_bus(id: &str) -> String {
    let rest = id.split_once(":event-bus/").map_or(id, |(_, rest)| rest);
    rest.strip_prefix("default/").unwrap_or(rest).to_owned()
}

fn parameter(id: &str) -> String {
    match id.split_once(":parameter/") {
        Some((_, name)) if name.contains('/') => format!("/{name}"),
        Some((_, name)) => name.to_owned(),
        None => id.to_owned(),
    }
}

/// `arn:aws:secretsmanager:<region>:<account>:secret:<name>-<six characters>`.
fn secret(id: &str) -> String {
    let Some((_, rest)) = id.split_once(":secret:").filter(|_| id.starts_with("arn:")) else { return id.to_owned() };
    let name = rest.len().checked_sub(7).and_then(|at| rest.split_at_checked(at));
    name.filter(|(_, suffix)| suffix.starts_with('-')).map_or(rest, |(name, _)| name).to_owned()
}
