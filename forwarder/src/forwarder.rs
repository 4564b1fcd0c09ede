//! The forwarder's interface for the agent: push, ask, stop.

mod change;
mod replace;
mod stop;

pub use change::NextOutput;

use crate::disk_thread::{DiskThread, WhenOpened};
use crate::driver::Driver;
use crate::ending::Ending;
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
use crate::{Account, BufferConfig, Catalogue, Compactor, Encoder, Lane, Message, Output, disk_writer};
use std::cell::{Cell, RefCell};
use std::future::Future;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// An output, with its name, encoder and presence.
pub struct OutputSlot {
    /// Its name in the config. The buffer keeps the output's acknowledgements under this name.
    pub name: String,
    /// Where messages go.
    pub output: Box<dyn Output>,
    /// The encoder of its messages.
    pub encoder: Arc<dyn Encoder>,
    /// The agent's presence, as the output announces it.
    pub presence: Option<OutputPresence>,
}

/// The parts of a forwarder.
pub struct Start {
    /// `[buffer]`.
    pub config: BufferConfig,
    /// The folder of the buffer; made when it is first needed.
    pub folder: PathBuf,
    /// The outputs, in the order of the config; at most 64.
    pub outputs: Vec<OutputSlot>,
    /// The time [ms since the Unix epoch]; may step.
    pub clock: Arc<dyn Fn() -> i64 + Send + Sync>,
}

/// The encoder of an output; `None`: the output is about to go, and gets nothing more.
type SlotEncoder = Option<Arc<dyn Encoder>>;

/// Keeps messages until every output has acknowledged them. This is a handle: clones are the same forwarder.
#[derive(Clone)]
pub struct Forwarder {
    shared: Rc<Shared>,
    /// By the order of the config.
    encoders: Rc<RefCell<Vec<SlotEncoder>>>,
    tasks: Rc<RefCell<Tasks>>,
}

#[derive(Default)]
struct Tasks {
    /// By the order of the config.
    drivers: Vec<Option<RunningDriver>>,
    disk_writers: Vec<JoinHandle<()>>,
}

/// The task of an output, and the output's place.
struct RunningDriver {
    task: JoinHandle<()>,
    place: Rc<Cell<usize>>,
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

