//! Asks the apiserver whether it still checks who decides on a plan: the admission policies of the chart and their
//! bindings, live, each time that a decision is about to count.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use kube::Client;
use kube::api::Api;
use reforge_core::policy::admission;
use serde_json::Value;

use crate::call::{KubeCallError, kube_call};

/// The admission policies as they should be.
#[derive(Clone)]
pub struct Guard {
    policies: Api<ValidatingAdmissionPolicy>,
    bindings: Api<ValidatingAdmissionPolicyBinding>,
    wanted: BTreeMap<String, Value>,
}

impl Guard {
    /// Compares with `wanted`: the specs by name, from the settings.
    pub fn new(client: Client, wanted: BTreeMap<String, Value>) -> Self {
        Self { policies: Api::all(client.clone()), bindings: Api::all(client), wanted }
    }

    /// Why no decision counts; None: the apiserver checks them.
    pub async fn trouble(&self) -> Result<Option<String>, KubeCallError> {
        if self.wanted.is_empty() {
            return Ok(Some(
                "the settings do not say which admission policies there are (settings.admission)".to_owned(),
            ));
        }
        for (name, wanted) in &self.wanted {
            let policy = kube_call(self.policies.get_opt(name)).await?.and_then(|p| p.spec);
            let binding = kube_call(self.bindings.get_opt(name)).await?.and_then(|b| b.spec);
            let policy = policy.map(serde_json::to_value).transpose()?;
            let binding = binding.map(serde_json::to_value).transpose()?;
            if let Some(trouble) = admission::trouble(name, wanted, policy.as_ref(), binding.as_ref()) {
                return Ok(Some(format!("{trouble}; helm upgrade puts it back")));
            }
        }
        Ok(None)
    }
}
