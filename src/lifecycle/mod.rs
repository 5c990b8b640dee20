//! The life of an Incident, as the cluster has it: [`controller`] wires, [`observe`] reads, [`reforge_core::incident`] decides,
//! [`decided`] holds what can be written with what comes next, [`status`] writes it, [`act`] then does it. Nothing else changes a
//! phase.

pub mod act;
pub mod controller;
pub mod decided;
pub mod guard;
pub mod holds;
pub mod observe;
pub mod policies;
pub mod reach;
pub mod status;
pub mod workspace;
