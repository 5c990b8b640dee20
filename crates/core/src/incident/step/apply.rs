//! Apply: a build applies the plan that was cleared, and that one only.

use reforge_api::{BuildKind, RecoveryPolicySpec, StepName, reason};

use crate::incident::builds::{build_failed, build_ref, describe};
use crate::incident::start;
use crate::incident::transition::{progress, record_build};
use crate::incident::view::{Effect, Step, View};

/// Sees the apply build to its end.
pub fn apply(view: &View, policy: &RecoveryPolicySpec, step: &mut Step) {
    let Some(build) = start::wait_for_build(view, policy, BuildKind::Apply, step) else { return };
    record_build(&mut step.status, build_ref(BuildKind::Apply, &build));
    if build.succeeded() {
        let status = &mut step.status;
        status.recovery.intent = None;
        status.recovery.applied_version = status.plan.as_ref().map(|p| p.source_version.clone());
        status.step.name = StepName::Verify;
        progress(status, reason::VERIFYING, "The plan was applied; asking AWS whether the resource is back", view.now);
        step.effects.push(Effect::ReleaseWorkspace);
        return;
    }
    let message = format!("The apply build {} ended as {}", build.id, describe(&build));
    build_failed(view, policy, &build, &message, step);
}
