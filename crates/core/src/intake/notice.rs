//! What other sources than CloudTrail tell of a resource: EC2's state changes, AWS Config's items and findings. None of
//! them says who did it.

use reforge_api::{Actor, Change, Event, Origin, Time};
use serde_json::Value;

use crate::intake::unreadable::Unreadable;
use crate::words::text::shorten;

/// EC2's word on an instance (Amazon EC2 User Guide, "State change events for your instances").
pub const INSTANCE_STATE: &str = "EC2 Instance State-change Notification";
/// AWS Config's word on a resource that changed (AWS Config Developer Guide, "Monitoring AWS Config with EventBridge").
pub const CONFIG_ITEM: &str = "Config Configuration Item Change";
/// AWS Config's word on a resource that is against a rule.
pub const CONFIG_RULE: &str = "Config Rules Compliance Change";

/// What a source told of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// As an Incident keeps it; nobody is its actor.
    pub event: Event,
    /// The CloudFormation name of the resource's type.
    pub cloud_formation_type: String,
    /// What the source calls the resource, the likeliest first: an id, a name, an ARN.
    pub ids: Vec<String>,
    /// What happened to it.
    pub change: Change,
}

/// An event's envelope.
pub(super) struct Envelope<'a> {
    pub id: &'a str,
    pub time: &'a str,
    pub account: &'a str,
    pub region: &'a str,
    pub detail: &'a Value,
}

/// Reads a notice of this kind; None: it tells of nothing that is lost or changed.
pub(super) fn read(kind: &str, envelope: &Envelope<'_>) -> Result<Option<Notice>, Unreadable> {
    match kind {
        INSTANCE_STATE => instance(envelope),
        CONFIG_ITEM => item(envelope),
        _ => finding(envelope),
    }
}

/// The first state of a change is the one that counts: what follows it is the same change going on.
fn instance(envelope: &Envelope<'_>) -> Result<Option<Notice>, Unreadable> {
    let (call, change) = match text(envelope.detail, "state")? {
        "shutting-down" => ("TerminateInstances", Change::Deleted),
        "stopping" => ("StopInstances", Change::Stopped),
        _ => return Ok(None),
    };
    let id = text(envelope.detail, "instance-id")?;
    let event = event(envelope, Origin::StateChange, call, "ec2.amazonaws.com")?;
    Ok(Some(Notice { event, cloud_formation_type: "AWS::EC2::Instance".to_owned(), ids: vec![id.to_owned()], change }))
}

fn item(envelope: &Envelope<'_>) -> Result<Option<Notice>, Unreadable> {
    let item = &envelope.detail["configurationItem"];
    let (name, change) = match (text(item, "configurationItemStatus")?, &envelope.detail["configurationItemDiff"]) {
        ("ResourceDeleted" | "ResourceDeletedNotRecorded", _) => ("ConfigResourceDeleted", Change::Deleted),
        ("OK", diff) if diff["changeType"] == "UPDATE" => ("ConfigResourceChanged", Change::Modified),
        _ => return Ok(None),
    };
    // The name first: where a type has names, Config's id is often one of its own (AROA… for a role, db-… for a database).
    let said = ["resourceName", "resourceId", "ARN"].iter().filter_map(|field| item[*field].as_str());
    Ok(Some(Notice {
        event: event(envelope, Origin::Config, name, "config.amazonaws.com")?,
        cloud_formation_type: text(item, "resourceType")?.to_owned(),
        ids: said.map(str::to_owned).collect(),
        change,
    }))
}

fn finding(envelope: &Envelope<'_>) -> Result<Option<Notice>, Unreadable> {
    let detail = envelope.detail;
    if detail["newEvaluationResult"]["complianceType"] != "NON_COMPLIANT" {
        return Ok(None);
    }
    Ok(Some(Notice {
        event: event(envelope, Origin::Config, "ConfigRuleBroken", "config.amazonaws.com")?,
        cloud_formation_type: text(detail, "resourceType")?.to_owned(),
        ids: vec![text(detail, "resourceId")?.to_owned()],
        change: Change::Modified,
    }))
}

fn event(envelope: &Envelope<'_>, origin: Origin, name: &str, source: &str) -> Result<Event, Unreadable> {
    if envelope.id.is_empty() {
        return Err(Unreadable::Part("id"));
    }
    Ok(Event {
        origin,
        id: shorten(envelope.id, 128),
        time: Time::parse(envelope.time).ok_or(Unreadable::Part("time"))?,
        name: name.to_owned(),
        source: source.to_owned(),
        account_id: envelope.account.to_owned(),
        region: shorten(envelope.region, 32),
        actor: Actor { r#type: "Unknown".to_owned(), ..Actor::default() },
        request_parameters: None,
    })
}

fn text<'a>(value: &'a Value, field: &'static str) -> Result<&'a str, Unreadable> {
    value[field].as_str().filter(|t| !t.is_empty()).ok_or(Unreadable::Part(field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_aws_config_sees_made_or_only_looked_at_is_no_loss() {
        let told = |status: &str, change: &str| {
            let detail = json!({
                "configurationItem": {"configurationItemStatus": status, "resourceType": "AWS::SQS::Queue", "resourceName": "q"},
                "configurationItemDiff": {"changeType": change},
            });
            let envelope =
                Envelope { id: "e", time: "2026-01-02T03:04:05Z", account: "1", region: "r", detail: &detail };
            read(CONFIG_ITEM, &envelope).expect("it can be read").map(|notice| notice.change)
        };
        assert_eq!(told("OK", "UPDATE"), Some(Change::Modified));
        assert_eq!((told("OK", "CREATE"), told("OK", "")), (None, None));
        assert_eq!(told("ResourceDeleted", "DELETE"), Some(Change::Deleted));
    }
}