    /// As [`Forwarder::start`], with a compactor for the time when the buffer is full (`full = "thin"`).
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
        let state = |slot: &OutputSlot| {
            OutputState::new(&slot.name, slot.output.announces(), slot.presence.clone(), clock())
        };
        let states = outputs.iter().map(state).collect();
        let shared = Rc::new(Shared::new((config, folder), spool, disk_thread, states, clock));
        let encoders = outputs.iter().map(|slot| Some(slot.encoder.clone())).collect::<Vec<_>>();
        let mut tasks = Tasks::default();
        for (index, slot) in outputs.into_iter().enumerate() {
            tasks.drivers.push(Some(drive(&shared, index, slot)));
        }
        tasks.disk_writers.push(spawn(&shared, "disk writer", disk_writer::write(shared.clone(), opened)));
        tasks.disk_writers.push(spawn(&shared, "buffer cleaner", disk_writer::settle(shared.clone())));
        tasks.disk_writers.push(spawn(&shared, "disk sync", disk_writer::sync(shared.clone())));
        Ok(Self { shared, encoders: Rc::new(encoders.into()), tasks: Rc::new(tasks.into()) })
    }

    /// Waits until the buffer is open. Before that, [`Forwarder::account`] does not count the messages on disk.
    pub async fn opened(&self) {
        self.shared.opened().await;
    }

    /// Takes a message. Never blocks and never fails: if memory has no room, the oldest messages are given up,
    /// counted, and told by an event.
    pub fn push(&self, message: crate::Message) {
        let encoders = self.encoders.borrow();
        let takes = |encoder: &SlotEncoder| encoder.as_ref().is_some_and(|own| own.takes(&message));
        let takers = encoders.iter().enumerate().filter(|(_, encoder)| takes(encoder));
        let owed = takers.filter_map(|(output, _)| self.shared.bit_of(output)).collect();
        drop(encoders);
        self.shared.push(message, owed);
    }

    /// Sets the presence that the output (by its place in the config) announces now and at every connection.
    pub fn presence(&self, output: usize, online: Message) {
        self.shared.state(output, |state| {
            state.online = Some(online);
            state.presence_version += 1;
        });
        self.shared.wake_all();
    }

    /// Sets what the output (by its place in the config) announces now and at every connection.
    pub fn announce(&self, output: usize, catalogue: Catalogue) {
        self.shared.state(output, |state| state.catalogue = Some(Rc::new(catalogue)));
        self.shared.wake_all();
    }

    /// Opens the gate of the gated lanes, or closes it. At the start it is closed. Messages that have waited are
    /// sent as backfill. Messages in flight are not called back.
    pub fn release(&self, released: bool) {
        self.shared.spool.borrow_mut().release(released);
        self.shared.wake_all();
    }

    /// Whether memory has room for more messages; `false`: until the disk has taken some, further ones may cost the oldest.
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.shared.spool.borrow_mut().is_tight()
    }

    /// The position behind all messages that were pushed so far.
    #[must_use]
    pub fn position(&self) -> SpoolPosition {
        self.shared.position()
    }

    /// Whether every message before the position is acknowledged or on disk, so that a crash cannot lose it.
    #[must_use]
    pub fn is_kept(&self, position: &SpoolPosition) -> bool {
        self.shared.is_kept(position)
    }

    /// Waits until the buffer is open and every message before the position is acknowledged or on disk.
    pub async fn kept(&self, position: &SpoolPosition) {
        self.opened().await;
        while !self.is_kept(position) {
            self.shared.settled().await;
        }
    }

    /// The messages that are neither acknowledged nor on disk, those of each lane in order.
    #[must_use]
    pub fn unwritten(&self) -> Vec<Message> {
        let unwritten = self.shared.spool.borrow().unwritten(usize::MAX);
        let lanes = Lane::ALL.into_iter().flat_map(|lane| unwritten.of(lane));
        lanes.map(|record| record.message.clone()).collect()
    }

    /// Counts the messages that are neither acknowledged nor on disk as lost: the program ends without them.
    pub fn lose_unwritten(&self) {
        self.shared.spool.borrow_mut().lose_unwritten();
    }

    /// Counts of messages by their fate.
    #[must_use]
    pub fn account(&self) -> Account {
        self.shared.spool.borrow().account()
    }

    /// The state of outputs, memory and disk.
    #[must_use]
    pub fn status(&self) -> ForwarderStatus {
        self.shared.status()
    }

    /// The bytes that were written to storage today.
    #[must_use]
    pub fn written(&self) -> Written {
        self.shared.written(None)
    }

    /// Somebody else has written to the disk: an earlier error is over.
    pub fn disk_is_good(&self) {
        self.shared.disk_state(None);
    }

    /// Adds the bytes that an earlier run has written, if that was today.
    pub fn had_written(&self, earlier: Written) {
        self.shared.written(Some(earlier));
    }

    /// Whether the buffer is open.
    #[cfg(test)]
    pub(crate) fn is_open(&self) -> bool {
        self.shared.is_open()
    }

    /// How many evicted messages are still in flight.
    #[cfg(test)]
    pub(crate) fn orphans(&self) -> u64 {
        self.shared.spool.borrow().orphans()
    }

    /// Waits for the next event.
    pub async fn event(&self) -> ForwarderEvent {
        self.shared.event().await
    }

    /// The next event, if there is one.
    #[must_use]
    pub fn try_event(&self) -> Option<ForwarderEvent> {
        self.shared.try_event()
    }
}

/// Starts a task. If it ends while the forwarder runs, [`Forwarder::failed`] tells.
fn spawn(
    shared: &Rc<Shared>,
    name: impl Into<String>,
    task: impl Future<Output = ()> + 'static,
) -> JoinHandle<()> {
    spawn_until(shared, None, name, task)
}

/// The same, of a task that may end by itself once its own end has begun.
fn spawn_until(
    shared: &Rc<Shared>,
    ending: Option<Rc<Ending>>,
    name: impl Into<String>,
    task: impl Future<Output = ()> + 'static,
) -> JoinHandle<()> {
    let watch = TaskWatch { shared: shared.clone(), name: name.into(), ending };
    #[cfg(test)]
    let task = tests::injected(watch.name.clone(), task);
    tokio::task::spawn_local(async move {
        let _watch = watch;
        task.await;
    })
}

/// Starts the driver of an output.
fn drive(shared: &Rc<Shared>, index: usize, slot: OutputSlot) -> RunningDriver {
    let OutputSlot { name, output, encoder, .. } = slot;
    let (ending, place) = (shared.ending.part(index), Rc::new(Cell::new(index)));
    let driver = Driver {
        shared: shared.clone(),
        index: place.clone(),
        bit: index,
        output,
        encoder,
        ending: ending.clone(),
    };
    RunningDriver { task: spawn_until(shared, Some(ending), format!("output {name}"), driver.run()), place }
}

/// Reports the end of its task when it is dropped. A panic drops it too.
struct TaskWatch {
    shared: Rc<Shared>,
    name: String,
    /// The task's own end.
    ending: Option<Rc<Ending>>,
}

impl Drop for TaskWatch {
    fn drop(&mut self) {
        if self.ending.as_ref().is_some_and(|ending| !ending.is_running()) && !std::thread::panicking() {
            return;
        }
        let how = if std::thread::panicking() { "panicked" } else { "ended" };
        self.shared.part_ended(&format!("the task `{}` of the forwarder {how}", self.name));
    }
}

#[cfg(test)]
mod tests;
