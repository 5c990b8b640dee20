//! The owner's Terraform, as AWS has it: the builds that work on it ([`codebuild`]) and what they publish ([`artifacts`], of which
//! [`inventories`] are kept). Whether a plan may be applied is [`reforge_core::plan`]'s to say.

pub mod artifacts;
pub mod codebuild;
pub mod inventories;
