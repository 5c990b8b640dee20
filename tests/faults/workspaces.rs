//! As many workspaces as there are faults. Terraform would take minutes to plan them: it makes one, and the others are its
//! projects over again under its roles, whose policies are widened from its name to all of them.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use sandbox::{Caller, Sandbox};
use serde_json::Value;

/// The one that Terraform makes, and what stands for all.
const FIRST: &str = "stage-0";
const ALL: &str = "stage-*";
/// Calls at once.
const AT_ONCE: usize = 8;
/// What CreateProject takes of what BatchGetProjects gives.
const GIVEN: [&str; 9] = [
    "name",
    "description",
    "source",
    "artifacts",
    "environment",
    "serviceRole",
    "timeoutInMinutes",
    "logsConfig",
    "concurrentBuildLimit",
];

/// Makes the others.
pub async fn multiply(sandbox: &Sandbox, count: usize) -> anyhow::Result<()> {
    for (role, policy) in
        [("reforge-stage-0-plan", "build"), ("reforge-stage-0-apply", "build"), ("reforge-operator", "operator")]
    {
        widen(sandbox, role, policy).await?;
    }
    let names = ["aiops-stage-0-plan", "aiops-stage-0-recovery"];
    let get = ["codebuild", "batch-get-projects", "--output", "json", "--names", names[0], names[1]];
    let projects: Value = serde_json::from_str(&sandbox.aws(Caller::Terraform, &get).await?)?;
    let projects: Vec<Value> = projects["projects"].as_array().into_iter().flatten().map(given).collect();
    let all = (1..count).flat_map(|number| projects.iter().map(move |project| (number, project)));
    stream::iter(all)
        .map(Ok)
        .try_for_each_concurrent(AT_ONCE, |(number, project)| async move {
            let text = project.to_string().replace(FIRST, &sandbox::stage(number));
            let mut another: Value = serde_json::from_str(&text)?;
            another["serviceRole"] = project["serviceRole"].clone();
            let create = sandbox.edge().call_unheard("codebuild", "CodeBuild_20161006.CreateProject", &another);
            create.await.map(|_| ())
        })
        .await
}

fn given(project: &Value) -> Value {
    let members = GIVEN.iter().filter(|name| !project[**name].is_null());
    members.map(|name| ((*name).to_owned(), project[*name].clone())).collect::<serde_json::Map<_, _>>().into()
}

async fn widen(sandbox: &Sandbox, role: &str, policy: &str) -> anyhow::Result<()> {
    let named = ["--role-name", role, "--policy-name", policy];
    let get = [&["iam", "get-role-policy", "--output", "json"][..], &named].concat();
    let found: Value = serde_json::from_str(&sandbox.aws(Caller::Terraform, &get).await?)?;
    let mut document = found["PolicyDocument"].clone();
    if let Some(text) = document.as_str() {
        document = serde_json::from_str(text)?;
    }
    // Where a project logs to is forgotten on the way, so that its builds log to groups of their own.
    let widened = document.to_string().replace(FIRST, ALL).replace("log-group:/reforge/reforge/builds", "log-group:*");
    let put = [&["iam", "put-role-policy"][..], &named, &["--policy-document", &widened]].concat();
    sandbox.aws(Caller::Terraform, &put).await.map(|_| ())
}
