//! The life of an Incident: [`controller`] wires, [`observe`] reads, [`decide`] decides (pure), [`status`] writes what
//! was decided, [`act`] then does it. Nothing else changes a phase.
//!
//! [`decide`] has two rooms of its own, [`builds`] and [`permit`] (the gate), its moves in [`transition`], and what a failed
//! call leads to in [`trouble`].

pub mod act;
pub mod builds;
pub mod controller;
pub mod decide;
pub mod guard;
pub mod holds;
pub mod observe;
pub mod permit;
pub mod policies;
pub mod reach;
pub mod same;
pub mod status;
pub mod transition;
pub mod trouble;
pub mod workspace;
