//! CodeBuild: builds that really run, as processes of this machine, unless their workspace is `scripted`.
//!
//! Projects are the emulator's (`projects` adds what it forgets); `start` begins a build, `run` takes it through its phases, `source` has
//! its source (`clone` one in Git, at the commit that `revision` says), `shell` runs their commands, `build` shows it, `state_change`
//! tells the event bus, `rights` asks what its role lets CodeBuild itself do.

mod build;
mod buildspec;
mod clone;
mod environment;
mod projects;
mod revision;
mod rights;
mod run;
mod scripted;
mod shell;
mod source;
mod start;
mod state_change;

pub use scripted::{Ending, Kind, Mode, Resource, Script};
pub use start::TOKEN_MINUTES;

use super::Config;
use super::call::Call;
use super::eventbridge::Bus;
use super::http::{Reply, Request};
use super::iam::Iam;
use super::principal::Principals;
use super::upstream::{Scope, Upstream};
use build::{Build, Interrupt};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Ids on a page of a listing.
pub const PAGE: usize = 100;

/// A build as tests see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildInfo {
    /// `project:uuid`.
    pub id: String,
    /// The project's name.
    pub project: String,
    /// The variables given to `StartBuild`, in order.
    pub overrides: Vec<(String, String)>,
    /// `IN_PROGRESS`, `SUCCEEDED`, `FAILED`, `STOPPED` or `TIMED_OUT`.
    pub status: String,
    /// When it was started.
    pub start: Timestamp,
    /// When it was over.
    pub end: Option<Timestamp>,
    /// The phases so far, in order.
    pub phases: Vec<PhaseInfo>,
    /// The file with its log.
    pub log: PathBuf,
}

impl BuildInfo {
    /// How long a phase took, once it is over.
    pub fn phase(&self, name: &str) -> Option<Duration> {
        let phase = self.phases.iter().find(|phase| phase.name == name)?;
        phase.end?.duration_since(phase.start).try_into().ok()
    }
}

/// A phase of a build as tests see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseInfo {
    /// `phaseType`.
    pub name: &'static str,
    /// `phaseStatus`, once it is over.
    pub status: Option<&'static str>,
    /// When it began.
    pub start: Timestamp,
    /// When it was over.
    pub end: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Store {
    builds: Vec<Arc<Build>>,
    tokens: Vec<start::Token>,
}

impl Store {
    /// A build of this account and region by its id or ARN.
    fn find(&self, scope: &Scope, id: &str) -> Option<&Arc<Build>> {
        let id = id.rsplit("build/").next().unwrap_or(id);
        self.builds.iter().find(|b| b.id == id && b.scope == *scope)
    }
}

/// What builds have to do with.
type World = (Upstream, Arc<Principals>, Arc<Iam>, Arc<Bus>);

/// The builds of one edge.
#[derive(Debug)]
pub struct CodeBuild {
    config: Config,
    url: String,
    builds_dir: PathBuf,
    upstream: Upstream,
    principals: Arc<Principals>,
    iam: Arc<Iam>,
    bus: Arc<Bus>,
    projects: projects::Projects,
    store: Mutex<Store>,
    /// Scripts by workspace.
    scripts: Mutex<HashMap<String, Script>>,
}

