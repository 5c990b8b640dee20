//! What an event amounts to: [`rules`] first; a model is asked with [`prompt`], and what of its answer counts is
//! [`verdict`]'s to say. The model advises, code decides.

pub mod prompt;
pub mod rules;
pub mod verdict;
