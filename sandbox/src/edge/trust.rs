//! Who may assume a role: its trust policy, as far as it asks for an external id (IAM User Guide, "Access to AWS accounts owned by third parties").
//!
//! Given an `AssumeRole`, it gives the refusal, if there is to be one. Principals and other conditions are not looked at, and a role that the
//! emulator does not have is not missed.

use super::call::{Call, percent_decode, xml_text};
use super::http::Reply;
use super::principal::{DEFAULT_REGION, Principals};
use super::upstream::{Scope, Upstream};
use serde_json::{Value, json};

/// The refusal of an `AssumeRole` without the external id that the role's account asks for; nothing for every other call.
pub async fn refusal(upstream: &Upstream, principals: &Principals, call: &Call) -> Option<Reply> {
    if call.service != "sts" || call.operation != "AssumeRole" {
        return None;
    }
    let role = call.parameters["roleArn"].as_str()?;
    let policy = trust_policy(upstream, role).await?;
    if admits(&policy, call.parameters["externalId"].as_str()) {
        return None;
    }
    let identity = principals.identity(&call.credential);
    let caller = identity["arn"].as_str().unwrap_or_default();
    let message = format!("User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role}");
    Some(call.refusal(403, "AccessDenied", &message))
}

/// The trust policy of a role, from the role's own account.
async fn trust_policy(upstream: &Upstream, role: &str) -> Option<Value> {
    let scope = Scope { account: role.split(':').nth(4)?.to_owned(), region: DEFAULT_REGION.to_owned() };
    let name = role.rsplit('/').next()?;
    let pairs = [("Action", "GetRole"), ("Version", "2010-05-08"), ("RoleName", name)];
    match upstream.query("iam", &scope, &pairs).await {
        Ok(reply) => {
            let document = xml_text(&reply.text(), "AssumeRolePolicyDocument")?;
            serde_json::from_str(&percent_decode(&document)).ok()
        }
        Err(error) => {
            tracing::warn!(role, %error, "a role's trust policy could not be read");
            None
        }
    }
}

/// Whether one of the statements that allow `sts:AssumeRole` is content with the external id; also when there is no such statement.
fn admits(policy: &Value, external_id: Option<&str>) -> bool {
    let allowing: Vec<&Value> = each(&policy["Statement"])
        .iter()
        .filter(|s| s["Effect"] == json!("Allow") && each(&s["Action"]).contains(&json!("sts:AssumeRole")))
        .collect();
    allowing.is_empty() || allowing.iter().any(|statement| is_content(statement, external_id))
}

fn is_content(statement: &Value, external_id: Option<&str>) -> bool {
    let conditions = statement["Condition"].as_object().into_iter().flatten();
    let mut asked = conditions.flat_map(|(operator, keys)| {
        let keys = keys.as_object().into_iter().flatten();
        keys.filter(|(key, _)| key.eq_ignore_ascii_case("sts:ExternalId")).map(move |(_, wanted)| (operator, wanted))
    });
    asked.all(|(operator, wanted)| {
        if operator != "StringEquals" {
            tracing::warn!(operator, "the sandbox compares external ids by StringEquals only, and refuses the rest");
        }
        operator == "StringEquals" && external_id.is_some_and(|id| each(wanted).contains(&json!(id)))
    })
}

/// In a policy, one of a thing may stand for a list of one.
fn each(value: &Value) -> &[Value] {
    value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice)
}
