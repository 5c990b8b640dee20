//! Given a path or standard input, gives its contents, decompressed, whatever the file is called.

use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

/// Bytes of compressed text that are read at once.
const PACKED_CHUNK: usize = 128 << 10;

/// Where records come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file of any name, or a folder: its log files, and those of the folders in it.
    Path(PathBuf),
    /// Standard input.
    Stdin,
}

impl Input {
    /// The input's name, for messages.
    pub fn name(&self) -> &Path {
        match self {
            Self::Path(path) => path,
            Self::Stdin => Path::new("-"),
        }
    }
}

/// How a file is compressed; its first bytes say so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// gzip, of one member or several: S3's log files, and what `cat` makes of them.
    Gzip,
    /// zstd.
    Zstd,
}

impl Packing {
    fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or a skippable one as `pzstd` puts first (RFC 8878, 3.1).
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Self::Zstd,
            _ => Self::Plain,
        }
    }
}

impl fmt::Display for Packing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// An input's contents.
pub(crate) struct Contents<'a> {
    pub packing: Packing,
    pub reader: Box<dyn Read + 'a>,
}

/// Opens an input. What is read of it, before decompression, is added to `own` and to `all`.
pub(crate) fn open<'a>(input: &Input, own: &'a Cell<u64>, all: &'a AtomicU64) -> io::Result<Contents<'a>> {
    let raw: Box<dyn Read> = match input {
        Input::Path(path) => Box::new(File::open(path)?),
        Input::Stdin => Box::new(io::stdin()),
    };
    let mut raw = Metered { raw, own, all };
    let mut magic = Vec::with_capacity(4);
    raw.by_ref().take(4).read_to_end(&mut magic)?;
    let packing = Packing::of(&magic);
    let whole = io::Cursor::new(magic).chain(raw);
    let reader: Box<dyn Read> = match packing {
        Packing::Plain => Box::new(whole),
        Packing::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(PACKED_CHUNK, whole))),
        Packing::Zstd => {
            Box::new(zstd::stream::read::Decoder::with_buffer(BufReader::with_capacity(PACKED_CHUNK, whole))?)
        }
    };
    Ok(Contents { packing, reader })
}

/// Counts what passes.
struct Metered<'a, R> {
    raw: R,
    own: &'a Cell<u64>,
    all: &'a AtomicU64,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.raw.read(into)?;
        self.own.set(self.own.get() + read as u64);
        self.all.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
