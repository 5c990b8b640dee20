//! The course of a scripted build: the phases of a real one, and in BUILD what the script says.

use super::carried_out;
use super::resource::Resource;
use super::session::Session;
use super::terraform::{self, About, Place, Plan};
use super::{Change, Ending, Mode, Script, variable};
use crate::edge::codebuild::CodeBuild;
use crate::edge::codebuild::build::{Build, Interrupt};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How the work of a build ended.
enum Ended {
    Well,
    /// `REFORGE_ERROR`, and why.
    Failed(&'static str, String),
    TimedOut,
}

/// Takes a build from its source to the last phase, and returns its status.
///
/// # Errors
/// When the edge can't be reached.
pub async fn run(codebuild: &CodeBuild, build: &Build, script: &Script) -> anyhow::Result<&'static str> {
    for name in ["DOWNLOAD_SOURCE", "INSTALL", "PRE_BUILD"] {
        build.enter(name);
        build.leave("SUCCEEDED", None);
    }
    build.enter("BUILD");
    let ended = tokio::select! {
        biased;
        why = build.interruption() => {
            build.leave(why.status(), None);
            return Ok(why.status());
        }
        ended = work(codebuild, build, script) => ended?,
    };
    let (status, error) = match ended {
        Ended::Well => ("SUCCEEDED", ""),
        Ended::Failed(reason, said) => {
            build.leave("FAILED", Some(("COMMAND_EXECUTION_ERROR", said)));
            ("FAILED", reason)
        }
        Ended::TimedOut => {
            build.leave(Interrupt::TimedOut.status(), None);
            return Ok(Interrupt::TimedOut.status());
        }
    };
    if status == "SUCCEEDED" {
        build.leave(status, None);
    }
    build.progress().exported = vec![("REFORGE_ERROR".to_owned(), error.to_owned())];
    for name in ["POST_BUILD", "UPLOAD_ARTIFACTS"] {
        build.enter(name);
        build.leave("SUCCEEDED", None);
    }
    Ok(status)
}

async fn work(codebuild: &CodeBuild, build: &Build, script: &Script) -> anyhow::Result<Ended> {
    script.unpaused().await;
    let job = Job::of(codebuild, build, script);
    let mode = if variable(build, "REFORGE_MODE") == "plan" { Mode::Plan } else { Mode::Apply };
    let ending = script.ending(mode);
    let garbled = ending == Some(Ending::Garbled);
    match ending {
        Some(Ending::TimedOut) => return Ok(Ended::TimedOut),
        Some(Ending::Silent) => return Ok(Ended::Well),
        Some(Ending::Fails(reason, said)) => return job.failed(reason, said, None).await,
        Some(Ending::Garbled) | None => {}
    }
    match mode {
        Mode::Plan => job.plan(garbled).await,
        Mode::Apply => job.apply(garbled).await,
    }
}

/// One build's work.
struct Job<'a> {
    script: &'a Script,
    session: Session,
    about: About,
    targets: Vec<String>,
    /// Of an apply: the plan build's UUID, and the digest of its summary.
    order: (String, String),
}

impl<'a> Job<'a> {
    fn of(codebuild: &CodeBuild, build: &Build, script: &'a Script) -> Self {
        let text = |name: &str| variable(build, name).to_owned();
        let own = build.project["sourceVersion"].as_str().filter(|version| !version.is_empty());
        let source_version = own.map_or_else(|| script.world().source_version.clone(), ToOwned::to_owned);
        let region = script.world().region.clone().unwrap_or_else(|| build.scope.region.clone());
        let about = About {
            workspace: text("REFORGE_WORKSPACE"),
            build: build.uuid.clone(),
            incident: text("REFORGE_INCIDENT"),
            attempt: variable(build, "REFORGE_ATTEMPT").parse().unwrap_or_default(),
            source_version,
            place: Place { account: build.scope.account.clone(), region: region.clone() },
            backend: (text("REFORGE_STATE_BUCKET"), text("REFORGE_STATE_KEY")),
        };
        Self {
            script,
            session: Session::of(codebuild, build, variable(build, "REFORGE_BUCKET"), &region),
            about,
            targets: serde_json::from_str(variable(build, "REFORGE_TARGETS")).unwrap_or_default(),
            order: (text("REFORGE_PLAN_BUILD"), text("REFORGE_PLAN_DIGEST")),
        }
    }

    /// Publishes why.
    async fn failed(&self, reason: &'static str, said: String, lock: Option<&Value>) -> anyhow::Result<Ended> {
        let key = format!("failures/{}/{}.json", self.about.workspace, self.about.build);
        self.session.put(&key, terraform::failure(reason, &said, lock).to_string()).await?;
        Ok(Ended::Failed(reason, said))
    }

    async fn locked(&self) -> Option<anyhow::Result<Ended>> {
        let lock = self.script.world().lock.clone()?;
        let said = "Error: Error acquiring the state lock".to_owned();
        Some(self.failed("StateLocked", said, Some(&lock)).await)
    }

