//! The module's build script on a source in Git, with real Terraform: planned from a commit, applied from that plan.
#![allow(missing_docs)]

mod edge_support;
use edge_support::World;
use sandbox::GitServer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::Command;

const PLATFORM: &str = "https://git-codecommit.us-east-1.amazonaws.com/v1/repos/platform";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../terraform/modules/reforge/build/reforge-build.sh");
const BUCKET: &str = "artifacts-git";
const PREBUILD: &str = "stat -c 'mode %n %a' run.sh main.tf\n";

/// A root module that needs no provider from anywhere.
fn module(input: &str) -> String {
    format!(
        "terraform {{\n  backend \"s3\" {{}}\n}}\nresource \"terraform_data\" \"one\" {{\n  input = \"{input}\"\n}}\n"
    )
}

fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=t", "-c", "user.email=t@example.com"]).args(args).current_dir(folder);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null")]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A new commit with this root module, pushed to `main`.
fn publish(work: &Path, served: &Path, input: &str) -> String {
    std::fs::write(work.join("live/platform/main.tf"), module(input)).unwrap();
    git(work, &["add", "."]);
    git(work, &["update-index", "--chmod=+x", "live/platform/run.sh"]);
    git(work, &["commit", "--quiet", "--message", input]);
    git(work, &["push", "--quiet", &served.display().to_string(), "main"]);
    git(work, &["rev-parse", "HEAD"])
}

async fn project(world: &World, mode: &str, workdir: &Path) {
    world.service_role("000000000000", "recovery-role", "codebuild.amazonaws.com").await;
    let workdir = workdir.display().to_string();
    let environment = [
        ("REFORGE_MODE", mode),
        ("REFORGE_WORKSPACE", "platform"),
        ("REFORGE_BUCKET", BUCKET),
        ("REFORGE_STATE_BUCKET", BUCKET),
        ("REFORGE_STATE_KEY", "state/platform/terraform.tfstate"),
        ("REFORGE_STATE_REGION", "us-east-1"),
        ("REFORGE_ROOT", "live/platform"),
        ("REFORGE_WORKDIR", &workdir),
    ]
    .map(|(name, value)| json!({"name": name, "value": value}));
    let spec = json!({"version": 0.2, "phases": {"build": {"commands": [format!("bash {SCRIPT}")]}}}).to_string();
    let input = json!({
        "name": format!("platform-{mode}"), "artifacts": {"type": "NO_ARTIFACTS"},
        "source": {"type": "CODECOMMIT", "location": PLATFORM, "buildspec": spec},
        "serviceRole": "arn:aws:iam::000000000000:role/recovery-role",
        "environment": {"type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": environment},
    });
    world.ok("CodeBuild_20161006.CreateProject", input).await;
}

/// A build that must succeed, started as the operator starts it: its UUID and its log.
async fn built(world: &World, mode: &str, version: &str, variables: &[(&str, &str)]) -> (String, String) {
    let variables = variables.iter().map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>();
    let project = format!("platform-{mode}");
    let input = json!({"projectName": project, "sourceVersion": version, "environmentVariablesOverride": variables});
    let build = world.over(&world.build(input).await).await;
    let log = world.log(&build);
    assert_eq!(build["buildStatus"], "SUCCEEDED", "{log}");
    (build["logs"]["streamName"].as_str().unwrap().to_owned(), log)
}

async fn published(world: &World, key: &str) -> String {
    let (status, text) = world.rest("test", "s3", "GET", &format!("/{BUCKET}/{key}"), "").await;
    assert_eq!(status, 200, "{key}: {text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_a_commit_is_what_is_applied_whatever_the_branch_has_become() {
    let folder = tempfile::tempdir().unwrap();
    let (work, root) = (folder.path().join("work"), folder.path().join("served"));
    let served = root.join("git-codecommit.us-east-1.amazonaws.com/v1/repos/platform");
    std::fs::create_dir_all(work.join("live/platform")).unwrap();
    std::fs::create_dir_all(&served).unwrap();
    git(&work, &["init", "--quiet", "--initial-branch=main"]);
    git(&served, &["init", "--quiet", "--bare", "--initial-branch=main"]);
    std::fs::write(work.join("live/platform/run.sh"), "#!/bin/sh\n").unwrap();
    std::fs::write(work.join("live/platform/reforge-prebuild.sh"), PREBUILD).unwrap();
    let first = publish(&work, &served, "first");

    let server = GitServer::start(&root).await.unwrap();
    let aws_cli = tokio::task::spawn_blocking(|| sandbox::parts::aws_cli().unwrap()).await.unwrap();
    let world = World::start_with(|edge| {
        edge.git = Some(server.host().clone());
        edge.path_prefix = vec![aws_cli];
    })
    .await;
    world.rest("test", "s3", "PUT", &format!("/{BUCKET}"), "").await;
    let workdir = folder.path().join("workdirs/platform");
    project(&world, "plan", &workdir).await;
    project(&world, "apply", &workdir).await;

    let order = [("REFORGE_INCIDENT", "i"), ("REFORGE_ATTEMPT", "1"), ("REFORGE_TARGETS", "[]")];
    let (plan, log) = built(&world, "plan", "main", &order).await;
    assert!(log.contains("mode run.sh 755") && log.contains("mode main.tf 644"), "modes are the repository's: {log}");
    let summary = published(&world, &format!("plans/platform/{plan}/summary.json")).await;
    let digest = hex::encode(Sha256::digest(summary.as_bytes()));
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["sourceVersion"], json!(first));
    assert_eq!(summary["changes"][0]["address"], "terraform_data.one", "{summary}");

    let second = publish(&work, &served, "second");
    let order = [order[0], order[1], order[2], ("REFORGE_PLAN_BUILD", &*plan), ("REFORGE_PLAN_DIGEST", &*digest)];
    let (apply, log) = built(&world, "apply", &first, &order).await;
    let result: Value =
        serde_json::from_str(&published(&world, &format!("results/platform/{apply}.json")).await).unwrap();
    assert_eq!((&result["applied"], &result["emptyAfter"]), (&json!(true), &json!(true)), "{result} {log}");
    let state = published(&world, "state/platform/terraform.tfstate").await;
    assert!(state.contains("\"first\"") && !state.contains("\"second\""), "{state}");
    let inventory: Value = serde_json::from_str(&published(&world, "inventory/platform.json").await).unwrap();
    assert_eq!(inventory["sourceVersion"], json!(first));

    let (plan, _) = built(&world, "plan", "", &[("REFORGE_INCIDENT", "i"), ("REFORGE_ATTEMPT", "2")]).await;
    let summary = published(&world, &format!("plans/platform/{plan}/summary.json")).await;
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["sourceVersion"], json!(second));
}
