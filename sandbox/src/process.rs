//! Child processes that end with their parent, however that ends.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// The child hangs on a pipe from its parent: when the pipe closes, because the handle was dropped or because the
/// parent was killed, the child is ended, and killed if it does not end within five seconds. The watcher ends with it.
const WATCH: &str = r#"exec 3<&0
"$@" </dev/null 3<&- & p=$!
(
  cat <&3 >/dev/null
  kill -TERM $p 2>/dev/null
  for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 $p 2>/dev/null || exit 0; sleep 0.5; done
  kill -KILL $p 2>/dev/null
) >/dev/null 2>&1 &
exec 3<&-
wait $p"#;

/// A process that runs until it is dropped.
#[derive(Debug)]
pub struct Process {
    watcher: Child,
}

impl Process {
    /// Starts `program`; what it prints goes to `log`.
    pub fn start(program: &Path, args: &[String], env: &[(&str, String)], log: &Path) -> Result<Self> {
        let out = File::options().create(true).append(true).open(log)?;
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, "sh"]).arg(program).args(args);
        command.envs(env.iter().map(|(k, v)| (*k, v.as_str())));
        command.stdin(Stdio::piped()).stdout(out.try_clone()?).stderr(out);
        // Out of reach of a terminal's ctrl-c, which the parent answers by ending what it has started.
        let watcher = command.process_group(0).spawn().with_context(|| format!("starting {}", program.display()))?;
        Ok(Self { watcher })
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.watcher.try_wait(), Ok(Some(_)))
    }

    /// The id of the process that was started.
    pub fn pid(&self) -> Result<u32> {
        let watcher = self.watcher.id();
        let children = std::fs::read_to_string(format!("/proc/{watcher}/task/{watcher}/children"))?;
        let first = children.split_whitespace().next().context("the process had ended already")?;
        Ok(first.parse()?)
    }

    /// Kills it at once, as a machine's failure would.
    pub fn kill(mut self) -> Result<()> {
        let watcher = self.watcher.id();
        let children = Command::new("pkill").args(["-KILL", "-P", &watcher.to_string()]).status()?;
        anyhow::ensure!(children.success(), "the process had ended already");
        self.watcher.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        // The watcher ends the child within six seconds; a panic while dropping would hide the test's own.
        let _ = self.watcher.wait();
    }
}

/// Removes a folder when the pipe from its parent closes; processes that end meanwhile may still write for a moment.
const CLEAN: &str = r#"cat >/dev/null
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  rm -rf "$1" 2>/dev/null
  [ -e "$1" ] || exit 0
  sleep 0.5
done"#;

/// A scratch folder that is removed when it is dropped, or when the process that made it is gone, however it went.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    cleaner: Child,
}

impl Scratch {
    /// Makes one in the system's folder for such.
    pub fn new(prefix: &str) -> Result<Self> {
        let path = tempfile::Builder::new().prefix(prefix).tempdir()?.keep();
        let mut command = Command::new("sh");
        command.args(["-c", CLEAN, "sh"]).arg(&path);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let cleaner = command.process_group(0).spawn().context("starting a shell")?;
        Ok(Self { path, cleaner })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.cleaner.stdin.take());
        // It ends within ten seconds; a panic while dropping would hide the test's own.
        let _ = self.cleaner.wait();
    }
}

/// A loopback port that is free now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
