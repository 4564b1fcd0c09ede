//! Publishes the agent's status on each output: how the agent stands, and that it has gone.
//!
//! An output publishes the status at every connection, after every change of more than numbers, and every
//! [`NUMBERS_EVERY`].

use crate::clock::{self, Boots};
use crate::config::{AgentConfig, OutputConfig};
use crate::engine::{AgentClock, Engine};
use crate::status::{AgentStatus, CheckpointStatus, SourceStatus, SyncStatus};
use headwater_forwarder::{Forwarder, Message, OutputPresence, OutputSlot};
use headwater_pipeline::event::{
    AckCounts, AgentPresence, BootId, CheckpointBudget, CheckpointFigures, DiskStatus, Event, SyncFigures,
};
use headwater_wire::{Messages, OutputEncoder};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The time for which changes are gathered after the last ones, so that one output that comes and goes does not flood the others.
const GATHER: Duration = Duration::from_secs(1);

/// How often the publisher looks for changes by itself.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How often numbers that change all the time are published.
const NUMBERS_EVERY: Duration = Duration::from_secs(600);

/// The publisher of the status.
pub(super) struct StatusPublisher {
    agent: Arc<str>,
    clock: Rc<AgentClock>,
    started_up_ms: i64,
    /// The names of the outputs.
    outputs: RefCell<Vec<String>>,
    /// The status that was published last, and when.
    said: RefCell<Option<(AgentStatus, Instant)>>,
}

impl StatusPublisher {
    pub(super) fn new(agent: &AgentConfig, outputs: &[OutputConfig], clock: Rc<AgentClock>) -> Self {
        let outputs = RefCell::new(outputs.iter().map(|output| output.name.clone()).collect());
        let (agent, started_up_ms) = (agent.id.as_str().into(), clock::up_ms());
        Self { agent, clock, started_up_ms, outputs, said: RefCell::default() }
    }

    /// The outputs are these from now on, by name, in the order of the config.
    pub(super) fn on_outputs(&self, names: Vec<String>) {
        self.outputs.replace(names);
    }

    /// The slot of an output, for the forwarder's start.
    pub(super) fn slot(&self, output: OutputConfig, boots: &Arc<Boots>) -> OutputSlot {
        let OutputConfig { name, output, encoder, .. } = output;
        let (online, gone) = (self.message(&name, true), self.message(&name, false));
        let encoder = Arc::new(OutputEncoder { placer: boots.clone(), ..encoder });
        OutputSlot { name, output, encoder, presence: Some(OutputPresence { online, gone }) }
    }

    /// Publishes every change of the status; never returns.
    pub(super) async fn keep(&self, engine: &Engine) {
        let mut looked = Instant::now();
        loop {
            tokio::select! {
                () = engine.status_changed() => self.gather().await,
                () = engine.look() => {
                    if looked.elapsed() < LOOK_EVERY {
                        continue;
                    }
                }
            }
            looked = Instant::now();
            let (status, now) = (engine.status(), Instant::now());
            if self.is_due(&status, now) {
                *self.said.borrow_mut() = Some((status, now));
                self.publish(engine.forwarder(), true);
            }
        }
    }

    /// The first change after a while goes out at once: it may say what is about to be lost.
    async fn gather(&self) {
        let last = self.said.borrow().as_ref().map(|(_, at)| *at);
        if let Some(last) = last {
            tokio::time::sleep_until(last + GATHER).await;
        }
    }

    /// Publishes on every output that the agent is online, or that it goes offline.
    pub(super) fn publish(&self, forwarder: &Forwarder, online: bool) {
        for (index, name) in self.outputs.borrow().iter().enumerate() {
            forwarder.presence(index, self.message(name, online));
        }
    }

    fn is_due(&self, status: &AgentStatus, now: Instant) -> bool {
        match &*self.said.borrow() {
            None => true,
            Some((said, at)) => {
                let has_other_numbers = (&status.buffer, &status.writes) != (&said.buffer, &said.writes);
                status.is_news_after(said) || (has_other_numbers && now - *at >= NUMBERS_EVERY)
            }
        }
    }

    /// The status as the output of a name publishes it. It does not say that this output is down: nobody could read that.
    fn message(&self, name: &str, online: bool) -> Message {
        let said = self.said.borrow();
        let said = said.as_ref().map(|(status, _)| status);
        let others = said.into_iter().flat_map(AgentStatus::down).filter(|down| *down != name);
        let mut trouble = said.map(|status| status.trouble.clone()).unwrap_or_default();
        trouble.extend(others.map(|down| format!("output {down} is down")));
        let started_ms = self.clock.at(self.started_up_ms).0;
        let status = AgentPresence {
            agent: self.agent.clone(),
            online,
            started_ms,
            boot: match said {
                Some(status) => status.clock.boot.as_deref().map(BootId::from),
                None => self.clock.unsynced_boot(),
            },
            trouble,
            disk: said.map(disk),
            checkpoint: said.and_then(|status| status.checkpoint.as_ref()).map(checkpoint),
            sync: said.and_then(|status| status.sync).map(sync),
            acks: said.into_iter().flat_map(|status| status.sources.iter().filter_map(acks)).collect(),
        };
        Messages::default().message(&Event::Status(Box::new(status)), started_ms)
    }
}

fn checkpoint(status: &CheckpointStatus) -> CheckpointFigures {
    let ms = |ms: i64| ms.unsigned_abs();
    let budget = status.allowed_ms.zip(status.daily_bytes);
    CheckpointFigures {
        every_ms: ms(status.every_ms),
        age_ms: ms(status.age_ms),
        budget: budget
            .map(|(allowed, daily_bytes)| CheckpointBudget { allowed_ms: ms(allowed), daily_bytes }),
    }
}

fn sync(status: SyncStatus) -> SyncFigures {
    SyncFigures { every_ms: status.every_ms, allowed_ms: status.allowed_ms }
}

fn acks(source: &SourceStatus) -> Option<AckCounts> {
    let acks = source.acks.as_ref()?;
    Some(AckCounts {
        source: source.name.clone(),
        held: acks.held as u64,
        stalled_ms: acks.stalled_ms,
        window: acks.window.map(|window| window as u64),
    })
}

fn disk(status: &AgentStatus) -> DiskStatus {
    DiskStatus {
        used_bytes: status.buffer.disk_bytes,
        written_today_bytes: status.writes.today_bytes,
        daily_writes: status.writes.daily_bytes,
        device_written_today_bytes: status.writes.device_today_bytes,
    }
}
