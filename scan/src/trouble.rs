//! What can be wrong with an input, in words for the person who gave it.

use std::path::PathBuf;

use thiserror::Error;

use crate::input::Packing;

/// Something wrong with an input. What came before it is counted, and the other inputs go on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {what}", input.display())]
pub struct Trouble {
    /// The file or folder; `-` is standard input.
    pub input: PathBuf,
    /// What is wrong, and where.
    pub what: What,
}

/// What is wrong. Offsets are bytes from the beginning of what the input holds, after decompression; `packed_at` is
/// bytes from the beginning of the file itself, as far as it had been read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum What {
    /// The operating system does not give it out.
    #[error("cannot be opened: {0}")]
    Open(String),
    /// Reading or decompressing failed.
    #[error("breaks off at byte {at} of its {packing} contents, having been read up to byte {packed_at}: {error}")]
    Read {
        /// How far the contents were read.
        at: u64,
        /// How far the file was read.
        packed_at: u64,
        /// How it is compressed.
        packing: Packing,
        /// What the reader said.
        error: String,
    },
    /// No JSON, or not of a form that holds records.
    #[error("byte {at}: expected a CloudTrail record, found {found:?}")]
    Garbage {
        /// Where.
        at: u64,
        /// The first characters of it.
        found: String,
    },
    /// A record that is cut off: the input ends, or the line does.
    #[error("byte {at}: the record that begins here is cut off")]
    CutOff {
        /// Where the record begins.
        at: u64,
    },
    /// The input ends inside an array or a log file's object, but between two records.
    #[error("byte {at}: ends before its list of records does")]
    ListCutOff {
        /// Where the input ends.
        at: u64,
    },
    /// A record larger than any that CloudTrail writes.
    #[error("byte {at}: the record that begins here is larger than 1 MiB, and was passed over")]
    TooLong {
        /// Where the record begins.
        at: u64,
    },
}

impl What {
    /// What stands where a record should, its place to be set by [`What::moved`].
    pub(crate) fn garbage(text: &[u8]) -> Self {
        let start = &text[..text.len().min(24)];
        Self::Garbage { at: 0, found: String::from_utf8_lossy(start).into_owned() }
    }

    /// The same, at this offset.
    pub(crate) fn moved(mut self, to: u64) -> Self {
        if let Self::Garbage { at, .. } | Self::CutOff { at } | Self::ListCutOff { at } | Self::TooLong { at } =
            &mut self
        {
            *at = to;
        }
        self
    }

    /// Where it is, for the order of a report.
    pub(crate) fn offset(&self) -> u64 {
        match self {
            Self::Open(_) => 0,
            Self::Read { at, .. }
            | Self::Garbage { at, .. }
            | Self::CutOff { at }
            | Self::ListCutOff { at }
            | Self::TooLong { at } => *at,
        }
    }
}
