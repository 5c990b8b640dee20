//! Behaviour on real parts: a real apiserver with etcd, an emulated AWS. One binary, so that the parts start once.

mod api;
mod backtest;
mod catalogue;
mod docs;
mod gate_properties;
mod hostile;
mod intake;
mod queue;
mod records;
mod world;
