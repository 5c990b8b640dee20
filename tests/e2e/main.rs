//! The whole way on real parts: the operator as it is shipped, under the chart's rights, against a real apiserver, real
//! Terraform and an emulated AWS. The tests share one sandbox and take turns in it.

mod accounts;
mod approval;
mod failing;
mod gate;
mod holding;
mod killed;
mod model;
mod recovery;
mod rights;
mod types;
mod watching;
mod world;
