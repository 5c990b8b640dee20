//! Given a piece of an input that holds whole records, judges each, and hands over those that somebody has to look at.

use crate::cursor::{Stop, blank_end};
use crate::judge::{NoVerdict, Reason, Verdict, verdict};
use crate::scan::{Job, Origin};
use crate::stream::{MAX_RECORD, Step, Stream};
use crate::totals::{Counts, Kept};
use crate::trouble::What;

/// A piece of an input.
pub(crate) struct Batch<'a> {
    pub origin: &'a Origin,
    pub text: Vec<u8>,
    /// Where the piece begins in the input's contents.
    pub offset: u64,
    pub cut: Cut,
}

/// Where the records of a piece are.
pub(crate) enum Cut {
    /// One on each line, from here to there.
    Lines(usize, usize),
    /// From here to there each.
    Records(Vec<(usize, usize)>),
}

impl Batch<'_> {
    /// Judges every record.
    pub(crate) fn judge(&self, job: &Job<'_>, counts: &mut Counts) {
        let mut bench = Bench { batch: self, job, counts };
        match &self.cut {
            Cut::Records(records) => {
                for (from, to) in records {
                    bench.record(*from, *to);
                }
            }
            Cut::Lines(from, to) => {
                let mut at = *from;
                for end in memchr::memchr_iter(b'\n', &self.text[..*to]).skip_while(|end| end < from) {
                    bench.line(at, end);
                    at = end + 1;
                }
                bench.line(at, *to);
            }
        }
    }
}

struct Bench<'a> {
    batch: &'a Batch<'a>,
    job: &'a Job<'a>,
    counts: &'a mut Counts,
}

impl Bench<'_> {
    #[inline]
    fn line(&mut self, from: usize, to: usize) {
        let text = &self.batch.text[..to];
        let at = blank_end(text, from);
        if at == to {
            return;
        }
        if to - at > MAX_RECORD {
            return self.unreadable(at, What::TooLong { at: 0 });
        }
        match verdict(&text[at..], self.job.wanted) {
            Ok((verdict, length)) => {
                let rest = blank_end(text, at + length);
                let comma = usize::from(text.get(rest) == Some(&b','));
                if blank_end(text, rest + comma) == to {
                    self.take(verdict, at, at + length);
                } else {
                    self.unreadable(rest, What::garbage(&text[rest..]));
                }
            }
            Err(NoVerdict::Wrapper(_)) => self.wrapped(at, to),
            Err(NoVerdict::Broken(stop)) => self.broken(stop, at, to),
        }
    }

    #[inline]
    fn record(&mut self, from: usize, to: usize) {
        match verdict(&self.batch.text[from..to], self.job.wanted) {
            Ok((verdict, _)) => self.take(verdict, from, to),
            // Records in a record: whatever that is, CloudTrail did not write it.
            Err(NoVerdict::Wrapper(_)) => self.counts.dropped(Reason::Nameless),
            Err(NoVerdict::Broken(stop)) => self.broken(stop, from, to),
        }
    }

    /// A whole log file on one line among lines that are records.
    fn wrapped(&mut self, from: usize, to: usize) {
        let (mut stream, mut at) = (Stream::new(), from);
        loop {
            match stream.step(&self.batch.text[..to], at) {
                Step::Record(from, to) => {
                    self.record(from, to);
                    at = to;
                }
                Step::Broken(at, what) => return self.unreadable(at, what),
                Step::More(at) if at < to => return self.unreadable(at, What::CutOff { at: 0 }),
                Step::More(at) if !stream.may_end() => return self.unreadable(at, What::ListCutOff { at: 0 }),
                Step::More(_) | Step::TooLong(_) => return,
            }
        }
    }

    #[inline]
    fn take(&mut self, verdict: Verdict, from: usize, to: usize) {
        match verdict {
            Verdict::Drop(reason) => self.counts.dropped(reason),
            Verdict::Keep(form) => {
                self.counts.kept += 1;
                let (text, input) = (&self.batch.text[from..to], self.batch.origin.input.name());
                (self.job.keep)(Kept { text, form, input, offset: self.batch.offset + from as u64 });
            }
        }
    }

    fn broken(&mut self, stop: Stop, from: usize, to: usize) {
        match stop {
            Stop::End => self.unreadable(from, What::CutOff { at: 0 }),
            Stop::At(found) => self.unreadable(from + found, What::garbage(&self.batch.text[from + found..to])),
        }
    }

    #[cold]
    fn unreadable(&mut self, at: usize, what: What) {
        self.counts.unreadable += 1;
        self.batch.origin.trouble(what.moved(self.batch.offset + at as u64));
    }
}
