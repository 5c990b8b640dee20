//! What people are told: the [`message`], and by which [`topics`].

pub mod message;
pub mod topics;
