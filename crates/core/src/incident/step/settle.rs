//! Settle: AWS carries the change out. A table that is still DELETING plans as if nothing were wrong.

use reforge_api::{BuildKind, StepName, reason};

use crate::incident::pace;
use crate::incident::transition::{progress, want};
use crate::incident::view::{Seen, Step, View};

/// Waits for it; then a plan is wanted.
pub fn settle(view: &View, step: &mut Step) {
    let Seen::Settling(settling) = &view.seen else { return };
    if let Some(detail) = settling {
        let message = format!("Waiting until AWS has carried the change out: {detail}");
        progress(&mut step.status, reason::SETTLING, &message, view.now);
        let since = view.status.timeline.classified_at.unwrap_or(view.now);
        step.wake = Some(pace::next_look(since, view.now));
        return;
    }
    let status = &mut step.status;
    status.timeline.settled_at = Some(view.now);
    status.step.name = StepName::Plan;
    want(status, BuildKind::Plan, Vec::new(), view.now);
    progress(status, reason::PLANNING, "A plan is wanted", view.now);
}
