//! The AWS CLI, imported once for all calls of a sandbox: three quarters of a call's processor time are Python importing it
//! and reading the services' models, and each recovery makes dozens of calls. What runs is the CLI itself, in a process of its
//! own for each call.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::install::tail;
use crate::process::Process;

/// The services whose models are read beforehand; others are read when they are called.
const SERVICES: [&str; 12] =
    ["codebuild", "dynamodb", "ec2", "iam", "kms", "lambda", "s3", "secretsmanager", "sns", "sqs", "ssm", "sts"];
const PATIENCE: Duration = Duration::from_secs(60);

/// A running one; ends when it is dropped.
#[derive(Debug)]
pub struct WarmCli {
    bin: PathBuf,
    _server: Process,
}

impl WarmCli {
    /// Starts the CLI that is in `installed`, with its files in a new folder of `folder`.
    pub fn start(installed: &Path, folder: &Path) -> Result<Self> {
        let bin = folder.join("aws-cli");
        fs::create_dir(&bin)?;
        let at = |name: &str| bin.join(name).display().to_string();
        fs::write(at("server.py"), include_str!("warm_cli/server.py"))?;
        fs::write(at("client.py"), include_str!("warm_cli/client.py"))?;
        let python = installed.join("python");
        let client =
            format!("#!/bin/sh\nexec '{}' -I -S '{}' '{}' \"$@\"\n", python.display(), at("client.py"), at("socket"));
        fs::write(at("aws"), client)?;
        fs::set_permissions(at("aws"), fs::Permissions::from_mode(0o755))?;
        let args: Vec<String> =
            [at("server.py"), at("socket")].into_iter().chain(SERVICES.map(ToOwned::to_owned)).collect();
        let log = bin.join("server.log");
        let mut server = Process::start(&python, &args, &[], &log)?;
        let start = Instant::now();
        while !bin.join("socket").exists() {
            if start.elapsed() > PATIENCE || server.has_ended() {
                bail!("the AWS CLI does not start:\n{}", tail(&log));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { bin, _server: server })
    }

    /// The folder with the program `aws`.
    pub fn bin(&self) -> &Path {
        &self.bin
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::WarmCli;
    use crate::parts;

    #[test]
    fn a_call_has_the_arguments_environment_files_and_end_of_who_called() {
        let folder = tempfile::tempdir().expect("a folder");
        let cli = WarmCli::start(&parts::aws_cli().expect("the CLI"), folder.path()).expect("it starts");
        let aws = |args: &[&str]| {
            let mut aws = Command::new(cli.bin().join("aws"));
            aws.args(args).env("AWS_CONFIG_FILE", "/nowhere").output().expect("it is called")
        };
        let version = aws(&["--version"]);
        assert!(String::from_utf8_lossy(&version.stdout).starts_with("aws-cli/"), "{version:?}");
        assert!(version.status.success());
        let wrong = aws(&["s3api", "no-such-call"]);
        assert_eq!((wrong.status.code(), wrong.stdout.len()), (Some(2), 0), "{wrong:?}");
        assert!(String::from_utf8_lossy(&wrong.stderr).contains("Invalid choice"), "{wrong:?}");
        let told = |region: &str| {
            let mut aws = Command::new(cli.bin().join("aws"));
            aws.args(["configure", "get", "region"]).env("AWS_CONFIG_FILE", folder.path().join(region));
            std::fs::write(folder.path().join(region), format!("[default]\nregion = {region}\n")).expect("written");
            String::from_utf8(aws.output().expect("it is called").stdout).expect("text").trim().to_owned()
        };
        assert_eq!([told("eu-west-1"), told("us-east-2")], ["eu-west-1", "us-east-2"]);
    }
}
