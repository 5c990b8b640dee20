//! What CodeBuild does itself under a project's role: assume it, write the log, fetch the source, read parameters.
//!
//! Given a project or a build, it gives the refusal in AWS's words; what a build's own commands call is judged like any other call.

use super::CodeBuild;
use super::build::Build;
use crate::edge::call::Call;
use crate::edge::http::Reply;
use crate::edge::iam::{Access, Source};
use crate::edge::upstream::Scope;
use serde_json::Value;

const SERVICE: &str = "codebuild.amazonaws.com";

/// The refusal of a project whose role does not trust CodeBuild, or is not there.
pub async fn refusal_of_role(codebuild: &CodeBuild, call: &Call, project: &Value) -> Option<Reply> {
    project["serviceRole"].as_str()?;
    let scope = call.credential.scope();
    let arn = project_arn(project, &scope);
    let role = role_arn(project, &scope);
    let refusal = codebuild.iam.service_may_assume(Source { service: SERVICE, arn: &arn }, &role).await.err()?;
    tracing::debug!(project = arn, error = format!("{refusal:#}"), "CodeBuild may not assume a project's role");
    let message = format!(
        "CodeBuild is not authorized to perform: sts:AssumeRole on service role. Please verify that: 1) The provided service role exists, 2) The role name is case-sensitive and matches exactly, and 3) The role has the necessary trust policy configured. Service role: {role}"
    );
    Some(Reply::json_error(400, "InvalidInputException", &message))
}

/// The ARN of a project's role, which may be given by its name.
pub fn role_arn(project: &Value, scope: &Scope) -> String {
    let role = project["serviceRole"].as_str().unwrap_or("codebuild");
    if role.starts_with("arn:") { role.to_owned() } else { format!("arn:aws:iam::{}:role/{role}", scope.account) }
}

/// The name of a build's session.
pub fn session(build: &Build) -> String {
    format!("AWSCodeBuild-{}", build.uuid)
}

/// Whether the role lets the log be written (CodeBuild User Guide, "Troubleshooting": builds fail where it does not).
///
/// # Errors
/// What CodeBuild says of the phase.
pub async fn to_log(codebuild: &CodeBuild, build: &Build) -> anyhow::Result<()> {
    let log = &build.project["logsConfig"]["cloudWatchLogs"];
    if log["status"] == "DISABLED" {
        return Ok(());
    }
    let of_project = format!("/aws/codebuild/{}", build.project_name());
    let group = log["groupName"].as_str().filter(|g| !g.is_empty()).unwrap_or(&of_project);
    let Scope { account, region } = &build.scope;
    let stream = format!("arn:aws:logs:{region}:{account}:log-group:{group}:log-stream:{}", build.uuid);
    let accesses = ["logs:CreateLogStream", "logs:PutLogEvents"].map(|action| Access::new(action, &stream));
    let role = role_arn(&build.project, &build.scope);
    may(codebuild, build, &accesses).await.map_err(|refusal| {
        anyhow::anyhow!("ACCESS_DENIED: Service role {role} does not allow AWS CodeBuild to create Amazon CloudWatch Logs log streams for build {}. Error message: {refusal:#}", build.arn())
    })
}

/// Whether the role lets a source be fetched from S3, of a version if one is known.
///
/// # Errors
/// AWS's sentence.
pub async fn to_fetch(
    codebuild: &CodeBuild,
    build: &Build,
    (bucket, key): (&str, &str),
    version: bool,
) -> anyhow::Result<()> {
    let action = if version { "s3:GetObjectVersion" } else { "s3:GetObject" };
    may(codebuild, build, &[Access::new(action, format!("arn:aws:s3:::{bucket}/{key}"))]).await
}

/// Whether the role lets a parameter be read.
///
/// # Errors
/// AWS's sentence.
pub async fn to_read_parameter(codebuild: &CodeBuild, build: &Build, name: &str) -> anyhow::Result<()> {
    let (role, project) = (role_arn(&build.project, &build.scope), project_arn(&build.project, &build.scope));
    let source = Source { service: SERVICE, arn: &project };
    codebuild.iam.session_may_read_parameter(source, &role, &session(build), (&build.scope, name)).await
}

async fn may(codebuild: &CodeBuild, build: &Build, accesses: &[Access]) -> anyhow::Result<()> {
    let (role, project) = (role_arn(&build.project, &build.scope), project_arn(&build.project, &build.scope));
    codebuild.iam.session_may(Source { service: SERVICE, arn: &project }, &role, &session(build), accesses).await
}

fn project_arn(project: &Value, scope: &Scope) -> String {
    let name = project["name"].as_str().unwrap_or_default();
    format!("arn:aws:codebuild:{}:{}:project/{name}", scope.region, scope.account)
}
