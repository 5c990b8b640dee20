//! Finds, in CloudTrail logs of any size, the few records that somebody has to look at.
//!
//! Bird's-eye view, from the outside in: [`scan()`] starts threads; `folder` and `input` find and open files; `read`
//! cuts contents into batches, at newlines or where `stream` says a record ends; `batch` has each record judged;
//! `judge` walks a record's own members with a `cursor`, which is told by `block` where strings and containers end.
//!
//! What must hold:
//! - A record is dropped here only if the operator, given the same record, would drop it for the same reason.
//! - What comes out does not depend on the number of threads, nor on where a piece happened to end.
//! - Memory depends on the number of threads (and the length of the list of files), not on the length of the input.
//!
//! What is dropped is not validated: nobody learns that a read-only call's parameters are no JSON. What is kept is not
//! either, beyond where it begins and ends: who gets it parses it.
//!
//! ```no_run
//! use std::num::NonZeroUsize;
//! use reforge_scan::{Input, Wanted, scan};
//!
//! let wanted = Wanted::from_iter([("dynamodb.amazonaws.com", "DeleteTable")]);
//! let inputs = [Input::Path("AWSLogs/123456789012/CloudTrail".into())];
//! let totals = scan(&inputs, &wanted, NonZeroUsize::MIN, &|_| {}, &|kept| {
//!     println!("{}, byte {}: {} bytes", kept.input.display(), kept.offset, kept.text.len());
//! });
//! println!("{} of {} records", totals.counts.kept, totals.counts.records());
//! for trouble in &totals.troubles {
//!     eprintln!("{trouble}");
//! }
//! ```

mod batch;
mod block;
mod cursor;
mod folder;
mod input;
mod judge;
mod read;
mod scan;
mod stream;
mod totals;
mod trouble;
mod wanted;

pub use input::{Input, Packing};
pub use judge::Form;
pub use scan::scan;
pub use stream::MAX_RECORD;
pub use totals::{Counts, Kept, Progress, Totals};
pub use trouble::{Trouble, What};
pub use wanted::{Wanted, without_version};
