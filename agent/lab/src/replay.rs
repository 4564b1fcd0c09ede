//! Replays recordings through the pipeline, in virtual time.

use crate::plot::Plot;
use headwater_kernel::time::{Now, Time};
use headwater_pipeline::Pipeline;
use headwater_pipeline::account::MessageDelta;
use headwater_pipeline::event::{Event, Report, ReportCause};
use headwater_pipeline::pipeline::{SeriesHandle, TakenAt};
use headwater_pipeline::unit::with_unit;
use headwater_sensors::recording::Recording;
use headwater_sensors::{ConnectionState, DecodeConfig, SeriesRef, Sink, SourceContext, Stamp};
use headwater_text::{LINE_BYTES_MAX, clean, escape_json};
use headwater_wire::to_json;
use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;

/// The most ticks after the last reading until every window is closed; each tick closes one or finds it due later.
const CLOSING_TICKS_MAX: usize = 100_000_000;

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

/// Runs recordings through a pipeline and writes its messages as lines of JSON. Returns the picture, if one was
/// requested.
///
/// # Errors
/// A recording cannot be read, its readings have no time, or the messages cannot be written.
pub fn replay(
    files: &[PathBuf],
    origin: &RecordingOrigin,
    pipeline: Pipeline,
    plot: Option<Plot>,
    out: impl Write,
) -> Result<Option<Plot>, ReplayError> {
    let mut replay = Replay {
        pipeline,
        source: origin.source,
        now: None,
        made: 0,
        out,
        failure: None,
        from: None,
        plot,
        unit: None,
        warnings: Warnings::default(),
    };
    for path in files {
        let other =
            |error: headwater_sensors::recording::RecordingError| ReplayError::Other(error.to_string());
        let mut recording = Recording::open(path, &origin.decode, &origin.context).map_err(other)?;
        while recording.step(&mut replay).map_err(other)? {
            replay.check()?;
        }
    }
    replay.finish()
}

/// The sink of a recording: virtual time is the latest event time seen, and never goes back.
struct Replay<W: Write> {
    pipeline: Pipeline,
    source: usize,
    now: Option<Time>,
    from: Option<Time>,
    made: i64,
    out: W,
    failure: Option<ReplayError>,
    plot: Option<Plot>,
    /// The unit of the series that comes next.
    unit: Option<String>,
    warnings: Warnings,
}

/// The most warnings of a replay that are shown.
const WARNINGS_MAX: u64 = 20;

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

impl<W: Write> Replay<W> {
    /// The clock of a recording is unknown, so it proves no reading wrong.
    fn now(&self) -> Now {
        Now { synced: false, ..Now::uncorrected(self.now.unwrap_or(Time(0))) }
    }

    fn print(&mut self) {
        for (_, event) in self.pipeline.drain() {
            self.made += 1;
            self.plot.iter_mut().for_each(|plot| plot.event(&event));
            if let Err(error) = print(&event, &mut self.out) {
                self.failure.get_or_insert(ReplayError::Unwritten(error));
            }
        }
    }

    fn check(&mut self) -> Result<(), ReplayError> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Lets virtual time run until every window is closed, and ends with a report. Returns the picture, if one was
    /// requested.
    fn finish(mut self) -> Result<Option<Plot>, ReplayError> {
        self.pipeline.on_end(self.now());
        for _ in 0..CLOSING_TICKS_MAX {
            let Some(due) = self.pipeline.poll_timeout() else { break };
            self.now = self.now.max(Some(Time(due.0)));
            self.pipeline.on_tick(self.now());
            self.print();
            self.check()?;
        }
        self.warnings.finish();
        let messages = MessageDelta { made: self.made, delivered: self.made, ..MessageDelta::default() };
        let readings = self.pipeline.ledger();
        let report = Report {
            agent: self.pipeline.agent().clone(),
            from_ms: self.from.unwrap_or(Time(0)).0,
            to: self.pipeline.own_time(self.now().time),
            cause: ReportCause::End,
            detail: String::new(),
            stop: None,
            readings_total: readings.total,
            readings,
            messages,
            messages_total: messages,
            suppressed: self.pipeline.suppressed(),
            suppressed_total: self.pipeline.suppressed(),
        };
        let written = print(&Event::Report(Box::new(report)), &mut self.out).and_then(|()| self.out.flush());
        written.map_err(ReplayError::Unwritten)?;
        Ok(self.plot)
    }
}

/// Writes an event as a line of JSON.
fn print(event: &Event, to: &mut impl Write) -> std::io::Result<()> {
    let json = to_json(event)?;
    to.write_all(escape_json(&String::from_utf8_lossy(&json)).as_bytes())?;
    to.write_all(b"\n")
}

impl<W: Write> Sink for Replay<W> {
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
        if let Some(plot) = &mut self.plot {
            plot.introduce(self.source, handle, name, labels);
        }
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
        self.now = self.now.max(Some(Time(ms)));
        if self.from.replace(self.from.unwrap_or(Time(ms))).is_none() {
            self.pipeline.expect_series(self.now());
        }
        if let Some(plot) = &mut self.plot {
            plot.reading(series, Time(ms), value);
        }
        self.pipeline.on_tick(self.now());
        let handle = SeriesHandle::from_bits(series.0);
        self.pipeline.on_reading(handle, TakenAt::Event(ms), value, self.now());
        if self.pipeline.has_events() {
            self.print();
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
