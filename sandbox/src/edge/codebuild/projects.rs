//! What the emulator's projects forget (`concurrentBuildLimit` above all): remembered from the calls that pass, and laid over its answers.

use crate::edge::call::Call;
use crate::edge::http::{Reply, Request};
use crate::edge::upstream::Scope;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Members of a project that ministack 1.5.33 takes and does not give back.
const FORGOTTEN: [&str; 8] = [
    "concurrentBuildLimit",
    "queuedTimeoutInMinutes",
    "logsConfig",
    "cache",
    "vpcConfig",
    "secondarySources",
    "secondaryArtifacts",
    "autoRetryLimit",
];

/// The forgotten members by project.
#[derive(Debug, Default)]
pub struct Projects(Mutex<HashMap<(Scope, String), Map<String, Value>>>);

impl Projects {
    /// Notes what a successful call says of a project, and completes the answer.
    pub fn complete(&self, scope: &Scope, call: &Call, request: &Request, reply: Reply) -> Reply {
        if !reply.is_success() {
            return reply;
        }
        let input = request.json();
        let name = input["name"].as_str().unwrap_or_default();
        match call.operation.as_str() {
            "CreateProject" | "UpdateProject" => self.note(scope, name, &input),
            "DeleteProject" => {
                self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(scope.clone(), name.to_owned()));
                return reply;
            }
            "BatchGetProjects" => {}
            _ => return reply,
        }
        let mut body = reply.json_body();
        if let Some(project) = body.get_mut("project") {
            self.lay_over(scope, project);
        }
        for project in body.get_mut("projects").and_then(Value::as_array_mut).into_iter().flatten() {
            self.lay_over(scope, project);
        }
        reply.with_body(body.to_string())
    }

    /// Completes one project.
    pub fn lay_over(&self, scope: &Scope, project: &mut Value) {
        let name = project["name"].as_str().unwrap_or_default().to_owned();
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(members), Some(forgotten)) = (project.as_object_mut(), known.get(&(scope.clone(), name))) {
            members.extend(forgotten.clone());
        }
    }

    fn note(&self, scope: &Scope, name: &str, input: &Value) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let members = known.entry((scope.clone(), name.to_owned())).or_default();
        for member in FORGOTTEN {
            if let Some(value) = input.get(member) {
                members.insert(member.to_owned(), value.clone());
            }
        }
        // API reference, UpdateProject: -1 removes the limit.
        if members.get("concurrentBuildLimit").and_then(Value::as_i64).is_some_and(|limit| limit < 1) {
            members.remove("concurrentBuildLimit");
        }
    }
}
