//! Writes what was decided: one server-side apply by one field manager, carrying the resourceVersion that was decided
//! on, so that a late Deny or another leader wins by conflict. Never called when nothing changed.

use std::time::Duration;

use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use reforge_api::{Incident, IncidentStatus};
use reforge_core::incident::trouble;
use reforge_core::words::fault::Fault;
use serde_json::json;

use crate::call::{KubeCallError, kube_call};
use crate::clock;

/// The field manager of every status that the operator writes.
pub const FIELD_MANAGER: &str = "reforge";

/// What came of writing a status.
#[derive(Debug)]
pub enum Written {
    /// It is stored.
    Done(Incident),
    /// The apiserver does not take it: that is said in the status that was there before, and it is decided again after a pause.
    Refused(Incident, Duration),
}

/// Writes `status` over that of `incident`; a conflict (409) says that it is no longer what was decided on.
///
/// # Errors
/// When the apiserver does not answer, somebody else wrote first, or it does not even take that it has refused.
pub async fn write(
    api: &Api<Incident>,
    incident: &Incident,
    status: &IncidentStatus,
) -> Result<Written, KubeCallError> {
    match apply(api, incident, status).await {
        Err(refusal) if refusal.is_refusal() => {
            let mut before = incident.status.clone().unwrap_or_default();
            let name = incident.name_any();
            let fault = Fault::ours("storing what comes next in this status", &refusal.fault("").said);
            let pause = trouble::tell(&mut before, &fault, &name, clock::now());
            tracing::error!(incident = name, %refusal, "the apiserver does not take the Incident's next status");
            let told = apply(api, incident, &before).await?;
            Ok(Written::Refused(told, Duration::from_millis(pause.unsigned_abs())))
        }
        written => written.map(Written::Done),
    }
}

async fn apply(api: &Api<Incident>, incident: &Incident, status: &IncidentStatus) -> Result<Incident, KubeCallError> {
    let patch = json!({
        "apiVersion": "reforge.dev/v1alpha1",
        "kind": "Incident",
        "metadata": {"name": incident.name_any(), "resourceVersion": incident.resource_version()},
        "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    kube_call(api.patch_status(&incident.name_any(), &params, &Patch::Apply(&patch))).await
}
