//! The sources of an agent, as the engine knows them: how each stands, what it wants to find again after a crash, and
//! which of its log lines are written.

use super::source_monitor::SourceMonitor;
use super::source_positions::{PositionMap, SourcePositions};
use super::source_states::{SourceStates, save_source_states};
use crate::config::SourceConfig;
use crate::status::SourceStatus;
use headwater_kernel::time::{AgentTime, Now, Time};
use headwater_pipeline::account::SourceCounts;
use headwater_pipeline::pipeline::SourceNotice;
use headwater_pipeline::sections::SectionWriter;
use headwater_sensors::{AckFigures, ConnectionState, PersistState, SourceLeft, SourcePosition};
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::rc::Rc;

/// The sources, in the order of the config.
pub(super) struct Sources {
    monitors: RefCell<Vec<SourceMonitor>>,
    /// The places of the sources, as their sinks know them.
    places: RefCell<Vec<Rc<Cell<usize>>>>,
    states: RefCell<SourceStates>,
    positions: RefCell<SourcePositions>,
}

impl Sources {
    /// Of a config; `left` and `positions` are what an earlier run has left of each.
    pub(super) fn new(
        sources: &[SourceConfig],
        (left, positions): (Vec<SourceLeft>, Vec<PositionMap>),
        up_ms: i64,
    ) -> Self {
        let monitors = sources.iter().map(|source| SourceMonitor::new(&source.name, up_ms)).collect();
        let places = (0..sources.len()).map(|place| Rc::new(Cell::new(place))).collect();
        Self {
            monitors: RefCell::new(monitors),
            places: RefCell::new(places),
            states: RefCell::new(SourceStates::new(sources, left)),
            positions: RefCell::new(SourcePositions::new(sources, positions)),
        }
    }

    /// Another config with its sources. `kept` says of each, by their places before, which ones go on.
    pub(super) fn change(&self, sources: &[SourceConfig], kept: &[Option<usize>], up_ms: i64) {
        let mut monitors: Vec<_> = self.monitors.take().into_iter().map(Some).collect();
        let mut places: Vec<_> = self.places.take().into_iter().map(Some).collect();
        for (place, (source, kept)) in sources.iter().zip(kept).enumerate() {
            let monitor = kept.and_then(|before| monitors.get_mut(before)?.take());
            let shared = kept.and_then(|before| places.get_mut(before)?.take()).unwrap_or_default();
            shared.set(place);
            let monitor = monitor.unwrap_or_else(|| SourceMonitor::new(&source.name, up_ms));
            self.monitors.borrow_mut().push(monitor);
            self.places.borrow_mut().push(shared);
        }
        self.states.borrow_mut().change(sources, kept);
        self.positions.borrow_mut().change(sources);
    }

    /// The place of a source, which changes with the config.
    pub(super) fn place(&self, source: usize) -> Rc<Cell<usize>> {
        self.places.borrow().get(source).cloned().unwrap_or_default()
    }

    /// Where a source's sink notes when the last reading came.
    pub(super) fn heard(&self, source: usize) -> Rc<Cell<Option<AgentTime>>> {
        self.monitors.borrow().get(source).map(SourceMonitor::heard).unwrap_or_default()
    }

    /// How far a source has read its inputs.
    pub(super) fn positions(&self, source: usize) -> Vec<SourcePosition> {
        self.positions.borrow().of(source)
    }

    /// A source has read an input up to here.
    pub(super) fn on_position(&self, source: usize, key: &[u8], at: &[u8]) {
        self.positions.borrow_mut().set(source, key, at);
    }

    /// From now on the source itself knows its state; answers what an earlier run has left.
    pub(super) fn register(&self, source: usize, state: Rc<dyn PersistState>) -> SourceLeft {
        self.states.borrow_mut().register(source, state)
    }

    /// A connection has come up or gone down: notes it, and logs it unless it comes and goes all the time.
    pub(super) fn on_connection(
        &self,
        source: usize,
        state: ConnectionState<'_>,
        up_ms: i64,
        now: AgentTime,
    ) {
        let mut monitors = self.monitors.borrow_mut();
        let Some(monitor) = monitors.get_mut(source) else { return };
        monitor.on_connection(state, up_ms);
        let (held_back, source) = (monitor.connection.pass(now), monitor.name());
        let Some(held_back) = held_back else { return };
        match state {
            ConnectionState::Up => tracing::info!(source, held_back, "source connected"),
            ConnectionState::Down { reason } => {
                tracing::warn!(source, held_back, "source disconnected: {reason}")
            }
            ConnectionState::Ended => tracing::info!(source, "the source's input has ended"),
        }
    }

