//! The course of one build, from the source to the last phase.

use super::CodeBuild;
use super::build::{Build, Interrupt, MINUTES, QUEUED_MINUTES};
use super::buildspec::Buildspec;
use super::shell::{Ended, Shell, open_log};
use super::{environment, rights, scripted, source, state_change};
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
    for name in ["FINALIZING", "COMPLETED"] {
        build.enter(name);
        build.leave("SUCCEEDED", None);
    }
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
async fn course(codebuild: &CodeBuild, build: &Arc<Build>, scratch: &Path) -> anyhow::Result<&'static str> {
    let times = &codebuild.config.times;
    let in_queue = Deadline::set(build, "queuedTimeoutInMinutes", QUEUED_MINUTES);
    if let Some(why) = pass(build, "QUEUED", times.queued).await {
        return Ok(why.status());
    }
    // AWS does not say from when it counts. The queue has a timeout of its own, eight hours of it: it can't be from the start.
    drop(in_queue);
    let _whole = Deadline::set(build, "timeoutInMinutes", MINUTES);
    if let Some(why) = pass(build, "PROVISIONING", times.provisioning).await {
        return Ok(why.status());
    }
    rights::to_log(codebuild, build).await?;
    if let Some(script) = codebuild.script_of(build) {
        return scripted::run(codebuild, build, &script).await;
    }
    build.enter("DOWNLOAD_SOURCE");
    let (spec, shell) = tokio::select! {
        prepared = prepare(codebuild, build, scratch) => prepared?,
        why = build.interruption() => {
            build.leave(why.status(), None);
            return Ok(why.status());
        }
    };
    build.leave("SUCCEEDED", None);
    let status = phases(build, &spec, &shell).await?;
    build.progress().exported = shell.exported().await;
    build.enter("UPLOAD_ARTIFACTS");
    build.leave("SUCCEEDED", None);
    Ok(status)
}

/// A phase in which nothing happens here but time. Returns why the build ends in it, if it does.
async fn pass(build: &Build, name: &'static str, time: Duration) -> Option<Interrupt> {
    build.enter(name);
    let why = tokio::select! {
        biased;
        why = build.interruption() => Some(why),
        () = tokio::time::sleep(time) => None,
    };
    build.leave(why.map_or("SUCCEEDED", Interrupt::status), None);
    why
}

/// Ends a build early when a time of its project is over, unless it is dropped before.
struct Deadline(tokio::task::JoinHandle<()>);

impl Deadline {
    fn set(build: &Arc<Build>, name: &str, otherwise: u64) -> Self {
        let minutes = build.project[name].as_u64().unwrap_or(otherwise);
        let build = Arc::clone(build);
        Self(tokio::spawn(async move {
            tokio::time::sleep(Duration::from_mins(minutes)).await;
            build.interrupt(Interrupt::TimedOut);
        }))
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What `DOWNLOAD_SOURCE` does: the source in its folder, the buildspec read, the environment made.
async fn prepare(codebuild: &CodeBuild, build: &Build, scratch: &Path) -> anyhow::Result<(Buildspec, Shell)> {
    tokio::time::sleep(codebuild.config.times.download).await;
    let folders = Folders::make(scratch, build).await?;
    let resolved = source::fetch(codebuild, build, &folders.source).await?;
    build.progress().resolved = resolved;
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
    Ok((spec, shell))
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
    async fn make(scratch: &Path, build: &Build) -> anyhow::Result<Self> {
        let source = source::folder(build, &scratch.join("src"));
        let folders = Self { source, home: scratch.join("home"), state: scratch.join("state") };
        for folder in [&folders.source, &folders.home, &folders.state.join("exported")] {
            tokio::fs::create_dir_all(folder).await.with_context(|| format!("make {}", folder.display()))?;
        }
        Ok(folders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::codebuild::build::Start;
    use crate::edge::upstream::Scope;
    use serde_json::json;

    #[tokio::test]
    async fn a_build_that_is_queued_for_too_long_times_out_in_the_queue() {
        let project = json!({"name": "p", "queuedTimeoutInMinutes": 0});
        let start = Start { scope: Scope::default(), project, overrides: Vec::new(), initiator: "i".to_owned() };
        let build = Arc::new(Build::new(start, 1, (Path::new("/"), "")));
        let _deadline = Deadline::set(&build, "queuedTimeoutInMinutes", QUEUED_MINUTES);
        assert_eq!(pass(&build, "QUEUED", Duration::from_hours(1)).await, Some(Interrupt::TimedOut));
        assert_eq!(build.info().phases.last().and_then(|phase| phase.status), Some("TIMED_OUT"));
    }
}
