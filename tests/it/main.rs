//! Behaviour on real parts: a real apiserver with etcd, an emulated AWS. One binary, so that the parts start once.

mod api;
mod asking;
mod backtest;
mod cluster;
mod docs;
mod fake;
mod intake;
mod inventories;
mod leading;
mod output;
mod pipeline;
mod queue;
mod refused;
mod reservations;
#[path = "../../crates/core/tests/it/shape.rs"]
mod shape;
mod telling;
mod world;
