//! Incidents by the thousand: as many ended ones as are wanted, of the size that real ones have; and others, as fast as the
//! apiserver stores them.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::ControlPlane;
use crate::incidents::{incidents_at, kind};

/// Calls side by side.
const AT_ONCE: usize = 16;
/// Incidents that are asked for at once: as many as the operator does.
const PAGE: u32 = 100;

/// Ended Incidents in the namespace of the operator, and who else is among them.
pub struct Crowd(Api<DynamicObject>);

impl fmt::Debug for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Crowd")
    }
}

impl Crowd {
    /// On a control plane.
    ///
    /// # Errors
    /// When its kubeconfig cannot be read.
    pub async fn at(plane: &ControlPlane) -> Result<Self> {
        incidents_at(&plane.kubeconfig()).await.map(Self)
    }

    /// Stores ended Incidents, from one number to another.
    ///
    /// # Errors
    /// When the apiserver refuses one.
    pub async fn grow(&self, from: usize, to: usize) -> Result<()> {
        let stored = stream::iter(from..to).map(|i| self.store(i)).buffer_unordered(AT_ONCE);
        stored.try_collect::<()>().await
    }

    async fn store(&self, i: usize) -> Result<()> {
        let name = format!("dynamodb-{i:020x}");
        self.create(&incident(&name, i)).await?;
        self.write_status(&name, &status(i)).await
    }

    /// Stores an Incident.
    ///
    /// # Errors
    /// When the apiserver refuses it.
    pub async fn create(&self, incident: &Value) -> Result<()> {
        let incident: DynamicObject = serde_json::from_value(incident.clone())?;
        self.0.create(&PostParams::default(), &incident).await.context("storing an Incident").map(|_| ())
    }

    /// Writes into the status of an Incident.
    ///
    /// # Errors
    /// When the apiserver refuses it.
    pub async fn write_status(&self, name: &str, status: &Value) -> Result<()> {
        let status = json!({"status": status});
        let written = self.0.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await;
        written.context("writing a status").map(|_| ())
    }

    /// Stores the Incidents of a type once more in another namespace, so many at once, and says how many there were and how long
    /// that took: nothing but the creates. The copies are deleted again.
    ///
    /// # Errors
    /// When the apiserver refuses one.
    pub async fn copy_into(&self, namespace: &str, resource_type: &str, at_once: usize) -> Result<(usize, Duration)> {
        let of_type = ListParams::default().fields(&format!("spec.resource.type={resource_type}"));
        let mut copies = self.0.list(&of_type).await.context("listing Incidents")?.items;
        for copy in &mut copies {
            let (name, labels) = (copy.metadata.name.take(), copy.metadata.labels.take());
            copy.metadata = ObjectMeta { name, labels, ..ObjectMeta::default() };
            if let Some(all) = copy.data.as_object_mut() {
                all.remove("status");
            }
        }
        let there: Api<DynamicObject> = Api::namespaced_with(self.0.clone().into_client(), namespace, &kind());
        let (start, params) = (Instant::now(), PostParams::default());
        let stored = stream::iter(&copies).map(|copy| there.create(&params, copy)).buffer_unordered(at_once);
        stored.try_for_each(async |_| Ok(())).await.context("storing an Incident")?;
        let took = start.elapsed();
        there
            .delete_collection(&DeleteParams::default(), &ListParams::default())
            .await
            .context("deleting the copies")?;
        Ok((copies.len(), took))
    }

    /// Deletes the Incidents of a type.
    ///
    /// # Errors
    /// When the apiserver does not answer.
    pub async fn clear(&self, resource_type: &str) -> Result<()> {
        let of_type = ListParams::default().fields(&format!("spec.resource.type={resource_type}"));
        let deleted = self.0.delete_collection(&DeleteParams::default(), &of_type).await;
        deleted.context("deleting Incidents").map(|_| ())
    }

    /// How long a list of all takes, page by page, without looking at them.
    ///
    /// # Errors
    /// When the apiserver does not answer.
    pub async fn list_in_pages(&self) -> Result<Duration> {
        let start = Instant::now();
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let listed = self.0.list(&page).await.context("listing Incidents")?;
            match listed.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(start.elapsed()),
            }
        }
    }

    /// How many of a type have ended whose resource's id begins so.
    ///
    /// # Errors
    /// When the apiserver does not answer.
    pub async fn ended_of(&self, resource_type: &str, prefix: &str) -> Result<usize> {
        let of_type = ListParams::default().fields(&format!("spec.resource.type={resource_type}"));
        let all = self.0.list(&of_type).await.context("listing Incidents")?;
        let counts = |i: &&DynamicObject| {
            let id = i.data["spec"]["resource"]["id"].as_str().unwrap_or_default();
            id.starts_with(prefix) && i.data["status"]["step"]["name"] == "Ended"
        };
        Ok(all.items.iter().filter(counts).count())
    }
}

