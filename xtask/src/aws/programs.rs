//! The only place where a run starts a program. Whatever it is, it begins with what [`environment`] lets through, and what
//! the run itself sets comes on top: an environment is built, and not cleaned.
//!
//! [`environment`]: super::environment
#![expect(clippy::disallowed_methods, reason = "everything else in `aws` starts programs through this")]

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use super::environment::{self, Variable};

/// A program in the environment of a run with `own` variables on top, nothing on its standard input, and in a process
/// group of its own: a terminal's ctrl-c is for the run alone, whose teardown needs what it has started.
pub fn command<K: AsRef<OsStr>, V: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    own: impl IntoIterator<Item = (K, V)>,
) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs(environment::inherited()).envs(own).process_group(0).stdin(Stdio::null());
    command
}

/// The same with nothing on top: for what is no tool of AWS or Terraform.
pub fn plain(program: impl AsRef<OsStr>) -> Command {
    command(program, std::iter::empty::<Variable>())
}

/// This program once more, with these variables and no others.
pub fn again(program: &Path, variables: Vec<Variable>) -> std::process::Command {
    let mut command = std::process::Command::new(program);
    command.env_clear().envs(variables);
    command
}

/// Runs it to its end, which must be a good one; it shows what it prints.
pub async fn run(what: &str, command: &mut Command) -> Result<()> {
    let status = command.status().await.with_context(|| format!("starting {what}"))?;
    if !status.success() {
        bail!("{what}: {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn a_command_has_what_the_run_sets_and_nothing_of_the_callers_aws() {
        let built = command("aws", [("AWS_REGION", "eu-west-1"), ("TF_IN_AUTOMATION", "1")]);
        let set: Vec<String> = built
            .as_std()
            .get_envs()
            .filter(|(_, value)| value.is_some())
            .map(|(name, _)| name.to_string_lossy().into_owned())
            .filter(|name| name.starts_with("AWS_") || name.starts_with("TF_"))
            .collect();
        assert_eq!(set, ["AWS_REGION", "TF_IN_AUTOMATION"]);
    }
}
