//! `type = "stdin"`: payloads from the standard input, one per line.
//!
//! A thread reads, because only a thread can wait for every kind of standard input. It hands over batches of lines,
//! and waits while [`reader::BATCHES_MAX`] of them are not decoded yet, so that the writer is slowed down and nothing
//! is lost. The thread belongs to the process: it survives a reload, and ends with the input or the process.
//!
//! Limits: lines of `[limits] payload`; [`reader::BATCHES_MAX`] batches of about [`reader::BATCH_BYTES`].

mod reader;

use crate::line_input::LineInput;
use crate::source::stopped;
use crate::topic::TopicTemplate;
use crate::{ConnectionState, DecodeConfig, Running, Sink, Source, SourceContext, SourceKind, Stop};
use headwater_settings::{Pairs, Table};
use reader::{Batch, Input};
use std::pin::pin;

pub(crate) const KIND: SourceKind =
    SourceKind { name: "stdin", read, find: None, discover: None, sample: include_str!("sample.toml") };

struct Stdin {
    decode: DecodeConfig,
    context: SourceContext,
}

fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let topic = TopicTemplate::literal(&context.source);
    let decode = DecodeConfig::read(table, labels, Some(vec![topic]))?;
    Some(Box::new(Stdin { decode, context: context.clone() }))
}

impl Source for Stdin {
    fn payloads(&self) -> Option<&DecodeConfig> {
        Some(&self.decode)
    }

    fn exclusive(&self) -> Option<String> {
        Some("the standard input".to_owned())
    }

    fn run(self: Box<Self>, sink: Box<dyn Sink>, stop: Stop) -> Running {
        Box::pin(async move {
            let mut sink = sink;
            let mut stop = pin!(stopped(stop));
            match Input::take(self.context.payload_bytes_max) {
                Err(why) => sink.connection(ConnectionState::Down { reason: &why }),
                Ok(input) => tokio::select! {
                    () = &mut stop => return,
                    () = self.serve(input, sink.as_mut()) => {}
                },
            }
            stop.await;
        })
    }
}

impl Stdin {
    /// Decodes until the input has ended.
    async fn serve(&self, mut input: Input, sink: &mut dyn Sink) {
        let name = &self.context.source;
        let mut lines_in = LineInput::new(&self.decode, &self.context, name, name);
        lines_in.resume(input.beginning());
        sink.connection(ConnectionState::Up);
        loop {
            match input.next().await {
                Batch::Lines(lines) => {
                    input.remember(&lines);
                    lines_in.on_lines(&lines, sink);
                    tokio::task::yield_now().await;
                }
                Batch::Ended => return sink.connection(ConnectionState::Ended),
                Batch::Failed(why) => {
                    return sink.connection(ConnectionState::Down { reason: &why });
                }
            }
        }
    }
}
