//! What things are called: Incidents where others speak of them, builds where AWS does.

use kube::ResourceExt;
use reforge_api::Incident;

/// Who asks: namespace and name of an Incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Holder {
    /// The Incident as a holder.
    pub fn of(incident: &Incident) -> Self {
        Self { namespace: incident.namespace().unwrap_or_default(), name: incident.name_any() }
    }

    /// Namespace and name, as leases and ledgers have it.
    pub fn text(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// What [`Self::text`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, name) = text.split_once('/')?;
        Some(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

/// The UUID in a build id.
pub fn uuid_of(build_id: &str) -> &str {
    build_id.rsplit(':').next().unwrap_or(build_id)
}
