//! Child processes that end with their parent, however that ends.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// The child hangs on a pipe from its parent: when the pipe closes, because the handle was dropped or because the
/// parent was killed, the child is ended, and killed if it does not end within five seconds.
const WATCH: &str = r#""$@" </dev/null & p=$!
cat >/dev/null
kill -TERM $p 2>/dev/null
for i in 1 2 3 4 5 6 7 8 9 10; do kill -0 $p 2>/dev/null || exit 0; sleep 0.5; done
kill -KILL $p 2>/dev/null"#;

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
        let watcher = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        Ok(Self { watcher })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        // The watcher ends the child within six seconds; a panic while dropping would hide the test's own.
        let _ = self.watcher.wait();
    }
}

/// A loopback port that is free now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
