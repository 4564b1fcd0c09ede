//! `type = "file"`: payloads from files, one a line, also while they are written.
//!
//! A thread looks for the files and reads them (`reader.rs`). The place behind the last line of each file is a position of
//! the source (`place.rs`), so that a crash neither loses a line nor repeats one, and nothing needs to be acknowledged.
//! The files are looked at again and again: inotify knows nothing of network file systems, and a look costs one call a file.
//!
//! Limits: lines of `[limits] payload`; those of `reader.rs`.

mod finder;
mod followed;
mod place;
mod reader;
#[cfg(test)]
mod tests;

use crate::access::explain;
use crate::line_input::LineInput;
use crate::room::room;
use crate::source::stopped;
use crate::topic::TopicTemplate;
use crate::{
    ConnectionState, DecodeConfig, Finding, Running, Sink, Source, SourceContext, SourceKind, SourceProbe,
    Stop,
};
use finder::{Finder, Found};
use headwater_settings::{Or, Pairs, Table};
use place::{forget, known_files, note_identity, note_place};
use reader::{FileEvent, FileTask};
use std::collections::HashMap;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

pub(crate) const KIND: SourceKind =
    SourceKind { name: "file", read, find: None, discover: None, sample: include_str!("sample.toml") };

/// The default of `interval`: how often a file is looked at (ms).
const INTERVAL_MS: i64 = 250;

struct FileSource {
    finder: Finder,
    follow: bool,
    every: Duration,
    is_durable: bool,
    decode: DecodeConfig,
    context: SourceContext,
}

fn read(table: &mut Table<'_>, context: &SourceContext, labels: &Pairs) -> Option<Box<dyn Source>> {
    let finder = read_path(table);
    let follow = table.boolean("follow").value_or(true);
    let interval_ms = table.duration("interval", 10..=60_000).value_or(INTERVAL_MS);
    let is_durable = table.choice("ack", &[("received", false), ("durable", true)]).value_or(false);
    let any = TopicTemplate::parse("#").ok()?;
    let decode = DecodeConfig::read(table, labels, Some(vec![any]));
    Some(Box::new(FileSource {
        finder: finder?,
        follow,
        every: Duration::from_millis(interval_ms.unsigned_abs()),
        is_durable,
        decode: decode?,
        context: context.clone(),
    }))
}

/// `None`: there were mistakes.
fn read_path(table: &mut Table<'_>) -> Option<Finder> {
    let Some(paths) = table.one_or_more("path") else {
        table.missing(
            "path",
            "add the file to read: `path = \"/var/log/meter.csv\"`, or a pattern such as \"*.csv\"",
        );
        return None;
    };
    let patterns: Vec<&str> = paths.value.iter().map(|path| path.value.as_str()).collect();
    match Finder::new(&patterns, table.folder()) {
        Ok(finder) => Some(finder),
        Err((at, why)) => {
            let path = paths.value.get(at)?;
            let what = format!("`{}` is no pattern: {why}", path.value);
            table.refuse(
                path.span.clone(),
                what,
                "`*`, `?` and `[…]` stand for other characters; `[[]` is a bracket",
            );
            None
        }
    }
}

impl Source for FileSource {
    fn payloads(&self) -> Option<&DecodeConfig> {
        Some(&self.decode)
    }

    fn is_durable(&self) -> bool {
        self.is_durable
    }

    /// The files keep their lines. Those without a time are of their second arrival, and so are missing at the first.
    fn redelivers(&self) -> bool {
        self.is_durable || !self.decode.time.is_empty()
    }

    fn probe(&self) -> SourceProbe<'_> {
        Box::pin(async { Some(probe(&self.finder)) })
    }

    fn run(self: Box<Self>, sink: Box<dyn Sink>, stop: Stop) -> Running {
        Box::pin(async move {
            let mut sink = sink;
            let mut stop = pin!(stopped(stop));
            match self.start(sink.as_mut()) {
                Err(why) => sink.connection(ConnectionState::Down { reason: &why }),
                Ok(events) => tokio::select! {
                    () = &mut stop => return,
                    () = self.serve(events, sink.as_mut()) => {}
                },
            }
            stop.await;
        })
    }
}

impl FileSource {
    fn start(&self, sink: &mut dyn Sink) -> Result<Receiver<FileEvent>, String> {
        let (known, whole) = known_files(&sink.positions());
        if let Err(why) = whole {
            sink.state_dropped(&why);
        }
        let Self { finder, follow, every, .. } = self;
        let line_bytes_max = self.context.payload_bytes_max;
        reader::start(FileTask {
            finder: finder.clone(),
            follow: *follow,
            every: *every,
            line_bytes_max,
            known,
        })
        .map_err(|error| format!("no thread can be started to read files: {error}"))
    }

    /// Decodes what the thread reads.
    async fn serve(&self, mut events: Receiver<FileEvent>, sink: &mut dyn Sink) {
        let mut inputs: HashMap<u32, LineInput> = HashMap::new();
        while let Some(event) = events.recv().await {
            match event {
                FileEvent::Opened { number, identity, path, place, beginning } => {
                    note_identity(sink, number, identity, &path);
                    note_place(sink, number, place);
                    let origin = path.display().to_string();
                    let mut input = LineInput::new(&self.decode, &self.context, &topic_of(&path), &origin);
                    input.resume(&beginning);
                    inputs.insert(number, input);
                }
                FileEvent::Read { number, lines, place } => {
                    if let Some(input) = inputs.get_mut(&number) {
                        input.on_lines(&lines, sink);
                    }
                    note_place(sink, number, place);
                    room(sink).await;
                }
                FileEvent::Closed { number } => {
                    inputs.remove(&number);
                }
                FileEvent::Forgotten { number } => forget(sink, number),
                FileEvent::Notice(what) => tracing::warn!(source = self.context.source, "{what}"),
                FileEvent::State(Ok(())) => sink.connection(ConnectionState::Up),
                FileEvent::State(Err(why)) => sink.connection(ConnectionState::Down { reason: &why }),
                FileEvent::Ended => return sink.connection(ConnectionState::Ended),
            }
        }
        if self.follow {
            let reason = "the thread that reads the files has ended";
            sink.connection(ConnectionState::Down { reason });
        }
    }
}

/// The topic of a file: its name without its ending, as that of a recording.
fn topic_of(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn probe(finder: &Finder) -> Finding {
    let Found { files, troubles } = finder.look();
    let bytes: u64 = files.iter().map(|(_, _, bytes, _)| bytes).sum();
    let unreadable = files.iter().find_map(|(path, ..)| {
        let error = std::fs::File::open(path).err()?;
        Some(explain(path, &error, finder::DROP_IN))
    });
    match (unreadable.or_else(|| troubles.into_iter().next().map(|(_, why)| why)), files.first()) {
        (Some(why), _) => Finding::Fails(why),
        (None, None) => Finding::Note(finder.nothing()),
        (None, Some((first, ..))) => {
            let (count, kib) = (files.len(), bytes.div_ceil(1_024));
            Finding::Works(format!("{count} files, {kib} KiB; the first is {}", first.display()))
        }
    }
}
