//! Everything that decides. Values go in and values come out: nothing here has a client, a clock, a file, a thread or a random
//! number, and nothing that it depends on reaches a network (`cargo xtask layers` looks). So the operator, a backtest and the
//! model of the lifecycle decide by the same code, and the same question always has the same answer.
//!
//! The rooms, in the order of an event's way:
//!
//! - [`words`]: ids, faults, and text that comes from elsewhere;
//! - [`catalog`]: which API calls matter, what they do to which type, and where the ids stand;
//! - [`policy`]: whose an event is, what a namespace may recover, and what holds automatic work back;
//! - [`index`]: the Incidents as others see them: one row each, found without looking at all of them;
//! - [`intake`]: a message parsed, detected, redacted, named: the Incident to open, or why there is none;
//! - [`plan`]: which workspace owns a resource, what a plan would do, and the gate: whether it may;
//! - [`classify`]: the verdict, by rules and by what of a model's answer counts;
//! - [`incident`]: the life of one Incident: a view goes in, the next step comes out;
//! - [`tell`]: the message to people, and who gets it;
//! - [`watch`]: what no event told of: drift that a plan found, and canaries; and for how long what has ended is kept.

pub mod catalog;
pub mod classify;
pub mod incident;
pub mod index;
pub mod intake;
pub mod plan;
pub mod policy;
pub mod tell;
pub mod watch;
pub mod words;
