//! Replays recordings through the pipeline, in virtual time.

use crate::plot::Plot;
pub use crate::virtual_time::{RecordingOrigin, ReplayError};

use crate::virtual_time::{VirtualRun, Watcher};
use headwater_kernel::time::Time;
use headwater_pipeline::Pipeline;
use headwater_pipeline::account::MessageDelta;
use headwater_pipeline::event::{Event, Report, ReportCause};
use headwater_sensors::SeriesRef;
use headwater_text::escape_json;
use headwater_wire::to_json;
use std::io::Write;
use std::path::PathBuf;

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
    let mut run = VirtualRun::new(pipeline, origin.source, Printer { out, plot });
    for path in files {
        run.play(path, origin)?;
    }
    run.finish()?;
    let end = Event::Report(Box::new(report(&run)));
    run.watcher.event(&end)?;
    run.watcher.out.flush().map_err(ReplayError::Unwritten)?;
    Ok(run.watcher.plot)
}

/// Prints and draws what it sees.
struct Printer<W> {
    out: W,
    plot: Option<Plot>,
}

impl<W: Write> Watcher for Printer<W> {
    fn introduce(&mut self, source: usize, series: SeriesRef, name: &str, labels: &[(String, String)]) {
        if let Some(plot) = &mut self.plot {
            plot.introduce(source, series, name, labels);
        }
    }

    fn reading(&mut self, series: SeriesRef, time: Time, value: f64) {
        if let Some(plot) = &mut self.plot {
            plot.reading(series, time, value);
        }
    }

    fn event(&mut self, event: &Event) -> Result<(), ReplayError> {
        self.plot.iter_mut().for_each(|plot| plot.event(event));
        print(event, &mut self.out).map_err(ReplayError::Unwritten)
    }
}

/// The account of all that was replayed.
fn report(run: &VirtualRun<impl Watcher>) -> Report {
    let messages = MessageDelta { made: run.made, delivered: run.made, ..MessageDelta::default() };
    let readings = run.pipeline.ledger();
    Report {
        agent: run.pipeline.agent().clone(),
        from_ms: run.from.unwrap_or(Time(0)).0,
        to: run.pipeline.own_time(run.now().time),
        cause: ReportCause::End,
        detail: String::new(),
        stop: None,
        readings_total: readings.total,
        readings,
        messages,
        messages_total: messages,
        suppressed: run.pipeline.suppressed(),
        suppressed_total: run.pipeline.suppressed(),
    }
}

/// Writes an event as a line of JSON.
fn print(event: &Event, to: &mut impl Write) -> std::io::Result<()> {
    let json = to_json(event)?;
    to.write_all(escape_json(&String::from_utf8_lossy(&json)).as_bytes())?;
    to.write_all(b"\n")
}
