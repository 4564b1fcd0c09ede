//! Writes messages to the standard output, a line each: for pipes, and for looking on.

use crate::batches::{BatchOutput, BatchWriter, Entry};
use crate::{Disconnected, Encoder, Message, Opened, Output, OutputContext, OutputKind, SendRate, Tag};
use headwater_settings::Table;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const KIND: OutputKind =
    OutputKind { name: "stdout", formats: &["json"], read, tail: None, sample: include_str!("sample.toml") };

/// A reader may stop for as long as it likes.
const ACK_TIMEOUT: Duration = Duration::from_secs(24 * 3_600);

struct StdoutOutput {
    batches: BatchOutput,
    rate: SendRate,
}

fn read(table: &mut Table<'_>, _context: &OutputContext) -> Option<Box<dyn Output>> {
    let rate = SendRate::read(table);
    Some(Box::new(StdoutOutput { batches: BatchOutput::new(LineWriter, Duration::ZERO), rate }))
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

struct LineWriter;

impl BatchWriter for LineWriter {
    fn write(&mut self, batch: &[Entry], written: &mut Vec<Tag>) -> Result<(), String> {
        let mut out = std::io::stdout().lock();
        let lines = batch.iter().try_for_each(|entry| out.write_all(&entry.line));
        lines.and_then(|()| out.flush()).map_err(|error| format!("cannot write to stdout: {error}"))?;
        written.extend(batch.iter().map(|entry| entry.tag));
        Ok(())
    }
}
