//! The further workspace: one resource of each type that the emulated AWS carries beside the five of the scenarios.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::install::{ACCOUNT, Caller, PLATFORM, REGION, Sandbox};
use crate::scenario::PLATFORM_POLICY;

/// A resource type, and the call that breaks the one of it, as arguments of the AWS CLI.
pub type Breakage = (&'static str, Vec<String>);

/// Applies the workspace, and publishes its inventory.
pub async fn apply(sandbox: &Sandbox) -> Result<()> {
    sandbox.apply_workspace(PLATFORM).await?;
    sandbox.run_plan(PLATFORM).await
}

/// Puts its policy in force.
pub fn govern(sandbox: &Sandbox) -> Result<()> {
    sandbox.plane().kubectl_with(PLATFORM_POLICY, &["apply", "-f", "-"])?;
    let ready = ["wait", "-n", "reforge", "--for=condition=Ready", "recoverypolicy/platform", "--timeout=30s"];
    sandbox.plane().kubectl(&ready)?;
    Ok(())
}

/// How each is broken.
pub async fn breakages(sandbox: &Sandbox) -> Result<Vec<Breakage>> {
    let queue = text(sandbox, &["sqs", "get-queue-url", "--queue-name", "platform-jobs"]).await?;
    let group = ["ec2", "describe-security-groups", "--filters", "Name=group-name,Values=platform-web"];
    let group = text(sandbox, &[&group[..], &["--query", "SecurityGroups[0].GroupId"]].concat()).await?;
    let key = key(sandbox).await?;
    let topic = format!("arn:aws:sns:{REGION}:{ACCOUNT}:platform-news");
    let policy = format!("arn:aws:iam::{ACCOUNT}:policy/platform-read");
    let calls: [(&'static str, &[&str]); 9] = [
        ("sqs", &["sqs", "delete-queue", "--queue-url", &queue]),
        ("sns", &["sns", "delete-topic", "--topic-arn", &topic]),
        ("iam-role", &["iam", "delete-role", "--role-name", "platform-worker"]),
        ("iam-policy", &["iam", "delete-policy", "--policy-arn", &policy]),
        ("security-group", &["ec2", "delete-security-group", "--group-id", &group]),
        ("log-group", &["logs", "delete-log-group", "--log-group-name", "/platform/app"]),
        ("event-rule", &["events", "delete-rule", "--name", "platform-nightly"]),
        ("secret", &["secretsmanager", "delete-secret", "--secret-id", "platform/token"]),
        ("kms-key", &["kms", "schedule-key-deletion", "--key-id", &key, "--pending-window-in-days", "7"]),
    ];
    Ok(calls.into_iter().map(|(kind, call)| (kind, call.iter().map(|word| (*word).to_owned()).collect())).collect())
}

/// The id of the workspace's key.
pub async fn key(sandbox: &Sandbox) -> Result<String> {
    let keys: Value =
        serde_json::from_str(&sandbox.aws(Caller::Mallory, &["kms", "list-keys", "--output", "json"]).await?)?;
    for id in keys["Keys"].as_array().into_iter().flatten().filter_map(|key| key["KeyId"].as_str()) {
        let description = ["kms", "describe-key", "--key-id", id, "--query", "KeyMetadata.Description"];
        if text(sandbox, &description).await? == "Data of the platform" {
            return Ok(id.to_owned());
        }
    }
    None.context("the platform has no key")
}

async fn text(sandbox: &Sandbox, args: &[&str]) -> Result<String> {
    Ok(sandbox.aws(Caller::Mallory, &[args, &["--output", "text"]].concat()).await?.trim().to_owned())
}
