//! The policies that exist: read from the emulator when they are asked for, and kept until a call changes them.
//!
//! What belongs to IAM is forgotten by account, what resources carry by service. Nothing is decided here.

use super::policy::{Policy, account_of};
use crate::edge::call::{Call, Kind, parse_xml, percent_decode};
use crate::edge::http::{Reply, Request};
use crate::edge::principal::DEFAULT_REGION;
use crate::edge::upstream::{Scope, Upstream};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A role with all that decides what its sessions may do.
#[derive(Debug, Clone, Default)]
pub struct Role {
    /// Its ARN, path included.
    pub arn: String,
    /// Who may assume it.
    pub trust: Policy,
    /// Its inline policies and those attached.
    pub identity: Vec<Policy>,
    /// Its permissions boundary.
    pub boundary: Option<Policy>,
}

/// What a resource says of itself.
#[derive(Debug, Clone, Default)]
pub struct Resource {
    /// Its ARN: a key's, where an alias was asked for.
    pub arn: String,
    /// Its policy.
    pub policy: Option<Policy>,
    /// The key that it is encrypted with, by id, ARN or alias.
    pub key: Option<String>,
}

#[derive(Debug, Default)]
struct Known {
    /// Counts changes: what was read before one is not kept after it.
    changes: u64,
    roles: HashMap<String, Arc<Role>>,
    resources: HashMap<String, Option<Arc<Resource>>>,
    owners: HashMap<String, String>,
    /// Policies of event buses by ARN, which ministack 1.5.33 takes for something else when they come whole.
    buses: HashMap<String, Value>,
}

/// The policies of one emulator.
#[derive(Debug)]
pub struct Policies {
    pub(super) upstream: Upstream,
    known: Mutex<Known>,
}

