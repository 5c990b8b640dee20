//! `StartBuild`: the project with the overrides laid over it, the idempotency token, the concurrent-build limit.

use super::build::{Build, Start};
use super::{CodeBuild, environment, rights, run};
use crate::edge::call::Call;
use crate::edge::http::{Reply, Request};
use crate::edge::limits;
use crate::edge::upstream::Scope;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// API reference, StartBuild: "The token is included in the StartBuild request and is valid for 5 minutes."
pub const TOKEN_MINUTES: u64 = 5;
const TOKEN_LIVES: Duration = Duration::from_mins(TOKEN_MINUTES);

/// A token that was used.
#[derive(Debug)]
pub struct Token {
    project: String,
    text: String,
    at: Instant,
    input: Value,
    build: String,
}

/// Starts a build, or gives back the one that the same token started.
pub async fn start_build(codebuild: &Arc<CodeBuild>, call: &Call, request: &Request) -> Reply {
    let input = request.json();
    let scope = call.credential.scope();
    let name = input["projectName"].as_str().unwrap_or_default();
    let Some(project) = project(codebuild, &scope, name).await else {
        let arn = format!("arn:aws:codebuild:{}:{}:project/{name}", scope.region, scope.account);
        return Reply::json_error(400, "ResourceNotFoundException", &format!("Project cannot be found: {arn}"));
    };
    let limit = project["concurrentBuildLimit"].as_u64();
    let (project, overrides) = overridden(project, &input);
    if let Some(refusal) = rights::refusal_of_role(codebuild, call, &project).await {
        return refusal;
    }
    let initiator = codebuild.principals.short_name(&call.credential.access_key);
    let build = {
        // Token, limit and entry under one lock: two calls at once must not both start.
        let mut store = codebuild.store();
        store.tokens.retain(|t| t.at.elapsed() < TOKEN_LIVES);
        let token = input["idempotencyToken"].as_str();
        if let Some(known) = store.tokens.iter().find(|t| t.project == name && Some(t.text.as_str()) == token) {
            if known.input != input {
                return Reply::json_error(
                    400,
                    "InvalidInputException",
                    "Idempotency parameter mismatch: the token was used with other parameters.",
                );
            }
            return store
                .find(&scope, &known.build)
                .map_or_else(|| Reply::json_error(500, "InternalFailure", ""), |b| shown(b));
        }
        let running =
            store.builds.iter().filter(|b| b.scope == scope && b.project_name() == name && b.is_running()).count();
        if limit.is_some_and(|limit| running as u64 >= limit) {
            let message = format!("Cannot have more than {} active builds for the project", limit.unwrap_or_default());
            return Reply::json_error(400, "AccountLimitExceededException", &message);
        }
        let in_account = store.builds.iter().filter(|b| b.scope == scope && b.is_running()).count() as u64;
        if let Some(reply) = limits::codebuild::no_room(call, in_account, codebuild.config.concurrent_builds) {
            return reply;
        }
        let number = 1 + store.builds.iter().filter(|b| b.scope == scope && b.project_name() == name).count() as u64;
        let start = Start { scope, project, overrides, initiator };
        let build = Arc::new(Build::new(start, number, (&codebuild.builds_dir, &codebuild.url)));
        if let Some(token) = token {
            let (project, text) = (name.to_owned(), token.to_owned());
            store.tokens.push(Token {
                project,
                text,
                at: Instant::now(),
                input: input.clone(),
                build: build.id.clone(),
            });
        }
        store.builds.push(Arc::clone(&build));
        build
    };
    let role = rights::role_arn(&build.project, &build.scope);
    codebuild.principals.add_session(&environment::access_key(&build.uuid), &role, &rights::session(&build));
    let answer = shown(&build);
    tokio::spawn(run::run(Arc::clone(codebuild), build));
    answer
}

fn shown(build: &Build) -> Reply {
    Reply::json(&json!({"build": build.shown()}))
}

async fn project(codebuild: &CodeBuild, scope: &Scope, name: &str) -> Option<Value> {
    let input = json!({"names": [name]});
    let answer = codebuild.upstream.call("codebuild", "CodeBuild_20161006.BatchGetProjects", scope, &input).await;
    let mut project = match answer {
        Ok(answer) => answer["projects"].get(0).cloned()?,
        Err(error) => {
            tracing::warn!(project = name, %error, "a project could not be read");
            return None;
        }
    };
    codebuild.projects.lay_over(scope, &mut project);
    Some(project)
}

/// The project as this build has it, and the overriding variables.
fn overridden(mut project: Value, input: &Value) -> (Value, Vec<(String, String)>) {
    let mut lay = |path: [&str; 2], value: &Value| {
        if !value.is_null() {
            match path {
                [name, ""] => project[name] = value.clone(),
                [outer, inner] => project[outer][inner] = value.clone(),
            }
        }
    };
    lay(["sourceVersion", ""], &input["sourceVersion"]);
    lay(["timeoutInMinutes", ""], &input["timeoutInMinutesOverride"]);
    lay(["queuedTimeoutInMinutes", ""], &input["queuedTimeoutInMinutesOverride"]);
    lay(["serviceRole", ""], &input["serviceRoleOverride"]);
    lay(["source", "type"], &input["sourceTypeOverride"]);
    lay(["source", "location"], &input["sourceLocationOverride"]);
    lay(["source", "buildspec"], &input["buildspecOverride"]);
    lay(["source", "gitCloneDepth"], &input["gitCloneDepthOverride"]);
    lay(["source", "gitSubmodulesConfig"], &input["gitSubmodulesConfigOverride"]);
    lay(["environment", "image"], &input["imageOverride"]);
    let empty = Vec::new();
    let overriding = input["environmentVariablesOverride"].as_array().unwrap_or(&empty);
    let own = project["environment"]["environmentVariables"].as_array().unwrap_or(&empty);
    let kept = own.iter().filter(|v| !overriding.iter().any(|o| o["name"] == v["name"]));
    let variables: Vec<Value> = kept.chain(overriding).cloned().collect();
    project["environment"]["environmentVariables"] = json!(variables);
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let overrides = overriding.iter().map(|v| (text(&v["name"]), text(&v["value"]))).collect();
    (project, overrides)
}
