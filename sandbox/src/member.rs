//! Another account that joins the install: its own projects, bucket and table, and rules that send to the hub's bus.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::install::Sandbox;

/// The account; its id is the access key that acts in it.
pub const MEMBER: &str = "444455556666";
/// Its workspace.
pub const ELSEWHERE: &str = "elsewhere";
/// The policy for it.
pub const MEMBER_POLICY: &str = include_str!("../member-policy.yaml");
const SOURCE: &str = "elsewhere-source";
const EXTERNAL_ID: &str = "f3c1a9d27b60455e8a14";

impl Sandbox {
    /// Has the account join, and applies its workspace. Gives back what the operator's settings need of it: its entry of
    /// `accounts`, and its recovery roles.
    pub async fn join(&self) -> Result<(Value, Vec<Value>)> {
        self.create_source_bucket(MEMBER, SOURCE).await?;
        self.publish_source_to(MEMBER, SOURCE).await?;
        let hub = self.outputs();
        let member_of = json!({"operator_role_arn": hub.operator_role_arn, "external_id": EXTERNAL_ID});
        let given = [
            format!("source_bucket={SOURCE}"),
            format!("bus_arn={}", hub.bus_arn.as_deref().context("the install is no hub")?),
            format!("event_patterns={}", json!(hub.event_patterns)),
            format!("member_of={member_of}"),
        ];
        let outputs = self.apply_root(MEMBER, "member", &given.each_ref().map(String::as_str)).await?;
        let bucket = outputs["artifact_bucket"].as_str().unwrap_or_default();
        self.apply_workspace_in((MEMBER, bucket), "dynamodb", ELSEWHERE).await?;
        self.run_plan_as(MEMBER, ELSEWHERE).await?;
        let roles = outputs["recovery_role_arns"].as_array().cloned().unwrap_or_default();
        Ok((outputs["account"].clone(), roles))
    }
}
