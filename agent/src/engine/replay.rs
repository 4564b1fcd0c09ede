//! The journal of a run that has crashed, through the pipeline in virtual time: its very state, and its very messages.

use super::handed_over::HandedOver;
use crate::journal::{Chain, Gap, IntakeCount, Record, Replay};
use headwater_forwarder::{Lane, Message};
use headwater_kernel::time::{AgentTime, Now};
use headwater_pipeline::event::Event;
use headwater_pipeline::pipeline::{Pipeline, RevLimit, SeriesHandle};
use headwater_pipeline::sections::body::StoredBody;
use headwater_pipeline::sections::unread::Unread;
use std::collections::HashMap;

/// A message that a run had sent and that may not have arrived.
#[derive(Debug)]
pub(super) enum Told {
    /// An event of the pipeline, and the time when it was made.
    Event(headwater_kernel::time::Time, Event),
    /// A message that the engine made itself.
    Message(Message),
}

/// A journal that has been replayed.
pub(super) struct Replayed {
    /// The state at its end; [`Pipeline::resume`] is to follow.
    pub(super) pipeline: Pipeline,
    pub(super) told: Vec<Told>,
    /// What its sources had handed over.
    pub(super) handed_over: HandedOver,
    /// The time of its last record.
    pub(super) now: Now,
    /// The number of readings of sources that the config no longer has.
    pub(super) orphaned: u64,
    /// The number of readings of series that nobody can name any more.
    pub(super) nameless: u64,
    /// The reason why the journal does not hold all input; `None`: it does.
    pub(super) cut: Option<&'static str>,
}

/// Replays a chain from the state that it follows, which has been restored with its silences and not been resumed.
/// `on_progress` takes the engine's own sections, in the order in which they were recorded, and whether all input up to there is
/// known.
pub(super) fn replay(
    chain: &Chain<'_>,
    base: (Pipeline, Now),
    on_progress: &mut dyn FnMut(StoredBody<'_>, bool),
    fresh: &dyn Fn() -> Pipeline,
) -> Replayed {
    let (mut pipeline, now) = base;
    if let Some(rev_limit) = chain.other_rev_limit() {
        // Something else comes of it now, and is told above what was.
        pipeline.was_allowed(RevLimit(rev_limit));
        pipeline.resume_anew(now);
    } else {
        pipeline.resume(now, false);
    }
    let mut run = Run {
        pipeline,
        fresh,
        sources: Vec::new(),
        handles: HashMap::new(),
        now,
        told: Vec::new(),
        handed_over: HandedOver::default(),
        on_progress,
        rev_limit: 0,
        refused: HashMap::new(),
        orphaned: 0,
        nameless: 0,
        has_gap: false,
    };
    let cut = chain.replay(&mut run);
    run.settle();
    if cut.is_some() {
        // The run may have told more, as far as it was allowed to.
        run.pipeline.was_allowed(RevLimit(run.rev_limit));
    }
    let Run { pipeline, told, handed_over, now, orphaned, nameless, .. } = run;
    Replayed { pipeline, told, handed_over, now, orphaned, nameless, cut }
}

struct Run<'r> {
    pipeline: Pipeline,
    fresh: &'r dyn Fn() -> Pipeline,
    /// The sources here, by those of the segment; `None`: the config has it no longer.
    sources: Vec<Option<usize>>,
    /// The handles here, by those of the segment.
    handles: HashMap<u32, SeriesHandle>,
    now: Now,
    told: Vec<Told>,
    handed_over: HandedOver,
    /// Takes the engine's own progress as it was recorded.
    on_progress: &'r mut dyn FnMut(StoredBody<'_>, bool),
    /// The highest revision that was ever allowed.
    rev_limit: u32,
    /// The sources of series that there is no room for here, by the handles of the segment.
    refused: HashMap<u32, usize>,
    /// The readings of sources that the config no longer has.
    orphaned: u64,
    /// The readings of series whose introduction is lost.
    nameless: u64,
    /// Whether a part could not be read.
    has_gap: bool,
}

impl Run<'_> {
    /// The source here of a record, if it still exists.
    fn source_of(&self, record: &Record<'_>) -> Option<usize> {
        let (Record::Series { source, .. }
        | Record::Link(source, _)
        | Record::Count(_, source, _)
        | Record::Receipt(source, _)
        | Record::Forgotten { source, .. }
        | Record::Position { source, .. }) = record
        else {
            return Some(0);
        };
        let here = self.sources.get(*source).copied().unwrap_or(Some(*source));
        here.filter(|here| *here < self.pipeline.source_names().count())
    }

    /// The state as the next run restores it: without sources, and with silence that counts from here on.
    fn settle(&mut self) {
        let mut body = Vec::new();
        self.pipeline.save(self.now, &mut body);
        self.pipeline = (self.fresh)();
        let stored = StoredBody::new(&body);
        self.pipeline.restore_within(self.now.alive, stored, || None, &mut Unread::default());
        self.handles.clear();
        self.refused.clear();
    }

    fn allow(&mut self, limit: Option<u32>) {
        if let Some(limit) = limit {
            self.rev_limit = self.rev_limit.max(limit);
            self.pipeline.on_durable(RevLimit(limit));
        }
    }
}

