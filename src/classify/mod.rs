//! What an event amounts to: [`rules`] first, then a model on [`bedrock`], asked with [`prompt`], and what of its
//! answer counts by [`verdict`]. The model advises, code decides.

mod bedrock;
pub mod prompt;
pub mod rules;
mod verdict;

pub use bedrock::Classifier;
