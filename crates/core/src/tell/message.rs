//! The text of a message: all that somebody needs who is woken by it. What comes from the event was cleaned of
//! control characters when it was taken in.

use std::fmt::Write as _;

use kube::ResourceExt;
use reforge_api::{BuildKind, Data, Incident, Moment, Time, condition, duration};

/// "Less than 100 characters long" (API reference of SNS, Publish).
const SUBJECT_CHARACTERS: usize = 99;
/// SNS takes 262,144 bytes (API reference of SNS, Publish).
const TEXT_BYTES: usize = 256_000;
const CUT: &str = "\n[The rest has no room in a message: see the Incident.]\n";

/// A subject of less than 100 ASCII characters and a text of at most 256 KiB, as SNS wants them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// Writes the message.
pub fn message(incident: &Incident, moment: Moment, cluster: Option<&str>) -> Message {
    let resource = &incident.spec.resource;
    let subject = format!("[Reforge] {moment:?}: {} {}", resource.r#type, resource.id);
    let subject = subject
        .chars()
        .map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '?' })
        .take(SUBJECT_CHARACTERS)
        .collect();
    let mut text = format!("{moment:?}: {} {}\n\n", resource.r#type, resource.id);
    for (title, lines) in [
        ("Incident", detected(incident, cluster)),
        ("Verdict", verdict(incident)),
        ("Recovery", recovery(incident)),
        ("Result", result(incident)),
        ("Timeline", timeline(incident)),
        ("Now", now(incident)),
    ] {
        if lines.is_empty() {
            continue;
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{title}");
        for (name, value) in lines {
            let _ = writeln!(text, "  {name:<14} {value}");
        }
        text.push('\n');
    }
    if text.len() > TEXT_BYTES {
        text.truncate(text.floor_char_boundary(TEXT_BYTES - CUT.len()));
        text.push_str(CUT);
    }
    Message { subject, text }
}

type Lines = Vec<(&'static str, String)>;

fn detected(incident: &Incident, cluster: Option<&str>) -> Lines {
    let (event, resource) = (&incident.spec.event, &incident.spec.resource);
    let mut lines = vec![
        ("Event", format!("{} ({})", event.name, event.source)),
        ("Resource type", resource.r#type.to_uppercase()),
        ("Resource id", resource.id.clone()),
        ("User", event.actor.arn.clone().unwrap_or_else(|| event.actor.r#type.clone())),
        ("From", event.actor.source_ip.clone().unwrap_or_else(|| "unknown".to_owned())),
        ("Account", format!("{} {}", event.account_id, event.region)),
        ("Incident", format!("{}/{}", incident.namespace().unwrap_or_default(), incident.name_any())),
    ];
    lines.extend(cluster.map(|c| ("Cluster", c.to_owned())));
    lines
}

fn verdict(incident: &Incident) -> Lines {
    let Some(c) = incident.status.as_ref().and_then(|s| s.classification.as_ref()) else { return Vec::new() };
    let verdict = format!("{:?}", c.verdict).to_uppercase();
    vec![("Verdict", format!("{verdict} ({} %, by {:?})", c.confidence_percent, c.by)), ("Reason", c.reason.clone())]
}

fn recovery(incident: &Incident) -> Lines {
    let Some(status) = &incident.status else { return Vec::new() };
    let mut lines = Lines::new();
    if let Some(workspace) = &status.workspace {
        let more = match workspace.addresses_unlisted {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        lines.push(("Workspace", format!("{} ({}{more})", workspace.name, workspace.addresses.join(", "))));
    }
    for build in &status.recovery.builds {
        let name = if build.kind == BuildKind::Plan { "Plan build" } else { "Apply build" };
        let project = build.id.split(':').next().unwrap_or_default();
        lines.push((name, format!("{} {} (project {project})", build.id, build.status)));
    }
    if let Some(plan) = &status.plan {
        let changes: Vec<String> =
            plan.changes.iter().map(|c| format!("{} {}", c.actions.join("+"), c.address)).collect();
        lines.push(("Changes", format!("{}: {}", plan.changes_total, changes.join(", "))));
    }
    if let Some(failure) = &status.recovery.last_failure {
        lines.push(("Failed", format!("{} of {}", failure.reason, failure.build)));
        lines.extend(failure.said.lines().map(|line| ("", line.to_owned())));
    }
    if let Some(gate) = &status.gate {
        lines.push(("Gate", format!("{}: {}", gate.decision, gate.reasons.join("; "))));
    }
    lines
}

fn result(incident: &Incident) -> Lines {
    let Some(verification) = incident.status.as_ref().and_then(|s| s.verification.as_ref()) else { return Vec::new() };
    let mut lines = vec![("Old id", incident.spec.resource.id.clone())];
    lines.extend(verification.new_id.clone().map(|id| ("New id", id)));
    lines.extend(verification.new_arn.clone().map(|arn| ("ARN", arn)));
    for check in &verification.checks {
        let mark = if check.passed { "yes" } else { "no" };
        lines.push(("Check", format!("{}: {mark} ({})", check.name, check.detail)));
    }
    lines.push((
        "Data",
        match verification.data {
            Data::Intact => "nothing to bring back beside the Terraform",
            Data::Empty => "NOT back: the resource was created anew and is empty; restore it from a backup",
            Data::Unknown => "the Terraform was offered a restore: look whether it is there",
        }
        .to_owned(),
    ));
    lines
}

fn timeline(incident: &Incident) -> Lines {
    let Some(status) = &incident.status else { return Vec::new() };
    let line = &status.timeline;
    let since = line.event_time;
    let at = |name: &'static str, time: Option<Time>| {
        time.map(|t| (name, format!("{t} (+{})", duration(since.map_or(0, |s| t.millis_since(s))))))
    };
    [
        at("Event", line.event_time),
        at("Detected", line.detected_at),
        at("Judged", line.classified_at),
        at("Planned", line.planned_at),
        at("Approved", line.approved_at),
        at("Recovering", line.recovering_at),
        at("Ended", line.ended_at),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn now(incident: &Incident) -> Lines {
    let conditions = incident.status.as_ref().map(|s| s.conditions.as_slice()).unwrap_or_default();
    let ready = conditions.iter().find(|c| c.r#type == condition::READY);
    ready.map(|c| (c.reason.as_str(), c.message.clone())).map(|(_, m)| ("State", m)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reforge_api::*;

    fn incident() -> Incident {
        let spec = serde_json::json!({
            "event": {"id": "e", "time": "2026-01-02T03:04:05Z", "name": "DeleteTable", "source": "dynamodb.amazonaws.com",
                "accountId": "111122223333", "region": "eu-west-1",
                "actor": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/mallory"}},
            "resource": {"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": "orders"},
            "change": "Deleted", "policyRef": {"name": "p"}
        });
        let mut incident = Incident::new("dynamodb-1", serde_json::from_value(spec).unwrap());
        incident.status = Some(IncidentStatus {
            verification: Some(Verification {
                checks: vec![Check { name: "table is ACTIVE".into(), passed: true, detail: "ACTIVE".into() }],
                new_id: Some("orders".into()),
                new_arn: None,
                data: Data::Empty,
            }),
            ..IncidentStatus::default()
        });
        incident
    }

    #[test]
    fn the_message_tells_that_a_table_comes_back_empty() {
        let message = message(&incident(), Moment::Recovered, Some("prod"));
        assert!(message.text.contains("NOT back"), "{}", message.text);
        for part in ["DeleteTable", "DYNAMODB", "orders", "user/mallory", "Old id", "New id", "prod"] {
            assert!(message.text.contains(part), "{part} is missing in {}", message.text);
        }
    }

    #[test]
    fn a_text_has_room_in_a_message_and_says_that_it_was_cut() {
        let mut long = incident();
        long.spec.resource.id = "ü".repeat(200_000);
        let text = message(&long, Moment::Failed, None).text;
        assert!(text.len() <= 262_144 && text.ends_with(CUT), "{}", text.len());
    }

    #[test]
    fn a_subject_is_what_sns_takes_whatever_the_resource_is_called() {
        let mut odd = incident();
        odd.spec.resource.id = format!("ü\n{}", "x".repeat(500));
        let subject = message(&odd, Moment::Failed, None).subject;
        assert!(subject.len() < 100 && subject.bytes().all(|b| (b' '..=b'~').contains(&b)), "{subject}");
    }
}
