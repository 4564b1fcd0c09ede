//! The forwarder as the agent sees it: push, ask, stop.

mod stop;

use crate::disk_thread::{DiskThread, WhenOpened};
use crate::driver::Driver;
use crate::events::ForwarderEvent;
use crate::opening::Opening;
use crate::output_set::OutputSet;
use crate::progress::Progress;
use crate::shared::{Shared, SpoolPosition};
use crate::spool::Spool;
use crate::status::{ForwarderStatus, OutputPresence, OutputState};
use crate::store::Store;
use crate::store::sled::SledStore;
use crate::writes::Written;
use crate::{Account, BufferConfig, Compactor, Encoder, Message, Output, disk_writer};
use std::future::Future;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// An output with all that belongs to it.
pub struct OutputSlot {
    /// Its name in the config: under it the buffer remembers what it has acknowledged.
    pub name: String,
    /// Where messages go.
    pub output: Box<dyn Output>,
    /// How they look there.
    pub encoder: Arc<dyn Encoder>,
    /// What it says of the agent.
    pub presence: Option<OutputPresence>,
}

/// What a forwarder is started with.
pub struct Start {
    /// `[buffer]`.
    pub config: BufferConfig,
    /// The folder of the buffer; made when it is first needed.
    pub folder: PathBuf,
    /// Where messages go, in the order of the config; at most 64.
    pub outputs: Vec<OutputSlot>,
    /// The time [ms since the Unix epoch]; may step.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
}

/// Keeps messages until every output has acknowledged them. A handle: clones are the same forwarder.
#[derive(Clone)]
pub struct Forwarder {
    shared: Rc<Shared>,
    /// By the order of the config.
    encoders: Rc<[Arc<dyn Encoder>]>,
    tasks: Rc<std::cell::RefCell<Tasks>>,
}

#[derive(Default)]
struct Tasks {
    drivers: Vec<JoinHandle<()>>,
    disk_writers: Vec<JoinHandle<()>>,
}

