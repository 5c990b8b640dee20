//! Locate: which workspace's Terraform owns the resource. What none owns ends here.

use reforge_api::{ConditionStatus, StepName, Time, condition, reason};

use crate::incident::evidence::{self, RECORD_COMES};
use crate::incident::pace::POLL_TROUBLE;
use crate::incident::transition::{Ending, end, progress, say, stall};
use crate::incident::view::{Effect, Seen, Step, View};
use crate::plan::inventory::Location;

/// How long until it is looked again whether a record has come, should nothing tell of it.
pub const POLL_RECORD: i64 = 60_000;

/// What follows from where the resource belongs.
pub fn locate(view: &View, step: &mut Step) {
    let Seen::Location(location) = &view.seen else { return };
    let status = &mut step.status;
    match location {
        Location::Owned(workspace) => {
            if let Some((build, until)) = maybe_own(view) {
                let message = format!(
                    "The build {build} of ours was at work on it then, and may have done this; a record until {until} may say otherwise"
                );
                progress(status, reason::WAITING, &message, view.now);
                step.wake = Some(until.millis_since(view.now).clamp(1, POLL_RECORD));
                return;
            }
            let message = format!("Workspace {} owns it as {}", workspace.name, workspace.addresses.join(", "));
            say(status, condition::LOCATED, ConditionStatus::True, reason::IN_INVENTORY, &message, view.now);
            status.workspace = Some(workspace.clone());
            status.step.name = StepName::Classify;
            progress(status, reason::PROGRESSING, "Judging the event", view.now);
            step.effects.push(Effect::LabelWorkspace);
        }
        Location::NotManaged => {
            let message = "No inventory of the policy's workspaces lists the resource: Terraform does not own it";
            say(status, condition::LOCATED, ConditionStatus::False, reason::NOT_MANAGED, message, view.now);
            end(status, Ending::Dismissed, reason::NOT_MANAGED, message, view.now);
        }
        Location::Missing(workspaces) => {
            let message = format!(
                "No inventory of {} was published yet; its next plan build does so: aws codebuild start-build --project-name <the policy's planProject>",
                workspaces.join(", ")
            );
            say(status, condition::LOCATED, ConditionStatus::Unknown, reason::INVENTORY_MISSING, &message, view.now);
            stall(status, reason::INVENTORY_MISSING, &message, view.now);
            step.wake = Some(POLL_TROUBLE);
        }
    }
}

/// The apply of ours that may have done what nobody else is known to have done, and until when a record may come. After that
/// a plan says whether there is anything to put back.
fn maybe_own(view: &View) -> Option<(&str, Time)> {
    let until = view.spec.event.time.plus_seconds(RECORD_COMES);
    let build = view.own_build.as_deref().filter(|_| !evidence::has_record(&view.evidence.0))?;
    (view.now < until).then_some((build, until))
}
