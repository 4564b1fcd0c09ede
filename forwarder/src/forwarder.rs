//! The forwarder as the agent sees it: push, ask, stop.

mod events;
mod shared;
mod status;
mod stop;
mod writes;

pub use events::{Event, Why};
pub use status::{ConnectionStatus, Status};
pub use writes::Written;

pub(crate) use shared::Shared;
pub(crate) use status::OutputState;

use crate::disk_thread::DiskThread;
use crate::driver::Driver;
use crate::positions::{Progress, bit};
use crate::ranges::Ranges;
use crate::segment_log::{Found, SegmentLog};
use crate::spool::Spool;
use crate::store::Store;
use crate::store::sled::SledStore;
use crate::{Account, BufferConfig, Encoder, Lane, Message, Output, PerLane, Thin, disk_writer};
use std::future::Future;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// As many bits as an `owed` has.
const OUTPUTS_MAX: usize = 64;

/// What an output says of the agent that runs it, where its protocol knows such a thing.
#[derive(Clone, Debug)]
pub struct Presence {
    /// Said at every connection: see [`Forwarder::presence`].
    pub online: Message,
    /// What the other side says when the connection is lost without a farewell.
    pub gone: Message,
}

/// An output with all that belongs to it.
pub struct OutputSlot {
    /// Its name in the config: under it the buffer remembers what it has acknowledged.
    pub name: String,
    /// Where messages go.
    pub output: Box<dyn Output>,
    /// How they look there.
    pub encoder: Arc<dyn Encoder>,
    /// What it says of the agent.
    pub presence: Option<Presence>,
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

/// A place in the sequence of messages; see [`Forwarder::mark`].
#[derive(Clone, Copy, Debug)]
pub struct Mark(crate::PerLane<u64>);

/// Keeps messages until every output has acknowledged them. A handle: clones are the same forwarder.
#[derive(Clone)]
pub struct Forwarder {
    shared: Rc<Shared>,
    /// By the order of the config, each with its bit.
    encoders: Rc<[(usize, Arc<dyn Encoder>)]>,
    tasks: Rc<std::cell::RefCell<Tasks>>,
}

#[derive(Default)]
struct Tasks {
    drivers: Vec<JoinHandle<()>>,
    disk_writers: Vec<JoinHandle<()>>,
}

impl Forwarder {
    /// Looks at the buffer that is there, and starts to connect. Must be called on a `LocalSet`.
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
    pub fn start_thinning(start: Start, thin: Arc<dyn Thin>) -> std::io::Result<Self> {
        let store = SledStore::new(start.folder.clone());
        Self::start_on(start, Some(thin), Box::new(store), DiskThread::start)
    }

    pub(crate) fn start_on(
        start: Start,
        thin: Option<Arc<dyn Thin>>,
        store: Box<dyn Store>,
        disk_thread: impl FnOnce(SegmentLog) -> std::io::Result<DiskThread>,
    ) -> std::io::Result<Self> {
        let Start { config, folder, outputs, clock } = start;
        let (mut segment_log, found) = SegmentLog::open(store, config.clone(), thin);
        let Places { names, bits, progress } = places(&outputs, &found, found.runs.is_empty());
        if found.positions.is_some() && segment_log.is_empty() {
            segment_log.write_positions(&names, &progress);
        }
        segment_log.fit(&names, &progress);
        let notices = segment_log.take_notices();
        let (disk_bytes, disk_first) = (segment_log.bytes(), config.when == crate::When::Always);
        let spool = Spool::new(progress, &found.runs, config.memory_bytes_max, disk_first);
        let states = outputs.iter().map(|slot| OutputState::new(slot, clock())).collect();
        let shared = Rc::new(Shared::new(
            (config, folder),
            spool,
            disk_thread(segment_log)?,
            names,
            states,
            clock,
            disk_bytes,
        ));
        disk_writer::on_notices(&shared, notices);
        let encoders = bits.iter().copied().zip(outputs.iter().map(|slot| slot.encoder.clone())).collect();
        let mut tasks = Tasks::default();
        for ((index, slot), bit) in outputs.into_iter().enumerate().zip(bits) {
            let OutputSlot { output, encoder, .. } = slot;
            let driver = Driver { shared: shared.clone(), index, bit, output, encoder };
            let name = format!("output {}", shared.state(index, |state| state.name()).unwrap_or_default());
            tasks.drivers.push(spawn(&shared, name, driver.run()));
        }
        tasks.disk_writers.push(spawn(&shared, "disk writer", disk_writer::write(shared.clone())));
        tasks.disk_writers.push(spawn(&shared, "buffer cleaner", disk_writer::settle(shared.clone())));
        tasks.disk_writers.push(spawn(&shared, "disk sync", disk_writer::sync(shared.clone())));
        Ok(Self { shared, encoders, tasks: Rc::new(tasks.into()) })
    }

