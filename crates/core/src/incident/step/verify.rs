//! Verify: AWS's own word on whether the resource is back.

use reforge_api::{Data, RecoveryPolicySpec, duration_millis, reason};

use crate::incident::pace;
use crate::incident::transition::{Ending, end, failed, progress};
use crate::incident::view::{Seen, Step, View};

/// Ends well once AWS confirms it, and badly when it does not in time.
pub fn verify(view: &View, policy: &RecoveryPolicySpec, step: &mut Step) {
    let Seen::Verified(verification) = &view.seen else { return };
    let status = &mut step.status;
    status.verification = Some(verification.clone());
    if verification.passed() {
        let message = match verification.data {
            Data::Empty => "The resource is back in its shape; its data is not: it is empty",
            Data::Unknown => {
                "The resource is back; its Terraform was offered a restore of the data: look whether it is there"
            }
            Data::Intact => "The resource is back",
        };
        return end(status, Ending::Recovered, reason::VERIFIED, message, view.now);
    }
    let open: Vec<String> =
        verification.checks.iter().filter(|c| !c.passed).map(|c| format!("{}: {}", c.name, c.detail)).collect();
    let since = status.recovery.build.as_ref().and_then(|b| b.end).or(status.timeline.planned_at).unwrap_or(view.now);
    if view.now.millis_since(since) >= duration_millis(&policy.verification.timeout).unwrap_or(0) {
        let message = format!("AWS does not confirm that the resource is back: {}", open.join("; "));
        return failed(status, &view.retries(policy), reason::VERIFICATION_FAILED, &message, view.now);
    }
    progress(status, reason::VERIFYING, &format!("Waiting for AWS: {}", open.join("; ")), view.now);
    step.wake = Some(pace::next_look(since, view.now));
}
