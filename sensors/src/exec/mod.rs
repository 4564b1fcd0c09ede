//! `type = "exec"`: payloads that a program prints.
//!
//! With `interval` the program runs at every tick, without drift and never twice at a time. Without it, it runs for ever and
//! is started again when it ends. A program leads a process group of its own, which ends with it: what it has forked too.
//!
//! Limits: lines or outputs of `[limits] payload`; of what it says on its standard error, lines of [`process::WORD_BYTES`].

mod config;
mod process;

pub(crate) use config::KIND;

use crate::access::explain;
use crate::decode::Decoder;
use crate::line_input::LineStream;
use crate::line_splitter::LINE_FEED;
use crate::source::stopped;
use crate::{
    ConnectionState, DecodeConfig, Finding, Running, Sink, Source, SourceContext, SourceProbe, Stop,
};
use headwater_mqtt::Backoff;
use process::{Output, Program};
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

/// A program that prints nothing counts as running after this time.
const RUNS_AFTER: Duration = Duration::from_secs(1);

/// Why a source is down whose program ends well and says nothing.
const ENDS_UNHEARD: &str = "the program has ended at once and printed nothing; it is started again";

/// When the program runs.
#[derive(Clone, Copy, Debug)]
enum Schedule {
    /// At every interval, and no longer than `within`.
    Every { interval: Duration, within: Duration },
    /// All the time.
    Always,
}

struct Exec {
    command: Vec<String>,
    environment: Vec<(String, String)>,
    schedule: Schedule,
    /// Whether what a run prints is one payload, and not one a line.
    is_whole: bool,
    decode: DecodeConfig,
    context: SourceContext,
}

impl Source for Exec {
    fn payloads(&self) -> Option<&DecodeConfig> {
        Some(&self.decode)
    }

    fn probe(&self) -> SourceProbe<'_> {
        Box::pin(async {
            let program = self.command.first().map_or("", String::as_str);
            Some(match find(program) {
                Some(path) => Finding::Works(format!("{} is there; it was not run", path.display())),
                None => {
                    Finding::Fails(format!("{program} is not there: write its whole path, or install it"))
                }
            })
        })
    }

    fn run(self: Box<Self>, mut sink: Box<dyn Sink>, stop: Stop) -> Running {
        Box::pin(async move {
            let mut printed = Printed::new(&self);
            let stop = pin!(stopped(stop));
            match self.schedule {
                Schedule::Every { interval, within } => {
                    self.run_every(interval, within, &mut printed, sink.as_mut(), stop).await;
                }
                Schedule::Always => self.run_always(&mut printed, sink.as_mut(), stop).await,
            }
        })
    }
}

/// How a run of the program has ended.
enum RunEnd {
    /// The source was told to stop.
    Stopped,
    /// By itself, well.
    Well,
    /// Otherwise, and why.
    Ill(String),
}

