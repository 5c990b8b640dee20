//! What the commands print. A reader that has seen enough and closes the pipe, as `head` does, is nobody's fault: what is
//! printed after that goes nowhere, and the exit status is what it would have been.

use std::fmt::Display;
use std::io::{ErrorKind, Result, StdoutLock, Write, stderr};

/// Standard output, for as long as somebody reads it.
pub struct Output {
    to: StdoutLock<'static>,
    is_read: bool,
}

/// Standard output.
pub fn stdout() -> Output {
    Output { to: std::io::stdout().lock(), is_read: true }
}

/// Prints a text to standard output.
///
/// # Errors
/// When it cannot be written, though somebody reads it.
pub fn print(text: &str) -> Result<()> {
    let mut out = stdout();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints a line to standard error, if anybody reads that.
pub fn complain(line: &dyn Display) {
    // There is nowhere left to say that it could not be said.
    let _ = writeln!(stderr(), "{line}");
}

impl Output {
    fn unless_gone<T>(&mut self, otherwise: T, write: impl FnOnce(&mut StdoutLock<'static>) -> Result<T>) -> Result<T> {
        if !self.is_read {
            return Ok(otherwise);
        }
        match write(&mut self.to) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.is_read = false;
                Ok(otherwise)
            }
            written => written,
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.unless_gone(bytes.len(), |to| to.write(bytes))
    }

    fn flush(&mut self) -> Result<()> {
        self.unless_gone((), Write::flush)
    }
}
