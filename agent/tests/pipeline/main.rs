//! The pipeline as its callers see it: readings and ticks in, messages and the account out.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails loudly")]

mod alerts;
mod clock_steps;
mod crashes;
mod cuts;
mod everything;
mod expected;
mod forget;
mod golden;
mod groups;
mod hardship;
mod models;
mod normalise;
mod pairs;
mod places;
mod restarts;
mod sessions;
mod sizes;
mod sketches;
mod thinning;
mod totals;
mod upgrades;
mod windows;

use headwater::config;
use headwater_kernel::state::{Corrupt, StateReader};
use headwater_kernel::time::{AgentTime, Now, Time};
use headwater_pipeline::config::Limits;
use headwater_pipeline::event::Event;
use headwater_pipeline::pipeline::*;
use headwater_pipeline::sections::body::StoredBody;
use headwater_pipeline::sections::sections;
use headwater_pipeline::sections::unread::Unread;
use headwater_wire::{Encoding, Placer, Unplaced, Wire, read};
use std::path::Path;

const SOURCE: &str = "[sources.s]\ntype = \"mqtt\"\nurl = \"mqtt://127.0.0.1\"\ntopics = [\"#\"]\n";

fn pipeline(streams: &str, series_max: usize) -> Pipeline {
    let (config, document) = config::parse(Path::new("test.toml"), &format!("{SOURCE}{streams}"), |_| None);
    let config = config.unwrap_or_else(|| panic!("{}", document.render_all()));
    let sources = vec![SourceEntry { name: "s".to_owned(), future_ms: 300_000, is_durable: false }];
    Pipeline::new("a1", sources, config.streams, Limits { series: series_max, ..config.limits })
}

fn at(ms: i64) -> Now {
    Now::uncorrected(Time(ms))
}

/// 2023-11-14T22:14:00Z, the start of a minute.
const START: i64 = 1_700_000_040_000;

/// Goes on from a body of which every section can be read.
trait RestoreWhole {
    fn restore(&mut self, from: &mut StateReader<'_>) -> Result<LostReadings, Corrupt>;

    /// The same, after the agent had been away until `since`.
    fn restore_since(
        &mut self,
        since: AgentTime,
        from: &mut StateReader<'_>,
    ) -> Result<LostReadings, Corrupt>;
}

impl RestoreWhole for Pipeline {
    fn restore(&mut self, from: &mut StateReader<'_>) -> Result<LostReadings, Corrupt> {
        self.restore_since(AgentTime::MIN, from)
    }

    fn restore_since(
        &mut self,
        since: AgentTime,
        from: &mut StateReader<'_>,
    ) -> Result<LostReadings, Corrupt> {
        let (stored, mut unread) = (StoredBody::new(from.rest()), Unread::default());
        stored.note_unknown(&mut unread);
        let given_up = self.restore_within(since, stored, || None, &mut unread);
        given_up.filter(|_| unread.is_empty()).ok_or(Corrupt)
    }
}

fn encoded(format: Encoding, event: &Event, placer: &dyn Placer) -> Vec<u8> {
    let mut bytes = Vec::new();
    format.encode(event, placer, &mut bytes).unwrap();
    bytes
}

fn drained(pipeline: &mut Pipeline) -> Vec<Wire> {
    let cbor = |event: &Event| encoded(Encoding::Cbor, event, &Unplaced);
    pipeline.drain().map(|(_, event)| read(&cbor(&event)).unwrap()).collect()
}

/// Goes on from a part of a body: nothing breaks, the accounts balance, and a section that is cut off is noted. (Where a
/// body ends the file says.)
fn check_cut(streams: &str, part: &[u8]) {
    let (stored, mut unread) = (StoredBody::new(part), Unread::default());
    stored.note_unknown(&mut unread);
    let mut pipeline = pipeline(streams, 10);
    pipeline.restore_within(AgentTime::MIN, stored, || None, &mut unread);
    assert!(pipeline.totals().balances());
    let is_cut = sections(part).any(|section| section.is_err());
    assert!(!is_cut || !unread.is_empty(), "cut at {}", part.len());
}