impl Replay for Run<'_> {
    fn on_segment(&mut self, now: Now, is_new_life: bool) {
        if is_new_life {
            self.settle();
            self.pipeline.resume(now, false);
        }
        self.now = now;
        self.pipeline.set_replayed(false);
        self.sources.clear();
        self.handles.clear();
        self.refused.clear();
    }

    fn on_gap(&mut self, gap: Gap) {
        self.has_gap = true;
        if gap.had_introduction {
            self.handles.clear();
            self.refused.clear();
        }
        match gap.now {
            Some(now) => {
                self.now = now;
                self.pipeline.pass_gap(now, gap.end);
            }
            None => self.pipeline.lose_readings(),
        }
    }

    fn on_record(&mut self, record: Record<'_>, is_kept: bool) {
        let Some(source) = self.source_of(&record) else { return };
        let (pipeline, now) = (&mut self.pipeline, self.now);
        match record {
            Record::Source(at, name) => {
                let here = pipeline.source_names().find(|(_, known)| *known == name).map(|(here, _)| here);
                self.sources.resize(self.sources.len().max(at.min(SOURCES_MAX) + 1), None);
                if let Some(place) = self.sources.get_mut(at) {
                    *place = here;
                }
            }
            Record::Now(now) => self.now = now,
            Record::Reading(handle, taken, value) => {
                match (self.handles.get(&handle), self.refused.get(&handle)) {
                    (Some(series), _) => pipeline.on_reading(*series, taken, value, now),
                    (None, Some(source)) => pipeline.on_refused(*source, 1),
                    (None, None) if self.has_gap => self.nameless += 1,
                    (None, None) => self.orphaned += 1,
                }
            }
            Record::Series { handle, name, labels, .. } => match pipeline.introduce(source, name, &labels) {
                Some(series) => {
                    self.refused.remove(&handle);
                    self.handles.insert(handle, series);
                }
                None => {
                    self.handles.remove(&handle);
                    self.refused.insert(handle, source);
                }
            },
            Record::Forgotten { name, .. } => _ = pipeline.forget(source, name, now),
            Record::Tick => pipeline.on_tick(now),
            Record::Link(_, is_up) => pipeline.on_link(source, is_up, now),
            Record::Count(IntakeCount::Invalid, _, _) => pipeline.on_invalid(source),
            Record::Count(IntakeCount::Repeated, _, count) => pipeline.on_repeated(source, count),
            Record::Count(IntakeCount::Filtered, _, count) => pipeline.on_filtered(source, count),
            Record::Count(IntakeCount::Empty, _, count) => pipeline.on_empty(source, count),
            Record::Count(IntakeCount::Retained, _, count) => pipeline.on_retained(source, count),
            Record::Count(IntakeCount::Dropped, _, count) => pipeline.on_dropped(source, count),
            Record::Count(IntakeCount::Refused, _, number) => pipeline.on_refused(source, number),
            Record::Replayed(is_replayed) => pipeline.set_replayed(is_replayed),
            Record::RevLimit(limit) => self.allow(limit),
            Record::Message { lane, made_ms, body } => {
                if !is_kept && let Some(lane) = Lane::ALL.into_iter().find(|known| *known as u8 == lane) {
                    self.told.push(Told::Message(Message { lane, made_ms, body: body.to_vec().into() }));
                }
            }
            Record::Engine(sections) => (self.on_progress)(StoredBody::new(sections), !self.has_gap),
            Record::Pressure(pressure) => pipeline.on_pressure(pressure),
            Record::Receipt(_, receipt) => self.handed_over.add_receipt(source, receipt),
            Record::Position { key, at, .. } => self.handed_over.set_position(source, key, at),
            Record::Kept(_) | Record::Synced(_) | Record::Mark(..) | Record::End => {}
        }
        if self.pipeline.has_events() {
            let told = self.pipeline.drain().map(|(at, event)| Told::Event(at, event));
            if is_kept {
                told.for_each(drop);
            } else {
                self.told.extend(told);
            }
        }
        let _ = self.pipeline.take_notice();
    }
}

/// The most sources of a journal.
const SOURCES_MAX: usize = 1_000;

/// Silence as it was when the checkpoint was taken: what came since is in the journal.
pub(super) const SINCE: AgentTime = AgentTime::MIN;

#[cfg(test)]
mod tests;
