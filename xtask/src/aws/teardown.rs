//! Removes all that a run made, whatever became of it, and nothing else: what Terraform knows by Terraform, then whatever
//! else carries the run's tag. What only has one of the names stays, and is said. What is left of the run is said, too, and
//! the record stays as long as anything is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sandbox::WORKSPACES;

use super::access::Access;
use super::found::{self, Found, Survey, strings};
use super::identity::Elsewhere;
use super::names::PREFIX;
use super::owner::Runs;
use super::record::Record;
use super::stop::Stop;
use super::terraform::Terraform;
use super::thing::{Kind, Thing, of_arn, tagged};
use super::underway;

/// How often what is left is tried again: a network goes only some time after what was in it.
const TRIES: u32 = 30;
const PAUSE: Duration = Duration::from_secs(10);
/// How long a build that was stopped may take to stop.
const STOPPING: Duration = Duration::from_secs(10 * 60);

/// A teardown; it cannot be stopped, and can be begun again.
pub struct Teardown<'a> {
    /// How AWS is reached; bound to where the runs are.
    pub access: &'a Arc<Access>,
    /// What was noted.
    pub record: &'a Record,
    /// The run that was noted, whose Terraform is in the record.
    pub noted: Option<&'a str>,
    /// The runs whose things go: the one that was noted, or those that were listed and agreed to.
    pub runs: &'a Runs,
    /// Is told each step.
    pub say: &'a (dyn Fn(&str) + Sync),
}

