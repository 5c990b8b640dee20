//! What an event amounts to, asked for: the rules' verdict, and a model's on Amazon Bedrock where the settings or the policy say
//! so. What of its answer counts is [`reforge_core::classify`]'s to say.

mod bedrock;

pub use bedrock::Classifier;
