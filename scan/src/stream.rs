//! Given the next piece of a stream of JSON, says where its next record is: bare objects, arrays of them, and log
//! files' `{"Records": [...]}`, one after another, with or without commas and lines between them. Pure: who calls it
//! holds the bytes, and brings more when there are too few.

use crate::cursor::{Cursor, Stop, blank_end};
use crate::judge::{NoVerdict, verdict};
use crate::trouble::What;
use crate::wanted::Wanted;

/// A record holds at most 1 MiB, in bytes. CloudTrail's hold 256 KB; a larger one is nothing that it wrote.
pub const MAX_RECORD: usize = 1 << 20;

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A record's text, from here to there; the next step goes on after it.
    Record(usize, usize),
    /// A record larger than [`MAX_RECORD`] begins here; the next step passes over it.
    TooLong(usize),
    /// The piece is used up to here; what follows is to be brought again, with more.
    More(usize),
    /// Nothing after this can be read.
    Broken(usize, What),
}

/// Where in the stream the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Outside everything.
    Between,
    /// In an array of records; `wrapped` if it is a log file's.
    Array { wrapped: bool },
    /// In something that nobody wants to see, as many brackets deep; afterwards it goes on as said.
    Skip { depth: u64, in_string: bool, escaped: bool, array: Option<bool> },
}

/// A stream's state between two pieces.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    place: Place,
}

impl Stream {
    /// At the beginning.
    pub const fn new() -> Self {
        Self { place: Place::Between }
    }

    /// Whether the stream may end here.
    pub fn may_end(&self) -> bool {
        self.place == Place::Between
    }

    /// The next step from `at` on.
    #[inline]
    pub fn step(&mut self, piece: &[u8], at: usize) -> Step {
        let mut at = at;
        loop {
            if let Place::Skip { .. } = self.place {
                at = self.skip(piece, at);
            }
            at = blank_or_comma_end(piece, at);
            let Some(first) = piece.get(at) else { return Step::More(at) };
            match (self.place, first) {
                (Place::Between, b'[') => {
                    self.place = Place::Array { wrapped: false };
                    at += 1;
                }
                (Place::Between, b'{') => match self.object(piece, at) {
                    Ok(inside) => at = inside,
                    Err(step) => return step,
                },
                (Place::Array { wrapped }, b']') => {
                    let rest = Place::Skip { depth: 1, in_string: false, escaped: false, array: None };
                    self.place = if wrapped { rest } else { Place::Between };
                    at += 1;
                }
                (Place::Array { wrapped }, b'{') => {
                    return match Cursor::new(&piece[at..]).container_end(1) {
                        Ok(end) => self.record(at, at + end + 1, Some(wrapped)),
                        Err(_) => self.more(piece, at, Some(wrapped)),
                    };
                }
                (_, _) => return Step::Broken(at, What::garbage(&piece[at..])),
            }
        }
    }

    /// An object outside everything: a record, or what log files wrap their records in, whose first record is then
    /// looked for at the place that comes back.
    fn object(&mut self, piece: &[u8], at: usize) -> Result<usize, Step> {
        // Judged to be walked only: this form is rare, and its records are judged again by whoever gets them.
        match verdict(&piece[at..], &Wanted::default()) {
            Ok((_, end)) => Err(self.record(at, at + end, None)),
            Err(NoVerdict::Wrapper(inside)) => {
                self.place = Place::Array { wrapped: true };
                Ok(at + inside)
            }
            Err(NoVerdict::Broken(Stop::End)) => Err(self.more(piece, at, None)),
            Err(NoVerdict::Broken(Stop::At(found))) => {
                let found = at + found;
                Err(Step::Broken(found, What::garbage(&piece[found..])))
            }
        }
    }

    fn record(&mut self, at: usize, end: usize, array: Option<bool>) -> Step {
        if end - at <= MAX_RECORD {
            return Step::Record(at, end);
        }
        self.place = Place::Skip { depth: 0, in_string: false, escaped: false, array };
        Step::TooLong(at)
    }

    fn more(&mut self, piece: &[u8], at: usize, array: Option<bool>) -> Step {
        if piece.len() - at <= MAX_RECORD {
            return Step::More(at);
        }
        self.record(at, piece.len(), array)
    }

    /// Byte by byte: what is too long, and what is after a log file's records, is rare or short.
    fn skip(&mut self, piece: &[u8], at: usize) -> usize {
        let Place::Skip { depth, in_string, escaped, array } = &mut self.place else { return at };
        for (i, byte) in piece.iter().enumerate().skip(at) {
            match byte {
                _ if *escaped => *escaped = false,
                b'\\' => *escaped = *in_string,
                b'"' => *in_string = !*in_string,
                b'{' | b'[' if !*in_string => *depth += 1,
                b'}' | b']' if !*in_string => {
                    *depth -= 1;
                    if *depth == 0 {
                        self.place = array.map_or(Place::Between, |wrapped| Place::Array { wrapped });
                        return i + 1;
                    }
                }
                _ => {}
            }
        }
        piece.len()
    }
}

/// Commas are passed over like white space, outside records: `{...},` on a line of its own is a common way to keep
/// records, and one comma too many hides nothing.
fn blank_or_comma_end(piece: &[u8], at: usize) -> usize {
    let mut at = blank_end(piece, at);
    while piece.get(at) == Some(&b',') {
        at = blank_end(piece, at + 1);
    }
    at
}
