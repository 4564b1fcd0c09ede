//! Writes messages to the standard output, a line each: for pipes, and for looking on.

use crate::batches::{BatchOutput, BatchWriter, LineBatch, PlacedLines};
use crate::{Disconnected, Encoder, Message, Opened, Output, OutputContext, OutputKind, SendRate, Tag};
use headwater_settings::Table;
use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) const KIND: OutputKind = OutputKind {
    name: "stdout",
    formats: &["json", "csv"],
    read,
    tail: None,
    sample: include_str!("sample.toml"),
};

/// A reader may stop for as long as it likes.
const ACK_TIMEOUT: Duration = Duration::from_secs(24 * 3_600);

/// How soon the standard output is looked at again that nobody reads any more.
const CLOSED_WAIT: Duration = Duration::from_secs(3_600);

struct StdoutOutput {
    /// Whether the reader of the pipe has gone. No other one can come.
    is_closed: Arc<AtomicBool>,
    batches: BatchOutput,
    rate: SendRate,
}

fn read(table: &mut Table<'_>, _context: &OutputContext) -> Option<Box<dyn Output>> {
    let rate = SendRate::read(table);
    let writer = LineWriter::default();
    let is_closed = writer.is_closed.clone();
    Some(Box::new(StdoutOutput { is_closed, batches: BatchOutput::new(writer, Duration::ZERO), rate }))
}

impl Output for StdoutOutput {
    fn open(&mut self, encoder: &Arc<dyn Encoder>, _gone: Option<&Message>) -> Result<Opened, Disconnected> {
        if self.is_closed.load(Ordering::Relaxed) {
            let reason =
                "nobody reads the standard output any more; messages wait until the next start".into();
            return Err(Disconnected { reason, wait: CLOSED_WAIT });
        }
        self.batches.open(encoder, |_, _| Some(String::new()))
    }

    fn ack_timeout(&self) -> Duration {
        ACK_TIMEOUT
    }

    fn rate(&self) -> SendRate {
        self.rate
    }
}

#[derive(Default)]
struct LineWriter {
    /// The header, until it is written.
    header: String,
    has_begun: bool,
    is_closed: Arc<AtomicBool>,
}

impl BatchWriter for LineWriter {
    fn begin(&mut self, header: &str) {
        if !std::mem::replace(&mut self.has_begun, true) {
            header.clone_into(&mut self.header);
        }
    }

    fn write(&mut self, batch: &LineBatch, written: &mut Vec<Tag>) -> Result<(), String> {
        let mut out = std::io::stdout().lock();
        let mut write = || {
            out.write_all(self.header.as_bytes())?;
            batch.values().try_for_each(|lines| out.write_all(&lines.text))?;
            out.flush()
        };
        write().map_err(|error| {
            self.is_closed.store(error.kind() == ErrorKind::BrokenPipe, Ordering::Relaxed);
            format!("cannot write to stdout: {error}")
        })?;
        self.header.clear();
        written.extend(batch.values().flat_map(PlacedLines::tags));
        Ok(())
    }
}
