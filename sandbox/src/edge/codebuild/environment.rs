//! The environment of a build (CodeBuild User Guide, "Environment variables in build environments"): nothing of the edge's own comes in but `PATH`.

use super::build::Build;
use super::buildspec::Buildspec;
use super::run::Folders;
use super::{CodeBuild, rights};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The access key of a build, which tells its calls apart.
pub fn access_key(uuid: &str) -> String {
    format!("ASIABUILD{}", uuid.replace('-', ""))
}

/// All variables: CodeBuild's own, then the sandbox's additions, the buildspec's, the project's, and the overrides, each over the one before.
///
/// # Errors
/// When a parameter of the Parameter Store can't be read, or a variable is of another type.
pub async fn of(
    codebuild: &CodeBuild,
    build: &Build,
    spec: &Buildspec,
    folders: &Folders,
) -> anyhow::Result<BTreeMap<String, String>> {
    let mut all: BTreeMap<String, String> = own(codebuild, build, folders).map(|(k, v)| (k.to_owned(), v)).into();
    if let Some(resolved) = build.progress().resolved.clone() {
        all.insert("CODEBUILD_RESOLVED_SOURCE_VERSION".to_owned(), resolved);
    }
    all.extend(codebuild.config.build_env.iter().cloned());
    all.extend(spec.variables.iter().cloned());
    for (name, parameter) in &spec.parameters {
        all.insert(name.clone(), self::parameter(codebuild, build, parameter).await?);
    }
    for variable in build.project["environment"]["environmentVariables"].as_array().into_iter().flatten() {
        let name = variable["name"].as_str().unwrap_or_default().to_owned();
        let value = variable["value"].as_str().unwrap_or_default();
        let value = match variable["type"].as_str() {
            None | Some("PLAINTEXT") => value.to_owned(),
            Some("PARAMETER_STORE") => parameter(codebuild, build, value).await?,
            Some(other) => anyhow::bail!("the sandbox has no variables of type {other} ({name})"),
        };
        all.insert(name, on_own_machine(codebuild, value));
    }
    Ok(all)
}

/// A build in AWS has `/tmp` to itself. Here those of a sandbox share one, and no two sandboxes meet in it: one's builds would wait for
/// the other's where a path of the project's is locked.
fn on_own_machine(codebuild: &CodeBuild, value: String) -> String {
    match value.strip_prefix("/tmp/") {
        Some(path) => codebuild.config.run_dir.join("tmp").join(path).display().to_string(),
        None => value,
    }
}

fn own(codebuild: &CodeBuild, build: &Build, folders: &Folders) -> [(&'static str, String); 24] {
    let edge = codebuild.url.clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    [
        ("PATH", path(codebuild)),
        ("HOME", folders.home.display().to_string()),
        ("LANG", "C.UTF-8".to_owned()),
        ("CI", "true".to_owned()),
        ("AWS_REGION", build.scope.region.clone()),
        ("AWS_DEFAULT_REGION", build.scope.region.clone()),
        ("AWS_ENDPOINT_URL", edge.clone()),
        ("AWS_ACCESS_KEY_ID", access_key(&build.uuid)),
        ("AWS_SECRET_ACCESS_KEY", "sandbox".to_owned()),
        ("AWS_SESSION_TOKEN", "sandbox".to_owned()),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ("HTTP_PROXY", edge.clone()),
        ("http_proxy", edge),
        ("CODEBUILD_BUILD_ID", build.id.clone()),
        ("CODEBUILD_BUILD_ARN", build.arn()),
        ("CODEBUILD_BUILD_NUMBER", build.number.to_string()),
        ("CODEBUILD_BUILD_IMAGE", text(&build.project["environment"]["image"])),
        ("CODEBUILD_INITIATOR", build.initiator.clone()),
        ("CODEBUILD_LOG_PATH", build.uuid.clone()),
        ("CODEBUILD_PROJECT_UUID", build.uuid.clone()),
        ("CODEBUILD_SOURCE_REPO_URL", source_url(&build.project["source"])),
        ("CODEBUILD_SOURCE_VERSION", text(&build.project["sourceVersion"])),
        ("CODEBUILD_SRC_DIR", folders.source.display().to_string()),
        ("CODEBUILD_START_TIME", build.start.as_millisecond().to_string()),
    ]
}

/// "For Amazon S3, this is `s3://` followed by the bucket name and path to the input artifact. For CodeCommit and GitHub, this is the
/// repository's clone URL."
fn source_url(source: &Value) -> String {
    let location = source["location"].as_str().unwrap_or_default();
    if source["type"] == "S3" {
        format!("s3://{}", location.strip_prefix("arn:aws:s3:::").unwrap_or(location))
    } else {
        location.to_owned()
    }
}

fn path(codebuild: &CodeBuild) -> String {
    let inherited = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
    let all = codebuild.config.path_prefix.iter().cloned().chain(std::env::split_paths(&inherited));
    // Paths with a colon in them can't be in PATH; then the inherited one has to do.
    std::env::join_paths(all).unwrap_or(inherited).to_string_lossy().into_owned()
}

async fn parameter(codebuild: &CodeBuild, build: &Build, name: &str) -> anyhow::Result<String> {
    rights::to_read_parameter(codebuild, build, name).await?;
    let input = json!({"Name": name, "WithDecryption": true});
    let answer = codebuild.upstream.call("ssm", "AmazonSSM.GetParameter", &build.scope, &input).await?;
    answer["Parameter"]["Value"].as_str().map(str::to_owned).with_context(|| format!("parameter {name} has no value"))
}