impl Forwarder {
    /// Starts to open the buffer and returns at once. Outputs connect when it is open: see [`Forwarder::opened`]. Must be
    /// called on a `LocalSet`.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(start: Start) -> std::io::Result<Self> {
        let store = SledStore::new(start.folder.clone());
        Self::start_on(start, None, Box::new(store), DiskThread::start)
    }

    /// As [`Forwarder::start`], with a way to merge old messages when the buffer is full (`full = "thin"`).
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start_compacting(start: Start, compactor: Arc<dyn Compactor>) -> std::io::Result<Self> {
        let store = SledStore::new(start.folder.clone());
        Self::start_on(start, Some(compactor), Box::new(store), DiskThread::start)
    }

    pub(crate) fn start_on(
        start: Start,
        compactor: Option<Arc<dyn Compactor>>,
        store: Box<dyn Store>,
        disk_thread: impl FnOnce(Opening) -> std::io::Result<(DiskThread, WhenOpened)>,
    ) -> std::io::Result<Self> {
        let Start { config, folder, mut outputs, clock } = start;
        outputs.truncate(OutputSet::OUTPUTS_MAX);
        let names = outputs.iter().map(|slot| slot.name.clone()).collect();
        let (disk_thread, opened) =
            disk_thread(Opening { store, config: config.clone(), compactor, outputs: names })?;
        let disk_first = config.when == crate::When::Always;
        let spool = Spool::new(Progress::new(outputs.len()), &[], config.memory_bytes_max, disk_first);
        let state = |slot: &OutputSlot| OutputState::new(&slot.name, slot.presence.clone(), clock());
        let states = outputs.iter().map(state).collect();
        let shared = Rc::new(Shared::new((config, folder), spool, disk_thread, states, clock));
        let encoders = outputs.iter().map(|slot| slot.encoder.clone()).collect();
        let mut tasks = Tasks::default();
        for (index, slot) in outputs.into_iter().enumerate() {
            let OutputSlot { name, output, encoder, .. } = slot;
            let driver = Driver { shared: shared.clone(), index, bit: index, output, encoder };
            tasks.drivers.push(spawn(&shared, format!("output {name}"), driver.run()));
        }
        tasks.disk_writers.push(spawn(&shared, "disk writer", disk_writer::write(shared.clone(), opened)));
        tasks.disk_writers.push(spawn(&shared, "buffer cleaner", disk_writer::settle(shared.clone())));
        tasks.disk_writers.push(spawn(&shared, "disk sync", disk_writer::sync(shared.clone())));
        Ok(Self { shared, encoders, tasks: Rc::new(tasks.into()) })
    }

    /// Waits until the buffer is open. Before that, [`Forwarder::account`] does not know of what lies there.
    pub async fn opened(&self) {
        self.shared.opened().await;
    }

    /// Takes a message in. Never blocks and never fails: what memory has no room for is counted as lost, and told.
    pub fn push(&self, message: crate::Message) {
        let takers = self.encoders.iter().enumerate().filter(|(_, encoder)| encoder.takes(&message));
        let owed = takers.filter_map(|(output, _)| self.shared.bit_of(output)).collect();
        self.shared.push(message, owed);
    }

    /// Sets what is said at every connection of the output (its place in the config), and now.
    pub fn presence(&self, output: usize, online: Message) {
        self.shared.state(output, |state| {
            state.online = Some(online);
            state.presence_version += 1;
        });
        self.shared.wake_all();
    }

    /// Opens the gate for what waits in gated lanes, or closes it, as it is at the start. What waited is sent as backfill;
    /// what is on its way already is not called back.
    pub fn release(&self, released: bool) {
        self.shared.spool.borrow_mut().release(released);
        self.shared.wake_all();
    }

    /// A place in the sequence: behind everything pushed so far.
    #[must_use]
    pub fn position(&self) -> SpoolPosition {
        self.shared.position()
    }

    /// Whether everything before a mark is acknowledged or on disk, so that a crash cannot lose it.
    #[must_use]
    pub fn is_kept(&self, position: &SpoolPosition) -> bool {
        self.shared.is_kept(position)
    }

    /// Waits until the buffer is open, and everything before a mark is acknowledged or on disk.
    pub async fn kept(&self, position: &SpoolPosition) {
        self.opened().await;
        while !self.is_kept(position) {
            self.shared.settled().await;
        }
    }

    /// What became of the messages.
    #[must_use]
    pub fn account(&self) -> Account {
        self.shared.spool.borrow().account()
    }

    /// How things stand.
    #[must_use]
    pub fn status(&self) -> ForwarderStatus {
        self.shared.status()
    }

    /// What was written to storage today.
    #[must_use]
    pub fn written(&self) -> Written {
        self.shared.written(None)
    }

    /// The disk is known to take something: what was said to the contrary is over.
    pub fn disk_is_good(&self) {
        self.shared.disk_state(None);
    }

    /// What an earlier run had written; if that was today, it counts.
    pub fn had_written(&self, earlier: Written) {
        self.shared.written(Some(earlier));
    }

    /// Whether the buffer is open.
    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        self.shared.is_open()
    }

    /// How many messages are only in outputs' hands.
    #[cfg(test)]
    pub(crate) fn orphans(&self) -> u64 {
        self.shared.spool.borrow().orphans()
    }

    /// The next thing that happened; waits for it.
    pub async fn event(&self) -> ForwarderEvent {
        self.shared.event().await
    }

    /// The next thing that happened, if there is one.
    #[must_use]
    pub fn try_event(&self) -> Option<ForwarderEvent> {
        self.shared.try_event()
    }
}

/// Starts a task whose end is noticed, unless the forwarder stops.
fn spawn(
    shared: &Rc<Shared>,
    name: impl Into<String>,
    task: impl Future<Output = ()> + 'static,
) -> JoinHandle<()> {
    let watch = TaskWatch { shared: shared.clone(), name: name.into() };
    #[cfg(test)]
    let task = tests::injected(watch.name.clone(), task);
    tokio::task::spawn_local(async move {
        let _watch = watch;
        task.await;
    })
}

/// Tells of a task's end when it is dropped: a panic drops it too.
struct TaskWatch {
    shared: Rc<Shared>,
    name: String,
}

impl Drop for TaskWatch {
    fn drop(&mut self) {
        let how = if std::thread::panicking() { "panicked" } else { "ended" };
        self.shared.part_ended(&format!("the task `{}` of the forwarder {how}", self.name));
    }
}

#[cfg(test)]
mod tests;
