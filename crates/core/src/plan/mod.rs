//! The owner's Terraform as values: which workspace owns a resource ([`inventory`]), what a build is started with and how it
//! stands ([`build`]), what it left ([`published`]), what a plan would do ([`summary`]), and whether it may ([`gate`]).

pub mod build;
pub mod gate;
pub mod inventory;
pub mod published;
pub mod summary;
