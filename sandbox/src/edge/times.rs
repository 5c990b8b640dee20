//! How long things take that are not immediate in AWS. What users have measured there is in docs/measurements.md.

use std::time::Duration;

/// The times of one edge. By default those of tests: nothing that a test would only wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// A build's phase QUEUED. AWS has a build wait there while as many run as the account may have at once.
    pub queued: Duration,
    /// A build's phase PROVISIONING: AWS finds a machine and pulls the image.
    pub provisioning: Duration,
    /// What the phase DOWNLOAD_SOURCE takes beside what it really does here.
    pub download: Duration,
    /// From a call, or a change of a build's state, to the delivery of its event.
    pub delivery: Duration,
    /// From a call to when `LookupEvents` finds it.
    pub lookup: Duration,
    /// How long a table is `DELETING` and an instance `shutting-down`.
    pub deletion: Duration,
    /// How long a new role or instance profile is of no use to any service (IAM's eventual consistency).
    pub settling: Duration,
}

impl Times {
    /// Those of tests.
    pub const DEFAULT: Self = Self {
        queued: Duration::ZERO,
        provisioning: Duration::ZERO,
        download: Duration::ZERO,
        delivery: Duration::from_millis(200),
        lookup: Duration::ZERO,
        deletion: Duration::from_secs(3),
        settling: Duration::from_secs(2),
    };
}

impl Default for Times {
    fn default() -> Self {
        Self::DEFAULT
    }
}
