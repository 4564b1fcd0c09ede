//! What commands print. A reader that has seen enough (`| head`) ends a command, and that is no failure.

use super::Failure;
use std::io::{self, ErrorKind, Write};

/// Prints a text as it is.
///
/// # Errors
/// [`Failure::Unread`]: nobody reads on.
pub(super) fn print(text: impl AsRef<[u8]>) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_ref()).and_then(|()| out.flush()).map_err(unwritten)
}

/// Prints a line.
///
/// # Errors
/// [`Failure::Unread`]: nobody reads on.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    print(format!("{text}\n"))
}

/// Why standard output takes no more.
pub(super) fn unwritten(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::Unread,
        _ => Failure::Other(format!("cannot write to standard output: {error}")),
    }
}
