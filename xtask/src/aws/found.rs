//! What there is in an account that has a name of ours, or the tag of a run; whose it is, and how it is removed.
//!
//! Names and the tagging API are ways to find things. Whose a thing is, its own service says, and is asked once more right
//! before the thing is removed.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::access::Access;
use super::calls::{has_no_tags, is_gone};
use super::owner::{Runs, Tags, is_of, made_by, run_of, tags};
use super::thing::{Kind, Thing, ec2_id, is_going, listings, of_arn, questions, removal, tagged};

/// CLIs at once.
const AT_ONCE: usize = 8;
/// Pages of 500 objects that are removed from a bucket before something is said to write into it.
const PAGES: u32 = 200;

/// A thing that is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// What it is.
    pub thing: Thing,
    /// The run in its tag, if there is one.
    pub run: Option<String>,
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.run {
            Some(run) => write!(f, "{}, of the run {run}", self.thing),
            None => write!(f, "{}, without the tag of a run", self.thing),
        }
    }
}

/// All that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// In the order in which it can be removed.
    pub there: Vec<Found>,
    /// ARNs with the tag, of no kind that a run makes: parts of something, as the rules of a security group.
    pub unknown: Vec<String>,
}

impl Survey {
    /// What is of these runs, and what only has one of their names.
    pub fn divided(self, runs: &Runs) -> (Vec<Thing>, Vec<Found>) {
        let (ours, others): (Vec<Found>, Vec<Found>) =
            self.there.into_iter().partition(|found| is_of(found.run.as_deref(), runs));
        (ours.into_iter().map(|found| found.thing).collect(), others)
    }

    /// The runs that something here is of.
    pub fn runs(&self) -> Runs {
        self.there.iter().filter_map(|found| found.run.clone()).collect()
    }
}

/// Looks for everything with a name of ours, and for what has the tag of these runs, or of any.
pub async fn survey(access: &Arc<Access>, runs: Option<&Runs>) -> Result<Survey> {
    let mut all: BTreeSet<Thing> = by_name(access, |_| true).await?.into_iter().collect();
    let args = tagged(runs);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut unknown = Vec::new();
    for arn in strings(&access.json(&args).await.context("looking for what has the tag of a run")?) {
        match of_arn(&arn) {
            Some(thing) => drop(all.insert(thing)),
            None if is_there(access, &arn).await? => unknown.push(arn),
            None => {}
        }
    }
    Ok(Survey { there: looked_at(access, all).await?, unknown })
}

/// The log groups with our names.
pub async fn log_groups(access: &Arc<Access>) -> Result<Survey> {
    of_kind(access, |kind| kind == Kind::LogGroup).await
}

/// The build projects with our names.
pub async fn projects(access: &Arc<Access>) -> Result<Survey> {
    of_kind(access, |kind| kind == Kind::Project).await
}

async fn of_kind(access: &Arc<Access>, of: fn(Kind) -> bool) -> Result<Survey> {
    let all = by_name(access, of).await?.into_iter().collect();
    Ok(Survey { there: looked_at(access, all).await?, unknown: Vec::new() })
}

async fn by_name(access: &Arc<Access>, of: fn(Kind) -> bool) -> Result<Vec<Thing>> {
    let (mut asked, limit) = (JoinSet::new(), Arc::new(Semaphore::new(AT_ONCE)));
    for (kind, listing) in listings().into_iter().filter(|(kind, _)| of(*kind)) {
        let (access, limit) = (Arc::clone(access), Arc::clone(&limit));
        asked.spawn(async move {
            let _permit = limit.acquire().await?;
            let args: Vec<&str> = listing.iter().map(String::as_str).collect();
            let ids = access.json(&args).await.with_context(|| format!("looking for {kind:?}s with our names"))?;
            let mut things: Vec<Thing> = strings(&ids).into_iter().map(|id| Thing { kind, id }).collect();
            // What an alias names may be a key whose tag nothing lists yet.
            for alias in things.clone().iter().filter(|thing| thing.kind == Kind::Alias) {
                things.extend(key_of(&access, &alias.id).await?.map(|id| Thing { kind: Kind::Key, id }));
            }
            Ok::<_, anyhow::Error>(things)
        });
    }
    let mut all = Vec::new();
    while let Some(things) = asked.join_next().await {
        all.extend(things??);
    }
    Ok(all)
}

async fn looked_at(access: &Arc<Access>, all: BTreeSet<Thing>) -> Result<Vec<Found>> {
    let (mut asked, limit) = (JoinSet::new(), Arc::new(Semaphore::new(AT_ONCE)));
    for thing in all {
        let (access, limit) = (Arc::clone(access), Arc::clone(&limit));
        asked.spawn(async move {
            let _permit = limit.acquire().await?;
            let run = whose(&access, &thing).await?;
            Ok::<_, anyhow::Error>(run.map(|run| Found { thing, run }))
        });
    }
    let mut there = Vec::new();
    while let Some(found) = asked.join_next().await {
        there.extend(found??);
    }
    there.sort();
    Ok(there)
}

/// Whether something that no run makes is there: AWS lists for a while what was removed ("tagged or previously tagged", as
/// GetResources has it). EC2 tells the tags of any id; of what is another service's nothing is known but the list.
async fn is_there(access: &Access, arn: &str) -> Result<bool> {
    let Some(id) = ec2_id(arn) else { return Ok(true) };
    let filter = format!("Name=resource-id,Values={id}");
    let of = access.json(&["ec2", "describe-tags", "--filters", &filter, "--query", "Tags[].ResourceId"]).await;
    Ok(!strings(&of.with_context(|| format!("looking whether {arn} is there"))?).is_empty())
}

