//! The owner's Terraform: which workspace owns a resource ([`inventory`]), the builds that work on it ([`codebuild`]),
//! what a plan would do ([`plan`]), and whether it may ([`gate`]).

pub mod artifacts;
pub mod codebuild;
pub mod gate;
pub mod inventory;
pub mod plan;
