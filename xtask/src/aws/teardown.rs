//! Removes all that a run made, whatever became of it: what Terraform knows by Terraform, then whatever else has a name of
//! ours or the run's tag. What is left is said, and the record stays as long as anything is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use sandbox::WORKSPACES;

use super::access::Access;
use super::found::{self, strings};
use super::make::init_workspace;
use super::names::{PREFIX, Site};
use super::record::Record;
use super::stop::Stop;
use super::thing::{Kind, Thing, of_arn, tagged};

/// How often what is left is tried again: a network goes only some time after what was in it.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(10);

/// A teardown; it cannot be stopped, and can be begun again.
pub struct Teardown<'a> {
    /// How AWS is reached.
    pub access: &'a Arc<Access>,
    /// Where.
    pub site: &'a Site,
    /// What was noted.
    pub record: &'a Record,
    /// The run, if one was noted.
    pub run: Option<&'a str>,
    /// Is told each step.
    pub say: &'a (dyn Fn(&str) + Sync),
}

impl Teardown<'_> {
    /// Removes everything, proves it, and forgets the run.
    pub async fn run(&self) -> Result<()> {
        self.stop_builds().await?;
        for workspace in WORKSPACES {
            self.destroy_workspace(workspace).await;
        }
        self.destroy_install().await;
        let removed = self.sweep().await?;
        self.prove(&removed).await?;
        self.record.end()
    }

    /// A build that goes on would make again what is removed.
    async fn stop_builds(&self) -> Result<()> {
        (self.say)("teardown: stopping builds");
        let here = self.access.json(&["codebuild", "list-projects", "--query", "projects"]).await?;
        for project in strings(&here).iter().filter(|name| name.starts_with(PREFIX)) {
            let list = ["codebuild", "list-builds-for-project", "--project-name", project, "--query", "ids[:100]"];
            let ids = strings(&self.access.json(&list).await?);
            let mut running = self.running(&ids).await?;
            for id in &running {
                self.access.aws(&["codebuild", "stop-build", "--id", id]).await?;
            }
            while !running.is_empty() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                running = self.running(&running).await?;
            }
        }
        Ok(())
    }

    async fn running(&self, ids: &[String]) -> Result<Vec<String>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let query = ["--query", "builds[?buildStatus=='IN_PROGRESS'].id"];
        Ok(strings(&self.access.json(&[&["codebuild", "batch-get-builds", "--ids"][..], &ids, &query].concat()).await?))
    }

    /// What fails here is left to the sweep.
    async fn destroy_workspace(&self, workspace: &str) {
        let root = self.record.workspace(workspace);
        let bucket = format!("{PREFIX}-{}-{}", self.site.account, self.site.region);
        let key = format!("state/{workspace}/terraform.tfstate");
        let has_state = self.access.aws(&["s3api", "head-object", "--bucket", &bucket, "--key", &key]).await.is_ok();
        if !has_state || !root.join("acceptance.auto.tfvars.json").exists() {
            return;
        }
        (self.say)(&format!("teardown: destroying the workspace {workspace}"));
        let never = Stop::never();
        let destroyed = async {
            init_workspace(self.access, self.record, workspace, &bucket, &never).await?;
            let destroy = ["destroy", "-input=false", "-auto-approve"];
            let waiting = [&destroy[..], &["-lock-timeout=2m"]].concat();
            match self.access.terraform(&root, &waiting, &never).await {
                // Builds were stopped, and nobody else applies this: who holds the lock is gone.
                Err(error) if error.to_string().contains("state lock") => {
                    self.access.terraform(&root, &[&destroy[..], &["-lock=false"]].concat(), &never).await
                }
                other => other,
            }
        };
        if let Err(error) = destroyed.await {
            (self.say)(&format!("teardown: the workspace {workspace} goes piece by piece: {}", first_line(&error)));
        }
    }

    async fn destroy_install(&self) {
        let root = self.record.install();
        if !root.join("terraform.tfstate").exists() {
            return;
        }
        (self.say)("teardown: destroying the install");
        // A Terraform whose run was killed may still be at work; the lock of a local state ends with it.
        let destroy = ["destroy", "-input=false", "-auto-approve", "-lock-timeout=15m", "-parallelism=20"];
        if let Err(error) = self.access.terraform(&root, &destroy, &Stop::never()).await {
            (self.say)(&format!("teardown: the install goes piece by piece: {}", first_line(&error)));
        }
    }

    /// Removes what is left by name and by tag, and gives back what it removed.
    async fn sweep(&self) -> Result<BTreeSet<Thing>> {
        (self.say)("teardown: removing what is left, by name and by tag");
        let mut removed = BTreeSet::new();
        for attempt in 1..=TRIES {
            let (left, _) = self.left(&removed).await?;
            if left.is_empty() {
                break;
            }
            let mut refused = Vec::new();
            for thing in left {
                match found::remove(self.access, &thing).await {
                    Ok(()) => {
                        (self.say)(&format!("teardown: removed {thing}"));
                        removed.insert(thing);
                    }
                    Err(error) => refused.push(format!("{error:#}")),
                }
            }
            if attempt == TRIES && !refused.is_empty() {
                bail!("could not be removed, and the record of the run stays:\n  {}", refused.join("\n  "));
            }
            if attempt > 1 || !refused.is_empty() {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(removed)
    }

    /// What has a name of ours, and what AWS lists with the run's tag: it does so for a while after it was removed.
    async fn left(&self, removed: &BTreeSet<Thing>) -> Result<(BTreeSet<Thing>, Vec<String>)> {
        let mut left: BTreeSet<Thing> = found::by_name(self.access).await?.into_iter().collect();
        let mut unknown = Vec::new();
        if let Some(run) = self.run {
            let (tagged, others) = found::by_tag(self.access, run).await?;
            left.extend(tagged.into_iter().filter(|thing| !removed.contains(thing)));
            unknown = others;
        }
        Ok((left, unknown))
    }

    /// Says what there is, having looked again.
    async fn prove(&self, removed: &BTreeSet<Thing>) -> Result<()> {
        let (left, unknown) = self.left(removed).await?;
        let lines: Vec<String> = left.iter().map(ToString::to_string).chain(unknown).collect();
        if !lines.is_empty() {
            bail!("this is left, and the record of the run stays:\n  {}", lines.join("\n  "));
        }
        let keys = self.pending_keys().await?;
        (self.say)(&format!(
            "teardown: nothing is left: no instance, function, table, parameter, trail, project, rule, queue, topic, log \
             group, role, bucket, security group, subnet, VPC or alias whose name begins with {PREFIX}, and nothing with \
             the run's tag but {keys}"
        ));
        Ok(())
    }

    /// The keys of the run that wait for their deletion: sooner AWS does not delete one.
    async fn pending_keys(&self) -> Result<String> {
        let Some(run) = self.run else { return Ok("KMS keys that wait for their deletion".to_owned()) };
        let args = tagged(run);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let arns = strings(&self.access.json(&args).await?);
        let mut pending = Vec::new();
        for id in arns.iter().filter_map(|arn| of_arn(arn)).filter(|t| t.kind == Kind::Key).map(|t| t.id) {
            let describe = ["kms", "describe-key", "--key-id", &id, "--query", "KeyMetadata.DeletionDate"];
            let date = self.access.json(&describe).await?;
            pending.push(format!("the KMS key {id}, which AWS deletes at {}", date.as_str().unwrap_or("?")));
        }
        Ok(if pending.is_empty() { "KMS keys that wait for their deletion".to_owned() } else { pending.join(", ") })
    }
}

/// Terraform's whole output is no line of a log.
fn first_line(error: &anyhow::Error) -> String {
    let text = error.to_string();
    let said = text.lines().find(|line| line.contains("Error")).or_else(|| text.lines().next());
    said.unwrap_or_default().trim().to_owned()
}
