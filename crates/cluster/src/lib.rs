//! What Reforge knows of its cluster, and who works on what has changed there.
//!
//! There is one watch for each kind. What it tells goes into one place ([`Incidents`], [`Policies`]), and only then whoever
//! works is told what has [changed](changes): nobody is woken for something that cannot be seen yet. [`run`] does the work: each
//! object by one at a time, a bounded number side by side, and what ends badly is that object's matter.

mod changes;
mod incidents;
mod policies;
mod runner;
mod watch;
mod writing;

pub use changes::{Changes, Listener};
pub use incidents::Incidents;
pub use policies::{Known, Policies};
pub use runner::{Next, run};
pub use writing::Writing;
