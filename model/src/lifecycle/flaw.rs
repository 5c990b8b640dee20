//! The ways in which the modelled operator can be broken.

/// A way in which the operator could be broken; the checker must see each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// A status is written whatever was written since.
    WritesWithoutVersion,
    /// A plan is applied whatever the gate says.
    SkipsTheGate,
    /// An Incident speaks for every address of the workspace.
    ExplainsEverything,
    /// The workspace is taken whoever has it, and nothing outside keeps applies apart.
    IgnoresTheWorkspace,
    /// A build is started without looking for one that was started before, and without a token.
    StartsTwice,
    /// The policy is not read again before an apply.
    TrustsOldPolicies,
    /// What the gate cleared once is started, whatever was said since.
    TrustsOldClearance,
    /// Recovery's own calls are not known.
    ForgetsItsBuilds,
    /// An Incident that waits for a human says nothing.
    WaitsInSilence,
    /// An ended Incident is begun again.
    Reopens,
    /// A hold keeps nothing back.
    IgnoresHolds,
    /// The hold is not read again before an apply.
    TrustsOldHolds,
    /// The gate knows no windows.
    IgnoresWindows,
    /// What was decided is carried out however long ago that was.
    StartsLate,
    /// What AWS refuses is tried again at once.
    HurriesFaults,
    /// What AWS did not answer counts as not done.
    TakesSilenceForNo,
    /// A denial counts at the gate alone.
    DeniesAtTheGateOnly,
    /// A denial ends an Incident though a start of its apply may have been carried out.
    DeniesWithoutLooking,
}
