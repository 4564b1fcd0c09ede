//! Merges the summaries of many agents, as upstream jobs do: by a label, and by longer windows. forwarder/fleet/README.md
//! has the rule; the jobs there follow it too, and the same vectors hold all of them.

mod entry;
mod numbers;
mod revisions;
mod sketch;

use entry::{Entry, Group, Refusal};
use headwater_text::escape_json;
use revisions::Revisions;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::BufRead;

/// How summaries are merged.
#[derive(Clone, Debug)]
pub struct MergeOptions {
    /// The labels that make a group.
    pub by: Vec<String>,
    /// The length of a window (ms); it is positive.
    pub every_ms: i64,
    /// Percentiles of the result, each above 0 and at most 100.
    pub percentiles: Vec<f64>,
    /// Whether a result has the merged sketch.
    pub with_sketch: bool,
}

/// The summaries of a fleet, by group and window.
#[derive(Debug)]
pub struct Fleet {
    options: MergeOptions,
    /// By the window's start (ms), the group, and the agent with the summary's id.
    windows: BTreeMap<(i64, Group), BTreeMap<(String, String), Revisions>>,
    refused: BTreeMap<&'static str, Refused>,
}

/// The messages that cannot be merged for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// How many.
    pub count: u64,
    /// What is wrong with the first.
    pub first: String,
}

/// The result of a group's window.
#[derive(Serialize)]
struct Message<'a> {
    v: u8,
    kind: &'static str,
    id: String,
    rev: u32,
    stream: &'a str,
    field: &'a str,
    labels: BTreeMap<&'a str, Option<&'a str>>,
    start: i64,
    end: i64,
    #[serde(flatten)]
    numbers: numbers::Numbers,
}

impl Fleet {
    /// A fleet of which nothing is known.
    #[must_use]
    pub fn new(options: MergeOptions) -> Self {
        Self { options, windows: BTreeMap::new(), refused: BTreeMap::new() }
    }

    /// Adds messages, one a line. What cannot be merged is counted; what is no summary is passed over.
    ///
    /// # Errors
    /// What the reader says.
    pub fn read(&mut self, mut lines: impl BufRead) -> std::io::Result<()> {
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            let text = line.trim_ascii();
            if !text.is_empty() {
                self.add(text);
            }
            line.clear();
        }
        Ok(())
    }

    fn add(&mut self, text: &[u8]) {
        match Entry::read(text, &self.options) {
            Ok(Some((start_ms, group, entry))) => {
                let ids = self.windows.entry((start_ms, group)).or_default();
                ids.entry((entry.agent.clone(), entry.id.clone())).or_default().add(entry);
            }
            Ok(None) => {}
            Err(Refusal { reason, text }) => {
                let refused = self.refused.entry(reason);
                refused.or_insert_with(|| Refused { count: 0, first: text }).count += 1;
            }
        }
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// The messages that cannot be merged, by reason.
    #[must_use]
    pub fn refused(&self) -> &BTreeMap<&'static str, Refused> {
        &self.refused
    }

    /// The results, by time, as JSON lines.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&self, mut out: impl std::io::Write) -> std::io::Result<()> {
        for ((start, group), ids) in &self.windows {
            let entries: Vec<&Entry> = ids.values().filter_map(Revisions::best).collect();
            let message = Message {
                v: headwater_wire::WIRE_VERSION,
                kind: "fleet",
                id: group.id(*start),
                rev: 0,
                stream: &group.stream,
                field: &group.field,
                labels: group.labels.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect(),
                start: *start,
                end: start + self.options.every_ms,
                numbers: numbers::Numbers::merge(&entries, &self.options),
            };
            out.write_all(escape_json(&serde_json::to_string(&message)?).as_bytes())?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
