//! Stores the pipeline as sections of a checkpoint; `restore.rs` reads them.
//!
//! Every stream stores what its config asks of its series (window, aggregates, detectors) and how their state is
//! stored. So whatever a change of the config or of the program leaves alone can be restored.
//!
//! ```text
//! REVISIONS  base u32 i64 u8  limit u32  clock synced u8  future i64        SUPPRESSED  i64
//! TIMESTAMPS boot (text)  turn u32  until i64
//! ACCOUNTS   ledger: total, sources u32, each: name, intake, streams u32, each: name, counts      retired: counts
//! STREAM     name, fingerprint, how windows are stored: tag u8, version u16, layout (see `plan/stored.rs`)
//!   detectors u16, each: fingerprint, versions of slot, alert and detector u16
//! CUTS       of later channels with readings that are not delivered again, and of all: each i64 i64
//!   channels u32, each: flags u8 (1: such readings, 2: a cut follows), i64 i64
//! SILENCE    how far series were told of that are gone: all others i64, names u32, each: hash u64, i64
//!   channels u32, each: last reading of the series, in the agent's time, i64, how far it was told of when it came back i64
//! CHANNEL    number of the stream u32, series name, labels u32 (key, value)*, by_arrival u8, forwarded i64 u32
//!   windows (bytes), judged (bytes): last option, corrected i64, window option, evidence u32 (time, value)*, of each detector (bytes)
//! GROUP      stream name, fingerprint, group name, versions of slot, rows, alert and detector u16, state (bytes)
//! PAIR       stream name, fingerprint, two series names, versions of windows and accumulator u16, state (bytes)
//! ```
//! Texts and bytes have a length prefix (u32); counts have their names. Numbers are little-endian.

pub use super::bytes::{
    load_bytes, load_ledger, load_length, load_named, load_text, save_bytes, save_ledger, save_length,
    save_named, save_text,
};

use super::bytes::put;
use super::channel::Channel;
use super::clock_step::ClockGap;
use super::ids::{Id as _, IndexVec, StreamId};
use super::revisions::Revisions;
use super::saved::StoredStream;
use super::{Pipeline, RevLimit, SeriesHandle};
use crate::config::WindowConfig;
use crate::sections::{SectionWriter, body};
use headwater_kernel::state::State;
use headwater_kernel::time::{Now, Time};

impl Pipeline {
    /// Appends the whole state as of `now`. Pass the result to [`Pipeline::on_durable`]. Until then revisions keep to
    /// this limit and to that of the previous checkpoint: a crash may leave either.
    pub fn checkpoint(&mut self, now: Now, to: &mut impl SectionWriter) -> RevLimit {
        let RevLimit(rev_limit) = self.save(now, to);
        let lower = self.emitter.revisions.lower(rev_limit);
        self.limit_revisions(lower);
        RevLimit(rev_limit)
    }

    /// Appends the whole state as of `now`.
    pub fn save(&self, now: Now, to: &mut impl SectionWriter) -> RevLimit {
        let next = self.channels.list.iter().map(Channel::next_rev).max().unwrap_or(0);
        let rev_limit = Revisions::rev_limit(next.max(self.pairs.next_rev()));
        body::REVISIONS.put(to, |to| self.emitter.revisions.save(rev_limit, now, self.future_ms(), to));
        body::SUPPRESSED.put(to, |to| self.emitter.suppressed.save(&mut put(to)));
        body::TIMESTAMPS.put(to, |to| self.emitter.own_clock.save(to));
        body::ACCOUNTS.put(to, |to| {
            save_ledger(to, &self.ledger());
            save_named(to, &self.retired.named());
        });
        let stored: Vec<StoredStream> =
            self.streams.configs().map(|(_, config)| StoredStream::of(config)).collect();
        let stored: IndexVec<StreamId, StoredStream> = stored.into();
        for ((_, stream), stored) in self.streams.configs().zip(stored.iter()) {
            body::STREAM.put(to, |to| stored.save(&stream.name, to));
        }
        self.save_cuts(to);
        self.save_silence(to);
        for channel in self.channels.list.iter() {
            let own = self.streams.config(channel.stream).zip(stored.at(channel.stream));
            let Some((stream, stored)) = own else { continue };
            body::CHANNEL.put(to, |to| {
                channel.stream.index().save(&mut put(to));
                let (name, labels) = self.directory.describe(channel.series);
                save_text(to, name);
                save_length(to, labels.len());
                for (key, value) in labels.iter() {
                    save_text(to, key);
                    save_text(to, value);
                }
                channel.save(stream, &stored.layout, to);
            });
        }
        self.groups.save(&self.streams, to);
        self.pairs.save(&self.streams, &self.directory, to);
        RevLimit(rev_limit)
    }

