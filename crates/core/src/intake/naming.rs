//! The Incident that a candidate becomes, under a name that follows from its event: a redelivered message, or another replica,
//! finds it there already.

use std::collections::BTreeMap;

use kube::core::ObjectMeta;
use reforge_api::{Incident, IncidentSpec, LABEL_POLICY, LABEL_TYPE};
use sha2::{Digest, Sha256};

use crate::intake::candidate::Candidate;

/// `<type>-<20 hex digits>`: the same for the same event and resource, in whatever order and however often it comes.
pub fn name_of(candidate: &Candidate) -> String {
    let event = &candidate.event;
    let text = [&event.account_id, &event.region, &event.id, &candidate.resource.id].map(String::as_str).join("\n");
    let digest = hex::encode(Sha256::digest(text));
    format!("{}-{}", candidate.resource.r#type, &digest[..20])
}

/// The Incident to store, in the candidate's namespace.
pub fn incident_of(candidate: &Candidate) -> Incident {
    let labels = BTreeMap::from([
        (LABEL_TYPE.to_owned(), candidate.resource.r#type.clone()),
        (LABEL_POLICY.to_owned(), candidate.policy.name.clone()),
    ]);
    Incident {
        metadata: ObjectMeta { name: Some(name_of(candidate)), labels: Some(labels), ..ObjectMeta::default() },
        spec: candidate.spec(),
        status: None,
    }
}

/// Whether two Incidents of one name are about the same. The policy is not compared: another one may take the event by now.
pub fn is_the_same_event(a: &IncidentSpec, b: &IncidentSpec) -> bool {
    (&a.event.id, &a.event.account_id, &a.event.region, &a.resource.id)
        == (&b.event.id, &b.event.account_id, &b.event.region, &b.resource.id)
}
