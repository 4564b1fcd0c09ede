//! What the forwarder tells becomes a log line, and a report where something was lost or is over.

use super::losses::{Kind, Loss, Losses};
use crate::clock;
use crate::engine::Engine;
use headwater_forwarder::{Event, Lane, Why};
use headwater_kernel::time::Time;
use std::cell::RefCell;
use tokio::time::{Instant, sleep_until};

/// Keeps the account of outages, so that each is reported once, when it is over, and of losses until they are told.
pub(super) struct Journal {
    state: RefCell<State>,
}

struct State {
    outputs: Vec<Outage>,
    losses: Losses,
}

/// An output, and since when it has been down.
struct Outage {
    name: String,
    /// (ms since boot)
    since: Option<i64>,
}

impl Journal {
    /// Of these outputs, none of which has been up yet: the first connection ends no outage.
    pub(super) fn new(outputs: Vec<String>) -> Self {
        let outputs = outputs.into_iter().map(|name| Outage { name, since: None }).collect();
        Self { state: RefCell::new(State { outputs, losses: Losses::default() }) }
    }

    /// Writes down what happens; never returns.
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

    /// What has not been told is told now.
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
    fn on_event(&mut self, engine: &Engine, event: Event) {
        match event {
            Event::Up { output } => self.on_up(engine, output),
            Event::Down { output, reason } => self.on_down(output, &reason),
            Event::Shed { lane, count, from_ms, to_ms, why } => {
                let kind = Kind::Shed(lane, why);
                let loss = Loss { kind, count, times: 1, made_ms: (from_ms, to_ms), what: String::new() };
                self.losses.add(loss, Instant::now());
            }
            Event::Thinned { count } => {
                let loss = Loss { kind: Kind::Thinned, count, times: 1, made_ms: (0, 0), what: String::new() };
                self.losses.add(loss, Instant::now());
            }
            Event::Refused { output, count, what, .. } => {
                let loss = Loss { kind: Kind::Refused(output), count, times: 1, made_ms: (0, 0), what };
                self.losses.add(loss, Instant::now());
            }
            Event::Damaged { count, what } => {
                let loss = Loss { kind: Kind::Damaged, count, times: 1, made_ms: (0, 0), what };
                self.losses.add(loss, Instant::now());
            }
            Event::DiskBad { reason } => {
                tracing::error!("the disk takes nothing, messages are kept in memory only: {reason}");
                engine.report("disk", &format!("messages are kept in memory only: {reason}"));
            }
            Event::DiskGood => {
                tracing::info!("the disk takes messages again");
                engine.report("disk", "the disk takes messages again");
            }
            Event::WornOut { bytes } => {
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
                    Why::Full => "the buffer is at its bound (`max_size`)",
                    Why::Age => "they were older than `max_age`",
                    Why::Memory => "memory was full, and the disk could not take them in time",
                    Why::Cleared => "they were removed by hand (`headwater buffer clear`)",
                };
                let (from, to) = (Time(*from_ms), Time(*to_ms));
                ("shed", format!("{count} {what} lost, made from {} to {}: {why}", clock::utc(from), clock::utc(to)))
            }
            Kind::Thinned => {
                let why = "the buffer is at its bound (`max_size`)";
                ("shed", format!("{count} messages were merged into coarser ones, none is lost: {why}"))
            }
            Kind::Refused(output) => {
                let name = self.outputs.get(*output).map_or("", |outage| outage.name.as_str());
                ("refused", format!("{count} messages refused by output {name}: {what}"))
            }
            Kind::Damaged if *times > 1 => (
                "damaged",
                format!("at least {count} messages lost in {times} places, the last of them: {what}"),
            ),
            Kind::Damaged => ("damaged", format!("at least {count} messages lost: {what}")),
        };
        match kind {
            Kind::Thinned => tracing::warn!(count, "{detail}"),
            _ => tracing::error!(count, "{detail}"),
        }
        engine.report(cause, &detail);
    }

    fn on_up(&mut self, engine: &Engine, output: usize) {
        let Some(outage) = self.outputs.get_mut(output) else { return };
        tracing::info!(output = outage.name, "output connected");
        engine.report_start();
        if let Some(since) = outage.since.take() {
            let seconds = (clock::up_ms() - since).max(0) / 1_000;
            // Of many short ones in succession the status tells: each report would be one more message for the broker.
            let outlets = engine.forwarder().status().outlets;
            if seconds >= 60 || !outlets.get(output).is_some_and(|outlet| outlet.careful) {
                engine.report("outage", &format!("output {} was down for {seconds} s", outage.name));
            }
        }
    }

    fn on_down(&mut self, output: usize, reason: &str) {
        let Some(outage) = self.outputs.get_mut(output) else { return };
        tracing::warn!(output = outage.name, "output disconnected: {reason}");
        outage.since.get_or_insert_with(clock::up_ms);
    }
}
