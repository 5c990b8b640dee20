//! What no event told of: [`drift`] that a plan on a schedule found, and a [`canary`] that proves the way.

pub mod canary;
pub mod drift;
