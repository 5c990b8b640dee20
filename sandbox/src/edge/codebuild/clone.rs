//! A source in CodeCommit or GitHub, really cloned, from the Git server that stands in for them.
//!
//! Given a source and its version, it leaves the commit checked out in the build's folder and gives its id. The password goes
//! into a configuration of the clone's own, which is gone before the build begins: the build has none, as in AWS.

use super::revision::{References, Version};
use crate::edge::GitHost;
use crate::git::basic;
use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;

/// A repository, by where AWS has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The clone URL, `https://<host>/<path>`.
    pub url: String,
    is_github: bool,
}

impl Repository {
    /// Of a project's source, unless that is no Git source.
    pub fn of(source: &Value) -> Option<Self> {
        let is_github = match source["type"].as_str()? {
            "CODECOMMIT" => false,
            "GITHUB" => true,
            _ => return None,
        };
        Some(Self { url: source["location"].as_str().unwrap_or_default().to_owned(), is_github })
    }

    /// Host and path, of an URL that is one of CodeCommit's or GitHub's (API reference, ProjectSource).
    fn place(&self) -> Option<(&str, &str)> {
        let (host, path) = self.url.strip_prefix("https://")?.trim_end_matches('/').split_once('/')?;
        let repository = if self.is_github { path } else { path.strip_prefix("v1/repos/")? };
        let known = if self.is_github {
            host == "github.com" && repository.split('/').count() == 2
        } else {
            host.starts_with("git-codecommit.") && host.contains(".amazonaws.com") && !repository.contains('/')
        };
        let safe = repository.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        (known && safe).then_some((host, path))
    }

    /// The folder of a build's source, below CodeBuild's own: `CODEBUILD_SRC_DIR` ends with host and path.
    pub fn folder(&self, below: &Path) -> PathBuf {
        self.place()
            .map_or_else(|| below.to_owned(), |(host, path)| below.join(host).join(path.trim_end_matches(".git")))
    }
}

/// Clones into `folder`, and returns the commit.
///
/// # Errors
/// What CodeBuild says in the context of `DOWNLOAD_SOURCE`: "reference not found for primary source and source version main".
pub async fn clone(
    git: &GitHost,
    repository: &Repository,
    source: &Value,
    version: &str,
    folder: &Path,
) -> anyhow::Result<String> {
    match fetched(git, repository, source, version, folder).await {
        Ok(commit) => Ok(commit),
        Err(error) if version.is_empty() => bail!("{error:#} for primary source"),
        Err(error) => bail!("{error:#} for primary source and source version {version}"),
    }
}

async fn fetched(
    git: &GitHost,
    repository: &Repository,
    source: &Value,
    version: &str,
    folder: &Path,
) -> anyhow::Result<String> {
    let (host, _) = repository.place().context("repository not found")?;
    let git = Git::new(git, host, folder).await?;
    let depth = source["gitCloneDepth"].as_u64().filter(|depth| *depth > 0).map(|depth| format!("--depth={depth}"));
    git.run(&["init", "--quiet"]).await?;
    git.run(&["remote", "add", "origin", &repository.url]).await?;
    let references = References::parse(&git.run(&["ls-remote", "origin"]).await?);
    let wanted = Version::parse(version, repository.is_github).find(&references).context("reference not found")?;
    let mut fetch = vec!["fetch", "--quiet", "--no-tags", "--update-head-ok"];
    fetch.extend(depth.as_deref());
    fetch.push("origin");
    fetch.extend(wanted.refspecs.iter().map(String::as_str));
    git.run(&fetch).await?;
    // A commit may be of no branch, of another branch than the one named, or older than the depth.
    let exists = git.run(&["cat-file", "-e", &format!("{}^{{commit}}", wanted.commit)]).await;
    exists.ok().context("reference not found")?;
    git.run(&["checkout", "--quiet", "--detach", &wanted.commit]).await?;
    if source["gitSubmodulesConfig"]["fetchSubmodules"] == true {
        let mut update = vec!["submodule", "update", "--quiet", "--init", "--recursive"];
        update.extend(depth.as_deref());
        git.run(&update).await?;
    }
    git.run(&["rev-parse", "HEAD"]).await.map(|commit| commit.trim().to_owned())
}