    /// Notes what a person should know of a source while it lasts, and logs it. Returns whether that is news.
    pub(super) fn on_trouble(&self, source: usize, what: Option<&str>) -> bool {
        let mut monitors = self.monitors.borrow_mut();
        let Some(monitor) = monitors.get_mut(source) else { return false };
        let is_news = monitor.on_trouble(what);
        match what {
            Some(what) if is_news => tracing::warn!(source = monitor.name(), "{what}"),
            None if is_news => tracing::info!(source = monitor.name(), "the source's trouble is over"),
            _ => {}
        }
        is_news
    }

    /// A source shows how it stands with its acknowledgements.
    pub(super) fn show_acks(&self, source: usize, figures: Rc<AckFigures>) {
        if let Some(monitor) = self.monitors.borrow_mut().get_mut(source) {
            monitor.show_acks(figures);
        }
    }

    /// Logs what a person should know of a source, now and then.
    #[cold]
    pub(super) fn log_notice(&self, notice: &SourceNotice, now: AgentTime) {
        let mut monitors = self.monitors.borrow_mut();
        let Some(monitor) = monitors.get_mut(notice.source) else { return };
        if let Some(held) = monitor.notice.pass(now) {
            tracing::warn!(source = monitor.name(), held_back = held, "{}", notice.text);
        }
    }

    /// Logs a payload that cannot be used, now and then.
    pub(super) fn log_invalid(&self, source: usize, (origin, why): (&str, &dyn Display), now: AgentTime) {
        let mut monitors = self.monitors.borrow_mut();
        let Some(monitor) = monitors.get_mut(source) else { return };
        if let Some(held) = monitor.invalid.pass(now) {
            tracing::warn!(
                source = monitor.name(),
                origin,
                held_back = held,
                "payload cannot be used: {why:#}"
            );
        }
    }

    /// Counts a series whose name was not safe, and logs the first one of a source.
    pub(super) fn on_renamed(&self, source: usize, raw: &str, name: &str) {
        let mut monitors = self.monitors.borrow_mut();
        let Some(monitor) = monitors.get_mut(source) else { return };
        if monitor.on_renamed() {
            tracing::warn!(
                source = monitor.name(),
                raw,
                name,
                "a name holds characters or levels that are not safe, and was changed; others are counted"
            );
        }
    }

    /// Logs the first series that gives way for a source; the account counts the others.
    #[cold]
    pub(super) fn on_forgotten(&self, source: usize, series: &str) {
        let mut monitors = self.monitors.borrow_mut();
        let Some(monitor) = monitors.get_mut(source) else { return };
        if !std::mem::replace(&mut monitor.has_forgotten, true) {
            tracing::warn!(
                source = monitor.name(),
                series,
                "a series that was silent for [limits] forget gives way to a new one; others are counted as `forgotten`"
            );
        }
    }

    /// The troubles that need a person.
    pub(super) fn troubles(&self, up_ms: i64) -> Vec<String> {
        self.monitors.borrow().iter().flat_map(|monitor| monitor.troubles(up_ms)).collect()
    }

    /// The status of each source; `time_of` tells the time of a moment (ms since boot).
    pub(super) fn statuses(
        &self,
        readings: &[(String, SourceCounts)],
        now: Now,
        time_of: impl Fn(i64) -> Time,
    ) -> Vec<SourceStatus> {
        let status = |monitor: &SourceMonitor| {
            let known = readings.iter().find(|(name, _)| name == monitor.name());
            monitor.status(known.map(|(_, readings)| *readings).unwrap_or_default(), now, &time_of)
        };
        self.monitors.borrow().iter().map(status).collect()
    }

    /// Appends the states and the positions of the sources to a checkpoint.
    pub(super) fn save(&self, to: &mut impl SectionWriter) {
        save_source_states(to, &self.states.borrow());
        self.positions.borrow().save(to);
    }
}
