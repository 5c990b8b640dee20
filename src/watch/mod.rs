//! What the queue does not bring: a [`sweep`] over CloudTrail finds the events that were never delivered, a [`canary`] proves
//! that they would be, and plans on a policy's schedule find [`drift`] that no event told of. Runs while this replica leads.

pub mod canary;
pub mod drift;
pub mod retention;
pub mod sweep;
