//! CodeBuild's sources: repositories of CodeCommit and GitHub are really cloned, each form of a source version is understood.
#![allow(missing_docs)]

mod edge_support;
use edge_support::World;
use sandbox::GitServer;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

const GITHUB: &str = "https://github.com/acme/infra.git";
const CODECOMMIT: &str = "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/platform";
const BUILDSPEC: &str = "version: 0.2
phases:
  build:
    commands:
      - echo \"resolved $CODEBUILD_RESOLVED_SOURCE_VERSION head $(git rev-parse HEAD) asked ${CODEBUILD_SOURCE_VERSION:-nothing}\"
      - echo \"of $CODEBUILD_SOURCE_REPO_URL in $CODEBUILD_SRC_DIR, $(git rev-list --count HEAD) deep\"
      - echo \"webhooks $(env | grep -c ^CODEBUILD_WEBHOOK)\"
      - ./scripts/say.sh
";

/// The same history in a repository of each host, and a server in front of them.
struct Hosts {
    git: GitServer,
    folder: TempDir,
    first: String,
    second: String,
    /// Of pull request 25, on no branch.
    pulled: String,
}

impl Hosts {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let work = folder.path().join("work");
        std::fs::create_dir_all(work.join("scripts")).unwrap();
        write(&work.join("buildspec.yml"), BUILDSPEC);
        write(&work.join("scripts/say.sh"), "#!/bin/sh\necho \"said $(cat said)\"\n");
        git(&work, &["init", "--quiet", "--initial-branch=main"]);
        git(&work, &["add", "."]);
        git(&work, &["update-index", "--chmod=+x", "scripts/say.sh"]);
        let first = commit(&work, "first");
        git(&work, &["tag", "--annotate", "--message=v1", "v1"]);
        let second = commit(&work, "second");
        git(&work, &["checkout", "--quiet", "-b", "develop", &first]);
        let pulled = commit(&work, "pulled");
        git(&work, &["update-ref", "refs/pull/25/head", &pulled]);
        git(&work, &["reset", "--quiet", "--hard", &first]);
        git(&work, &["checkout", "--quiet", "main"]);
        let root = folder.path().join("served");
        for (at, mirrored) in
            [("github.com/acme/infra.git", true), ("git-codecommit.us-east-1.amazonaws.com/v1/repos/platform", false)]
        {
            let how = if mirrored { "--mirror" } else { "--bare" };
            git(&work, &["clone", "--quiet", how, ".", &root.join(at).display().to_string()]);
        }
        Self { git: GitServer::start(&root).await.unwrap(), folder, first, second, pulled }
    }

    async fn world(&self) -> World {
        World::start_with(|config| config.git = Some(self.git.host().clone())).await
    }

    fn served(&self, at: &str) -> PathBuf {
        self.folder.path().join("served").join(at)
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command
        .args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always"])
        .args(args);
    command.current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null")]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A commit that a build of it says the name of.
fn commit(folder: &Path, name: &str) -> String {
    write(&folder.join("said"), name);
    git(folder, &["add", "said"]);
    git(folder, &["commit", "--quiet", &format!("--message={name}")]);
    git(folder, &["rev-parse", "HEAD"])
}

async fn project(world: &World, name: &str, source: Value) {
    world.project(name, "").await;
    world.ok("CodeBuild_20161006.UpdateProject", json!({"name": name, "source": source})).await;
}

/// Builds a version, and gives the build and its log.
async fn built(world: &World, project: &str, version: &str) -> (Value, String) {
    let id = world.build(json!({"projectName": project, "sourceVersion": version})).await;
    let build = world.over(&id).await;
    let log = world.log(&build);
    (build, log)
}

async fn assert_built(world: &World, project: &str, version: &str, (commit, said): (&str, &str)) {
    let (build, log) = built(world, project, version).await;
    assert_eq!(build["buildStatus"], "SUCCEEDED", "{version:?}: {build} {log}");
    assert_eq!(build["resolvedSourceVersion"], commit, "{version:?}");
    let asked = if version.is_empty() { "nothing" } else { version };
    assert!(log.contains(&format!("resolved {commit} head {commit} asked {asked}")), "{version:?}: {log}");
    assert!(log.contains(&format!("\nsaid {said}\n")), "{version:?}: {log}");
}

/// Asserts that a build fails for want of its source, as CodeBuild says it.
async fn assert_fails(world: &World, project: &str, version: &str, message: &str) {
    let (build, log) = built(world, project, version).await;
    assert_eq!(build["buildStatus"], "FAILED", "{version:?}: {log}");
    let phase = build["phases"].as_array().unwrap().iter().find(|p| p["phaseType"] == "DOWNLOAD_SOURCE").unwrap();
    let expected = json!([{"statusCode": "CLIENT_ERROR", "message": message}]);
    assert_eq!((&phase["phaseStatus"], &phase["contexts"]), (&json!("FAILED"), &expected), "{version:?}");
    assert_eq!(build["resolvedSourceVersion"], json!(null), "{version:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_version_of_github_is_built() {
    let hosts = Hosts::start().await;
    let world = hosts.world().await;
    project(&world, "github-a", json!({"type": "GITHUB", "location": GITHUB})).await;
    let (first, second, pulled) = ((&*hosts.first, "first"), (&*hosts.second, "second"), (&*hosts.pulled, "pulled"));
    assert_built(&world, "github-a", "", second).await;
    assert_built(&world, "github-a", "main", second).await;
    assert_built(&world, "github-a", "develop", first).await;
    assert_built(&world, "github-a", "v1", first).await;
    assert_built(&world, "github-a", first.0, first).await;
    assert_built(&world, "github-a", "pr/25", pulled).await;
    assert_built(&world, "github-a", "refs/heads/develop", first).await;
    assert_built(&world, "github-a", "refs/tags/v1", first).await;
    assert_built(&world, "github-a", "refs/pull/25/head", pulled).await;
    assert_built(&world, "github-a", &format!("refs/heads/main^{{{}}}", first.0), first).await;
    assert_built(&world, "github-a", &format!("refs/pull/25/head^{{{}}}", pulled.0), pulled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_version_of_codecommit_is_built() {
    let hosts = Hosts::start().await;
    let world = hosts.world().await;
    project(&world, "codecommit-b", json!({"type": "CODECOMMIT", "location": CODECOMMIT})).await;
    let (first, second) = ((&*hosts.first, "first"), (&*hosts.second, "second"));
    assert_built(&world, "codecommit-b", "", second).await;
    assert_built(&world, "codecommit-b", "develop", first).await;
    assert_built(&world, "codecommit-b", "v1", first).await;
    assert_built(&world, "codecommit-b", first.0, first).await;
    assert_built(&world, "codecommit-b", "refs/heads/main", second).await;
    assert_built(&world, "codecommit-b", &format!("refs/heads/main^{{{}}}", first.0), first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_the_repository_does_not_have_fails_the_download() {
    let hosts = Hosts::start().await;
    let world = hosts.world().await;
    project(&world, "github-c", json!({"type": "GITHUB", "location": GITHUB})).await;
    project(&world, "codecommit-c", json!({"type": "CODECOMMIT", "location": CODECOMMIT})).await;
    let unknown = "0123456789012345678901234567890123456789";
    let not_of_the_branch = format!("refs/heads/develop^{{{}}}", hosts.second);
    for (project, version) in [
        ("github-c", "nosuch"),
        ("github-c", "refs/heads/nosuch"),
        ("github-c", "pr/26"),
        ("github-c", unknown),
        ("github-c", &not_of_the_branch),
        ("codecommit-c", "nosuch"),
        ("codecommit-c", "pr/25"),
        ("codecommit-c", &hosts.pulled),
    ] {
        let message = format!("reference not found for primary source and source version {version}");
        assert_fails(&world, project, version, &message).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_not_there_or_not_open_fails_the_download() {
    let hosts = Hosts::start().await;
    let world = hosts.world().await;
    project(&world, "nosuch-d", json!({"type": "GITHUB", "location": "https://github.com/acme/nosuch"})).await;
    assert_fails(&world, "nosuch-d", "main", "repository not found for primary source and source version main").await;
    let mut locked_out = hosts.git.host().clone();
    locked_out.login.1 = "wrong".to_owned();
    let world = World::start_with(|config| config.git = Some(locked_out)).await;
    project(&world, "locked-d", json!({"type": "GITHUB", "location": GITHUB})).await;
    assert_fails(&world, "locked-d", "", "authentication required for primary source").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_without_its_default_branch_has_no_default_version() {
    let hosts = Hosts::start().await;
    let world = hosts.world().await;
    project(&world, "headless-e", json!({"type": "CODECOMMIT", "location": CODECOMMIT})).await;
    let served = hosts.served("git-codecommit.us-east-1.amazonaws.com/v1/repos/platform");
    git(&served, &["symbolic-ref", "HEAD", "refs/heads/master"]);
    assert_fails(&world, "headless-e", "", "reference not found for primary source").await;
    assert_built(&world, "headless-e", "main", (&hosts.second, "second")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_projects_version_is_built_unless_the_build_has_its_own() {
    let hosts = Hosts::start().await;
    let world = hosts.world().await;
    project(&world, "versions-f", json!({"type": "GITHUB", "location": GITHUB})).await;
    world.ok("CodeBuild_20161006.UpdateProject", json!({"name": "versions-f", "sourceVersion": "develop"})).await;
    let build = world.over(&world.build(json!({"projectName": "versions-f"})).await).await;
    assert_eq!((&build["sourceVersion"], &build["resolvedSourceVersion"]), (&json!("develop"), &json!(hosts.first)));
    assert_built(&world, "versions-f", "main", (&hosts.second, "second")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_knows_its_source_and_not_the_password() {
    let hosts = Hosts::start().await;
    let world = hosts.world().await;
    let spec = format!("{BUILDSPEC}      - env\n      - git config --list --show-origin\n");
    project(&world, "knows-g", json!({"type": "GITHUB", "location": GITHUB, "buildspec": spec})).await;
    let (build, log) = built(&world, "knows-g", "main").await;
    assert_eq!(build["buildStatus"], "SUCCEEDED", "{log}");
    assert!(log.contains(&format!("of {GITHUB} in ")) && log.contains("/github.com/acme/infra, 2 deep"), "{log}");
    assert!(log.contains(&format!("remote.origin.url={GITHUB}")), "{log}");
    assert!(log.contains("webhooks 0"), "{log}");
    let host = hosts.git.host();
    assert!(!log.contains(&host.login.1) && !log.contains("Authorization") && !log.contains(&host.url), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_is_as_deep_as_it_is_asked_to_be() {
    let hosts = Hosts::start().await;
    let world = hosts.world().await;
    project(&world, "depth-h", json!({"type": "GITHUB", "location": GITHUB, "gitCloneDepth": 1})).await;
    let (_, log) = built(&world, "depth-h", "main").await;
    assert!(log.contains(", 1 deep"), "{log}");
    let full = json!({"projectName": "depth-h", "sourceVersion": "main", "gitCloneDepthOverride": 0});
    let build = world.over(&world.build(full).await).await;
    assert!(world.log(&build).contains(", 2 deep"), "{}", world.log(&build));
}

#[tokio::test(flavor = "multi_thread")]
async fn submodules_are_fetched_where_the_source_says_so() {
    let hosts = Hosts::start().await;
    let world = hosts.world().await;
    let work = hosts.folder.path().join("work");
    let path = hosts.served("github.com/acme/infra.git").display().to_string();
    git(&work, &["submodule", "--quiet", "add", &path, "shared"]);
    git(&work, &["config", "--file", ".gitmodules", "submodule.shared.url", "../infra.git"]);
    git(&work, &["add", ".gitmodules"]);
    let whole = commit(&work, "whole");
    git(&work, &["push", "--quiet", &path, "main"]);
    let spec = "phases:\n  build:\n    commands: ['echo \"shared $(cat shared/said)\"']\n";
    for (name, fetched, said) in [("modules-i", true, "shared second"), ("no-modules-i", false, "shared ")] {
        let config = json!({"fetchSubmodules": fetched});
        let source = json!({"type": "GITHUB", "location": GITHUB, "buildspec": spec, "gitSubmodulesConfig": config});
        project(&world, name, source).await;
        let (build, log) = built(&world, name, "").await;
        assert_eq!(
            (&build["buildStatus"], &build["resolvedSourceVersion"]),
            (&json!("SUCCEEDED"), &json!(whole)),
            "{log}"
        );
        assert!(log.contains(&format!("\n{said}\n")), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_is_what_the_next_build_has() {
    let hosts = Hosts::start().await;
    let world = hosts.world().await;
    project(&world, "pushed-j", json!({"type": "CODECOMMIT", "location": CODECOMMIT})).await;
    assert_built(&world, "pushed-j", "", (&hosts.second, "second")).await;
    let work = hosts.folder.path().join("work");
    let third = commit(&work, "third");
    let host = hosts.git.host();
    let authority = host.url.trim_start_matches("https://");
    let (user, password) = &host.login;
    let url = format!("https://{user}:{password}@{authority}/{}", CODECOMMIT.trim_start_matches("https://"));
    let trust = format!("http.sslCAInfo={}", host.certificate.display());
    git(&work, &["-c", &trust, "push", "--quiet", &url, "main"]);
    assert_built(&world, "pushed-j", "", (&third, "third")).await;
    assert_built(&world, "pushed-j", &hosts.second, (&hosts.second, "second")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_in_a_zip_of_s3_stays_one() {
    let world = World::start().await;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text, mode) in [
        ("buildspec.yml", "phases:\n  build:\n    commands: ['./say.sh']\n", 0o644),
        ("say.sh", "#!/bin/sh\necho \"said by itself\"\n", 0o755),
    ] {
        zip.start_file(name, zip::write::SimpleFileOptions::default().unix_permissions(mode)).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    world.rest("test", "s3", "PUT", "/source-k", "").await;
    world.rest("test", "s3", "PUT", "/source-k/source.zip", zip.finish().unwrap().into_inner()).await;
    project(&world, "source-k", json!({"type": "S3", "location": "source-k/source.zip"})).await;
    let build = world.over(&world.build(json!({"projectName": "source-k"})).await).await;
    assert!(world.log(&build).contains("\nsaid by itself\n"), "{}", world.log(&build));
}

/// The functions of the module's build script that say which version of a source in S3 a plan is of, and then say it.
fn says_its_version() -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../terraform/modules/reforge/build/reforge-build.sh");
    let script = std::fs::read_to_string(script).unwrap();
    let from = script.find("find_source_version() {").unwrap();
    let function = &script[from..from + script[from..].find("\n}\n").unwrap() + 3];
    format!(
        "set -eu; scratch=$(mktemp -d); source_version=${{CODEBUILD_RESOLVED_SOURCE_VERSION:-}}\n\
         source=${{CODEBUILD_SOURCE_REPO_URL:-}}\n{function}find_source_version; echo \"is of <$source_version>\"\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_knows_the_version_of_a_source_in_s3_or_says_none() {
    let aws_cli = tokio::task::spawn_blocking(|| sandbox::parts::aws_cli().unwrap()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("aws-config");
    write(&config, "[default]\ns3 =\n  addressing_style = path\n");
    let world = World::start_with(|edge| {
        edge.path_prefix = vec![aws_cli];
        edge.build_env = [("AWS_CONFIG_FILE", config.display().to_string()), ("NO_PROXY", "localhost".to_owned())]
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec();
    })
    .await;
    let put = || world.rest("test", "s3", "PUT", "/source-l/source.txt", "source");
    world.rest("test", "s3", "PUT", "/source-l", "").await;
    let versioning = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    world.rest("test", "s3", "PUT", "/source-l?versioning", versioning).await;
    put().await;
    put().await;
    let since = jiff::Timestamp::now().as_second();
    let (_, listing) = world.rest("test", "s3", "GET", "/source-l?versions", "").await;
    let versions: Vec<&str> =
        listing.split("<VersionId>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    let [newest, older] = versions[..] else { panic!("{listing}") };

    let replace = "aws s3api put-object --bucket source-l --key source.txt --body source.txt >/dev/null\n";
    for (name, commands) in [("says-l", says_its_version()), ("replaced-l", format!("{replace}{}", says_its_version()))]
    {
        let spec = json!({"version": 0.2, "phases": {"build": {"commands": [commands]}}}).to_string();
        project(&world, name, json!({"type": "S3", "location": "source-l/source.txt", "buildspec": spec})).await;
    }
    // Objects and builds are compared by whole seconds.
    let past = || async { (jiff::Timestamp::now().as_second() > since).then_some(()) };
    edge_support::within(std::time::Duration::from_secs(10), past).await;
    for (name, version, said) in [("says-l", "", newest), ("says-l", older, older), ("replaced-l", "", "")] {
        let (build, log) = built(&world, name, version).await;
        assert_eq!(build["buildStatus"], "SUCCEEDED", "{log}");
        assert!(log.contains(&format!("is of <{said}>")), "{name} {version:?}: {log}");
    }
}
