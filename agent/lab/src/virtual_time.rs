//! Runs recordings through a pipeline in virtual time: the latest event time seen, which never goes back.

use headwater_kernel::time::{Now, Time};
use headwater_pipeline::Pipeline;
use headwater_pipeline::event::Event;
use headwater_pipeline::pipeline::{SeriesHandle, TakenAt};
use headwater_pipeline::unit::with_unit;
use headwater_sensors::recording::{Recording, RecordingError};
use headwater_sensors::{ConnectionState, DecodeConfig, SeriesRef, Sink, SourceContext, Stamp};
use headwater_text::{LINE_BYTES_MAX, clean};
use std::fmt::Display;
use std::path::Path;

/// The most ticks after the last reading until every window is closed; each tick closes one or finds it due later.
const CLOSING_TICKS_MAX: usize = 100_000_000;

/// The most warnings of a run that are shown.
const WARNINGS_MAX: u64 = 20;

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The config does not fit the recording.
    #[error("{0}")]
    Unfit(String),
    /// A file cannot be read.
    #[error("{0}")]
    Other(String),
    /// A message cannot be written.
    #[error("cannot write the messages: {0}")]
    Unwritten(std::io::Error),
}

/// The source that replayed readings seem to come from.
pub struct RecordingOrigin {
    /// The source's place among the pipeline's.
    pub source: usize,
    /// How its payloads become readings.
    pub decode: DecodeConfig,
    /// What it knows of the agent.
    pub context: SourceContext,
}

/// Who looks on.
pub(crate) trait Watcher {
    /// Looks at a series that is new, or known again.
    fn introduce(&mut self, source: usize, series: SeriesRef, name: &str, labels: &[(String, String)]);

    /// Looks at a reading, before the pipeline takes it.
    fn reading(&mut self, series: SeriesRef, time: Time, value: f64);

    /// Looks at the end of a row or line of a recording.
    fn row(&mut self) {}

    /// Looks at an event.
    ///
    /// # Errors
    /// Why the run must end.
    fn event(&mut self, event: &Event) -> Result<(), ReplayError>;
}

/// The sink of a recording.
pub(crate) struct VirtualRun<W> {
    pub(crate) pipeline: Pipeline,
    pub(crate) watcher: W,
    source: usize,
    now: Option<Time>,
    /// The time of the first reading.
    pub(crate) from: Option<Time>,
    /// The number of events.
    pub(crate) made: i64,
    failure: Option<ReplayError>,
    /// The unit of the series that comes next.
    unit: Option<String>,
    warnings: Warnings,
}

/// What people are told on the way, as often as they read it.
#[derive(Default)]
struct Warnings {
    count: u64,
}

impl Warnings {
    fn say(&mut self, text: &str) {
        self.count += 1;
        if self.count <= WARNINGS_MAX {
            eprintln!("{}", clean(&format!("warning: {text}"), LINE_BYTES_MAX));
        }
    }

    /// Says how many were held back.
    fn finish(&self) {
        if let Some(more) = self.count.checked_sub(WARNINGS_MAX).filter(|more| *more > 0) {
            eprintln!("warning: {more} more like these; the report at the end counts them all");
        }
    }
}

impl<W: Watcher> VirtualRun<W> {
    pub(crate) fn new(pipeline: Pipeline, source: usize, watcher: W) -> Self {
        Self {
            pipeline,
            watcher,
            source,
            now: None,
            from: None,
            made: 0,
            failure: None,
            unit: None,
            warnings: Warnings::default(),
        }
    }

    /// The clock of a recording is unknown, so it proves no reading wrong.
    pub(crate) fn now(&self) -> Now {
        Now { synced: false, ..Now::uncorrected(self.now.unwrap_or(Time(0))) }
    }

    /// Plays a file.
    pub(crate) fn play(&mut self, path: &Path, origin: &RecordingOrigin) -> Result<(), ReplayError> {
        let other = |error: RecordingError| ReplayError::Other(error.to_string());
        let mut recording = Recording::open(path, &origin.decode, &origin.context).map_err(other)?;
        while recording.step(self).map_err(other)? {
            self.watcher.row();
            self.check()?;
        }
        Ok(())
    }