    /// Takes a message in. Never blocks and never fails: what memory has no room for is counted as lost, and told.
    pub fn push(&self, message: crate::Message) {
        let wants = |(bit_of, encoder): &(usize, Arc<dyn Encoder>)| {
            if encoder.takes(&message) { bit(*bit_of) } else { 0 }
        };
        let owed = self.encoders.iter().map(wants).fold(0, |owed, bit| owed | bit);
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
    pub fn mark(&self) -> Mark {
        Mark(self.shared.spool.borrow().mark())
    }

    /// Whether everything before a mark is acknowledged or on disk, so that a crash cannot lose it.
    #[must_use]
    pub fn is_kept(&self, mark: &Mark) -> bool {
        !self.shared.spool.borrow_mut().has_unwritten_before(&mark.0)
    }

    /// Waits until everything before a mark is acknowledged or on disk.
    pub async fn kept(&self, mark: &Mark) {
        while !self.is_kept(mark) {
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
    pub fn status(&self) -> Status {
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

    /// How many messages are only in outputs' hands.
    #[cfg(test)]
    pub(crate) fn orphans(&self) -> u64 {
        self.shared.spool.borrow().orphans()
    }

    /// The next thing that happened; waits for it.
    pub async fn event(&self) -> Event {
        self.shared.event().await
    }

    /// The next thing that happened, if there is one.
    #[must_use]
    pub fn try_event(&self) -> Option<Event> {
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
        self.shared.task_ended(&format!("the task `{}` of the forwarder {how}", self.name));
    }
}

/// Which output has which bit.
struct Places {
    /// By bit.
    names: Vec<String>,
    /// By the order of the config.
    bits: Vec<usize>,
    progress: Progress,
}

/// Outputs known from before keep their bits; one that is new wants nothing of what is there.
fn places(outputs: &[OutputSlot], found: &Found, is_empty: bool) -> Places {
    // Without the note, all that lies there is sent to all, again if need be.
    let (mut names, mut progress) = found.positions.clone().unwrap_or_default();
    let mut acked = PerLane::<Ranges>::default();
    if is_empty || found.positions.is_some() {
        for lane in Lane::ALL {
            let on_disk = found.runs.iter().filter(|run| run.lane == lane).map(|run| run.seqs.end).max();
            // Also where nothing is left: a number is never given twice.
            acked.of_mut(lane).insert_range(0..on_disk.unwrap_or(0).max(progress.end(lane)));
        }
    }
    if is_empty || names.len() + outputs.len() > OUTPUTS_MAX {
        // Nothing refers to the bits any more.
        (names, progress) = Default::default();
    }
    progress.active = 0;
    let mut bits = Vec::new();
    for slot in outputs.iter().take(OUTPUTS_MAX) {
        let name = slot.name.escape_default().to_string();
        let place = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            progress.acked.push(acked.clone());
            names.len() - 1
        });
        progress.active |= bit(place);
        bits.push(place);
    }
    Places { names, bits, progress }
}

#[cfg(test)]
mod tests;
