//! What each output says of the agent: its status, and that it is gone.
//!
//! It is said at every connection, again as soon as something in it is news, and every [`NUMBERS_EVERY`] for the
//! numbers in it.

use crate::clock::{self, Boots};
use crate::config::{AgentConfig, OutputConfig};
use crate::engine::{AgentClock, Engine};
use crate::status::AgentStatus;
use headwater_forwarder::{Forwarder, Message, OutputPresence, OutputSlot};
use headwater_pipeline::event::{AgentPresence, BootId, DiskStatus, Event};
use headwater_wire::{Messages, OutputEncoder};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// News is gathered for so long: an output that comes and goes shall not fill the others with it.
const GATHER: Duration = Duration::from_secs(1);

/// How often it is looked for news that nobody has told.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How often numbers that change all the time are published.
const NUMBERS_EVERY: Duration = Duration::from_secs(600);

/// Says how the agent stands, on every output.
pub(super) struct StatusPublisher {
    agent: Arc<str>,
    clock: Rc<AgentClock>,
    started_up_ms: i64,
    /// Their names.
    outputs: Vec<String>,
    /// The status that was published last, and when.
    said: RefCell<Option<(AgentStatus, Instant)>>,
}

impl StatusPublisher {
    pub(super) fn new(agent: &AgentConfig, outputs: &[OutputConfig], clock: Rc<AgentClock>) -> Self {
        let outputs = outputs.iter().map(|output| output.name.clone()).collect();
        let (agent, started_up_ms) = (agent.id.as_str().into(), clock::up_ms());
        Self { agent, clock, started_up_ms, outputs, said: RefCell::default() }
    }

    /// What the forwarder is started with.
    pub(super) fn slot(&self, output: OutputConfig, boots: &Arc<Boots>) -> OutputSlot {
        let OutputConfig { name, output, encoder } = output;
        let (online, gone) = (self.message(&name, true), self.message(&name, false));
        let encoder = Arc::new(OutputEncoder { placer: boots.clone(), ..encoder });
        OutputSlot { name, output, encoder, presence: Some(OutputPresence { online, gone }) }
    }

    /// Publishes what is news for as long as the agent runs; never returns.
    pub(super) async fn keep(&self, engine: &Engine) {
        loop {
            tokio::select! {
                () = engine.status_changed() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let (status, now) = (engine.status(), Instant::now());
            if self.is_due(&status, now) {
                *self.said.borrow_mut() = Some((status, now));
                self.publish(engine.forwarder(), true);
            }
        }
    }

    /// Says on every output that the agent is there, or that it goes.
    pub(super) fn publish(&self, forwarder: &Forwarder, online: bool) {
        for (index, name) in self.outputs.iter().enumerate() {
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

    /// What the output of a name says; that it is down itself, nobody can read there.
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
        };
        Messages::default().message(&Event::Status(Box::new(status)), started_ms)
    }
}

fn disk(status: &AgentStatus) -> DiskStatus {
    DiskStatus {
        used_bytes: status.buffer.disk_bytes,
        written_today_bytes: status.writes.today_bytes,
        daily_writes: status.writes.daily_bytes,
        device_written_today_bytes: status.writes.device_today_bytes,
    }
}