    /// Lets virtual time run until every window is closed.
    pub(crate) fn finish(&mut self) -> Result<(), ReplayError> {
        self.pipeline.on_end(self.now());
        for _ in 0..CLOSING_TICKS_MAX {
            let Some(due) = self.pipeline.poll_timeout() else { break };
            self.now = self.now.max(Some(Time(due.0)));
            self.pipeline.on_tick(self.now());
            self.show();
            self.check()?;
        }
        self.warnings.finish();
        Ok(())
    }

    /// Lets virtual time run to this moment: what is due on the way happens when it is due, as on a running agent.
    fn pass(&mut self, to: Time) {
        // Before the first reading no time has passed.
        while let Some(due) = self.pipeline.poll_timeout().filter(|due| self.now.is_some() && due.0 < to.0) {
            self.now = self.now.max(Some(Time(due.0)));
            self.pipeline.on_tick(self.now());
        }
        self.now = self.now.max(Some(to));
    }

    fn show(&mut self) {
        for (_, event) in self.pipeline.drain() {
            self.made += 1;
            if let Err(error) = self.watcher.event(&event) {
                self.failure.get_or_insert(error);
            }
        }
    }

    fn check(&mut self) -> Result<(), ReplayError> {
        self.failure.take().map_or(Ok(()), Err)
    }
}

impl<W: Watcher> Sink for VirtualRun<W> {
    fn unit(&mut self, unit: &str) {
        self.unit = Some(unit.to_owned());
    }

    fn series(&mut self, name: &str, labels: &[(String, String)]) -> Option<SeriesRef> {
        let labels = &*with_unit(labels, self.unit.take());
        let now = self.now();
        if self.pipeline.is_new(self.source, name)
            && self.pipeline.is_full()
            && let Some(silent) = self.pipeline.most_silent(None, now)
        {
            self.pipeline.forget(self.source, &silent, now);
        }
        let handle = SeriesRef(self.pipeline.introduce(self.source, name, labels)?.to_bits());
        self.watcher.introduce(self.source, handle, name, labels);
        Some(handle)
    }

    fn generation(&self) -> u32 {
        self.pipeline.generation()
    }

    fn knows(&self, series: SeriesRef) -> bool {
        self.pipeline.knows(SeriesHandle::from_bits(series.0))
    }

    fn reading(&mut self, series: SeriesRef, stamp: Stamp, value: f64) {
        let Stamp::Event(ms) = stamp else {
            let fix =
                "set `time` (and `time_format`) in the source's table to the field or column that holds it";
            let text = format!("the recording's readings have no time; {fix}");
            self.failure.get_or_insert(ReplayError::Unfit(text));
            return;
        };
        self.pass(Time(ms));
        if self.from.replace(self.from.unwrap_or(Time(ms))).is_none() {
            self.pipeline.expect_series(self.now());
        }
        self.watcher.reading(series, Time(ms), value);
        self.pipeline.on_tick(self.now());
        let handle = SeriesHandle::from_bits(series.0);
        self.pipeline.on_reading(handle, TakenAt::Event(ms), value, self.now());
        if self.pipeline.has_events() {
            self.show();
        }
        if let Some(notice) = self.pipeline.take_notice() {
            self.warnings.say(&notice.text);
        }
    }

    fn remark(&mut self, _: &str, text: &str) {
        eprintln!("{}", clean(&format!("note: {text}"), LINE_BYTES_MAX));
    }

    fn refused(&mut self, count: u32) {
        self.pipeline.on_refused(self.source, count);
    }

    fn empty(&mut self, count: u32) {
        self.pipeline.on_empty(self.source, count);
    }

    fn filtered(&mut self, count: u32) {
        self.pipeline.on_filtered(self.source, count);
    }

    fn replaying(&mut self, is_replayed: bool) {
        self.pipeline.set_replayed(is_replayed);
    }

    fn retained(&mut self, count: u32) {
        self.pipeline.on_retained(self.source, count);
    }

    fn repeated(&mut self, count: u32) {
        self.pipeline.on_repeated(self.source, count);
    }

    fn invalid(&mut self, origin: &str, why: &dyn Display) {
        self.pipeline.on_invalid(self.source);
        self.warnings.say(&format!("{origin}: {why}"));
    }

    fn connection(&mut self, _: ConnectionState<'_>) {}
}
