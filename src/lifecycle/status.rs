//! Writes what was decided: one server-side apply by one field manager, carrying the resourceVersion that was decided
//! on, so that a late Deny or another leader wins by conflict. Never called when nothing changed.

use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use reforge_api::{Incident, IncidentStatus};
use serde_json::json;

use crate::runtime::{KubeCallError, kube_call};

/// The field manager of every status that the operator writes.
pub const FIELD_MANAGER: &str = "reforge";

/// Writes `status` over that of `incident`; a conflict (409) says that it is no longer what was decided on.
pub async fn write(
    api: &Api<Incident>,
    incident: &Incident,
    status: &IncidentStatus,
) -> Result<Incident, KubeCallError> {
    let patch = json!({
        "apiVersion": "reforge.dev/v1alpha1",
        "kind": "Incident",
        "metadata": {"name": incident.name_any(), "resourceVersion": incident.resource_version()},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    kube_call(api.patch_status(&incident.name_any(), &params, &Patch::Apply(&patch))).await
}
