//! From a message to the Incident to open: [`event`] and [`notice`] parse, [`detect`] decides, with [`own`] for a recovery's own
//! calls and [`plumbing`] for what Reforge stands on; [`redact`] keeps no secrets, [`naming`] gives the name that makes a
//! redelivery harmless. [`pattern`] says what the rules must send for all that.

pub mod candidate;
pub mod detect;
pub mod event;
pub mod naming;
pub mod notice;
pub mod own;
pub mod pattern;
pub mod plumbing;
pub mod redact;
pub mod unreadable;

#[cfg(test)]
mod fixture;
