//! The life of an Incident: [`controller`] wires, [`observe`] reads, [`decide`] decides (pure), [`status`] writes what
//! was decided, [`act`] then does it. Nothing else changes a phase.

pub mod act;
pub mod controller;
pub mod decide;
pub mod observe;
pub mod policies;
pub mod status;
pub mod transition;
pub mod workspace;
