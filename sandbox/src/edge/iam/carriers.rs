//! Policies that resources carry, and the keys that they are encrypted with, as the emulator has them.

use super::policies::{Policies, Resource, each, filled, optional, parsed, result};
use crate::edge::upstream::Scope;
use anyhow::Context as _;
use serde_json::{Value, json};

impl Policies {
    /// Reads a resource by its ARN.
    ///
    /// # Errors
    /// When the emulator can't be reached, or the policy can't be read.
    pub(super) async fn read_resource(&self, arn: &str) -> anyhow::Result<Option<Resource>> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let [_, _, service, region, account, name] = parts[..] else { return Ok(None) };
        let scope = Scope { account: account.to_owned(), region: region.to_owned() };
        match service {
            "s3" => self.bucket(name).await.map(Some),
            "sqs" => self.queue(&scope, name).await,
            "sns" => self.topic(&scope, arn).await,
            "kms" => self.key(&scope, arn).await,
            "events" => self.event_bus(&scope, name).await,
            "lambda" => self.function(&scope, name).await,
            "secretsmanager" => self.secret(&scope, arn).await,
            _ => Ok(None),
        }
        .with_context(|| format!("read the policy of {arn}"))
    }

    async fn bucket(&self, name: &str) -> anyhow::Result<Resource> {
        let account = self.bucket_owner(name).unwrap_or_else(|| Scope::default().account);
        let scope = Scope { account, ..Scope::default() };
        let policy = self.upstream.get("s3", &scope, &format!("/{name}?policy")).await?;
        let encryption = self.upstream.get("s3", &scope, &format!("/{name}?encryption")).await?;
        let key = crate::edge::call::xml_text(&encryption.text(), "KMSMasterKeyID");
        let policy = if policy.is_success() { Some(parsed(&policy.text(), name)?) } else { None };
        Ok(Resource { arn: format!("arn:aws:s3:::{name}"), policy, key })
    }

    async fn queue(&self, scope: &Scope, name: &str) -> anyhow::Result<Option<Resource>> {
        let url = self.upstream.ask("sqs", "AmazonSQS.GetQueueUrl", scope, &json!({"QueueName": name})).await?;
        if !url.is_success() {
            return Ok(None);
        }
        let input = json!({"QueueUrl": url.json_body()["QueueUrl"], "AttributeNames": ["All"]});
        let answer = self.upstream.call("sqs", "AmazonSQS.GetQueueAttributes", scope, &input).await?;
        let attributes = &answer["Attributes"];
        Ok(Some(Resource {
            arn: format!("arn:aws:sqs:{}:{}:{name}", scope.region, scope.account),
            policy: optional(&attributes["Policy"], name)?,
            key: filled(&attributes["KmsMasterKeyId"]),
        }))
    }

    async fn topic(&self, scope: &Scope, arn: &str) -> anyhow::Result<Option<Resource>> {
        let pairs = [("Action", "GetTopicAttributes"), ("Version", "2010-03-31"), ("TopicArn", arn)];
        let reply = self.upstream.query("sns", scope, &pairs).await?;
        if !reply.is_success() {
            return Ok(None);
        }
        let answer = result(&reply, "GetTopicAttributes")?;
        let entries = each(&answer["Attributes"]["entry"]);
        let of = |name: &str| entries.iter().find(|e| e["key"] == json!(name)).map_or(&Value::Null, |e| &e["value"]);
        let (policy, key) = (optional(of("Policy"), arn)?, filled(of("KmsMasterKeyId")));
        Ok(Some(Resource { arn: arn.to_owned(), policy, key }))
    }

    async fn key(&self, scope: &Scope, arn: &str) -> anyhow::Result<Option<Resource>> {
        let described = self.upstream.ask("kms", "TrentService.DescribeKey", scope, &json!({"KeyId": arn})).await?;
        if !described.is_success() {
            return Ok(None);
        }
        let key = described.json_body()["KeyMetadata"]["Arn"].as_str().unwrap_or(arn).to_owned();
        let input = json!({"KeyId": key, "PolicyName": "default"});
        let policy = self.upstream.ask("kms", "TrentService.GetKeyPolicy", scope, &input).await?;
        let policy = optional(&policy.json_body()["Policy"], &key)?;
        // AWS KMS Developer Guide, "Default key policy": the account may give rights with its own policies.
        let root = json!({"AWS": format!("arn:aws:iam::{}:root", scope.account)});
        let default = json!({"Statement": {"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}});
        let policy = policy.map_or_else(|| parsed(&default.to_string(), &key), Ok)?;
        Ok(Some(Resource { arn: key, policy: Some(policy), key: None }))
    }

    async fn event_bus(&self, scope: &Scope, name: &str) -> anyhow::Result<Option<Resource>> {
        let Some(bus) = name.strip_prefix("event-bus/") else { return Ok(None) };
        let reply = self.upstream.ask("events", "AWSEvents.DescribeEventBus", scope, &json!({"Name": bus})).await?;
        let arn = format!("arn:aws:events:{}:{}:{name}", scope.region, scope.account);
        let policy = match self.remembered_bus(&arn) {
            Some(policy) => Some(parsed(&policy, &arn)?),
            None => optional(&reply.json_body()["Policy"], &arn)?,
        };
        Ok(reply.is_success().then_some(Resource { arn, policy, key: None }))
    }

    async fn function(&self, scope: &Scope, name: &str) -> anyhow::Result<Option<Resource>> {
        let Some(function) = name.strip_prefix("function:") else { return Ok(None) };
        let reply = self.upstream.get("lambda", scope, &format!("/2015-03-31/functions/{function}/policy")).await?;
        let arn = format!("arn:aws:lambda:{}:{}:{name}", scope.region, scope.account);
        let policy = optional(&reply.json_body()["Policy"], &arn)?;
        Ok(reply.is_success().then_some(Resource { arn, policy, key: None }))
    }

    async fn secret(&self, scope: &Scope, arn: &str) -> anyhow::Result<Option<Resource>> {
        let input = json!({"SecretId": arn});
        let reply = self.upstream.ask("secretsmanager", "secretsmanager.GetResourcePolicy", scope, &input).await?;
        let policy = optional(&reply.json_body()["ResourcePolicy"], arn)?;
        Ok(reply.is_success().then_some(Resource { arn: arn.to_owned(), policy, key: None }))
    }

    /// The customer key that a secure parameter is encrypted with.
    ///
    /// # Errors
    /// When the emulator can't be reached.
    pub async fn parameter_key(&self, scope: &Scope, name: &str) -> anyhow::Result<Option<String>> {
        let filter = json!({"ParameterFilters": [{"Key": "Name", "Values": [name]}]});
        let reply = self.upstream.ask("ssm", "AmazonSSM.DescribeParameters", scope, &filter).await?;
        let found =
            reply.json_body()["Parameters"].as_array().into_iter().flatten().find(|p| p["Name"] == name).cloned();
        Ok(found.filter(|p| p["Type"] == "SecureString").and_then(|p| filled(&p["KeyId"])))
    }
}
