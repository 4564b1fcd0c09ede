//! `headwater replay`: the engine over recorded data, in virtual time.

use super::{Failure, load};
use crate::config::{Config, SourceConfig};
use crate::engine::taken_at;
use crate::plot::Plot;
use clap::Args;
use headwater_kernel::time::{Now, Time};
use headwater_pipeline::account::Changes;
use headwater_pipeline::event::{Cause, Event, Report};
use headwater_pipeline::pipeline::{Pipeline, SeriesHandle};
use headwater_sensors::recording::Recording;
use headwater_sensors::{ConnectionState, SeriesRef, Sink, SourceContext, Stamp};
use headwater_wire::to_json;
use std::fmt::Display;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Options of `replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayOptions {
    /// Recordings: .csv with a header, or .jsonl with a payload a line
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Read them as if they came from this source (default: the first with payloads)
    #[arg(long)]
    source: Option<String>,
    /// Draws the series, their windows and alerts into this file, as SVG
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

/// Ticks after the last reading until every window is closed; each tick closes one or finds it due later.
const CLOSING_TICKS_MAX: usize = 100_000_000;

pub(super) fn run(config_path: &Path, options: &ReplayOptions) -> Result<(), Failure> {
    let config = load(config_path)?;
    let source = choose(&config, options.source.as_deref())?;
    let chosen = config.sources.get(source);
    let chosen = chosen.ok_or_else(|| Failure::Usage("the config has no source".to_owned()))?;
    let Some(decode) = chosen.source.payloads().cloned() else {
        let fix = "choose a source with payloads, by --source";
        return Err(Failure::Usage(format!("error: source `{}` reads no recordings; {fix}", chosen.name)));
    };
    let agent = config.agent.id.clone();
    let limits = config.limits;
    let context = SourceContext {
        agent: agent.clone(),
        source: chosen.name.clone(),
        payload_bytes_max: limits.payload_bytes,
        series_max: limits.series,
    };
    let plot = options.plot.as_ref().map(|_| Plot::new(&title(&options.files), &config.streams));
    let pipeline = crate::supervise::pipeline(&agent, &config.sources, config.streams, limits);
    let out = BufWriter::new(std::io::stdout().lock());
    let mut replay = Replay { pipeline, source, now: None, made: 0, out, failure: None, from: None, plot };
    for path in &options.files {
        let mut recording =
            Recording::open(path, &decode, &context).map_err(|error| Failure::Other(error.to_string()))?;
        while recording.step(&mut replay).map_err(|error| Failure::Other(error.to_string()))? {
            replay.check()?;
        }
    }
    let plot = replay.finish()?;
    match plot.zip(options.plot.as_ref()) {
        None => Ok(()),
        Some((plot, path)) => std::fs::write(path, plot.svg())
            .map_err(|error| Failure::Other(format!("cannot write {}: {error}", path.display()))),
    }
}

/// What the picture is of: the files' names.
fn title(files: &[PathBuf]) -> String {
    let names = files.iter().filter_map(|path| path.file_name()).map(|name| name.to_string_lossy());
    names.collect::<Vec<_>>().join(", ")
}

fn choose(config: &Config, name: Option<&str>) -> Result<usize, Failure> {
    let Some(name) = name else {
        let has_payloads = |source: &SourceConfig| source.source.payloads().is_some();
        return Ok(config.sources.iter().position(has_payloads).unwrap_or(0));
    };
    let names: Vec<&str> = config.sources.iter().map(|source| source.name.as_str()).collect();
    names.iter().position(|known| *known == name).ok_or_else(|| {
        let fix = headwater_settings::nearest(name, names.iter().copied()).map_or_else(
            || format!("known: {}", names.join(", ")),
            |likely| format!("did you mean `{likely}`?"),
        );
        Failure::Usage(format!("error: there is no source `{name}`; {fix}"))
    })
}

/// The sink of a recording: virtual time is the latest event time seen, and never goes back.
struct Replay<W: Write> {
    pipeline: Pipeline,
    source: usize,
    now: Option<Time>,
    from: Option<Time>,
    made: i64,
    out: W,
    failure: Option<Failure>,
    plot: Option<Plot>,
}

impl<W: Write> Replay<W> {
    /// A recording's clock is nobody's: it proves no reading wrong.
    fn now(&self) -> Now {
        Now { synced: false, ..Now::uncorrected(self.now.unwrap_or(Time(0))) }
    }

    fn print(&mut self) {
        for (_, event) in self.pipeline.drain() {
            self.made += 1;
            self.plot.iter_mut().for_each(|plot| plot.event(&event));
            if let Err(error) = print(&event, &mut self.out) {
                self.failure.get_or_insert(Failure::Other(format!("cannot write the messages: {error}")));
            }
        }
    }

    fn check(&mut self) -> Result<(), Failure> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// Lets virtual time run until every window is closed, and closes with a report. The answer is the picture, if one
    /// was wanted.
    fn finish(mut self) -> Result<Option<Plot>, Failure> {
        for _ in 0..CLOSING_TICKS_MAX {
            let Some(due) = self.pipeline.poll_timeout() else { break };
            self.now = self.now.max(Some(Time(due.0)));
            self.pipeline.on_tick(self.now());
            self.print();
            self.check()?;
        }
        let messages = Changes { made: self.made, delivered: self.made, ..Changes::default() };
        let readings = self.pipeline.ledger();
        let report = Report {
            agent: self.pipeline.agent().clone(),
            from_ms: self.from.unwrap_or(Time(0)).0,
            to: self.pipeline.own_time(self.now().time),
            cause: Cause::End,
            detail: String::new(),
            readings_total: readings.total,
            readings,
            messages,
            messages_total: messages,
            suppressed: self.pipeline.suppressed(),
            suppressed_total: self.pipeline.suppressed(),
        };
        print(&Event::Report(Box::new(report)), &mut self.out)?;
        self.out.flush()?;
        Ok(self.plot)
    }
}

/// Writes an event as a line of JSON.
fn print(event: &Event, to: &mut impl Write) -> std::io::Result<()> {
    to.write_all(&to_json(event)?)?;
    to.write_all(b"\n")
}

impl<W: Write> Sink for Replay<W> {
    fn series(&mut self, name: &str, labels: &[(String, String)]) -> Option<SeriesRef> {
        let SeriesHandle(number) = self.pipeline.introduce(self.source, name, labels)?;
        let handle = SeriesRef(number);
        if let Some(plot) = &mut self.plot {
            plot.introduce(self.source, handle, name, labels);
        }
        Some(handle)
    }

    fn reading(&mut self, series: SeriesRef, stamp: Stamp, value: f64) {
        if let Stamp::Event(ms) = stamp {
            self.now = self.now.max(Some(Time(ms)));
            self.from.get_or_insert(Time(ms));
            if let Some(plot) = &mut self.plot {
                plot.reading(series, Time(ms), value);
            }
        } else if self.failure.is_none() {
            let fix =
                "set `time` (and `time_format`) in the source's table to the field or column that holds it";
            self.failure =
                Some(Failure::Usage(format!("error: the recording's readings have no time; {fix}")));
        }
        self.pipeline.on_tick(self.now());
        self.pipeline.on_reading(SeriesHandle(series.0), taken_at(stamp), value, self.now());
        if self.pipeline.has_events() {
            self.print();
        }
    }

    fn refused(&mut self, count: u32) {
        self.pipeline.on_refused(self.source, count);
    }

    fn invalid(&mut self, origin: &str, why: &dyn Display) {
        self.pipeline.on_invalid(self.source);
        eprintln!("warning: {origin}: {why}");
    }

    fn connection(&mut self, _: ConnectionState<'_>) {}
}
