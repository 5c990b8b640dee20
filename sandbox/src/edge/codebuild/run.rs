//! The course of one build, from the source to the last phase.

use super::CodeBuild;
use super::build::{Build, Interrupt};
use super::buildspec::Buildspec;
use super::shell::{Ended, Shell, open_log};
use super::{environment, rights, source, state_change};
use anyhow::Context as _;
use jiff::Timestamp;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Phase types by the order of `buildspec::PHASES`.
const PHASES: [&str; 4] = ["INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD"];

/// Runs a build to its end and says so on the bus. Its processes are gone before its status says that it is over.
pub async fn run(codebuild: Arc<CodeBuild>, build: Arc<Build>) {
    state_change::send(&codebuild.bus, &build);
    let minutes = build.project["timeoutInMinutes"].as_u64().unwrap_or(60);
    let timer = {
        let build = Arc::clone(&build);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(minutes * 60)).await;
            build.interrupt(Interrupt::TimedOut);
        })
    };
    let scratch = codebuild.builds_dir.join(&build.uuid);
    let status = match course(&codebuild, &build, &scratch).await {
        Ok(status) => status,
        Err(error) => {
            let message = format!("{error:#}");
            say(&build, &message);
            let code = if message.contains("YAML_FILE_ERROR") { "YAML_FILE_ERROR" } else { "CLIENT_ERROR" };
            build.leave("FAILED", Some((code, message)));
            "FAILED"
        }
    };
    timer.abort();
    if let Err(error) = tokio::fs::remove_dir_all(&scratch).await {
        tracing::debug!(build = build.id, %error, "a build's scratch folder could not be removed");
    }
    {
        let mut progress = build.progress();
        progress.status = status;
        progress.end = Some(Timestamp::now());
    }
    state_change::send(&codebuild.bus, &build);
}

/// All phases; an error is one of the phase that was begun last. Returns the build's status.
async fn course(codebuild: &CodeBuild, build: &Build, scratch: &Path) -> anyhow::Result<&'static str> {
    build.enter("QUEUED");
    build.leave("SUCCEEDED", None);
    build.enter("PROVISIONING");
    rights::to_log(codebuild, build).await?;
    build.leave("SUCCEEDED", None);
    build.enter("DOWNLOAD_SOURCE");
    let folders = Folders::make(scratch).await?;
    build.progress().resolved = source::fetch(codebuild, build, &folders.source).await?;
    let text = source::buildspec(&build.project, &folders.source).await?;
    let spec = Buildspec::parse(&text).map_err(anyhow::Error::msg)?;
    let shell = Shell {
        environment: environment::of(codebuild, build, &spec, &folders).await?,
        exported: spec.exported.clone(),
        log: build.log.clone(),
        interrupt: build.interrupt.subscribe(),
        state: folders.state,
        source: folders.source,
    };
    build.leave("SUCCEEDED", None);
    let status = phases(build, &spec, &shell).await?;
    build.progress().exported = shell.exported().await;
    for name in ["UPLOAD_ARTIFACTS", "FINALIZING", "COMPLETED"] {
        build.enter(name);
        build.leave("SUCCEEDED", None);
    }
    Ok(status)
}

/// The four phases of the buildspec. `post_build` runs although `build` failed; any other failure ends the build.
async fn phases(build: &Build, spec: &Buildspec, shell: &Shell) -> anyhow::Result<&'static str> {
    let mut status = "SUCCEEDED";
    for (name, phase) in PHASES.into_iter().zip(&spec.phases) {
        if let Some(why) = build.interrupted() {
            return Ok(why.status());
        }
        if status == "FAILED" && name != "POST_BUILD" {
            break;
        }
        build.enter(name);
        say(build, &format!("Entering phase {name}"));
        let mut ended = shell.run(&phase.commands, status == "SUCCEEDED").await?;
        if !matches!(ended, Ended::Interrupted(_)) {
            let last = shell.run(&phase.finally, status == "SUCCEEDED" && ended == Ended::Well).await?;
            if ended == Ended::Well || matches!(last, Ended::Interrupted(_)) {
                ended = last;
            }
        }
        let (phase_status, context) = match ended {
            Ended::Well => ("SUCCEEDED", None),
            Ended::Failed(message) => ("FAILED", Some(("COMMAND_EXECUTION_ERROR", message))),
            Ended::Interrupted(why) => (why.status(), None),
        };
        let message = context.as_ref().map_or("", |(_, message)| message.as_str());
        say(build, &format!("Phase complete: {name} State: {phase_status} {message}"));
        build.leave(phase_status, context);
        match phase_status {
            "SUCCEEDED" => {}
            // Only a failed `build` lets `post_build` run.
            "FAILED" if name == "BUILD" => status = "FAILED",
            other => return Ok(other),
        }
    }
    Ok(status)
}

/// A line of CodeBuild's own in the log.
fn say(build: &Build, line: &str) {
    let written = open_log(&build.log)
        .and_then(|mut log| writeln!(log, "[Container] {:.0} {line}", Timestamp::now()).context("write"));
    if let Err(error) = written {
        tracing::warn!(build = build.id, %error, "a build's log could not be written");
    }
}

/// The folders of one build.
#[derive(Debug)]
pub struct Folders {
    /// `CODEBUILD_SRC_DIR`.
    pub source: std::path::PathBuf,
    /// `HOME`.
    pub home: std::path::PathBuf,
    /// What passes from phase to phase.
    pub state: std::path::PathBuf,
}

impl Folders {
    async fn make(scratch: &Path) -> anyhow::Result<Self> {
        let folders = Self { source: scratch.join("src"), home: scratch.join("home"), state: scratch.join("state") };
        for folder in [&folders.source, &folders.home, &folders.state.join("exported")] {
            tokio::fs::create_dir_all(folder).await.with_context(|| format!("make {}", folder.display()))?;
        }
        Ok(folders)
    }
}
