//! Reforge puts deleted or tampered AWS resources back by running their owner's Terraform.
//!
//! The modules in the order in which an event meets them:
//!
//! 1. [`intake`] takes a message from SQS, parses the CloudTrail record in it, looks the event up in the catalogue,
//!    asks [`policy`] whose it is, and creates an [`Incident`](reforge_api::Incident); only then the message is deleted.
//! 2. [`lifecycle`] takes the Incident from there. Each reconcile observes (I/O in), decides (pure), writes the status,
//!    then acts (I/O out). What it observes comes from
//!    - [`recover`]: the inventory that locates the resource, the builds, the plan's summary and the pure gate;
//!    - [`classify`]: the rules and the model;
//!    - [`verify`]: AWS's own word on whether a change is through, and whether the resource is back.
//! 3. [`notify`] tells people about the transitions that matter.
//!
//! [`watch`] finds what no event told of: it looks through CloudTrail for what the queue never brought, sends canaries, and
//! plans on a policy's schedule.
//!
//! [`backtest`] takes logs instead of a queue through the same judgement.
//!
//! [`fault`] is what a call that did not go well becomes: a value that is decided on.
//!
//! [`runtime`] holds what any server needs (settings, leadership, probes, telemetry), [`cli`] the commands.

pub mod backtest;
pub mod classify;
pub mod cli;
pub mod fault;
pub mod intake;
pub mod lifecycle;
pub mod notify;
pub mod policy;
pub mod recover;
pub mod runtime;
pub mod verify;
pub mod watch;
