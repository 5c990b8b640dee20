//! Why a message cannot be read.

use thiserror::Error;

/// Why a message cannot be read; it goes to the dead-letter queue with these words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// Not JSON, or not an EventBridge event.
    #[error("not an EventBridge event: {0}")]
    NotAnEvent(String),
    /// An event of a kind that no rule of Reforge's asks for.
    #[error("an event of kind {0:?}, which Reforge does not take; does a rule send too much to the queue?")]
    Kind(String),
    /// An event that some account's program sent, and not AWS.
    #[error("an event from {0:?}, and not from AWS: somebody made it up, or a rule sends too much to the queue")]
    NotFromAws(String),
    /// A part of the record is missing or of the wrong form.
    #[error("the record's {0} is missing or malformed")]
    Part(&'static str),
    /// Envelope and record disagree.
    #[error("the envelope says {envelope}, the record {record}: the message is not what CloudTrail sent")]
    Disagree {
        /// What the envelope says.
        envelope: String,
        /// What the record says.
        record: String,
    },
    /// The id is not of the form that its type has.
    #[error("{0:?} is not an id of the event's resource type")]
    Id(String),
}

impl Unreadable {
    /// One word for the counter.
    pub fn word(&self) -> &'static str {
        match self {
            Self::NotAnEvent(_) => "NotAnEvent",
            Self::Kind(_) => "UnknownKind",
            Self::NotFromAws(_) => "NotFromAws",
            Self::Part(_) => "MalformedRecord",
            Self::Disagree { .. } => "AccountMismatch",
            Self::Id(_) => "InvalidId",
        }
    }
}
