//! AWS, as Reforge asks it and tells it. This crate knows nothing of a cluster, and decides nothing: what it is told comes back
//! as a value of `reforge-core`, and so does what goes wrong.
//!
//! There is one way to [`ask`](ask::ask): with a deadline over all tries, and a
//! [`Fault`](reforge_core::words::fault::Fault) where no answer comes. Questions of many Incidents to one API
//! [`gather`] to one call, no more often than is Reforge's share. Which account is meant, and by which role, is up to
//! [`accounts`]; the [`clients`] for each are made once.
//!
//! In the order of an event's way: the [`queue`] brings it; the [`classifier`] asks a model; [`verify`] says whether a change is
//! through; [`builds`] are started and looked at, and [`artifacts`] has what they publish, of which [`inventories`] are kept;
//! [`verify`] again, whether the resource is back; [`topics`] tell people. Beside it, the [`trail`] is CloudTrail's own list of
//! calls, [`parameters`] is where the canary is
//! written, and [`logs`] are brought for a backtest.

pub use aws_config::SdkConfig;

pub mod accounts;
pub mod artifacts;
pub mod ask;
pub mod builds;
pub mod classifier;
pub mod clients;
pub mod gather;
pub mod inventories;
pub mod logs;
pub mod parameters;
pub mod queue;
pub mod topics;
pub mod trail;
pub mod verify;
