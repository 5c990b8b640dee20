//! What a scan gives back, and what it says on the way.

use std::ops::AddAssign;
use std::path::Path;

use crate::judge::{Form, Reason};
use crate::trouble::Trouble;

/// A record that somebody has to look at.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// Its text, as it came: a record's or an envelope's, at most 1 MiB, not validated beyond its own members' bounds.
    pub text: &'a [u8],
    /// Which of the two.
    pub form: Form,
    /// The file it is from; `-` is standard input.
    pub input: &'a Path,
    /// Where it begins, in bytes from the beginning of the file's contents, after decompression.
    pub offset: u64,
}

/// How far a scan is, in bytes as they lie on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub done: u64,
    /// Bytes to read; None with standard input, whose length nobody knows.
    pub total: Option<u64>,
}

/// How many records of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Handed over, for somebody to look at.
    pub kept: u64,
    /// Failed calls: nothing happened.
    pub failed: u64,
    /// Calls that only read.
    pub read_only: u64,
    /// Calls that nobody asks for.
    pub not_in_catalogue: u64,
    /// Envelopes of other things than API calls.
    pub other_kind: u64,
    /// JSON objects without event source or event name.
    pub nameless: u64,
    /// What stood where a record should and could not be read, or was too long.
    pub unreadable: u64,
}

impl Counts {
    /// Every record that could be read.
    pub fn records(&self) -> u64 {
        self.kept + self.failed + self.read_only + self.not_in_catalogue + self.other_kind + self.nameless
    }

    pub(crate) fn dropped(&mut self, reason: Reason) {
        *match reason {
            Reason::OtherKind => &mut self.other_kind,
            Reason::Nameless => &mut self.nameless,
            Reason::FailedCall => &mut self.failed,
            Reason::ReadOnly => &mut self.read_only,
            Reason::NotInCatalogue => &mut self.not_in_catalogue,
        } += 1;
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.kept += other.kept;
        self.failed += other.failed;
        self.read_only += other.read_only;
        self.not_in_catalogue += other.not_in_catalogue;
        self.other_kind += other.other_kind;
        self.nameless += other.nameless;
        self.unreadable += other.unreadable;
    }
}

/// What a scan found. The same for any number of threads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many records of each kind.
    pub counts: Counts,
    /// Files, standard input among them.
    pub inputs: u64,
    /// Bytes read, as they lie on the disk.
    pub packed_bytes: u64,
    /// Bytes of contents, after decompression.
    pub bytes: u64,
    /// What was wrong, in the order of the inputs and of the places in them; of each input the first ten.
    pub troubles: Vec<Trouble>,
}