impl Exec {
    async fn run_every(
        &self,
        every: Duration,
        within: Duration,
        printed: &mut Printed<'_>,
        sink: &mut dyn Sink,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) {
        let (mut ticks, mut told) = (interval(every), None);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = ticks.tick() => {}
            }
            let end =
                self.run_once(Some(Instant::now() + within), printed, sink, &mut |_| {}, stop.as_mut()).await;
            let state = match end {
                RunEnd::Stopped => return,
                RunEnd::Well => None,
                RunEnd::Ill(why) => Some(why),
            };
            if told.as_ref() != Some(&state) {
                tell(sink, state.as_deref());
                told = Some(state);
            }
        }
    }

    async fn run_always(
        &self,
        printed: &mut Printed<'_>,
        sink: &mut dyn Sink,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) {
        let (mut backoff, mut is_told_up) = (Backoff::by_chance(), false);
        loop {
            let mut is_up = false;
            let mut on_up = |sink: &mut dyn Sink| {
                is_up = true;
                if !std::mem::replace(&mut is_told_up, true) {
                    tell(sink, None);
                }
            };
            let end = self.run_once(None, printed, sink, &mut on_up, stop.as_mut()).await;
            let why = match end {
                RunEnd::Stopped => return,
                // What a program does that prints its numbers and ends: the next run follows.
                RunEnd::Well if is_up => None,
                RunEnd::Well => Some(ENDS_UNHEARD.to_owned()),
                RunEnd::Ill(why) => Some(why),
            };
            if let Some(why) = why {
                tell(sink, Some(&why));
                is_told_up = false;
            }
            if is_up {
                backoff.reset();
            }
            tokio::select! {
                () = &mut stop => return,
                () = sleep(backoff.next()) => {}
            }
        }
    }

    /// Runs the program once. `on_up` is called when it runs, perhaps several times.
    async fn run_once(
        &self,
        until: Option<Instant>,
        printed: &mut Printed<'_>,
        sink: &mut dyn Sink,
        on_up: &mut impl FnMut(&mut dyn Sink),
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> RunEnd {
        let mut program = match Program::start(&self.command, &self.environment) {
            Ok(program) => program,
            Err(error) => return RunEnd::Ill(self.why_not_started(&error)),
        };
        let runs_after = Instant::now() + RUNS_AFTER;
        let too_late = sleep_until(until.unwrap_or(runs_after));
        let (mut too_late, mut runs) = (pin!(too_late), pin!(sleep_until(runs_after)));
        let mut is_running = false;
        loop {
            tokio::select! {
                () = &mut stop => {
                    program.end(process::STOP_GRACE).await;
                    printed.finish(sink);
                    return RunEnd::Stopped;
                }
                () = &mut too_late, if until.is_some() => {
                    program.end(process::GRACE).await;
                    printed.finish(sink);
                    return RunEnd::Ill("it takes longer than `timeout`, and was ended".to_owned());
                }
                () = &mut runs, if !is_running => {
                    is_running = true;
                    on_up(sink);
                }
                output = program.next() => match output {
                    Output::Printed(count) => {
                        on_up(sink);
                        printed.take(program.printed(count), sink);
                        tokio::task::yield_now().await;
                    }
                    Output::Said(line) => {
                        tracing::info!(source = self.context.source, "{}", headwater_text::clean(&line, process::WORD_BYTES));
                    }
                    Output::Ended(end) => {
                        printed.finish(sink);
                        return end.map_or_else(RunEnd::Ill, |()| RunEnd::Well);
                    }
                },
            }
        }
    }

    fn why_not_started(&self, error: &io::Error) -> String {
        let program = self.command.first().map_or("", String::as_str);
        match (find(program), error.kind()) {
            (Some(path), io::ErrorKind::PermissionDenied) => {
                let why = explain(&path, error, "exec.conf");
                format!("{why}; a service runs other programs only with the drop-in exec.conf")
            }
            _ => format!("cannot run {program}: {error}"),
        }
    }
}

/// Where a program is.
fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    let folders = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    folders.split(':').map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}

fn tell(sink: &mut dyn Sink, why_down: Option<&str>) {
    sink.connection(why_down.map_or(ConnectionState::Up, |reason| ConnectionState::Down { reason }));
}

/// What the program prints.
enum Printed<'e> {
    Lines(Box<LineStream>),
    /// One payload a run: what has come of it, as far as it may be.
    Whole {
        decoder: Box<Decoder>,
        name: &'e str,
        bytes: Vec<u8>,
        bytes_max: usize,
    },
}

impl<'e> Printed<'e> {
    fn new(source: &'e Exec) -> Self {
        let Exec { decode, context, .. } = source;
        let name = context.source.as_str();
        if source.is_whole {
            let decoder = Box::new(Decoder::new(decode, context));
            return Self::Whole { decoder, name, bytes: Vec::new(), bytes_max: context.payload_bytes_max };
        }
        Self::Lines(Box::new(LineStream::new((decode, context), name, name, LINE_FEED)))
    }

    fn take(&mut self, printed: &[u8], sink: &mut dyn Sink) {
        match self {
            Self::Lines(lines) => lines.feed(printed, sink),
            Self::Whole { bytes, bytes_max, .. } => {
                // One byte more than allowed is enough to be refused.
                let room = (*bytes_max + 1).saturating_sub(bytes.len()).min(printed.len());
                bytes.extend_from_slice(printed.get(..room).unwrap_or_default());
            }
        }
    }

    /// The run is over.
    fn finish(&mut self, sink: &mut dyn Sink) {
        match self {
            Self::Lines(lines) => lines.finish(sink),
            Self::Whole { decoder, name, bytes, .. } => {
                if !bytes.is_empty() {
                    decoder.on_payload(name, bytes, sink);
                    bytes.clear();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
