//! The engine's status: made here, and nowhere else.

use super::Engine;
use crate::clock;
use crate::status::{
    AgentStatus, BufferStatus, ClockStatus, DeviceStatus, MemoryStatus, OutputStatus, RemoteStatus,
    SourceStatus, StreamStatus, WriteStatus,
};
use headwater_forwarder::{ConnectionStatus, ForwarderStatus};
use headwater_kernel::time::Now;
use headwater_pipeline::account::SourceCounts;
use headwater_text::{LINE_BYTES_MAX, clean};

impl Engine {
    /// Notes that something in the status has changed by more than numbers.
    pub(crate) fn on_status_changed(&self) {
        self.status_changed.notify_one();
    }

    /// Notes what a person should know of the config; `None`: nothing any more.
    pub(crate) fn config_trouble(&self, trouble: Option<&str>) {
        let before = self.config_trouble.replace(trouble.map(str::to_owned));
        if before.as_deref() != trouble {
            self.on_status_changed();
        }
    }

    /// Notes how remote changes of the config stand; `None`: there are none.
    pub(crate) fn remote_status(&self, status: Option<RemoteStatus>) {
        self.remote_status.replace(status);
    }

    /// Returns when the status may have changed by more than numbers, or has since the last time.
    pub(crate) async fn status_changed(&self) {
        self.status_changed.notified().await;
    }

    /// The present state of the agent.
    pub(crate) fn status(&self) -> AgentStatus {
        let forwarder = self.forwarder().status();
        let (agent, ledger, series, suppressed) = {
            let pipeline = self.pipeline.borrow();
            let agent = pipeline.agent().to_string();
            (agent, pipeline.ledger(), pipeline.series_count(), pipeline.suppressed())
        };
        let now = self.now();
        let stream = |(name, readings)| StreamStatus { name, readings };
        let boot = self.clock.unsynced_boot();
        AgentStatus {
            agent,
            version: env!("CARGO_PKG_VERSION"),
            now_ms: now.time.0,
            started_ms: self.clock.at(self.started_up_ms).0,
            up_ms: clock::up_ms() - self.started_up_ms,
            memory: MemoryStatus { resident_bytes: self.memory.resident(), max_bytes: self.memory.cap() },
            clock: ClockStatus { synced: boot.is_none(), boot: boot.as_deref().map(str::to_owned) },
            series,
            sources: self.source_statuses(&ledger.sources, now),
            streams: ledger.streams.into_iter().map(stream).collect(),
            buffer: BufferStatus {
                waiting: forwarder.waiting,
                memory_bytes: forwarder.memory_bytes,
                disk_bytes: forwarder.disk_bytes,
                max_bytes: forwarder.max_size,
                disk_error: forwarder.disk_error.clone(),
            },
            writes: WriteStatus {
                today_bytes: forwarder.written_today_bytes,
                daily_bytes: forwarder.daily_writes,
                device_today_bytes: forwarder.device_written_today_bytes,
            },
            device: DeviceStatus {
                size_bytes: forwarder.device_size_bytes,
                counted_today_ms: forwarder.counted_today_ms,
            },
            checkpoint: self.checkpointer.pace.status(now.alive),
            sync: self.syncing.status(),
            readings: ledger.total,
            messages: super::counts_of(&self.message_account()),
            suppressed,
            remote: self.remote_status.borrow().clone(),
            trouble: self.trouble(&forwarder),
            outputs: self.output_statuses(forwarder.outputs, now),
        }
    }

    /// Notes now and then how far sources and outputs are, so that the status knows how fast they are; never returns.
    pub(crate) async fn follow_trends(&self) {
        loop {
            let now = self.now().alive;
            if self.trends.is_due(now) {
                let received = self.pipeline.borrow().received();
                let outputs = self.forwarder().status().outputs;
                let waiting = outputs.into_iter().map(|output| output.waiting).collect();
                self.trends.note(now, received, waiting);
            }
            self.look().await;
        }
    }

    fn source_statuses(&self, readings: &[(String, SourceCounts)], now: Now) -> Vec<SourceStatus> {
        let mut sources = self.sources.statuses(readings, now, |up_ms| self.clock.at(up_ms));
        for (index, source) in sources.iter_mut().enumerate() {
            source.rate = self.trends.rate(index, source.readings.received, now.alive);
        }
        sources
    }

    fn output_statuses(&self, connections: Vec<ConnectionStatus>, now: Now) -> Vec<OutputStatus> {
        let status = |(index, connection): (usize, ConnectionStatus)| {
            let drain_ms = self.trends.drain_ms(index, connection.waiting, now.alive);
            OutputStatus { drain_ms, ..output(connection) }
        };
        connections.into_iter().enumerate().map(status).collect()
    }

    /// The agent's troubles, in words for a person; they may quote the disk.
    fn trouble(&self, forwarder: &ForwarderStatus) -> Vec<String> {
        let mut trouble = Vec::from_iter(self.memory.trouble());
        trouble.extend(self.config_trouble.borrow().clone());
        trouble.extend(self.checkpointer.trouble());
        trouble.extend(self.checkpointer.pace.trouble());
        trouble.extend(self.journal.trouble());
        trouble.extend(self.syncing.trouble());
        trouble.extend(self.sources.troubles(clock::up_ms()));
        trouble.extend(self.listener.trouble());
        if let Some(reason) = &forwarder.disk_error {
            trouble.push(format!("the disk takes nothing, messages are kept in memory only: {reason}"));
        }
        if forwarder.written_today_bytes > forwarder.daily_writes {
            trouble.push("more was written to disk today than `daily_writes` allows".to_owned());
        }
        let up_ms = clock::up_ms();
        let lost = forwarder.outputs.iter().filter_map(|output| self.output_losses.trouble(output, up_ms));
        trouble.extend(lost);
        let slow = forwarder.outputs.iter().filter_map(|output| output.one_at_a_time.zip(Some(&output.name)));
        trouble.extend(slow.map(|(why, name)| format!("output {name}: {why}")));
        trouble
    }
}

fn output(connection: ConnectionStatus) -> OutputStatus {
    let ConnectionStatus { name, up, since_ms, one_at_a_time, last_error, waiting, oldest_ms } = connection;
    let last_error = last_error.map(|reason| clean(&reason, LINE_BYTES_MAX).into_owned());
    OutputStatus { name, up, since_ms, last_error, one_at_a_time, waiting, oldest_ms, drain_ms: None }
}
