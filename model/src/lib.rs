//! A model of the operator's life: its own pure functions (`decide`, the gate, what an effect checks before it starts a build,
//! who is known as a recovery's own build, what is kept and for how long) in small worlds where everything else happens at the
//! worst moment: messages come twice, replicas die between any two writes, both believe to lead, builds fail, their tokens
//! expire, AWS refuses calls or does not answer, people decide late, put work on hold and lift that, windows close, policies
//! change, somebody else applies. A checker (stateright) goes through the states and looks at every property in each;
//! deliberately broken variants show that it would see.

mod explore;
mod lifecycle;
mod retention;
mod slots;

use std::time::Instant;

use lifecycle::Lifecycle;
use retention::Kept;
use slots::Slots;

pub use explore::{Bound, Caught, Held, Report, Run};

/// Explores.
pub fn explore(bound: Bound) -> Report {
    let start = Instant::now();
    let mut report = Report::default();
    report.add::<Lifecycle>(bound);
    report.add::<Slots>(bound);
    report.add::<Kept>(bound);
    report.seconds = start.elapsed().as_secs();
    report
}
