//! `reforge crds`.

use anyhow::Result;
use kube::CustomResourceExt;

use crate::api::{Incident, RecoveryPolicy};

/// The manifests of both kinds, each with its file name: what `crds/` and the chart hold.
pub fn manifests() -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("incidents.yaml", serde_yaml::to_string(&Incident::crd())?),
        ("recoverypolicies.yaml", serde_yaml::to_string(&RecoveryPolicy::crd())?),
    ])
}
