//! The whole way on real parts: the operator as it is shipped, under the chart's rights, against a real apiserver, real
//! Terraform and an emulated AWS. The tests share one sandbox and take turns in it. What is not about Terraform is in
//! tests/scripted, where it takes seconds.

mod accounts;
mod failing;
mod gate;
mod published;
mod recovery;
mod types;
mod watching;
mod world;