impl Teardown<'_> {
    /// Removes everything, proves it, and forgets the run.
    pub async fn run(&self) -> Result<()> {
        underway::end(&self.record.underway(), self.say).await?;
        self.access.is_still_there("the teardown").await?;
        self.stop_builds().await?;
        self.remove_log_groups().await?;
        if let Some(run) = self.noted {
            for workspace in WORKSPACES {
                self.destroy_workspace(workspace, run).await?;
            }
            self.destroy_install(run).await?;
        }
        self.sweep().await?;
        self.prove().await?;
        self.record.end()
    }

    /// A build that goes on would make again what is removed.
    async fn stop_builds(&self) -> Result<()> {
        (self.say)("teardown: stopping builds");
        let (ours, _) = found::projects(self.access).await?.divided(self.runs);
        for Thing { id: project, .. } in &ours {
            let list = ["codebuild", "list-builds-for-project", "--project-name", project, "--query", "ids[:100]"];
            let ids = strings(&self.access.json(&list).await?);
            let mut running = self.running(&ids).await?;
            for id in &running {
                self.access.aws(&["codebuild", "stop-build", "--id", id]).await?;
            }
            let start = Instant::now();
            while !running.is_empty() {
                if start.elapsed() > STOPPING {
                    bail!(
                        "builds do not stop: {}; stop them, and then: {}",
                        running.join(", "),
                        self.access.teardown()
                    );
                }
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

    /// First, for one that a service made is told by the function or project that it is of. What fails is left to the sweep.
    async fn remove_log_groups(&self) -> Result<()> {
        let (ours, _) = found::log_groups(self.access).await?.divided(self.runs);
        for group in ours {
            match found::remove(self.access, &group, self.runs).await {
                Ok(_) => (self.say)(&format!("teardown: removed {group}")),
                Err(error) => self.say_later(&group.to_string(), error)?,
            }
        }
        Ok(())
    }

    /// What fails here is left to the sweep.
    async fn destroy_workspace(&self, workspace: &str, run: &str) -> Result<()> {
        let (root, site) = (self.record.workspace(workspace), self.access.site()?);
        let (bucket, key) = (site.artifact_bucket(), format!("state/{workspace}/terraform.tfstate"));
        let state = ["--bucket", &bucket, "--expected-bucket-owner", &site.account, "--key", &key];
        let has_state = self.access.aws(&[&["s3api", "head-object"][..], &state].concat()).await.is_ok();
        if !has_state || !root.join("acceptance.auto.tfvars.json").exists() {
            return Ok(());
        }
        (self.say)(&format!("teardown: destroying the workspace {workspace}"));
        let never = Stop::never();
        let terraform = Terraform { access: self.access, record: self.record, stop: &never };
        let destroyed = async {
            terraform.init_workspace(workspace, &bucket).await?;
            match terraform.destroy(&root, run, "-lock-timeout=2m").await {
                // Builds were stopped, and nobody else applies this: who holds the lock is gone.
                Err(error) if error.to_string().contains("state lock") => {
                    terraform.destroy(&root, run, "-lock=false").await
                }
                other => other,
            }
        };
        destroyed.await.or_else(|error| self.say_later(&format!("the workspace {workspace}"), error))
    }

    async fn destroy_install(&self, run: &str) -> Result<()> {
        let root = self.record.install();
        if !root.join("terraform.tfstate").exists() {
            return Ok(());
        }
        (self.say)("teardown: destroying the install");
        let never = Stop::never();
        let terraform = Terraform { access: self.access, record: self.record, stop: &never };
        let destroyed = terraform.destroy(&root, run, "-lock-timeout=2m").await;
        destroyed.or_else(|error| self.say_later("the install", error))
    }

    /// What could not be removed is tried again piece by piece, but not from another account.
    fn say_later(&self, what: &str, error: anyhow::Error) -> Result<()> {
        if error.is::<Elsewhere>() {
            return Err(error);
        }
        (self.say)(&format!("teardown: {what} goes later, piece by piece: {}", first_line(&error)));
        Ok(())
    }

    /// Removes what is left by its tag. What is refused is tried again, what is of no known kind waited for: it is part of
    /// something that goes.
    async fn sweep(&self) -> Result<()> {
        (self.say)("teardown: removing what is left, by its tag");
        let mut refused = Vec::new();
        for attempt in 1..=TRIES {
            refused.clear();
            let survey = found::survey(self.access, Some(self.runs)).await.unwrap_or_else(|error| {
                refused.push(format!("{error:#}"));
                Survey::default()
            });
            let is_waiting = !survey.unknown.is_empty();
            let (left, _) = survey.divided(self.runs);
            if left.is_empty() && refused.is_empty() && !is_waiting {
                break;
            }
            let is_idle = left.is_empty();
            for thing in left {
                match found::remove(self.access, &thing, self.runs).await {
                    Ok(true) => (self.say)(&format!("teardown: removed {thing}")),
                    Ok(false) => {}
                    Err(error) if error.is::<Elsewhere>() => return Err(error),
                    Err(error) => refused.push(format!("{error:#}")),
                }
            }
            if attempt < TRIES && (attempt > 1 || is_idle || !refused.is_empty()) {
                tokio::time::sleep(PAUSE).await;
            }
        }
        if !refused.is_empty() {
            bail!(
                "could not be removed, and the record of the run stays:\n  {}\nsee to these, and then: {}",
                refused.join("\n  "),
                self.access.teardown()
            );
        }
        Ok(())
    }

    /// Says what there is, having looked again.
    async fn prove(&self) -> Result<()> {
        let survey = found::survey(self.access, Some(self.runs)).await?;
        let unknown = survey.unknown.clone();
        let (left, others) = survey.divided(self.runs);
        self.tell_others(&others);
        let unknown = unknown.into_iter().map(|arn| format!("{arn}, which AWS lists with the run's tag"));
        let lines: Vec<String> = left.iter().map(ToString::to_string).chain(unknown).collect();
        if !lines.is_empty() {
            bail!(
                "this is left, and the record of the run stays:\n  {}\nwhat is gone already AWS may list for some hours more; \
                 see to the rest, and then: {}",
                lines.join("\n  "),
                self.access.teardown()
            );
        }
        let keys = self.pending_keys().await?;
        let runs = self.runs.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        (self.say)(&format!(
            "teardown: nothing is left of {runs}: no instance, function, table, parameter, trail, project, rule, queue, \
             topic, log group, role, bucket, volume, security group, subnet, VPC or alias with the run's tag whose name \
             begins with {PREFIX}, and nothing else with the tag but {keys}"
        ));
        Ok(())
    }

    fn tell_others(&self, others: &[Found]) {
        if others.is_empty() {
            return;
        }
        let lines: Vec<String> = others.iter().map(ToString::to_string).collect();
        (self.say)(&format!(
            "teardown: this has a name of a run and not this run's tag, so it is another's and stays; if it is yours, remove \
             it by hand:\n  {}",
            lines.join("\n  ")
        ));
    }

    /// The keys of the run that wait for their deletion: sooner AWS does not delete one. An emulated AWS may have none of them
    /// in its list.
    async fn pending_keys(&self) -> Result<String> {
        let args = tagged(Some(self.runs));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let arns = strings(&self.access.json(&args).await.context("looking for the run's keys")?);
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
    let text = format!("{error:#}");
    let said = text.lines().find(|line| line.contains("Error")).or_else(|| text.lines().next());
    said.unwrap_or_default().trim().to_owned()
}
