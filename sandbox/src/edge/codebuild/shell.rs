//! Runs lists of commands in bash, one shell per list, in a process group of its own.
//!
//! Exported variables and the working folder pass from list to list through the state folder. When a list is over, or interrupted, none of its processes is left.

use super::build::Interrupt;
use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// From SIGTERM to SIGKILL: Terraform needs some seconds to give its lock back.
const GRACE: Duration = Duration::from_secs(10);

/// How a list of commands ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// All commands succeeded.
    Well,
    /// A command failed; CodeBuild's message says which one and how.
    Failed(String),
    /// The build was stopped or ran out of time.
    Interrupted(Interrupt),
}

/// Where the commands of one build run.
#[derive(Debug)]
pub struct Shell {
    /// The state folder, outside of what the build sees as its own.
    pub state: PathBuf,
    /// The first working folder.
    pub source: PathBuf,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// Names of the variables to export from the build.
    pub exported: Vec<String>,
    /// Where output is appended.
    pub log: PathBuf,
    /// Why to end early.
    pub interrupt: watch::Receiver<Option<Interrupt>>,
}

impl Shell {
    /// Runs the commands one after the other until one fails. `succeeding` is what the build has come to so far.
    ///
    /// # Errors
    /// When bash can't be started or the state folder can't be written.
    pub async fn run(&self, commands: &[String], succeeding: bool) -> anyhow::Result<Ended> {
        if commands.is_empty() {
            return Ok(Ended::Well);
        }
        let script = self.state.join("run.sh");
        tokio::fs::write(&script, self.script(commands, succeeding)).await.context("write the phase's script")?;
        for (number, command) in commands.iter().enumerate() {
            let path = self.state.join(format!("command-{number}.sh"));
            tokio::fs::write(&path, command).await.context("write a command")?;
        }
        let log = open_log(&self.log)?;
        let mut command = std::process::Command::new("bash");
        command
            .args(["--noprofile", "--norc"])
            .arg(&script)
            .env_clear()
            .envs(&self.environment)
            .current_dir(&self.source)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share the log")?)
            .stderr(log)
            .process_group(0);
        let mut command = tokio::process::Command::from(command);
        let mut child = command.kill_on_drop(true).spawn().context("start bash")?;
        let group =
            child.id().and_then(|id| Pid::from_raw(id.cast_signed())).context("bash ended before it was known")?;
        let mut interrupt = self.interrupt.clone();
        let status = tokio::select! {
            status = child.wait() => status.context("wait for bash")?,
            Ok(why) = async { interrupt.wait_for(Option::is_some).await.map(|why| *why) } => {
                terminate(group, &mut child).await;
                return Ok(Ended::Interrupted(why.unwrap_or(Interrupt::Stopped)));
            }
        };
        // What a command left in the background would go on beside the next phase, and hold the log open.
        let _ = kill_process_group(group, Signal::KILL);
        if status.success() {
            return Ok(Ended::Well);
        }
        let number: usize = self.read("at").await.trim().parse().unwrap_or(0);
        let command = commands.get(number).map_or("", |c| c.trim());
        let how = status.code().map_or_else(|| status.to_string(), |code| format!("exit status {code}"));
        Ok(Ended::Failed(format!("Error while executing command: {command}. Reason: {how}")))
    }

    /// The exported variables as the commands left them.
    pub async fn exported(&self) -> Vec<(String, String)> {
        let mut exported = Vec::new();
        for name in &self.exported {
            if let Ok(value) = tokio::fs::read_to_string(self.state.join("exported").join(name)).await {
                exported.push((name.clone(), value));
            }
        }
        exported
    }

    async fn read(&self, name: &str) -> String {
        tokio::fs::read_to_string(self.state.join(name)).await.unwrap_or_default()
    }

    /// Each command is sourced, so that it may change variables and folder for the next; the state is written after each, since a command may set an EXIT trap of its own.
    fn script(&self, commands: &[String], succeeding: bool) -> String {
        let state = quoted(&self.state.display().to_string());
        let mut script = format!(
            "__state={state}\n\
             __keep() {{ export -p >\"$__state/environment\"; pwd >\"$__state/folder\"; local n; for n in {}; do \
             if [ -n \"${{!n+x}}\" ]; then printf %s \"${{!n}}\" >\"$__state/exported/$n\"; fi; done; }}\n\
             [ -f \"$__state/environment\" ] && . \"$__state/environment\"\n\
             [ -f \"$__state/folder\" ] && cd \"$(cat \"$__state/folder\")\"\n\
             export CODEBUILD_BUILD_SUCCEEDING={}\n\
             trap __keep EXIT\n",
            self.exported.join(" "),
            u8::from(succeeding),
        );
        for (number, command) in commands.iter().enumerate() {
            let said = quoted(&format!("[Container] Running command {}", command.trim_end()));
            let _ = write!(
                script,
                "printf %s {number} >\"$__state/at\"\nprintf '%s\\n' {said}\n. \"$__state/command-{number}.sh\"\n\
                 __status=$?; __keep; [ $__status -eq 0 ] || exit $__status\n"
            );
        }
        script
    }
}

/// Opens a log to append to; bash and the edge write to the same one.
///
/// # Errors
/// When it can't be opened.
pub fn open_log(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new().create(true).append(true).open(path).with_context(|| format!("open the log {}", path.display()))
}

/// Asks the group to end, and makes it end when the grace is over.
async fn terminate(group: Pid, child: &mut tokio::process::Child) {
    let _ = kill_process_group(group, Signal::TERM);
    let deadline = Instant::now() + GRACE;
    while Instant::now() < deadline {
        // Reaps bash, which would else count as alive.
        let _ = child.try_wait();
        if !is_alive(group) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait().await;
}

/// Whether the group has a process that still runs. Zombies don't count: where nobody reaps orphans they stay for ever.
fn is_alive(group: Pid) -> bool {
    if test_kill_process_group(group).is_err() {
        return false;
    }
    let Ok(processes) = std::fs::read_dir("/proc") else { return true };
    let wanted = group.as_raw_nonzero().to_string();
    processes.flatten().any(|process| {
        let Ok(stat) = std::fs::read_to_string(process.path().join("stat")) else { return false };
        // proc(5): pid (name) state ppid pgrp ...; the name may hold spaces and parentheses.
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let state = fields.next().unwrap_or("Z");
        !matches!(state, "Z" | "X") && fields.nth(1) == Some(wanted.as_str())
    })
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
