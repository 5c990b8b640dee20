//! Classify: the verdict on the event. What was meant ends here.

use reforge_api::{ConditionStatus, Judge, Moment, StepName, Verdict, condition, reason};

use crate::incident::transition::{Ending, end, progress, say};
use crate::incident::view::{Effect, Seen, Step, View};

/// What follows from the verdict.
pub fn classify(view: &View, step: &mut Step) {
    let Seen::Verdict(classification) = &view.seen else { return };
    let status = &mut step.status;
    let why = match classification.by {
        Judge::Rules => reason::BY_RULES,
        Judge::Bedrock => reason::BY_BEDROCK,
    };
    say(status, condition::CLASSIFIED, ConditionStatus::True, why, &classification.reason, view.now);
    status.timeline.classified_at = Some(view.now);
    status.classification = Some(classification.clone());
    if classification.verdict == Verdict::Normal {
        return end(status, Ending::Dismissed, reason::NORMAL, &classification.reason, view.now);
    }
    status.step.name = StepName::Settle;
    progress(status, reason::SETTLING, "Waiting until AWS has carried the change out", view.now);
    step.effects.push(Effect::Tell(Moment::Detected));
}
