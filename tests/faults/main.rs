//! What becomes of an Incident when something that Reforge needs does not answer as it should: each dependency, refused,
//! throttled, failing, slow, and breaking off in the middle of an answer.
//!
//! A fault lasts two minutes and more, so all are there side by side, each aimed at one stage, in one sandbox and with one
//! operator: the first test that looks has all of them run, and each test judges what was seen of one dependency. The last
//! one holds the table in docs/reliability.md against it; with `REFORGE_WRITE=1` it writes that table.

mod course;
mod dependency;
mod incidents;
mod judged;
mod neighbour;
mod queue;
mod stage;
mod table;
mod workspaces;
mod world;
