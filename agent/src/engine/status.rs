//! The engine's status: made here, and nowhere else.

use super::Engine;
use crate::status::{AgentStatus, BufferStatus, ClockStatus, OutputStatus, StreamStatus, WriteStatus};
use headwater_forwarder::{ConnectionStatus, ForwarderStatus};
use headwater_text::{LINE_BYTES_MAX, clean};

impl Engine {
    /// Notes that something in the status has changed by more than numbers.
    pub(crate) fn on_status_changed(&self) {
        self.status_changed.notify_one();
    }

    /// Returns when the status may have changed by more than numbers, or has since the last time.
    pub(crate) async fn status_changed(&self) {
        self.status_changed.notified().await;
    }

    /// The present state of the agent.
    pub(crate) fn status(&self) -> AgentStatus {
        let forwarder = self.forwarder().status();
        let (agent, ledger, series) = {
            let pipeline = self.pipeline.borrow();
            (pipeline.agent().to_string(), pipeline.ledger(), pipeline.series_count())
        };
        let stream = |(name, readings)| StreamStatus { name, readings };
        let boot = self.clock.unsynced_boot();
        AgentStatus {
            agent,
            version: env!("CARGO_PKG_VERSION"),
            started_ms: self.clock.at(self.started_up_ms).0,
            clock: ClockStatus { synced: boot.is_none(), boot: boot.as_deref().map(str::to_owned) },
            series,
            sources: self.sources.statuses(&ledger.sources, |up_ms| self.clock.at(up_ms)),
            streams: ledger.streams.into_iter().map(stream).collect(),
            buffer: BufferStatus {
                waiting: forwarder.waiting,
                memory_bytes: forwarder.memory_bytes,
                disk_bytes: forwarder.disk_bytes,
                disk_error: forwarder.disk_error.clone(),
            },
            writes: WriteStatus {
                today_bytes: forwarder.written_today_bytes,
                daily_bytes: forwarder.daily_writes,
                device_today_bytes: forwarder.device_written_today_bytes,
            },
            checkpoint: self.checkpointer.pace.status(self.now().alive),
            sync: self.syncing.status(),
            readings: ledger.total,
            messages: super::counts_of(&self.message_account()),
            trouble: self.trouble(&forwarder),
            outputs: forwarder.outputs.into_iter().map(output).collect(),
        }
    }

    /// The agent's troubles, in words for a person; they may quote the disk.
    fn trouble(&self, forwarder: &ForwarderStatus) -> Vec<String> {
        let mut trouble = Vec::from_iter(self.memory.trouble());
        trouble.extend(self.checkpointer.trouble());
        trouble.extend(self.checkpointer.pace.trouble());
        trouble.extend(self.journal.trouble());
        trouble.extend(self.syncing.trouble());
        trouble.extend(self.sources.troubles(crate::clock::up_ms()));
        trouble.extend(self.listener.trouble());
        if let Some(reason) = &forwarder.disk_error {
            trouble.push(format!("the disk takes nothing, messages are kept in memory only: {reason}"));
        }
        if forwarder.written_today_bytes > forwarder.daily_writes {
            trouble.push("more was written to disk today than `daily_writes` allows".to_owned());
        }
        let up_ms = crate::clock::up_ms();
        let lost = forwarder.outputs.iter().filter_map(|output| self.output_losses.trouble(output, up_ms));
        trouble.extend(lost);
        let slow = forwarder.outputs.iter().filter_map(|output| output.one_at_a_time.zip(Some(&output.name)));
        trouble.extend(slow.map(|(why, name)| format!("output {name}: {why}")));
        trouble
    }
}

fn output(connection: ConnectionStatus) -> OutputStatus {
    let ConnectionStatus { name, up, since_ms, one_at_a_time, last_error } = connection;
    let last_error = last_error.map(|reason| clean(&reason, LINE_BYTES_MAX).into_owned());
    OutputStatus { name, up, since_ms, last_error, one_at_a_time }
}