impl Policies {
    /// None are known yet.
    pub fn new(upstream: Upstream) -> Self {
        Self { upstream, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what a successful call has changed, and notes what the emulator does not: whose a new bucket is, and the policy of a bus.
    pub fn learn(&self, request: &Request, call: &Call) {
        if call.kind != Kind::Write {
            return;
        }
        let mut known = self.known();
        known.changes += 1;
        match call.service.as_str() {
            "iam" => known.roles.retain(|arn, _| account_of(arn) != call.credential.account),
            service => {
                let prefix = format!("arn:aws:{service}:");
                known.resources.retain(|arn, _| !arn.starts_with(&prefix));
            }
        }
        if let ("s3", "CreateBucket", Some(bucket)) =
            (call.service.as_str(), call.operation.as_str(), call.parameters["bucketName"].as_str())
        {
            known.owners.insert(bucket.to_owned(), call.credential.account.clone());
        }
        if call.service == "events" {
            bus_permission(&mut known.buses, call, &request.json());
        }
    }

    /// The policy of a bus as the calls that passed have left it.
    pub(super) fn remembered_bus(&self, arn: &str) -> Option<String> {
        self.known().buses.get(arn).map(Value::to_string)
    }

    /// The account of a bucket that was made through the edge.
    pub fn bucket_owner(&self, bucket: &str) -> Option<String> {
        self.known().owners.get(bucket).cloned()
    }

    /// A role by its ARN; nothing when there is none.
    ///
    /// # Errors
    /// When the emulator can't be reached, or a policy of the role can't be read.
    pub async fn role(&self, arn: &str) -> anyhow::Result<Option<Arc<Role>>> {
        let changes = {
            let known = self.known();
            if let Some(role) = known.roles.get(arn) {
                return Ok(Some(Arc::clone(role)));
            }
            known.changes
        };
        let Some(role) = self.read_role(arn).await?.map(Arc::new) else { return Ok(None) };
        let mut known = self.known();
        if known.changes == changes {
            known.roles.insert(arn.to_owned(), Arc::clone(&role));
        }
        Ok(Some(role))
    }

    /// A resource by its ARN; nothing for what has no policy of its own in AWS, and for what is not there.
    ///
    /// # Errors
    /// When the emulator can't be reached, or the resource's policy can't be read.
    pub async fn resource(&self, arn: &str) -> anyhow::Result<Option<Arc<Resource>>> {
        let changes = {
            let known = self.known();
            if let Some(resource) = known.resources.get(arn) {
                return Ok(resource.clone());
            }
            known.changes
        };
        let resource = self.read_resource(arn).await?.map(Arc::new);
        let mut known = self.known();
        if known.changes == changes {
            known.resources.insert(arn.to_owned(), resource.clone());
        }
        Ok(resource)
    }

    async fn read_role(&self, arn: &str) -> anyhow::Result<Option<Role>> {
        let Some(name) = arn.split_once(":role/").map(|(_, path)| path.rsplit('/').next().unwrap_or(path)) else {
            return Ok(None);
        };
        let scope = Scope { account: account_of(arn).to_owned(), region: DEFAULT_REGION.to_owned() };
        let Some(answer) = self.iam(&scope, "GetRole", &[("RoleName", name)]).await? else { return Ok(None) };
        let shown = &answer["Role"];
        let mut identity = Vec::new();
        let listed = self.iam(&scope, "ListRolePolicies", &[("RoleName", name)]).await?.unwrap_or_default();
        for policy in each(&listed["PolicyNames"]["member"]) {
            let policy = policy.as_str().unwrap_or_default();
            let pairs = [("RoleName", name), ("PolicyName", policy)];
            if let Some(answer) = self.iam(&scope, "GetRolePolicy", &pairs).await? {
                identity.push(document(&answer["PolicyDocument"], &format!("the policy {policy} of {arn}"))?);
            }
        }
        let listed = self.iam(&scope, "ListAttachedRolePolicies", &[("RoleName", name)]).await?.unwrap_or_default();
        for policy in each(&listed["AttachedPolicies"]["member"]) {
            identity.extend(self.managed(&scope, policy["PolicyArn"].as_str().unwrap_or_default()).await?);
        }
        let boundary = match shown["PermissionsBoundary"]["PermissionsBoundaryArn"].as_str() {
            // A boundary that is gone bounds everything away.
            Some(boundary) => Some(self.managed(&scope, boundary).await?.unwrap_or_default()),
            None => None,
        };
        Ok(Some(Role {
            arn: shown["Arn"].as_str().unwrap_or(arn).to_owned(),
            trust: document(&shown["AssumeRolePolicyDocument"], &format!("the trust policy of {arn}"))?,
            identity,
            boundary,
        }))
    }

    /// A managed policy as it is now; nothing when there is none.
    ///
    /// # Errors
    /// When the emulator can't be reached, or the policy can't be read.
    pub async fn managed(&self, scope: &Scope, arn: &str) -> anyhow::Result<Option<Policy>> {
        let Some(policy) = self.iam(scope, "GetPolicy", &[("PolicyArn", arn)]).await? else {
            tracing::warn!(arn, "the emulated IAM has no such policy: it allows nothing here");
            return Ok(None);
        };
        let version = policy["Policy"]["DefaultVersionId"].as_str().unwrap_or("v1").to_owned();
        let pairs = [("PolicyArn", arn), ("VersionId", version.as_str())];
        let Some(answer) = self.iam(scope, "GetPolicyVersion", &pairs).await? else { return Ok(None) };
        document(&answer["PolicyVersion"]["Document"], arn).map(Some)
    }

    /// The ARN of the role in an instance profile.
    ///
    /// # Errors
    /// When the emulator can't be reached.
    pub async fn role_in_profile(&self, scope: &Scope, profile: &str) -> anyhow::Result<Option<String>> {
        let answer = self.iam(scope, "GetInstanceProfile", &[("InstanceProfileName", profile)]).await?;
        let answer = answer.unwrap_or_default();
        let role = each(&answer["InstanceProfile"]["Roles"]["member"]).first();
        Ok(role.and_then(|role| role["Arn"].as_str()).map(str::to_owned))
    }

    /// The result of a reading call to IAM; nothing when what it asks for is not there.
    async fn iam(&self, scope: &Scope, action: &str, pairs: &[(&str, &str)]) -> anyhow::Result<Option<Value>> {
        let pairs = [&[("Action", action), ("Version", "2010-05-08")], pairs].concat();
        let reply = self.upstream.query("iam", scope, &pairs).await?;
        if reply.text().contains("<Code>NoSuchEntity</Code>") {
            return Ok(None);
        }
        Ok(Some(result(&reply, action)?))
    }
}

/// The policy of a bus after `PutPermission` and the like (API reference: a whole policy, or one statement by its id).
fn bus_permission(buses: &mut HashMap<String, Value>, call: &Call, input: &Value) {
    let name = ["EventBusName", "Name"].iter().find_map(|n| input[*n].as_str()).unwrap_or("default");
    let name = name.rsplit('/').next().unwrap_or(name);
    let arn = format!("arn:aws:events:{}:{}:event-bus/{name}", call.credential.region, call.credential.account);
    let without = |policy: &Value, id: &Value| -> Vec<Value> {
        each(&policy["Statement"]).iter().filter(|s| s["Sid"] != *id).cloned().collect()
    };
    let present = buses.get(&arn).cloned().unwrap_or_default();
    let statements = match call.operation.as_str() {
        "PutPermission" => match input["Policy"].as_str() {
            Some(policy) => {
                buses.insert(arn, serde_json::from_str(policy).unwrap_or_default());
                return;
            }
            None => {
                let mut statements = without(&present, &input["StatementId"]);
                statements.push(bus_statement(&arn, input));
                statements
            }
        },
        "RemovePermission" if input["RemoveAllPermissions"] == json!(true) => Vec::new(),
        "RemovePermission" => without(&present, &input["StatementId"]),
        "DeleteEventBus" => {
            buses.remove(&arn);
            return;
        }
        _ => return,
    };
    buses.insert(arn, json!({"Version": "2012-10-17", "Statement": statements}));
}

fn bus_statement(arn: &str, input: &Value) -> Value {
    let principal = input["Principal"].as_str().unwrap_or_default();
    let principal =
        if principal == "*" { json!("*") } else { json!({"AWS": format!("arn:aws:iam::{principal}:root")}) };
    let mut statement = json!({
        "Sid": input["StatementId"], "Effect": "Allow", "Principal": principal, "Action": "events:PutEvents", "Resource": arn,
    });
    let condition = &input["Condition"];
    if let (Some(operator), Some(key)) = (condition["Type"].as_str(), condition["Key"].as_str()) {
        statement["Condition"] = json!({operator: {key: condition["Value"]}});
    }
    statement
}

/// The `..Result` of a Query answer.
pub(super) fn result(reply: &Reply, action: &str) -> anyhow::Result<Value> {
    anyhow::ensure!(reply.is_success(), "{action} was refused with {}: {}", reply.status, reply.text());
    let (_, root) = parse_xml(&reply.text()).with_context(|| format!("{action} was answered with no XML"))?;
    Ok(root[format!("{action}Result")].clone())
}

/// A document as IAM shows it, percent-encoded.
fn document(shown: &Value, of: &str) -> anyhow::Result<Policy> {
    parsed(&percent_decode(shown.as_str().unwrap_or_default()), of)
}

pub(super) fn optional(shown: &Value, of: &str) -> anyhow::Result<Option<Policy>> {
    filled(shown).map(|text| parsed(&text, of)).transpose()
}

pub(super) fn parsed(text: &str, of: &str) -> anyhow::Result<Policy> {
    Policy::parse(text).map_err(anyhow::Error::msg).with_context(|| format!("read {of}"))
}

pub(super) fn filled(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A list of XML, of which one element is no list, and none an empty text.
pub(super) fn each(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::String(text) if text.is_empty() => &[],
        Value::Array(list) => list,
        one => std::slice::from_ref(one),
    }
}
