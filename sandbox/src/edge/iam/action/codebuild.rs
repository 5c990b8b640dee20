//! CodeBuild ("Actions, resources, and condition keys for AWS CodeBuild"): each override of a build is a condition key.

use super::{Access, Ask};
use crate::edge::iam::context::Context;
use serde_json::Value;

/// Members of `StartBuild` with the condition key that each sets.
const OVERRIDES: [(&str, &str); 20] = [
    ("artifactsOverride", "artifacts"),
    ("buildspecOverride", "source.buildspec"),
    ("cacheOverride", "cache"),
    ("certificateOverride", "environment.certificate"),
    ("computeTypeOverride", "environment.computeType"),
    ("encryptionKeyOverride", "encryptionKey"),
    ("environmentTypeOverride", "environment.type"),
    ("imageOverride", "environment.image"),
    ("imagePullCredentialsTypeOverride", "environment.imagePullCredentialsType"),
    ("insecureSslOverride", "source.insecureSsl"),
    ("logsConfigOverride", "logsConfig"),
    ("privilegedModeOverride", "environment.privilegedMode"),
    ("registryCredentialOverride", "environment.registryCredential"),
    ("secondaryArtifactsOverride", "secondaryArtifacts"),
    ("secondarySourcesOverride", "secondarySources"),
    ("serviceRoleOverride", "serviceRole"),
    ("sourceLocationOverride", "source.location"),
    ("buildStatusConfigOverride", "source.buildStatusConfig"),
    ("buildBatchConfigOverride", "buildBatchConfig"),
    ("environmentVariablesOverride", "environment.environmentVariables"),
];

/// The questions of a call. A build's right is its project's.
pub fn accesses(ask: &Ask<'_>) -> Option<Vec<Access>> {
    let on = |project: &str| Access::new(ask.own("codebuild"), project_arn(ask, project));
    let names = |member: &str| texts(&ask.input[member]).into_iter();
    Some(match ask.operation {
        "ListProjects" | "ListBuilds" | "ListCuratedEnvironmentImages" | "ListSourceCredentials" => {
            vec![Access::new(ask.own("codebuild"), "*")]
        }
        "StartBuild" | "StartBuildBatch" => {
            let mut accesses = vec![Access { context: overrides(&ask.input), ..on(ask.text("projectName")) }];
            accesses.extend(ask.pass_role(ask.text("serviceRoleOverride"), "codebuild.amazonaws.com"));
            accesses
        }
        "StopBuild" | "RetryBuild" => vec![on(ask.text("id"))],
        "BatchGetBuilds" | "BatchDeleteBuilds" => names("ids").map(on).collect(),
        "BatchGetProjects" => names("names").map(on).collect(),
        "ListBuildsForProject" => vec![on(ask.text("projectName"))],
        "CreateProject" | "UpdateProject" => {
            let own = Access { context: ask.tags(), ..on(ask.text("name")) };
            std::iter::once(own).chain(ask.pass_role(ask.text("serviceRole"), "codebuild.amazonaws.com")).collect()
        }
        "DeleteProject" => vec![on(ask.text("name"))],
        _ => return None,
    })
}

/// The condition keys of the overrides that a build is started with.
fn overrides(input: &Value) -> Context {
    let mut context = Context::default();
    let given = |name: &str| input.get(name).filter(|v| !v.is_null());
    for (member, key) in OVERRIDES {
        if let Some(value) = given(member) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            context.set(&format!("codebuild:{key}"), value);
        }
    }
    if let Some(fleet) = given("fleetOverride") {
        context.set("codebuild:environment.fleet.fleetArn", fleet["fleetArn"].as_str().unwrap_or_default());
    }
    if let Some(auth) = given("sourceAuthOverride") {
        for name in ["type", "resource"] {
            if let Some(value) = auth[name].as_str() {
                context.set(&format!("codebuild:source.auth.{name}"), value);
            }
        }
    }
    if let Some(variables) = given("environmentVariablesOverride").and_then(Value::as_array) {
        for name in ["name", "value"] {
            let values = variables.iter().filter_map(|v| v[name].as_str().map(str::to_owned)).collect();
            context.set_all(&format!("codebuild:environment.environmentVariables.{name}"), values);
        }
    }
    context
}

/// The ARN of a project by its name or ARN, or by the id or ARN of one of its builds.
fn project_arn(ask: &Ask<'_>, name: &str) -> String {
    let id = name.rsplit('/').next().unwrap_or(name);
    let project = id.split(':').next().unwrap_or(id);
    ask.arn("codebuild", &format!("project/{project}"))
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
