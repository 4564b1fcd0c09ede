//! One input that comes line by line, such as a file or a connection: its lines become readings.

use crate::decode::{Decoder, PayloadOrigin};
use crate::line::too_large;
use crate::payloads::Payloads;
use crate::{DecodeConfig, Sink, SourceContext};

/// Decodes the lines of one input, whose first lines may explain the others.
pub(crate) struct LineInput {
    decoder: Decoder,
    topic: String,
    /// What people call it.
    origin: String,
    bytes_max: usize,
}

impl LineInput {
    /// An input from its beginning on; its series have the topic in their names.
    pub(crate) fn new(config: &DecodeConfig, context: &SourceContext, topic: &str, origin: &str) -> Self {
        Self {
            decoder: Decoder::new(config, context),
            topic: topic.to_owned(),
            origin: origin.to_owned(),
            bytes_max: context.payload_bytes_max,
        }
    }

    /// Goes on behind a beginning that was decoded earlier.
    pub(crate) fn resume(&mut self, beginning: &[u8]) {
        self.decoder.resume(beginning);
    }

    /// Decodes lines; blank ones are skipped and not counted.
    pub(crate) fn on_lines(&mut self, lines: &Payloads, sink: &mut dyn Sink) {
        lines.iter().for_each(|(line, number)| self.on_line(line, number, sink));
    }

    /// Decodes one line; `None`: it was too long.
    pub(crate) fn on_line(&mut self, line: Option<&[u8]>, number: u64, sink: &mut dyn Sink) {
        let origin = PayloadOrigin { name: &self.origin, line: Some(number) };
        match line {
            None => sink.invalid(&origin.to_string(), &too_large(self.bytes_max)),
            Some(line) if line.trim_ascii().is_empty() => {}
            Some(line) => self.decoder.on_line(&self.topic, line, origin, sink),
        }
    }
}
