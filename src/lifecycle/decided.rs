//! An Incident as it is stored, and what was decided since that is not written yet: steps that nothing waits for are written
//! together, for a write costs more than all the rest of a step.

use reforge_api::{Incident, IncidentStatus};
use reforge_core::incident::view::Effect;

/// What is stored, and how far it was decided beyond that.
#[derive(Debug)]
pub struct Decided {
    /// As it is stored.
    pub stored: Incident,
    /// The statuses since, in order.
    statuses: Vec<IncidentStatus>,
    effects: Vec<Effect>,
}

impl Decided {
    /// Nothing was decided yet.
    pub fn of(stored: Incident) -> Self {
        Self { stored, statuses: Vec::new(), effects: Vec::new() }
    }

    /// The Incident as it will be: what the next step is decided on.
    pub fn incident(&self) -> Incident {
        let status = self.statuses.last().or(self.stored.status.as_ref()).cloned();
        Incident { status, ..self.stored.clone() }
    }

    /// Takes in a step. Where it changes nothing, nothing is to be done.
    pub fn take(&mut self, before: &IncidentStatus, after: IncidentStatus, effects: Vec<Effect>) {
        if after != *before {
            self.statuses.push(after);
            self.effects.extend(effects);
        }
    }

    /// What is to be written, and to be done after that: the statuses in order, of which the last counts.
    pub fn unwritten(&mut self) -> (Vec<IncidentStatus>, Vec<Effect>) {
        (std::mem::take(&mut self.statuses), std::mem::take(&mut self.effects))
    }
}

#[cfg(test)]
mod tests {
    use reforge_api::StepName;
    use serde_json::json;

    use super::*;

    fn incident() -> Incident {
        let event = json!({"id": "e", "time": "2026-01-02T03:04:05.000Z", "name": "DeleteTable", "source": "dynamodb.amazonaws.com",
            "accountId": "111122223333", "region": "eu-west-1", "actor": {"type": "IAMUser"}});
        let resource = json!({"type": "dynamodb", "cloudFormationType": "AWS::DynamoDB::Table", "id": "orders"});
        let spec = json!({"event": event, "resource": resource, "change": "Deleted", "policyRef": {"name": "p"}});
        serde_json::from_value(json!({"metadata": {"name": "i", "namespace": "n"}, "spec": spec})).unwrap()
    }

    fn at(step: StepName) -> IncidentStatus {
        let mut status = IncidentStatus::default();
        status.step.name = step;
        status
    }

    #[test]
    fn steps_are_decided_on_what_was_decided_before_and_written_together() {
        let mut decided = Decided::of(incident());
        decided.take(&IncidentStatus::default(), at(StepName::Classify), vec![Effect::LabelWorkspace]);
        assert_eq!(decided.incident().status, Some(at(StepName::Classify)));
        decided.take(&at(StepName::Classify), at(StepName::Settle), Vec::new());
        decided.take(&at(StepName::Settle), at(StepName::Settle), vec![Effect::NoteBuild]);
        let (statuses, effects) = decided.unwritten();
        assert_eq!(statuses, [at(StepName::Classify), at(StepName::Settle)]);
        assert_eq!(effects, [Effect::LabelWorkspace], "what changes nothing does nothing");
        assert_eq!(decided.stored, incident());
        assert!(decided.unwritten().0.is_empty());
    }
}