fn incident(name: &str, i: usize) -> Value {
    json!({
        "apiVersion": "reforge.dev/v1alpha1", "kind": "Incident",
        "metadata": {"name": name, "labels": {"reforge.dev/policy": "policy-1", "reforge.dev/type": "dynamodb"}},
        "spec": {
            "event": {
                "origin": "CloudTrail", "id": format!("{i:08x}-1111-4222-8333-444455556666"), "time": "2026-01-02T03:04:05.000Z",
                "name": "DeleteTable", "source": "dynamodb.amazonaws.com", "accountId": "111122223333", "region": "us-east-1",
                "actor": {"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/developer/ann@example.com",
                    "issuerArn": "arn:aws:iam::111122223333:role/developer", "sessionName": "ann@example.com",
                    "sourceIp": "203.0.113.7", "userAgent": "aws-cli/2.31.5 md/awscrt#0.27.6 ua/2.1 os/linux"},
                "requestParameters": json!({"tableName": format!("orders-{i}")}).to_string(),
            },
            "resource": {"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": format!("orders-{i}"),
                "arn": format!("arn:aws:dynamodb:us-east-1:111122223333:table/orders-{i}")},
            "change": "Deleted", "policyRef": {"name": format!("policy-{}", i % 100)},
        },
    })
}

fn status(i: usize) -> Value {
    // An hour ago: they are kept for a while yet.
    let began = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
    let at = |second: i64| format!("{:.3}", began + jiff::SignedDuration::from_secs(second));
    let condition = |r#type: &str, holds: &str, reason: &str, message: &str| json!({"type": r#type, "status": holds, "reason": reason, "message": message, "lastTransitionTime": at(100)});
    let address = format!("aws_dynamodb_table.orders[{i}]");
    let build = |kind: &str, from: i64, to: i64| {
        let id = format!("shop-{}:{:08x}-aaaa-4bbb-8ccc-{:012x}", kind.to_lowercase(), i, from);
        json!({"kind": kind, "id": id, "status": "SUCCEEDED", "start": at(from), "end": at(to),
            "url": format!("https://us-east-1.console.aws.amazon.com/codesuite/codebuild/111122223333/projects/shop/build/{id}/log")})
    };
    json!({
        "observedGeneration": 1, "phase": "Recovered", "step": {"attempt": 1, "name": "Ended"},
        "conditions": [
            condition("Ready", "True", "Verified", "The resource is back"),
            condition("Reconciling", "False", "Verified", "The resource is back"),
            condition("Stalled", "False", "Verified", "The resource is back"),
            condition("Located", "True", "InInventory", &format!("Workspace shop owns it as {address}")),
            condition("Classified", "True", "ByRules", "DeleteTable by arn:aws:iam::111122223333:role/developer is no expected work"),
            condition("Planned", "True", "Succeeded", "The plan has 1 changes"),
            condition("Approved", "True", "Cleared", "The policy lets this plan go by itself"),
            condition("Recovered", "True", "Verified", "The resource is back"),
        ],
        "workspace": {"name": "shop", "backend": format!("states/shop-{}.tfstate", i % 20), "addresses": [address]},
        "classification": {"verdict": "Failure", "confidencePercent": 90, "by": "Rules",
            "reason": "DeleteTable by arn:aws:iam::111122223333:role/developer is no expected work"},
        "plan": {"build": build("Plan", 5, 40)["id"], "digest": "a".repeat(64), "changeDigest": "b".repeat(64),
            "sourceVersion": "c".repeat(40), "policyGeneration": 1, "policyUid": "11111111-2222-4333-8444-555566667777",
            "targets": [address], "changesTotal": 1,
            "changes": [{"address": address, "type": "aws_dynamodb_table", "actions": ["create"], "attributes": ["arn", "id"]}]},
        "gate": {"decision": "Go", "reasons": []},
        "recovery": {"committedTo": "a".repeat(64), "failures": 0, "builds": [build("Plan", 5, 40), build("Apply", 42, 90)],
            "build": build("Apply", 42, 90)},
        "verification": {"data": "Empty", "checks": [
            {"name": "table is ACTIVE", "passed": true, "detail": "ACTIVE"},
            {"name": "Terraform agrees", "passed": true, "detail": "nothing left to change"}]},
        "timeline": {"eventTime": at(0), "detectedAt": at(2), "classifiedAt": at(3), "settledAt": at(4), "plannedAt": at(41),
            "approvedAt": at(41), "recoveringAt": at(41), "endedAt": at(100), "timeToDetect": "2s", "timeToRecover": "1m40s"},
    })
}
