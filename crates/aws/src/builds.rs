//! CodeBuild: starts builds with a fixed list of overrides, and reads their state. Never waits for a build.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_codebuild::Client;
use aws_sdk_codebuild::config::retry::RetryConfig;
use aws_sdk_codebuild::types::{Build, EnvironmentVariable, Project, ProjectEnvironment, RegistryCredential};
use reforge_api::Time;
use reforge_core::plan::build::{BuildError, BuildState, BuildStatus, Order};
use reforge_core::words::fault::Fault;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::ask::ask;
use crate::gather::{Gather, Pace};

const TIMEOUT: Duration = Duration::from_secs(10);
/// BatchGetBuilds takes 100 ids.
const BATCH: usize = 100;

/// Why CodeBuild did not do what it was asked for.
#[derive(Clone, Debug, Error)]
pub enum BuildsError {
    /// The project is not as the install made it: no build of it is started.
    #[error("{0}")]
    Changed(String),
    /// A call before the start did not go well.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The start itself did not go well. It was tried once: where the class is another than Transient, nothing was started.
    #[error("{0}")]
    Start(Fault),
}

type Answer = Result<Option<BuildState>, Fault>;

/// The builds of the operator's account.
#[derive(Clone, Debug)]
pub struct Builds {
    client: Client,
    fingerprints: Arc<BTreeMap<String, String>>,
    known: Gather<BuildState>,
}

impl Builds {
    /// Starts the task that asks for builds in batches; it ends with the last clone. `fingerprints` are those of the projects
    /// as the install made them.
    pub fn new(client: Client, fingerprints: Arc<BTreeMap<String, String>>) -> Self {
        let known = Gather::start(Pace::shared(BATCH), {
            let client = client.clone();
            move |ids| {
                let call = client.batch_get_builds().set_ids(Some(ids)).send();
                async move {
                    let output = ask("reading builds", TIMEOUT, call).await?;
                    Ok(output.builds().iter().map(state).map(|s| (s.id.clone(), s)).collect())
                }
            }
        });
        Self { client, fingerprints, known }
    }

    /// Refuses a project that is not as the install made it: who changed it could have a build do anything.
    async fn check(&self, project: &str) -> Result<(), BuildsError> {
        let Some(wanted) = self.fingerprints.get(project) else { return Ok(()) };
        let doing = format!("looking at CodeBuild project {project}");
        let found = ask(&doing, TIMEOUT, self.client.batch_get_projects().names(project).send()).await?;
        let now = found.projects().first().map(fingerprint);
        if now.as_ref() == Some(wanted) {
            return Ok(());
        }
        let detail = "it is not as the install made it, so no build of it is started. Find out who changed it (UpdateProject in CloudTrail), apply the install's Terraform, and give the operator its output project_fingerprints as settings.projects";
        Err(BuildsError::Changed(format!("{doing}: {detail}")))
    }

