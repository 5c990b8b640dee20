//! The cluster, as Reforge asks it and tells it. This crate knows nothing of AWS, and decides nothing.
//!
//! There is one watch for each kind. What it tells goes into one place ([`Incidents`], [`Policies`], [`Holds`]), and only then
//! whoever works is told what has [changed](changes): nobody is woken for something that cannot be seen yet. [`run`] does the
//! work: each object by one at a time, a bounded number side by side, and what ends badly is that object's matter.
//!
//! An Incident's status is written in one place ([`status`]). What the operator itself keeps is in Leases, each written by
//! compare-and-swap: who [leads](leader), who works in which of the [`Workspaces`], who has
//! which of the [`Places`] among the applies of a policy, a few times as [`Notes`]. The [`Guard`] asks
//! whether the apiserver still checks who decides.
//!
//! Every call is bounded in time by [`kube_call`], and an answer that is none is a [`KubeCallError`], which says whom it
//! concerns ([`refusal`]).

mod call;
mod changes;
pub mod clock;
mod guard;
mod holds;
mod incidents;
pub mod leader;
mod notes;
mod places;
mod policies;
pub mod refusal;
mod runner;
pub mod status;
mod watch;
mod workspaces;
mod writing;

pub use call::{KubeCallError, kube_call};
pub use changes::{Changes, Listener};
pub use guard::Guard;
pub use holds::{CONFIG_MAP, Holds, STORM_OVER};
pub use incidents::Incidents;
pub use notes::Notes;
pub use places::{Places, Taken};
pub use policies::{Known, Policies};
pub use runner::{Next, run};
pub use workspaces::{CodeBuild, Runs, Workspaces};
pub use writing::Writing;
