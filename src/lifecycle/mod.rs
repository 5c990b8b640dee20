//! The life of an Incident, as the cluster has it: [`controller`] wires, [`observe`] reads, [`reforge_core::incident`] decides,
//! [`status`] writes what was decided, [`act`] then does it. Nothing else changes a phase. [`reservations`] stand between: what
//! the gate clears has its place before it is written.

pub mod act;
pub mod controller;
pub mod guard;
pub mod holds;
pub mod observe;
pub mod policies;
pub mod reach;
pub mod reservations;
pub mod status;
pub mod workspace;
