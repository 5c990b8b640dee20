//! Given an input, cuts its contents into batches of whole records, and hands them on. Holds one piece at a time: what
//! a piece's last record lacks is read together with the next.
//!
//! Contents with a record on each line are cut at newlines, and so a broken line harms no other. All else is walked
//! as a stream, and what is broken there ends the input: nobody can tell where the next record begins.

use std::cell::Cell;
use std::io::{self, ErrorKind, Read};

use crate::batch::{Batch, Cut};
use crate::cursor::blank_end;
use crate::input::{self, Contents};
use crate::judge::{NoVerdict, verdict};
use crate::scan::{Origin, Worker};
use crate::stream::{MAX_RECORD, Step, Stream};
use crate::totals::Progress;
use crate::trouble::What;
use crate::wanted::Wanted;

/// Bytes read at once. Small enough that a piece is still in the cache of the core that read it when it is judged.
const CHUNK: usize = 512 << 10;

/// Windows' editors put it before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads an input to its end.
pub(crate) fn read<'a>(origin: &'a Origin, worker: &mut Worker<'a>) {
    let packed = Cell::new(0);
    let contents = match input::open(&origin.input, &packed, &worker.job.packed_bytes) {
        Ok(contents) => contents,
        Err(error) => return origin.trouble(What::Open(error.to_string())),
    };
    let text = worker.job.buffer();
    let mut reading = Reading { origin, worker, contents, packed: &packed, text, len: 0, offset: 0, ended: false };
    reading.fill();
    let from = if reading.text().starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    if is_lines(&reading.text()[from..]) {
        reading.lines(from);
    } else {
        reading.stream(from);
    }
    let (text, end) = (reading.text, reading.offset);
    worker.job.give_back(text);
    worker.job.bytes.fetch_add(end, std::sync::atomic::Ordering::Relaxed);
}

struct Reading<'a, 'w, 'r> {
    origin: &'a Origin,
    worker: &'w mut Worker<'a>,
    contents: Contents<'r>,
    /// Bytes read, before decompression.
    packed: &'r Cell<u64>,
    /// The piece, and room for more.
    text: Vec<u8>,
    /// The piece's length.
    len: usize,
    /// Where the piece begins in the contents.
    offset: u64,
    /// Whether nothing comes after the piece.
    ended: bool,
}

impl Reading<'_, '_, '_> {
    fn text(&self) -> &[u8] {
        &self.text[..self.len]
    }

    /// Makes the piece longer by [`CHUNK`], or by what there is. An error ends the contents where it is met.
    fn fill(&mut self) {
        let wanted = self.len + CHUNK;
        if self.text.len() < wanted {
            self.text.resize(wanted, 0);
        }
        while self.len < wanted && !self.ended {
            match self.contents.reader.read(&mut self.text[self.len..wanted]) {
                Ok(0) => self.ended = true,
                Ok(read) => self.len += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.fail(&error),
            }
        }
        let job = self.worker.job;
        let done = job.packed_bytes.load(std::sync::atomic::Ordering::Relaxed);
        (job.progress)(Progress { done, total: job.total });
    }

    fn fail(&mut self, error: &io::Error) {
        self.ended = true;
        let at = self.offset + self.len as u64;
        let (packed_at, packing) = (self.packed.get(), self.contents.packing);
        self.origin.trouble(What::Read { at, packed_at, packing, error: error.to_string() });
    }

    /// Hands the piece up to `to` on, and keeps what is after it.
    fn hand_over(&mut self, cut: Cut, to: usize) {
        let mut next = self.worker.job.buffer();
        let rest = self.len - to;
        if next.len() < rest {
            next.resize(rest, 0);
        }
        next[..rest].copy_from_slice(&self.text[to..self.len]);
        let text = std::mem::replace(&mut self.text, next);
        let batch = Batch { origin: self.origin, text, offset: self.offset, cut };
        self.len = rest;
        self.offset += to as u64;
        self.worker.hand_over(batch);
    }

    /// Leaves out the piece up to `to`.
    fn pass_over(&mut self, to: usize) {
        self.text.copy_within(to..self.len, 0);
        self.len -= to;
        self.offset += to as u64;
    }

    fn unreadable(&mut self, what: What) {
        self.worker.counts.unreadable += 1;
        self.origin.trouble(what);
    }

    /// A record on each line.
    fn lines(&mut self, from: usize) {
        let mut from = from;
        loop {
            if self.ended {
                return self.hand_over(Cut::Lines(from, self.len), self.len);
            }
            match memchr::memrchr(b'\n', self.text()) {
                Some(newline) => {
                    self.hand_over(Cut::Lines(from, newline), newline + 1);
                    from = 0;
                }
                None if self.len > MAX_RECORD => self.pass_over_line(),
                None => {}
            }
            self.fill();
        }
    }

    /// A line that is too long, and has no end in sight.
    fn pass_over_line(&mut self) {
        self.unreadable(What::TooLong { at: self.offset });
        loop {
            if let Some(newline) = memchr::memchr(b'\n', self.text()) {
                return self.pass_over(newline);
            }
            self.pass_over(self.len);
            if self.ended {
                return;
            }
            self.fill();
        }
    }

    /// Everything else.
    fn stream(&mut self, from: usize) {
        let (mut stream, mut at) = (Stream::new(), from);
        loop {
            let mut records = Vec::new();
            let (to, broken) = loop {
                match stream.step(&self.text[..self.len], at) {
                    Step::Record(from, to) => {
                        records.push((from, to));
                        at = to;
                    }
                    Step::TooLong(from) => {
                        self.unreadable(What::TooLong { at: self.offset + from as u64 });
                        at = from;
                    }
                    Step::More(from) => break (from, None),
                    Step::Broken(at, what) => break (at, Some(what.moved(self.offset + at as u64))),
                }
            };
            if records.is_empty() {
                self.pass_over(to);
            } else {
                self.hand_over(Cut::Records(records), to);
            }
            at = 0;
            match broken {
                Some(what) => return self.unreadable(what),
                None if self.ended => return self.end(&stream),
                None => self.fill(),
            }
        }
    }

    fn end(&mut self, stream: &Stream) {
        let at = self.offset;
        if self.len > 0 {
            self.unreadable(What::CutOff { at });
        } else if !stream.may_end() {
            self.origin.trouble(What::ListCutOff { at });
        }
        self.offset += self.len as u64;
    }
}

/// Whether contents that begin like this have a record on each line: the first line is one, or, since logs are also
/// cut where nobody looks, the second.
fn is_lines(text: &[u8]) -> bool {
    let text = &text[blank_end(text, 0)..];
    let Some(newline) = memchr::memchr(b'\n', text) else { return false };
    let second = text[newline..].split(|b| *b == b'\n').find(|line| blank_end(line, 0) < line.len());
    match verdict(text, &Wanted::default()) {
        Err(NoVerdict::Wrapper(_)) => false,
        _ if text.starts_with(b"[") => false,
        _ if is_record(&text[..newline]) => true,
        Ok(_) => false,
        Err(NoVerdict::Broken(_)) => second.is_some_and(is_record),
    }
}

/// Whether a line is a record, and nothing else.
fn is_record(line: &[u8]) -> bool {
    let line = &line[blank_end(line, 0)..];
    verdict(line, &Wanted::default()).is_ok_and(|(_, end)| blank_end(line, end) == line.len())
}
