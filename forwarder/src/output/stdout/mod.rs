//! Writes messages to the standard output, a line each: for pipes, and for looking on.

use crate::batches::{BatchOutput, BatchWriter, Entry};
use crate::{Disconnected, Encoder, Message, Opened, Output, OutputContext, OutputKind, SendRate, Tag};
use headwater_settings::Table;
use std::io::Write;
use std::sync::Arc;
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

struct StdoutOutput {
    batches: BatchOutput,
    rate: SendRate,
}

fn read(table: &mut Table<'_>, _context: &OutputContext) -> Option<Box<dyn Output>> {
    let rate = SendRate::read(table);
    Some(Box::new(StdoutOutput { batches: BatchOutput::new(LineWriter::default(), Duration::ZERO), rate }))
}

impl Output for StdoutOutput {
    fn open(&mut self, encoder: &Arc<dyn Encoder>, _gone: Option<&Message>) -> Result<Opened, Disconnected> {
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
}

impl BatchWriter for LineWriter {
    fn begin(&mut self, header: &str) {
        if !std::mem::replace(&mut self.has_begun, true) {
            header.clone_into(&mut self.header);
        }
    }

    fn write(&mut self, batch: &[Entry], written: &mut Vec<Tag>) -> Result<(), String> {
        let mut out = std::io::stdout().lock();
        let mut write = || {
            out.write_all(self.header.as_bytes())?;
            batch.iter().try_for_each(|entry| out.write_all(&entry.line))?;
            out.flush()
        };
        write().map_err(|error| format!("cannot write to stdout: {error}"))?;
        self.header.clear();
        written.extend(batch.iter().map(|entry| entry.tag));
        Ok(())
    }
}
