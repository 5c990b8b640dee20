//! One build: what it was started with, how far it is, and how `BatchGetBuilds` shows it.

use super::{BuildInfo, PhaseInfo};
use crate::edge::upstream::Scope;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// User Guide, "Builds in AWS CodeBuild": "The default timeout value is eight hours." Of the queue, that is.
pub const QUEUED_MINUTES: u64 = 480;
/// API reference, CreateProject: "The default is 60 minutes." Of the build.
pub const MINUTES: u64 = 60;

/// Why a build ends before its phases do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// `StopBuild`.
    Stopped,
    /// `timeoutInMinutes`, or in the queue `queuedTimeoutInMinutes`, is over.
    TimedOut,
}

impl Interrupt {
    /// The status that it gives to phase and build.
    pub fn status(self) -> &'static str {
        match self {
            Self::Stopped => "STOPPED",
            Self::TimedOut => "TIMED_OUT",
        }
    }
}

/// One phase that has begun.
#[derive(Debug, Clone)]
pub struct PhaseState {
    /// `phaseType`.
    pub name: &'static str,
    /// `phaseStatus`, once it is over.
    pub status: Option<&'static str>,
    /// When it began.
    pub start: Timestamp,
    /// When it was over.
    pub end: Option<Timestamp>,
    /// Status code and message of what went wrong.
    pub context: Option<(&'static str, String)>,
}

impl PhaseState {
    fn info(&self) -> PhaseInfo {
        PhaseInfo { name: self.name, status: self.status, start: self.start, end: self.end }
    }
}

/// How far a build is.
#[derive(Debug)]
pub struct Progress {
    /// `buildStatus`: `IN_PROGRESS` until its processes are gone.
    pub status: &'static str,
    /// The phases so far.
    pub phases: Vec<PhaseState>,
    /// When it ended.
    pub end: Option<Timestamp>,
    /// `resolvedSourceVersion`, once the source is there.
    pub resolved: Option<String>,
    /// `exportedEnvironmentVariables`.
    pub exported: Vec<(String, String)>,
}

/// A build.
#[derive(Debug)]
pub struct Build {
    /// `project:uuid`.
    pub id: String,
    /// The build's own part of the id.
    pub uuid: String,
    /// Account and region.
    pub scope: Scope,
    /// `buildNumber`, counted by project.
    pub number: u64,
    /// The project as it was at the start, `StartBuild`'s overrides laid over it.
    pub project: Value,
    /// The variables of `environmentVariablesOverride`.
    pub overrides: Vec<(String, String)>,
    /// Who started it.
    pub initiator: String,
    /// `startTime`.
    pub start: Timestamp,
    /// Where its output goes.
    pub log: PathBuf,
    /// The page of the log.
    pub log_url: String,
    /// Set once, when it is to end early.
    pub interrupt: watch::Sender<Option<Interrupt>>,
    progress: Mutex<Progress>,
}

/// What a build is made from.
#[derive(Debug)]
pub struct Start {
    /// Account and region.
    pub scope: Scope,
    /// The project with the overrides.
    pub project: Value,
    /// The variables of `environmentVariablesOverride`.
    pub overrides: Vec<(String, String)>,
    /// Who starts it.
    pub initiator: String,
}

impl Build {
    /// A build that is just submitted. `logs` is the folder and the page below which its log is.
    pub fn new(start: Start, number: u64, logs: (&std::path::Path, &str)) -> Self {
        let uuid = uuid::Uuid::new_v4().to_string();
        let name = start.project["name"].as_str().unwrap_or_default();
        let now = Timestamp::now();
        let submitted =
            PhaseState { name: "SUBMITTED", status: Some("SUCCEEDED"), start: now, end: Some(now), context: None };
        let progress = Progress {
            status: "IN_PROGRESS",
            phases: vec![submitted],
            end: None,
            resolved: None,
            exported: Vec::new(),
        };
        Self {
            id: format!("{name}:{uuid}"),
            log: logs.0.join(format!("{uuid}.log")),
            log_url: format!("{}/_sandbox/builds/{uuid}.log", logs.1),
            uuid,
            scope: start.scope,
            number,
            project: start.project,
            overrides: start.overrides,
            initiator: start.initiator,
            start: now,
            interrupt: watch::Sender::new(None),
            progress: Mutex::new(progress),
        }
    }

    /// How far it is.
    pub fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The project's name.
    pub fn project_name(&self) -> &str {
        self.id.split(':').next().unwrap_or_default()
    }

