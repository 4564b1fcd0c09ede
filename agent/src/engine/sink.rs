//! One source's way into the engine.

use super::Engine;
use super::log_throttle::LogThrottle;
use super::places::{Places, Wanted};
use crate::clock;
use crate::config::SourceConfig;
use crate::journal::IntakeCount;
use headwater_http::Routes;
use headwater_kernel::time::{AgentTime, Now};
use headwater_pipeline::event::ReportCause;
use headwater_pipeline::pipeline::{SeriesHandle, SourceNotice, TakenAt};
use headwater_pipeline::unit::with_unit;
use headwater_sensors::{
    AckFigures, ConnectionState, PersistState, Receipt, Safety, SeriesRef, Sink, SourceLeft, SourcePosition,
    Stamp,
};
use std::cell::Cell;
use std::fmt::Display;
use std::rc::Rc;

/// Takes what a source reads.
pub(crate) struct EngineSink {
    engine: Rc<Engine>,
    /// The source's place in the config.
    place: Rc<Cell<usize>>,
    name: String,
    places: Places,
    /// When the last reading came.
    heard: Rc<Cell<Option<AgentTime>>>,
    /// The unit of the series that comes next.
    unit: Option<String>,
    /// What a person may want to know once: a sender that connects anew brings it again.
    remarks: LogThrottle,
}

impl EngineSink {
    /// The sink of the source at a place in the config; `new_series` is that of `[limits]`.
    pub(crate) fn new(engine: Rc<Engine>, source: usize, config: &SourceConfig, new_series: usize) -> Self {
        let places = Places::new(config.series_max, new_series);
        let (heard, place) = (engine.sources.heard(source), engine.sources.place(source));
        Self {
            engine,
            place,
            name: config.name.clone(),
            places,
            heard,
            unit: None,
            remarks: LogThrottle::of_connection(),
        }
    }

    fn source(&self) -> usize {
        self.place.get()
    }
}

/// A source's word for when a reading was taken, as the pipeline has it. Before the true time is known, a reading whose
/// sender counts from its arrival is one of its arrival, so that a correction of the clock finds it.
#[inline]
fn taken_at(stamp: Stamp, now: Now) -> TakenAt {
    match stamp {
        Stamp::Event(ms) => TakenAt::Event(ms),
        Stamp::FromArrival(apart) if now.synced => TakenAt::Event(now.time.0.saturating_add(apart)),
        Stamp::Arrival | Stamp::FromArrival(_) => TakenAt::Arrival,
    }
}

impl Sink for EngineSink {
    fn message(&mut self) {
        self.places.begin();
    }

    fn unit(&mut self, unit: &str) {
        self.unit = Some(unit.to_owned());
    }

    fn series(&mut self, name: &str, labels: &[(String, String)]) -> Option<SeriesRef> {
        let labels = &*with_unit(labels, self.unit.take());
        let wanted = self.places.wanted(&self.engine.pipeline.borrow(), self.source(), name);
        let has_room = match wanted {
            Wanted::Nothing => true,
            Wanted::Room(of) => self.engine.make_room(self.source(), of),
            Wanted::Refused => false,
        };
        if !has_room {
            self.places.refuse(wanted);
            return None;
        }
        let series = self.engine.pipeline.borrow_mut().introduce(self.source(), name, labels);
        if let Some(series) = series {
            self.engine.journal.series(series.number(), self.source(), name, labels);
        }
        self.engine.on_introduced();
        series.map(|series| SeriesRef(series.to_bits()))
    }

    fn begin_reading(&mut self, message: u32) -> bool {
        self.engine.suspects.begin_reading(message)
    }

    fn end_reading(&mut self, was_read: bool) {
        self.engine.suspects.end_reading(was_read);
    }

    fn has_room(&self) -> bool {
        self.engine.forwarder().has_room()
    }

    fn generation(&self) -> u32 {
        self.engine.pipeline.borrow().generation()
    }

    fn knows(&self, series: SeriesRef) -> bool {
        self.engine.pipeline.borrow().knows(SeriesHandle::from_bits(series.0))
    }

    fn renamed(&mut self, raw: &str, name: &str) {
        self.engine.sources.on_renamed(self.source(), raw, name);
    }

    #[inline]
    fn reading(&mut self, series: SeriesRef, stamp: Stamp, value: f64) {
        if self.engine.ticker.stir() {
            // The clock may have been set during the rest.
            self.engine.look_at_clock();
        }
        let now = self.engine.now();
        self.heard.set(Some(now.alive));
        let mut pipeline = self.engine.pipeline.borrow_mut();
        let handle = SeriesHandle::from_bits(series.0);
        if !pipeline.knows(handle) {
            drop(pipeline);
            return self.refused(1);
        }
        let due = pipeline.poll_timeout();
        let taken = taken_at(stamp, now);
        self.engine.journal.reading(handle.number(), taken, value, now);
        pipeline.on_reading(handle, taken, value, now);
        let time_ms = if let TakenAt::Event(ms) = taken { ms } else { now.time.0 };
        self.engine.watched.on_reading(series.0, time_ms, value);
        // One that is due later is found when the earlier time comes.
        if pipeline.poll_timeout().is_some_and(|next| due.is_none_or(|due| next < due)) {
            self.engine.ticker.ring();
        }
        self.engine.forward_later(&mut pipeline);
        if let Some(notice) = pipeline.take_notice() {
            self.engine.sources.log_notice(&notice, now.alive);
        }
    }

