//! What is decided, from the outside. Needs no sandbox.

// Clippy holds tests to what holds for what they test; these read records and scripts.
#![allow(clippy::disallowed_methods)]

mod catalogue;
mod gate_properties;
mod hostile;
mod records;
mod shape;
mod status_version;
