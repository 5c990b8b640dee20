//! Who is told.

use reforge_api::{Moment, RecoveryPolicy};

/// The topics for a moment: those of the policy that ask for it; `default` for a policy that names none.
pub fn topics(policy: Option<&RecoveryPolicy>, moment: Moment, default: Option<&str>) -> Vec<String> {
    let named = policy.map(|p| p.spec.notifications.as_slice()).unwrap_or_default();
    if named.is_empty() {
        return default.into_iter().map(str::to_owned).collect();
    }
    let asks = named.iter().filter(|n| n.moments.is_empty() || n.moments.contains(&moment));
    asks.map(|n| n.sns.topic_arn.clone()).collect()
}
