//! Writes messages to files, as lines: for archives, for tools that read files, for a stick that somebody carries
//! away.
//!
//! A growing file is hidden (`.NAME`). It gets its name when it is complete: at its size, at its age, when the
//! agent stops, or at the next start after a crash. A message is acknowledged when its line is synced. After a
//! crash, every synced line is there. If its acknowledgement was not noted, the message is written again, with the
//! same content.
//!
//! Limits: 16 files grow at a time. One more completes the file that was written longest ago.

mod complete;
mod path;
mod tail;
mod writer;

use crate::batches::BatchOutput;
use crate::{
    Disconnected, Encoder, Message, Opened, Output, OutputContext, OutputKind, OutputProbing, ProbeResult,
    SendRate, Tail,
};
use headwater_settings::{Or, Table};
use path::PathTemplate;
use std::sync::Arc;
use std::time::Duration;
use writer::{FileWriter, Rotation};

pub(crate) const KIND: OutputKind = OutputKind {
    name: "file",
    formats: &["json", "csv"],
    read,
    tail: None,
    sample: include_str!("sample.toml"),
};

const MAX_SIZE: u64 = 16 << 20;
const MAX_AGE_MS: i64 = 3_600_000;
const SYNC_MS: i64 = 1_000;

/// A disk may take long for a sync.
const ACK_TIMEOUT: Duration = Duration::from_secs(120);

struct FileOutput {
    /// `path`, as it is written.
    path: String,
    template: Arc<PathTemplate>,
    batches: BatchOutput,
    rate: SendRate,
}

fn read(table: &mut Table<'_>, _context: &OutputContext) -> Option<Box<dyn Output>> {
    let read = read_path(table);
    let max_size = table.size("max_size", 1 << 10..=1 << 40).given().unwrap_or(MAX_SIZE);
    let max_age = table.duration("max_age", 1_000..=365 * 86_400_000).given().unwrap_or(MAX_AGE_MS);
    let sync = table.duration("sync", 0..=3_600_000).given().unwrap_or(SYNC_MS);
    let gzip = table.boolean("gzip").given().unwrap_or(false);
    let rate = SendRate::read(table);
    let ms = |ms: i64| Duration::from_millis(ms.unsigned_abs());
    let (path, template) = read?;
    let template = Arc::new(template);
    let rotation = Rotation { max_size, max_age: ms(max_age), gzip };
    let writer = FileWriter::new(template.clone(), rotation);
    Some(Box::new(FileOutput { path, template, batches: BatchOutput::new(writer, ms(sync)), rate }))
}

/// The path as it is written, and the template that it is.
fn read_path(table: &mut Table<'_>) -> Option<(String, PathTemplate)> {
    let Some(given) = table.path_to("path") else {
        table.missing("path", "add a path, e.g. path = \"out/{kind}/{date}/{agent}-{n}.jsonl\"");
        return None;
    };
    let text = given.value.to_string_lossy().into_owned();
    let template = PathTemplate::parse(&text);
    let template =
        template.map_err(|fix| table.refuse(given.span, format!("`path` cannot be `{text}`"), fix)).ok()?;
    Some((text, template))
}

impl Output for FileOutput {
    fn open(&mut self, encoder: &Arc<dyn Encoder>, _gone: Option<&Message>) -> Result<Opened, Disconnected> {
        let template = self.template.clone();
        self.batches.open(encoder, move |encoder, delivery| {
            Some(template.place(&encoder.address(&delivery.message)?))
        })
    }

    fn exclusive(&self) -> Option<String> {
        Some(format!("the files {}", self.path))
    }

    fn ack_timeout(&self) -> Duration {
        ACK_TIMEOUT
    }

    fn rate(&self) -> SendRate {
        self.rate
    }

    fn tail(&self, encoder: &dyn Encoder, agent: Option<&str>) -> Result<Box<dyn Tail>, String> {
        if !encoder.header().is_empty() {
            return Err(
                "only files of `format = \"json\"` can be followed; open these with what reads CSV".into()
            );
        }
        Ok(tail::follow(self.template.clone(), agent))
    }

    fn probe<'a>(&'a self, _encoder: &'a dyn Encoder) -> OutputProbing<'a> {
        Box::pin(async move {
            let root = self.template.root();
            Some(match writer::try_folder(&root) {
                Ok(free) => {
                    let free = headwater_settings::format_size(free);
                    ProbeResult::Good(format!("{}: can be written, {free} free", root.display()))
                }
                Err(error) => ProbeResult::Bad(format!(
                    "{}: {error}; make the folder writable for this user, or name another in `path`",
                    root.display()
                )),
            })
        })
    }
}