    /// A checkpoint of [`Pipeline::save`] is durable.
    pub fn on_durable(&mut self, RevLimit(rev_limit): RevLimit) {
        self.emitter.revisions.raise(rev_limit);
        self.limit_revisions(rev_limit);
    }

    /// The highest revision that may be told, if checkpoints are written at all.
    pub fn rev_limit(&self) -> Option<RevLimit> {
        self.emitter.revisions.limit().map(RevLimit)
    }

    /// The run before this one, whose state has been restored, was allowed to tell of revisions up to this one.
    pub fn was_allowed(&mut self, RevLimit(rev_limit): RevLimit) {
        self.emitter.revisions.was_allowed(rev_limit);
    }

    /// Calls `each` with every series of every source, by handle: source, name and labels.
    pub fn introduced(&self, mut each: impl FnMut(SeriesHandle, usize, &str, &[(String, String)])) {
        for (handle, source, name, labels) in self.directory.handles() {
            each(handle, source, name, labels);
        }
    }

    /// The sources of the config, in its order.
    pub fn source_names(&self) -> impl Iterator<Item = (usize, &str)> {
        self.sources.iter().enumerate().map(|(at, source)| (at, source.entry.name.as_str()))
    }

    /// The sources whose connection is lost.
    pub fn sources_down(&self) -> impl Iterator<Item = usize> {
        self.sources.iter().enumerate().filter(|(_, source)| source.is_down).map(|(source, _)| source)
    }

    pub(super) fn limit_revisions(&mut self, rev_limit: u32) {
        for stream in self.streams.iter_mut() {
            if let WindowConfig::Cut(specs) = &mut stream.config.window {
                specs.limit_revisions(rev_limit);
            }
        }
    }

    /// Whether a checkpoint should be written soon, because revisions may have to wait for it.
    pub fn wants_checkpoint(&self) -> bool {
        self.emitter.revisions.is_exhausted()
    }

    /// Starts a run, with or without the state of an earlier one. After a crash, whatever may have been emitted since
    /// the checkpoint is emitted under higher revisions, and what may lack readings is marked.
    pub fn resume(&mut self, now: Now, after_crash: bool) {
        self.resume_after(now, after_crash, None);
    }

    /// The same, where the clock does not go on from the run before.
    pub fn resume_after(&mut self, now: Now, after_crash: bool, gap: Option<&ClockGap>) {
        if after_crash {
            self.cut_lossy();
        }
        self.start(now, after_crash, gap);
    }

    /// Starts a run whose input since the checkpoint comes again, under a config that may make something else of it:
    /// nothing is missing, and whatever was emitted is emitted under higher revisions.
    pub fn resume_anew(&mut self, now: Now) {
        self.start(now, true, None);
    }

    fn start(&mut self, now: Now, rises: bool, gap: Option<&ClockGap>) {
        let (reach, future_ms) = (self.reach(), self.future_ms());
        self.emitter.revisions.start(now, rises, reach, future_ms);
        if let Some(gap) = gap {
            self.on_clock_gap(gap, rises);
        }
        self.close_cuts(now);
        self.expect_series(now);
    }

    /// Input is lost, whatever its source promises: what has come of it, or comes, may lack readings.
    pub fn lose_readings(&mut self) {
        self.cut_all();
    }

    /// Goes on behind lost input, at `now`. What comes of the input up to `end` may have been emitted, with what is lost: it is
    /// emitted under revisions that no run has used.
    pub fn pass_gap(&mut self, now: Now, end: Time) {
        self.cut_all();
        self.emitter.revisions.lose_all();
        let (reach, future_ms) = (self.reach(), self.future_ms());
        self.emitter.revisions.start(Now { time: end.max(now.time), ..now }, true, reach, future_ms);
        self.close_cuts(now);
    }

    /// The state of the previous run is lost, and with it which revisions it emitted.
    pub fn forget_past(&mut self) {
        self.emitter.revisions.lose_all();
        self.emitter.later_cuts.lose_windows();
    }

    #[cold]
    pub(super) fn close_rev_base(&mut self, now: Now) {
        let (reach, future_ms) = (self.reach(), self.future_ms());
        self.emitter.revisions.close_base(now, reach, future_ms);
    }

    /// The latest end of any window.
    fn reach(&self) -> Time {
        let reach =
            |channel: &Channel| self.streams.config(channel.stream).map(|config| channel.reach(config));
        let channels = self.channels.list.iter().filter_map(reach).max();
        channels.unwrap_or(Time::MIN).max(self.pairs.reach(&self.streams))
    }

    /// How far ahead of the clock a reading of any source may be (ms).
    pub(super) fn future_ms(&self) -> i64 {
        self.sources.iter().map(|source| source.entry.future_ms).max().unwrap_or(0)
    }
}
