//! What there is in an account that has a name of ours, or the tag of a run, and how it is removed.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::task::JoinSet;

use super::access::Access;
use super::thing::{Kind, Thing, is_gone, listings, of_arn, removal, tagged};

/// Everything with a name of ours, in the order in which it can be removed.
pub async fn by_name(access: &Arc<Access>) -> Result<Vec<Thing>> {
    let mut asked = JoinSet::new();
    for (kind, listing) in listings() {
        let access = Arc::clone(access);
        asked.spawn(async move {
            let args: Vec<&str> = listing.iter().map(String::as_str).collect();
            let ids = access.json(&args).await.with_context(|| format!("looking for {kind:?}s with our names"))?;
            Ok::<_, anyhow::Error>(strings(&ids).into_iter().map(|id| Thing { kind, id }).collect::<Vec<_>>())
        });
    }
    let mut all = Vec::new();
    while let Some(things) = asked.join_next().await {
        all.extend(things??);
    }
    all.sort();
    Ok(all)
}

/// What is tagged as of a run, and still there: what it names, and the ARNs that are none of what a run makes. AWS lists
/// what was deleted for a while.
pub async fn by_tag(access: &Access, run: &str) -> Result<(Vec<Thing>, Vec<String>)> {
    let args = tagged(run);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let arns = strings(&access.json(&args).await.context("looking for what has the run's tag")?);
    let (known, unknown): (Vec<_>, Vec<_>) =
        arns.into_iter().map(|arn| of_arn(&arn).ok_or(arn)).partition(Result::is_ok);
    let mut things = Vec::new();
    for thing in known.into_iter().flatten() {
        if !is_over(access, &thing).await {
            things.push(thing);
        }
    }
    things.sort();
    Ok((things, unknown.into_iter().filter_map(Result::err).collect()))
}

/// Whether it only waits to be gone: an ended instance, a key whose deletion is scheduled.
async fn is_over(access: &Access, thing: &Thing) -> bool {
    let asked = match thing.kind {
        Kind::Key => {
            access.json(&["kms", "describe-key", "--key-id", &thing.id, "--query", "KeyMetadata.KeyState"]).await
        }
        Kind::Instance => {
            let query = "Reservations[0].Instances[0].State.Name";
            access.json(&["ec2", "describe-instances", "--instance-ids", &thing.id, "--query", query]).await
        }
        _ => return false,
    };
    match asked {
        Ok(state) => matches!(state.as_str(), Some("PendingDeletion" | "terminated" | "shutting-down")),
        Err(error) => is_gone(&error.to_string()),
    }
}

/// Removes one thing; one that is gone already is as good.
pub async fn remove(access: &Access, thing: &Thing) -> Result<()> {
    let removed = match thing.kind {
        Kind::Bucket => remove_bucket(access, &thing.id).await,
        Kind::Role => remove_role(access, &thing.id).await,
        Kind::Rule => remove_rule(access, &thing.id).await,
        Kind::Alias => remove_alias(access, &thing.id).await,
        _ => access.aws(&removal(thing)).await.map(drop),
    };
    match removed {
        Err(error) if !is_gone(&error.to_string()) => Err(error.context(format!("removing {thing}"))),
        _ => Ok(()),
    }
}

/// Versions and delete markers first: a bucket is deleted only when it is empty.
async fn remove_bucket(access: &Access, bucket: &str) -> Result<()> {
    loop {
        // DeleteObjects takes 1,000 keys at most.
        let query = "[Versions, DeleteMarkers][].{Key: Key, VersionId: VersionId}";
        let page = ["s3api", "list-object-versions", "--bucket", bucket, "--max-items", "500", "--query", query];
        let objects = access.json(&page).await?;
        let Some(objects) = objects.as_array().filter(|all| !all.is_empty()) else { break };
        let objects: Vec<&Value> = objects.iter().take(1000).collect();
        let delete = serde_json::json!({"Objects": objects, "Quiet": true}).to_string();
        let answer = access.json(&["s3api", "delete-objects", "--bucket", bucket, "--delete", &delete]).await?;
        if answer["Errors"].as_array().is_some_and(|errors| !errors.is_empty()) {
            bail!("emptying the bucket {bucket}: {}", answer["Errors"]);
        }
    }
    access.aws(&["s3api", "delete-bucket", "--bucket", bucket]).await.map(drop)
}

async fn remove_role(access: &Access, role: &str) -> Result<()> {
    let attached =
        ["iam", "list-attached-role-policies", "--role-name", role, "--query", "AttachedPolicies[].PolicyArn"];
    for arn in strings(&access.json(&attached).await?) {
        access.aws(&["iam", "detach-role-policy", "--role-name", role, "--policy-arn", &arn]).await?;
    }
    let inline = ["iam", "list-role-policies", "--role-name", role, "--query", "PolicyNames"];
    for name in strings(&access.json(&inline).await?) {
        access.aws(&["iam", "delete-role-policy", "--role-name", role, "--policy-name", &name]).await?;
    }
    access.aws(&["iam", "delete-role", "--role-name", role]).await.map(drop)
}

async fn remove_rule(access: &Access, rule: &str) -> Result<()> {
    let targets =
        strings(&access.json(&["events", "list-targets-by-rule", "--rule", rule, "--query", "Targets[].Id"]).await?);
    if !targets.is_empty() {
        let ids: Vec<&str> = targets.iter().map(String::as_str).collect();
        access.aws(&[&["events", "remove-targets", "--rule", rule, "--ids"][..], &ids].concat()).await?;
    }
    access.aws(&["events", "delete-rule", "--name", rule]).await.map(drop)
}

/// The key goes with its name: nothing else of ours tells it from others.
async fn remove_alias(access: &Access, alias: &str) -> Result<()> {
    let query = format!("Aliases[?AliasName=='{alias}'].TargetKeyId | [0]");
    let key = access.json(&["kms", "list-aliases", "--query", &query]).await?;
    access.aws(&["kms", "delete-alias", "--alias-name", alias]).await?;
    if let Some(key) = key.as_str() {
        access.aws(&removal(&Thing { kind: Kind::Key, id: key.to_owned() })).await?;
    }
    Ok(())
}

/// The strings of a list; none of what is null.
pub fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}
