//! Turns the forwarder's events into log lines, and into reports of losses and of what is over.

use super::losses::{Kind, Loss, Losses};
use crate::clock::utc;
use crate::engine::{Engine, LogThrottle};
use headwater_forwarder::{DropReason, ForwarderEvent, Lane};
use headwater_kernel::time::Time;
use headwater_pipeline::event::ReportCause;
use std::cell::RefCell;
use tokio::time::{Instant, sleep_until};

/// Keeps the account of losses until they are told.
pub(super) struct LossReporter {
    state: RefCell<State>,
}

struct State {
    /// The names of the outputs, each with a throttle for lines about its connection.
    outputs: Vec<(String, LogThrottle)>,
    losses: Losses,
}

impl LossReporter {
    /// The reporter of these outputs.
    pub(super) fn new(outputs: Vec<String>) -> Self {
        let outputs = outputs.into_iter().map(|name| (name, LogThrottle::of_connection())).collect();
        Self { state: RefCell::new(State { outputs, losses: Losses::default() }) }
    }

    /// The outputs are these from now on, in the order of the config; what is pending is told under the names so far.
    pub(super) fn on_outputs(&self, engine: &Engine, names: &[String]) {
        self.finish(engine);
        let (mut state, mut next) = (self.state.borrow_mut(), Self::new(names.to_vec()).state.into_inner());
        for (name, throttle) in std::mem::take(&mut state.outputs) {
            if let Some((_, own)) = next.outputs.iter_mut().find(|(own, _)| *own == name) {
                *own = throttle;
            }
        }
        *state = next;
    }

    /// Logs and reports the forwarder's events; never returns.
    pub(super) async fn keep(&self, engine: &Engine) {
        loop {
            let due = self.state.borrow().losses.due();
            tokio::select! {
                event = engine.forwarder().event() => self.state.borrow_mut().on_event(engine, event),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    let now = Instant::now();
                    let mut state = self.state.borrow_mut();
                    while let Some(loss) = state.losses.take_due(now) {
                        state.report_loss(engine, &loss);
                    }
                }
            }
        }
    }

    /// Reports the losses that no report has named yet.
    pub(super) fn finish(&self, engine: &Engine) {
        let mut state = self.state.borrow_mut();
        while let Some(event) = engine.forwarder().try_event() {
            state.on_event(engine, event);
        }
        let pending = state.losses.take_all();
        pending.iter().for_each(|loss| state.report_loss(engine, loss));
    }
}

impl State {
    fn on_event(&mut self, engine: &Engine, event: ForwarderEvent) {
        engine.on_status_changed();
        match event {
            ForwarderEvent::Up { output } => {
                if let Some(held_back) = self.pass(engine, output) {
                    tracing::info!(output = self.name(output), held_back, "output connected");
                }
                engine.on_output_up(self.name(output));
                engine.report_start();
            }
            // A connection alone says little: a broker may take it and acknowledge nothing.
            ForwarderEvent::Answered { output } => engine.on_output_answers(self.name(output)),
            ForwarderEvent::Down { output, reason } => {
                if let Some(held_back) = self.pass(engine, output) {
                    tracing::warn!(output = self.name(output), held_back, "output disconnected: {reason}");
                }
                engine.on_output_down(self.name(output));
            }
            ForwarderEvent::Evicted { lane, count, from_ms, to_ms, why } => {
                let kind = Kind::Shed(lane, why);
                let loss = Loss { kind, count, times: 1, made_ms: (from_ms, to_ms), what: String::new() };
                self.losses.add(loss, Instant::now());
            }
            ForwarderEvent::Compacted { count } => {
                let loss =
                    Loss { kind: Kind::Thinned, count, times: 1, made_ms: (0, 0), what: String::new() };
                self.losses.add(loss, Instant::now());
            }
            ForwarderEvent::Refused { output, count, what, .. } => {
                let loss = Loss { kind: Kind::Refused(output), count, times: 1, made_ms: (0, 0), what };
                self.losses.add(loss, Instant::now());
            }
            ForwarderEvent::Damaged { count, what } => {
                let loss = Loss { kind: Kind::Damaged, count, times: 1, made_ms: (0, 0), what };
                self.losses.add(loss, Instant::now());
            }
            ForwarderEvent::DiskBad { reason } => {
                tracing::error!("the disk takes nothing, messages are kept in memory only: {reason}");
                engine.report(ReportCause::Disk, &format!("messages are kept in memory only: {reason}"));
            }
            ForwarderEvent::DiskGood => {
                tracing::info!("the disk takes messages again");
                engine.report(ReportCause::Disk, "the disk takes messages again");
            }
            ForwarderEvent::WornOut { bytes } => {
                tracing::warn!(bytes, "more was written to disk today than `daily_writes` allows");
            }
        }
    }

    fn report_loss(&self, engine: &Engine, loss: &Loss) {
        let Loss { kind, count, times, made_ms: (from_ms, to_ms), what } = loss;
        let (cause, detail) = match kind {
            Kind::Shed(lane, why) => {
                let what = match lane {
                    Lane::Alert | Lane::HeldAlert => "alerts",
                    _ => "messages",
                };
                let why = match why {
                    DropReason::Full => "the buffer is at its bound (`max_size`)",
                    DropReason::Age => "they were older than `max_age`",
                    DropReason::Memory => "memory was full, and the disk could not take them in time",
                    DropReason::Cleared => "they were removed by hand (`headwater buffer clear`)",
                };
                let (from, to) = (Time(*from_ms), Time(*to_ms));
                (
                    ReportCause::Shed,
                    format!("{count} {what} lost, made from {} to {}: {why}", utc(from), utc(to)),
                )
            }
            Kind::Thinned => {
                let why = "the buffer is at its bound (`max_size`)";
                (
                    ReportCause::Shed,
                    format!("{count} messages were merged into coarser ones, none is lost: {why}"),
                )
            }
            Kind::Refused(output) => (
                ReportCause::Refused,
                format!("{count} messages refused by output {}: {what}", self.name(*output)),
            ),
            Kind::Damaged if *count == 0 => (ReportCause::Damaged, what.clone()),
            Kind::Damaged if *times > 1 => (
                ReportCause::Damaged,
                format!("at least {count} messages lost in {times} places, the last of them: {what}"),
            ),
            Kind::Damaged => (ReportCause::Damaged, format!("at least {count} messages lost: {what}")),
        };
        match kind {
            Kind::Thinned => tracing::warn!(count, "{detail}"),
            _ => tracing::error!(count, "{detail}"),
        }
        engine.report(cause, &detail);
    }

    /// How many lines about an output's connection were held back; `None`: hold this one back too.
    fn pass(&mut self, engine: &Engine, output: usize) -> Option<u64> {
        self.outputs.get_mut(output)?.1.pass(engine.now().alive)
    }

    fn name(&self, output: usize) -> &str {
        self.outputs.get(output).map_or("", |(name, _)| name)
    }
}
