//! The rules: a verdict from the event alone.

use reforge_api::{Change, Classification, ClassificationPolicy, Criticality, IncidentSpec, Judge, Verdict};

/// The verdict without a model.
pub fn verdict(incident: &IncidentSpec, policy: &ClassificationPolicy, recovery_roles: &[String]) -> Classification {
    let actor = &incident.event.actor;
    let issuer = actor.issuer_arn.as_ref().or(actor.arn.as_ref());
    let name = &incident.event.name;
    let (verdict, confidence_percent, reason) = if issuer.is_some_and(|arn| recovery_roles.contains(arn)) {
        (Verdict::Tampering, 95, format!("{name} came from the recovery role, but not from a build of ours"))
    } else if policy.criticality == Criticality::Standard && issuer.is_some_and(|a| policy.expected_actors.contains(a))
    {
        (Verdict::Normal, 90, format!("{name} came from an expected actor, and the resource is not critical"))
    } else {
        match incident.change {
            Change::Deleted => (Verdict::Failure, 90, format!("{name} removes the resource")),
            Change::Stopped => (Verdict::Failure, 80, format!("{name} stops the resource")),
            Change::Modified => {
                (Verdict::Tampering, 70, format!("{name} changes the resource outside of its Terraform"))
            }
        }
    };
    Classification {
        verdict,
        confidence_percent,
        by: Judge::Rules,
        model: None,
        record: None,
        reason,
        input_tokens: 0,
        output_tokens: 0,
    }
}