impl CodeBuild {
    /// No builds yet. `url` is the edge's own.
    pub fn new(config: Config, url: &str, (upstream, principals, iam, bus): World) -> Arc<Self> {
        let builds_dir = config.run_dir.join("builds");
        let (projects, store, scripts) = (projects::Projects::default(), Mutex::default(), Mutex::default());
        let url = url.to_owned();
        Arc::new(Self { config, url, builds_dir, upstream, principals, iam, bus, projects, store, scripts })
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers the calls about builds; nothing for those that the emulator answers.
    pub async fn answer(self: &Arc<Self>, call: &Call, request: &Request) -> Option<Reply> {
        let (input, scope) = (request.json(), call.credential.scope());
        Some(match call.operation.as_str() {
            "StartBuild" => start::start_build(self, call, request).await,
            "CreateProject" | "UpdateProject" => return rights::refusal_of_role(self, call, &input).await,
            "StopBuild" => self.stop_build(&scope, &input),
            "BatchGetBuilds" => self.batch_get_builds(&scope, &input),
            "ListBuilds" => self.list_builds(&scope, &input, None),
            "ListBuildsForProject" => self.list_builds(&scope, &input, input["projectName"].as_str()),
            _ => return None,
        })
    }

    /// Completes the emulator's answers about projects.
    pub fn complete(&self, call: &Call, request: &Request, reply: Reply) -> Reply {
        self.projects.complete(&call.credential.scope(), call, request, reply)
    }

    /// Lets the builds of a workspace that start from now on follow a script; None: lets them run.
    pub fn script(&self, workspace: &str, script: Option<Script>) {
        let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        match script {
            Some(script) => scripts.insert(workspace.to_owned(), script),
            None => scripts.remove(workspace),
        };
    }

    fn script_of(&self, build: &Build) -> Option<Script> {
        let workspace = scripted::variable(build, "REFORGE_WORKSPACE");
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner).get(workspace).cloned()
    }

    /// The builds so far, oldest first.
    pub fn list(&self) -> Vec<BuildInfo> {
        self.store().builds.iter().map(|b| b.info()).collect()
    }

    /// Stops all builds and waits until their processes are gone.
    pub async fn shutdown(&self) {
        loop {
            let running: Vec<_> = self.store().builds.iter().filter(|b| b.is_running()).cloned().collect();
            if running.is_empty() {
                return;
            }
            for build in running {
                build.interrupt(Interrupt::Stopped);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The log of a build as a page, `/_sandbox/builds/<uuid>.log`.
    pub async fn log_page(&self, path: &str) -> Reply {
        let name = path.rsplit('/').next().unwrap_or_default();
        let known = self.store().builds.iter().find(|b| format!("{}.log", b.uuid) == name).map(|b| b.log.clone());
        match known {
            Some(log) => Reply::new(200, "text/plain; charset=utf-8", tokio::fs::read(log).await.unwrap_or_default()),
            None => Reply::new(404, "text/plain", "no such build\n"),
        }
    }

    /// The build goes on as `IN_PROGRESS` until its processes are gone, so that whoever sees `STOPPED` may rely on it.
    fn stop_build(&self, scope: &Scope, input: &Value) -> Reply {
        let id = input["id"].as_str().unwrap_or_default();
        match self.store().find(scope, id) {
            Some(build) => {
                build.interrupt(Interrupt::Stopped);
                Reply::json(&json!({"build": build.shown()}))
            }
            None => Reply::json_error(400, "ResourceNotFoundException", &format!("Build cannot be found: {id}")),
        }
    }

    fn batch_get_builds(&self, scope: &Scope, input: &Value) -> Reply {
        let store = self.store();
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for id in input["ids"].as_array().into_iter().flatten() {
            match store.find(scope, id.as_str().unwrap_or_default()) {
                Some(build) => found.push(build.shown()),
                None => missing.push(id.clone()),
            }
        }
        Reply::json(&json!({"builds": found, "buildsNotFound": missing}))
    }

    fn list_builds(&self, scope: &Scope, input: &Value, project: Option<&str>) -> Reply {
        let store = self.store();
        let here = store.builds.iter().filter(|b| b.scope == *scope);
        let builds = here.filter(|b| project.is_none_or(|p| p == b.project_name()));
        let mut ids: Vec<&str> = builds.map(|b| b.id.as_str()).collect();
        // API reference, ListBuildsForProject: DESCENDING when no order is given.
        if input["sortOrder"] != json!("ASCENDING") {
            ids.reverse();
        }
        let from = input["nextToken"].as_str().and_then(|t| t.parse().ok()).unwrap_or(0);
        let page: Vec<&str> = ids.iter().copied().skip(from).take(PAGE).collect();
        let mut answer = json!({"ids": page});
        if from + PAGE < ids.len() {
            answer["nextToken"] = json!((from + PAGE).to_string());
        }
        Reply::json(&answer)
    }
}
