//! Given inputs, reads and judges them on as many threads as are wanted.
//!
//! Every thread is a reader as long as there are inputs to begin, and hands what it reads to whoever is idle; if nobody
//! is, it judges it itself. So many small files and one large file both keep all threads busy, no thread ever waits
//! for one that waits, and what is held in memory is bounded by the number of threads alone: for each at most two
//! batches waiting, one being read and one being judged, of 0.5 MiB, or 1.5 MiB where records are that large.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::batch::Batch;
use crate::folder;
use crate::input::Input;
use crate::read;
use crate::totals::{Counts, Kept, Progress, Totals};
use crate::trouble::{Trouble, What};
use crate::wanted::Wanted;

/// Of each input, how many troubles are told. A text file of a million lines that is no log is told in ten.
const TROUBLES: usize = 10;

/// An input being scanned.
pub(crate) struct Origin {
    pub input: Input,
    size: Option<u64>,
    /// By where they are, so that the same are kept whoever comes first.
    troubles: Mutex<BTreeMap<u64, What>>,
}

impl Origin {
    fn new(input: Input) -> Self {
        let size = match &input {
            Input::Path(path) => fs::metadata(path).ok().map(|about| about.len()),
            Input::Stdin => None,
        };
        Self { input, size, troubles: Mutex::default() }
    }

    #[cold]
    pub(crate) fn trouble(&self, what: What) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.entry(what.offset()).or_insert(what);
        if troubles.len() > TROUBLES {
            troubles.pop_last();
        }
    }
}

/// What all threads share.
pub(crate) struct Job<'a> {
    pub wanted: &'a Wanted,
    pub progress: &'a (dyn Fn(Progress) + Sync),
    pub keep: &'a (dyn Fn(Kept<'_>) + Sync),
    pub total: Option<u64>,
    pub packed_bytes: AtomicU64,
    pub bytes: AtomicU64,
    origins: &'a [Origin],
    /// In which order the inputs are begun.
    order: Vec<usize>,
    begun: AtomicUsize,
    /// Used again: fresh memory costs a page fault every 4 KiB.
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl<'a> Job<'a> {
    fn next(&self) -> Option<&'a Origin> {
        let next = self.begun.fetch_add(1, Ordering::Relaxed);
        self.order.get(next).map(|at| &self.origins[*at])
    }

    pub(crate) fn buffer(&self) -> Vec<u8> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    pub(crate) fn give_back(&self, buffer: Vec<u8>) {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

/// One thread's part.
pub(crate) struct Worker<'a> {
    pub job: &'a Job<'a>,
    pub counts: Counts,
    idle: Sender<Batch<'a>>,
}

impl<'a> Worker<'a> {
    /// Gives a batch to whoever is idle, or judges it here.
    pub(crate) fn hand_over(&mut self, batch: Batch<'a>) {
        if let Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) = self.idle.try_send(batch) {
            judge(self.job, batch, &mut self.counts);
        }
    }
}

fn judge(job: &Job<'_>, batch: Batch<'_>, counts: &mut Counts) {
    batch.judge(job, counts);
    job.give_back(batch.text);
}

/// Reads inputs while there are any, then judges what others read.
fn work<'a>(job: &'a Job<'a>, idle: Sender<Batch<'a>>, batches: &Receiver<Batch<'a>>) -> Counts {
    let mut worker = Worker { job, counts: Counts::default(), idle };
    while let Some(origin) = job.next() {
        read::read(origin, &mut worker);
    }
    let Worker { mut counts, idle, .. } = worker;
    drop(idle);
    for batch in batches {
        judge(job, batch, &mut counts);
    }
    counts
}

/// Scans inputs, and hands what somebody has to look at to `keep`, from several threads and in no order. `progress` is
/// called after each half MiB or so, from several threads too. Never fails as a whole: see [`Totals::troubles`].
pub fn scan(
    inputs: &[Input],
    wanted: &Wanted,
    threads: NonZeroUsize,
    progress: &(dyn Fn(Progress) + Sync),
    keep: &(dyn Fn(Kept<'_>) + Sync),
) -> Totals {
    let origins = origins(inputs);
    let total = origins.iter().map(|origin| origin.size).sum();
    // The largest first: one that is begun last would be decompressed by one thread while the others have nothing.
    let mut order: Vec<usize> = (0..origins.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(origins[*at].size.unwrap_or(u64::MAX)));
    let job = Job {
        wanted,
        progress,
        keep,
        total,
        packed_bytes: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        origins: &origins,
        order,
        begun: AtomicUsize::new(0),
        buffers: Mutex::default(),
    };
    let counts = run(&job, threads);
    let (packed_bytes, bytes) = (job.packed_bytes.into_inner(), job.bytes.into_inner());
    let troubles = origins.iter().flat_map(troubles).collect();
    Totals { counts, inputs: origins.len() as u64, packed_bytes, bytes, troubles }
}

fn run<'a>(job: &'a Job<'a>, threads: NonZeroUsize) -> Counts {
    let (idle, batches) = bounded(2 * threads.get());
    let mut counts = Counts::default();
    thread::scope(|scope| {
        let others: Vec<_> = (1..threads.get())
            .map(|_| {
                let (idle, batches) = (idle.clone(), batches.clone());
                scope.spawn(move || work(job, idle, &batches))
            })
            .collect();
        counts += work(job, idle, &batches);
        for other in others {
            match other.join() {
                Ok(more) => counts += more,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    counts
}

/// The inputs, folders replaced by what is in them.
fn origins(inputs: &[Input]) -> Vec<Origin> {
    let mut origins = Vec::new();
    for input in inputs {
        match input {
            Input::Path(path) if path.is_dir() => {
                let mut wrong = |path: &Path, error: std::io::Error| {
                    let origin = Origin { size: Some(0), ..Origin::new(Input::Path(path.to_owned())) };
                    origin.trouble(What::Open(error.to_string()));
                    origins.push(origin);
                };
                let files: Vec<PathBuf> = folder::log_files(path, &mut wrong);
                origins.extend(files.into_iter().map(|file| Origin::new(Input::Path(file))));
            }
            other => origins.push(Origin::new(other.clone())),
        }
    }
    origins
}

fn troubles(origin: &Origin) -> Vec<Trouble> {
    let troubles = origin.troubles.lock().unwrap_or_else(PoisonError::into_inner);
    let input = origin.input.name().to_owned();
    troubles.values().map(|what| Trouble { input: input.clone(), what: what.clone() }).collect()
}
