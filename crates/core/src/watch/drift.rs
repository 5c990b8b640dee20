//! What a plan on a schedule found: the Incidents of what somebody changed and no event told of.

use kube::ResourceExt;
use reforge_api::{Actor, Change, Event, Handling, Origin, PolicyRef, RecoveryPolicy, Resource, Time};
use sha2::{Digest, Sha256};

use crate::catalog::{Catalog, Entry};
use crate::index::{How, Index, Key, Row};
use crate::intake::candidate::Candidate;
use crate::plan::inventory::{Inventory, Owned};
use crate::plan::summary::{PlanChange, Summary};

/// The Incidents of what a plan found: what Terraform owned, somebody changed, and a plan would put back. Nothing for a
/// resource that an Incident is open about.
pub fn candidates(
    catalog: &Catalog,
    policy: &RecoveryPolicy,
    (summary, inventory): (&Summary, &Inventory),
    incidents: &Index,
    at: Time,
) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    for change in &summary.changes {
        let Some(owned) = inventory.resources.iter().find(|o| o.address == change.address) else { continue };
        if !summary.drift.iter().any(|d| d.address == change.address) {
            continue;
        }
        let Some((entry, id)) = resource(catalog, owned) else { continue };
        let is_itself = entry.terraform_types.contains(&owned.r#type);
        let change_is = if is_itself && summary.is_gone(&change.address) { Change::Deleted } else { Change::Modified };
        let earlier = incidents.of_resource(Key::of_resource(&inventory.account_id, &entry.r#type, &id));
        let earlier = earlier.filter(|row| entry.global || *row.region == *inventory.region);
        let found_already = |c: &Candidate| (&c.resource.r#type, &c.resource.id) == (&entry.r#type, &id);
        if found.iter().any(found_already) || earlier.clone().any(|row| !row.is_over()) {
            continue;
        }
        // The same drift is the same Incident, however often it is found; once it was put back, or that failed, it is
        // another one.
        let is_over = |row: &&Row| row.ended.is_some_and(|e| matches!(e.how, How::Recovered | How::Failed));
        // By the last one of those, which is kept the longest: how many there are goes down when some are deleted.
        let last = earlier.filter(is_over).max_by_key(|row| (row.created, &row.id)).map(|row| row.id.to_string());
        let event = Event {
            origin: Origin::Drift,
            id: event_id(policy, change, last.as_deref()),
            time: at,
            name: "DriftDetected".to_owned(),
            source: "reforge.dev".to_owned(),
            account_id: inventory.account_id.clone(),
            region: inventory.region.clone(),
            actor: Actor { r#type: "Unknown".to_owned(), ..Actor::default() },
            request_parameters: None,
        };
        found.push(Candidate {
            namespace: policy.namespace().unwrap_or_default(),
            policy: PolicyRef { name: policy.name_any() },
            resource: Resource {
                r#type: entry.r#type.clone(),
                cloud_formation_type: entry.cloud_formation_type.clone(),
                arn: entry.arn_of(&inventory.region, &inventory.account_id, &id),
                id,
            },
            event,
            change: change_is,
            handling: Handling::Recover,
        });
    }
    found
}

fn resource<'a>(catalog: &'a Catalog, owned: &Owned) -> Option<(&'a Entry, String)> {
    let of = |types: &dyn Fn(&Entry) -> &Vec<String>| {
        catalog.entries().iter().filter(|e| types(e).contains(&owned.r#type)).find_map(|entry| {
            let mut named = entry.identity.iter().filter_map(|name| owned.attributes.get(name));
            named.find_map(|id| catalog.valid_id(entry, id)).map(|id| (entry, id))
        })
    };
    of(&|e| &e.terraform_types).or_else(|| of(&|e| &e.attachments))
}

fn event_id(policy: &RecoveryPolicy, change: &PlanChange, last: Option<&str>) -> String {
    let (uid, mode) = (policy.uid().unwrap_or_default(), policy.spec.mode);
    let text = format!("{uid}\n{mode:?}\n{}\n{}\n{}", change.address, change.value_hash, last.unwrap_or("0"));
    format!("drift-{}", &hex::encode(Sha256::digest(text))[..32])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::inventory::Backend;
    use crate::plan::summary::Drift;
    use crate::policy::schedule::tests::policy;
    use reforge_api::{Condition, ConditionStatus, Incident, StepName, condition, reason};
    use serde_json::json;

    fn at(text: &str) -> Time {
        Time::parse(text).expect("a time")
    }

    fn found(incidents: &[&Incident]) -> Vec<Candidate> {
        let mut index = Index::default();
        for incident in incidents {
            index.put(Row::from(*incident));
        }
        let owned = |address: &str, r#type: &str, name: &str, value: &str| Owned {
            address: address.into(),
            r#type: r#type.into(),
            attributes: [(name.to_owned(), value.to_owned())].into(),
        };
        let change = |address: &str, r#type: &str, action: &str| -> PlanChange {
            serde_json::from_value(json!({"address": address, "type": r#type, "actions": [action], "valueHash": "h"}))
                .expect("a change")
        };
        let drift = |address: &str, action: &str| Drift { address: address.into(), actions: vec![action.into()] };
        let inventory = Inventory {
            workspace: "shop".into(),
            account_id: "111122223333".into(),
            region: "eu-west-1".into(),
            backend: Backend { bucket: "b".into(), key: "k".into() },
            resources: vec![
                owned("aws_dynamodb_table.a", "aws_dynamodb_table", "name", "orders"),
                owned("aws_s3_bucket_policy.p", "aws_s3_bucket_policy", "bucket", "shop-data"),
                owned("aws_dynamodb_table.b", "aws_dynamodb_table", "name", "carts"),
            ],
        };
        let summary = Summary {
            drift: vec![drift("aws_dynamodb_table.a", "delete"), drift("aws_s3_bucket_policy.p", "update")],
            changes: vec![
                change("aws_dynamodb_table.a", "aws_dynamodb_table", "create"),
                change("aws_s3_bucket_policy.p", "aws_s3_bucket_policy", "update"),
                // Its Terraform was changed and is not applied yet.
                change("aws_dynamodb_table.b", "aws_dynamodb_table", "update"),
                change("aws_dynamodb_table.new", "aws_dynamodb_table", "create"),
            ],
            ..Summary::default()
        };
        candidates(Catalog::builtin(), &policy(), (&summary, &inventory), &index, at("2026-01-01T06:00:30Z"))
    }

    fn incident(candidate: &Candidate, ended: Option<&str>) -> Incident {
        let mut incident = Incident::new("i", candidate.spec());
        incident.status = ended.map(|holds| {
            let mut status = reforge_api::IncidentStatus::default();
            status.step.name = StepName::Ended;
            status.conditions.push(Condition {
                r#type: holds.into(),
                status: ConditionStatus::True,
                reason: reason::SUCCEEDED.into(),
                message: String::new(),
                last_transition_time: Time(0),
                observed_generation: None,
            });
            status
        });
        incident
    }

    #[test]
    fn drift_is_what_somebody_changed_and_not_what_its_owner_has_not_applied() {
        let found = found(&[]);
        let what: Vec<_> = found.iter().map(|c| (c.resource.id.as_str(), c.change)).collect();
        assert_eq!(what, [("orders", Change::Deleted), ("shop-data", Change::Modified)]);
        assert!(found.iter().all(|c| c.event.origin == Origin::Drift));
    }

    #[test]
    fn the_same_drift_is_the_same_incident_until_it_was_put_back() {
        let first = &found(&[])[0];
        assert!(found(&[&incident(first, None)]).iter().all(|c| c.resource.id != "orders"), "one is open");
        let again = |holds| found(&[&incident(first, Some(holds))])[0].event.id.clone();
        assert_eq!(again(condition::READY), first.event.id);
        assert_ne!(again(condition::RECOVERED), first.event.id);
        assert_ne!(again(condition::STALLED), first.event.id);
    }
}
