//! What the forwarder tells becomes a log line, and a report where something was lost or is over.

use crate::clock;
use crate::engine::Engine;
use headwater_forwarder::{Event, Lane, Why};
use headwater_kernel::time::Time;
use std::rc::Rc;

/// Keeps the account of outages, so that each is reported once, when it is over.
pub(super) struct Journal {
    outputs: Vec<Outage>,
}

/// An output, and since when it has been down.
struct Outage {
    name: String,
    since: Option<Time>,
}

impl Journal {
    /// Of these outputs, none of which has been up yet: the first connection ends no outage.
    pub(super) fn new(outputs: Vec<String>) -> Self {
        Self { outputs: outputs.into_iter().map(|name| Outage { name, since: None }).collect() }
    }

    /// Writes down what happens; never returns.
    pub(super) async fn keep(mut self, engine: Rc<Engine>) {
        loop {
            let event = engine.forwarder().event().await;
            self.on_event(&engine, event);
        }
    }

    fn on_event(&mut self, engine: &Engine, event: Event) {
        match event {
            Event::Up { output } => self.on_up(engine, output),
            Event::Down { output, reason } => self.on_down(output, &reason),
            Event::Shed { lane, count, from_ms, to_ms, why } => {
                let what = match lane {
                    Lane::Alert => "alerts",
                    Lane::Data => "messages",
                };
                let why = match why {
                    Why::Full => "the buffer is at its bound (`max_size`)",
                    Why::Age => "they were older than `max_age`",
                    Why::Memory => "memory was full, and the disk could not take them in time",
                    Why::Cleared => "they were removed by hand (`headwater buffer clear`)",
                };
                let detail = format!("{count} {what} lost, made from {from_ms} to {to_ms}: {why}");
                tracing::error!(count, "{detail}");
                engine.report("shed", &detail);
            }
            Event::Damaged { count, what } => {
                let detail = format!("at least {count} messages lost: {what}");
                tracing::error!(count, "the buffer is damaged: {detail}");
                engine.report("damaged", &detail);
            }
            Event::Refused { output, count, what, .. } => {
                let detail = format!("{count} messages refused by output {}: {what}", self.name(output));
                tracing::error!(count, "{detail}");
                engine.report("refused", &detail);
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

    fn on_up(&mut self, engine: &Engine, output: usize) {
        let Some(outage) = self.outputs.get_mut(output) else { return };
        tracing::info!(output = outage.name, "output connected");
        engine.report_start();
        if let Some(since) = outage.since.take() {
            let seconds = clock::now().since(since).max(0) / 1_000;
            engine.report("outage", &format!("output {} was down for {seconds} s", outage.name));
        }
    }

    fn on_down(&mut self, output: usize, reason: &str) {
        let Some(outage) = self.outputs.get_mut(output) else { return };
        tracing::warn!(output = outage.name, "output disconnected: {reason}");
        outage.since.get_or_insert_with(clock::now);
    }

    fn name(&self, output: usize) -> &str {
        self.outputs.get(output).map_or("", |outage| outage.name.as_str())
    }
}
