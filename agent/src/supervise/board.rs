//! What each output says of the agent: its status, and that it is gone.
//!
//! It is said at every connection, again as soon as something in it is news, and every [`NUMBERS_EVERY`] for the
//! numbers in it.

use crate::clock::{self, Boots};
use crate::config::{AgentConfig, OutputConfig};
use crate::encode::Messages;
use crate::engine::{Engine, Placing, Timekeeper};
use crate::event::{BootId, DiskStatus, Event, Status};
use headwater_forwarder::{Forwarder, Message, OutputSlot, Presence};
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

pub(super) struct StatusBoard {
    agent: Arc<str>,
    clock: Rc<Timekeeper>,
    started_up_ms: i64,
    outputs: Vec<String>,
    shown: RefCell<Shown>,
}

/// What changes in a status.
#[derive(Clone, Debug, PartialEq)]
struct Sight {
    /// The boot whose time is not known.
    boot: Option<String>,
    trouble: Vec<String>,
    /// Outputs that are down, by their names.
    down: Vec<String>,
    disk: Option<DiskStatus>,
}

impl Sight {
    /// Whether there is more to say than other numbers.
    fn is_news_after(&self, earlier: &Self) -> bool {
        (&self.boot, &self.trouble, &self.down) != (&earlier.boot, &earlier.trouble, &earlier.down)
    }
}

struct Shown {
    sight: Sight,
    at: Instant,
}

impl StatusBoard {
    pub(super) fn new(agent: &AgentConfig, outputs: &[OutputConfig], clock: Rc<Timekeeper>) -> Self {
        let outputs = outputs.iter().map(|output| output.name.clone()).collect();
        let sight = Sight {
            boot: clock.unsynced_boot().as_deref().map(str::to_owned),
            trouble: Vec::new(),
            down: Vec::new(),
            disk: None,
        };
        let shown = RefCell::new(Shown { sight, at: Instant::now() });
        Self { agent: agent.id.as_str().into(), clock, started_up_ms: clock::up_ms(), outputs, shown }
    }

    /// What the forwarder is started with.
    pub(super) fn slot(&self, output: OutputConfig, boots: &Arc<Boots>) -> OutputSlot {
        let OutputConfig { name, output, encoder } = output;
        let (online, gone) = (self.message(&name, "online"), self.message(&name, "offline"));
        let encoder = Arc::new(Placing::new(boots.clone(), encoder));
        OutputSlot { name, output, encoder, presence: Some(Presence { online, gone }) }
    }

    /// Publishes what is news for as long as the agent runs; never returns.
    pub(super) async fn keep(&self, engine: &Engine) {
        loop {
            tokio::select! {
                () = engine.status_changed() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let sight = self.look(engine);
            let news = {
                let shown = self.shown.borrow();
                sight.is_news_after(&shown.sight)
                    || (shown.sight != sight
                        && (shown.sight.disk.is_none() || shown.at.elapsed() >= NUMBERS_EVERY))
            };
            if news {
                *self.shown.borrow_mut() = Shown { sight, at: Instant::now() };
                self.show(engine.forwarder(), "online");
            }
        }
    }

    pub(super) fn show(&self, forwarder: &Forwarder, state: &str) {
        for (index, name) in self.outputs.iter().enumerate() {
            forwarder.presence(index, self.message(name, state));
        }
    }

    /// What the output of a name says; that it is down itself, nobody can read there.
    fn message(&self, name: &str, state: &str) -> Message {
        let sight = &self.shown.borrow().sight;
        let others = sight.down.iter().filter(|down| *down != name);
        let mut trouble = sight.trouble.clone();
        trouble.extend(others.map(|down| format!("output {down} is down")));
        let started_ms = self.clock.at(self.started_up_ms).0;
        let status = Status {
            agent: self.agent.clone(),
            online: state == "online",
            started_ms,
            boot: sight.boot.as_deref().map(BootId::from),
            trouble,
            disk: sight.disk,
        };
        Messages::default().message(&Event::Status(Box::new(status)), started_ms)
    }

    fn look(&self, engine: &Engine) -> Sight {
        let status = engine.status();
        let disk = DiskStatus {
            used_bytes: status.buffer.disk_bytes,
            written_today_bytes: status.writes.today_bytes,
            daily_writes: status.writes.daily_bytes,
            device_written_today_bytes: status.writes.device_today_bytes,
        };
        let down = status.down().map(str::to_owned).collect();
        Sight { boot: status.clock.boot, trouble: status.trouble, down, disk: Some(disk) }
    }
}