    /// Starts a build, or gives back the one that the same token started within five minutes.
    pub async fn start(&self, order: &Order) -> Result<BuildState, BuildsError> {
        self.check(&order.project).await?;
        let doing = order.doing();
        let variables = order.variables()?;
        let variables = variables
            .into_iter()
            .map(|(name, value)| EnvironmentVariable::builder().name(name).value(value).build())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| Fault::ours(&doing, &e.to_string()))?;
        let call = self
            .client
            .start_build()
            .project_name(&order.project)
            .idempotency_token(&order.token)
            .set_source_version(order.source_version.clone())
            .set_environment_variables_override(Some(variables))
            // A retry of the SDK's own that is refused would hide that the try before it was carried out.
            .customize()
            .config_override(aws_sdk_codebuild::Config::builder().retry_config(RetryConfig::disabled()));
        let started = ask(&doing, TIMEOUT, call.send()).await.map_err(BuildsError::Start)?;
        let build = started.build_value().map(state);
        build.ok_or_else(|| BuildsError::Start(Fault::transient(doing, "CodeBuild answered without a build")))
    }

    /// The state of one build; None when CodeBuild does not know it. Questions asked at the same time share a call.
    pub async fn get(&self, id: &str) -> Answer {
        self.known.one(id, "reading a build").await
    }

    /// The build that was started for an Incident's attempt, looked for among the project's last 100: for when an
    /// idempotency token is too old to be trusted.
    pub async fn find(&self, project: &str, incident: &str, attempt: u32) -> Answer {
        let doing = format!("listing the builds of CodeBuild project {project}");
        let listed = ask(&doing, TIMEOUT, self.client.list_builds_for_project().project_name(project).send()).await?;
        let ids: Vec<String> = listed.ids().iter().take(BATCH).cloned().collect();
        if ids.is_empty() {
            return Ok(None);
        }
        let builds = ask(&doing, TIMEOUT, self.client.batch_get_builds().set_ids(Some(ids)).send()).await?;
        let attempt = attempt.to_string();
        let ours = builds.builds().iter().find(|build| {
            let variables = build.environment().map(ProjectEnvironment::environment_variables).unwrap_or_default();
            let has = |name: &str, value: &str| variables.iter().any(|v| v.name() == name && v.value() == value);
            has("REFORGE_INCIDENT", incident) && has("REFORGE_ATTEMPT", &attempt)
        });
        Ok(ours.map(state))
    }
}

/// What decides over what a build of the project does, as one SHA-256: role, sources, image and where it comes from, buildspec,
/// network, cache, file systems, environment, and how many may run. The Terraform module's output `project_fingerprints` is
/// made in the same way. Each line is hashed first, so that no value can pass for two lines.
fn fingerprint(project: &Project) -> String {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let (source, environment) = (project.source(), project.environment());
    let mut variables: Vec<String> = environment
        .map(ProjectEnvironment::environment_variables)
        .unwrap_or_default()
        .iter()
        .map(|v| format!("{} {}={}", v.r#type().map_or("PLAINTEXT", |t| t.as_str()), v.name(), v.value()))
        .collect();
    variables.sort();
    let mut lines = vec![
        text(project.service_role()),
        text(source.map(|s| s.r#type().as_str())),
        text(source.and_then(|s| s.location())),
        text(environment.map(ProjectEnvironment::image)),
        environment.and_then(ProjectEnvironment::privileged_mode).unwrap_or(false).to_string(),
        text(source.and_then(|s| s.buildspec())),
        text(project.source_version()),
        project.secondary_sources().len().to_string(),
        text(project.vpc_config().and_then(|v| v.vpc_id())),
        project.cache().map_or("NO_CACHE", |c| c.r#type().as_str()).to_owned(),
        text(environment.map(|e| e.r#type().as_str())),
        text(environment.and_then(|e| e.fleet()).and_then(|f| f.fleet_arn())),
        text(environment.and_then(ProjectEnvironment::certificate)),
        text(environment.and_then(ProjectEnvironment::registry_credential).map(RegistryCredential::credential)),
        project.file_system_locations().len().to_string(),
        project.concurrent_build_limit().filter(|limit| *limit > 0).map(|limit| limit.to_string()).unwrap_or_default(),
    ];
    lines.extend(variables);
    let hashes: Vec<String> = lines.iter().map(|line| hex::encode(Sha256::digest(line))).collect();
    hex::encode(Sha256::digest(hashes.join("\n")))
}

fn state(build: &Build) -> BuildState {
    let time = |t: Option<&aws_sdk_codebuild::primitives::DateTime>| t.and_then(|t| t.to_millis().ok()).map(Time);
    let error = build.exported_environment_variables().iter().find(|v| v.name() == Some("REFORGE_ERROR"));
    BuildState {
        id: build.id().unwrap_or_default().to_owned(),
        status: build.build_status().map_or(BuildStatus::InProgress, |s| BuildStatus::of(s.as_str())),
        url: build.logs().and_then(|l| l.deep_link()).map(str::to_owned),
        start: time(build.start_time()),
        end: time(build.end_time()),
        error: error.and_then(|v| v.value()).filter(|v| !v.is_empty()).map(BuildError::of),
        failure: None,
    }
}
