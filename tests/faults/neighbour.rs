//! Somebody else's Incidents, one after the other for as long as there are faults: whom nothing is to hold up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use sandbox::incident::{has_ended, phase};

use crate::stage::Stage;

/// From when to when each Incident was there.
pub type Spans = Vec<(Instant, Instant)>;

/// Breaks and waits, until told to stop.
pub async fn live(stage: &Stage, over: &AtomicBool) -> Spans {
    let mut spans = Spans::new();
    while !over.load(Ordering::SeqCst) {
        let begin = Instant::now();
        let name = stage.broken().await;
        let incident = stage.until(&name, "ended", has_ended).await;
        assert_eq!(phase(&incident), "Recovered", "{incident:#}");
        spans.push((begin, Instant::now()));
    }
    spans
}
