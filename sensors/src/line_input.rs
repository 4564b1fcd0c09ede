//! One input that comes line by line, such as a file or a connection: its lines become readings.

use crate::decode::{Decoder, PayloadOrigin};
use crate::format::PayloadFraming;
use crate::line::too_large;
use crate::line_splitter::LineSplitter;
use crate::payloads::Payloads;
use crate::sml_telegram::SmlSplitter;
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

    /// Decodes a payload that is no line; `None`: it was too long.
    fn on_whole(&mut self, payload: Option<&[u8]>, number: u64, sink: &mut dyn Sink) {
        let origin = PayloadOrigin { name: &self.origin, line: Some(number) };
        match payload {
            None => sink.invalid(&origin.to_string(), &too_large(self.bytes_max)),
            Some(payload) => self.decoder.on_recorded(&self.topic, payload, origin, sink),
        }
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

/// The same for bytes that come in pieces; what divides them is the format's.
pub(crate) struct LineStream {
    input: LineInput,
    splitter: Splitter,
    lines: u64,
    /// Whether the line whose end has not come was counted as too long.
    is_counted: bool,
}

enum Splitter {
    Lines(LineSplitter),
    Sml(SmlSplitter),
}

impl LineStream {
    /// A stream from its beginning on; where the format has lines, each byte of `ends` ends a line.
    pub(crate) fn new(
        (config, context): (&DecodeConfig, &SourceContext),
        topic: &str,
        origin: &str,
        ends: &'static [u8],
    ) -> Self {
        let bytes_max = context.payload_bytes_max;
        let splitter = match config.format.framing() {
            PayloadFraming::Lines => Splitter::Lines(LineSplitter::new(ends, bytes_max)),
            PayloadFraming::Sml => Splitter::Sml(SmlSplitter::new(bytes_max)),
        };
        Self { input: LineInput::new(config, context, topic, origin), splitter, lines: 0, is_counted: false }
    }

    /// Takes the next bytes, and decodes the lines that end in them.
    pub(crate) fn feed(&mut self, bytes: &[u8], sink: &mut dyn Sink) {
        let Self { input, splitter, lines, is_counted } = self;
        let splitter = match splitter {
            Splitter::Lines(splitter) => splitter,
            Splitter::Sml(splitter) => {
                return splitter.feed(bytes, |telegram| {
                    *lines += 1;
                    input.on_whole(telegram, *lines, sink);
                });
            }
        };
        splitter.feed(bytes, |line| on_line(line, (input, lines, is_counted), sink));
        // A line may never end.
        if splitter.is_too_long() && !self.is_counted {
            self.is_counted = true;
            self.input.on_line(None, self.lines + 1, sink);
        }
    }

    /// The stream has ended, and with it its last line.
    pub(crate) fn finish(&mut self, sink: &mut dyn Sink) {
        let Self { input, splitter, lines, is_counted } = self;
        if let Splitter::Lines(splitter) = splitter {
            splitter.finish(|line| on_line(line, (input, lines, is_counted), sink));
        }
    }
}

fn on_line(
    line: Option<&[u8]>,
    (input, lines, is_counted): (&mut LineInput, &mut u64, &mut bool),
    sink: &mut dyn Sink,
) {
    *lines += 1;
    if !std::mem::take(is_counted) {
        input.on_line(line, *lines, sink);
    }
}