/// Git as the edge runs it, with the password.
struct Git<'a> {
    folder: &'a Path,
    /// Removed when dropped.
    home: TempDir,
}

impl<'a> Git<'a> {
    async fn new(git: &GitHost, host: &str, folder: &'a Path) -> anyhow::Result<Self> {
        let home = tempfile::Builder::new().prefix("reforge-clone-").tempdir().context("make a folder")?;
        let mut config = format!(
            "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[init]\n\tdefaultBranch = main\n[url \"{}/{host}/\"]\n\tinsteadOf = https://{host}/\n",
            git.url
        );
        let (user, password) = &git.login;
        let _ = write!(
            config,
            "[http \"{}/\"]\n\tsslCAInfo = {}\n\textraHeader = \"Authorization: {}\"\n",
            git.url,
            git.certificate.display(),
            basic(user, password),
        );
        tokio::fs::write(home.path().join("config"), config).await.context("configure git")?;
        Ok(Self { folder, home })
    }

    /// Runs a command and returns what it printed; the error is CodeBuild's word for what went wrong.
    async fn run(&self, args: &[&str]) -> anyhow::Result<String> {
        let mut command = std::process::Command::new("git");
        command.args(args).current_dir(self.folder).env_clear().process_group(0);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_TERMINAL_PROMPT", "0"), ("LC_ALL", "C.UTF-8")]);
        command.envs(
            [("HOME", self.home.path()), ("GIT_CONFIG_GLOBAL", &self.home.path().join("config"))]
                .map(|(name, path)| (name, OsStr::new(path))),
        );
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = tokio::process::Command::from(command).kill_on_drop(true).spawn().context("start git")?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let output = child.wait_with_output().await.context("wait for git")?;
        drop(group);
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        bail!(reason(&String::from_utf8_lossy(&output.stderr)))
    }
}

/// The processes of one command; what is left of them ends with it, or when the build is interrupted.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// CodeBuild's word for what Git says. They are those of many a user's log ("authorization failed for primary source", "repository not
/// found for primary source"); where none is known it is Git's own.
fn reason(said: &str) -> String {
    let known = [
        ("Authentication failed", "authentication required"),
        ("could not read Username", "authentication required"),
        ("error: 403", "authorization failed"),
        ("not found", "repository not found"),
        ("couldn't find remote ref", "reference not found"),
    ];
    let word = known.into_iter().find(|(text, _)| said.contains(text)).map(|(_, word)| word);
    word.or_else(|| said.trim().lines().last()).unwrap_or("git failed").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn place(kind: &str, location: &str) -> Option<String> {
        let repository = Repository::of(&json!({"type": kind, "location": location})).unwrap();
        repository.place().map(|(host, path)| format!("{host} {path}"))
    }

    #[test]
    fn only_clone_urls_of_the_two_hosts_are_places() {
        let codecommit = "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/platform";
        let expected = "git-codecommit.eu-west-1.amazonaws.com v1/repos/platform";
        assert_eq!(place("CODECOMMIT", codecommit).as_deref(), Some(expected));
        assert_eq!(place("GITHUB", "https://github.com/acme/infra.git").as_deref(), Some("github.com acme/infra.git"));
        for (kind, location) in [
            ("CODECOMMIT", "https://github.com/acme/infra"),
            ("CODECOMMIT", "platform"),
            ("GITHUB", codecommit),
            ("GITHUB", "git@github.com:acme/infra.git"),
            ("GITHUB", "https://github.com/../infra"),
            ("GITHUB", "https://github.com/acme"),
        ] {
            assert_eq!(place(kind, location), None, "{kind} {location}");
        }
        assert_eq!(Repository::of(&json!({"type": "S3", "location": "bucket/key"})), None);
    }

    #[test]
    fn what_git_says_is_said_in_codebuilds_words() {
        assert_eq!(reason("remote: x\nfatal: Authentication failed for 'https://..'\n"), "authentication required");
        assert_eq!(reason("fatal: repository 'https://../' not found\n"), "repository not found");
        assert_eq!(reason("fatal: something else\n"), "fatal: something else");
    }
}
