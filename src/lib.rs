//! Reforge puts deleted or tampered AWS resources back by running their owner's Terraform.
//!
//! What decides is [`reforge_core`], which can talk to nobody; AWS is asked and told by [`reforge_aws`], the apiserver by
//! [`reforge_cluster`], and neither decides; all speak of the types in [`reforge_api`]. This crate is the program around them. A
//! walk along an event's way goes to and fro, as it should: asked there, decided in core, done there.
//!
//! 1. [`intake::queue`] takes a message from SQS. [`reforge_core::intake`] parses the CloudTrail record in it, looks the event up
//!    in the [catalogue](reforge_core::catalog), and asks [`reforge_core::policy`] whose it is. [`intake::open`] creates the
//!    [`Incident`](reforge_api::Incident); only then the message is deleted.
//! 2. [`reforge_cluster`] sees it there, and [`lifecycle::controller`] takes it on. Each reconcile observes (I/O in), decides
//!    ([`reforge_core::incident::decide`]), writes the status, then acts (I/O out). What it observes comes from
//!    - [`artifacts`](reforge_aws::artifacts) and [`builds`](reforge_aws::builds): the inventories, the builds, and what they
//!      published. [`reforge_core::plan`] locates the resource in them, reads the plan's summary, and judges it at the
//!      [gate](reforge_core::plan::gate);
//!    - the [`classifier`](reforge_aws::classifier): the model's answer; what of it counts beside the rules is up to
//!      [`reforge_core::classify`];
//!    - [`verify`](reforge_aws::verify): AWS's own word on whether a change is through, and whether the resource is back.
//! 3. [`notify`] tells people about the transitions that matter, in the words of [`reforge_core::tell`].
//!
//! [`watch`] finds what no event told of: it looks through CloudTrail for what the queue never brought, sends canaries, and
//! plans on a policy's schedule. And it deletes what has ended, once it was kept for long enough.
//!
//! [`backtest`] takes logs instead of a queue through the same judgement.
//!
//! A call that did not go well becomes a [`Fault`](reforge_core::words::fault::Fault): a value that is decided on.
//!
//! [`runtime`] holds what any server needs (settings, probes, telemetry), [`cli`] the commands.

pub mod backtest;
pub mod cli;
pub mod intake;
pub mod lifecycle;
pub mod notify;
pub mod runtime;
pub mod watch;