/// The run that a thing is of, if it is there: none, if it is of none. What only waits to be gone is not there.
async fn whose(access: &Access, thing: &Thing) -> Result<Option<Option<String>>> {
    let own = match thing.kind {
        // The key may be waiting for its end, and the alias still there.
        Kind::Alias => match key_of(access, &thing.id).await? {
            Some(key) => {
                let list = ["kms", "list-resource-tags", "--key-id", &key, "--query", "{Tags: Tags}"];
                Some(tags(&access.json(&list).await.with_context(|| format!("whose {thing} is"))?["Tags"]))
            }
            None => None,
        },
        _ => own_tags(access, thing).await?,
    };
    let Some(own) = own else { return Ok(None) };
    let run = run_of(&own);
    if run.is_none() && thing.kind == Kind::LogGroup {
        // Not its tags, but those of what made it: see `owner`.
        return Ok(Some(match made_by(&thing.id) {
            Some(owner) => own_tags(access, &owner).await?.as_ref().and_then(run_of),
            None => None,
        }));
    }
    Ok(Some(run))
}

/// Its tags, if it is there. Any answer but that it is not there is an error: nothing is taken for gone that is not.
async fn own_tags(access: &Access, thing: &Thing) -> Result<Option<Tags>> {
    let mut found = Tags::new();
    for question in questions(thing, access.site()?) {
        let args: Vec<&str> = question.iter().map(String::as_str).collect();
        let answer = match access.json(&args).await {
            Ok(Value::Null) => return Ok(None),
            Ok(answer) => answer,
            Err(error) if is_gone(&error.to_string()) => return Ok(None),
            Err(error) if has_no_tags(&error.to_string()) => Value::Null,
            Err(error) => return Err(error.context(format!("whose {thing} is"))),
        };
        if answer["State"].as_str().is_some_and(is_going) {
            return Ok(None);
        }
        found.extend(tags(&answer["Tags"]));
    }
    Ok(Some(found))
}

async fn key_of(access: &Access, alias: &str) -> Result<Option<String>> {
    let query = format!("Aliases[?AliasName=='{alias}'].TargetKeyId | [0]");
    let key = access.json(&["kms", "list-aliases", "--query", &query]).await;
    Ok(key.with_context(|| format!("the key of {alias}"))?.as_str().map(ToOwned::to_owned))
}

/// Removes one thing, if it is of these runs still, and says whether it did; one that is gone already is as good.
pub async fn remove(access: &Access, thing: &Thing, runs: &Runs) -> Result<bool> {
    let removing = || format!("removing {thing}");
    match whose(access, thing).await.with_context(removing)? {
        Some(run) if is_of(run.as_deref(), runs) => {}
        _ => return Ok(false),
    }
    let removed = match thing.kind {
        Kind::Bucket => remove_bucket(access, &thing.id).await,
        Kind::Role => remove_role(access, &thing.id).await,
        Kind::Rule => remove_rule(access, &thing.id).await,
        _ => access.aws(&removal(thing)).await.map(drop),
    };
    match removed {
        Err(error) if !is_gone(&error.to_string()) => Err(error).with_context(removing),
        _ => Ok(true),
    }
}

/// Versions and delete markers first: a bucket is deleted only when it is empty.
async fn remove_bucket(access: &Access, bucket: &str) -> Result<()> {
    let owner = ["--bucket", bucket, "--expected-bucket-owner", &access.site()?.account];
    for page in 0.. {
        ensure!(page < PAGES, "the bucket {bucket} does not get empty: see what writes into it, and end that");
        // DeleteObjects takes 1,000 keys at most.
        let query = "[Versions, DeleteMarkers][].{Key: Key, VersionId: VersionId}";
        let list = [&["s3api", "list-object-versions"][..], &owner, &["--max-items", "500", "--query", query]].concat();
        let objects = access.json(&list).await?;
        let Some(objects) = objects.as_array().filter(|all| !all.is_empty()) else { break };
        let objects: Vec<&Value> = objects.iter().take(1000).collect();
        let delete = serde_json::json!({"Objects": objects, "Quiet": true}).to_string();
        let answer = access.json(&[&["s3api", "delete-objects"][..], &owner, &["--delete", &delete]].concat()).await?;
        if answer["Errors"].as_array().is_some_and(|errors| !errors.is_empty()) {
            bail!("emptying the bucket {bucket}: {}", answer["Errors"]);
        }
    }
    access.aws(&[&["s3api", "delete-bucket"][..], &owner].concat()).await.map(drop)
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

/// The strings of a list; none of what is null.
pub fn strings(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{Found, Survey};
    use crate::aws::owner::Runs;
    use crate::aws::thing::{Kind, Thing};

    fn found(id: &str, run: Option<&str>) -> Found {
        Found { thing: Thing { kind: Kind::Bucket, id: id.to_owned() }, run: run.map(ToOwned::to_owned) }
    }

    fn survey() -> Survey {
        let there = vec![found("a", Some("1")), found("b", Some("2")), found("c", None)];
        Survey { there, unknown: Vec::new() }
    }

    #[test]
    fn a_teardown_takes_what_is_of_its_run_and_leaves_what_has_the_names() {
        let (ours, others) = survey().divided(&Runs::from(["1".to_owned()]));
        assert_eq!(ours.iter().map(|thing| thing.id.as_str()).collect::<Vec<_>>(), ["a"]);
        assert_eq!(others, [found("b", Some("2")), found("c", None)]);
    }

    #[test]
    fn without_a_record_it_takes_what_is_of_the_listed_runs_and_nothing_without_a_tag() {
        let runs = survey().runs();
        assert_eq!(runs, Runs::from(["1".to_owned(), "2".to_owned()]));
        let (ours, others) = survey().divided(&runs);
        assert_eq!((ours.len(), others), (2, vec![found("c", None)]));
    }
}