    /// The build's ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:codebuild:{}:{}:build/{}", self.scope.region, self.scope.account, self.id)
    }

    /// Whether it is still running.
    pub fn is_running(&self) -> bool {
        self.progress().status == "IN_PROGRESS"
    }

    /// Asks it to end early; the first reason counts.
    pub fn interrupt(&self, why: Interrupt) {
        self.interrupt.send_if_modified(|current| {
            let first = current.is_none();
            current.get_or_insert(why);
            first
        });
    }

    /// Why it is to end early, if it is.
    pub fn interrupted(&self) -> Option<Interrupt> {
        *self.interrupt.borrow()
    }

    /// Waits until it is to end early.
    pub async fn interruption(&self) -> Interrupt {
        let mut interrupt = self.interrupt.subscribe();
        match interrupt.wait_for(Option::is_some).await.map(|why| *why) {
            Ok(Some(why)) => why,
            // The sender is the build's own, and nothing else ends the wait.
            _ => std::future::pending().await,
        }
    }

    /// Begins a phase.
    pub fn enter(&self, name: &'static str) {
        self.progress().phases.push(PhaseState {
            name,
            status: None,
            start: Timestamp::now(),
            end: None,
            context: None,
        });
    }

    /// Ends the phase that was begun last.
    pub fn leave(&self, status: &'static str, context: Option<(&'static str, String)>) {
        if let Some(phase) = self.progress().phases.last_mut() {
            phase.status = Some(status);
            phase.end = Some(Timestamp::now());
            phase.context = context;
        }
    }

    /// What tests see.
    pub fn info(&self) -> BuildInfo {
        let progress = self.progress();
        BuildInfo {
            id: self.id.clone(),
            project: self.project_name().to_owned(),
            overrides: self.overrides.clone(),
            status: progress.status.to_owned(),
            start: self.start,
            end: progress.end,
            phases: progress.phases.iter().map(PhaseState::info).collect(),
            log: self.log.clone(),
        }
    }

    /// What `BatchGetBuilds` shows.
    pub fn shown(&self) -> Value {
        let progress = self.progress();
        let project = &self.project;
        let running = progress.status == "IN_PROGRESS";
        let mut build = Map::new();
        let mut set = |name: &str, value: Value| {
            if !value.is_null() {
                build.insert(name.to_owned(), value);
            }
        };
        set("id", json!(self.id));
        set("arn", json!(self.arn()));
        set("buildNumber", json!(self.number));
        set("startTime", json!(epoch(self.start)));
        set("endTime", json!(progress.end.map(epoch)));
        set("currentPhase", json!(progress.phases.last().map(|p| p.name)));
        set("buildStatus", json!(progress.status));
        set("sourceVersion", project.get("sourceVersion").filter(|v| **v != json!("")).cloned().unwrap_or_default());
        set("resolvedSourceVersion", json!(progress.resolved));
        set("projectName", json!(self.project_name()));
        set("phases", progress.phases.iter().map(phase).collect());
        for name in ["source", "environment", "serviceRole", "timeoutInMinutes", "encryptionKey"] {
            set(name, project[name].clone());
        }
        set("artifacts", json!({"location": ""}));
        set("cache", json!({"type": "NO_CACHE"}));
        set("logs", self.logs());
        set("queuedTimeoutInMinutes", json!(project["queuedTimeoutInMinutes"].as_u64().unwrap_or(QUEUED_MINUTES)));
        set("buildComplete", json!(!running));
        set("initiator", json!(self.initiator));
        let exported = progress.exported.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        set("exportedEnvironmentVariables", exported);
        Value::Object(build)
    }

    /// Where its log is, as `BatchGetBuilds` and the state change show it.
    pub fn logs(&self) -> Value {
        json!({"groupName": format!("/aws/codebuild/{}", self.project_name()), "streamName": self.uuid, "deepLink": self.log_url})
    }
}

fn phase(phase: &PhaseState) -> Value {
    let mut shown = json!({"phaseType": phase.name, "startTime": epoch(phase.start)});
    if let (Some(status), Some(end)) = (phase.status, phase.end) {
        shown["phaseStatus"] = json!(status);
        shown["endTime"] = json!(epoch(end));
        shown["durationInSeconds"] = json!(end.as_second() - phase.start.as_second());
    }
    if let Some((code, message)) = &phase.context {
        shown["contexts"] = json!([{"statusCode": code, "message": message}]);
    }
    shown
}

/// Times of the JSON protocol: seconds, with milliseconds as the fraction.
#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit into 53 bits for 285,000 years")]
fn epoch(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}
