//! The life of an Incident, as the cluster has it: [`controller`] wires, [`observe`] reads, [`reforge_core::incident`] decides,
//! [`decided`] holds what can be written with what comes next, [`status`](reforge_cluster::status) writes it, [`act`] then does it.
//! Nothing else changes a phase. Between stand the [places](reforge_cluster::Places): what the gate clears has its own before it
//! is written.

pub mod act;
pub mod asked;
pub mod controller;
pub mod decided;
pub mod observe;
pub mod policies;
