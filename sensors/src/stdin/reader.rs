//! The thread that reads the standard input, and its receiver.

use crate::line::{FoundRecord, read_line};
use crate::payloads::Payloads;
use std::io::{self, BufReader, Read};
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// The most batches that wait to be decoded.
pub(super) const BATCHES_MAX: usize = 4;

/// A batch is handed over once it has this size, or when no more can be read at once (bytes).
pub(super) const BATCH_BYTES: usize = 64 << 10;

/// How much of the beginning is kept, for a header in it (bytes).
const BEGINNING_BYTES: usize = 8 << 10;

/// The state of the process's standard input.
static STANDARD: Mutex<State> = Mutex::new(State::Unread);

enum State {
    /// No source has read it yet.
    Unread,
    /// A source has read it and stopped, for a reload.
    Left(Reading),
    /// A source reads it.
    Taken,
}

/// What the reading thread sends: lines, or the reason why none follow.
pub(super) enum Batch {
    Lines(Payloads),
    /// The input has ended.
    Ended,
    /// The input failed, with the reason.
    Failed(String),
}

/// The receiver of the reading thread, and the beginning of what it has read.
struct Reading {
    batches: Receiver<Batch>,
    beginning: Vec<u8>,
    has_ended: bool,
}

/// The standard input, taken by one source; dropping it gives the input back.
pub(super) struct Input(Option<Reading>);

impl Input {
    /// Takes the standard input; the first call starts the reading thread.
    ///
    /// # Errors
    /// Another source has it, or there is no thread.
    pub(super) fn take(line_bytes_max: usize) -> Result<Self, String> {
        let mut state = STANDARD.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = match std::mem::replace(&mut *state, State::Taken) {
            State::Left(reading) => reading,
            State::Taken => {
                return Err("another source reads the standard input; remove one of the two".to_owned());
            }
            State::Unread => start(io::stdin(), line_bytes_max).map_err(|error| {
                *state = State::Unread;
                format!("no thread can be started to read the standard input: {error}")
            })?,
        };
        Ok(Self(Some(reading)))
    }

    pub(super) async fn next(&mut self) -> Batch {
        let Some(reading) = &mut self.0 else { return Batch::Ended };
        if reading.has_ended {
            return Batch::Ended;
        }
        let lost = || Batch::Failed("the thread that reads the standard input has ended".to_owned());
        let next = reading.batches.recv().await.unwrap_or_else(lost);
        reading.has_ended = matches!(next, Batch::Ended);
        next
    }

    /// The first lines that sources have taken; a reload gives the source a new decoder, which needs them.
    pub(super) fn beginning(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |reading| reading.beginning.as_slice())
    }

    /// Keeps the first lines.
    pub(super) fn remember(&mut self, lines: &Payloads) {
        let Some(Reading { beginning, .. }) = &mut self.0 else { return };
        for line in lines.iter().filter_map(|(line, _)| line) {
            if beginning.len() + line.len() >= BEGINNING_BYTES {
                return;
            }
            beginning.extend_from_slice(line);
            beginning.push(b'\n');
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        if let Some(reading) = self.0.take() {
            *STANDARD.lock().unwrap_or_else(PoisonError::into_inner) = State::Left(reading);
        }
    }
}

fn start(input: impl Read + Send + 'static, line_bytes_max: usize) -> io::Result<Reading> {
    let (to, batches) = channel(BATCHES_MAX);
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(move || {
            let last = read_all(input, line_bytes_max, &to).map_or_else(
                |error| Batch::Failed(format!("the standard input cannot be read: {error}")),
                |()| Batch::Ended,
            );
            // The receiver is gone when the process ends.
            let _ = to.blocking_send(last);
        })
        .map(|_| Reading { batches, beginning: Vec::new(), has_ended: false })
}

fn read_all(input: impl Read, line_bytes_max: usize, to: &Sender<Batch>) -> io::Result<()> {
    let mut input = BufReader::with_capacity(BATCH_BYTES, input);
    let (mut line, mut lines) = (Vec::new(), Payloads::from(1));
    loop {
        let found = read_line(&mut input, &mut line, line_bytes_max);
        match found {
            Ok(FoundRecord::Record) => lines.push(Some(&line)),
            Ok(FoundRecord::TooLarge) => lines.push(None),
            Ok(FoundRecord::End) | Err(_) => {}
        }
        let is_over = !matches!(found, Ok(FoundRecord::Record | FoundRecord::TooLarge));
        if is_over || input.buffer().is_empty() || lines.bytes_len() >= BATCH_BYTES {
            let is_gone = to.blocking_send(Batch::Lines(lines.take())).is_err();
            if is_over || is_gone {
                return found.map(|_| ());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, line_bytes_max: usize) -> (Vec<(Option<String>, u64)>, bool) {
        let source = start(io::Cursor::new(text.to_owned().into_bytes()), line_bytes_max).unwrap();
        let mut batches = source.batches;
        let mut lines = Vec::new();
        while let Some(batch) = batches.blocking_recv() {
            match batch {
                Batch::Lines(batch) => lines.extend(batch.iter().map(|(line, number)| {
                    (line.map(|line| String::from_utf8_lossy(line).into_owned()), number)
                })),
                Batch::Ended => return (lines, batches.blocking_recv().is_none()),
                Batch::Failed(why) => panic!("{why}"),
            }
        }
        (lines, false)
    }

    #[test]
    fn every_line_comes_with_its_number_and_a_long_one_is_skipped() {
        let line = |text: &str| Some(text.to_owned());
        let (lines, ended) = all("a\n\nlonger\nb\nc", 5);
        assert_eq!(lines, [(line("a"), 1), (line(""), 2), (None, 3), (line("b"), 4), (line("c"), 5)]);
        assert!(ended);
        assert_eq!(all("", 5), (vec![], true));
    }

    #[test]
    fn a_reader_that_is_not_heard_waits_and_nothing_is_lost() {
        let text = "0123456789\n".repeat(100_000);
        let (lines, ended) = all(&text, 100);
        assert!(ended && lines.len() == 100_000);
        assert!(lines.iter().all(|(line, _)| line.as_deref() == Some("0123456789")));
    }
}