    fn remark(&mut self, source: &str, text: &str) {
        if self.remarks.pass(self.engine.now().alive).is_some() {
            tracing::info!(source, "{text}");
        }
    }

    fn refused(&mut self, count: u32) {
        self.engine.journal.count(IntakeCount::Refused, self.source(), count);
        self.engine.pipeline.borrow_mut().on_refused(self.source(), count);
        let notice = SourceNotice {
            source: self.source(),
            text: self.places.why_refused().unwrap_or_else(|| self.engine.why_refused()),
        };
        self.engine.sources.log_notice(&notice, self.engine.now().alive);
    }

    fn invalid(&mut self, origin: &str, why: &dyn Display) {
        self.engine.journal.count(IntakeCount::Invalid, self.source(), 1);
        self.engine.pipeline.borrow_mut().on_invalid(self.source());
        self.engine.sources.log_invalid(self.source(), (origin, why), self.engine.now().alive);
    }

    fn repeated(&mut self, count: u32) {
        self.engine.journal.count(IntakeCount::Repeated, self.source(), count);
        self.engine.pipeline.borrow_mut().on_repeated(self.source(), count);
    }

    fn filtered(&mut self, count: u32) {
        self.engine.journal.count(IntakeCount::Filtered, self.source(), count);
        self.engine.pipeline.borrow_mut().on_filtered(self.source(), count);
    }

    fn empty(&mut self, count: u32) {
        self.engine.journal.count(IntakeCount::Empty, self.source(), count);
        self.engine.pipeline.borrow_mut().on_empty(self.source(), count);
    }

    fn replaying(&mut self, is_replayed: bool) {
        self.engine.journal.replayed(is_replayed);
        self.engine.pipeline.borrow_mut().set_replayed(is_replayed);
    }

    fn retained(&mut self, count: u32) {
        self.engine.journal.count(IntakeCount::Retained, self.source(), count);
        self.engine.pipeline.borrow_mut().on_retained(self.source(), count);
    }

    fn gone(&mut self, count: u32, why: &str) {
        tracing::warn!(source = %self.name, count, "{why}");
        self.engine.journal.count(IntakeCount::Dropped, self.source(), count);
        self.engine.pipeline.borrow_mut().on_dropped(self.source(), count);
    }

    fn dropped(&mut self, count: u32) {
        self.engine.journal.count(IntakeCount::Dropped, self.source(), count);
        self.engine.pipeline.borrow_mut().on_dropped(self.source(), count);
        let text =
            format!("{count} payloads found no room and are lost; make the queue larger, or send fewer");
        let notice = SourceNotice { source: self.source(), text };
        self.engine.sources.log_notice(&notice, self.engine.now().alive);
    }

    fn safety(&mut self, state: Rc<dyn PersistState>) -> Option<(Safety, SourceLeft)> {
        let left = self.engine.sources.register(self.source(), state);
        Some((self.engine.safety.clone(), left))
    }

    fn routes(&mut self) -> Option<Routes> {
        Some(self.engine.routes().clone())
    }

    fn hand_over(&mut self, receipt: Receipt) -> u64 {
        self.engine.on_handed_over(self.source(), receipt)
    }

    fn positions(&mut self) -> Vec<SourcePosition> {
        self.engine.sources.positions(self.source())
    }

    fn position(&mut self, key: &[u8], at: &[u8]) -> u64 {
        self.engine.on_position(self.source(), key, at)
    }

    fn state_dropped(&mut self, why: &str) {
        let trouble = format!("the state of source {} could not be used: {why}", self.name);
        tracing::error!("{trouble}");
        self.engine.report(ReportCause::Upgrade, &trouble);
    }

    fn trouble(&mut self, what: Option<&str>) {
        if self.engine.sources.on_trouble(self.source(), what) {
            self.engine.on_status_changed();
        }
    }

    fn acks(&mut self, figures: Rc<AckFigures>) {
        self.engine.sources.show_acks(self.source(), figures);
    }

    fn connection(&mut self, state: ConnectionState<'_>) {
        let (is_up, now) = (matches!(state, ConnectionState::Up), self.engine.now());
        self.engine.journal.link(self.source(), is_up, now);
        self.engine.pipeline.borrow_mut().on_link(self.source(), is_up, now);
        self.engine.sources.on_connection(self.source(), state, clock::up_ms(), now.alive);
        self.engine.on_status_changed();
    }
}
