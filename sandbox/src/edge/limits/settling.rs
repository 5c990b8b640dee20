//! What was changed lately and is not everywhere yet: IAM's eventual consistency (IAM User Guide, "Troubleshoot IAM", "Changes that I make are not
//! always immediately visible").
//!
//! Given what was changed and when, it says whether that counts already. It knows no clock of its own and decides nothing else.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Changes of things of one kind, and how long each takes to be everywhere.
#[derive(Debug)]
pub struct Settling<K> {
    takes: Duration,
    changed: Mutex<HashMap<K, Instant>>,
}

impl<K: Eq + Hash> Settling<K> {
    /// Nothing was changed yet; with zero, everything counts at once.
    pub fn new(takes: Duration) -> Self {
        Self { takes, changed: Mutex::default() }
    }

    /// Notes that it was changed.
    pub fn change(&self, what: K, at: Instant) {
        let takes = self.takes;
        let mut changed = self.changed();
        changed.retain(|_, changed| at.saturating_duration_since(*changed) < takes);
        changed.insert(what, at);
    }

    /// Whether its last change counts already; what was never changed does.
    pub fn is_settled(&self, what: &K, now: Instant) -> bool {
        self.changed().get(what).is_none_or(|at| now.saturating_duration_since(*at) >= self.takes)
    }

    fn changed(&self) -> MutexGuard<'_, HashMap<K, Instant>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_after_its_time_and_each_change_begins_anew() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let settling = Settling::new(Duration::from_secs(2));
        settling.change("role", at(0));
        assert!(!settling.is_settled(&"role", at(1)) && settling.is_settled(&"other", at(1)));
        settling.change("role", at(1));
        assert!(!settling.is_settled(&"role", at(2)) && settling.is_settled(&"role", at(3)));
    }

    #[test]
    fn without_a_time_a_change_counts_at_once() {
        let settling = Settling::new(Duration::ZERO);
        let now = Instant::now();
        settling.change("role", now);
        assert!(settling.is_settled(&"role", now));
    }
}
