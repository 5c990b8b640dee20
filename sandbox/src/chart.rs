//! The chart, installed with helm into a control plane.
//!
//! Given a control plane, helm, the repository and the chart's settings, it leaves the chart installed with its admission
//! policies enforced. No pod will run: the operator is a child process under the chart's ServiceAccount.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::ControlPlane;
use crate::install::{NAMESPACE, printed};

/// The chart, its release and its ServiceAccount.
const CHART: &str = "reforge";
/// An Incident that somebody else than the operator tries to create.
const SOMEBODYS_INCIDENT: &str = include_str!("../somebodys-incident.yaml");

/// Installs the chart, and gives back the settings that it rendered: those that the operator is to be started with.
pub async fn install(plane: &ControlPlane, helm: &Path, repository: &Path, settings: &Value) -> Result<Value> {
    upgrade(plane, helm, repository, settings).await?;
    let map = ["get", "configmap", CHART, "-n", NAMESPACE, "-o", "jsonpath={.data.settings\\.yaml}"];
    let settings = plane.kubectl(&map)?;
    serde_yaml::from_str(&settings).context("the chart's settings")
}

/// Installs the chart, or puts back what was changed of it, and waits until its admission policies are enforced.
pub async fn upgrade(plane: &ControlPlane, helm: &Path, repository: &Path, settings: &Value) -> Result<()> {
    let values = plane.folder().join("values.yaml");
    fs::write(&values, json!({"settings": settings}).to_string())?;
    let mut install = Command::new(helm);
    install.args(["upgrade", "--install", CHART, "--namespace", NAMESPACE, "--create-namespace", "--values"]);
    install.arg(&values).arg(repository.join("charts/reforge"));
    install.env("KUBECONFIG", plane.kubeconfig()).env("HOME", plane.folder());
    printed(&mut install, "helm upgrade --install").await?;
    plane.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"])?;
    let start = Instant::now();
    loop {
        let created = plane.kubectl_with(SOMEBODYS_INCIDENT, &["create", "--dry-run=server", "-f", "-"]);
        match created {
            Err(refused) if refused.to_string().contains("are opened by Reforge") => return Ok(()),
            Err(other) => return Err(other.context("trying the admission policies")),
            Ok(_) if start.elapsed() > Duration::from_secs(60) => bail!("the admission policies are not enforced"),
            Ok(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// A kubeconfig of the chart's ServiceAccount.
pub fn kubeconfig(plane: &ControlPlane) -> Result<PathBuf> {
    plane.kubeconfig_of(NAMESPACE, CHART)
}
