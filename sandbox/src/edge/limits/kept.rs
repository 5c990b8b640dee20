//! Limits on what there is in all: the emulator is asked what it has, and what the request adds is added.
//!
//! Two requests at once may both be let through, as on AWS. What the emulator does not know is its own to refuse.

use super::asked::{Asked, dense};
use super::limit::Kept;
use crate::edge::call::{parse_xml, percent_decode, xml_text};
use crate::edge::upstream::Upstream;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// How many there would be after the call; nothing when the emulator has no such thing.
pub async fn measured(kept: Kept, upstream: &Upstream, asked: &Asked<'_>) -> Option<u64> {
    match kept {
        Kept::InlinePolicies => inline_policies(upstream, asked).await,
        Kept::AttachedPolicies => {
            let role = asked.text("RoleName")?;
            let xml = iam(upstream, asked, &[("Action", "ListAttachedRolePolicies"), ("RoleName", role)]).await?;
            let mut arns = texts(&xml, "PolicyArn");
            arns.insert(asked.text("PolicyArn")?.to_owned());
            Some(arns.len() as u64)
        }
        Kept::PolicyVersions => {
            let arn = asked.text("PolicyArn")?;
            let xml = iam(upstream, asked, &[("Action", "ListPolicyVersions"), ("PolicyArn", arn)]).await?;
            Some(texts(&xml, "VersionId").len() as u64 + 1)
        }
        Kept::Rules => rules(upstream, asked).await,
        Kept::Targets => targets(upstream, asked).await,
    }
}

async fn inline_policies(upstream: &Upstream, asked: &Asked<'_>) -> Option<u64> {
    let (role, name) = (asked.text("RoleName")?, asked.text("PolicyName")?);
    let mut all = dense(asked.text("PolicyDocument")?);
    let xml = iam(upstream, asked, &[("Action", "ListRolePolicies"), ("RoleName", role)]).await?;
    for other in texts(&xml, "member").iter().filter(|other| *other != name) {
        let pairs = [("Action", "GetRolePolicy"), ("RoleName", role), ("PolicyName", other)];
        let policy = iam(upstream, asked, &pairs).await?;
        all += dense(&percent_decode(&xml_text(&policy, "PolicyDocument")?));
    }
    Some(all)
}

async fn iam(upstream: &Upstream, asked: &Asked<'_>, pairs: &[(&str, &str)]) -> Option<String> {
    let mut pairs = pairs.to_vec();
    pairs.extend([("Version", "2010-05-08"), ("MaxItems", "1000")]);
    match upstream.query("iam", &asked.call.credential.scope(), &pairs).await {
        Ok(reply) => reply.is_success().then(|| reply.text()),
        Err(error) => {
            tracing::warn!(%error, "a role's policies could not be counted");
            None
        }
    }
}

/// The texts of the elements of that name, however deep.
fn texts(xml: &str, name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Some((_, root)) = parse_xml(xml) {
        gather(&root, name, &mut found);
    }
    found
}

fn gather(value: &Value, name: &str, into: &mut BTreeSet<String>) {
    let Value::Object(members) = value else { return };
    for (key, member) in members {
        // An element that repeats is an array.
        for element in member.as_array().map_or(std::slice::from_ref(member), Vec::as_slice) {
            match element {
                Value::String(text) if key == name => {
                    into.insert(text.clone());
                }
                inner => gather(inner, name, into),
            }
        }
    }
}

async fn rules(upstream: &Upstream, asked: &Asked<'_>) -> Option<u64> {
    let mut names = BTreeSet::from([asked.text("Name")?.to_owned()]);
    let mut input = json!({"EventBusName": asked.text("EventBusName").unwrap_or("default")});
    loop {
        let answer = events(upstream, asked, "AWSEvents.ListRules", &input).await?;
        let page = answer["Rules"].as_array().into_iter().flatten();
        names.extend(page.filter_map(|rule| rule["Name"].as_str()).map(str::to_owned));
        match answer["NextToken"].as_str() {
            Some(token) => input["NextToken"] = json!(token),
            None => return Some(names.len() as u64),
        }
    }
}

async fn targets(upstream: &Upstream, asked: &Asked<'_>) -> Option<u64> {
    let bus = asked.text("EventBusName").unwrap_or("default");
    let input = json!({"Rule": asked.text("Rule")?, "EventBusName": bus});
    let answer = events(upstream, asked, "AWSEvents.ListTargetsByRule", &input).await?;
    let there = answer["Targets"].as_array().into_iter().flatten();
    let ids: BTreeSet<&str> = there.chain(asked.list("Targets")).filter_map(|target| target["Id"].as_str()).collect();
    Some(ids.len() as u64)
}

async fn events(upstream: &Upstream, asked: &Asked<'_>, target: &str, input: &Value) -> Option<Value> {
    // Refused: there is no such bus or rule, which the emulator says better.
    upstream.call("events", target, &asked.call.credential.scope(), input).await.ok()
}
