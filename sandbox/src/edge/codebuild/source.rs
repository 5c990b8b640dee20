//! A build's source: an S3 zip (or single file) unpacked into its folder, a Git repository cloned into it, or none.

use super::build::Build;
use super::clone::{self, Repository};
use super::{CodeBuild, rights};
use anyhow::Context as _;
use serde_json::Value;
use std::io::Cursor;
use std::path::{Path, PathBuf};

/// The folder that the source goes into, below CodeBuild's own.
pub fn folder(build: &Build, below: &Path) -> PathBuf {
    Repository::of(&build.project["source"]).map_or_else(|| below.to_owned(), |repository| repository.folder(below))
}

/// Puts the source into `folder` and returns its resolved version: the commit. API reference, Build: "For Amazon S3, this does not apply."
///
/// # Errors
/// When the object, the repository or the version does not exist or may not be read, is no good zip, or the source type is not one of
/// the sandbox's.
pub async fn fetch(codebuild: &CodeBuild, build: &Build, folder: &Path) -> anyhow::Result<Option<String>> {
    let source = &build.project["source"];
    if let Some(repository) = Repository::of(source) {
        let git = codebuild.config.git.as_ref().context("the sandbox was started without a Git server")?;
        let version = build.project["sourceVersion"].as_str().unwrap_or_default();
        return clone::clone(git, &repository, source, version, folder).await.map(Some);
    }
    match source["type"].as_str().unwrap_or("NO_SOURCE") {
        "NO_SOURCE" => Ok(None),
        "S3" => {
            let location = source["location"].as_str().unwrap_or_default();
            let location = location.strip_prefix("arn:aws:s3:::").unwrap_or(location);
            let (bucket, key) = location.split_once('/').with_context(|| format!("{location} is not bucket/key"))?;
            let version = build.project["sourceVersion"].as_str().filter(|v| !v.is_empty());
            rights::to_fetch(codebuild, build, (bucket, key), version.is_some()).await?;
            let object = codebuild.upstream.object(&build.scope, bucket, key, version).await?;
            if object.headers.get("x-amz-version-id").is_some_and(|id| id != "null") {
                rights::to_fetch(codebuild, build, (bucket, key), true).await?;
            }
            let (folder, name) = (folder.to_owned(), key.rsplit('/').next().unwrap_or(key).to_owned());
            tokio::task::spawn_blocking(move || unpack(&object.body, &folder, &name)).await??;
            Ok(None)
        }
        other => anyhow::bail!("the sandbox has no source type {other}: use CODECOMMIT, GITHUB, S3 or NO_SOURCE"),
    }
}

fn unpack(bytes: &[u8], folder: &Path, name: &str) -> anyhow::Result<()> {
    if bytes.starts_with(b"PK") {
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).context("read the source as a zip")?;
        archive.extract(folder).context("unpack the source")
    } else {
        std::fs::write(folder.join(name), bytes).context("write the source")
    }
}

/// The buildspec's text: the project's own if it is one, else the file that it names in the source.
///
/// # Errors
/// When there is no such file.
pub async fn buildspec(project: &Value, folder: &Path) -> anyhow::Result<String> {
    let spec = project["source"]["buildspec"].as_str().map(str::trim).filter(|s| !s.is_empty());
    match spec {
        Some(inline) if inline.contains('\n') || inline.starts_with('{') => Ok(inline.to_owned()),
        path => {
            let path = path.unwrap_or("buildspec.yml");
            tokio::fs::read_to_string(folder.join(path)).await.with_context(|| format!("YAML_FILE_ERROR: stat {path}"))
        }
    }
}
