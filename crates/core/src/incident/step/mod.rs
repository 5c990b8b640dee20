//! The steps, a file each, in their order. Each is given what was seen for it, and says what follows: the next status, and the
//! effects.

pub mod apply;
pub mod classify;
pub mod gate;
pub mod locate;
pub mod plan;
pub mod settle;
pub mod verify;
