//! The whole way of an Incident with the operator as it is shipped, under the chart's rights, against a real apiserver and
//! an emulated AWS; only that its builds follow a script, within the rights of the module's roles. What is not about
//! Terraform is tested here, in seconds: each test has a stage of its own, and most run side by side.

mod alone;
mod approval;
mod calls;
mod failing;
mod gate;
mod holding;
mod model;
mod recovery;
mod rights;
mod watching;
mod world;
