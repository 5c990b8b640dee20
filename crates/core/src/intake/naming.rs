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

#[cfg(test)]
mod tests {
    use super::*;
    use reforge_api::{Change, Handling, PolicyRef};
    use serde_json::json;

    fn candidate() -> Candidate {
        let event = json!({"id": "e", "time": "2026-01-02T03:04:05Z", "name": "DeleteTable", "source": "s",
            "accountId": "1", "region": "r", "actor": {"type": "IAMUser"}});
        let resource = json!({"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": "orders"});
        Candidate {
            namespace: "shop".into(),
            policy: PolicyRef { name: "p".into() },
            event: serde_json::from_value(event).expect("an event"),
            resource: serde_json::from_value(resource).expect("a resource"),
            change: Change::Deleted,
            handling: Handling::Recover,
        }
    }

    #[test]
    fn an_incident_is_found_by_its_event_and_listed_by_its_type_and_policy() {
        let incident = incident_of(&candidate());
        let name = incident.metadata.name.expect("a name");
        assert_eq!(name, name_of(&candidate()));
        assert_eq!((name.len(), name.starts_with("dynamodb-")), ("dynamodb-".len() + 20, true));
        let labels = incident.metadata.labels.expect("labels");
        assert_eq!((labels[LABEL_TYPE].as_str(), labels[LABEL_POLICY].as_str()), ("dynamodb", "p"));
    }

    #[test]
    fn incidents_of_one_name_are_the_same_by_event_account_region_and_resource() {
        let one = candidate().spec();
        let mut same = one.clone();
        same.policy_ref.name = "another".into();
        assert!(is_the_same_event(&one, &same), "another policy takes it by now");
        let others: [fn(&mut IncidentSpec); 4] = [
            |s| s.event.id = "f".into(),
            |s| s.event.account_id = "2".into(),
            |s| s.event.region = "q".into(),
            |s| s.resource.id = "users".into(),
        ];
        for change in others {
            let mut other = one.clone();
            change(&mut other);
            assert!(!is_the_same_event(&one, &other), "{other:?}");
        }
    }
}
