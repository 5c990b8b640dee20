//! Reforge puts deleted or tampered AWS resources back by running their owner's Terraform.
//!
//! This crate asks and does: it talks to AWS and to the apiserver. What decides is [`reforge_core`], which can talk to nobody;
//! both speak of the types in [`reforge_api`]. A walk along an event's way goes to and fro between the two, as it should: asked
//! here, decided there, done here.
//!
//! 1. [`intake::queue`] takes a message from SQS. [`reforge_core::intake`] parses the CloudTrail record in it, looks the event up
//!    in the [catalogue](reforge_core::catalog), and asks [`reforge_core::policy`] whose it is. [`intake::open`] creates the
//!    [`Incident`](reforge_api::Incident); only then the message is deleted.
//! 2. [`reforge_cluster`] sees it there, and [`lifecycle::controller`] takes it on. Each reconcile observes (I/O in), decides
//!    ([`reforge_core::incident::decide`]), writes the status, then acts (I/O out). What it observes comes from
//!    - [`recover`]: the inventories, the builds, and what they published. [`reforge_core::plan`] locates the resource in them,
//!      reads the plan's summary, and judges it at the [gate](reforge_core::plan::gate);
//!    - [`classify`]: the model's answer; what of it counts beside the rules is up to [`reforge_core::classify`];
//!    - [`verify`]: AWS's own word on whether a change is through, and whether the resource is back.
//! 3. [`notify`] tells people about the transitions that matter, in the words of [`reforge_core::tell`].
//!
//! [`watch`] finds what no event told of: it looks through CloudTrail for what the queue never brought, sends canaries, and
//! plans on a policy's schedule. And it deletes what has ended, once it was kept for long enough.
//!
//! [`backtest`] takes logs instead of a queue through the same judgement.
//!
//! A call that did not go well becomes a [`Fault`](reforge_core::words::fault::Fault): a value that is decided on.
//!
//! [`runtime`] holds what any server needs (settings, leadership, probes, telemetry), [`cli`] the commands.

pub mod backtest;
pub mod classify;
pub mod cli;
pub mod intake;
pub mod lifecycle;
pub mod notify;
pub mod recover;
pub mod runtime;
pub mod verify;
pub mod watch;
