//! Sources that look at devices at an interval.
//!
//! A look may take its time, because a driver hangs or a bus is slow. It runs on a thread of the runtime's pool, one look at a
//! time for each source, at ticks that do not drift. A tick that comes while a look lasts is left out. Every reading is of
//! its arrival.

mod config;
mod readings;

pub(crate) use config::PolledConfig;
pub(crate) use readings::PolledReadings;

use crate::source::stopped;
use crate::{
    ConnectionState, Finding, Running, SeriesNames, Sink, Source, SourcePosition, SourceProbe, Stop,
};
use std::pin::pin;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval, sleep};

/// The time of a look at most devices (s).
const LOOK_SECONDS: u64 = 10;

/// What a source looks at.
pub(crate) trait PolledDevice: Send + 'static {
    /// A look that takes longer is told (s).
    fn look_seconds(&self) -> u64 {
        LOOK_SECONDS
    }

    /// Goes on from what an earlier run has stored as positions.
    ///
    /// # Errors
    /// Some of it cannot be read, and what that means.
    fn resume(&mut self, left: &[SourcePosition]) -> Result<(), String> {
        let _ = left;
        Ok(())
    }

    /// Looks once, and hands over what is there.
    ///
    /// # Errors
    /// There is nothing to read, and why.
    fn look(&mut self, to: &mut PolledReadings) -> Result<(), PollError>;
}

/// Why a look has found nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PollError {
    /// The device is not there yet; the text names it.
    Absent(String),
    /// The device cannot be read; the text says what to do.
    Failed(String),
}

impl PollError {
    fn text(&self) -> &str {
        match self {
            Self::Absent(text) | Self::Failed(text) => text,
        }
    }
}

/// The source that looks at a device.
pub(crate) struct PolledSource {
    config: PolledConfig,
    /// Makes the device, as nobody has looked at it yet.
    device: Box<dyn Fn() -> Box<dyn PolledDevice>>,
    /// What [`Source::may_be_remote`] says.
    may_be_remote: bool,
}

impl PolledSource {
    /// Looks at what `device` makes; its table may not be set remotely.
    pub(crate) fn new<D: PolledDevice>(config: PolledConfig, device: impl Fn() -> D + 'static) -> Self {
        Self { config, device: Box::new(move || Box::new(device())), may_be_remote: false }
    }

    /// The same, of a table that may be set remotely.
    pub(crate) fn new_remote<D: PolledDevice>(
        config: PolledConfig,
        device: impl Fn() -> D + 'static,
    ) -> Self {
        Self { may_be_remote: true, ..Self::new(config, device) }
    }
}

impl Source for PolledSource {
    fn may_be_remote(&self) -> bool {
        self.may_be_remote
    }

    fn names(&self) -> SeriesNames {
        SeriesNames::Patterns(self.config.patterns())
    }

    fn labels(&self) -> Option<Vec<String>> {
        Some(self.config.label_names())
    }

    fn probe(&self) -> SourceProbe<'_> {
        Box::pin(async { Some(probe_polled((self.device)(), self.config.clone()).await) })
    }

    fn run(self: Box<Self>, mut sink: Box<dyn Sink>, stop: Stop) -> Running {
        Box::pin(async move { run_polled((self.device)(), self.config, sink.as_mut(), stop).await })
    }
}

/// Looks at every interval until `stop`.
async fn run_polled(
    mut device: Box<dyn PolledDevice>,
    config: PolledConfig,
    sink: &mut dyn Sink,
    stop: Stop,
) {
    let look_seconds = device.look_seconds();
    if let Err(why) = device.resume(&sink.positions()) {
        sink.state_dropped(&why);
    }
    let mut stop = pin!(stopped(stop));
    let mut ticks = interval(config.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut state, mut both) = (PolledState::default(), (device, PolledReadings::new(config)));
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = ticks.tick() => {}
        }
        let mut look = spawn_blocking(move || {
            let result = both.0.look(&mut both.1);
            (both, result)
        });
        let mut long = pin!(sleep(Duration::from_secs(look_seconds)));
        let ended = loop {
            tokio::select! {
                () = &mut stop => return,
                ended = &mut look => break ended,
                () = &mut long, if !long.is_elapsed() => {
                    state.tell(sink, Some(&format!("the device has not answered for {look_seconds} s; it is waited for")));
                }
            }
        };
        let result = match ended.map_err(tokio::task::JoinError::try_into_panic) {
            Ok((back, result)) => {
                both = back;
                result
            }
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // It was cancelled before it began: the program ends.
            Err(Err(_)) => return stop.await,
        };
        state.tell(sink, result.as_ref().err().map(PollError::text));
        both.1.deliver(sink);
    }
}

/// What was told of the connection.
#[derive(Default)]
struct PolledState(Option<Option<String>>);

impl PolledState {
    /// Tells what has changed; `why`: why the device cannot be read.
    fn tell(&mut self, sink: &mut dyn Sink, why: Option<&str>) {
        if self.0.as_ref().is_none_or(|told| told.as_deref() != why) {
            sink.connection(why.map_or(ConnectionState::Up, |reason| ConnectionState::Down { reason }));
            self.0 = Some(why.map(str::to_owned));
        }
    }
}

/// Looks once, for people.
async fn probe_polled(mut device: Box<dyn PolledDevice>, config: PolledConfig) -> Finding {
    let look = spawn_blocking(move || {
        let mut readings = PolledReadings::new(config);
        let result = device.look(&mut readings);
        (readings, result)
    });
    let (readings, result) = match look.await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(looked) => looked,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_)) => return Finding::Note("it was not looked at".to_owned()),
    };
    match result {
        Err(PollError::Absent(why)) => Finding::Note(why),
        Err(PollError::Failed(why)) => Finding::Fails(why),
        Ok(()) => readings.finding(),
    }
}

#[cfg(test)]
mod tests;