    /// What a plan made now would do.
    async fn planned(&self) -> anyhow::Result<Plan> {
        let (declared, state) = {
            let world = self.script.world();
            (world.declared.clone(), world.state.clone())
        };
        let mut now = BTreeMap::new();
        for resource in declared.values().chain(state.held.values()) {
            if let Some(value) = carried_out::value(&self.session, resource).await? {
                now.insert(resource.name.clone(), value);
            }
        }
        Ok(Plan::of(&declared, &state, &now, &self.targets))
    }

    async fn publish_inventory(&self) -> anyhow::Result<()> {
        let inventory = terraform::inventory(&self.about, &self.script.world().state);
        self.session.put(&self.inventory_key(), inventory.to_string()).await
    }

    fn inventory_key(&self) -> String {
        format!("inventory/{}.json", self.about.workspace)
    }

    async fn plan(&self, garbled: bool) -> anyhow::Result<Ended> {
        if let Some(locked) = self.locked().await {
            return locked;
        }
        let plan = match self.planned().await {
            Ok(plan) => plan,
            Err(refused) => return self.failed("PlanFailed", format!("Error: {refused:#}"), None).await,
        };
        let known = self.session.get(&self.inventory_key()).await.unwrap_or_default();
        let known: Value = serde_json::from_slice(&known).unwrap_or_default();
        let tar = json!(plan).to_string();
        let state = self.script.world().state.clone();
        let summary =
            terraform::summary(&self.about, &plan, &self.targets, tar.as_bytes(), &state, &known["serial"]).to_string();
        let folder = format!("plans/{}/{}", self.about.workspace, self.about.build);
        self.session.put(&format!("{folder}/plan.tar"), tar).await?;
        let summary = if garbled { summary[..summary.len() / 2].to_owned() } else { summary };
        self.session.put(&format!("{folder}/summary.json"), summary).await?;
        self.publish_inventory().await?;
        Ok(Ended::Well)
    }

    async fn apply(&self, garbled: bool) -> anyhow::Result<Ended> {
        let (build, digest) = &self.order;
        let folder = format!("plans/{}/{build}", self.about.workspace);
        let summary = self.session.get(&format!("{folder}/summary.json")).await?;
        let tar = self.session.get(&format!("{folder}/plan.tar")).await?;
        let judged: Value = serde_json::from_slice(&summary).unwrap_or_default();
        if terraform::sha256(&summary) != *digest || judged["tarSha256"] != terraform::sha256(&tar) {
            return self.failed("DigestMismatch", "the plan is not the one that was judged".to_owned(), None).await;
        }
        let plan: Plan = serde_json::from_slice(&tar).context("the plan")?;
        let claim = json!({"build": self.about.build, "incident": self.about.incident});
        if !self.session.put_once(&format!("claims/{}/{digest}", self.about.workspace), &claim).await? {
            return self.failed("AlreadyClaimed", "another build has taken this plan".to_owned(), None).await;
        }
        if let Some(locked) = self.locked().await {
            return locked;
        }
        if self.script.world().state.serial != plan.serial {
            return self.failed("StalePlan", "Error: Saved plan is stale".to_owned(), None).await;
        }
        let mut refused = None;
        for change in &plan.changes {
            match self.carry_out(change).await {
                Ok(name) => self.hold(change, name),
                Err(error) => refused = Some(format!("Error: {error:#}")),
            }
        }
        self.script.world().state.written();
        let after = self.planned().await?;
        let remaining: Vec<String> = after.changes.into_iter().map(|change| change.address).collect();
        let state = self.script.world().state.clone();
        let result = terraform::result(&self.about, digest, &plan, refused.is_none(), &remaining, &state).to_string();
        let result = if garbled { result[..result.len() / 2].to_owned() } else { result };
        self.session.put(&format!("results/{}/{}.json", self.about.workspace, self.about.build), result).await?;
        self.publish_inventory().await?;
        match refused {
            Some(said) => self.failed("ApplyFailed", said, None).await,
            None => Ok(Ended::Well),
        }
    }

    /// Gives the name back that the resource has now.
    async fn carry_out(&self, change: &Change) -> anyhow::Result<Option<String>> {
        if let Some(before) = change.before.as_ref().filter(|_| change.actions.iter().any(|action| action == "delete"))
        {
            carried_out::delete(&self.session, before).await?;
        }
        match &change.after {
            Some(after) => carried_out::put(&self.session, after).await.map(Some),
            None => Ok(None),
        }
    }

    /// The state as it is after a change. What is declared goes by the name that AWS gave it.
    fn hold(&self, change: &Change, name: Option<String>) {
        let mut world = self.script.world();
        match (&change.after, name) {
            (Some(after), Some(name)) => {
                if let Some(declared) = world.declared.get_mut(&change.address) {
                    declared.name.clone_from(&name);
                }
                world.state.held.insert(change.address.clone(), Resource { name, ..after.clone() })
            }
            _ => world.state.held.remove(&change.address),
        };
    }
}
